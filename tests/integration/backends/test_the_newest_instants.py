"""What is asked some seconds after a tick is answered for that tick, whatever the back end holds back by default."""

from collections import defaultdict

import pytest

from modelramp.adapters import prometheus_parameters
from modelramp.adapters.clock import SystemClock
from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import Health
from modelramp.api.verdict import Verdict
from modelramp.engine.queries import CheckRequest, outcomes
from modelramp.engine.replay import Missed, missed_outcomes

pytestmark = pytest.mark.timeout(400)

SCRAPE = 2
INTERVAL = 10
DELAY = 5
"""Seconds from a tick to its evaluation, as in the operator."""
LABELS = {"namespace": "ml", "modeldeployment": "digits", "revision": "r2"}
COUNT = "sum(prediction_requests_total)"
RATIO = {
    "bad": 'sum(increase(model_errors_total{revision="{{revision}}"}[{{window}}]))',
    "total": 'sum(increase(prediction_requests_total{revision="{{revision}}"}[{{window}}]))',
}
CHECKS = (
    {"name": "errors", "preset": "error-rate", "max": 0.05},
    {"name": "ratio", "ratio": RATIO, "max": 0.05},
)


def instants(end, seconds=180):
    return range(end - seconds, end + 1, SCRAPE)


def counters(end, *, fails=lambda _age: False, serves=lambda _age: True):
    """Counters up to `end`: 100 requests a scrape. fails, serves: by age at `end`, seconds."""
    found, requests, errors = defaultdict(list), 0, 0
    for at in instants(end):
        requests += 100 if serves(end - at) else 0
        errors += 100 if fails(end - at) else 0
        for name, value in (("prediction_requests_total", requests), ("model_errors_total", errors)):
            found[tuple(sorted({"__name__": name, **LABELS}.items()))].append((at, float(value)))
    return found


@pytest.fixture
def tick():
    """A tick whose evaluation is due now."""
    return int(SystemClock().now()) - DELAY


def due(endpoint):
    health = Health(checks=CHECKS, interval=f"{INTERVAL}s")
    return CheckRequest("digits", endpoint, health, QueryContext("ml", "digits", "r2", "digits-r2"))


async def verdicts(endpoint, at, metrics, telemetry):
    found = (await outcomes([due(endpoint)], at, metrics, telemetry))["digits"]
    return {outcome.name: outcome.verdict for outcome in found}


async def test_a_value_is_that_of_its_instant_and_the_same_in_a_range(reference, back_end, metrics, tick):
    for each in (reference, back_end):
        each.write(counters(tick + 2))
    steps = range(tick - 60, tick + 1, INTERVAL)
    found = {}
    for each in (reference, back_end):
        single = [(await metrics.instant(each.endpoint, COUNT, at))[0].value for at in steps]
        ranged = await metrics.range(each.endpoint, COUNT, steps[0], steps[-1], INTERVAL)
        assert [ranged[at][0].value for at in steps] == single
        found[each.name] = single
    assert found[back_end.name] == found[reference.name]
    assert found[reference.name] == [found[reference.name][0] + 500 * n for n in range(7)]


async def test_what_fails_since_the_last_step_began_breaches(reference, back_end, metrics, telemetry, tick):
    """A version that fails with all traffic only was promoted: its last windows were those of half a minute before."""
    for each in (reference, back_end):
        each.write(counters(tick + 2, fails=lambda age: age < 14))
        assert set((await verdicts(each.endpoint, tick, metrics, telemetry)).values()) == {Verdict.BREACH}, each.name


async def test_a_short_burst_is_one_missed_tick_and_not_three(reference, back_end, metrics, telemetry, tick):
    """A replay saw the burst again at every newer tick, and rolled back."""
    steps = tuple(range(tick - 50, tick + 1, INTERVAL))
    found = {}
    for each in (reference, back_end):
        each.write(counters(tick + 2, fails=lambda age: 34 <= age < 42))
        missed = (await missed_outcomes([Missed(due(each.endpoint), steps)], metrics, telemetry))["digits"]
        found[each.name] = [{outcome.name: outcome.verdict for outcome in missed[at]} for at in steps]
        at_their_time = [await verdicts(each.endpoint, at, metrics, telemetry) for at in steps]
        assert found[each.name] == at_their_time
    assert found[back_end.name] == found[reference.name]
    breached = [at for at, said in zip(steps, found[back_end.name], strict=True) if Verdict.BREACH in said.values()]
    assert 1 <= len(breached) <= 2
    assert tick not in breached


async def test_traffic_is_counted_in_its_own_window(reference, back_end, metrics, tick):
    """An A/B test counted half a minute of which one version had none, and was invalid."""
    counted = f"sum(increase(prediction_requests_total[{INTERVAL}s]))"
    values = []
    for each in (reference, back_end):
        each.write(counters(tick + 2, serves=lambda age: age < 16))
        values.append((await metrics.instant(each.endpoint, counted, tick))[0].value)
    assert values[1] == pytest.approx(values[0], rel=0.05)
    assert values[0] == pytest.approx(500, rel=0.05)


async def test_victoriametrics_needs_to_be_told_so(back_end, metrics, tick, monkeypatch):
    """The tests above can fail: without the parameter the answer is half a minute old, and does not say so."""
    if back_end.name != "victoriametrics":
        pytest.skip("others hold nothing back")
    back_end.write(counters(tick + 2))
    right = (await metrics.instant(back_end.endpoint, COUNT, tick))[0].value
    for name in ("latency_offset", "nocache"):
        monkeypatch.delitem(prometheus_parameters.ALWAYS, name)
    assert (await metrics.instant(back_end.endpoint, COUNT, tick))[0].value < right - 500
