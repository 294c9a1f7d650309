"""An A/B test over recorded counts: the same as `modelramp simulate` tells of them, and what only history has."""

import json
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from modelramp.analysis.evidence import Proportion
from modelramp.analysis.experiment import Tick
from modelramp.analysis.query_context import QueryContext
from modelramp.api.abtest import ABTestRun
from modelramp.api.errors import PrometheusUnavailable
from modelramp.cli.backtest.ab_test import look_json, rows_of
from modelramp.cli.backtest.ab_test import test_json as summed_up
from modelramp.cli.backtest.history import read_history
from modelramp.cli.backtest.picture import svg
from modelramp.cli.backtest.replay import HELD, PROMOTED, ROLLED_BACK, Recorded, Said, replay
from modelramp.cli.backtest.screen import print_test
from modelramp.cli.backtest.source import Notices
from modelramp.core.state import Ending
from modelramp.engine.ports import Endpoint, Sample
from modelramp.engine.queries import CheckRequest
from modelramp.simulation.rollout import rehearse
from modelramp.simulation.ticks import Line
from tests.unit.cli.test_backtest_replays_the_core import ACCURACY, ERRORS, START, VALUES, outcome, spec

METRIC = {"name": "conversion", "good": "g", "total": "t"}
TEST = {"metric": METRIC, "minEffect": 0.02, "minDuration": "3m", "maxDuration": "6m"}
WIN, SAME, LOSE = (300, 1000), (200, 1000), (100, 1000)


def policy(checks=(ERRORS,), **changes):
    return spec(checks=checks, rollout={"strategy": "ABTest", "stepDuration": "2m", "abTest": TEST | changes})


def answers(candidate, stable):
    parts = zip(("good", "total"), zip(candidate, stable, strict=True), strict=True)
    return {
        f"{arm}.{part}": [Sample({}, value)]
        for part, both in parts
        for arm, value in zip(("candidate", "stable"), both, strict=True)
    }


def recorded(of, minutes, values=None):
    """Minutes of (candidate, stable) counts; values: of the checks at each minute."""
    rows = values or [{"error-rate": 0.002, "accuracy": 0.99}] * len(minutes)
    return [
        Recorded(
            START + 60 * number,
            Said(
                tuple(outcome(check, row[check.name]) for check in of.health.checks), test=counts and answers(*counts)
            ),
        )
        for number, (counts, row) in enumerate(zip(minutes, rows, strict=True), start=1)
    ]


def told(minutes, values=None, *, again=False, **changes):
    of = policy(**changes)
    return replay(of, "candidate", "stable", recorded(of, minutes, values), again=again)


def summary(found, **changes):
    return summed_up(found.looks, policy(**changes).rollout.ab_test, "candidate")


def test_a_winner_is_promoted_once_its_least_time_is_over():
    found = told([(WIN, SAME)] * 8)
    assert [moment.weight for moment in found.moments] == [50, 50, 100, 100, 100, 100, 100, 100]
    assert [moment.number for moment in found.having(PROMOTED)] == [5]
    end = summary(found)
    assert (end["ending"], end["looks"], end["mismatch"]) == ("Winner", 3, False)
    assert (end["candidate"], end["stable"], end["difference"]) == ("30 % of 3,000", "20 % of 3,000", "+10 points")
    assert end["estimate"] == pytest.approx(0.1)
    assert 0 < end["low"] < 0.1 < end["high"]
    assert "A/B test won: the candidate is better" in end["message"]
    assert [moment.look is not None for moment in found.moments] == [True] * 3 + [False] * 5


def test_harm_ends_it_at_its_first_look_and_no_difference_at_the_longest_time():
    harm = told([(LOSE, SAME)] * 3)
    assert [moment.number for moment in harm.having(ROLLED_BACK)] == [1]
    assert summary(harm)["ending"] == "Harm"
    nothing = told([((2, 10), (2, 10))] * 8)
    assert [moment.number for moment in nothing.having(ROLLED_BACK)] == [6]
    assert (summary(nothing)["ending"], summary(nothing)["looks"]) == ("Inconclusive", 6)


def test_the_time_that_a_test_takes_is_told_from_the_rate_of_the_history():
    """16 per 1,000 and minute at 2 points: 2 * 7.85 * 0.17 / (0.02**2 / 4) observations, 120,000 in an hour."""
    said = summary(told([((200, 1000), (200, 1000))] * 5))["needed"]
    assert said == (
        "at the rate of this history, 120,000 observations an hour, a candidate that is better by 2 percentage points "
        "wins within 1h with a chance of 72 %"
    )
    thin = summary(told([((2, 10), (2, 10))] * 5))["needed"]
    assert "1,200 observations an hour" in thin
    assert "within 22h" in thin


def test_what_a_winner_waits_for_is_told():
    rows = [{"error-rate": 0.002, "accuracy": accuracy} for accuracy in (0.99, 0.99, 0.1, 0.1, 0.99, 0.99)]
    found = told([(WIN, SAME)] * 6, rows, checks=(ERRORS, ACCURACY))
    assert [moment.number for moment in found.having(HELD)] == [3, 4]
    assert "accuracy holds promotion" in found.having(HELD)[0].reason


def test_history_that_was_split_otherwise_is_no_test_and_says_which_split_it_had():
    found = told([((30, 100), (180, 900))] * 8)
    end = summary(found)
    assert (end["ending"], end["mismatch"]) == ("Invalid", True)
    assert any("history gave the candidate 10 %" in sentence for sentence in end["notKnown"])
    other = told([((30, 100), (180, 900))] * 8, split=10)
    assert summary(other, split=10)["mismatch"] is False


