"""A strategy that one file registers is carried through rollouts and rollbacks by the real engine."""

from dataclasses import replace

import pytest

from modelramp.api import rollout
from modelramp.core.strategies import registry
from tests.sim.faults import Fault
from tests.sim.scenarios import ROLLBACK, ROLLOUT, tell
from tests.sim.toys_strategy import NAME, Halves

SPEC = {"strategy": NAME, "steps": [{"weight": 50}, {"weight": 100}]}
"""The steps are for the checkers of the promises: the strategy does not read them."""


@pytest.fixture
def halves(monkeypatch):
    """The strategy, registered as the two lines of a real one do it."""
    strategy = Halves()
    monkeypatch.setitem(rollout.STRATEGIES, NAME, "one half, then the other.")
    monkeypatch.setitem(registry.STRATEGIES, NAME, strategy)
    return strategy


def weights(world):
    """The weights of 2.0.0 in the order in which the status had them."""
    found = []
    for change in world.api.log:
        status = change.obj.get("status", {}) if change.kind == "ModelDeployment" else {}
        candidate = status.get("candidate") or {}
        if candidate.get("modelVersion") == "2.0.0" and candidate["weight"] not in found[-1:]:
            found.append(candidate["weight"])
    return found


def test_a_rollout_goes_through_the_stages_of_the_strategy(halves):
    world = tell(replace(ROLLOUT, rollout=SPEC), seed=1)
    assert weights(world) == [0, 50, 100]
    assert "the second half of the traffic to 2.0.0" in world.story()


def test_breaches_roll_back_whatever_the_strategy(halves):
    world = tell(replace(ROLLBACK, rollout=SPEC, scripts={"2.0.0": {"errors": "hb"}}), seed=1)
    assert world.status["history"][0]["outcome"] == "RolledBack"
    assert 100 not in weights(world)


def test_a_blocker_of_the_strategy_holds_the_rollout_in_its_own_words(halves):
    world, before = replace(ROLLOUT, rollout=SPEC).world(1), []
    halves.busy = int(world.now()) + 1200
    world.at(900.0, lambda world: before.append((weights(world), world.status)))
    world.run_until(ROLLOUT.at_rest, 60).check_promises()
    ((shown, status),) = before
    assert (shown, status["reason"]) == ([0, 50], "HeldByApproval")
    assert "the second half waits until it is quiet" in status["message"]
    assert weights(world) == [0, 50, 100]


@pytest.mark.parametrize("at_call", range(45, 85, 8))
def test_a_crash_costs_the_strategy_nothing(halves, at_call):
    assert tell(replace(ROLLOUT, rollout=SPEC), 1, fault=Fault.CRASH_AFTER, at_call=at_call)


def test_every_name_of_the_schema_has_a_strategy_and_the_other_way_round():
    assert rollout.STRATEGIES.keys() == registry.STRATEGIES.keys()
