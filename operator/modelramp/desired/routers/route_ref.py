"""Another owner's route: modelramp changes the backendRefs of one rule, and nothing else.

What stood there before is kept in an annotation of the route, beside a label that names the ModelDeployment. Whatever
else than our Services stands there later is what its owner wants in the end, so that is kept in its place.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from modelramp.api.kinds import Kind, Ref
from modelramp.api.names import LABEL_BORROWED, LABEL_DEPLOYMENT, ORIGINAL_BACKENDS, Reason
from modelramp.api.routing import RouteReference, Routing
from modelramp.core.events import RolloutEvent
from modelramp.core.hostnames import Scope
from modelramp.desired.names import child_name, revision_in
from modelramp.desired.ownership import FieldWrite, Owner, pointer
from modelramp.desired.reading import annotated, entries, part, text
from modelramp.desired.routers.gateway_api import (
    GATEWAY_GROUP,
    HTTP_ROUTE,
    is_gateway,
    is_service,
    route_answer,
    uncarried,
)
from modelramp.desired.routers.protocol import Backend, Features, Object, Router, RouteStatus, Split

GRPC_ROUTE = Kind(f"{GATEWAY_GROUP}/v1", "GRPCRoute", "grpcroutes")
_LABEL, _ORIGINAL = ("labels", LABEL_BORROWED), ("annotations", ORIGINAL_BACKENDS)
_Marks = dict[tuple[str, str], str | None]
_KINDS = {kind.kind: kind for kind in (HTTP_ROUTE, GRPC_ROUTE)}


class RouteRef(Router):
    """Divides the requests of one rule of a route that exists, by its backendRefs."""

    field = "gateway.routeRef"
    kinds: tuple[Kind, ...] = ()
    hosting = kinds
    features = Features(borrows=(HTTP_ROUTE, GRPC_ROUTE))

    def asked(self, routing: Routing) -> bool:
        """Whether a spec names another owner's route."""
        return routing.gateway is not None and routing.gateway.route_ref is not None

    def sticky(self, routing: Routing) -> bool:
        """Never known: the session persistence of the route is its owner's."""
        del routing
        return False

    def refers(self, routing: Routing, namespace: str) -> tuple[Ref, ...]:
        """The route that a spec names."""
        found = _reference(routing)
        return (Ref(_KINDS[found.kind], namespace, found.name),) if found is not None else ()

    def desired(
        self, owner: Owner, routing: Routing | None, split: Split, current: Sequence[Object]
    ) -> tuple[FieldWrite, ...]:
        """The weights in the rule. A route that the spec no longer names follows them until the new one has them."""
        wanted, writes = _reference(routing), list[FieldWrite]()
        target = _target(wanted, current)
        moved = target is not None and self.observed(owner, routing, current, 0.0).taken is True
        for route in current:
            if _trouble(owner, route):
                continue
            if route is target:
                writes += _weighted(owner, route, wanted.rule if wanted is not None else None, split)
            elif text(route, "metadata", "labels", LABEL_BORROWED) == owner.name:
                writes += _restored(owner, route) if moved else _weighted(owner, route, _rule_kept(route), split)
        return tuple(writes)

    def released(self, owner: Owner, current: Sequence[Object]) -> tuple[FieldWrite, ...]:
        """What gives the routes back as their owners had them."""
        ours = (route for route in current if text(route, "metadata", "labels", LABEL_BORROWED) == owner.name)
        return tuple(write for route in ours for write in _restored(owner, route))

    def observed(self, owner: Owner, routing: Routing | None, current: Sequence[Object], now: float) -> RouteStatus:
        """What Gateways say of the route, once the rule is ours."""
        del now
        wanted = _reference(routing)
        if wanted is None:
            return _not_yet("the spec cannot be read")
        route, name = _target(wanted, current), f"{wanted.kind} {owner.namespace}/{wanted.name}"
        if route is None:
            why = f"{name} does not exist; create it or correct spec.routing.gateway.routeRef"
            return _refused(Reason.ROUTE_NOT_FOUND, why)
        problem = _trouble(owner, route)
        if problem:
            return _refused(Reason.NAME_TAKEN, f"{name} {problem}")
        index, problem = _rule_of(route, wanted.rule)
        if index is None:
            return _refused(Reason.ROUTE_RULE_NOT_FOUND, f"{name} {problem}")
        if not any(backend.revision for backend in self.backends(owner, route)):
            return _not_yet(f"{name} does not name any version yet")
        parents = [parent for parent in entries(route, "spec", "parentRefs") if is_gateway(parent)]
        if not parents:
            return _refused(Reason.ROUTE_NOT_ACCEPTED, f"{name} names no Gateway")
        return replace(route_answer(route, parents), uncarried=uncarried(route))

    def backends(self, owner: Owner, obj: Object) -> Iterator[Backend]:
        """The versions in the rule that is ours; backends of its owner are not judged."""
        index, _ = _rule_of(obj, _rule_kept(obj))
        rules = list(entries(obj, "spec", "rules"))
        for backend in entries(rules[index], "backendRefs") if index is not None else ():
            revision = _revision(owner, backend)
            if revision is not None:
                yield Backend(text(backend, "name"), backend.get("weight", 1), backend.get("port"), revision)

    def asks(self, routing: Routing, namespace: str) -> Scope | None:
        """Nothing: hosts and paths are those of the route, whoever has it."""
        del routing, namespace
        return None

    def takes(self, obj: Object, *, refused_too: bool = True) -> Scope | None:
        """Nothing: the route is counted as its owner's."""
        del obj, refused_too
        return None

    def absent(self, kind: Kind) -> str:
        """The CRDs that are missing."""
        return f"the API server knows no {kind.kind}: install the Gateway API's CRDs"


