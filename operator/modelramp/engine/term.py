"""One term of leadership: everything that asks, decides, writes and tells.

It begins as after a restart of the operator, but with the store that the process has kept warm.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from modelramp.core.host_bindings import Bindings
from modelramp.core.ticks import SCRAPE_DELAY
from modelramp.engine.configs import ConfigReader
from modelramp.engine.failing import FailingChecks
from modelramp.engine.foreign_routes import ForeignRoutes
from modelramp.engine.hooks import HookRunner
from modelramp.engine.inspection import Inspector
from modelramp.engine.limiter import WriteLimiter
from modelramp.engine.lookups import Lookups
from modelramp.engine.notices import Notifier
from modelramp.engine.ports import Channel, Clock, Cluster, Metrics, Telemetry, Webhooks
from modelramp.engine.questions import Questions
from modelramp.engine.reconciler import Reconciler
from modelramp.engine.references import References
from modelramp.engine.reporting import Reporting
from modelramp.engine.rollout_metrics import Reporter
from modelramp.engine.rounds import DueTicks, Load, Loading, Outcomes, Rounds
from modelramp.engine.store import Key, Store
from modelramp.engine.ticker import Ticker
from modelramp.engine.work import Work
from modelramp.engine.writes import Writer

_ROUND_GRACE_SECONDS = 5.0
_REPORT_SECONDS = 5.0
"""At most so old is what the metrics say of all objects together, also when nothing is due."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the engine works.

    prometheus_address: asked for objects that name none of their own. namespaces: empty means all.
    enforce_namespace: whether queries that people wrote see series of their own namespace only.
    scrape_delay: seconds from a tick to its evaluation. sweep_interval: seconds between complete lists.
    poll_interval: longest time between two looks at deadlines, seconds. load: see engine.loading.
    reports_per_minute: see engine.reporting.
    answer_seconds: how long the answers about a tick are waited for, unless the next tick is due earlier.
    host_bindings: which namespaces may have which hosts. freeze: why no version may get more traffic at present.
    """

    prometheus_address: str = ""
    namespaces: tuple[str, ...] = ()
    enforce_namespace: bool = False
    scrape_delay: float = SCRAPE_DELAY
    sweep_interval: float = 600.0
    poll_interval: float = 2.0
    answer_seconds: float = 25.0
    writes_per_second: float = 50.0
    write_burst: float = 100.0
    reports_per_minute: int = 60
    load: Load | None = None
    host_bindings: Bindings = ()
    freeze: str = ""


class Term:
    """Decides on all objects of a store until cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        foreign: ForeignRoutes,
        cluster: Cluster,
        metrics: Metrics,
        channels: Sequence[Channel],
        webhooks: Webhooks,
        telemetry: Telemetry,
        clock: Clock,
        options: Options,
        beat: Callable[[], None],
    ) -> None:
        """beat: called at each turn of the ticker, unless something hangs."""
        self._store = store
        self._telemetry = telemetry
        self._clock = clock
        self._options = options
        self._beat = beat
        self._reporter, self._notifier = Reporter(telemetry), Notifier(channels, telemetry)
        self._reporting = Reporting(options.reports_per_minute)
        store.on_forget = self._reporter.forgotten
        self._reported = self._looked = 0.0
        limiter = WriteLimiter(clock, options.writes_per_second, options.write_burst)
        self._hooks = HookRunner(store, cluster, webhooks, telemetry, clock, limiter, self.mark)
        self._inspector = Inspector(store, cluster, telemetry, clock, self.mark)
        self._references = References(store, cluster, telemetry, clock, self.mark)
        self._configs = ConfigReader(store.configs, cluster, telemetry, clock, store.resolve, self.mark)
        reconciler = Reconciler(
            store=store,
            cluster=cluster,
            writer=Writer(store, cluster, telemetry, limiter),
            hooks=self._hooks,
            inspector=self._inspector,
            references=self._references,
            foreign=foreign,
            notifier=self._notifier,
            telemetry=telemetry,
            reporter=self._reporter,
            reporting=self._reporting,
            clock=clock,
            scrape_delay=options.scrape_delay,
        )
        self._work = Work(reconciler, telemetry)
        self._failing = FailingChecks(telemetry)
        self.lookups = Lookups(metrics, telemetry)
        self._ticker = Ticker(
            store,
            telemetry,
            self._failing,
            delay=options.scrape_delay,
            patience=options.answer_seconds,
            address=options.prometheus_address,
            limited=options.enforce_namespace,
        )
        questions = Questions(metrics, telemetry, clock)
        self._rounds = Rounds(questions, telemetry, clock, Loading(options.load), self._heard)

    async def run(self) -> None:
        """Work until cancelled: every object is decided on at once, with the ticks that were missed."""
        self._reporting.count(self._store.records.values())
        for key in self._store.records:
            self.mark(key)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._work.run())
                tasks.create_task(self._tick())
                tasks.create_task(self._configs.run())
        finally:
            self._hooks.stop()
            for part in (self._rounds, self._inspector, self._references, self._configs, self.lookups, self._notifier):
                await part.stop()

    def retire(self) -> None:
        """Remove the metrics of objects, since another replica leads."""
        self._reporter.retire(self._store.records)

    def mark(self, key: Key) -> None:
        """Decide on an object, since something about it is new."""
        self._work.mark(key)

    async def _tick(self) -> None:
        while True:
            now = self._clock.now()
            try:
                self._look(now)
            except Exception as error:  # noqa: BLE001 - the next look may succeed; without one the heartbeat stops
                self._telemetry.warn("a turn of the ticker failed", error=repr(error)[:256])
            await self._clock.sleep(self._ticker.pause(self._clock.now(), self._options.poll_interval))

    def _look(self, now: float) -> None:
        """Begin what is due. A round that goes on after its deadline is stuck, and so is the engine then."""
        set_back, self._looked = now < self._looked, now  # then what was to come at some time would come too late
        for key, record in self._store.records.items():
            if set_back or (record.wake_at is not None and record.wake_at <= now):
                self._work.mark(key)
        due = self._ticker.due(now)
        for tick, turns in due.items():
            self._rounds.begin(tick, turns)
        if due or not 0 <= now - self._reported < _REPORT_SECONDS:
            self._reported = now
            self._report()
        deadline = self._rounds.oldest_deadline()
        if deadline is None or now <= deadline + _ROUND_GRACE_SECONDS:
            self._beat()

    def _heard(self, turn: DueTicks, outcomes: Outcomes) -> None:
        """An object's answers are there."""
        *_, newest = turn.ticks
        interval, resting = turn.due.health.interval, turn.due.resting
        last = outcomes[newest]
        self._failing.heard(turn.key, newest, interval, last.checks, resting)
        lag = self._clock.now() - turn.possible
        self._telemetry.observe("modelramp_tick_lag_seconds", max(0.0, lag))
        last = replace(last, checks=self.lookups.heard(turn, last.checks))
        found = [*(each for tick, each in outcomes.items() if tick != newest), last]
        deliver = partial(self._work.deliver, turn.key, turn.revision, turn.due.since, found)
        self._inspector.before_judging(turn.key, turn.revision, turn.ticks[0], deliver)

    def _report(self) -> None:
        self._failing.forget(self._store.records)
        self.lookups.forget(self._store.records)
        self._reporter.count_phases(self._store.records)
        self._reporting.count(self._store.records.values())
        self._work.report()
