"""HTTPRoutes of the Gateway API, v1."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from modelramp.api.kinds import Kind, Ref
from modelramp.api.names import Reason
from modelramp.api.routing import GatewayRouting, ParentReference, Routing
from modelramp.api.text import cut, visible
from modelramp.core.events import RolloutEvent
from modelramp.core.hostnames import CATCH_ALL, Parent, Path, Scope, path_of
from modelramp.desired.names import child_name, preview_name, revision_in, route_name
from modelramp.desired.ownership import Owner, metadata
from modelramp.desired.reading import entries, part, text
from modelramp.desired.routers.protocol import Backend, Features, Object, Router, RouteStatus, Split

GATEWAY_GROUP = "gateway.networking.k8s.io"
HTTP_ROUTE = Kind(f"{GATEWAY_GROUP}/v1", "HTTPRoute", "httproutes")
GATEWAY = Kind(f"{GATEWAY_GROUP}/v1", "Gateway", "gateways")
_PARENTS_MAX = 32
"""Parents that the API admits on one route."""
_WORDS = 256
_NO_ROUTE = "there is no route yet"


class GatewayApi(Router):
    """Divides requests by an HTTPRoute; hostnames of a preview have another one, which names one revision alone."""

    field = "gateway"
    kinds = (HTTP_ROUTE,)
    hosting = kinds
    features = Features()

    def asked(self, routing: Routing) -> bool:
        """Whether a spec names Gateways."""
        return routing.gateway is not None and routing.gateway.route_ref is None

    def sticky(self, routing: Routing) -> bool:
        """Never: the backendRefs of an HTTPRoute split requests, each for itself."""
        del routing
        return False

    def desired(
        self, owner: Owner, routing: Routing | None, split: Split, current: Sequence[Object]
    ) -> tuple[dict[str, Any], ...]:
        """The HTTPRoute with the weights, and that of the preview."""
        names = {obj["metadata"]["name"]: obj for obj in current}
        route = names.get(route_name(owner.name))
        gateway = routing.gateway if routing is not None else None
        if gateway is None:
            if route is None:
                return ()
            place = _as_it_is(route)
        else:
            place = _asked(owner, gateway, route)
        routes = [_route(owner, route_name(owner.name), split.shares, place)]
        if split.preview is not None:
            shares = {split.preview.revision: (1, split.preview_port)}
            hosts = {**place, "hostnames": list(split.preview.hostnames)}
            routes.append(_route(owner, preview_name(owner.name), shares, hosts))
        return tuple(routes)

    def observed(self, owner: Owner, routing: Routing | None, current: Sequence[Object], now: float) -> RouteStatus:
        """What Gateways say of the route."""
        del now
        route = next((obj for obj in current if obj["metadata"]["name"] == route_name(owner.name)), None)
        answer = _pending(Reason.ROUTE_PENDING, _NO_ROUTE)
        if route is not None and routing is not None and routing.gateway is not None:
            answer = route_answer(route, parents_of(routing.gateway, owner.namespace))
        return replace(answer, uncarried=uncarried(route) if route is not None else _NO_ROUTE)

    def backends(self, owner: Owner, obj: Object) -> Iterator[Backend]:
        """The backendRefs of a route; a missing weight is 1."""
        for rule in (obj.get("spec") or {}).get("rules") or ():
            for backend in rule.get("backendRefs") or ():
                name = str(backend.get("name", ""))
                revision = revision_in(name, owner.name) if is_service(backend, owner.namespace) else None
                yield Backend(name, backend.get("weight", 1), backend.get("port"), revision)

    def asks(self, routing: Routing, namespace: str) -> Scope | None:
        """The hosts, path and Gateways of a spec."""
        gateway = routing.gateway
        return scope_of(gateway, namespace) if gateway is not None else None

    def takes(self, obj: Object, *, refused_too: bool = True) -> Scope | None:
        """The requests that a route takes from Gateways."""
        return scope_of_route(obj, refused_too=refused_too)

    def moves(self, routing: Routing, current: Sequence[Object]) -> bool:
        """Whether a spec asks for a Gateway, or a listener of one, that a route does not name."""
        gateway = routing.gateway
        return gateway is not None and any(has_new_parents(route, gateway) for route in current)

    def needs(self, routing: Routing, namespace: str) -> tuple[Ref, ...]:
        """The Gateways."""
        parents = routing.gateway.parent_refs if routing.gateway is not None else ()
        return tuple(Ref(GATEWAY, parent.namespace or namespace, parent.name) for parent in parents)

    def lacks(self, routing: Routing, namespace: str, found: Mapping[Ref, Object]) -> RolloutEvent | None:
        """Which Gateway does not exist, or lacks the listener that is named."""
        for parent in routing.gateway.parent_refs if routing.gateway is not None else ():
            ref = Ref(GATEWAY, parent.namespace or namespace, parent.name)
            if ref not in found:
                text = f"{ref} does not exist; create it or correct spec.routing.gateway.parentRefs"
                return RolloutEvent(Reason.GATEWAY_NOT_FOUND, text, warning=True)
            lacks = _lacks(found[ref], parent)
            if lacks:
                text = f"{ref} has no listener with {lacks}; add it or correct spec.routing.gateway.parentRefs"
                return RolloutEvent(Reason.GATEWAY_NOT_FOUND, text, warning=True)
        return None

    def absent(self, kind: Kind) -> str:
        """The CRDs that are missing."""
        return f"the API server knows no {kind.kind}: install the Gateway API's CRDs"


def scope_of(gateway: GatewayRouting, namespace: str) -> Scope:
    """What a spec asks for. namespace: of the object, for Gateways that are named without one."""
    parents = tuple(
        Parent(parent.namespace or namespace, parent.name, parent.section_name, parent.port)
        for parent in gateway.parent_refs
    )
    return Scope(parents, gateway.hostnames or (CATCH_ALL,), (Path(path_of(gateway.path)),))


def _lacks(gateway: Object, parent: ParentReference) -> str:
    """Which listener a Gateway does not have although it is named; empty when it has it, or names none at all."""
    listeners = tuple(entries(gateway, "spec", "listeners"))
    sections = {listener.get("name") for listener in listeners}
    if listeners and parent.section_name is not None and parent.section_name not in sections:
        return f"the name {parent.section_name}"
    ports = {listener.get("port") for listener in listeners if parent.section_name in {None, listener.get("name")}}
    return f"port {parent.port}" if listeners and parent.port is not None and parent.port not in ports else ""


def is_service(backend: Object, namespace: str) -> bool:
    """Whether a backend is a Service of a namespace."""
    group, kind, where = backend.get("group", ""), backend.get("kind", "Service"), backend.get("namespace", namespace)
    return (group, kind, where) == ("", "Service", namespace)


def _route(owner: Owner, name: str, shares: Mapping[str, tuple[int, int]], place: Mapping[str, Any]) -> dict[str, Any]:
    """The route of these shares. place: its parents, hostnames and the matches of its only rule."""
    backends = [
        {"group": "", "kind": "Service", "name": child_name(owner.name, revision), "port": port, "weight": weight}
        for revision, (weight, port) in sorted(shares.items())
    ]
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.kind,
        "metadata": metadata(owner, name),
        "spec": {
            "parentRefs": place["parentRefs"],
            "hostnames": place["hostnames"],
            "rules": [{"matches": place["matches"], "backendRefs": backends}],
        },
    }


def _asked(owner: Owner, gateway: GatewayRouting, current: Mapping[str, Any] | None) -> dict[str, Any]:
    wanted = tuple(parents_of(gateway, owner.namespace))
    kept = _kept_parents(current, wanted) if current is not None else ()
    return {
        "parentRefs": [*wanted, *kept][:_PARENTS_MAX],
        "hostnames": list(gateway.hostnames),
        "matches": [{"path": {"type": "PathPrefix", "value": gateway.path}}],
    }


def _as_it_is(route: Mapping[str, Any]) -> dict[str, Any]:
    spec = route["spec"]
    first: Mapping[str, Any] = next(iter(spec.get("rules") or ()), {})
    return {
        "parentRefs": spec.get("parentRefs") or [],
        "hostnames": spec.get("hostnames") or [],
        "matches": first.get("matches") or [{"path": {"type": "PathPrefix", "value": "/"}}],
    }


def scope_of_route(route: Mapping[str, Any], *, refused_too: bool = True) -> Scope:
    """The requests that a route takes from Gateways; a parent that is no Gateway is left out.

    refused_too: whether Gateways count that refuse the route, and so give it no traffic.
    """
    spec, namespace = route.get("spec") or {}, route["metadata"]["namespace"]
    refusing = frozenset() if refused_too else frozenset(_refusing(route))
    found = (_parent(reference, namespace) for reference in spec.get("parentRefs") or () if is_gateway(reference))
    parents = tuple(parent for parent in found if parent not in refusing)
    hosts = tuple(str(host).lower() for host in spec.get("hostnames") or ()) or (CATCH_ALL,)
    rules: Iterable[Mapping[str, Any]] = spec.get("rules") or ({},)
    paths = dict.fromkeys(path for rule in rules for path in _paths(rule))
    return Scope(parents, hosts, tuple(paths))


def _refusing(route: Mapping[str, Any]) -> Iterator[Parent]:
    for answer in (route.get("status") or {}).get("parents") or ():
        conditions = answer.get("conditions") or ()
        if any(found["type"] == "Accepted" and found["status"] == "False" for found in conditions):
            yield _parent(answer["parentRef"], route["metadata"]["namespace"])


def _parent(reference: Mapping[str, Any], namespace: str) -> Parent:
    found = reference.get("namespace", namespace), reference["name"]
    return Parent(*found, reference.get("sectionName"), reference.get("port"))


def is_gateway(reference: Mapping[str, Any]) -> bool:
    """Whether a parent is a Gateway."""
    return (reference.get("group", GATEWAY_GROUP), reference.get("kind", "Gateway")) == (GATEWAY_GROUP, "Gateway")


def _paths(rule: Mapping[str, Any]) -> Iterator[Path]:
    matches: Iterable[Mapping[str, Any]] = rule.get("matches") or ({},)
    for match in matches:
        path = match.get("path") or {}
        kind, value = path.get("type", "PathPrefix"), str(path.get("value", "/"))
        plain = kind == "PathPrefix" and not any(match.get(name) for name in ("method", "headers", "queryParams"))
        yield Path(path_of(value) if kind in {"PathPrefix", "Exact"} else "/", plain)


def parents_of(gateway: GatewayRouting, namespace: str) -> Iterator[dict[str, Any]]:
    """Parent references with everything written out that the API server would otherwise add.

    namespace: of the object, for Gateways that are named without one.
    """
    for parent in gateway.parent_refs:
        reference: dict[str, Any] = {
            "group": GATEWAY_GROUP,
            "kind": "Gateway",
            "namespace": parent.namespace or namespace,
            "name": parent.name,
        }
        if parent.section_name is not None:
            reference["sectionName"] = parent.section_name
        if parent.port is not None:
            reference["port"] = parent.port
        yield reference


def has_new_parents(route: Mapping[str, Any], gateway: GatewayRouting) -> bool:
    """Whether a spec asks for a Gateway, or a listener of one, that its route does not name."""
    namespace = _where(route)
    named_now = {_identity(reference, namespace) for reference in entries(route, "spec", "parentRefs")}
    return any(_identity(reference, namespace) not in named_now for reference in parents_of(gateway, namespace))


def _kept_parents(route: Mapping[str, Any], wanted: Collection[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Parents that the spec no longer names and that carry the traffic until all that it names have taken the route.

    Two references to one Gateway must name two of its listeners, so an old one that would not fit is not kept.
    """
    namespace = _where(route)
    if route_answer(route, wanted).taken:
        return
    asked = {_identity(reference, namespace) for reference in wanted}
    for reference in entries(route, "spec", "parentRefs"):
        mine = _identity(reference, namespace)
        rivals = [other for other in asked if other[:4] == mine[:4]]
        fits = all(mine[4] and other[4] and mine[4] != other[4] for other in rivals)
        if mine not in asked and fits and carries(route, reference):
            yield reference


