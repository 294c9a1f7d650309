"""A route that belongs to somebody else, and the Service, pods and tools that its owner has."""

from collections.abc import Callable
from typing import Any

from modelramp.api.kinds import Kind, Ref
from tests.sim.fieldowners import copied
from tests.sim.scenarios import Scenario, manifest
from tests.sim.streams import DIGITS
from tests.sim.world import World

HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
OWNER = "the owner's tool"
LEGACY = "legacy"
USERS_RULE = {
    "name": "predict",
    "matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}],
    "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-a", "value": "1"}]}}],
    "timeouts": {"request": "30s"},
    "backendRefs": [{"name": LEGACY, "port": 80}],
}


def prepare(world: World, **reference: Any) -> World:
    """What runs before a ModelDeployment comes: a Service with ready endpoints, and the route to it."""
    namespace, name = DIGITS
    world.usual.learn("", LEGACY)
    service = {
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": LEGACY},
        "spec": {"ports": [{"port": 80}]},
    }
    world.api.create(service, OWNER)
    slices = {
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": namespace,
            "name": f"{LEGACY}-eps",
            "labels": {"kubernetes.io/service-name": LEGACY},
        },
        "endpoints": [{"addresses": ["10.1.0.1"], "conditions": {"ready": True}}],
    }
    world.api.create(slices, OWNER)
    route = {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": "HTTPRoute",
        "metadata": {
            "namespace": namespace,
            "name": name,
            "labels": {"team": "ml"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        },
        "spec": {"parentRefs": [{"name": "public"}], "hostnames": ["a.example.com"], "rules": [copied(USERS_RULE)]},
    }
    world.api.create(route, OWNER)
    return world


def borrowing(version: str, **rollout: Any) -> dict[str, Any]:
    """The usual ModelDeployment on the route of somebody else."""
    wanted = manifest(version, **rollout)
    wanted["spec"]["routing"] = {"gateway": {"routeRef": {"name": DIGITS[1], "rule": "predict"}}}
    return wanted


def story(scenario: Scenario, seed: int, **faults: Any) -> World:
    """A world in which the versions of a scenario come to a route of somebody else."""
    world = World(seed, scripts=scenario.scripts, pods=scenario.pods, **faults)
    prepare(world)
    for index, (at, version) in enumerate(scenario.versions):
        phase = scenario.phases[index]
        world.at(
            at,
            lambda each, version=version: each.apply(borrowing(version)),
            when=_in_phase(phase) if index else lambda _: True,
        )
    return world


def _in_phase(phase: str) -> Callable[[World], bool]:
    return lambda world: world.status.get("phase") == phase


def route(world: World) -> dict[str, Any]:
    """The route as it is now."""
    return world.api.get(Ref(HTTP_ROUTE, *DIGITS))


def put_back(world: World) -> None:
    """The owner's tool applies the route as it stands in Git."""
    current = route(world)
    rules = copied(current["spec"]["rules"])
    rules[0]["backendRefs"] = [{"name": LEGACY, "port": 80}]
    world.api.update({**current, "spec": {**current["spec"], "rules": rules}}, OWNER)
