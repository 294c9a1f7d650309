"""The real clock; everything else is given one."""

import asyncio
import time


class SystemClock:
    """Wall time of this machine."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()  # noqa: TID251 - the one place where wall time enters

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)
