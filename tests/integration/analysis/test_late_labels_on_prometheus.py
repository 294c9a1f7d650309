"""Labels that arrive late, on a real Prometheus: they count for the version that answered, once they are complete."""

import pytest
from recorded import SCRAPE_SECONDS, Recording

from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict
from modelramp.engine.queries import CheckRequest, outcomes
from modelramp.engine.replay import Missed, missed_outcomes

MINUTES = 12
LATE = 300
"""Seconds that the truth needs to be known."""
QUALITY = (
    'sum(increase(scored_good_total{revision="{{revision}}"}[{{window}}]))'
    ' / sum(increase(scored_total{revision="{{revision}}"}[{{window}}]))'
)
CHECKS = (
    {"name": "accuracy", "preset": "reference-accuracy", "role": "hold", "window": "2m"},
    {"name": "quality", "query": QUALITY, "min": "0.9", "role": "hold", "window": "2m", "delay": "5m"},
    {"name": "at-once", "query": QUALITY, "min": "0.9", "role": "hold", "window": "2m"},
    {"name": "rarely", "query": QUALITY, "min": "0.9", "role": "hold", "window": "2m", "interval": "5m", "delay": "5m"},
)


def feedback_text(revision, total, correct):
    label = f'{{answered_by="{revision}"}}'
    return f"model_feedback_total{label} {total}\nmodel_feedback_correct_total{label} {correct}\n"


@pytest.fixture(scope="module")
def feedback(prometheus, last_minute):
    """v1 answered wrongly, then v2 took over and answers rightly; v2's pods also receive the truth about v1's answers.

    A job that joins labels with predictions writes `scored_total` with the times of the predictions, five minutes late.
    """
    recording = Recording(prometheus)
    for second in range(0, 60 * MINUTES + 1, SCRAPE_SECONDS):
        at, count = last_minute - 60 * MINUTES + second, second // SCRAPE_SECONDS * 10
        exposition = feedback_text("v1", count, count // 2) + feedback_text("v2", count, count)
        recording.scraped(exposition, at, namespace="late", modeldeployment="m", revision="v2", pod="p")
        if second <= 60 * MINUTES - LATE:
            joined = f"scored_total {count}\nscored_good_total {count}\n"
            recording.scraped(joined, at, namespace="late", modeldeployment="m", revision="v2", job="labels")
    recording.play()


def due(endpoint, revision):
    subject = QueryContext("late", "m", revision, f"m-{revision}", "v1", "m-v1")
    return CheckRequest("m", endpoint, Health.model_validate({"checks": CHECKS}), subject)


@pytest.mark.usefixtures("feedback")
async def test_feedback_about_an_older_version_that_arrives_at_the_new_one_counts_for_the_older(
    endpoint, metrics, telemetry, last_minute
):
    said = {
        revision: (await outcomes([due(endpoint, revision)], last_minute, metrics, telemetry))["m"][0]
        for revision in ("v1", "v2")
    }
    assert (said["v1"].verdict, said["v1"].value) == (Verdict.BREACH, pytest.approx(0.5, abs=0.02))
    assert (said["v2"].verdict, said["v2"].value) == (Verdict.HEALTHY, 1.0)


@pytest.mark.usefixtures("feedback")
async def test_a_delayed_check_sees_labels_that_one_without_a_delay_does_not_find_yet(
    endpoint, metrics, telemetry, last_minute
):
    found = {each.name: each for each in (await outcomes([due(endpoint, "v2")], last_minute, metrics, telemetry))["m"]}
    assert (found["quality"].verdict, found["quality"].value) == (Verdict.HEALTHY, 1.0)
    assert (found["at-once"].verdict, found["at-once"].reason) == (Verdict.NO_DATA, Reason.EMPTY_RESULT)


@pytest.mark.usefixtures("feedback")
async def test_missed_ticks_of_delayed_and_rare_checks_say_what_they_would_have_said(
    endpoint, metrics, telemetry, last_minute
):
    ticks = tuple(last_minute - 60 * n for n in range(9, -1, -1))
    one = due(endpoint, "v2")
    missed = (await missed_outcomes([Missed(one, ticks)], metrics, telemetry))["m"]
    assert sum(any(each.name == "rarely" for each in missed[tick]) for tick in ticks) == 2
    for tick in ticks:
        then = (await outcomes([one], tick, metrics, telemetry))["m"]
        assert [(each.name, each.verdict, each.value) for each in missed[tick]] == [
            (each.name, each.verdict, each.value) for each in then
        ]
