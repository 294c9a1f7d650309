"""Integration tests share one real control plane; its fixtures come with it."""

import pytest

from localplane.testing import namespace, plane, pytest_runtest_makereport
from modelramp.adapters.telemetry import OperatorTelemetry
from tests.integration.asking import metrics_of

__all__ = ["namespace", "plane", "pytest_runtest_makereport"]


@pytest.fixture
def telemetry(tmp_path):
    with (tmp_path / "log").open("w") as stream:
        yield OperatorTelemetry(stream=stream)


@pytest.fixture
async def metrics(telemetry):
    async with metrics_of(telemetry) as made:
        yield made
