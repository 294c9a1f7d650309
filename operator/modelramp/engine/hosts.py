"""All claims of hosts and paths, by place: what one object meets is found without a look at all the others."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from modelramp.api.names import KIND
from modelramp.api.spec import GatewayRouting
from modelramp.core.hostnames import Claim, Claimant, Standing, fresh, scope_of, turned_down
from modelramp.desired.gateway_api import scope_of_route
from modelramp.desired.names import route_name
from modelramp.desired.ownership import orphaned, owned_by, owner_of
from modelramp.engine.ports import HTTP_ROUTE, Object

_Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""


class Hosts:
    """Claims by claimant, and by host and path. In memory; each change costs what it changes."""

    def __init__(self) -> None:
        self._claims: dict[Claimant, tuple[Claim, ...]] = {}
        self._places: dict[tuple[str, str], dict[Claimant, None]] = {}
        self._uids: dict[_Key, str] = {}
        self._copies: dict[_Key, tuple[Claimant, ...]] = {}

    def learn(self, key: _Key, obj: Object | None, gateway: GatewayRouting | None, routes: Iterable[Object]) -> None:
        """Take in what one ModelDeployment claims: by its spec, and by the routes that carry its label.

        obj: the ModelDeployment; None when there is none. gateway: what it asks for; None when that cannot be read.
        routes: only the one that it owns is its own; each other is a claimant by itself.
        """
        me, owner = claimant(key), owner_of(obj) if obj is not None else None
        if owner is None or self._uids.get(key) != owner.uid:
            self._put(me, ())
        found: dict[Claimant, tuple[Claim, ...]] = {}
        for route in routes:
            mine = owner is not None and route["metadata"]["name"] == route_name(key[1])
            mine = mine and owner is not None and (owned_by(route, owner) or orphaned(route, owner))
            claim = claim_of_route(route, me if mine else None)
            found[claim.claimant] = (claim,)
        asked = self._asked(me, obj, gateway)
        self._put(me, (*(found.pop(me, ()) or self._kept(me, asked)), *asked))
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

    def rival(self, key: _Key, starting: Callable[[Claimant], bool]) -> Claim | None:
        """The claim of another object that this one's spec has to give way to; None when nothing is in its way.

        starting: whether a ModelDeployment without a route is still on its way to one; what it asks for then counts.
        """
        me = claimant(key)
        asked, held, kept = (self.of(me, standing) for standing in (Standing.ASKED, Standing.ROUTED, Standing.KEPT))
        if asked is None:
            return None
        if kept is not None:
            asked = replace(asked, standing=Standing.KEPT, since=kept.since)
        scope = held.scope if held is not None else None
        if not fresh(asked.scope, scope):
            return None
        met = tuple(self._at(asked))
        first = turned_down(asked, scope, (claim for claim in met if claim.standing is not Standing.ASKED))
        if first is not None:
            return first
        waiting = (claim for claim in met if claim.standing is Standing.ASKED and starting(claim.claimant))
        return turned_down(asked, scope, (claim for claim in waiting if not self._refused(claim)))

    def of(self, claimant: Claimant, standing: Standing) -> Claim | None:
        """The object's claim of that standing; None without one."""
        return next((claim for claim in self._claims.get(claimant, ()) if claim.standing is standing), None)

    def _refused(self, asked: Claim) -> bool:
        """Whether what is asked for is taken: who gets nothing keeps nothing from others."""
        held = self.of(asked.claimant, Standing.ROUTED)
        taken = (claim for claim in self._at(asked) if claim.standing is not Standing.ASKED)
        return turned_down(asked, held.scope if held is not None else None, taken) is not None

    def _at(self, claim: Claim) -> Iterator[Claim]:
        """Claims of other objects that share a host and path with this one, whatever the Gateway."""
        met = {other: None for place in _places((claim,)) for other in self._places.get(place, ())}
        for other in met:
            if other != claim.claimant:
                yield from self._claims[other]

    def _kept(self, me: Claimant, asked: Sequence[Claim]) -> tuple[Claim, ...]:
        """What a route carried that is gone now, while the spec still asks for that and for nothing else."""
        last = self.of(me, Standing.ROUTED) or self.of(me, Standing.KEPT)
        if last is None or any(fresh(claim.scope, last.scope) for claim in asked):
            return ()
        return (replace(last, standing=Standing.KEPT),)

    def _asked(self, me: Claimant, obj: Object | None, gateway: GatewayRouting | None) -> tuple[Claim, ...]:
        if obj is None or gateway is None or "deletionTimestamp" in obj["metadata"]:
            return ()
        scope, before = scope_of(gateway, me.namespace), self.of(me, Standing.ASKED)
        if before is not None and before.scope == scope:
            return (before,)
        return (Claim(me, scope, Standing.ASKED, asked_at(obj)),)

    def _put(self, claimant: Claimant, claims: Sequence[Claim]) -> None:
        before = self._claims.get(claimant, ())
        if before == tuple(claims):
            return
        for place in _places(before):
            self._places[place].pop(claimant)
            if not self._places[place]:
                del self._places[place]
        if claims:
            self._claims[claimant] = tuple(claims)
        else:
            self._claims.pop(claimant, None)
        for place in _places(claims):
            self._places.setdefault(place, {})[claimant] = None


def claimant(key: _Key) -> Claimant:
    """A ModelDeployment as a claimant."""
    return Claimant(KIND, *key)


def claim_of_route(route: Object, owner: Claimant | None = None) -> Claim:
    """What a route takes, for its owner; without one the route claims for itself."""
    metadata = route["metadata"]
    who = owner or Claimant(HTTP_ROUTE.kind, metadata["namespace"], metadata["name"])
    return Claim(who, scope_of_route(route), Standing.ROUTED, metadata.get("creationTimestamp", ""))


def asked_at(obj: Object) -> str:
    """When the spec last became what it is, at the latest, by the API server's clock; empty when nothing says so.

    An object that was never changed is as old as its spec; else the newest write counts that was not to the status.
    """
    metadata = obj["metadata"]
    if metadata.get("generation", 0) <= 1:
        return str(metadata.get("creationTimestamp", ""))
    writes = (entry for entry in metadata.get("managedFields") or () if entry.get("subresource") != "status")
    return max((str(entry.get("time", "")) for entry in writes), default="")


def _places(claims: Iterable[Claim]) -> dict[tuple[str, str], None]:
    return {(host, path.prefix): None for claim in claims for host in claim.scope.hosts for path in claim.scope.paths}
