"""What hostile namespaces do changes no decision about honest objects, and delays no write by more than two seconds.

Every world lives twice, with and without the hostile part; the decisions are compared one by one.
MODELRAMP_SIM_SEEDS sets how many mixed worlds are tried.
"""

import os
import random
from functools import cache

import pytest

from tests.sim.hostile import HOSTILE, some
from tests.sim.neighbours import MINUTES, differences, honest, outcome, settle_in
from tests.sim.world import World

MIXED = int(os.environ.get("MODELRAMP_SIM_SEEDS", "60")) // 15
LATE_SECONDS = 2.0
RESTART_AT = 270.0
"""The operator starts anew in the middle of it all: what it then finds are all objects at once."""


def lived(seed, number, harms=(), **options):
    """A world with so many honest rollouts, and with these harms."""
    world = World(seed, apart=True, version=seed * 89 + 6, **options)
    settle_in(world, honest(seed, number))
    for name in harms:
        HOSTILE[name](world, random.Random(f"{name} {seed}"))  # noqa: S311 - a simulation, not a secret
    return world.at(RESTART_AT, lambda world: world.restart()).run(MINUTES)


@cache
def in_peace(seed, number):
    """The same world without any harm: what should have been decided."""
    world = lived(seed, number)
    world.check_promises()
    for each in honest(seed, number):
        assert outcome(world.members[each.key]) == ({each.story.serves: 100}, each.story.phase)
    return world


def unharmed(seed, number, harms):
    """Assert that the honest part of a world is as it is without the harms."""
    peace, world = in_peace(seed, number), lived(seed, number, harms)
    found = [
        line
        for each in honest(seed, number)
        for line in differences(peace.members[each.key], world.members[each.key], LATE_SECONDS)
    ]
    assert not found, f"seed={seed} harms={harms}\n" + "\n".join(found) + "\n" + world.story()
    world.check_promises()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("harm", HOSTILE)
def test_a_hostile_namespace_changes_nothing_for_others(harm):
    unharmed(1, 6, (harm,))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2, 2 + MIXED))
def test_several_harms_at_once_change_nothing_either(seed):
    chance = random.Random(f"mixed {seed}")  # noqa: S311 - a simulation, not a secret
    unharmed(seed, 20 if seed == 2 else 6, tuple(some(chance, 4)))
