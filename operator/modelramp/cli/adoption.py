"""From what runs in a namespace to the ModelDeployment that takes its place. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelramp.api.kinds import SERVICE, Kind
from modelramp.api.names import API_VERSION, KIND, LABEL_DEPLOYMENT
from modelramp.cli.cluster import Ended, Exit, Object
from modelramp.desired.reading import entries, part, text
from modelramp.desired.workloads.reference import selectors_in

AUTOSCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
_NO = Exit.FAILED
_NOT_OF_A_VERSION = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Running:
    """A Deployment and what of its namespace may belong to it. autoscalers: empty where nobody may list them."""

    deployment: Object
    services: Sequence[Object]
    routes: Sequence[Object]
    autoscalers: Sequence[Object]

    @property
    def name(self) -> str:
        """Of the Deployment."""
        return text(self.deployment, "metadata", "name")

    def reaching(self) -> Iterator[Object]:
        """The Services that select its pods."""
        labels = part(self.deployment, "spec", "template", "metadata", "labels")
        names = {one.name for one in selectors_in(SERVICE, self.services) if one.picks(labels)}
        return (obj for obj in self.services if text(obj, "metadata", "name") in names)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person says beside the Deployment; None for what is to be found out."""

    name: str | None = None
    version: str | None = None
    route: str | None = None
    rule: str | None = None


def manifest(found: Running, wishes: Wishes) -> Object:
    """The ModelDeployment. Raises Ended when it is not clear which Service or route is meant."""
    if text(found.deployment, "metadata", "labels", LABEL_DEPLOYMENT):
        raise Ended(f"Deployment {found.name} was made by modelramp: it has the label {LABEL_DEPLOYMENT}", _NO)
    route, index, backend = _route(found, wishes)
    rules = list(entries(route, "spec", "rules"))
    reference = {"name": text(route, "metadata", "name")}
    if len(rules) > 1 or text(rules[index], "name"):
        if not text(rules[index], "name"):
            why = "has several rules, and the one that is meant has no name: give it one in spec.rules[].name"
            raise Ended(f"HTTPRoute {reference['name']} {why}", _NO)
        reference["rule"] = text(rules[index], "name")
    service = next(obj for obj in found.reaching() if text(obj, "metadata", "name") == text(backend, "name"))
    name = wishes.name or found.name
    spec: dict[str, Any] = {
        "replicas": max(1, int(part(found.deployment, "spec").get("replicas") or 1)),
        "model": {"name": name, "version": wishes.version or _version(found.deployment)},
        "workloadRef": {"name": found.name},
        "service": _ports(service, backend.get("port")),
        "routing": {"gateway": {"routeRef": reference}},
    }
    metadata = {"name": name, "namespace": text(found.deployment, "metadata", "namespace")}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}


def remarks(found: Running, wanted: Mapping[str, Any]) -> Iterator[str]:
    """What people should know before they apply it."""
    yield "spec.health has no checks: only the pods are watched. modelramp presets lists queries, suggest finds limits"
    for scaler in found.autoscalers:
        target = part(scaler, "spec", "scaleTargetRef")
        if (target.get("kind"), target.get("name")) == ("Deployment", found.name):
            who = f"HorizontalPodAutoscaler {text(scaler, 'metadata', 'name')} scales the Deployment"
            yield f"{who}: let it scale ModelDeployment {wanted['metadata']['name']} instead"
    services = ", ".join(text(obj, "metadata", "name") for obj in found.reaching())
    yield f"one pod of Deployment {found.name} stays for callers of Service {services}"


def _route(found: Running, wishes: Wishes) -> tuple[Object, int, Mapping[str, Any]]:
    """The route, the place of its rule, and the backend that reaches the Deployment."""
    services = {text(obj, "metadata", "name") for obj in found.reaching()}
    if not services:
        raise Ended(f"no Service selects the pods of Deployment {found.name}, so that no route can reach them", _NO)
    places = [
        (route, index, backend)
        for route in found.routes
        for index, rule in enumerate(entries(route, "spec", "rules"))
        for backend in entries(rule, "backendRefs")
        if text(backend, "name") in services
        and wishes.route in {None, text(route, "metadata", "name")}
        and wishes.rule in {None, text(rule, "name")}
    ]
    if len(places) == 1:
        return places[0]
    asked = f"HTTPRoute {wishes.route}" if wishes.route else "HTTPRoute"
    what = f"Service {' or '.join(sorted(services))}"
    if not places:
        raise Ended(f"no {asked} of the namespace sends requests to {what}; write spec.routing by hand", _NO)
    names = ", ".join(f"{text(route, 'metadata', 'name')}[{index}]" for route, index, _ in places)
    raise Ended(f"several rules send requests to {what} ({names}): say which one with --route and --rule", _NO)


def _ports(service: Object, port: object) -> dict[str, Any]:
    """The port of the route, and that of the container behind it."""
    known = list(entries(service, "spec", "ports"))
    chosen = next((one for one in known if one.get("port") == port), known[0] if known else {})
    number = chosen.get("port", 80)
    return {"port": number, "targetPort": chosen.get("targetPort") or number}


def _version(deployment: Object) -> str:
    """The model version that runs, as its label or the tag of its image says."""
    labels = part(deployment, "spec", "template", "metadata", "labels")
    image = next((text(one, "image") for one in entries(deployment, "spec", "template", "spec", "containers")), "")
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    found = labels.get("app.kubernetes.io/version") or tag or "1"
    return _NOT_OF_A_VERSION.sub("-", str(found))[:128]
