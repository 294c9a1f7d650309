"""Random health: checks with times, thresholds and weights of their own, scores, hooks, policies that come and go."""

import random
from collections.abc import Callable
from typing import Any

from tests.sim.hooked import HOOKS
from tests.sim.scenarios import manifest
from tests.sim.world import USER, World

Json = dict[str, Any]
WEB = {"apiVersion": "modelramp.io/v1alpha1", "kind": "HealthPolicy", "metadata": {"namespace": "ml", "name": "web"}}
NAMES = ("labels", "answers", "tokens")


def random_health(chance: random.Random) -> tuple[Json, list[Json]]:
    """What a spec says of its health, and the checks that stand in the policy `web` instead (none: no policy)."""
    errors, accuracy = manifest("1.0.0")["spec"]["health"]["checks"]
    if chance.random() < 0.4:
        accuracy |= {"interval": chance.choice(("2m", "3m")), "window": "1m", "delay": chance.choice(("0s", "1m"))}
    checks = [errors, accuracy, *(_check(chance, name) for name in chance.sample(NAMES, chance.randint(1, 3)))]
    health: Json = {}
    if chance.random() < 0.4:
        health["minScore"] = chance.choice((30, 50, 67, 100))
    if chance.random() < 0.5:
        health |= HOOKS
    shared = [check for check in checks[2:] if chance.random() < 0.4]
    health["checks"] = [check for check in checks if check not in shared]
    if shared:
        health["policies"] = [{"name": "web"}]
    return health, shared


def _check(chance: random.Random, name: str) -> Json:
    check: Json = {
        "name": name,
        "query": f'avg(sim_{name}{{revision="{{{{revision}}}}"}})',
        "max": "0.01",
        "dimension": chance.choice(("technical", "operational")),
        "role": chance.choice(("rollback", "rollback", "rollback", "hold", "inform")),
    }
    if chance.random() < 0.4:
        check |= {"interval": chance.choice(("2m", "3m")), "window": chance.choice(("1m", "2m"))}
    if chance.random() < 0.3:
        check["delay"] = "1m"
    if check["role"] == "rollback" and ("interval" in check or chance.random() < 0.3):
        check["failureThreshold"] = chance.randint(1, 3)
    if chance.random() < 0.3:
        check["when"] = chance.choice(("rollout", "rollout" if check["role"] == "hold" else "after-promotion"))
    if chance.random() < 0.3:
        check["weight"] = chance.randint(2, 5)
    if chance.random() < 0.2:
        check["critical"] = True
    return check


def policy(checks: list[Json]) -> Json:
    """The policy `web` with these checks."""
    return {**WEB, "spec": {"checks": checks}}


def come_and_go(chance: random.Random, world: World, checks: list[Json]) -> None:
    """The policy is there in the end; before, it may come late, vanish, or say something else for a while."""
    at = chance.choice((0.0, 0.0, chance.uniform(10, 400)))
    world.later(at, lambda: world.api.apply(policy(checks), USER))
    for _ in range(chance.choice((0, 1, 2))):
        at += chance.uniform(60, 500)
        world.later(at, _trouble(chance, world, checks))
        at += chance.uniform(20, 300)
        world.later(at, lambda: world.api.apply(policy(checks), USER))


def _trouble(chance: random.Random, world: World, checks: list[Json]) -> Callable[[], None]:
    broken = [{**checks[0], "max": "{{params.gone}}"}, *checks[1:]]
    other = [{**check, "max": "0.1"} for check in checks]

    def vanish() -> None:
        if world.api.find("HealthPolicy", "ml", "web"):
            world.api.delete(world.ref(policy(checks)), USER)

    return chance.choice(
        (vanish, vanish, lambda: world.api.apply(policy(broken), USER), lambda: world.api.apply(policy(other), USER))
    )
