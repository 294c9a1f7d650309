"""The observing half of the engine: what watches report and what complete lists say goes into the store."""

import asyncio
from collections.abc import Callable, Sequence

from modelramp.api.errors import Gone, ModelrampError, NoAnswer, Refused
from modelramp.api.names import LABEL_DEPLOYMENT
from modelramp.engine.ports import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DISPENSABLE,
    ENDPOINT_SLICE,
    HTTP_ROUTE,
    JOB,
    MODEL_DEPLOYMENT,
    POLICIES,
    SERVICE,
    WRITTEN,
    Clock,
    Cluster,
    Kind,
    Object,
    Telemetry,
)
from modelramp.engine.store import Key, Store

WATCHED = (*POLICIES, CONTROLLER_REVISION, SERVICE, DEPLOYMENT, ENDPOINT_SLICE, HTTP_ROUTE, JOB, MODEL_DEPLOYMENT)
"""Kinds that the store keeps; ModelDeployments last, so that policies and children are known when they are decided."""
_SWEEP_POLL_SECONDS = 15.0
_GRANT = "grant it (manifests/operator/rbac.yaml)"


class Listing:
    """Keeps the store in line with the cluster. `observe` is called by watches, from the same event loop.

    listed: set after the first complete list. unwatched: kinds that it could not read; a watch of them would fail.
    """

    def __init__(
        self,
        *,
        store: Store,
        cluster: Cluster,
        telemetry: Telemetry,
        clock: Clock,
        namespaces: tuple[str, ...],
        sweep_interval: float,
        mark: Callable[[Key], None],
        beat: Callable[[], None],
    ) -> None:
        """mark: called for each object to decide on anew. beat: called while waiting for the first complete list."""
        self.store = store
        self._cluster = cluster
        self._telemetry = telemetry
        self._clock = clock
        self._namespaces = namespaces
        self._sweep_interval = sweep_interval
        self._mark = mark
        self._beat = beat
        self.synced = False
        self.listed = asyncio.Event()
        self._refused: set[Kind] = set()
        self.unwatched: frozenset[Kind] = frozenset()
        self._relisted = False

    def observe(self, kind: Kind, event: str, obj: Object) -> None:
        """Take in what a watch reported: ADDED, MODIFIED, DELETED, or anything else for an object as it is."""
        self._telemetry.count("modelramp_watch_events_total", kind=kind.kind, type=event or "LISTED")
        if event not in {"ADDED", "MODIFIED", "DELETED"}:
            self._relisted = True  # a watch began anew: what was deleted in between, it will not say
        if kind in POLICIES:
            for key in self.store.resolve(self.store.policies.observe(kind, event, obj)):
                self._mark(key)
        elif (changed := self.store.observe(kind, event, obj)) is not None:
            self._mark(changed)

    async def sync(self) -> None:
        """Return after the first complete list; while there is no answer, try again."""
        delay = 1.0
        while True:
            try:
                for kind in WATCHED:
                    await self._list_kind(kind)
            except (NoAnswer, Refused) as error:
                advice = {"advice": _GRANT} if isinstance(error, Refused) else {}
                self._telemetry.warn("waiting for the API server", reason=str(error), retry_seconds=delay, **advice)
                self._beat()  # a restart would not help
                await self._clock.sleep(delay)
                delay = min(delay * 2, 30.0)
            else:
                self.unwatched = frozenset(self._refused)
                self.synced = True
                self.listed.set()
                return

    async def _list_kind(self, kind: Kind) -> None:
        if kind in POLICIES:
            await self._list_policies(kind)
            return
        try:
            for namespace in self._namespaces or (None,):
                known = frozenset(self.store.records)  # what is added while the list is under way is not in it
                found = await self._list(kind, namespace)
                for key in self.store.sweep(kind, found, namespace, known):
                    self._mark(key)
        except Refused as error:
            if kind not in DISPENSABLE:
                raise
            self._cannot_read(kind, error)
        else:
            self._can_read(kind)

    def _cannot_read(self, kind: Kind, error: ModelrampError) -> None:
        if kind not in self._refused:
            self._refused.add(kind)
            advice = f"{_GRANT}; until then what needs it waits, the rest goes on"
            self._telemetry.warn("a kind cannot be read", kind=kind.kind, reason=str(error), advice=advice)

    def _can_read(self, kind: Kind) -> None:
        if kind in self._refused:
            self._refused.discard(kind)
            self._telemetry.log("a kind can be read again", kind=kind.kind)

    async def _list_policies(self, kind: Kind) -> None:
        """Policies that cannot be read are missing for those who refer to them, and hold up nobody else."""
        policies = self.store.policies
        if self._namespaces and not kind.namespaced:
            why = "the operator works in given namespaces only and reads no policies of the cluster; use a HealthPolicy"
            users = policies.cannot_read(kind, why)
        else:
            try:
                users = frozenset()
                for namespace in self._namespaces or (None,):
                    before = policies.names()
                    users |= policies.sweep(kind, await self._cluster.list(kind, namespace), namespace, before)
                users |= policies.cannot_read(kind, "")
                self._can_read(kind)
            except (Gone, Refused) as error:
                self._cannot_read(kind, error)
                users = policies.cannot_read(kind, str(error))
        for key in self.store.resolve(users):
            self._mark(key)

    async def _list(self, kind: Kind, namespace: str | None) -> tuple[Object, ...]:
        selector = "" if kind in WRITTEN else LABEL_DEPLOYMENT
        try:
            return await self._cluster.list(kind, namespace, selector)
        except Gone:
            if kind != HTTP_ROUTE:
                raise
            return ()  # without the Gateway API's CRDs there are no routes; each object's status says so

    async def sweep(self) -> None:
        """List everything now and then, and soon after a watch began anew; what is not watched, at every look.

        What could not be listed is listed at the next look.
        """
        listed, left = self._clock.now(), frozenset[Kind]()
        while True:
            await self._clock.sleep(_SWEEP_POLL_SECONDS)
            now = self._clock.now()
            due = self._relisted or now - listed >= self._sweep_interval
            if due:
                self._relisted, listed = False, now
            again = left | self.unwatched
            left = await self._list_again([kind for kind in WATCHED if due or kind in again])

    async def _list_again(self, kinds: Sequence[Kind]) -> frozenset[Kind]:
        """List these kinds; those of which there was no list. While there is no answer the rest is not asked for."""
        left = set()
        for index, kind in enumerate(kinds):
            try:
                await self._list_kind(kind)
            except ModelrampError as error:
                self._telemetry.warn("a kind was not listed", kind=kind.kind, reason=str(error))
                left.add(kind)
                if isinstance(error, NoAnswer):
                    return frozenset(left.union(kinds[index:]))
        return frozenset(left)
