"""The real engine with a quiet promise broken on purpose is noticed: slow checks, scores, policies, evidence, Jobs."""

import itertools
import re
from dataclasses import replace

import pytest

from modelramp.api.health import Health
from modelramp.api.hooks import HookState
from modelramp.api.verdict import Verdict
from modelramp.core import breaches, decide, hook_runs, steps
from modelramp.core.gates import evaluation, registry
from modelramp.core.state import Ending, State
from modelramp.core.status import read
from modelramp.core.strategies import ab_test
from modelramp.engine import hooks, queries
from modelramp.engine.ports import Delivery
from tests.sim.evaluations import SCENARIOS as EVALUATED
from tests.sim.faults import Fault
from tests.sim.hooked import SCENARIOS as HOOKED
from tests.sim.quiet import AFTER_ONLY, AT_ONCE, CRITICAL, SLOW, SLOW_LATER, SUMMED, TOLERANT
from tests.sim.scenarios import AB_TEST, TEST_LOST, TEST_WON, Scenario, tell
from tests.sim.test_simulated_policies import delete, story
from tests.sim.test_wrong_engines import tell_all

RESTARTED = [(SUMMED, {"fault": Fault.CRASH_BEFORE, "at_call": call}) for call in (75, 95, 115)]
NUMBERS = itertools.count()


def call_of(seed):
    """The number of the call of the webhook in the story of a rollback."""
    told = tell(HOOKED["rollback"], seed=seed).history
    return next(int(found[1]) for line in told if (found := re.search(r"call (\d+): call http", line)))


CALL = call_of(7)
PICKY = {**AB_TEST, "abTest": {**AB_TEST["abTest"], "minEffect": "0.2"}}
HELD = Scenario(serves="2.0.0", scripts={"2.0.0": {"accuracy": "bbbbbbh"}})
real = {
    "count": breaches.count,
    "weight_since": State.weight_since.fget,
    "during": Health.during,
    "tick_verdict": breaches.tick_verdict,
    "scores": breaches.scores,
    "is_due": Health.is_due,
    "check": read._check,
    "watch": read._watch,
    "by_interval": ab_test._by_interval,
}


def crashed(scenario, calls):
    """The story with a crash after each of these calls."""
    return [(scenario, {"fault": Fault.CRASH_AFTER, "at_call": call}) for call in calls]


# Of several seeds, since the next process must come before the call would have ended.
KILLED_WHILE_CALLING = [
    (HOOKED["rollback"], {"seed": seed, "fault": Fault.CRASH_AFTER, "at_call": call_of(seed)}) for seed in range(8, 12)
]


def at_first_sight(test, found, *, early):
    return (Ending.HARM, "") if (found.estimate or 0) < 0 else real["by_interval"](test, found, early=early)


def every_breach(health, rollback):
    return [found for _, found in rollback if found.verdict is Verdict.BREACH]


def nothing_critical(health, rollback):
    low = breaches._too_low(health, rollback)
    return [found for _, found in rollback if found.verdict is Verdict.BREACH and found.dimension in low]


def forgetful(health, outcome, *rest):
    return replace(real["count"](health, outcome, *rest), checks=())


