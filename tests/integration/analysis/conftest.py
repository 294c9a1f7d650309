import pytest
from own_prometheus import HISTORY, serving

from modelramp.adapters.addresses import Addresses, AddressList
from modelramp.adapters.clock import SystemClock
from modelramp.adapters.prometheus import PrometheusMetrics
from modelramp.adapters.telemetry import OperatorTelemetry
from modelramp.engine.ports import Endpoint


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory):
    """A Prometheus of these tests' own, into which history can be written; its base URL."""
    with serving(tmp_path_factory.mktemp("prometheus"), HISTORY) as url:
        yield url


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
