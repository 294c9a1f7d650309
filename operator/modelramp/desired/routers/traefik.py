"""A weighted TraefikService, and an IngressRoute (Traefik's own resources).

Traefik drops a TraefikService as a whole, and answers 404 to everybody, when one of its Services is missing or has no
ready endpoint. Neither kind has a status: a change counts as taken when `settleTime` has passed since it was written.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from modelramp.api.kinds import Kind
from modelramp.api.names import FIELD_MANAGER, Reason
from modelramp.api.routing import Routing, TraefikRouting
from modelramp.api.times import to_seconds, to_text
from modelramp.core.events import RolloutEvent
from modelramp.core.hostnames import CATCH_ALL, TRAEFIK, Parent, Path, Scope, path_of
from modelramp.desired.names import child_name, revision_in, route_name
from modelramp.desired.ownership import Owner, metadata
from modelramp.desired.reading import entries, part, text
from modelramp.desired.routers.protocol import Backend, Features, Object, Router, RouteStatus, Split

TRAEFIK_SERVICE = Kind("traefik.io/v1alpha1", "TraefikService", "traefikservices")
INGRESS_ROUTE = Kind("traefik.io/v1alpha1", "IngressRoute", "ingressroutes")
_NO_ROUTE = "there is no route yet"
_HOSTS = re.compile(r"\bHost\(([^()]*)\)")
_PREFIXES = re.compile(r"\b(?:PathPrefix|Path)\(([^()]*)\)")
_TEXT = re.compile(r"[`\"]([^`\"]*)[`\"]")
_SIMPLE = re.compile(r"\b(?:Host|PathPrefix|Path)\([^()]*\)|\|\||&&|[()\s]")


class TraefikService(Router):
    """Divides requests by a TraefikService; hosts are matched by an IngressRoute, or by one of the user's own."""

    field = "traefik"
    kinds = (TRAEFIK_SERVICE, INGRESS_ROUTE)
    hosting = (INGRESS_ROUTE,)
    features = Features(confirms=False)

    def asked(self, routing: Routing) -> bool:
        """Whether a spec asks for Traefik's own resources."""
        return routing.traefik is not None

    def sticky(self, routing: Routing) -> bool:
        """Whether a cookie keeps users at their version."""
        return routing.traefik is not None and routing.traefik.sticky is not None

    def desired(
        self, owner: Owner, routing: Routing | None, split: Split, current: Sequence[Object]
    ) -> tuple[dict[str, Any], ...]:
        """The TraefikService, and the IngressRoute if there are hosts to match."""
        service, ingress = (_found(owner, kind, current) for kind in self.kinds)
        traefik = routing.traefik if routing is not None else None
        if traefik is not None:
            sticky, place = _sticky(traefik), _place(owner, traefik)
        elif service is not None:
            sticky, place = part(service, "spec", "weighted").get("sticky"), _as_it_is(ingress)
        else:
            return ()
        weighted: dict[str, Any] = {
            "services": [
                {"kind": "Service", "name": child_name(owner.name, revision), "port": port, "weight": weight}
                for revision, (weight, port) in sorted(split.shares.items())
            ]
        }
        if sticky:
            weighted["sticky"] = sticky
        objects = [_object(owner, TRAEFIK_SERVICE, {"weighted": weighted})]
        return (*objects, _object(owner, INGRESS_ROUTE, place)) if place["routes"] else tuple(objects)

    def observed(self, owner: Owner, routing: Routing | None, current: Sequence[Object], now: float) -> RouteStatus:
        """The objects count as taken once they are as old as the settle time."""
        service, ingress = (_found(owner, kind, current) for kind in self.kinds)
        traefik = routing.traefik if routing is not None else None
        if service is None or (traefik is not None and traefik.hostnames and ingress is None):
            return RouteStatus(None, RolloutEvent(Reason.ROUTE_PENDING, _NO_ROUTE), uncarried=_NO_ROUTE)
        if traefik is None:
            return RouteStatus(None, RolloutEvent(Reason.ROUTE_PENDING, _NO_ROUTE))
        written = max(_written(each) for each in (service, ingress) if each is not None)
        settled = written + 1 + traefik.settle_time  # times have whole seconds
        if now < settled:
            why = (
                f"Traefik does not report what it has applied; this change counts from {to_text(math.ceil(settled))} on"
            )
            return RouteStatus(None, RolloutEvent(Reason.ROUTE_UNCONFIRMED, why), again_at=settled)
        return RouteStatus(True, RolloutEvent(Reason.ROUTE_ACCEPTED, ""))

    def backends(self, owner: Owner, obj: Object) -> Iterator[Backend]:
        """The Services of a TraefikService, with a missing weight as 1, and those that an IngressRoute names itself."""
        listed = [entries(obj, "spec", "weighted", "services")]
        listed += [entries(route, "services") for route in entries(obj, "spec", "routes")]
        for service in (each for services in listed for each in services):
            name, port = text(service, "name"), service.get("port")
            where = service.get("kind", "Service"), service.get("namespace", owner.namespace)
            revision = revision_in(name, owner.name) if where == ("Service", owner.namespace) else None
            yield Backend(name, service.get("weight", 1), port if isinstance(port, int) else None, revision)

    def asks(self, routing: Routing, namespace: str) -> Scope | None:
        """The hosts and the path of the IngressRoute; a TraefikService alone takes nothing."""
        del namespace
        traefik = routing.traefik
        if traefik is None or not traefik.hostnames:
            return None
        return Scope(_parents(traefik.entry_points), traefik.hostnames, (Path(path_of(traefik.path)),))

    def takes(self, obj: Object, *, refused_too: bool = True) -> Scope | None:
        """The requests that an IngressRoute takes, as far as its rules name hosts and prefixes."""
        del refused_too
        if obj.get("kind") != INGRESS_ROUTE.kind:
            return None
        spec = obj.get("spec") or {}
        hosts: dict[str, None] = {}
        paths: dict[Path, None] = {}
        for route in spec.get("routes") or ():
            rule = str(route.get("match", ""))
            hosts |= dict.fromkeys(host.lower() for host in _arguments(_HOSTS, rule)) or {CATCH_ALL: None}
            plain = not _SIMPLE.sub("", rule)
            paths |= dict.fromkeys(Path(path_of(found), plain) for found in _arguments(_PREFIXES, rule) or ("/",))
        return Scope(_parents(spec.get("entryPoints") or ()), tuple(hosts), tuple(paths)) if hosts else None

    def absent(self, kind: Kind) -> str:
        """The CRDs that are missing."""
        return f"the API server knows no {kind.kind}: install Traefik's CRDs, or use spec.routing.gateway"


