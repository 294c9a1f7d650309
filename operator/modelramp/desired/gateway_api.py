"""The HTTPRoute (Gateway API v1) that splits the traffic.

A route never names a revision without ready endpoints: with some gateways its share fails, with others everybody
gets 404. And traffic moves only because of a decision: when what was decided cannot be served, the route stays.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from modelramp.api.names import Reason
from modelramp.api.spec import GatewayRouting
from modelramp.core.hostnames import CATCH_ALL, Parent, Path, Scope, path_of
from modelramp.core.state import Finding, State
from modelramp.desired.names import child_name, revision_in, route_name
from modelramp.desired.ownership import Owner, metadata

GATEWAY_GROUP = "gateway.networking.k8s.io"

Shares = Mapping[str, tuple[int, int]]
"""By revision: its weight, and the port of its Service."""


def http_route(
    owner: Owner,
    gateway: GatewayRouting,
    port: int,
    state: State,
    *,
    ready: Collection[str],
    current: Mapping[str, Any] | None,
    admitted: bool = True,
) -> tuple[dict[str, Any] | None, Finding]:
    """The route that should exist, or None when there should be none yet, and why.

    port: of the Services. ready: revisions with ready endpoints. current: the route as it is now, or None.
    admitted: whether `gateway` may have its hosts; if not, the route keeps those that it has, and only weights move.
    """
    if not admitted and current is None:
        return None, Finding(Reason.HOSTNAME_TAKEN, "there is no route yet: its hostnames are taken", warning=True)
    current_shares = named(owner, current)
    weights, finding = shown_weights(state, ready, current_shares.keys())
    shares: Shares = {revision: (weight, port) for revision, weight in weights.items()}
    if not shares:
        shares = current_shares
        finding = _kept(shares, state) if shares else finding
    if not shares:
        return None, finding
    return _route(owner, shares, _asked(owner, gateway) if admitted or current is None else _as_it_is(current)), finding


def shown_weights(
    state: State, ready: Collection[str], named_now: Collection[str] = ()
) -> tuple[dict[str, int], Finding]:
    """The weight of each revision that may be named now, percent, and why; empty when traffic must stay as it is.

    A candidate without ready endpoints is left out, and stable gets its share. The other way round the candidate does
    not get the share of stable: that would be a step that nobody decided. Yet its own steps go on when stable has
    died under the route (`named_now`): each of them leaves the dead version less of the traffic.
    """
    wanted = state.weights
    stable = state.stable.revision if state.stable else None
    candidate = state.running.version.revision if state.running else None
    steps_on = candidate in ready and all(revision in ready or revision in named_now for revision in wanted)
    if wanted and (steps_on or all(revision in ready for revision in wanted)):
        return wanted, Finding(Reason.SERVING, "the route gives each version the weight that was decided")
    if stable is not None and stable in ready:
        left_out = ", ".join(wanted.keys() - {stable})
        text = f"{left_out} has no ready endpoint: it is left out of the route, and {stable} gets all traffic"
        return {stable: 100}, Finding(Reason.PODS_UNAVAILABLE, text, warning=True)
    return {}, Finding(Reason.ROUTE_PENDING, "there is no route yet: no version has a ready endpoint")


def _kept(shares: Shares, state: State) -> Finding:
    missing = ", ".join(sorted(state.weights.keys() - shares.keys()) or sorted(state.weights)) or "no version"
    text = f"the route stays as it is ({', '.join(sorted(shares))}): {missing} has no ready endpoint to name instead"
    return Finding(Reason.PODS_UNAVAILABLE, text, warning=True)


def named(owner: Owner, route: Mapping[str, Any] | None) -> dict[str, tuple[int, int]]:
    """The revisions that a route names with their weights as written (a missing weight is 1) and Service ports."""
    shares: dict[str, tuple[int, int]] = {}
    for backend in _backends(route):
        revision = revision_in(str(backend.get("name", "")), owner.name)
        weight, port = backend.get("weight", 1), backend.get("port")
        if revision is not None and weight and port and _is_service(backend, owner.namespace):
            shares[revision] = (weight + shares.get(revision, (0, 0))[0], port)
    return shares


def _backends(route: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    for rule in ((route or {}).get("spec") or {}).get("rules") or ():
        yield from rule.get("backendRefs") or ()


def _is_service(backend: Mapping[str, Any], namespace: str) -> bool:
    group, kind, where = backend.get("group", ""), backend.get("kind", "Service"), backend.get("namespace", namespace)
    return (group, kind, where) == ("", "Service", namespace)


def _route(owner: Owner, shares: Shares, place: Mapping[str, Any]) -> dict[str, Any]:
    """The route of these shares. place: its parents, hostnames and the matches of its only rule."""
    backends = [
        {"group": "", "kind": "Service", "name": child_name(owner.name, revision), "port": port, "weight": weight}
        for revision, (weight, port) in sorted(shares.items())
    ]
    return {
        "apiVersion": f"{GATEWAY_GROUP}/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(owner, route_name(owner.name)),
        "spec": {
            "parentRefs": place["parentRefs"],
            "hostnames": place["hostnames"],
            "rules": [{"matches": place["matches"], "backendRefs": backends}],
        },
    }


def _asked(owner: Owner, gateway: GatewayRouting) -> dict[str, Any]:
    return {
        "parentRefs": list(_parents(owner, gateway)),
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
    found = (_parent(reference, namespace) for reference in spec.get("parentRefs") or () if _is_gateway(reference))
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


def _is_gateway(reference: Mapping[str, Any]) -> bool:
    return (reference.get("group", GATEWAY_GROUP), reference.get("kind", "Gateway")) == (GATEWAY_GROUP, "Gateway")


def _paths(rule: Mapping[str, Any]) -> Iterator[Path]:
    matches: Iterable[Mapping[str, Any]] = rule.get("matches") or ({},)
    for match in matches:
        path = match.get("path") or {}
        kind, value = path.get("type", "PathPrefix"), str(path.get("value", "/"))
        plain = kind == "PathPrefix" and not any(match.get(name) for name in ("method", "headers", "queryParams"))
        yield Path(path_of(value) if kind in {"PathPrefix", "Exact"} else "/", plain)


def _parents(owner: Owner, gateway: GatewayRouting) -> Iterator[dict[str, Any]]:
    """Parent references with everything written out that the API server would otherwise add."""
    for parent in gateway.parent_refs:
        reference: dict[str, Any] = {
            "group": GATEWAY_GROUP,
            "kind": "Gateway",
            "namespace": parent.namespace or owner.namespace,
            "name": parent.name,
        }
        if parent.section_name is not None:
            reference["sectionName"] = parent.section_name
        if parent.port is not None:
            reference["port"] = parent.port
        yield reference
