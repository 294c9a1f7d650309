"""The engine: observes, asks, decides, writes. It knows the world only through its ports."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from modelramp.api.errors import Gone, ModelrampError, NoAnswer, Refused
from modelramp.api.names import LABEL_DEPLOYMENT
from modelramp.api.verdict import TickOutcome
from modelramp.core.phases import IN_FLIGHT
from modelramp.core.ticks import SCRAPE_DELAY
from modelramp.engine.hooks import HookRunner
from modelramp.engine.limiter import WriteLimiter
from modelramp.engine.loading import Load, Loading
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
    Events,
    Kind,
    Metrics,
    Object,
    Telemetry,
    Webhooks,
)
from modelramp.engine.settle import Settler
from modelramp.engine.store import Key, Store
from modelramp.engine.ticker import Ticker
from modelramp.engine.writes import Writer

WATCHED = (*POLICIES, CONTROLLER_REVISION, SERVICE, DEPLOYMENT, ENDPOINT_SLICE, HTTP_ROUTE, JOB, MODEL_DEPLOYMENT)
"""Kinds that the store keeps; ModelDeployments last, so that policies and children are known when they are decided."""
_SWEEP_POLL_SECONDS = 15.0
_GRANT = "grant it (manifests/operator/rbac.yaml)"


@dataclass(frozen=True, slots=True)
class Options:
    """How the engine works.

    prometheus_address: asked for objects that name none of their own. namespaces: empty means all.
    scrape_delay: seconds from a tick to its evaluation. sweep_interval: seconds between complete lists.
    poll_interval: at most so many seconds pass between two looks at deadlines. load: see engine.loading.
    """

    prometheus_address: str = ""
    namespaces: tuple[str, ...] = ()
    scrape_delay: float = SCRAPE_DELAY
    sweep_interval: float = 600.0
    poll_interval: float = 2.0
    workers: int = 8
    writes_per_second: float = 50.0
    write_burst: float = 100.0
    load: Load | None = None


class Engine:
    """Runs until stopped. `observe` is called by watches, from the same event loop.

    listed: set after the first complete list. unwatched: kinds that it could not read; a watch of them would fail.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        metrics: Metrics,
        events: Events,
        webhooks: Webhooks,
        telemetry: Telemetry,
        clock: Clock,
        options: Options,
    ) -> None:
        self._cluster = cluster
        self._telemetry = telemetry
        self._clock = clock
        self._options = options
        self.store = Store()
        limiter = WriteLimiter(clock, options.writes_per_second, options.write_burst)
        writer = Writer(self.store, cluster, events, telemetry, limiter)
        self._hooks = HookRunner(self.store, cluster, webhooks, telemetry, clock, limiter, self._mark)
        self._settler = Settler(self.store, cluster, writer, self._hooks, telemetry, clock)
        self._ticker = Ticker(self.store, metrics, telemetry, clock, options.scrape_delay, options.prometheus_address)
        self._loading = Loading(options.load)
        self._dirty: dict[Key, None] = {}
        self._work = asyncio.Event()
        self.synced = False
        self.listed = asyncio.Event()
        self._refused: set[Kind] = set()
        self.unwatched: frozenset[Kind] = frozenset()
        self._relisted = False
        self.heartbeat = clock.now()

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

    async def run(self) -> None:
        """Work until cancelled. Before the first complete list nothing is decided: no news is not bad news."""
        await self._sync()
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._options.workers):
                    tasks.create_task(self._reconcile())
                tasks.create_task(self._tick())
                tasks.create_task(self._sweep())
        finally:
            self._hooks.stop()

    def _mark(self, key: Key) -> None:
        self._dirty[key] = None
        self._work.set()

    async def _sync(self) -> None:
        delay = 1.0
        while True:
            try:
                for kind in WATCHED:
                    await self._list_kind(kind)
            except (NoAnswer, Refused) as error:
                advice = {"advice": _GRANT} if isinstance(error, Refused) else {}
                self._telemetry.warn("waiting for the API server", reason=str(error), retry_seconds=delay, **advice)
                self.heartbeat = self._clock.now()  # a restart would not help
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
            for namespace in self._options.namespaces or (None,):
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
        if self._options.namespaces and not kind.namespaced:
            why = "the operator works in given namespaces only and reads no policies of the cluster; use a HealthPolicy"
            users = policies.cannot_read(kind, why)
        else:
            try:
                users = frozenset()
                for namespace in self._options.namespaces or (None,):
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

    async def _sweep(self) -> None:
        """List everything now and then, and soon after a watch began anew; what is not watched, at every look.

        What could not be listed is listed at the next look.
        """
        listed, left = self._clock.now(), frozenset[Kind]()
        while True:
            await self._clock.sleep(_SWEEP_POLL_SECONDS)
            now = self._clock.now()
            due = self._relisted or now - listed >= self._options.sweep_interval
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

    async def _reconcile(self) -> None:
        while True:
            while not self._dirty:
                self._work.clear()
                await self._work.wait()
            key = next(iter(self._dirty))
            del self._dirty[key]
            await self._settle(key, ())

    async def _settle(self, key: Key, ticks: Sequence[TickOutcome]) -> None:
        try:
            await self._settler.settle(key, ticks)
        except Exception as error:  # noqa: BLE001 - a bug that one object meets must not stop the others
            self._settler.put_off(key, error)

    async def _tick(self) -> None:
        while True:
            now = self._clock.now()
            self.heartbeat = now
            for key in self._waking(now):
                self._mark(key)
            try:
                await self._turn(now)
            except Exception as error:  # noqa: BLE001 - the next turn may succeed; the heartbeat shows that it comes
                self._telemetry.warn("a turn of the ticker failed", error=repr(error))
            await self._clock.sleep(self._ticker.pause(self._clock.now(), self._options.poll_interval))

    async def _turn(self, now: float) -> None:
        due = self._ticker.due(now)
        if due:
            await self._loading.before(check for turn in due for check in turn.due.health.checks)
            await self._settle_all(await self._ticker.evaluate(due))
            self._report(now)

    def _waking(self, now: float) -> list[Key]:
        return [
            key for key, record in self.store.records.items() if record.wake_at is not None and record.wake_at <= now
        ]

    async def _settle_all(self, outcomes: dict[Key, tuple[TickOutcome, ...]]) -> None:
        """Settle what had a tick, the most urgent first: rollback, promotion, the rest."""
        queue = iter(sorted(outcomes, key=lambda key: self._settler.urgency(key, outcomes[key])))

        async def work() -> None:
            for key in queue:
                await self._settle(key, outcomes[key])

        await asyncio.gather(*(work() for _ in range(self._options.workers)))

    def _report(self, now: float) -> None:
        counts: dict[str, int] = {}
        for record in self.store.records.values():
            counts[record.state.phase] = counts.get(record.state.phase, 0) + 1
        for phase in {*IN_FLIGHT, *counts}:
            self._telemetry.gauge("modelramp_objects", counts.get(phase, 0), phase=phase)
        self._telemetry.gauge("modelramp_last_tick_timestamp_seconds", now)
