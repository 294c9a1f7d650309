import pytest
from own_prometheus import HISTORY, serving

from modelramp.adapters.clock import SystemClock
from modelramp.adapters.telemetry import OperatorTelemetry
from modelramp.engine.ports import Endpoint
from tests.integration.asking import metrics_of


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory):
    """A Prometheus of these tests' own, into which history can be written; its base URL."""
    with serving(tmp_path_factory.mktemp("prometheus"), HISTORY) as url:
        yield url


@pytest.fixture
def telemetry(tmp_path):
    with (tmp_path / "log").open("w") as stream:
        yield OperatorTelemetry(stream=stream)


@pytest.fixture
async def metrics(telemetry):
    async with metrics_of(telemetry) as made:
        yield made


@pytest.fixture
def endpoint(prometheus):
    return Endpoint(prometheus)


@pytest.fixture(scope="session")
def last_minute():
    """The newest full minute that is old enough to be evaluated, as a tick of all histories."""
    return int(SystemClock().now() - 10) // 60 * 60