def _reference(routing: Routing | None) -> RouteReference | None:
    return routing.gateway.route_ref if routing is not None and routing.gateway is not None else None


def _target(wanted: RouteReference | None, current: Sequence[Object]) -> Object | None:
    if wanted is None:
        return None
    found = (obj for obj in current if (obj.get("kind"), obj["metadata"]["name"]) == (wanted.kind, wanted.name))
    return next(found, None)


def _trouble(owner: Owner, route: Object) -> str:
    """Why a route may not be changed; empty when it may."""
    holder = text(route, "metadata", "labels", LABEL_BORROWED)
    if holder not in {"", owner.name}:
        return f"is divided by ModelDeployment {holder}; if there is none, remove its label {LABEL_BORROWED}"
    if text(route, "metadata", "labels", LABEL_DEPLOYMENT):
        return f"has the label {LABEL_DEPLOYMENT}, as routes that modelramp makes; name a route without it"
    return ""


def _rule_of(route: Object, name: str | None) -> tuple[int | None, str]:
    """The place of a rule in a route, or None and what to do about it. name: None for the only rule."""
    rules = list(entries(route, "spec", "rules"))
    if name is None:
        if len(rules) == 1:
            return 0, ""
        return None, f"has {len(rules)} rules; say which one in spec.routing.gateway.routeRef.rule"
    found = [index for index, rule in enumerate(rules) if rule.get("name") == name]
    if len(found) == 1:
        return found[0], ""
    return None, f"has no rule {name}; name the rule again or correct spec.routing.gateway.routeRef.rule"


