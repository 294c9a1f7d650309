import socket
import subprocess
import time

import httpx
import pytest

from localplane.binaries import find_or_build
from modelramp.adapters.addresses import Addresses, AddressList
from modelramp.adapters.clock import SystemClock
from modelramp.adapters.prometheus import PrometheusMetrics
from modelramp.adapters.telemetry import OperatorTelemetry
from modelramp.engine.ports import Endpoint

CONFIG = """
otlp: {translation_strategy: NoTranslation, convert_histograms_to_nhcb: true}
storage: {tsdb: {out_of_order_time_window: 2h}}
"""


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory):
    """A Prometheus of these tests' own, into which history can be written; its base URL."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yaml").write_text(CONFIG)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [
        str(find_or_build(print).prometheus),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--web.enable-otlp-receiver",
    ]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_until_ready(f"http://{address}/-/ready", process, folder / "log")
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait_until_ready(url, process, log):
    for _ in range(200):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(log.read_text()[-2000:])


@pytest.fixture
def telemetry(tmp_path):
    with (tmp_path / "log").open("w") as stream:
        yield OperatorTelemetry(stream=stream)


ADMITTED = Addresses(AddressList.of(["127.0.0.0/8", "10.244.0.0/16"]))


@pytest.fixture
async def metrics(telemetry):
    async def no_secret(_namespace, _name):
        raise AssertionError

    async with PrometheusMetrics(telemetry, SystemClock(), no_secret, ADMITTED, timeout=10) as made:
        yield made


@pytest.fixture
def endpoint(prometheus):
    return Endpoint(prometheus)


@pytest.fixture(scope="session")
def last_minute():
    """The newest full minute that is old enough to be evaluated, as a tick of all histories."""
    return int(SystemClock().now() - 10) // 60 * 60
