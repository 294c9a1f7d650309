"""Rollouts in a cluster that has just room enough, and in one whose nodes come and go."""

import random

import pytest

from tests.sim.kubelet import GPU, gpus_of
from tests.sim.scenarios import Scenario
from tests.sim.test_gateways_confirm import Snapshot
from tests.sim.world import World


def world_of(seed, room, *, replicas=8, scripts=None, gpus=None, **capacity):
    rollout = {"replicas": replicas, **({"capacity": capacity} if capacity else {})}
    scenario = Scenario(serves="2.0.0", rollout=rollout, scripts=scripts or {}, gpus=gpus or {})
    world = scenario.world(seed)
    world.kubelet.room = room
    return scenario, world


def resized(room):
    return lambda world: world.kubelet.resize(room)


def follow(world: World):
    """Note how many pods are wanted, and how many serve, after every change."""
    world.wanted_pods, world.wanted_gpus, world.serving_pods = [], [], []

    def changed(change):
        in_flight = world.status.get("candidate") and world.status.get("stable")
        if change.kind in {"Deployment", "EndpointSlice", "HTTPRoute"} and in_flight:
            world.wanted_pods.append(sum(obj["spec"]["replicas"] for obj in world.api.all("Deployment")))
            world.wanted_gpus.append(sum(obj["spec"]["replicas"] * gpus_of(obj) for obj in world.api.all("Deployment")))
            world.serving_pods.append(sum(world.gateway.ready(name) for name in world.gateway.services))

    world.api.listeners.append(changed)
    return world


@pytest.mark.parametrize("seed", range(4))
def test_eight_pods_finish_in_a_room_for_nine(seed):
    scenario, world = world_of(seed, 9, maxSurge=1)
    follow(world).run_until(scenario.at_rest, 60).check_promises()

    assert not scenario.unrest(world)
    assert (max(world.wanted_pods), min(world.serving_pods)) == (9, 8)


@pytest.mark.parametrize("seed", range(4))
def test_eight_pods_finish_in_a_room_for_eight_with_seven_that_serve(seed):
    scenario, world = world_of(seed, 8, maxSurge=0, maxUnavailable=1)
    follow(world).run_until(scenario.at_rest, 60).check_promises()

    assert not scenario.unrest(world)
    assert (max(world.wanted_pods), min(world.serving_pods)) == (8, 7)


@pytest.mark.parametrize(("old", "new", "surge", "peak"), [(1, 1, 1, 9), (1, 2, 2, 18), (2, 1, 1, 17), (2, 3, 2, 26)])
def test_a_surge_in_gpus_is_kept_by_pods_of_different_size(old, new, surge, peak):
    gpus = {"1.0.0": old, "2.0.0": new}
    scenario, world = world_of(old, peak, gpus=gpus, maxSurgeResources={GPU: surge})
    follow(world).run_until(scenario.at_rest, 60).check_promises()

    assert not scenario.unrest(world)
    assert (max(world.wanted_gpus), min(world.serving_pods)) == (peak, 8)


def test_a_breach_after_a_surge_in_gpus_brings_all_pods_back():
    _, world = world_of(
        1, 17, scripts={"2.0.0": {"errors": "hhhhhhbbb"}}, gpus={"1.0.0": 2, "2.0.0": 1}, maxSurgeResources={GPU: 1}
    )
    world.run(minutes=25).check_promises()

    assert world.serving() == {"1.0.0": 100}
    assert {obj["spec"]["replicas"] for obj in world.api.all("Deployment")} == {8}


@pytest.mark.parametrize(("surge", "unavailable", "rolls"), [(1, 0, False), (1, 1, True), (2, 0, True)])
def test_a_surge_below_one_pod_waits_unless_pods_may_be_missing(surge, unavailable, rolls):
    gpus = {"1.0.0": 2, "2.0.0": 2}
    bounds = {"maxSurgeResources": {GPU: surge}, **({"maxUnavailable": 1} if unavailable else {})}
    scenario, world = world_of(1, 20, gpus=gpus, **bounds)
    world.run_until(scenario.at_rest, 60).check_promises()

    assert not scenario.unrest(world) or not rolls
    if not rolls:
        assert (world.serving(), world.status["reason"]) == ({"1.0.0": 100}, "WaitingForCapacity")
        assert "raise it to 2, or set maxUnavailable to 1" in world.status["message"]


@pytest.mark.parametrize("seed", range(4))
def test_a_breach_in_a_small_room_gives_all_traffic_back_at_once(seed):
    _, world = world_of(seed, 9, scripts={"2.0.0": {"errors": "hhhhhhbbb"}}, maxSurge=1)
    world.run(minutes=25).check_promises()

    assert world.serving() == {"1.0.0": 100}
    assert {obj["spec"]["replicas"] for obj in world.api.all("Deployment")} == {8}


@pytest.mark.parametrize("seed", range(12))
def test_nodes_that_come_and_go_roll_no_healthy_version_back(seed):
    chance = random.Random(seed)  # noqa: S311 - a simulation, not a secret
    bounds = chance.choice(({}, {"maxSurge": 1}, {"maxSurge": 0, "maxUnavailable": 1}, {"maxSurgeResources": {GPU: 2}}))
    gpus = {"1.0.0": 1, "2.0.0": 1} if "maxSurgeResources" in bounds else {}
    scenario, world = world_of(seed, 9, gpus=gpus, **bounds)
    at = 100.0
    for _ in range(chance.randint(2, 6)):
        at += chance.uniform(20, 300)
        world.at(at, resized(chance.randint(2, 9)))
    world.at(at + 900, resized(20))
    world.run_until(scenario.at_rest, 120).check_promises()

    assert not scenario.unrest(world)
    assert "RolledBack" not in {entry["outcome"] for entry in world.status["history"]}


def test_what_waits_for_a_node_says_so_and_is_withdrawn_at_its_deadline_without_having_failed():
    scenario = Scenario(serves="2.0.0", rollout={"replicas": 2, "capacityDeadline": "10m"})
    world = scenario.world(1)
    world.kubelet.room = 2
    waiting, ended = Snapshot(), Snapshot()
    world.at(300, waiting.look).at(860, ended.look).at(900, resized(8)).run(minutes=40)
    world.check_promises()

    assert waiting.status["reason"] == "WaitingForCapacity"
    assert "Unschedulable: 0/3 nodes available" in waiting.status["message"]
    assert (ended.status["phase"], ended.status.get("failedRevision")) == ("RolledBack", None)
    assert ended.status["history"][0]["outcome"] == "Withdrawn"
    assert world.serving() == {"2.0.0": 100}
