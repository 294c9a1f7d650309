"""A route that belongs to somebody else, and the Service, pods and tools that its owner has."""

from collections.abc import Callable
from typing import Any

from modelramp.api.kinds import Kind, Ref
from modelramp.api.spec import parse_spec
from modelramp.core.revisions import revision_of
from modelramp.desired.workloads.deployment import DEPLOYMENT
from modelramp.desired.workloads.reference import template_of
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
    namespace, _ = DIGITS
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
    world.api.create(user_route(), OWNER)
    return world


def user_route() -> dict[str, Any]:
    """The route as its owner has made it."""
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": "HTTPRoute",
        "metadata": {
            "namespace": DIGITS[0],
            "name": DIGITS[1],
            "labels": {"team": "ml"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        },
        "spec": {"parentRefs": [{"name": "public"}], "hostnames": ["a.example.com"], "rules": [copied(USERS_RULE)]},
    }


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


def run_workload(world: World, replicas: int = 2) -> World:
    """What runs before a ModelDeployment takes its place: a Deployment, its Service, and the route to that."""
    namespace, _ = DIGITS
    world.usual.learn("", LEGACY)
    labels = {"app": LEGACY}
    container = {"name": "model", "image": "digits:1.0.0", "ports": [{"name": "http", "containerPort": 80}]}
    template = {"metadata": {"labels": {**labels, "team": "ml"}}, "spec": {"containers": [container]}}
    deployment = {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": LEGACY, "labels": labels, "annotations": {"example.com/a": "b"}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }
    service = {
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": LEGACY},
        "spec": {"selector": labels, "ports": [{"port": 80}]},
    }
    for obj in (deployment, service):
        world.api.create(obj, OWNER)
    world.api.create(user_route(), OWNER)
    return world


def adopting(version: str, **rollout: Any) -> dict[str, Any]:
    """The usual ModelDeployment with the template of a Deployment, on a route of somebody else."""
    wanted = borrowing(version, **rollout)
    del wanted["spec"]["template"]
    wanted["spec"]["workloadRef"] = {"name": LEGACY}
    return wanted


def adopt(world: World, version: str, **rollout: Any) -> None:
    """Write the version into the Deployment's template, and apply the ModelDeployment that refers to it."""
    current = workload(world)
    if version != "1.0.0":
        template = copied(current["spec"]["template"])
        template["spec"]["containers"][0]["image"] = f"digits:{version}"
        current = world.api.update({**current, "spec": {**current["spec"], "template": template}}, OWNER)
    wanted = adopting(version, **rollout)
    spec = parse_spec(wanted["spec"]).model_copy(update={"template": template_of(current)})
    world.usual.learn(revision_of(spec), version)
    world.apply(wanted)


def workload(world: World) -> dict[str, Any]:
    """The Deployment of somebody else as it is now."""
    return world.api.get(Ref(DEPLOYMENT, DIGITS[0], LEGACY))