def _found(owner: Owner, kind: Kind, current: Sequence[Object]) -> Object | None:
    named = (obj for obj in current if obj.get("kind") == kind.kind)
    return next((obj for obj in named if obj["metadata"]["name"] == route_name(owner.name)), None)


def _object(owner: Owner, kind: Kind, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": metadata(owner, route_name(owner.name)),
        "spec": spec,
    }


def _sticky(traefik: TraefikRouting) -> dict[str, Any] | None:
    cookie = traefik.sticky
    if cookie is None:
        return None
    return {"cookie": {"name": cookie.name, "httpOnly": True} | ({"secure": True} if cookie.secure else {})}


def _place(owner: Owner, traefik: TraefikRouting) -> dict[str, Any]:
    """Where the IngressRoute is, and the hosts that it sends to the TraefikService."""
    place: dict[str, Any] = {"entryPoints": list(traefik.entry_points)} if traefik.entry_points else {}
    weighted = {"kind": TRAEFIK_SERVICE.kind, "name": route_name(owner.name)}
    rule = {"kind": "Rule", "match": _match(traefik.hostnames, traefik.path), "services": [weighted]}
    return {**place, "routes": [rule] if traefik.hostnames else []}


def _as_it_is(ingress: Object | None) -> dict[str, Any]:
    """The same of an IngressRoute that exists, with the rules that lead to a TraefikService."""
    spec = part(ingress, "spec")
    routes = [
        route
        for route in entries(ingress, "spec", "routes")
        if any(service.get("kind") == TRAEFIK_SERVICE.kind for service in entries(route, "services"))
    ]
    return {**({"entryPoints": spec["entryPoints"]} if spec.get("entryPoints") else {}), "routes": routes}


def _match(hostnames: Sequence[str], path: str) -> str:
    """A rule of Traefik. Its PathPrefix goes by characters: /v1 alone would take /v1beta as well."""
    hosts = " || ".join(f"Host(`{host}`)" for host in hostnames)
    prefix = path.rstrip("/")
    if not prefix:
        return hosts
    return f"({hosts}) && (Path(`{prefix}`) || PathPrefix(`{prefix}/`))"


def _arguments(pattern: re.Pattern[str], rule: str) -> tuple[str, ...]:
    return tuple(each for found in pattern.findall(rule) for each in _TEXT.findall(found))


def _parents(entry_points: Sequence[str]) -> tuple[Parent, ...]:
    return tuple(Parent(TRAEFIK, "traefik", name) for name in entry_points) or (Parent(TRAEFIK, "traefik"),)


def _written(obj: Object) -> int:
    """When the operator last changed an object, seconds since the epoch by the API server's clock."""
    times = [text(obj, "metadata", "creationTimestamp")]
    times += [text(entry, "time") for entry in entries(obj, "metadata", "managedFields") if _ours(entry)]
    found = 0
    for time in times:
        with suppress(ValueError):
            found = max(found, to_seconds(time))
    return found


def _ours(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") == FIELD_MANAGER and entry.get("subresource", "") != "status"
