"""A token bucket for writes, on the injected clock."""

from modelramp.engine.ports import Clock


class WriteLimiter:
    """Lets `rate` writes a second through, and `burst` at once; waiting is in the order of asking."""

    def __init__(self, clock: Clock, rate: float, burst: float) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = clock.now()

    async def acquire(self) -> None:
        """Return when one more write may be made."""
        now = self._clock.now()
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate) - 1
        self._at = now
        if self._tokens < 0:
            await self._clock.sleep(-self._tokens / self._rate)
