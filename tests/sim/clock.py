"""Virtual time: an asyncio event loop whose clock jumps to the next timer instead of waiting for it.

Everything that runs in the loop (the engine, its watches, the fake kubelet) sees hours pass in milliseconds, and in
an order that depends on nothing but the seed.
"""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from email.utils import formatdate
from typing import Any

EPOCH = 1_763_640_000
"""Wall time at which every simulated world begins: 2025-11-20 12:00:00 UTC, a multiple of every interval in use."""


class NothingLeft(Exception):
    """Every task waits for something that can never happen: there is no timer left."""


class _Jumping(selectors.BaseSelector):
    """A selector without files: `select` moves the time forward by as much as it was asked to wait."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self._files: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        self._files[number] = selectors.SelectorKey(fileobj, number, events, data)
        return self._files[number]

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._files.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise NothingLeft
        self.elapsed += max(timeout, 0.0)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._files


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time. Real sockets and threads do not work in it, and must not."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.elapsed

    def run_in_executor(self, *_: Any) -> Any:
        """Refused: a thread would run in real time."""
        raise RuntimeError("a thread has no place in virtual time: the engine may only wait through its ports")


class MachineClock:
    """The two clocks of one machine. `skew` is how wrong its wall clock is, seconds: a test may set it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.steady = loop.time
        self.skew = 0.0

    def wall(self) -> float:
        """Seconds since the epoch, as this machine has them."""
        return EPOCH + self.steady() + self.skew


def date(seconds: float) -> str:
    """The header Date of an answer that is given at that instant."""
    return formatdate(int(seconds), usegmt=True)


def run_virtually(main: Coroutine[Any, Any, Any], loop: VirtualLoop) -> Any:
    """Run `main` in `loop`, then cancel what is left and close the loop."""
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.close()
