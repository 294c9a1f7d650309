"""The Service for callers inside the cluster: it reaches the stable version, and is never empty."""

import itertools

import pytest

from modelramp.api.names import LABEL_REVISION
from tests.sim.faults import Fault
from tests.sim.scenarios import AFTER_PROMOTION, ROLLBACK, ROLLOUT, manifest
from tests.sim.world import World

NAME = "digits-stable"


def story(scenario, seed, **faults):
    """A scenario whose ModelDeployment has a stable Service."""
    world = World(seed, scripts=scenario.scripts, pods=scenario.pods, **faults)
    for index, (at, version) in enumerate(scenario.versions):
        wanted, phase = manifest(version), scenario.phases[index]
        wanted["spec"]["service"]["stableName"] = NAME
        world.at(
            at,
            lambda each, wanted=wanted: each.apply(wanted),
            when=(lambda each, phase=phase: each.status.get("phase") == phase) if index else (lambda _: True),
        )
    return world


def reached(world):
    """The versions that the Service has selected, in order."""
    services = [change.obj for change in world.api.log if change.kind == "Service"]
    found = [obj["spec"]["selector"][LABEL_REVISION] for obj in services if obj["metadata"]["name"] == NAME]
    return [version for version, _ in itertools.groupby(world.usual.timelines[each].version for each in found)]


def never_empty(world):
    slices = [change.obj for change in world.api.log if change.kind == "EndpointSlice"]
    counts = [len(obj["endpoints"]) for obj in slices if obj["metadata"]["name"] == f"{NAME}-eps"]
    assert counts, world.story()
    assert all(counts), world.story()


CASES = {
    "rollout": (ROLLOUT, ["1.0.0", "2.0.0"]),
    "rollback": (ROLLBACK, ["1.0.0"]),
    "rollback after promotion": (AFTER_PROMOTION, ["1.0.0", "2.0.0", "1.0.0"]),
}


@pytest.mark.parametrize(("scenario", "versions"), CASES.values(), ids=CASES)
def test_it_moves_with_the_promotion_and_not_before(scenario, versions):
    world = story(scenario, 1)
    world.run_until(scenario.at_rest, scenario.minutes)

    world.check_promises()
    assert not scenario.unrest(world), world.story()
    assert reached(world) == versions
    never_empty(world)


def test_it_is_gone_when_the_spec_names_none_any_longer():
    world = story(ROLLOUT, 2)
    world.at(0.0, lambda each: each.apply(manifest("2.0.0")), when=ROLLOUT.at_rest)
    world.run_until(lambda each: not each.api.find("Service", "ml", NAME) and ROLLOUT.at_rest(each), 60)

    assert world.api.find("Service", "ml", NAME) is None, world.story()
    world.check_promises()


def test_it_takes_no_service_of_somebody_else():
    world = story(ROLLOUT, 3)
    theirs = {"kind": "Service", "metadata": {"namespace": "ml", "name": NAME}, "spec": {"selector": {"app": "x"}}}
    world.api.create(theirs, "owner")
    world.run_until(lambda each: each.status.get("reason") == "NameTaken", 20)

    assert world.status["reason"] == "NameTaken", world.story()
    assert NAME in world.status["message"]
    assert world.api.find("Service", "ml", NAME)["spec"]["selector"] == {"app": "x"}


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER], ids=lambda fault: fault.name.lower())
def test_it_is_never_empty_when_the_operator_dies(fault):
    for n in range(5, 140, 9):
        world = story(ROLLOUT, 4, fault=fault, at_call=n)
        world.run_until(ROLLOUT.at_rest, ROLLOUT.minutes)
        world.check_promises()
        assert not ROLLOUT.unrest(world), world.story()
        assert reached(world) == ["1.0.0", "2.0.0"]
        never_empty(world)
