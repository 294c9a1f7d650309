"""spec.replicas 0 in simulated worlds: nothing runs, nothing is judged, and everything goes on where it was."""

import pytest

from tests.sim.clock import EPOCH
from tests.sim.faults import Fault
from tests.sim.kubelet import Pods
from tests.sim.scenarios import Scenario
from tests.sim.test_gateways_confirm import Snapshot

SLOW = {"1.0.0": Pods(start=(40.0, 90.0)), "2.0.0": Pods(start=(40.0, 90.0))}


def scaled(replicas):
    def change(world):
        obj = world.digits
        world.api.update({**obj, "spec": {**obj["spec"], "replicas": replicas}}, "kubectl scale")

    return change


def condition(status, kind):
    found = next((one for one in status["conditions"] if one["type"] == kind), {})
    return found.get("status"), found.get("reason")


def warnings(world):
    """Of the time after the first version has begun to serve."""
    return {reason for at, reason, _, warning in world.events if warning and at > EPOCH + 400}


def pods(world):
    return sum(obj["spec"]["replicas"] for obj in world.api.all("Deployment"))


@pytest.mark.parametrize("seed", range(4))
def test_what_serves_rests_and_serves_again_without_a_word_of_failure(seed):
    scenario = Scenario(serves="1.0.0", versions=((0.0, "1.0.0"),), pods=SLOW)
    world, rests, starts = scenario.world(seed), Snapshot(), Snapshot()
    world.at(400, scaled(0)).at(2000, rests.look).at(2001, scaled(3)).at(2035, starts.look)
    world.run(minutes=60).check_promises()

    assert rests.status["phase"] == "Healthy"
    assert "spec.replicas is 0 since" in rests.status["message"]
    assert condition(rests.status, "Ready") == ("True", "ScaledToZero")
    assert condition(rests.status, "Available") == ("False", "ScaledToZero")
    assert condition(rests.status, "Healthy") == ("Unknown", "ScaledToZero")
    assert "spec.replicas is 3 again; 0 of 3 pods" in starts.status["message"]
    assert condition(starts.status, "Reconciling")[0] == "True"
    assert not scenario.unrest(world)
    assert pods(world) == 3
    assert warnings(world) == set()
    assert set(world.status["ticks"]) == {"+"}


@pytest.mark.parametrize("at", [99, 105, 330, 480])
@pytest.mark.parametrize("seed", range(2))
def test_a_rollout_waits_at_its_weight_and_goes_on_when_the_pods_are_back(seed, at):
    scenario = Scenario(serves="2.0.0", pods=SLOW)
    world, rests, after = scenario.world(seed), Snapshot(), Snapshot()
    world.at(at, scaled(0), when=lambda world: world.status.get("candidate"))
    world.at(at + 1500, rests.look).at(at + 1501, scaled(2)).at(at + 1620, after.look)
    world.run(minutes=90).check_promises()

    before, later = rests.status["candidate"], after.status["candidate"]
    assert "the rollout of 2.0.0" in rests.status["message"]
    assert condition(rests.status, "Ready") == ("False", "ScaledToZero")
    assert later.get("weight", 0) <= max(10, before.get("weight", 0))
    assert not scenario.unrest(world)
    assert "RolledBack" not in {entry["outcome"] for entry in world.status["history"]}


def test_what_could_be_brought_back_before_the_rest_can_be_brought_back_after_it():
    scenario = Scenario(serves="2.0.0")
    world, before, rests = scenario.world(1), [], []
    world.at(900, lambda world: before.extend(children(world)), when=scenario.at_rest)
    world.at(901, scaled(0)).at(1500, lambda world: rests.extend(children(world)))
    world.run(minutes=30).check_promises()

    assert len(before) == 6
    assert rests == before


def children(world):
    kinds = ("Deployment", "Service", "ControllerRevision")
    return [(kind, obj["metadata"]["name"]) for kind in kinds for obj in world.api.all(kind)]


@pytest.mark.parametrize("rollout", [{}, {"capacity": {"candidate": "Full"}}], ids=["by share", "full"])
@pytest.mark.parametrize("weight", [10, 100])
def test_a_version_that_is_withdrawn_in_the_rest_gets_no_request_after_it(weight, rollout):
    scenario = Scenario(serves="1.0.0", failed="2.0.0", pods=SLOW, rollout=rollout)
    world, rests = scenario.world(1), []
    world.at(300, scaled(0), when=lambda world: (world.status.get("candidate") or {}).get("weight") == weight)
    world.at(900, lambda world: world.request("abort"))
    world.at(1200, lambda world: rests.append((world.serving(), world.status["phase"]))).at(1201, scaled(2))
    world.at(1210, lambda world: rests.append(pods(world)))
    world.run(minutes=40).check_promises()

    assert rests == [({"1.0.0": 100}, "RolledBack"), 2]
    assert not scenario.unrest(world)


def test_a_first_version_without_replicas_waits_for_some():
    scenario = Scenario(serves="1.0.0", versions=((0.0, "1.0.0"),), rollout={"replicas": 0})
    world, rests = scenario.world(1), []
    world.at(1500, lambda world: rests.append(world.status)).at(1501, scaled(2))
    world.run(minutes=40).check_promises()

    assert rests[0]["phase"] == "Pending"
    assert condition(rests[0], "Stalled")[0] is None
    assert not scenario.unrest(world)


def test_breaches_before_the_rest_count_and_what_is_new_rolls_back():
    scenario = Scenario(serves="1.0.0", failed="2.0.0", scripts={"2.0.0": {"errors": "bbbbbbbbb"}})
    world = scenario.world(3)
    world.at(200, scaled(0), when=lambda world: world.status.get("breaches") == 2).at(1500, scaled(2))
    world.run(minutes=60).check_promises()

    assert not scenario.unrest(world)


def test_pods_that_do_not_come_back_are_judged_after_the_deadline():
    scenario = Scenario(serves="2.0.0", pods={"2.0.0": Pods(crash_after=900.0)})
    world = scenario.world(1)
    world.at(800, scaled(0), when=lambda world: world.serving() == {"2.0.0": 100}).at(1800, scaled(2))
    world.run(minutes=60).check_promises()

    assert world.serving() == {"1.0.0": 100}
    assert world.status["history"][0]["reason"] == "ThresholdReached"


FAULTS = [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.SILENT_AFTER, Fault.WATCH_LAG]


@pytest.mark.parametrize("at_call", range(96, 112))
def test_a_fault_while_it_goes_to_rest_changes_nothing_in_the_end(at_call):
    scenario = Scenario(serves="2.0.0")
    world = scenario.world(5, FAULTS[at_call % len(FAULTS)], at_call=at_call)
    world.at(300, scaled(0), when=lambda world: world.status.get("candidate")).at(1200, scaled(2))
    world.run_until(scenario.at_rest, 60).check_promises()

    assert not scenario.unrest(world)
    assert "RolledBack" not in {entry["outcome"] for entry in world.status["history"]}
