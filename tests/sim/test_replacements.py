"""Strategy Replace in simulated clusters with room for one version: an outage, and always a way back."""

from dataclasses import replace

import pytest

from tests.sim.faults import Fault
from tests.sim.kubelet import Pods
from tests.sim.scenarios import REPLACE, REPLACED, REPLACED_BACK, Scenario, manifest, tell
from tests.sim.test_gateways_confirm import Snapshot

NEVER = Pods(start=None)
BACK = Scenario(serves="1.0.0", failed="2.0.0", rollout=REPLACE, pods={"2.0.0": NEVER})


def stopped(world):
    """Whether what served was stopped, and nothing else serves yet."""
    candidate = world.status.get("candidate") or {}
    return "stableStopped" in candidate and candidate["step"] < 0


def in_one_gpu(scenario, seed=1):
    world = scenario.world(seed)
    world.kubelet.room = 1
    return world


def end(world, scenario):
    world.run_until(scenario.at_rest, 60).check_promises()
    assert not scenario.unrest(world)
    return world


def events(world, reason):
    return [line for line in world.history if f"WARN: {reason}" in line]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scenario", [REPLACED, REPLACED_BACK, BACK], ids=["promoted", "breached", "never there"])
def test_one_gpu_is_enough(scenario, seed):
    end(in_one_gpu(scenario, seed), scenario)


def test_a_breach_after_promotion_brings_the_old_version_back_in_the_same_gpu():
    scenario = Scenario(serves="1.0.0", failed="2.0.0", rollout=REPLACE, scripts={"2.0.0": {"errors": "h|hb"}})
    world = end(in_one_gpu(scenario), scenario)
    assert world.status["history"][0]["outcome"] == "RolledBack"


def test_nothing_is_judged_in_the_outage():
    """Three ticks without a pod are no breaches of the version that was stopped."""
    slow = replace(REPLACED, pods={"2.0.0": Pods(start=(200.0, 250.0))})
    world = end(in_one_gpu(slow), slow)
    assert {entry["outcome"] for entry in world.status["history"]} == {"Promoted"}


def test_the_old_version_is_back_at_the_deadline_though_nothing_but_room_was_missing():
    world, told = in_one_gpu(BACK), Snapshot()
    world.at(0.0, lambda each: each.kubelet.resize(0), when=stopped)
    world.at(280.0, told.look).at(900.0, lambda each: each.kubelet.resize(1))
    end(world, BACK)

    assert "nothing serves: 0 of 1 pods available (" in told.status["message"]
    assert "is brought back at" in told.status["message"]
    assert world.status["history"][0]["reason"] == "ProgressDeadlineExceeded"


def paused(world, value):
    world.apply(manifest("2.0.0", **{**REPLACE, "paused": value}))


def test_a_pause_before_the_outage_keeps_what_serves_and_one_within_it_does_not_prolong_it():
    before = Scenario(serves="1.0.0", rollout=REPLACE, versions=((0.0, "1.0.0"),))
    held = in_one_gpu(before)
    held.at(120.0, lambda each: paused(each, True)).run(minutes=20)
    held.check_promises()
    assert (held.serving(), held.status["phase"]) == ({"1.0.0": 100}, "Paused")

    within, serving = in_one_gpu(REPLACED), Snapshot()
    within.at(0.0, lambda each: paused(each, True), when=stopped)
    within.at(600.0, serving.look).at(601.0, lambda each: paused(each, False))
    end(within, REPLACED)
    assert (serving.serving, serving.status["phase"]) == ({"2.0.0": 100}, "Paused")


def test_an_abort_in_the_outage_brings_the_old_version_back():
    world = in_one_gpu(BACK)
    world.at(0.0, lambda each: each.request("abort"), when=stopped)
    end(world, BACK)
    assert world.status["history"][0]["reason"] == "Aborted"


def test_a_spec_that_goes_back_in_the_outage_brings_the_old_version_back():
    scenario = Scenario(serves="1.0.0", rollout=REPLACE, pods={"2.0.0": NEVER})
    world = in_one_gpu(scenario)
    world.at(0.0, lambda each: each.apply(manifest("1.0.0", **REPLACE)), when=stopped)
    end(world, scenario)


@pytest.mark.parametrize("when", [stopped, lambda world: world.serving() == {"2.0.0": 100}], ids=["outage", "serving"])
def test_the_next_version_replaces_one_that_is_not_promoted_yet(when):
    scenario = Scenario(serves="3.0.0", rollout=REPLACE, pods={"2.0.0": NEVER} if when is stopped else {})
    world = in_one_gpu(scenario)
    world.at(0.0, lambda each: each.apply(manifest("3.0.0", **REPLACE)), when=when)
    end(world, scenario)


def test_a_deletion_in_the_outage_leaves_nothing():
    world = in_one_gpu(BACK)
    world.at(0.0, lambda each: each.delete(), when=stopped).run(minutes=10)
    world.check_promises()
    assert not [obj for kind in ("Deployment", "Service", "HTTPRoute") for obj in world.api.all(kind)]


def test_a_tool_that_applies_the_same_each_minute_changes_nothing():
    world, outages = in_one_gpu(REPLACED), []
    for minute in range(2, 30):
        world.at(60.0 * minute, lambda each: each.apply(manifest("2.0.0", **REPLACE)))
    world.at(1800.0, lambda each: outages.append(events(each, "StableStopped")))
    end(world, REPLACED)
    assert len(events(world, "StableStopped")) == 1


@pytest.mark.parametrize("replicas", [1, 4])
def test_an_autoscaler_may_change_the_replicas_in_the_outage(replicas):
    scenario = Scenario(serves="2.0.0", rollout={**REPLACE, "replicas": 2})
    world = scenario.world(1)
    world.at(0.0, lambda each: each.apply(manifest("2.0.0", **{**REPLACE, "replicas": replicas})), when=stopped)
    end(world, scenario)
    assert sum(obj["spec"]["replicas"] for obj in world.api.all("Deployment")) == replicas


def test_a_rest_in_the_outage_ends_it_where_it_began():
    """spec.replicas 0 and back: the deadline has passed, so the old version comes back."""
    world = BACK.world(1)
    for at, replicas in ((0.0, 0), (500.0, 1)):
        wanted = manifest("2.0.0", **{**REPLACE, "replicas": replicas})
        world.at(at, lambda each, wanted=wanted: each.apply(wanted), when=stopped if not at else lambda each: True)
    end(world, BACK)


def test_people_hear_of_the_outage():
    world = end(in_one_gpu(REPLACED), REPLACED)
    (told,) = events(world, "StableStopped")
    assert "nothing serves until its pods are available" in told


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.FROZEN], ids=lambda fault: fault.name)
def test_an_operator_that_is_replaced_at_any_call_finds_the_way_back(fault):
    for call in range(20, 90, 5):
        tell(BACK, seed=7, fault=fault, at_call=call)
