"""All claims of hosts and paths, by place: what one object meets is found without a look at all the others."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from modelramp.api.names import KIND, ConditionType, Reason
from modelramp.api.routing import Routing
from modelramp.core.host_bindings import Bindings, bound_elsewhere
from modelramp.core.hostnames import (
    CATCH_ALL,
    Claim,
    Claimant,
    Scope,
    Standing,
    bound_to_others,
    equal,
    fresh,
    prefixes,
    shared_with,
    taken_by,
    together,
    turned_down,
    wildcards,
)
from modelramp.desired.ownership import named_for, orphaned, owned_by, owner_of
from modelramp.desired.routers import maker_of, router_of
from modelramp.engine.ports import Object

_Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""
_Place = tuple[str, str]
"""A host with its labels backwards, so that what is under a domain stands together; and a path prefix."""
_Claimants = dict[_Place, dict[Claimant, None]]
_LOOKS = 50
"""Places under a wildcard or a prefix that are looked at to name who has one: the sentence names fewer."""

_LAST = "\U0010ffff"
"""Sorts behind all that a host or a path may hold."""


class Hosts:
    """Claims by claimant, and by host and path. In memory; each change costs what it changes."""

    def __init__(self, bindings: Bindings = ()) -> None:
        """bindings: which namespaces may have which hosts."""
        self._bindings = bindings
        self._claims: dict[Claimant, tuple[Claim, ...]] = {}
        self._routed: _Claimants = {}
        self._waiting: _Claimants = {}
        self._order: list[_Place] = []
        self._foreign: frozenset[Claimant] = frozenset()
        self._uids: dict[_Key, str] = {}
        self._copies: dict[_Key, tuple[Claimant, ...]] = {}
        self._previews: dict[Claimant, Claim] = {}
        self._previewed: dict[str, dict[Claimant, None]] = {}

    def learn(self, key: _Key, obj: Object | None, routing: Routing | None, routes: Iterable[Object]) -> None:
        """Take in what one ModelDeployment claims: by its spec, and by the routes that carry its label.

        obj: the ModelDeployment; None when there is none. routing: what it asks for; None when that cannot be read.
        routes: only those that it owns are its own; each other is a claimant by itself.
        """
        me, owner = claimant(key), owner_of(obj) if obj is not None else None
        if obj is None:
            self._end_preview(me)
        new = owner is None or self._uids.get(key) != owner.uid
        if new:
            self._put(me, ())
        found: dict[Claimant, tuple[Claim, ...]] = {}
        for route in routes:
            mine = owner is not None and named_for(route["kind"], route, owner, is_route=True)
            mine = mine and owner is not None and (owned_by(route, owner) or orphaned(route, owner))
            claim = claim_of_route(route, me if mine else None)
            if claim is not None:
                found[claim.claimant] = (together(claim, *found.get(claim.claimant, ())),)
        asked = self._asked(me, obj, routing)
        kept = _routed_by_status(obj, asked) if new else self._kept(me, asked)
        self._put(me, (*(found.pop(me, ()) or kept), *asked))
        for copy in self._copies.pop(key, ()):
            if copy not in found:
                self._put(copy, ())
        for copy, claims in found.items():
            self._put(copy, claims)
        if found:
            self._copies[key] = tuple(found)
        if owner is not None:
            self._uids[key] = owner.uid
        else:
            self._uids.pop(key, None)

    def foreign(self, claims: Iterable[Claim]) -> None:
        """Take in what all routes claim that carry no ModelDeployment's label; the others are gone."""
        found = {claim.claimant: claim for claim in claims}
        for gone in self._foreign - found.keys():
            self._put(gone, ())
        for who, claim in found.items():
            self._put(who, (claim,))
        self._foreign = frozenset(found)

    def asks_for_more(self, key: _Key) -> bool:
        """Whether the spec asks for hosts, paths or Gateways that the object's route does not carry."""
        asked, held = self._asked_and_held(claimant(key))
        return asked is not None and bool(fresh(asked.scope, held))

    def turned_down(self, key: _Key, starting: Callable[[Claimant], bool]) -> str:
        """Why the object may not have the hosts that its spec asks for; empty when it may.

        starting: whether a ModelDeployment without a route is still on its way to one; what it asks for then counts.
        """
        asked, held = self._asked_and_held(claimant(key))
        if asked is None:
            return ""
        bound = self._bound_elsewhere(asked)
        if bound:
            return bound_to_others(bound)
        if not fresh(asked.scope, held):
            return ""
        rival = self._route_against(asked, held)
        if rival is None:
            waiting = (claim for claim in self._at(asked, self._waiting) if starting(claim.claimant))
            rival = turned_down(asked, held, (claim for claim in waiting if not self._taken(claim)))
        return taken_by(rival, asked) if rival is not None else ""

    def preview_turned_down(self, key: _Key, routing: Routing, hostnames: tuple[str, ...]) -> str:
        """Why a preview may not have these hosts; empty when it may, or has them already.

        A preview that may have them keeps them from other previews until this is called without hosts, or its object is
        gone: two that ask at the same time have no route yet.
        """
        me = claimant(key)
        self._end_preview(me)
        if not hostnames:
            return ""
        scope, held = router_of(routing).asks(routing, me.namespace), self.of(me, Standing.ROUTED)
        if scope is None:
            return ""
        asked = Claim(me, replace(scope, hosts=hostnames), Standing.ASKED, "")
        bound = self._bound_elsewhere(asked)
        if bound:
            return bound_to_others(bound)
        carried = held.scope if held is not None else None
        if not fresh(asked.scope, carried):
            return ""
        others = {who: None for host in hostnames for who in self._previewed.get(host, ())}
        waiting = (*self._at(asked, self._waiting), *(self._previews[who] for who in others))
        rival = self._route_against(asked, carried) or turned_down(asked, carried, waiting)
        if rival is not None:
            return taken_by(rival, asked)
        self._previews[me] = replace(asked, standing=Standing.KEPT)
        for host in hostnames:
            self._previewed.setdefault(host, {})[me] = None
        return ""

    def _end_preview(self, me: Claimant) -> None:
        ended = self._previews.pop(me, None)
        for host in ended.scope.hosts if ended is not None else ():
            self._previewed[host].pop(me)
            if not self._previewed[host]:
                del self._previewed[host]

    def shared(self, key: _Key) -> str:
        """Who else has traffic of the hosts that the object's route carries, or takes some out of it; empty: nobody."""
        own = self.of(claimant(key), Standing.ROUTED)
        if own is None:
            return ""
        around = dict.fromkeys(who for place in self._around(own.scope) for who in self._routed[place])
        routed = (self.of(who, Standing.ROUTED) for who in around if who != own.claimant)
        return shared_with(own, [claim for claim in routed if claim is not None])

    def shadowed(self, key: _Key) -> str:
        """Whose older routes take every host that the object's route carries; empty while some host is its own."""
        own = self.of(claimant(key), Standing.ROUTED)
        if own is None:
            return ""
        older = [
            claim
            for claim in self._at(own, self._routed)
            if claim.standing is Standing.ROUTED and claim.precedence < own.precedence and equal(own.scope, claim.scope)
        ]
        taken = {host for claim in older for host in claim.scope.hosts}
        if not older or not set(own.scope.hosts) <= taken:
            return ""
        first = min(older, key=lambda claim: claim.precedence)
        text = f"{first.claimant} has the same hostname and path on the same Gateway, and the older of two routes wins"
        near = first.claimant.kind != KIND and first.claimant.namespace == key[0]
        return f"{text}; to divide that one, see kubectl modelramp adopt --help" if near else text

    def of(self, who: Claimant, standing: Standing) -> Claim | None:
        """The object's claim of that standing; None without one."""
        return next((claim for claim in self._claims.get(who, ()) if claim.standing is standing), None)

    def _asked_and_held(self, me: Claimant) -> tuple[Claim | None, Scope | None]:
        asked, held, kept = (self.of(me, standing) for standing in (Standing.ASKED, Standing.ROUTED, Standing.KEPT))
        if asked is not None and kept is not None:
            asked = replace(asked, standing=Standing.KEPT, since=kept.since)
        return asked, held.scope if held is not None else None

    def _route_against(self, asked: Claim, held: Scope | None) -> Claim | None:
        """The claim that a route carries and that keeps this one from what it asks for."""
        return turned_down(asked, held, (*self._at(asked, self._routed), *self._under(asked)))

    def _taken(self, asked: Claim) -> bool:
        """Whether what is asked for is taken by a route: who gets nothing keeps nothing from others."""
        held = self.of(asked.claimant, Standing.ROUTED)
        return self._route_against(asked, held.scope if held is not None else None) is not None

    def _bound_elsewhere(self, claim: Claim) -> str:
        """The first host of a claim that is bound to other namespaces."""
        if not self._bindings:
            return ""
        where, hosts = claim.claimant.namespace, claim.scope.hosts
        return next((host for host in hosts if bound_elsewhere(host, where, self._bindings)), "")

    def _at(self, claim: Claim, claimants: _Claimants) -> Iterator[Claim]:
        """Claims of others with a host and path of this one, whatever the Gateway; not those of bound hosts."""
        met = {other: None for place in _places(claim) for other in claimants.get(place, ())}
        for other in met:
            if other != claim.claimant:
                yield from (each for each in self._claims[other] if not self._bound_elsewhere(each))

    def _under(self, claim: Claim) -> Iterator[Claim]:
        """Claims of others that routes carry, with a path of this one and a host under one of its wildcards."""
        paths = {path.prefix for path in claim.scope.paths}
        for domain in (_backwards(host).removesuffix("*") for host in claim.scope.hosts if host.startswith("*.")):
            start, end = bisect_left(self._order, (domain, "")), bisect_left(self._order, (domain + _LAST, ""))
            for place in (place for place in self._order[start:end] if place[1] in paths):
                others = (self._claims[who] for who in self._routed[place] if who != claim.claimant)
                yield from (each for claims in others for each in claims if not self._bound_elsewhere(each))

    def _around(self, scope: Scope) -> Iterator[_Place]:
        """Places that may share traffic: of the same host, of a wildcard above it, of a host under it."""
        for host in scope.hosts:
            name = _backwards(host)
            for wildcard in map(_backwards, (*wildcards(host), CATCH_ALL)):
                yield from self._between((wildcard, ""), (wildcard, _LAST))
            if host == CATCH_ALL or host.startswith("*."):
                domain = name.removesuffix("*")
                yield from self._between((domain, ""), (domain + _LAST, ""))
            for path in scope.paths:
                above = ((name, prefix) for prefix in (*prefixes(path.prefix), path.prefix))
                yield from (place for place in above if place in self._routed)
                deeper = path.prefix.rstrip("/") + "/"
                yield from self._between((name, deeper), (name, deeper + _LAST))

    def _between(self, first: _Place, last: _Place) -> Sequence[_Place]:
        start, end = bisect_left(self._order, first), bisect_left(self._order, last)
        return self._order[start : min(end, start + _LOOKS)]

    def _kept(self, me: Claimant, asked: Sequence[Claim]) -> tuple[Claim, ...]:
        """What a route carried that is gone now, while the spec still asks for that and for nothing else."""
        last = self.of(me, Standing.ROUTED) or self.of(me, Standing.KEPT)
        if last is None or any(fresh(claim.scope, last.scope) for claim in asked):
            return ()
        return (replace(last, standing=Standing.KEPT),)

    def _asked(self, me: Claimant, obj: Object | None, routing: Routing | None) -> tuple[Claim, ...]:
        if obj is None or routing is None or "deletionTimestamp" in obj["metadata"]:
            return ()
        scope, before = router_of(routing).asks(routing, me.namespace), self.of(me, Standing.ASKED)
        if scope is None:
            return ()
        if before is not None and before.scope == scope:
            return (before,)
        return (Claim(me, scope, Standing.ASKED, asked_at(obj)),)

    def _put(self, claimant: Claimant, claims: Sequence[Claim]) -> None:
        before = self._claims.get(claimant, ())
        if before == tuple(claims):
            return
        for claim in before:
            self._leave(claim)
        if claims:
            self._claims[claimant] = tuple(claims)
        else:
            self._claims.pop(claimant, None)
        for claim in claims:
            self._enter(claim)

    def _enter(self, claim: Claim) -> None:
        claimants = self._waiting if claim.standing is Standing.ASKED else self._routed
        for place in _places(claim):
            if claimants is self._routed and place not in claimants:
                insort(self._order, place)
            claimants.setdefault(place, {})[claim.claimant] = None

    def _leave(self, claim: Claim) -> None:
        claimants = self._waiting if claim.standing is Standing.ASKED else self._routed
        for place in _places(claim):
            del claimants[place][claim.claimant]
            if not claimants[place]:
                del claimants[place]
                if claimants is self._routed:
                    del self._order[bisect_left(self._order, place)]