def _weighted(owner: Owner, route: Object, name: str | None, split: Split) -> Iterator[FieldWrite]:
    index, _ = _rule_of(route, name)
    if index is None:
        return
    if _kept(route) and _rule_kept(route) != name:
        yield from _restored(owner, route)  # the rule that the spec named before; then the new one
        return
    now = list(list(entries(route, "spec", "rules"))[index].get("backendRefs") or ())
    theirs = [backend for backend in now if _revision(owner, backend) is None]
    kept = theirs or list(entries(_kept(route), "backendRefs"))
    backends = [
        {"group": "", "kind": "Service", "name": child_name(owner.name, revision), "port": port, "weight": weight}
        for revision, (weight, port) in sorted(split.shares.items())
    ]
    record = _text({"rule": name, "backendRefs": kept})
    needs = frozenset((child_name(owner.name, revision), port) for revision, (_, port) in split.shares.items())
    marks: _Marks = {_LABEL: owner.name, _ORIGINAL: record}
    yield from _write(route, index, now, backends, marks, needs)


def _restored(owner: Owner, route: Object) -> Iterator[FieldWrite]:
    """The write that puts the owner's backends back, if none of them is there, and takes our marks away."""
    index, _ = _rule_of(route, _rule_kept(route))
    now = list(list(entries(route, "spec", "rules"))[index].get("backendRefs") or ()) if index is not None else []
    theirs = [backend for backend in now if _revision(owner, backend) is None]
    backends = theirs or list(entries(_kept(route), "backendRefs")) or now
    services = [backend for backend in backends if is_service(backend, owner.namespace)]
    needs = frozenset((text(backend, "name"), int(backend.get("port") or 0)) for backend in services)
    marks: _Marks = {_LABEL: None, _ORIGINAL: None}
    yield from _write(route, index, now, backends, marks, needs if now != backends else frozenset())


def _write(
    route: Object,
    index: int | None,
    now: list[Any],
    backends: list[Any],
    marks: _Marks,
    needs: frozenset[tuple[str, int]],
) -> Iterator[FieldWrite]:
    """The JSON patch of one rule and of our marks in the metadata; none where all is as wanted."""
    operations: list[dict[str, Any]] = []
    if index is not None and now != backends:
        at = pointer("spec", "rules", index)
        rule = list(entries(route, "spec", "rules"))[index]
        if rule.get("name") is not None:
            operations.append({"op": "test", "path": f"{at}/name", "value": rule["name"]})
        operations.append({"op": "add", "path": f"{at}/backendRefs", "value": backends})
    for (where, key), value in marks.items():
        found = part(route, "metadata", where)
        if value is None and key in found:
            operations.append({"op": "remove", "path": pointer("metadata", where, key)})
        elif value is not None and not found:
            operations.append({"op": "add", "path": pointer("metadata", where), "value": {key: value}})
        elif value is not None and found.get(key) != value:
            operations.append({"op": "add", "path": pointer("metadata", where, key), "value": value})
    if operations:
        ref = Ref(_KINDS[route["kind"]], text(route, "metadata", "namespace"), text(route, "metadata", "name"))
        words = f"{ref} is divided by this ModelDeployment now; its deletion gives it back as it was"
        first = marks[_LABEL] is not None and LABEL_BORROWED not in part(route, "metadata", "labels")
        told = RolloutEvent(Reason.ROUTE_TAKEN_OVER, words) if first else None
        yield FieldWrite(ref, route, tuple(operations), _text(now), _text(backends), needs, told)


def _revision(owner: Owner, backend: Mapping[str, Any]) -> str | None:
    return revision_in(text(backend, "name"), owner.name) if is_service(backend, owner.namespace) else None


def _kept(route: Object) -> Mapping[str, Any]:
    """What the annotation says; empty where it says nothing that can be read."""
    return annotated(part(route, "metadata"), ORIGINAL_BACKENDS)


def _rule_kept(route: Object) -> str | None:
    return text(_kept(route), "rule") or None


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _refused(reason: Reason, why: str) -> RouteStatus:
    return RouteStatus(False, RolloutEvent(reason, why, warning=True), uncarried=why)


def _not_yet(why: str) -> RouteStatus:
    return RouteStatus(None, RolloutEvent(Reason.ROUTE_PENDING, why), uncarried=why)
