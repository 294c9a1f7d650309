"""What some checks need and no start-up should wait for: it is loaded before the first of them is judged."""

from collections.abc import Awaitable, Callable, Iterable

from modelramp.analysis.kinds import needs_distributions
from modelramp.api.check import Check

Load = Callable[[], Awaitable[None]]
"""Loads the distributions that analysis.chances takes from scipy, without holding up the event loop."""


class Loading:
    """Loads once, when a check asks for it; only that tick waits, and other tasks of the loop go on."""

    def __init__(self, load: Load | None) -> None:
        """load: None when the distributions may be imported where they are first used."""
        self._load = load

    async def before(self, checks: Iterable[Check]) -> None:
        """Return when all of these checks can be judged at once."""
        if self._load is not None and any(needs_distributions(check) for check in checks):
            load, self._load = self._load, None
            await load()