def test_without_the_version_beside_only_the_guardrails_are_replayed():
    bad = [{"error-rate": 0.002}] * 8 + [{"error-rate": 0.5}] * 3
    found = told([None] * 11, bad)
    assert [moment.weight for moment in found.moments] == [50] * 10 + [0]
    assert "give --stable REVISION" in found.moments[6].reason
    assert found.looks == ()


def test_minutes_without_an_answer_add_nothing_and_end_nothing():
    of = policy()
    silent = Said((outcome(of.health.checks[0], 0.002),), test=PrometheusUnavailable("PrometheusTimeout", "no answer"))
    good = recorded(of, [(WIN, SAME)] * 2)
    history = [*good, *(Recorded(START + 60 * number, silent) for number in range(3, 10))]
    found = replay(of, "candidate", "stable", history, again=False)
    assert {moment.weight for moment in found.moments} == {50}
    assert (summary(found)["ending"], summary(found)["candidate"]) == ("Undecided", "30 % of 2,000")


COUNTS = st.integers(0, 400).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))
MINUTES = st.tuples(COUNTS, COUNTS, st.sampled_from("hhhb?"))


@settings(max_examples=60, deadline=None)
@given(st.lists(MINUTES, min_size=1, max_size=20))
def test_it_is_what_simulate_tells(minutes):
    of = policy()
    rows = [{"error-rate": VALUES[letter]} for *_, letter in minutes]
    lines = [
        Line(row, ab_test=Tick(Proportion(*one), Proportion(*other), (one[1], other[1])))
        for row, (one, other, _) in zip(rows, minutes, strict=True)
    ]
    simulated, end = rehearse(of, lines)
    found = replay(of, "candidate", "stable", recorded(of, [each[:2] for each in minutes], rows), again=False)
    assert [(row.tick, row.verdict, row.phase, row.weight) for row in simulated] == [
        (each.number, each.verdict.value, each.phase.value, each.weight) for each in found.moments
    ]
    event = found.decisive.event
    assert end.outcome == (event if event in (ROLLED_BACK, PROMOTED) else "in-progress")


class Counts:
    """Prometheus that knows both versions, and does not answer for some instants."""

    def __init__(self, silent=False):
        self.silent = silent

    async def range(self, _endpoint, query, start, end, step, _asker=None):
        if self.silent and query.startswith("t"):
            raise PrometheusUnavailable("QueryFailed", "query processing would load too many samples")
        value = {"g": 30.0, "t": 100.0, "x": 0.002}[query[0]] * (2 if "old" in query else 1)
        return {at: (Sample({}, value),) for at in range(start, end + 1, step)}


async def read(silent):
    metric = {"name": "conversion", "good": 'g{r="{{revision}}"}', "total": 't{r="{{revision}}"}'}
    of = policy(metric=metric)
    subject = QueryContext("ml", "digits", "new", "digits-new", "old", "digits-old")
    due = CheckRequest(
        "digits", Endpoint("http://prometheus"), of.health, subject, ab_test=ABTestRun(of.rollout.ab_test, 50, "new")
    )
    return await read_history(due, range(START, START + 300, 60), Counts(silent), Notices(), lambda _: None)


async def test_both_versions_are_asked_at_every_tick():
    found = await read(silent=False)
    assert len(found) == 5
    counted = {name: series[0].value for name, series in found[2][1].test.items()}
    assert counted == {"candidate.good": 30, "candidate.total": 100, "stable.good": 60, "stable.total": 200}


async def test_a_question_that_fails_is_remembered_with_its_reason():
    found = await read(silent=True)
    assert {str(said.test) for _, said in found} == {"query processing would load too many samples"}


def test_looks_in_json_table_and_picture_stay_small():
    minutes = [((200 + number % 3, 1000), (200, 1000)) for number in range(600)]
    changes = {"minEffect": 0.005, "maxDuration": "24h", "minDuration": "24h"}
    found = told(minutes, **changes)
    rows = rows_of(found.looks)
    assert [number for number, _ in rows] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600]
    assert json.dumps(look_json(found.looks[0])).count("null") == 0
    test = policy(**changes).rollout.ab_test
    text = svg(found, policy().health.checks, "t", test)
    ET.fromstring(text)  # noqa: S314 - made by the code under test
    assert "how much better conversion is, 95 % interval over all looks" in text
    assert text.count("<polygon") == 2
    with (console := Console(width=120, highlight=False)).capture() as shown:
        print_test(found.looks, test, "candidate", console)
    assert "It would not have ended by then, look 600: A/B test: no verdict yet" in shown.get()
    assert "History cannot know:" in shown.get()


def test_the_looks_lose_no_word_on_a_narrow_screen():
    found = told([((0, 0), (0, 0)), *[((200 + number % 3, 1000), (200, 1000)) for number in range(600)]])
    with (console := Console(width=80, highlight=False)).capture() as shown:
        print_test(found.looks, policy().rollout.ab_test, "candidate", console)
    rows = shown.get().partition("It would")[0].splitlines()[2:]
    assert all(len(row) <= 80 for row in rows)
    assert all(heading in rows[0] for heading in ("CANDIDATE", "STABLE", "DIFFERENCE", "INTERVAL", "VERDICT"))
    assert sum(row.rstrip().endswith("Undecided") for row in rows) > 1


def test_looks_without_a_bound_can_be_drawn():
    found = told([((0, 0), (0, 0))] * 3)
    ET.fromstring(svg(found, policy().health.checks, "t", policy().rollout.ab_test))  # noqa: S314
    assert look_json(found.looks[0])["low"] is None
    assert {look.ending for look in found.looks} == {Ending.UNDECIDED}
