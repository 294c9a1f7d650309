"""A gateway: follows each HTTPRoute a little late, splits the traffic, and records every share that it ever gave."""

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelramp.api.names import LABEL_REVISION
from tests.sim.apiserver import Change, Json
from tests.sim.streams import Key, Streams

if TYPE_CHECKING:
    from tests.sim.member import Member
    from tests.sim.world import World

ACTOR = "gateway"


@dataclass(frozen=True, slots=True)
class Served:
    """From `at` on each Service had this weight; `empty`: Services named without a ready endpoint."""

    at: float
    weights: dict[str, int]
    empty: tuple[str, ...]


class Gateway:
    """Takes the routes of the world: a little late each, and only the last of several changes.

    Each Gateway object that exists carries what names it. silent: the controller hangs; it neither takes nor confirms
    anything. dated: whether it says which generation it has taken. unresolved: it finds no Service of any route.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._api = world.api
        first = random.Random(world.random.random())  # noqa: S311 - a simulation, not a secret
        self._streams = Streams(f"{world.seed} gateway", first)
        self._generations: dict[Key, int] = {}
        self.silent = False
        self.dated = True
        self.unresolved = False
        world.api.listeners.append(self._changed)

    def look_again(self) -> None:
        """Take all routes as they are now."""
        for route in list(self._api.all("HTTPRoute")):
            self._follow((route["metadata"]["namespace"], route["metadata"]["name"]))

    def _changed(self, change: Change) -> None:
        if change.kind == "HTTPRoute" and change.actor != ACTOR:
            self._follow((change.obj["metadata"]["namespace"], change.obj["metadata"]["name"]))
        if change.kind == "Gateway":
            self.look_again()

    def _follow(self, key: Key) -> None:
        generation = self._generations[key] = self._generations.get(key, 0) + 1
        self._world.later(self._streams.of(key).uniform(0.1, 2.0), lambda: self._take(key, generation))

    def _take(self, key: Key, generation: int) -> None:
        if generation != self._generations[key] or self.silent:
            return  # a newer change is on its way
        route, member = self._api.find("HTTPRoute", *key), self._world.members.get(key)
        parents = [parent for parent in route["spec"]["parentRefs"] if self._exists(key, parent)] if route else []
        if member is not None:
            member.gateway.take(backends(route) if route and parents and not self.unresolved else {})
        if route is not None:
            conditions = self._conditions(route)
            said = [
                {"controllerName": "sim/gateway", "parentRef": parent, "conditions": conditions} for parent in parents
            ]
            self._api.update_status({"kind": "HTTPRoute", "metadata": _name(route), "status": {"parents": said}}, ACTOR)

    def _exists(self, key: Key, parent: Json) -> bool:
        return self._api.find("Gateway", parent.get("namespace", key[0]), parent["name"]) is not None

    def _conditions(self, route: Json) -> list[Json]:
        resolved = ("False", "BackendNotFound") if self.unresolved else ("True", "ResolvedRefs")
        dated = {"observedGeneration": route["metadata"]["generation"]} if self.dated else {}
        return [
            {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", **dated},
            {"type": "ResolvedRefs", "status": resolved[0], "reason": resolved[1], "message": "", **dated},
        ]


class Traffic:
    """The traffic of one ModelDeployment, by the HTTPRoute of its name."""

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._world = member.world
        self.services: dict[str, int] = {}
        self.history: list[Served] = []
        self.revisions: dict[str, str] = {}

    @property
    def weights(self) -> dict[str, int]:
        """The share of each revision now, percent."""
        return {self.revisions.get(name, name): weight for name, weight in self.services.items() if weight}

    def empty_since(self, service: str) -> float | None:
        """Since when the gateway has sent traffic to a Service without endpoints; None when it does not now."""
        since = None
        for served in reversed(self.history):
            if service not in served.empty:
                break
            since = served.at
        return since

    def ready(self, service: str) -> int:
        """Ready endpoints of a Service, as the API server has them."""
        found = self._world.api.find("EndpointSlice", self._member.namespace, f"{service}-eps")
        return sum(point["conditions"]["ready"] for point in found["endpoints"]) if found else 0

    def changed(self, change: Change) -> None:
        """Learn whose Services they are, and see endpoints come and go."""
        if change.kind == "Service":
            name, labels = change.obj["metadata"]["name"], change.obj["metadata"].get("labels", {})
            self.revisions.setdefault(name, labels.get(LABEL_REVISION, ""))
        if change.kind in {"EndpointSlice", "Service"}:
            self._world.later(0.01, self._record)

    def take(self, services: dict[str, int]) -> None:
        """The route gives these weights from now on."""
        self.services = services
        self._record()

    def _record(self) -> None:
        empty = tuple(name for name, weight in sorted(self.services.items()) if weight and not self.ready(name))
        served = Served(self._world.now(), dict(self.services), empty)
        if not self.history or (self.history[-1].weights, self.history[-1].empty) != (served.weights, served.empty):
            self.history.append(served)
            self._member.served(served)


def backends(route: Json) -> dict[str, int]:
    """The weight of each Service that a route names."""
    weights: dict[str, int] = {}
    for rule in route["spec"].get("rules", ()):
        for backend in rule.get("backendRefs", ()):
            weights[backend["name"]] = weights.get(backend["name"], 0) + backend["weight"]
    return weights


def is_preview(route: Json) -> bool:
    """Whether a route has the hostnames of a preview, and no live traffic."""
    return route["metadata"]["name"].endswith(".preview")


def _name(obj: Json) -> Json:
    return {"namespace": obj["metadata"]["namespace"], "name": obj["metadata"]["name"]}
