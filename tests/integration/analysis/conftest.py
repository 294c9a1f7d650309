import pytest
from own_prometheus import HISTORY, serving

from modelramp.adapters.clock import SystemClock
from modelramp.engine.ports import Endpoint


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory):
    """A Prometheus of these tests' own, into which history can be written; its base URL."""
    with serving(tmp_path_factory.mktemp("prometheus"), HISTORY) as url:
        yield url


@pytest.fixture
def endpoint(prometheus):
    return Endpoint(prometheus)


@pytest.fixture(scope="session")
def last_minute():
    """The newest full minute that is old enough to be evaluated, as a tick of all histories."""
    return int(SystemClock().now() - 10) // 60 * 60
