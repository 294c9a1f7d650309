"""Work that goes on beside the engine: one task for each thing, none ends another, and what came to nothing rests."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from modelramp.engine.ports import Clock, Telemetry
from modelramp.engine.turns import Name, Turns

REST_SECONDS, REST_SECONDS_MAX = 10.0, 300.0
"""Pause after work that came to nothing; it doubles each time in a row, up to the greater."""
_WORDS = 256


@dataclass(slots=True)
class Beside:
    """The tasks of this process. failed: called when one has raised, with what it raised. ended: called at each end."""

    telemetry: Telemetry
    clock: Clock
    failed: Callable[[Name, Exception], None]
    ended: Callable[[Name], None]
    _tasks: dict[Name, asyncio.Task[None]] = field(default_factory=dict)
    _resting: dict[Name, tuple[float, float]] = field(default_factory=dict)

    def ready(self, name: Name) -> bool:
        """Whether it may be started: it is not under way, and does not rest."""
        until, pause = self._resting.get(name, (0.0, 0.0))
        # A clock that was put back makes nothing rest longer than its pause.
        return name not in self._tasks and not 0 < until - self.clock.now() <= pause

    def start(self, name: Name, turns: Turns, work: Callable[[], Awaitable[None]]) -> None:
        """Begin it in its slot, which is given back at its end."""
        turns.use(name)
        (namespace, owner), what = name
        task = asyncio.create_task(self._guarded(name, work), name=f"{what} of {namespace}/{owner}")
        self._tasks[name] = task

        def end(_: asyncio.Task[None]) -> None:
            self._tasks.pop(name, None)
            self.ended(name)
            turns.release(name)

        task.add_done_callback(end)

    def rest(self, name: Name) -> None:
        """It came to nothing: try again later, and each time later still."""
        _, pause = self._resting.get(name, (0.0, 0.0))
        pause = min(max(pause * 2, REST_SECONDS), REST_SECONDS_MAX)
        self._resting[name] = (self.clock.now() + pause, pause)

    def forget(self, name: Name) -> None:
        """Forget it: it succeeded, or is no longer wanted."""
        self._resting.pop(name, None)

    def stop(self) -> None:
        """End everything."""
        for task in self._tasks.values():
            task.cancel()

    async def _guarded(self, name: Name, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever one object brings about must stop nothing else
            self.warn(name, error)
            self.failed(name, error)

    def warn(self, name: Name, error: Exception) -> None:
        """Say that work of one object failed unexpectedly."""
        (namespace, owner), what = name
        self.telemetry.warn("hook failed", namespace=namespace, name=owner, about=what, error=repr(error)[:_WORDS])
