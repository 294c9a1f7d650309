"""Servers that speak Prometheus' API, each started anew with nothing in it."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from remote_write import Series, write

from localplane import binaries
from modelramp.engine.ports import Endpoint

OUT_OF_ORDER = "storage: {tsdb: {out_of_order_time_window: 2h}}"


@dataclass
class BackEnd:
    """One that runs. written: where remote write goes. settled: what makes the newest samples visible at once."""

    name: str
    endpoint: Endpoint
    written: str
    settled: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def write(self, series: Series) -> None:
        """Write samples; afterwards every question sees them."""
        write(self.written, series, self.headers)
        if self.settled:
            httpx.get(self.settled, timeout=20).raise_for_status()


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def _running(command: list[str], ready: str, log: Path, seconds: int = 30) -> Iterator[None]:
    with log.open("w") as stream, subprocess.Popen(command, stdout=stream, stderr=stream) as process:
        try:
            for _ in range(10 * seconds):
                assert process.poll() is None, log.read_text()[-2000:]
                if _answers(ready):
                    break
                time.sleep(0.1)
            else:
                raise AssertionError(log.read_text()[-2000:])
            yield
        finally:
            process.kill()
            process.wait(timeout=20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def prometheus(
    folder: Path, program: str = "", *flags: str, external: str = "", address: str = ""
) -> Iterator[BackEnd]:
    """The plane's Prometheus, or another one. external: of its `global` configuration."""
    address = address or _free_address()
    (folder / "prometheus.yaml").write_text(f"global: {{{external}}}\n{OUT_OF_ORDER}\n")
    command = [program or str(binaries.find_or_build(print).prometheus), f"--config.file={folder / 'prometheus.yaml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]
    command += ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=10y", *flags]
    url = f"http://{address}"
    with _running(command, f"{url}/-/ready", folder / "log"):
        yield BackEnd("prometheus", Endpoint(url), f"{url}/api/v1/write")


@contextmanager
def victoriametrics(folder: Path, *flags: str) -> Iterator[BackEnd]:
    """Its single node, with its own defaults."""
    address = _free_address()
    command = [str(binaries.victoriametrics(print)), f"-httpListenAddr={address}"]
    command += [f"-storageDataPath={folder / 'data'}", "-retentionPeriod=10y", "-memory.allowedPercent=10", *flags]
    url = f"http://{address}"
    with _running(command, f"{url}/health", folder / "log"):
        yield BackEnd("victoriametrics", Endpoint(url), f"{url}/api/v1/write", f"{url}/internal/force_flush")


@contextmanager
def given(_folder: Path) -> Iterator[BackEnd]:
    """One that somebody has started: see docs/reference/back-ends.md."""
    headers = dict(pair.split("=", 1) for pair in filter(None, os.environ.get("MODELRAMP_TEST_HEADERS", "").split(";")))
    endpoint = Endpoint(os.environ["MODELRAMP_TEST_BACK_END"], None, tuple(headers.items()))
    yield BackEnd("given", endpoint, os.environ["MODELRAMP_TEST_REMOTE_WRITE"], headers=headers)


STARTED: dict[str, Callable[[Path], AbstractContextManager[BackEnd]]] = {"victoriametrics": victoriametrics}
if "MODELRAMP_TEST_BACK_END" in os.environ:
    STARTED = {"given": given}
