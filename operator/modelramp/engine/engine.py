"""The engine: observes always, decides while it leads. It knows the world only through its ports."""

import asyncio
from collections.abc import Callable, Sequence

from modelramp.api.kinds import Kind
from modelramp.engine.foreign_routes import ForeignRoutes
from modelramp.engine.leadership import Election, Fenced, FencedWebhooks
from modelramp.engine.listing import Listing
from modelramp.engine.ports import Channel, Clock, Cluster, Metrics, Object, Telemetry, Webhooks
from modelramp.engine.store import Key, Store
from modelramp.engine.term import Options, Term

__all__ = ["Engine", "Options"]

_BEAT_SECONDS = 2.0


class Engine:
    """Runs until stopped. `observe` is called by watches, from the same event loop.

    term: the present term of leadership; None while another replica leads: then the store is kept up to date, and
    nothing is asked, decided, written or told.
    """

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
        election: Election | None = None,
    ) -> None:
        """election: None when no other replica runs, so that this one always leads."""
        self._cluster = cluster
        self._metrics = metrics
        self._channels = channels
        self._webhooks = webhooks
        self._telemetry = telemetry
        self._clock = clock
        self._options = options
        self._election = election
        self.term: Term | None = None
        self.store = Store(options.host_bindings, options.freeze)
        self._foreign = ForeignRoutes(self.store.hosts, cluster, telemetry, clock, self._mark, options.namespaces)
        self.listing = Listing(
            store=self.store,
            cluster=Fenced(cluster, self.leads),
            telemetry=telemetry,
            clock=clock,
            namespaces=options.namespaces,
            sweep_interval=options.sweep_interval,
            mark=self._mark,
            beat=self._alive,
        )
        self.heartbeat = clock.now()

    def observe(self, kind: Kind, event: str, obj: Object) -> None:
        """Take in what a watch reported: ADDED, MODIFIED or DELETED."""
        self.listing.observe(kind, event, obj)

    def leads(self) -> bool:
        """Whether this process decides and may write."""
        return self._election is None or self._election.leads()

    async def run(self) -> None:
        """Work until cancelled. Before the first complete list nothing is decided: no news is not bad news."""
        self._beat()
        await self.listing.sync()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.listing.sweep())
            tasks.create_task(self._foreign.run())
            tasks.create_task(self._follow())
            tasks.create_task(self._lead_alone() if self._election is None else self._lead(self._election))

    def shortest_interval(self) -> int:
        """Seconds between two ticks of the object that has most of them; 60 without objects."""
        intervals = (record.target.spec.health.interval for record in self.store.records.values() if record.target)
        return min(intervals, default=60)

    async def _lead_alone(self) -> None:
        self._telemetry.gauge("modelramp_leader", 1)
        await self._begin(self.leads).run()

    async def _lead(self, election: Election) -> None:
        """Decide whenever this process leads; when it no longer does, follow until it leads again."""
        keeping = asyncio.create_task(election.run(), name="election")
        try:
            while True:
                await self._lead_once(election)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await election.release()

    async def _lead_once(self, election: Election) -> None:
        number = await election.gained()
        term = self._begin(lambda: election.leads(number))
        governing = asyncio.create_task(term.run(), name="term")
        losing = asyncio.create_task(election.lost(number), name="until the Lease is lost")
        try:
            await asyncio.wait((governing, losing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (governing, losing):
                task.cancel()
            await asyncio.wait((governing, losing))
            self.term = None
        if not governing.cancelled():
            governing.result()  # a failure ended it, and ends the engine
        term.retire()

    def _begin(self, leads: Callable[[], bool]) -> Term:
        """A term, from a store that says nothing but what the cluster says. leads: whether the term still lasts."""
        self.store.start_over()
        self.listing.show_unreadable()
        self.term = Term(
            store=self.store,
            foreign=self._foreign,
            cluster=Fenced(self._cluster, leads),
            metrics=self._metrics,
            channels=self._channels,
            webhooks=FencedWebhooks(self._webhooks, leads),
            telemetry=self._telemetry,
            clock=self._clock,
            options=self._options,
            beat=self._beat,
        )
        return self.term

    async def _follow(self) -> None:
        """A follower's heart beats too: it is alive, and would take over."""
        while True:
            if self.term is None:
                self._beat()
            await self._clock.sleep(_BEAT_SECONDS)

    def _mark(self, key: Key) -> None:
        if self.term is not None:
            self.term.mark(key)

    def _alive(self) -> None:
        self.heartbeat = self._clock.now()

    def _beat(self) -> None:
        self._alive()
        self._telemetry.gauge("modelramp_last_tick_timestamp_seconds", self.heartbeat)
