"""A rehearsal honours minScore, critical, weight and when, and asks every check at every tick."""

from modelramp.simulation.rollout import rehearse
from modelramp.simulation.ticks import Line
from tests.unit.core.story import spec

STEPS = {"steps": [{"weight": 10}, {"weight": 100}], "stepDuration": "1m"}
A = {"name": "a", "query": "x", "max": 1}
B = {"name": "b", "query": "x", "max": 1, "weight": 3}


def rehearsed(*checks, ticks, **health):
    lines = [Line(values=values, available=True) for values in ticks]
    rows, outcome = rehearse(spec(checks=checks, rollout=STEPS, **health), lines)
    return [row.verdict for row in rows], outcome.outcome


def test_a_breach_that_the_score_bears_does_not_stop_a_rollout():
    ticks = [{"a": 9, "b": 0}] * 3
    assert rehearsed(A, B, ticks=ticks, minScore=75) == (["healthy"] * 3, "promoted")
    assert rehearsed(A, B, ticks=ticks) == (["breach"] * 3, "rolled-back")
    assert rehearsed({**A, "critical": True}, B, ticks=ticks, minScore=75) == (["breach"] * 3, "rolled-back")


def test_a_check_counts_only_in_its_phase():
    later = {**A, "when": "after-promotion"}
    verdicts, outcome = rehearsed(later, B, ticks=[{"a": 9, "b": 0}] * 5)
    assert verdicts == ["healthy", "healthy", "breach", "breach", "breach"]
    assert outcome == "rolled-back"
    trial = {**A, "when": "rollout"}
    assert rehearsed(trial, B, ticks=[{"a": 0, "b": 0}] * 2 + [{"a": 9, "b": 0}] * 3)[0] == ["healthy"] * 5


def test_intervals_and_delays_have_no_effect():
    slow = {**A, "interval": "1h", "delay": "1h", "failureThreshold": 2}
    assert rehearsed(slow, B, ticks=[{"a": 9, "b": 0}] * 2) == (["breach"] * 2, "rolled-back")