def claimant(key: _Key) -> Claimant:
    """A ModelDeployment as a claimant."""
    return Claimant(KIND, *key)


def claim_of_route(route: Object, owner: Claimant | None = None) -> Claim | None:
    """What a route takes, for its owner; without one the route claims for itself. None when it takes nothing."""
    metadata, maker = route["metadata"], maker_of(route["kind"])
    scope = maker.takes(route, refused_too=owner is not None) if maker is not None else None
    who = owner or Claimant(route["kind"], metadata["namespace"], metadata["name"])
    return Claim(who, scope, Standing.ROUTED, metadata.get("creationTimestamp", "")) if scope is not None else None


def asked_at(obj: Object) -> str:
    """When the spec last became what it is, at the latest, by the API server's clock; empty when nothing says so.

    An object that was never changed is as old as its spec; else the newest write counts that was not to the status.
    """
    metadata = obj["metadata"]
    if metadata.get("generation", 0) <= 1:
        return str(metadata.get("creationTimestamp", ""))
    writes = (entry for entry in metadata.get("managedFields") or () if entry.get("subresource") != "status")
    return max((str(entry.get("time", "")) for entry in writes), default="")


def _routed_by_status(obj: Object | None, asked: Sequence[Claim]) -> tuple[Claim, ...]:
    """What a route carried when the status was last written, for an object that is new to this process.

    Only if it had all that it asked for then, and has not been changed since: somebody deleted the route.
    """
    status = (obj or {}).get("status") or {}
    conditions = {found.get("type"): found for found in status.get("conditions") or ()}
    carried = (conditions.get(kind, {}) for kind in (ConditionType.AVAILABLE, ConditionType.ROUTED))
    available = next((found for found in carried if found.get("status") == "True"), None)
    ready = conditions.get(ConditionType.READY, {})
    unchanged = obj is not None and status.get("observedGeneration") == obj["metadata"].get("generation")
    if not unchanged or available is None or ready.get("reason") == Reason.HOSTNAME_TAKEN:
        return ()
    since = str(available.get("lastTransitionTime", ""))
    return tuple(replace(claim, standing=Standing.KEPT, since=since) for claim in asked)


def _places(claim: Claim) -> dict[_Place, None]:
    return {(_backwards(host), path.prefix): None for host in claim.scope.hosts for path in claim.scope.paths}


def _backwards(host: str) -> str:
    return ".".join(reversed(host.split(".")))
