"""Random stories with several random faults each: promises hold on the way, and the world comes to rest in the end.

MODELRAMP_SIM_SEEDS sets how many are tried (for the night: some thousands); a failure prints the seed that repeats it.
"""

import os
import random

import pytest

from tests.sim.clock import EPOCH
from tests.sim.faults import Fault
from tests.sim.kubelet import Pods
from tests.sim.prometheus import Period
from tests.sim.scenarios import manifest
from tests.sim.world import World

SEEDS = int(os.environ.get("MODELRAMP_SIM_SEEDS", "60"))
MINUTES = 90
CALLS = 140


def health(chance):
    """A random start, then healthy for ever."""
    return "".join(chance.choices("hb?", weights=(5, 3, 2), k=chance.randint(3, 16))) + "h"


def pods(chance):
    return chance.choice(
        (Pods(), Pods(), Pods((1.0, 60.0)), Pods(start=None), Pods(crash_after=chance.uniform(5, 400)))
    )


def random_world(seed, **options):
    """Two or three versions, applied at random times, of random health, with up to four faults."""
    chance = random.Random(seed)  # noqa: S311 - a simulation, not a secret
    versions = ["2.0.0", "3.0.0"][: chance.randint(1, 2)]
    scripts = {version: {"errors": health(chance), "accuracy": health(chance)} for version in versions}
    behaviour = {version: pods(chance) for version in versions}
    faults = {chance.randint(1, CALLS): chance.choice(list(Fault)) for _ in range(chance.randint(0, 4))}
    world = World(seed, faults=faults, scripts=scripts, pods=behaviour, **options)
    world.at(0, lambda world: world.apply(manifest("1.0.0")))
    at = 60.0
    for version in [*versions, *chance.choices(["1.0.0", *versions], k=chance.randint(0, 2))]:
        at += chance.uniform(1, 500)
        world.at(at, lambda world, version=version: world.apply(manifest(version)))
    if chance.random() < 0.4:
        start = EPOCH + chance.uniform(0, 900)
        how = chance.choice(["down", "slow"])
        world.prometheus.periods.append(Period(start, start + chance.uniform(30, 400), how))
    return world


def at_rest(world):
    """Nothing in flight, and the stable version has all traffic; or it says that nothing better is at hand."""
    status = world.status
    stable = (status.get("stable") or {}).get("revision")
    all_on_stable = stable is None or world.gateway.weights == {stable: 100}
    current = status.get("observedGeneration") == world.digits["metadata"]["generation"]
    return status.get("phase") in {"Healthy", "RolledBack", "Degraded"} and all_on_stable and current


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(10))
def test_promises_hold_and_the_world_comes_to_rest(part):
    for seed in range(part, SEEDS, 10):
        world = random_world(seed).run_until(at_rest, MINUTES)
        world.check_promises()
        assert at_rest(world), f"no rest in {MINUTES} minutes\n{world.story()}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(5))
def test_two_operators_at_once_break_no_promise_either(part):
    for seed in range(1000 + part, 1000 + SEEDS // 4, 5):
        world = random_world(seed, operators=2).run_until(at_rest, MINUTES)
        world.check_promises()
        assert at_rest(world), f"no rest in {MINUTES} minutes\n{world.story()}"
