"""The engine: observes, asks, decides, writes. It knows the world only through its ports."""

import asyncio
from collections.abc import Sequence

from modelramp.api.kinds import Kind
from modelramp.engine.foreign_routes import ForeignRoutes
from modelramp.engine.listing import Listing
from modelramp.engine.ports import Channel, Clock, Cluster, Metrics, Object, Telemetry, Webhooks
from modelramp.engine.store import Key, Store
from modelramp.engine.term import Options, Term

__all__ = ["Engine", "Options"]


class Engine:
    """Runs until stopped. `observe` is called by watches, from the same event loop."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        metrics: Metrics,
        channels: Sequence[Channel],
        webhooks: Webhooks,
        telemetry: Telemetry,
        clock: Clock,
        options: Options,
    ) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self.store = Store(options.host_bindings)
        self._foreign = ForeignRoutes(self.store.hosts, cluster, telemetry, clock, self._mark, options.namespaces)
        self.term = Term(
            store=self.store,
            foreign=self._foreign,
            cluster=cluster,
            metrics=metrics,
            channels=channels,
            webhooks=webhooks,
            telemetry=telemetry,
            clock=clock,
            options=options,
            beat=self._beat,
        )
        self.listing = Listing(
            store=self.store,
            cluster=cluster,
            telemetry=telemetry,
            clock=clock,
            namespaces=options.namespaces,
            sweep_interval=options.sweep_interval,
            mark=self._mark,
            beat=self._alive,
        )
        self.heartbeat = clock.now()

    def observe(self, kind: Kind, event: str, obj: Object) -> None:
        """Take in what a watch reported: ADDED, MODIFIED, DELETED, or anything else for an object as it is."""
        self.listing.observe(kind, event, obj)

    async def run(self) -> None:
        """Work until cancelled. Before the first complete list nothing is decided: no news is not bad news."""
        self._beat()
        await self.listing.sync()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.term.run())
            tasks.create_task(self.listing.sweep())
            tasks.create_task(self._foreign.run())

    def shortest_interval(self) -> int:
        """Seconds between two ticks of the object that has most of them; 60 without objects."""
        intervals = (record.target.spec.health.interval for record in self.store.records.values() if record.target)
        return min(intervals, default=60)

    def _mark(self, key: Key) -> None:
        self.term.mark(key)

    def _alive(self) -> None:
        self.heartbeat = self._clock.now()

    def _beat(self) -> None:
        self._alive()
        self._telemetry.gauge("modelramp_last_tick_timestamp_seconds", self.heartbeat)