def route_answer(route: Mapping[str, Any], parents: Iterable[Mapping[str, Any]]) -> RouteStatus:
    """Whether every one of these parents has taken the route in its present generation, and can find its Services."""
    undated: list[str] = []
    for reference in parents:
        answer = _answer(route, reference)
        if answer.taken is not True:
            return answer
        undated += filter(None, (answer.undated,))
    return RouteStatus(True, RolloutEvent(Reason.ROUTE_ACCEPTED, ""), "; ".join(undated))


def carries(route: Mapping[str, Any], reference: Mapping[str, Any]) -> bool:
    """Whether a parent took the route in some generation, and has not refused it since."""
    accepted = [condition for said in _said(route, reference) if (condition := _conditions(said).get("Accepted"))]
    return bool(accepted) and all(condition.get("status") == "True" for condition in accepted)


def uncarried(route: Mapping[str, Any]) -> str:
    """Which of the parents that a route names does not carry it, in whatever generation, and why; empty when all do."""
    for reference in entries(route, "spec", "parentRefs"):
        lost = [found for said in _said(route, reference) if (found := _conditions(said).get("ResolvedRefs"))]
        if not carries(route, reference) or any(found.get("status") == "False" for found in lost):
            return _answer(route, reference, of_any_generation=True).finding.message
    return ""


