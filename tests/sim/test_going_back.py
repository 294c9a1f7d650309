"""Request rollback in simulated worlds: a promoted version is left, whatever happens at whichever call."""

import itertools
from dataclasses import replace

import pytest

from tests.sim.apiserver import Change
from tests.sim.faults import Fault
from tests.sim.scenarios import ROLLOUT, manifest
from tests.sim.world import World

STRIDE = 4 * len(Fault)
BACK = replace(ROLLOUT, serves="1.0.0", failed="2.0.0", minutes=90.0)


def asking(fault: Fault | None = None, at_call: int = 0, to: str = "") -> World:
    """A world in which a person will go back a minute after the second version was promoted."""
    world = BACK.world(7, fault, at_call)
    promoted: list[float] = []

    def served_for_a_minute(seen: World) -> bool:
        if seen.status.get("phase") == "Healthy" and seen.status["stable"]["modelVersion"] == "2.0.0":
            promoted.append(seen.now())
        return bool(promoted) and seen.now() >= promoted[0] + 60.0

    world.at(200.0, lambda world: world.request("rollback", to), when=served_for_a_minute)
    return world


def asked(fault: Fault | None = None, at_call: int = 0, to: str = "") -> World:
    """The same world when it has come to rest."""
    world = asking(fault, at_call, to)
    world.run_until(BACK.at_rest, BACK.minutes).check_promises()
    return world


@pytest.mark.parametrize("to", ["", "1.0.0"])
def test_the_version_before_serves_again_and_the_later_one_stays_out(to):
    world = asked(to=to)

    assert world.serving() == {"1.0.0": 100}
    assert "a person asked for it; back to 1.0.0" in world.status["history"][0]["message"]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name.lower())
def test_a_fault_at_any_call_changes_nothing_in_the_end(fault):
    first = 1 + list(Fault).index(fault) % STRIDE
    for n in itertools.count(first, STRIDE):
        world = asked(fault, n)
        if world.faults.exhausted:
            break
    assert n > 100, "the story is shorter than it was: is the world still wired up?"


def test_the_commit_that_reverts_starts_no_rollout():
    world, moved = asking(), []

    def revert(seen: World) -> None:
        moved.append(len(routes(seen)))
        seen.apply(manifest("1.0.0"))

    world.at(300.0, revert, when=lambda seen: seen.status.get("phase") == "RolledBack")
    calm = replace(BACK, failed=None)
    world.run_until(lambda seen: bool(moved) and calm.at_rest(seen), calm.minutes).check_promises()

    assert world.status["phase"] == "Healthy"
    assert len(routes(world)) == moved[0]


def routes(world: World) -> list[Change]:
    return [change for change in world.api.log if change.kind == "HTTPRoute"]
