"""A pod that goes with its node is no breach of the version; one that crashes or eats the node's memory is."""

import pytest

from tests.sim.kubelet import Pods
from tests.sim.scenarios import ROLLOUT_AT, Scenario
from tests.sim.test_gateways_confirm import Snapshot, phase, weight

ERRORS = {"name": "errors", "preset": "error-rate", "max": "0.01"}
ALL_FAIL = {"2.0.0": {"errors": "h|bbbbbbbb"}}


def drain(version="2.0.0", **how):
    return lambda world: world.kubelet.drain(version, **how)


def promoted(world):
    return (world.status.get("stable") or {}).get("modelVersion") == "2.0.0" and phase("Healthy")(world)


def dead(world):
    return world.gateway.history[-1].empty != ()


@pytest.mark.parametrize("then", [lambda world: None, lambda world: world.restart(200.0)], ids=["", "and a restart"])
def test_a_drained_node_is_waited_for_after_promotion(then):
    scenario, found = Scenario(serves="2.0.0"), Snapshot()
    world = scenario.world(1).at(300, drain(waits=60, starts=240), when=promoted).at(300, then)
    world.at(300, lambda world: world.later(200, lambda: found.look(world))).run(minutes=30)
    world.check_promises()

    assert world.serving() == {"2.0.0": 100}
    assert (world.status["phase"], world.status.get("failedRevision")) == ("Healthy", None)
    if len(world.processes) == 1:
        assert "no ready endpoint, by no fault of its own (pod digits-" in found.status["message"]
        assert found.status["ticks"].endswith("?")


@pytest.mark.parametrize("restart", [False, True])
def test_what_a_gateway_counts_as_failed_while_the_pods_are_gone_is_no_breach_either(restart):
    world = Scenario(serves="2.0.0", scripts=ALL_FAIL).world(1)
    world.at(300, drain(waits=60, starts=480), when=promoted)
    if restart:
        world.at(300, lambda world: world.later(60, lambda: world.restart(200.0)))
    world.run(minutes=16)
    world.check_promises()

    assert world.status.get("failedRevision") is None


def test_a_candidate_that_is_drained_in_a_step_goes_on_when_its_pods_are_back():
    scenario = Scenario(serves="2.0.0")
    world = scenario.world(1).at(ROLLOUT_AT, drain(waits=30, starts=240), when=weight(10))
    world.run_until(scenario.at_rest, minutes=60).check_promises()

    assert not scenario.unrest(world)
    assert [entry["outcome"] for entry in world.status["history"]] == ["Promoted", "Promoted"]


def test_a_version_that_is_evicted_for_its_own_use_of_memory_is_rolled_back():
    scenario = Scenario(serves="1.0.0", failed="2.0.0")
    world = scenario.world(1).at(300, drain(waits=5, starts=400, fault=True), when=promoted)
    world.run_until(scenario.at_rest, minutes=60).check_promises()

    assert not scenario.unrest(world)
    assert "Evicted: The node was low on resource: memory" in world.status["history"][0]["message"]


def test_a_version_that_crashes_when_it_is_back_is_rolled_back():
    pods = {"2.0.0": Pods(crash_after=1200.0)}
    scenario = Scenario(serves="1.0.0", failed="2.0.0", pods=pods)
    world = scenario.world(1).at(300, drain(waits=30, starts=200), when=promoted)
    world.run_until(scenario.at_rest, minutes=60).check_promises()

    assert not scenario.unrest(world)


def test_pods_that_start_for_longer_than_the_deadline_are_a_breach():
    scenario = Scenario(serves="1.0.0", failed="2.0.0")
    world = scenario.world(1).at(300, drain(waits=5, starts=3000), when=promoted)
    world.run_until(scenario.at_rest, minutes=60).check_promises()

    assert not scenario.unrest(world)
    assert "did not become ready within 300 s on its node" in world.status["history"][0]["message"]


def test_pods_that_wait_for_a_node_for_ever_are_never_a_breach():
    world = Scenario(serves="2.0.0").world(1).at(300, drain(waits=9000), when=promoted).run(minutes=40)
    world.check_promises()

    assert world.status.get("failedRevision") is None
    assert "waits for a node (Unschedulable: 0/3 nodes available)" in world.status["message"]