def _answer(route: Mapping[str, Any], reference: Mapping[str, Any], *, of_any_generation: bool = False) -> RouteStatus:
    """The answer of one parent. What another controller once said of it counts only if it is of this generation."""
    name = _name_of(reference, _where(route))
    generation = route["metadata"].get("generation")
    found = [_answer_in(said, name, generation, dated=not of_any_generation) for said in _said(route, reference)]
    if not found:
        return _pending(Reason.ROUTE_PENDING, f"{name} has not accepted the route yet")
    return min(found, key=lambda answer: (answer.taken is not False, answer.taken is not True))


def _answer_in(said: Mapping[str, Any], name: str, generation: Any, *, dated: bool) -> RouteStatus:
    """What one controller says. generation: of the route as it is now. dated: whether what it says of others is old."""
    conditions, undated = _conditions(said), ""
    if "Accepted" not in conditions:
        return _pending(Reason.ROUTE_PENDING, f"{name} has not accepted the route yet")
    for kind, refusal in _ASKED_FOR.items():
        condition = conditions.get(kind)
        if condition is None:
            continue
        observed = condition.get("observedGeneration")
        if dated and observed and observed != generation:
            why = f"{name} has not confirmed the route as it is now: it reports generation {observed} of {generation}"
            return _pending(Reason.ROUTE_UNCONFIRMED, why)
        words = cut(visible(f"{text(condition, 'reason')}: {text(condition, 'message')}"), _WORDS)
        if condition.get("status") == "False":
            return RouteStatus(False, RolloutEvent(refusal[0], f"{name} {refusal[1]}: {words}"))
        if condition.get("status") != "True":
            return _pending(Reason.ROUTE_PENDING, f"{name} does not know yet whether it takes the route: {words}")
        if not observed:
            undated = (
                f"{name} does not report which generation of the route it has seen; its status is taken as current"
            )
    return RouteStatus(True, RolloutEvent(Reason.ROUTE_ACCEPTED, ""), undated)


