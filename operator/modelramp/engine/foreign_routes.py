"""Routes that no ModelDeployment has: what they take already, a ModelDeployment that asks later cannot have."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from modelramp.api.errors import Gone, ModelrampError, Refused
from modelramp.api.kinds import Kind
from modelramp.api.names import LABEL_DEPLOYMENT
from modelramp.core.hostnames import Claim
from modelramp.desired.routers import hosting_kinds
from modelramp.engine.hosts import Hosts, claim_of_route
from modelramp.engine.ports import Clock, Cluster, Object, Telemetry

POLL_SECONDS = 60.0
FRESH_SECONDS = 5.0
"""How old a list may be when a ModelDeployment is given a host that its route does not carry."""
TAKEN_SECONDS = 20.0
"""The same for one that is turned down: the route that has its host may be gone."""
_RETRY_SECONDS = 5.0
_PATIENCE_SECONDS = 600.0
"""How long an object that never comes back for its answer, since it is gone, is remembered."""
_FOREIGN = f"!{LABEL_DEPLOYMENT}"
_Key = tuple[str, str]


@dataclass(slots=True)
class ForeignRoutes:
    """Lists them every minute, and before a new host is given away. Nobody waits for the list: see `listed_for`.

    namespaces: that the operator works in; none: all. Routes in other namespaces count too where they may be listed.
    mark: called for each object to decide on again.
    """

    hosts: Hosts
    cluster: Cluster
    telemetry: Telemetry
    clock: Clock
    mark: Callable[[_Key], None]
    namespaces: tuple[str, ...] = ()
    _listed: float = -1.0e9
    _readable: bool | None = None
    _waiting: dict[_Key, float] = field(default_factory=dict)
    _due: asyncio.Event = field(default_factory=asyncio.Event)

    def listed_for(self, key: _Key, age: float = FRESH_SECONDS) -> bool:
        """Whether what is known is new enough to decide on a host; else a list is made, and the object marked then.

        age: of the list, seconds; one that was made since the object first asked is new enough in any case.
        """
        now = self.clock.now()
        asked = self._waiting.setdefault(key, now)
        if self._listed >= min(asked, now - age):
            del self._waiting[key]
            return True
        self._due.set()
        return False

    async def run(self) -> None:
        """List until cancelled. A list that fails leaves what is known as it is, and is made again soon."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll())
            while True:
                await self._due.wait()
                self._due.clear()
                try:
                    await self._refresh()
                except ModelrampError as error:
                    self.telemetry.warn("routes of others were not listed", reason=str(error))
                    await self.clock.sleep(_RETRY_SECONDS)
                    self._due.set()

    async def _poll(self) -> None:
        while True:
            self._due.set()
            await self.clock.sleep(POLL_SECONDS)

    async def _refresh(self) -> None:
        began = self.clock.now()
        found, refusal = await self._list()
        self.hosts.foreign(self._claims(found))
        self._listed = began
        self._say(refusal)
        self._waiting = {key: asked for key, asked in self._waiting.items() if asked > began - _PATIENCE_SECONDS}
        for key in self._waiting:
            self.mark(key)

    async def _list(self) -> tuple[Iterable[Object], str]:
        """The routes that may be read, and why others may not."""
        found: list[Object] = []
        refusals = []
        for kind in hosting_kinds():
            routes, refusal = await self._list_kind(kind)
            found += routes
            refusals += [refusal] if refusal else []
        return found, "; ".join(refusals)

    async def _list_kind(self, kind: Kind) -> tuple[Iterable[Object], str]:
        try:
            if not self.namespaces:
                return await self.cluster.list(kind, None, _FOREIGN), ""
            return filter(self._is_foreign, await self.cluster.list(kind)), ""
        except Gone:
            return (), ""  # without the router's CRDs there are none
        except Refused as error:
            refusal = str(error)
        found: list[Object] = []
        for namespace in self.namespaces:
            try:
                found += await self.cluster.list(kind, namespace, _FOREIGN)
            except (Gone, Refused):
                continue
        return found, refusal

    def _is_foreign(self, route: Object) -> bool:
        metadata = route["metadata"]
        labelled = LABEL_DEPLOYMENT in (metadata.get("labels") or {})
        return not labelled or metadata["namespace"] not in self.namespaces

    def _claims(self, routes: Iterable[Object]) -> Iterator[Claim]:
        for route in routes:
            try:
                claim = claim_of_route(route)
                if claim is not None:
                    yield claim
            except (KeyError, TypeError, AttributeError) as error:
                name = f"{route['metadata']['namespace']}/{route['metadata']['name']}"
                self.telemetry.warn("a route of others cannot be read", name=name, error=repr(error))

    def _say(self, refusal: str) -> None:
        readable = not refusal
        self.telemetry.gauge("modelramp_foreign_routes_readable", int(readable))
        if readable is self._readable:
            return
        if refusal:
            plurals = ", ".join(kind.plural for kind in hosting_kinds())
            advice = f"grant list on {plurals} in all namespaces; until then a ModelDeployment may get a host of theirs"
            self.telemetry.warn("routes of others do not all count", reason=refusal, advice=advice)
        elif self._readable is not None:
            self.telemetry.log("routes of others count again")
        self._readable = readable
