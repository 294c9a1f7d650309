"""Servers that speak Prometheus' API, each started anew with nothing in it."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
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
def prometheus_2(folder: Path) -> Iterator[BackEnd]:
    """The oldest Prometheus with long-term support in these tests."""
    with prometheus(folder, str(binaries.back_end("prometheus-2.53", print))) as running:
        yield replace(running, name="prometheus-2.53")


@contextmanager
def thanos(folder: Path) -> Iterator[BackEnd]:
    """A querier over one sidecar, which it may not forget."""
    program = str(binaries.back_end("thanos", print))
    stored, sidecar, sidecar_http, query, query_grpc = (_free_address() for _ in range(5))
    with ExitStack() as stack:
        behind = stack.enter_context(prometheus(folder, external="external_labels: {replica: a}", address=stored))
        command = [program, "sidecar", f"--prometheus.url={behind.endpoint.address}", f"--tsdb.path={folder / 'data'}"]
        command += [f"--grpc-address={sidecar}", f"--http-address={sidecar_http}"]
        stack.enter_context(_running(command, f"http://{sidecar_http}/-/ready", folder / "sidecar.log"))
        command = [program, "query", f"--endpoint-strict={sidecar}", "--query.replica-label=replica"]
        command += [f"--grpc-address={query_grpc}", f"--http-address={query}"]
        stack.enter_context(_running(command, f"http://{query}/-/ready", folder / "query.log"))
        yield BackEnd("thanos", Endpoint(f"http://{query}"), behind.written)


@contextmanager
def mimir(folder: Path) -> Iterator[BackEnd]:
    """All of it in one process, with tenants."""
    address, grpc, gossip = (_free_address() for _ in range(3))
    (host, port), (_, grpc_port), (_, gossip_port) = (each.split(":") for each in (address, grpc, gossip))
    text = MIMIR.format(folder=folder, host=host, port=port, grpc=grpc_port, gossip=gossip_port)
    (folder / "mimir.yaml").write_text(text)
    command = [str(binaries.back_end("mimir", print)), f"-config.file={folder / 'mimir.yaml'}"]
    tenant = {"X-Scope-OrgID": "team-a"}
    with _running(command, f"http://{address}/ready", folder / "log", seconds=90):
        endpoint = Endpoint(f"http://{address}/prometheus", None, tuple(tenant.items()))
        yield BackEnd("mimir", endpoint, f"http://{address}/api/v1/push", headers=tenant)


MIMIR = """
multitenancy_enabled: true
target: all
server: {{http_listen_address: {host}, http_listen_port: {port}, grpc_listen_address: {host}, grpc_listen_port: {grpc},
  log_level: warn}}
common: {{storage: {{backend: filesystem, filesystem: {{dir: {folder}/common}}}}}}
blocks_storage: {{backend: filesystem, filesystem: {{dir: {folder}/blocks}}, tsdb: {{dir: {folder}/tsdb}},
  bucket_store: {{sync_dir: {folder}/sync}}}}
limits: {{query_ingesters_within: 0s, ingestion_rate: 1000000, ingestion_burst_size: 10000000}}
querier: {{query_store_after: 0s, ring: {{instance_addr: {host}}}}}
compactor: {{data_dir: {folder}/compactor, sharding_ring: {{kvstore: {{store: memberlist}}, instance_addr: {host}}}}}
distributor: {{ring: {{kvstore: {{store: memberlist}}, instance_addr: {host}}}}}
ingester: {{ring: {{kvstore: {{store: memberlist}}, replication_factor: 1, instance_addr: {host}}}}}
store_gateway: {{sharding_ring: {{replication_factor: 1, kvstore: {{store: memberlist}}, instance_addr: {host}}}}}
frontend: {{address: {host}}}
query_scheduler: {{ring: {{instance_addr: {host}, kvstore: {{store: memberlist}}}}}}
ruler_storage: {{backend: filesystem, filesystem: {{dir: {folder}/rules}}}}
ruler: {{rule_path: {folder}/rulepath, ring: {{instance_addr: {host}, kvstore: {{store: memberlist}}}}}}
alertmanager_storage: {{backend: filesystem, filesystem: {{dir: {folder}/am}}}}
alertmanager: {{data_dir: {folder}/amd}}
memberlist: {{bind_addr: [{host}], bind_port: {gossip}, join_members: ["{host}:{gossip}"]}}
overrides_exporter: {{ring: {{instance_addr: {host}}}}}
activity_tracker: {{filepath: {folder}/activity.log}}
usage_stats: {{enabled: false}}
"""


@contextmanager
def given(_folder: Path) -> Iterator[BackEnd]:
    """One that somebody has started: see docs/reference/back-ends.md."""
    headers = dict(pair.split("=", 1) for pair in filter(None, os.environ.get("MODELRAMP_TEST_HEADERS", "").split(";")))
    endpoint = Endpoint(os.environ["MODELRAMP_TEST_BACK_END"], None, tuple(headers.items()))
    yield BackEnd("given", endpoint, os.environ["MODELRAMP_TEST_REMOTE_WRITE"], headers=headers)


KNOWN: dict[str, Callable[[Path], AbstractContextManager[BackEnd]]] = {
    "victoriametrics": victoriametrics,
    "prometheus-2.53": prometheus_2,
    "thanos": thanos,
    "mimir": mimir,
    "given": given,
}
USUAL = "given" if "MODELRAMP_TEST_BACK_END" in os.environ else "victoriametrics"
STARTED = {name: KNOWN[name] for name in os.environ.get("MODELRAMP_TEST_BACK_ENDS", USUAL).split(",")}
"""The others take their time to build: `make nightly` runs them."""
