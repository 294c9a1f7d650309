"""One process of the operator: the real engine on simulated ports. It can crash, stand still, and be wrong on time."""

import asyncio
import contextvars
import traceback
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from modelramp.adapters.clock import ClusterClock
from modelramp.adapters.notifications.log import LogChannel
from modelramp.adapters.notifications.metrics import MetricsChannel
from modelramp.api.errors import ApiServerUnavailable
from modelramp.api.names import FIELD_MANAGER
from modelramp.engine.engine import Engine, Options
from modelramp.engine.leadership import Election
from tests.sim.clock import MachineClock, date
from tests.sim.faults import CLOCK_JUMP_INTERVALS, OUTAGE_SECONDS, TIMEOUT_SECONDS, Fault
from tests.sim.ledger import Ledger
from tests.sim.people import People
from tests.sim.ports import SimCluster, SimEvents, SimMetrics, SimTelemetry, SimWebhooks, Wire
from tests.sim.prometheus import SHARED_ADDRESS
from tests.sim.watch import Watch

if TYPE_CHECKING:
    from tests.sim.world import World

OWNER: contextvars.ContextVar["Process | None"] = contextvars.ContextVar("owner", default=None)
"""The process whose code runs now; tasks inherit it from the task that made them."""


class ProcessClock(ClusterClock):
    """The real one on the clocks of a simulated machine: while the process stands still no sleep ends."""

    def __init__(self, process: "Process", machine: MachineClock) -> None:
        super().__init__(process.telemetry, machine.wall, machine.steady)
        self._process = process

    async def sleep(self, seconds: float) -> None:
        await super().sleep(max(seconds, 0.0))
        await self._process.thawed()


class Process:
    """A life of the operator, from start to crash. `number` counts lives; each has its own memory.

    machine: where it runs.
    """

    def __init__(self, world: "World", number: int, machine: MachineClock) -> None:
        self.world = world
        self.number = number
        self.name = f"[{number}]"
        self.actor = FIELD_MANAGER
        self.alive = True
        self.tasks: list[asyncio.Task[Any]] = []
        self._frozen_until = 0.0
        self.machine = machine
        self.telemetry = SimTelemetry(self)
        self.clock = ProcessClock(self, machine)
        self.ledger = Ledger(world, self.clock.now, world.interval)
        self.people = People(self)
        wire = Wire(self)
        cluster = SimCluster(wire)
        self.election = self._election(cluster) if world.elected else None
        self.engine = Engine(
            cluster=cluster,
            metrics=SimMetrics(wire),
            channels=(SimEvents(wire), LogChannel(self.telemetry), MetricsChannel(self.telemetry)),
            webhooks=SimWebhooks(wire),
            telemetry=self.telemetry,
            clock=self.clock,
            options=Options(prometheus_address=SHARED_ADDRESS, **world.options),
            election=self.election,
        )
        self.watch = Watch(self)

    def _election(self, cluster: SimCluster) -> Election:
        return Election(
            cluster,
            self.telemetry,
            self.clock,
            steady=self.machine.steady,
            namespace="modelramp-system",
            name="modelramp",
            identity=f"process-{self.number}",
        )

    @property
    def leads(self) -> bool:
        """Whether it would write now."""
        return self.election is None or self.election.leads()

    def start(self) -> None:
        """Run the engine and its watches."""
        token = OWNER.set(self)
        try:
            self._running = asyncio.create_task(self._engine(), name=f"process {self.number}")
            for work in (self._watches(), self.clock.keep(self._ask_time)):
                asyncio.create_task(work, name=f"process {self.number}")  # noqa: RUF006 - kept in self.tasks
        finally:
            OWNER.reset(token)

    def stop(self, seconds: float = 5.0) -> None:
        """SIGTERM: the engine ends in its own way; the process is gone some time later."""
        self.world.trace(f"{self.name} is stopped")
        self._running.cancel()
        self.world.later(seconds, self.crash)

    def crash(self) -> None:
        """Die now: no task of this process gets another turn, except to be cancelled."""
        self.alive = False
        for task in self.tasks:
            task.cancel()
        self.world.died(self)

    def jump(self, fault: Fault, *, lasting: bool) -> None:
        """Put the clock of the machine forward or back; some minutes later it is corrected, if at all."""
        jump = CLOCK_JUMP_INTERVALS * self.world.interval
        self.machine.skew = jump if fault is Fault.CLOCK_AHEAD else -jump
        if not lasting:
            self.world.later(OUTAGE_SECONDS, lambda: setattr(self.machine, "skew", 0.0))

    async def freeze(self, seconds: float) -> None:
        """Stand still: nothing of this process goes on before that time has passed."""
        self._frozen_until = self.world.now() + seconds
        await self.thawed()

    def stand_still(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after that time."""
        self.world.trace(f"{self.name} stands still for {seconds:.0f} s")
        self._frozen_until = self.world.now() + seconds

    async def thawed(self) -> None:
        """Return when the process does not stand still (it may be frozen again meanwhile)."""
        if self.world.now() < self._frozen_until:
            await asyncio.sleep(self._frozen_until - self.world.now())
            await self.thawed()

    def heard(self, at: float, seconds: float) -> None:
        """The API server answered at that instant; the answer took that long."""
        self.clock.heard(date(at + self.world.api_skew), seconds)

    async def _ask_time(self) -> None:
        if self.world.now() < self.world.outages.get("cluster", 0.0):
            await asyncio.sleep(TIMEOUT_SECONDS)
            raise ApiServerUnavailable("get the version: no answer")
        await asyncio.sleep(0.01)
        at, before = self.world.now(), self.world.loop.time() - 0.01
        await self.thawed()
        self.heard(at, self.world.loop.time() - before)

    async def _engine(self) -> None:
        try:
            await self.engine.run()
        except asyncio.CancelledError:
            raise
        except BaseException:  # noqa: BLE001 - whatever ends the engine is a finding
            self.world.broke("the engine never ends by itself", traceback.format_exc())
        else:
            self.world.broke("the engine never ends by itself", "run() returned")

    async def _watches(self) -> None:
        try:
            await self.watch.run()
        except asyncio.CancelledError:
            raise
        except BaseException:  # noqa: BLE001
            self.world.broke("observe() never raises", traceback.format_exc())


def owned_task(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any) -> Any:
    """A task factory that notes to which process a task belongs, so that a crash ends all of them."""
    task = asyncio.Task(coroutine, loop=loop, **options)
    owner = OWNER.get()
    if owner is not None:
        owner.tasks.append(task)
        task.add_done_callback(owner.tasks.remove)
    return task
