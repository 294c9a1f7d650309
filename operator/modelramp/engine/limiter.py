"""How fast the operator writes: a token bucket that a rollback passes by, and at which namespaces take turns."""

import asyncio
from collections import OrderedDict, deque
from enum import IntEnum

from modelramp.engine.ports import Clock


class Priority(IntEnum):
    """Which writes come first."""

    ROLLBACK = 0
    PROMOTION = 1
    CREATION = 2
    REPORT = 3

    @property
    def label(self) -> str:
        """As metrics write it: Rollback."""
        return self.name.capitalize()


_ROUNDING = 1e-9
"""Part of a token that rounding may keep back: waiting for so little could end at the same instant, for ever."""


class WriteLimiter:
    """Lets `rate` writes a second through, and `burst` at once.

    Those that wait go by priority, then in turns by namespace: a namespace with many writes delays its own.
    """

    def __init__(self, clock: Clock, rate: float, burst: float) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = clock.now()
        self._waiting: dict[Priority, OrderedDict[str, deque[asyncio.Future[None]]]] = {}
        self._pump: asyncio.Task[None] | None = None

    def now(self) -> float:
        """The time that it goes by, seconds since the epoch."""
        return self._clock.now()

    async def acquire(self, namespace: str, priority: Priority = Priority.REPORT) -> None:
        """Return when one more write of a namespace may be made: at once for a rollback, which takes no token."""
        if priority is Priority.ROLLBACK:
            return
        self._refill()
        if self._tokens >= 1 and not self._waiting:
            self._tokens -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(priority, OrderedDict()).setdefault(namespace, deque()).append(turn)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._serve(), name="write limiter")
        await turn

    def _refill(self) -> None:
        now = self._clock.now()
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now

    async def _serve(self) -> None:
        """Hand out tokens as they come until nobody waits."""
        while self._waiting:
            self._refill()
            if self._tokens < 1 - _ROUNDING:
                await self._clock.sleep((1 - self._tokens) / self._rate)
                continue
            turn = self._next()
            if not turn.cancelled():
                self._tokens -= 1
                turn.set_result(None)

    def _next(self) -> "asyncio.Future[None]":
        priority = min(self._waiting)
        namespaces = self._waiting[priority]
        namespace = next(iter(namespaces))
        turn = namespaces[namespace].popleft()
        namespaces.move_to_end(namespace)
        if not namespaces[namespace]:
            del namespaces[namespace]
        if not namespaces:
            del self._waiting[priority]
        return turn
