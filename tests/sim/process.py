"""One process of the operator: the real engine on simulated ports. It can crash, stand still, and be wrong on time."""

import asyncio
import contextvars
import traceback
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from modelramp.api.names import FIELD_MANAGER
from modelramp.engine.engine import Engine, Options
from tests.sim.clock import SimClock
from tests.sim.faults import CLOCK_JUMP_SECONDS, OUTAGE_SECONDS, Fault
from tests.sim.ledger import Ledger
from tests.sim.ports import SimCluster, SimEvents, SimMetrics, SimTelemetry, SimWebhooks, Wire
from tests.sim.prometheus import SHARED_ADDRESS
from tests.sim.watch import Watch

if TYPE_CHECKING:
    from tests.sim.world import World

OWNER: contextvars.ContextVar["Process | None"] = contextvars.ContextVar("owner", default=None)
"""The process whose code runs now; tasks inherit it from the task that made them."""


class ProcessClock(SimClock):
    """The wall clock as one process sees it: while the process stands still no sleep ends."""

    def __init__(self, process: "Process", loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._process = process

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await self._process.thawed()


class Process:
    """A life of the operator, from start to crash. `number` counts lives; each has its own memory."""

    def __init__(self, world: "World", number: int) -> None:
        self.world = world
        self.number = number
        self.name = f"[{number}]"
        self.actor = FIELD_MANAGER
        self.alive = True
        self.tasks: list[asyncio.Task[Any]] = []
        self._frozen_until = 0.0
        self.clock = ProcessClock(self, world.loop)
        self.ledger = Ledger(world, self.clock.now, world.interval)
        self.telemetry = SimTelemetry(self)
        wire = Wire(self)
        self.engine = Engine(
            cluster=SimCluster(wire),
            metrics=SimMetrics(wire),
            events=SimEvents(wire),
            webhooks=SimWebhooks(wire),
            telemetry=self.telemetry,
            clock=self.clock,
            options=Options(prometheus_address=SHARED_ADDRESS, **world.options),
        )
        self.watch = Watch(self)

    def start(self) -> None:
        """Run the engine and its watches."""
        token = OWNER.set(self)
        try:
            for work in (self._engine(), self._watches()):
                asyncio.create_task(work, name=f"process {self.number}")  # noqa: RUF006 - kept in self.tasks
        finally:
            OWNER.reset(token)

    def crash(self) -> None:
        """Die now: no task of this process gets another turn, except to be cancelled."""
        self.alive = False
        for task in self.tasks:
            task.cancel()
        self.world.died(self)

    def jump(self, fault: Fault) -> None:
        """Put the clock forward or back; some minutes later it is corrected."""
        self.clock.skew = CLOCK_JUMP_SECONDS if fault is Fault.CLOCK_AHEAD else -CLOCK_JUMP_SECONDS
        self.world.later(OUTAGE_SECONDS, lambda: setattr(self.clock, "skew", 0.0))

    async def freeze(self, seconds: float) -> None:
        """Stand still: nothing of this process goes on before that time has passed."""
        self._frozen_until = self.world.now() + seconds
        await self.thawed()

    async def thawed(self) -> None:
        """Return when the process does not stand still (it may be frozen again meanwhile)."""
        if self.world.now() < self._frozen_until:
            await asyncio.sleep(self._frozen_until - self.world.now())
            await self.thawed()

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
