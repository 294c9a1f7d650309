"""What some checks need and no start-up should wait for: it is loaded before the first of them is judged."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from modelramp.analysis.kinds import check_kind
from modelramp.api.check import Check

Load = Callable[[], Awaitable[None]]
"""Loads the distributions that analysis.stats.distributions takes from scipy, without holding up the event loop."""


class Loading:
    """Loads once, when a check asks for it; only objects with such a check wait."""

    def __init__(self, load: Load | None) -> None:
        """load: None when the distributions may be imported where they are first used."""
        self._load = load
        self._under_way: asyncio.Task[None] | None = None

    def needed(self, checks: Iterable[Check]) -> bool:
        """Whether one of these checks cannot be judged before `done`."""
        return self._load is not None and any(check_kind(check).needs_scipy(check) for check in checks)

    async def done(self) -> None:
        """Return when everything is loaded, by whoever asked first."""
        if self._load is None:
            return
        if self._under_way is None:
            self._under_way = asyncio.ensure_future(self._load())
        await asyncio.shield(self._under_way)
        self._load = None