_ASKED_FOR = {
    "Accepted": (Reason.ROUTE_NOT_ACCEPTED, "refuses the route"),
    "ResolvedRefs": (Reason.BACKENDS_UNRESOLVED, "does not find what the route names"),
}
"""The conditions of a parent that must be true of the present generation, and what is said when one is not."""


def _pending(reason: Reason, why: str) -> RouteStatus:
    return RouteStatus(None, RolloutEvent(reason, why))


def _said(route: Mapping[str, Any], reference: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All that controllers say of exactly this parent: the same Gateway, listener and port."""
    namespace = _where(route)
    for said in entries(route, "status", "parents"):
        if _identity(part(said, "parentRef"), namespace) == _identity(reference, namespace):
            yield said


def _conditions(said: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {text(condition, "type"): condition for condition in entries(said, "conditions")}


def _identity(reference: Mapping[str, Any], namespace: str) -> tuple[Any, ...]:
    return (
        reference.get("group", GATEWAY_GROUP),
        reference.get("kind", "Gateway"),
        reference.get("namespace", namespace),
        reference.get("name"),
        reference.get("sectionName"),
        reference.get("port"),
    )


def _where(route: Mapping[str, Any]) -> str:
    return text(route, "metadata", "namespace")


def _name_of(reference: Mapping[str, Any], namespace: str) -> str:
    _, kind, where, name, section, port = _identity(reference, namespace)
    listener = f", listener {section}" if section else ""
    return f"{kind} {where}/{name}{listener}{f', port {port}' if port else ''}"
