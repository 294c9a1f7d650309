"""Each object goes its own way: decided on as soon as there is something new, written in the order of urgency."""

import asyncio
from collections.abc import Sequence

from modelramp.api.verdict import TickOutcome
from modelramp.engine.limiter import Priority
from modelramp.engine.ports import Telemetry
from modelramp.engine.reconciler import Plan, Reconciler
from modelramp.engine.store import Key
from modelramp.engine.write_queue import WriteQueue

_BREATH = 20
"""Decisions between which other tasks of the loop get their turn (some 10 ms)."""


class Work:
    """Decides and has written. An object is written by one task at a time; what is new meanwhile is decided afterwards.

    A decision that waits for its turn is made again when there is news, so what is written is never out of date.
    """

    def __init__(self, settler: Reconciler, telemetry: Telemetry) -> None:
        self._settler = settler
        self._telemetry = telemetry
        self._queue = WriteQueue()
        self._plans: dict[Key, Plan] = {}
        self._ticked: dict[Key, None] = {}
        self._dirty: dict[Key, None] = {}
        self._writing: dict[Key, asyncio.Task[None]] = {}
        self._again: set[Key] = set()
        self._news = asyncio.Event()

    def mark(self, key: Key) -> None:
        """Queue an object, since something about it is new."""
        self._settler.stir(key)
        self._dirty[key] = None
        self._news.set()

    def deliver(self, key: Key, revision: str, since: int, ticks: Sequence[TickOutcome]) -> None:
        """Outcomes of ticks, oldest first. Objects with a tick are decided on before those that merely have news.

        since: the start of its weight that they were asked with.
        """
        if self._settler.take_in(key, revision, since, ticks):
            self._ticked[key] = None
            self._news.set()

    def report(self) -> None:
        """Show how many objects wait to be written."""
        for priority in Priority:
            depth = self._queue.depth(priority)
            self._telemetry.gauge("modelramp_write_queue_depth", depth, priority=priority.label)

    async def run(self) -> None:
        """Decide until cancelled; then what is being written is cancelled too."""
        try:
            count = 0
            while True:
                while not (self._ticked or self._dirty):
                    self._news.clear()
                    await self._news.wait()
                self._decide(self._next())
                count += 1
                if count % _BREATH == 0:
                    await asyncio.sleep(0)
        finally:
            writing = tuple(self._writing.values())
            for task in writing:
                task.cancel()
            await asyncio.gather(*writing, return_exceptions=True)

    def _next(self) -> Key:
        source = self._ticked or self._dirty
        key = next(iter(source))
        self._ticked.pop(key, None)
        self._dirty.pop(key, None)
        return key

    def _decide(self, key: Key) -> None:
        if key in self._writing:
            self._again.add(key)
            return
        self._plans.pop(key, None)
        try:
            plan = self._settler.prepare(key)
        except Exception as error:  # noqa: BLE001 - a bug that one object meets must not stop the others
            self._settler.put_off(key, error)
            plan = None
        if plan is None:
            self._queue.drop(key)
            return
        self._plans[key] = plan
        self._queue.put(key, plan.priority)
        self._start()

    def _start(self) -> None:
        """Begin the writes of every object that may have a place now."""
        while (key := self._queue.take()) is not None:
            plan = self._plans.pop(key)
            self._writing[key] = asyncio.create_task(self._write(plan), name=f"write {'/'.join(key)}")

    async def _write(self, plan: Plan) -> None:
        key, again = plan.key, False
        try:
            again = await self._settler.carry_out(plan)
        except Exception as error:  # noqa: BLE001 - as in _decide
            self._settler.put_off(key, error)
        finally:
            del self._writing[key]
            self._queue.done(key)
        if again or key in self._again:
            self._again.discard(key)
            self.mark(key)
        self._start()
