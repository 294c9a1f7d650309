"""One verdict from many checks: who may breach, who may only hold, and what cannot count yet."""

import pytest

from modelramp.api.names import Reason
from modelramp.api.verdict import TickOutcome, Verdict
from modelramp.core.breaches import tick_verdict
from modelramp.core.schedule import finalize
from tests.unit.core.story import START, check, spec

CHECKS = (
    {"name": "errors", "query": "x", "max": "0.01"},
    {"name": "latency", "query": "y", "max": 5},
    {"name": "accuracy", "query": "z", "min": "0.85", "role": "hold", "window": "10m"},
    {"name": "cost", "query": "c", "max": 1, "role": "inform"},
)
HEALTH = spec(checks=CHECKS).health


def outcome(letters, available=True, tick=START + 3600):
    names = [item["name"] for item in CHECKS]
    checks = tuple(check(name, letter) for name, letter in zip(names, letters, strict=False) if letter != ".")
    return TickOutcome(tick, "v2", checks, available, "0/1" if available is False else "1/1")


# errors, latency, accuracy (hold), cost (inform); "." was not asked.
TABLE = {
    "all healthy": ("hhhh", True, Verdict.HEALTHY, Reason.WITHIN_LIMIT),
    "one breach among healthy ones": ("hbhh", True, Verdict.BREACH, Reason.ABOVE_MAXIMUM),
    "a breach outranks missing data": ("?bhh", True, Verdict.BREACH, Reason.ABOVE_MAXIMUM),
    "missing data outranks healthy ones": ("h?hh", True, Verdict.NO_DATA, Reason.EMPTY_RESULT),
    "a hold check never breaches a tick": ("hhbh", True, Verdict.HEALTHY, Reason.WITHIN_LIMIT),
    "a hold check without data leaves the tick healthy": ("hh?h", True, Verdict.HEALTHY, Reason.WITHIN_LIMIT),
    "an inform check never breaches a tick": ("hhhb", True, Verdict.HEALTHY, Reason.WITHIN_LIMIT),
    "an inform check without data leaves the tick healthy": ("hhh?", True, Verdict.HEALTHY, Reason.WITHIN_LIMIT),
    "a check that was not asked has no data": ("h.hh", True, Verdict.NO_DATA, Reason.NOT_EVALUATED),
    "missing pods breach whatever the checks say": ("hhhh", False, Verdict.BREACH, Reason.PODS_UNAVAILABLE),
    "missing pods outrank missing data": ("????", False, Verdict.BREACH, Reason.PODS_UNAVAILABLE),
    "unknown pods leave the checks to decide": ("hhhh", None, Verdict.HEALTHY, Reason.WITHIN_LIMIT),
    "unknown pods and a breach": ("bhhh", None, Verdict.BREACH, Reason.ABOVE_MAXIMUM),
}


@pytest.mark.parametrize(("letters", "available", "verdict", "reason"), TABLE.values(), ids=TABLE)
def test_a_tick_has_the_verdict_of_its_worst_rollback_check(letters, available, verdict, reason):
    settled = finalize(HEALTH, outcome(letters, available), traffic_since=START, step_entered=START)

    assert tick_verdict(HEALTH, settled)[:2] == (verdict, reason)


def test_the_order_of_the_answers_and_unknown_checks_do_not_matter():
    shuffled = outcome("hbhh")
    shuffled = TickOutcome(shuffled.tick, "v2", (*shuffled.checks[::-1], check("stranger", "b")), True)

    settled = finalize(HEALTH, shuffled, traffic_since=START, step_entered=START)

    assert [found.name for found in settled.checks] == ["errors", "latency", "accuracy", "cost"]
    assert tick_verdict(HEALTH, settled)[2] == "latency: 0.5, limit 0.01"


def test_without_any_check_available_pods_are_healthy():
    health = spec(checks=()).health

    assert tick_verdict(health, TickOutcome(START, "v2", (), True))[0] is Verdict.HEALTHY


def test_without_any_check_and_with_unknown_pods_nothing_is_known():
    health = spec(checks=()).health

    assert tick_verdict(health, TickOutcome(START, "v2", (), None))[:2] == (Verdict.NO_DATA, Reason.NOT_EVALUATED)


def test_hold_checks_alone_and_unknown_pods_are_not_healthy():
    health = spec(checks=CHECKS[2:]).health
    settled = finalize(health, TickOutcome(START + 3600, "v2", (check("accuracy", "h"),), None), START, START)

    assert tick_verdict(health, settled)[0] is Verdict.NO_DATA


@pytest.mark.parametrize(("seconds", "verdict"), [(59, Verdict.NO_DATA), (60, Verdict.BREACH), (61, Verdict.BREACH)])
def test_nobody_is_blamed_for_traffic_before_the_step(seconds, verdict):
    settled = finalize(HEALTH, outcome("bhhh", tick=START + seconds), traffic_since=START - 3600, step_entered=START)

    assert settled.checks[0].verdict is verdict


@pytest.mark.parametrize(("seconds", "reason"), [(599, Reason.WARMING_UP), (600, Reason.WITHIN_LIMIT)])
def test_a_hold_check_looks_back_over_steps_but_not_before_the_revision_had_traffic(seconds, reason):
    settled = finalize(HEALTH, outcome("hhhh", tick=START + seconds), traffic_since=START, step_entered=START + seconds)

    assert settled.checks[2].reason is reason


def test_missing_pods_are_a_breach_even_before_any_window_is_full():
    settled = finalize(HEALTH, outcome("hhhh", available=False, tick=START + 1), START, START)

    assert tick_verdict(HEALTH, settled)[0] is Verdict.BREACH
