"""Which ticks that changed nothing are written: all while few rollouts are in flight, in turns beyond."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest

from modelramp.api.names import Phase, Reason
from modelramp.api.verdict import CheckOutcome, Verdict
from modelramp.core.events import RolloutEvent
from modelramp.core.state import BreachCounter, Decision, State
from modelramp.engine.reporting import Reporting
from modelramp.engine.writes import is_calm

START = 1_700_000_040


def many(count, phase):
    return [SimpleNamespace(state=State(phase=phase)) for _ in range(count)]


def reports(number, phase, *, minutes=120, interval=60, checks=(), asked=1_000):
    """The minutes in which each object is written, of `number` objects in all. asked: how many of them are asked."""
    reporting = Reporting(60)
    reporting.count(many(number, phase))
    found = {}
    for index in range(min(number, asked)):
        before = State(phase=phase, last_tick=START, checks=checks)
        for tick in range(START + interval, START + minutes * 60 + 1, interval):
            after = State(phase=phase, last_tick=tick, checks=checks)
            if reporting.is_due(f"uid-{index}", before, after, interval):
                found.setdefault(index, []).append((tick - START) // 60)
            before = after
    return found


def by_minute(found):
    minutes = [minute for each in found.values() for minute in each]
    return [minutes.count(minute) for minute in range(1, 121)]


@pytest.mark.parametrize("interval", [5, 60])
def test_while_few_are_in_flight_each_tick_is_written(interval):
    found = reports(60, Phase.PROGRESSING, interval=interval, minutes=10)
    assert {len(each) for each in found.values()} == {600 // interval}


@pytest.mark.parametrize(("number", "period"), [(61, 2), (500, 9), (1_000, 17)])
def test_beyond_that_they_take_turns_and_each_comes_in_time(number, period):
    found = reports(number, Phase.PROGRESSING)
    assert len(found) == number
    assert {later - earlier for each in found.values() for earlier, later in pairwise(each)} == {period}
    assert sum(by_minute(found)) / 120 <= 60
    assert max(by_minute(found)) <= 60 + 5 * 60**0.5, "spread, not all at once"


def test_a_short_interval_takes_no_larger_share():
    found = reports(500, Phase.PROGRESSING, interval=5, minutes=60, asked=50)
    assert max(len(each) for each in found.values()) <= 60 // 9 + 1


def test_objects_at_rest_share_a_report_among_ten_ticks_at_least():
    assert {len(each) for each in reports(3, Phase.HEALTHY).values()} == {12}
    assert {len(each) for each in reports(1_200, Phase.HEALTHY, asked=50).values()} == {6}, "a budget of their own"


def test_evidence_is_written_once_an_hour_however_many_there_are():
    remembering = (CheckOutcome("errors", Verdict.HEALTHY, Reason.WITHIN_LIMIT, "", memory="1;2"),)
    assert len(reports(5_000, Phase.HEALTHY, minutes=61, checks=remembering, asked=100)) == 100
    assert len(reports(5_000, Phase.HEALTHY, minutes=61, asked=100)) < 90


def test_after_a_restart_with_everything_unwritten_not_all_are_written_at_once():
    reporting = Reporting(60)
    reporting.count(many(1_000, Phase.PROGRESSING))
    before, after = (State(phase=Phase.PROGRESSING, last_tick=tick) for tick in (START, START + 25 * 60))
    due = sum(reporting.is_due(f"uid-{index}", before, after, 60) for index in range(1_000))
    assert due <= 60 + 5 * 60**0.5


ERRORS = CheckOutcome("errors", Verdict.HEALTHY, Reason.WITHIN_LIMIT, "0.2 % <= 1 %", 0.002)
QUIET = State(phase=Phase.HEALTHY, last_tick=START, recent_ticks="++", checks=(ERRORS,), watch=BreachCounter("a", 1))
LATER = replace(QUIET, last_tick=START + 60, recent_ticks="+++")


@pytest.mark.parametrize("check", [ERRORS, replace(ERRORS, value=0.004, detail="0.4 % <= 1 %", memory="7", at=START)])
def test_a_tick_with_the_same_verdicts_is_calm(check):
    assert is_calm(QUIET, Decision(replace(LATER, checks=(check,))))


@pytest.mark.parametrize(
    "after",
    [
        replace(LATER, checks=(replace(ERRORS, verdict=Verdict.BREACH),)),
        replace(LATER, checks=(replace(ERRORS, reason=Reason.NO_DATA),)),
        replace(LATER, checks=()),
        replace(LATER, recent_ticks="++?"),
        replace(LATER, watch=BreachCounter("a", 1, breaches=1)),
        replace(LATER, phase=Phase.DEGRADED),
        replace(LATER, detail="waits"),
    ],
    ids=["a verdict", "a reason", "a check that is gone", "a mark", "a count", "a phase", "words"],
)
def test_what_a_tick_changes_is_written_at_once(after):
    assert not is_calm(QUIET, Decision(after))


def test_what_people_hear_of_is_written_at_once():
    assert not is_calm(QUIET, Decision(LATER, (RolloutEvent(Reason.PROMOTED, "serves"),)))
