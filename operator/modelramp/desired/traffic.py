"""How requests should be divided now, whatever the router.

A route never names a revision without ready endpoints: with some gateways its share fails, with others everybody
gets 404. And traffic moves only because of a decision: when what was decided cannot be served, the route stays.
"""

from collections.abc import Collection, Sequence

from modelramp.api.names import Reason
from modelramp.api.routing import Routing
from modelramp.core.events import RolloutEvent
from modelramp.core.traffic import Traffic
from modelramp.desired.names import preview_name, route_name
from modelramp.desired.ownership import Owner, borrowed
from modelramp.desired.routers import ROUTERS
from modelramp.desired.routers.protocol import Object, Router, Split


def split_of(
    traffic: Traffic, stable: str | None, ready: Collection[str], port: int, shares: dict[str, tuple[int, int]]
) -> tuple[Split | None, RolloutEvent]:
    """The requests that a router should divide now, or None when there should be no route yet, and why.

    stable: the revision that gets what others lose. ready: revisions with ready endpoints. port: of the Services.
    shares: what the route gives now.
    """
    weights, finding = shown_weights(traffic, stable, ready, shares.keys())
    split = {revision: (weight, port) for revision, weight in weights.items()}
    if not split and shares:
        split, finding = shares, _kept(shares, traffic)
    preview = traffic.preview if traffic.preview is not None and traffic.preview.revision in ready else None
    return Split(split, preview, port) if split else None, finding


def shown_weights(
    traffic: Traffic, stable: str | None, ready: Collection[str], named_now: Collection[str] = ()
) -> tuple[dict[str, int], RolloutEvent]:
    """The weight of each revision that may be named now, percent, and why; empty when traffic must stay as it is.

    A candidate without ready endpoints is left out, and stable gets its share. The other way round the candidate does
    not get the share of stable: that would be a step that nobody decided. Yet its own steps go on when stable has
    died under the route (`named_now`): each of them leaves the dead version less of the traffic.
    """
    wanted = dict(traffic.weights)
    others = wanted.keys() - {stable}
    steps_on = bool(others) and others <= set(ready) and all(each in ready or each in named_now for each in wanted)
    if wanted and (steps_on or all(revision in ready for revision in wanted)):
        return wanted, RolloutEvent(Reason.SERVING, "the route gives each version the weight that was decided")
    if stable is not None and stable in ready:
        left_out = ", ".join(wanted.keys() - {stable})
        text = f"{left_out} has no ready endpoint: it is left out of the route, and {stable} gets all traffic"
        return {stable: 100}, RolloutEvent(Reason.PODS_UNAVAILABLE, text, warning=True)
    return {}, RolloutEvent(Reason.ROUTE_PENDING, "there is no route yet: no version has a ready endpoint")


def _kept(shares: Collection[str], traffic: Traffic) -> RolloutEvent:
    wanted = traffic.weights
    missing = ", ".join(sorted(wanted.keys() - set(shares)) or sorted(wanted)) or "no version"
    text = f"the route stays as it is ({', '.join(sorted(shares))}): {missing} has no ready endpoint to name instead"
    return RolloutEvent(Reason.PODS_UNAVAILABLE, text, warning=True)


def of_router(router: Router, current: Sequence[Object]) -> tuple[Object, ...]:
    """The objects that are of a router's kinds, or in which it changes fields."""
    kinds, borrows = ({kind.kind for kind in found} for found in (router.kinds, router.features.borrows))
    return tuple(obj for obj in current if obj.get("kind") in (borrows if borrowed(obj) else kinds))


def main_route(router: Router, owner: Owner, current: Sequence[Object]) -> Object | None:
    """The object that has the weights; None while there is none."""
    if router.features.borrows:
        return next((obj for obj in of_router(router, current) if any(router.backends(owner, obj))), None)
    return _named(router, route_name(owner.name), current)


def shares_of(router: Router, owner: Owner, current: Sequence[Object]) -> dict[str, tuple[int, int]]:
    """The revisions that the route divides its requests between, with their weights and the ports of their Services."""
    shares: dict[str, tuple[int, int]] = {}
    route = main_route(router, owner, current)
    for backend in router.backends(owner, route) if route is not None else ():
        if backend.revision is not None and backend.weight and backend.port:
            weight, _ = shares.get(backend.revision, (0, 0))
            shares[backend.revision] = weight + backend.weight, backend.port
    return shares


def named_ports(owner: Owner, current: Sequence[Object]) -> dict[str, set[int]]:
    """The revisions that any object of any router names with a weight, and the ports of their Services."""
    ports: dict[str, set[int]] = {}
    for obj in current:
        for backend in (
            each for router in ROUTERS if of_router(router, (obj,)) for each in router.backends(owner, obj)
        ):
            if backend.revision is not None and backend.weight and backend.port:
                ports.setdefault(backend.revision, set()).add(backend.port)
    return ports


def preview_route(router: Router, owner: Owner, current: Sequence[Object]) -> Object | None:
    """The object that has the hostnames of a preview; None while there is none."""
    return _named(router, preview_name(owner.name), current)


def _named(router: Router, name: str, current: Sequence[Object]) -> Object | None:
    kinds = [kind.kind for kind in router.kinds[:1]]
    return next(
        (obj for obj in of_router(router, current) if [obj["kind"]] == kinds and obj["metadata"]["name"] == name), None
    )


def previewed(
    router: Router, owner: Owner, routing: Routing | None, current: Sequence[Object], now: float
) -> tuple[str | None, str]:
    """The revision that the hostnames of a preview reach, or None and why there is none yet, for people.

    A router judges the object of a preview as it judges that with the weights.
    """
    route = preview_route(router, owner, current)
    if route is None:
        return None, ""
    as_main = {**route, "metadata": {**route["metadata"], "name": route_name(owner.name)}}
    status = router.observed(owner, routing, (as_main,), now)
    if status.taken is not True:
        return None, status.finding.message
    named = (backend.revision for backend in router.backends(owner, route) if backend.weight)
    return next(named, None), ""


def served_weights(router: Router, owner: Owner, current: Sequence[Object]) -> dict[str, int]:
    """The weight of each revision that the route names; a Service that is no child counts under its own name.

    While the router that the spec asks for has made nothing yet, what another one gives counts.
    """
    for each in (router, *(other for other in ROUTERS if other is not router)):
        route = main_route(each, owner, current)
        if route is None:
            continue
        weights: dict[str, int] = {}
        for backend in each.backends(owner, route):
            name = backend.revision or backend.name
            if backend.weight:
                weights[name] = weights.get(name, 0) + backend.weight
        return weights
    return {}
