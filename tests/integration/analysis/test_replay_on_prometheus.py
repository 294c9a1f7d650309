"""The promise behind a restart: missed ticks, read back, say what they would have said at their time."""

import math

import pytest
from recorded import SCRAPE_SECONDS, Recording

from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.engine.queries import CheckRequest, outcomes
from modelramp.engine.replay import Missed, missed_outcomes

MINUTES = 15
CHECKS = (
    {"name": "errors", "preset": "reference-error-rate"},
    {"name": "rate", "query": 'sum(rate(prediction_requests_total{revision="{{revision}}"}[{{window}}]))', "max": 1},
    {"name": "scalar", "query": "scalar(sum(prediction_requests_total)) * 0 + 3", "max": 1},
    {"name": "subquery", "query": "max_over_time(sum(rate(prediction_requests_total[1m]))[3m:30s])", "max": 1},
    {"name": "range-end", "query": "sum(prediction_requests_total @ end())", "max": 1},
    {"name": "several", "query": "prediction_requests_total", "max": 1},
    {"name": "nan", "query": "vector(0) / 0", "max": 1},
    {"name": "refused", "query": "sum(rate(prediction_requests_total))", "max": 1},
    {"name": "clashing", "query": "prediction_requests_total / on() prediction_requests_total", "max": 1},
)


@pytest.fixture(scope="module")
def bumpy(prometheus, last_minute):
    """A quarter of an hour with bursts of errors, a restart of the counter, silence, and a gap in the scrapes."""
    recording = Recording(prometheus)
    requests = errors = 0
    for second in range(0, 60 * MINUTES + 1, SCRAPE_SECONDS):
        minute = second // 60
        if second == 60 * 6:
            requests = errors = 0
        if minute not in (9, 10):
            requests += 5 + second * 7 % 25
            errors += second // 15 % 3 if minute % 3 == 0 else 0
        if minute in (12, 13):
            continue
        text = f"prediction_requests_total {requests}\nmodel_errors_total {errors}\n"
        at = last_minute - 60 * MINUTES + second
        for pod in ("a", "b"):
            recording.scraped(text, at, namespace="replay", modeldeployment="bumpy", revision="r1", pod=pod)
    recording.play()


def readable(outcome):
    """An outcome that can be compared: NaN is not equal to itself, and sums may differ in their last digit."""
    value = outcome.value
    return (outcome.name, outcome.verdict, outcome.reason, "NaN" if value and math.isnan(value) else value)


@pytest.mark.usefixtures("bumpy")
async def test_missed_ticks_say_what_they_would_have_said_at_their_time(endpoint, metrics, telemetry, last_minute):
    due = CheckRequest("bumpy", endpoint, Health(checks=CHECKS), QueryContext("replay", "bumpy", "r1", "bumpy-r1"))
    ticks = tuple(last_minute - 60 * n for n in range(MINUTES - 1, -1, -1))
    missed = (await missed_outcomes([Missed(due, ticks)], metrics, telemetry))["bumpy"]
    for tick in ticks:
        then = (await outcomes([due], tick, metrics, telemetry))["bumpy"]
        assert [readable(outcome) for outcome in missed[tick]] == [readable(outcome) for outcome in then], tick


@pytest.mark.usefixtures("bumpy")
async def test_the_history_that_is_compared_is_worth_comparing(endpoint, metrics, telemetry, last_minute):
    due = CheckRequest("bumpy", endpoint, Health(checks=CHECKS), QueryContext("replay", "bumpy", "r1", "bumpy-r1"))
    ticks = tuple(last_minute - 60 * n for n in range(MINUTES - 1, -1, -1))
    missed = (await missed_outcomes([Missed(due, ticks)], metrics, telemetry))["bumpy"]
    errors = [missed[tick][0].reason for tick in ticks]
    assert set(errors) == {Reason.WITHIN_LIMIT, Reason.ABOVE_MAXIMUM, Reason.NOT_A_NUMBER, Reason.EMPTY_RESULT}
    last = {outcome.name: outcome.reason for outcome in missed[ticks[4]]}
    assert last["several"] is Reason.SEVERAL_SERIES
    assert last["nan"] is Reason.NOT_A_NUMBER
    assert last["refused"] is Reason.QUERY_INVALID
    assert last["clashing"] is Reason.QUERY_FAILED
