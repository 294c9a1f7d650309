from collections.abc import Callable, Iterator

import pytest
import structlog
from digit_pods import Clock, Pod, trained

from examples.server import service


@pytest.fixture(autouse=True)
def _train_each_variant_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    real = service.load_model
    monkeypatch.setattr(service, "load_model", lambda s: real(s) if s.path else trained(s.variant))
    yield
    structlog.reset_defaults()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pod(clock: Clock) -> Callable[..., Pod]:
    """Makes pods that are ready: ``pod(MODEL_VARIANT="v2", MODEL_REVISION="bbb")``."""

    def make(**environment: object) -> Pod:
        made = Pod(clock, **environment)
        made.service.load()
        return made

    return make


@pytest.fixture
def unloaded_pod(clock: Clock) -> Pod:
    return Pod(clock)
