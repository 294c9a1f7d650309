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
from tests.sim.richhealth import NAMES, come_and_go, random_health
from tests.sim.scenarios import manifest
from tests.sim.world import World

SEEDS = int(os.environ.get("MODELRAMP_SIM_SEEDS", "60"))
MINUTES = 90
CALLS = 140


def health(chance, letters="hhhhhbbb??"):
    """A random start, then healthy for ever."""
    return "".join(chance.choices(letters, k=chance.randint(3, 16))) + "h"


def pods(chance):
    return chance.choice(
        (Pods(), Pods(), Pods((1.0, 60.0)), Pods(start=None), Pods(crash_after=chance.uniform(5, 400)))
    )


def edit_route(world):
    for route in world.api.all("HTTPRoute"):
        rule = route["spec"]["rules"][0]
        lopsided = [{**backend, "weight": 1} for backend in rule["backendRefs"]]
        world.api.update({**route, "spec": {**route["spec"], "rules": [{**rule, "backendRefs": lopsided}]}}, "kubectl")


def delete_children(kind):
    def delete(world):
        for obj in list(world.api.all(kind)):
            world.api.delete(world.ref(obj), "kubectl")

    return delete


def burst(world):
    """The spec is edited ten times in a second."""
    for number in range(10):
        version = world.digits["spec"]["model"]["version"] if number == 9 else f"9.{number}.0"
        world.later(number / 10, lambda version=version: world.apply(manifest(version)))


def person(chance):
    """Something that a person does now and then."""
    meddling = (edit_route, delete_children("HTTPRoute"), delete_children("Service"), delete_children("Deployment"))
    verbs = ("promote", "abort", "retry", "rollback")
    change, verb, pause = chance.choice(meddling), chance.choice(verbs), chance.uniform(20, 200)

    def pause_and_resume(world):
        world.request("pause")
        world.later(pause, lambda: world.request("resume"))

    return chance.choice(
        (
            lambda world: world.request(verb),
            pause_and_resume,
            lambda world: world.meddle(change),
            lambda world: world.apply(manifest(world.digits["spec"]["model"]["version"], replicas=3)),
            burst,
        )
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
    for _ in range(chance.choice((0, 0, 1, 3))):
        at += chance.uniform(1, 200)
        world.at(at, person(chance))
    if chance.random() < 0.4:
        start = EPOCH + chance.uniform(0, 900)
        how = chance.choice(["down", "slow"])
        world.prometheus.periods.append(Period(start, start + chance.uniform(30, 400), how))
    return world


def rich_world(seed, **options):
    """The same with random health: slow checks, scores, hooks, and a policy that comes and goes."""
    chance = random.Random(f"rich {seed}")  # noqa: S311 - a simulation, not a secret
    wanted, shared = random_health(chance)
    versions = ["2.0.0", "3.0.0"][: chance.randint(1, 2)]
    names = ["errors", "accuracy", *NAMES]
    scripts = {
        version: {name: health(chance, "hbbb?") if chance.random() < 0.5 else "h" for name in names}
        for version in versions
    }
    if chance.random() < 0.5:
        scripts |= {version: {name: f"h|{script}" for name, script in of.items()} for version, of in scripts.items()}
    faults = {chance.randint(1, CALLS): chance.choice(list(Fault)) for _ in range(chance.randint(0, 4))}
    world = World(seed, faults=faults, scripts=scripts, **options)
    if shared:
        come_and_go(chance, world, shared)
    at = 0.0
    for version in ["1.0.0", *versions]:
        body = manifest(version)
        body["spec"]["health"] |= wanted
        world.at(at, lambda world, body=body: world.apply(body))
        at += chance.uniform(60, 900)
    world.at(at + 900, lambda _: None)  # what has been promoted is watched for a while
    return world


def at_rest(world):
    """Nothing in flight, and the stable version has all traffic; or it says that nothing better is at hand.

    While the pods of the stable version are all gone for good the operator waits for them: that is no rest, but final.
    """
    status = world.status
    stable = (status.get("stable") or {}).get("revision")
    all_on_stable = stable is None or world.gateway.weights == {stable: 100}
    crashed = stable is not None and not world.gateway.ready(f"digits-{stable}")
    current = status.get("observedGeneration") == world.digits["metadata"]["generation"]
    return (status.get("phase") in {"Healthy", "RolledBack", "Degraded"} and all_on_stable and current) or crashed


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("made", [random_world, rich_world], ids=["plain", "slow checks, scores, hooks and policies"])
def test_promises_hold_and_the_world_comes_to_rest(made, part):
    for seed in range(part, SEEDS, 10):
        world = made(seed).run_until(at_rest, MINUTES)
        world.check_promises()
        assert at_rest(world), f"no rest in {MINUTES} minutes\n{world.story()}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(5))
def test_two_operators_at_once_break_no_promise_either(part):
    for seed in range(1000 + part, 1000 + SEEDS // 4, 5):
        world = random_world(seed, operators=2).run_until(at_rest, MINUTES)
        world.check_promises()
        assert at_rest(world), f"no rest in {MINUTES} minutes\n{world.story()}"
