"""The engine: observes, asks, decides, writes. It knows the world only through its ports."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from modelramp.api.verdict import TickOutcome
from modelramp.core.phases import IN_FLIGHT
from modelramp.core.ticks import SCRAPE_DELAY
from modelramp.engine.hooks import HookRunner
from modelramp.engine.limiter import WriteLimiter
from modelramp.engine.listing import Listing
from modelramp.engine.loading import Load, Loading
from modelramp.engine.ports import Clock, Cluster, Events, Kind, Metrics, Object, Telemetry, Webhooks
from modelramp.engine.settle import Settler
from modelramp.engine.store import Key, Store
from modelramp.engine.ticker import Ticker
from modelramp.engine.writes import Writer


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
    """Runs until stopped. `observe` is called by watches, from the same event loop."""

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
        self.listing = Listing(
            store=self.store,
            cluster=cluster,
            telemetry=telemetry,
            clock=clock,
            namespaces=options.namespaces,
            sweep_interval=options.sweep_interval,
            mark=self._mark,
            beat=self._beat,
        )
        self.heartbeat = clock.now()

    def observe(self, kind: Kind, event: str, obj: Object) -> None:
        """Take in what a watch reported: ADDED, MODIFIED, DELETED, or anything else for an object as it is."""
        self.listing.observe(kind, event, obj)

    async def run(self) -> None:
        """Work until cancelled. Before the first complete list nothing is decided: no news is not bad news."""
        await self.listing.sync()
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._options.workers):
                    tasks.create_task(self._reconcile())
                tasks.create_task(self._tick())
                tasks.create_task(self.listing.sweep())
        finally:
            self._hooks.stop()

    def _mark(self, key: Key) -> None:
        self._dirty[key] = None
        self._work.set()

    def _beat(self) -> None:
        self.heartbeat = self._clock.now()

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