WRONG = {
    "the last answer of a slow check counts at every tick": (
        (breaches, "_counting", lambda health, outcome: list(zip(health.checks, outcome.checks, strict=True))),
        [(SLOW, {})],
        "breaches; histories|rolled back without",
    ),
    "labels that were not complete count": (
        (Health, "reach_of", lambda health, check: health.window_of(check)),
        [(SLOW, {})],
        "breaches; histories",
    ),
    "counts of slow checks are forgotten": (
        (decide, "count", forgetful),
        [(SLOW, {})],
        "breaches; histories|did not roll back",
    ),
    "checks of the watch act during the rollout": (
        (Health, "during", lambda health, rolling: health),
        [(AFTER_ONLY, {})],
        "breaches; histories",
    ),
    "every breach counts whatever the score": (
        (breaches, "breaching", every_breach),
        [(TOLERANT, {})],
        "breaches; histories",
    ),
    "weights are ignored": (
        (
            breaches,
            "scores",
            lambda pairs: real["scores"]((one.model_copy(update={"weight": 1}), f) for one, f in pairs),
        ),
        [(TOLERANT, {})],
        "breaches; histories",
    ),
    "slow checks are asked too seldom": (
        (Health, "is_due", lambda health, check, tick: real["is_due"](health, check, tick) and tick % 240 == 0),
        [(SLOW, {})],
        "Prometheus was never asked",
    ),
    "a restart forgets the last answer of a slow check": (
        (read, "_check", lambda found: replace(real["check"](found), question="")),
        crashed(SLOW, range(75, 100, 2)),
        "was answered at",
    ),
    "a restart forgets the counts of slow checks": (
        (read, "_watch", lambda found: replace(real["watch"](found), checks=()) if found else None),
        crashed(SLOW_LATER, range(100, 260)),
        "breaches; histories",
    ),
    "a restart forgets evidence": (
        (read, "_check", lambda found: replace(real["check"](found), memory="")),
        crashed(SUMMED, (80, 100)),
        "what was answered adds up to",
    ),
    "a restart forgets the A/B test": (
        (read, "ab_test_of", lambda _: None),
        crashed(TEST_WON, (75, 85, 95)),
        "what was answered adds up to",
    ),
    "a restart forgets hooks": (
        (read, "episodes_of", lambda _: ()),
        crashed(HOOKED["rollback"], range(95, 160)),
        "is forgotten",
    ),
    "a call without an answer is told as done": (
        (hooks, "_STATES", {**hooks._STATES, Delivery.UNKNOWN: HookState.DONE}),
        [(HOOKED["rollback"], {"fault": Fault.SILENT_BEFORE, "at_call": CALL})],
        "was told, and nobody was",
    ),
    "a call without an answer is repeated": (
        (hooks, "_NOT_TAKEN", frozenset({Delivery.BUSY, Delivery.UNKNOWN})),
        [(HOOKED["rollback"], {"fault": Fault.SILENT_AFTER, "at_call": CALL})],
        "called twice in one episode",
    ),
    "harm is called at first sight": (
        (ab_test, "_by_interval", at_first_sight),
        [(replace(TEST_LOST, scripts={"2.0.0": {"conversions": "hhhhhhb"}}), {})],
        "harm with",
    ),
    "the least effect is nothing": (
        (ab_test, "above", lambda *_, **__: False),
        [(replace(TEST_WON, scripts={"2.0.0": {"conversions": "hhw"}}, rollout=PICKY), {})],
        "a winner after",
    ),
    "nothing is critical": (
        (breaches, "breaching", nothing_critical),
        [(replace(CRITICAL, health=CRITICAL.health | {"minScore": 0}), {})],
        "breaches; histories",
    ),
    "hold checks hold nothing": (
        (steps, "_held_by_checks", lambda *_: []),
        [(HELD, {})],
        "its last asking was not healthy",
    ),
    "replayed minutes leave no evidence": (
        (queries.CheckRequest, "after", lambda due, outcomes, ab_test=None: due),
        RESTARTED,
        "what was answered adds up to",
    ),
    "evidence begins before the step": (
        (State, "weight_since", property(lambda state: real["weight_since"](state) - 60)),
        [(SUMMED, {})],
        "what was answered adds up to",
    ),
    "a test is won before its least time": (
        (ab_test, "_by_interval", lambda test, found, early: real["by_interval"](test, found, early=False)),
        [(TEST_WON, {})],
        "a winner after",
    ),
    "a rollback does not start the hooks": (
        (hook_runs, "_reached", lambda *_: False),
        [(AT_ONCE, {})],
        "hook tell was not started",
    ),
    "whoever comes next goes on with the call": (
        (hooks, "uuid4", lambda: type("Same", (), {"hex": "same"})),
        KILLED_WHILE_CALLING,
        "called twice in one episode",
    ),
    "what became of a hook is asked for again": (
        (hook_runs, "deadline", lambda episode, hook: None),
        KILLED_WHILE_CALLING,
        "no rest within",
    ),
    "traffic comes before the evaluation": (
        (registry, "all_open", lambda *_: True),
        [(EVALUATED["passed"], {})],
        "which no evaluation has passed",
    ),
    "an evaluation is begun anew at every look": (
        (evaluation, "template_hash", lambda wanted: str(next(NUMBERS))),
        [(EVALUATED["passed"], {})],
        "nobody asked for it",
    ),
}


@pytest.mark.parametrize(("place", "stories", "finding"), WRONG.values(), ids=WRONG)
def test_what_is_broken_on_purpose_is_noticed(monkeypatch, place, stories, finding):
    monkeypatch.setattr(*place)

    with pytest.raises(AssertionError, match=finding):
        tell_all(stories)


@pytest.mark.parametrize(
    ("missing", "finding"),
    [(Verdict.HEALTHY, "moved up on a tick that was not healthy"), (Verdict.BREACH, "breaches; histories")],
)
def test_a_missing_policy_that_is_taken_for_a_verdict_is_noticed(monkeypatch, missing, finding):
    def wrong(health, outcome, gone=""):
        verdict = real["tick_verdict"](health, outcome, gone)
        return (missing, *verdict[1:]) if gone and verdict[0] is Verdict.NO_DATA else verdict

    monkeypatch.setattr(decide, "tick_verdict", wrong)
    monkeypatch.setattr(breaches, "tick_verdict", wrong)
    world = story((70.0, delete)).run(minutes=25)

    assert any(finding in broken for broken in world.broken), world.broken
