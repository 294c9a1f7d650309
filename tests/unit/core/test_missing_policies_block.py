"""A policy that is missing blocks promotion, never rolls back, and leaves every count as it is."""

from dataclasses import replace

import pytest

from modelramp.api.names import Phase, Reason
from modelramp.api.verdict import TickOutcome, Verdict
from modelramp.core.breaches import count, tick_verdict
from modelramp.core.conditions import conditions
from modelramp.core.messages import sentence
from modelramp.core.policies import policy_findings
from modelramp.core.schedule import finalize
from modelramp.core.state import BreachCounter, Candidate, Observed, RolloutInput, UsedPolicy, Version
from tests.unit.core.story import ERRORS, START, check, serving, spec

MISSING = "HealthPolicy web: it does not exist"
USED = (UsedPolicy("HealthPolicy", "web", problem="it does not exist"),)
HEALTH = spec(checks=[ERRORS, {"name": "own", "query": "x", "max": 1, "failureThreshold": 2}]).health

TABLE = {
    "healthy checks are not enough": ("hh", True, Verdict.NO_DATA, Reason.POLICY_UNRESOLVED),
    "missing data says the same": ("?h", True, Verdict.NO_DATA, Reason.POLICY_UNRESOLVED),
    "what really breached breaches": ("bh", True, Verdict.BREACH, Reason.ABOVE_MAXIMUM),
    "missing pods breach": ("hh", False, Verdict.BREACH, Reason.PODS_UNAVAILABLE),
}


def settled(letters, available=True):
    names = ("errors", "own")
    outcome = TickOutcome(START + 3600, "v2", tuple(map(check, names, letters)), available, "1/1")
    return finalize(HEALTH, outcome, traffic_since=START, step_entered=START)


@pytest.mark.parametrize(("letters", "available", "verdict", "reason"), TABLE.values(), ids=TABLE)
def test_the_verdict_of_a_tick(letters, available, verdict, reason):
    assert tick_verdict(HEALTH, settled(letters, available), MISSING)[:2] == (verdict, reason)


def test_the_count_is_neither_raised_nor_cleared():
    watch = BreachCounter("v2", START, breaches=2, shared=2, checks=(("of-the-policy", 1), ("own", 1)))

    after = count(watch, HEALTH, settled("hh"), MISSING)

    assert (after.breaches, after.shared) == (2, 2)
    assert dict(after.checks) == {"of-the-policy": 1}, "an own check that is healthy clears its own count"
    assert dict(count(watch, HEALTH, settled("hh")).checks) == {}, "a check that is no longer declared counts nothing"


def target(missing=MISSING, used=USED, **parts):
    return RolloutInput(spec(**parts), "v2", policies=used, missing=missing)


def test_the_sentence_and_the_conditions_name_it():
    state = serving("v2")
    wanted = target()
    found = {one.type: one for one in conditions(wanted, state, Observed(routed=True), None, generation=1, now=START)}

    assert sentence(wanted, state, Observed(routed=True)).endswith(f"some checks are missing, for want of {MISSING}")
    trying = replace(state, phase=Phase.PROGRESSING, candidate=Candidate(Version("v3", "3.0.0")))
    assert sentence(wanted, trying, Observed(routed=True)).endswith(f"promotion waits for {MISSING}")
    assert (found["Ready"].status, found["Ready"].reason) == ("False", Reason.POLICY_UNRESOLVED)
    assert found["Ready"].message == "HealthPolicy web cannot be resolved; status.policies says why"
    assert found["Reconciling"].status == "True"


def test_what_has_ended_keeps_its_reason():
    state = replace(serving("v1"), phase=Phase.ROLLED_BACK, reason=Reason.THRESHOLD_REACHED, failed="v2")
    found = {one.type: one for one in conditions(target(), state, Observed(routed=True), None, generation=1, now=START)}

    assert found["Ready"].reason == Reason.THRESHOLD_REACHED
    assert found["Stalled"].status == "True"


def test_people_hear_once_that_it_is_missing_and_once_that_it_is_back():
    broken = {"policies": [{"kind": "HealthPolicy", "name": "web", "problem": "it does not exist"}]}
    whole = {"policies": [{"kind": "HealthPolicy", "name": "web", "revision": "abc"}]}
    well = target(missing="", used=())

    assert [found.reason for found in policy_findings({}, target())] == [Reason.POLICY_UNRESOLVED]
    assert [found.reason for found in policy_findings(whole, target())] == [Reason.POLICY_UNRESOLVED]
    assert policy_findings(broken, target()) == ()
    assert [found.reason for found in policy_findings(broken, well)] == [Reason.POLICY_RESOLVED]
    assert policy_findings(whole, well) == policy_findings({}, well) == ()
