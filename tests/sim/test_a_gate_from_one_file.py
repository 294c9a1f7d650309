"""A gate that only this file registers is carried through simulated rollouts: it waits, opens, fails, and is told."""

import pytest

from modelramp.api.names import Reason
from modelramp.core.gates.gate import Waiting
from modelramp.core.gates.registry import GATES
from tests.sim.clock import EPOCH
from tests.sim.scenarios import ROLLBACK, ROLLOUT, Scenario, tell
from tests.sim.toys_gate import Embargo
from tests.sim.words import events

UNTIL = int(EPOCH) + 15 * 60


@pytest.fixture
def embargo(monkeypatch):
    gate = Embargo({"2.0.0": UNTIL})
    monkeypatch.setattr("modelramp.core.gates.registry.GATES", [*GATES, gate])
    return gate


def had_traffic(world, version):
    """When a version first had traffic, seconds since the epoch; None when it never had any."""
    names = {name for name, found in world.prometheus.revisions.items() if found.version == version}
    revisions = world.gateway.revisions
    shown = (served.at for served in world.gateway.history if {revisions[name] for name in served.weights} & names)
    return next(shown, None)


def test_a_version_waits_for_the_gate_and_is_promoted_after_it(embargo):
    world = tell(ROLLOUT, seed=1)

    assert UNTIL <= had_traffic(world, "2.0.0") < UNTIL + 60


def test_people_hear_once_that_it_waits_and_once_that_this_is_over(embargo):
    world = tell(ROLLOUT, seed=1)

    assert len(events(world, "Evaluating")) == 1
    ((at, text),) = [one for one in events(world, "ObstacleGone") if one[1].startswith("Evaluating is over")]
    assert EPOCH + at >= UNTIL
    assert "is under embargo until 12:15:00Z" in text


def test_the_status_says_what_a_version_waits_for(embargo):
    world = ROLLOUT.world(seed=1).run_until(lambda w: w.now() > UNTIL - 300, 60)

    assert "is under embargo until 12:15:00Z; 1.0.0 (" in world.status["message"]
    ready = next(one for one in world.status["conditions"] if one["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Evaluating")


def test_a_version_that_fails_at_the_gate_is_rolled_back_and_never_has_traffic(embargo):
    embargo.recalled = frozenset({"2.0.0"})
    world = tell(Scenario(serves="1.0.0", failed="2.0.0"), seed=1)

    assert had_traffic(world, "2.0.0") is None
    assert "it was recalled: the supplier withdrew it" in world.status["history"][0]["message"]


def test_a_first_version_that_fails_at_the_gate_serves_nothing(embargo):
    embargo.until, embargo.recalled = {"1.0.0": UNTIL}, frozenset({"1.0.0"})
    world = Scenario(serves="", versions=((0.0, "1.0.0"),)).world(seed=1).run(minutes=30)
    world.check_promises()

    assert world.gateway.history == [] or not any(served.weights for served in world.gateway.history)
    assert "the first revision, was recalled and serves nothing" in world.status["message"]


def test_a_gate_that_shuts_under_way_holds_back_neither_a_step_nor_a_rollback(embargo, monkeypatch):
    until_traffic = Embargo.state
    shut = Waiting(Reason.EVALUATING, "shut")
    monkeypatch.setattr(Embargo, "state", lambda *at: until_traffic(*at) if at[2].candidate.step < 0 else shut)
    world = tell(ROLLBACK, seed=1)

    assert had_traffic(world, "2.0.0") is not None
