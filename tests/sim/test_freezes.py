"""A frozen namespace in simulated worlds: nobody in it gets more traffic, whatever faults happen; others go on."""

import itertools

import pytest

from modelramp.api import names
from tests.sim.faults import Fault
from tests.sim.scenarios import ROLLOUT
from tests.sim.world import USER, World

NAMED = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}}
STRIDE = 8 * len(Fault)


def annotate(annotations):
    def write(world: World) -> None:
        found = world.api.find("Namespace", "", "ml") or world.api.create(NAMED, USER)
        world.api.update({**found, "metadata": {**found["metadata"], "annotations": annotations}}, USER)

    return write


def frozen(fault=None, at_call=0):
    """The usual rollout in a namespace that is frozen before the second version, for ten minutes."""
    world, thawed = ROLLOUT.world(7, fault, at_call), []

    def thaw(seen: World) -> None:
        thawed.append(len(seen.api.log))
        annotate({})(seen)

    world.at(0.0, annotate({}))
    world.at(90.0, annotate({"modelramp.io/freeze": "year-end"}))
    world.at(700.0, thaw)
    world.run_until(lambda seen: bool(thawed) and ROLLOUT.at_rest(seen), 90)
    world.check_promises()
    assert ROLLOUT.at_rest(world), world.story()
    return world, [change.obj.get("status", {}) for change in world.api.log[: thawed[0]] if change.kind == names.KIND]


def test_a_new_version_gets_its_traffic_when_the_freeze_ends():
    world, before = frozen()

    assert not [status for status in before if (status.get("candidate") or {}).get("weight")]
    assert before[-1]["message"].startswith(
        "namespace ml is frozen: year-end (annotation modelramp.io/freeze): waiting"
    )
    assert world.serving() == {"2.0.0": 100}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name.lower())
def test_no_fault_at_any_call_moves_traffic_in_a_freeze(fault):
    for n in itertools.count(2 + list(Fault).index(fault) % STRIDE, STRIDE):
        world, before = frozen(fault, n)
        assert not [status for status in before if (status.get("candidate") or {}).get("weight")], world.story()
        if world.faults.exhausted:
            break
    assert n > 60, "the story is shorter than it was: is the world still wired up?"
