"""The real clocks. Everything else gets a clock as an argument."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime

from modelramp.api.errors import ModelrampError
from modelramp.core.timekeeping import Said, Timekeeping, hear, look
from modelramp.engine.ports import Telemetry

LOOK_SECONDS = 1.0
ASK_SECONDS = 5.0
"""Seconds between two requests for the API server's time while it is needed, such as after a clock step."""
CONFIRM_SECONDS = 60.0
"""Seconds between two requests while all clocks agree."""
SLOWEST_SECONDS = 2.0
"""Seconds after which an answer is too imprecise to tell the time."""
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # BOOTTIME goes on while the machine sleeps

Reading = Callable[[], float]


def wall_seconds() -> float:
    """Wall time of this machine in seconds since the epoch, right or wrong."""
    return time.time()  # noqa: TID251 - the one place where wall time enters


def steady_seconds() -> float:
    """Monotonic seconds; the origin is arbitrary."""
    return time.clock_gettime(_STEADY)


class SystemClock:
    """Wall time of this machine, for commands that talk to no API server."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return wall_seconds()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)


class ClusterClock:
    """Fulfils engine.ports.Clock: time that no step of this machine's clock moves unless the API server confirms it.

    A step is logged and counted in modelramp_clock_steps_total.
    """

    def __init__(self, telemetry: Telemetry, wall: Reading = wall_seconds, steady: Reading = steady_seconds) -> None:
        """wall, steady: read the two clocks of this machine."""
        self._telemetry = telemetry
        self._wall = wall
        self._steady = steady
        self._kept = Timekeeping.begun(steady(), wall())
        self._asked_at = float("-inf")
        telemetry.gauge("modelramp_last_api_answer_timestamp_seconds", wall())  # its silence begins here

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._look() + self._kept.offset

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`, whatever the wall clock does meanwhile."""
        await asyncio.sleep(seconds)

    def heard(self, date: str, seconds: float) -> None:
        """Record the time in an answer of the API server, and that it answered.

        date: its header Date; what cannot be read is passed over. seconds: from the request to the answer.
        """
        self._telemetry.gauge("modelramp_last_api_answer_timestamp_seconds", self.now())
        try:
            earliest = parsedate_to_datetime(date).timestamp()
        except (ValueError, OverflowError):
            return
        if seconds > SLOWEST_SECONDS:
            return
        steady, latest = self._look(), earliest + 1.0 + seconds  # the header leaves out fractions of a second
        before = self._kept
        self._kept, said = hear(before, steady, earliest, latest)
        wall = steady + before.wall
        error = wall - min(max(wall, earliest), latest)
        self._telemetry.gauge("modelramp_clock_offset_seconds", error)
        if said is not None:
            moved = self._kept.offset - before.offset
            self._telemetry.warn(said, clock_ahead_seconds=round(error, 1), time_moved_seconds=round(moved, 1))

    async def keep(self, ask: Callable[[], Awaitable[None]]) -> None:
        """Compare the clocks until cancelled.

        ask: makes any request to the API server, so that `heard` is called; without an answer it is asked again.
        """
        while True:
            steady = self._look()
            if self._must_ask(steady):
                self._asked_at = steady
                with suppress(ModelrampError):
                    await ask()
            await self.sleep(LOOK_SECONDS)

    def _must_ask(self, steady: float) -> bool:
        kept = self._kept
        if kept.unheard and self._asked_at < kept.doubted_at:
            return True
        last = self._asked_at if kept.heard_at is None else max(self._asked_at, kept.heard_at)
        return steady - last >= (ASK_SECONDS if kept.unsettled else CONFIRM_SECONDS)

    def _look(self) -> float:
        steady, before = self._steady(), self._kept
        self._kept, said = look(before, steady, self._wall())
        if said is Said.SET:
            self._telemetry.count("modelramp_clock_steps_total")
        if said is not None:
            self._telemetry.warn(said, clock_moved_seconds=round(self._kept.wall - before.wall, 1))
        return steady
