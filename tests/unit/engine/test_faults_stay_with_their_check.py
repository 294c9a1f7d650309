"""Whatever one check meets, the others of its object and of everybody else are judged as if it were not there."""

import pytest

from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict
from modelramp.engine import queries
from modelramp.engine.ports import Endpoint, Sample
from modelramp.engine.queries import CheckRequest, outcomes

HERE = Endpoint("http://prometheus:9090")
TICK = 1_800_000_000
GOOD = {"name": "errors", "query": "errors", "max": 1}
BAD = {"name": "broken", "query": "broken", "max": 1}


class Answers:
    """A Prometheus that gives every query the same value."""

    def __init__(self, samples):
        self.samples = samples

    async def instant(self, _endpoint, _query, _at, _asker=None):
        return self.samples


class Log:
    def warn(self, *_, **__):
        """Not of interest here."""


def due(name, *checks):
    return CheckRequest(
        f"ml/{name}", HERE, Health(checks=checks), QueryContext("ml", name, "r1", f"{name}-r1", "r0", f"{name}-r0")
    )


def raising(name, real):
    def judge(check, *rest):
        if check.name == "broken":
            raise OverflowError("math range error")
        return real(check, *rest)

    return judge


@pytest.mark.parametrize("step", ["ask", "judge"])
async def test_a_check_that_raises_is_no_data_and_the_others_are_judged(monkeypatch, step):
    monkeypatch.setattr(queries, step, raising(step, getattr(queries, step)))
    found = await outcomes([due("a", BAD, GOOD), due("b", GOOD)], TICK, Answers([Sample({}, 0.5)]), Log())
    broken, good = found["ml/a"]
    assert (broken.verdict, broken.reason) == (Verdict.NO_DATA, Reason.CHECK_FAILED)
    assert "OverflowError: math range error" in broken.detail
    assert good.verdict is Verdict.HEALTHY
    assert found["ml/b"][0].verdict is Verdict.HEALTHY


async def test_labels_of_a_form_that_no_prometheus_sends_cost_only_the_checks_that_look_at_them():
    odd = Sample({"namespace": ["ml"], "modeldeployment": "a", "revision": {}}, 0.5)
    preset = {"name": "broken", "preset": "reference-error-rate"}
    found = await outcomes([due("a", preset, GOOD)], TICK, Answers([odd]), Log())
    broken, good = found["ml/a"]
    assert (broken.verdict, broken.reason) == (Verdict.NO_DATA, Reason.CHECK_FAILED)
    assert good.verdict is Verdict.HEALTHY
