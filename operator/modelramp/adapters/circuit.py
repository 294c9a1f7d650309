"""Whether it is worth asking an address again: one dead Prometheus must not hold all workers."""

from dataclasses import dataclass

FAILURES_THAT_OPEN = 3
"""Consecutive questions without any answer after which the rest of a tick's questions are not asked."""


@dataclass(slots=True)
class Circuit:
    """Opens for one tick at a time: the next tick asks again, and a single failure is then enough to give up on it.

    No clock is needed: questions carry the instant that they are about.
    """

    failures: int = 0
    open_for: int | None = None

    def refuses(self, tick: int) -> bool:
        """Whether questions about that tick would be in vain."""
        return self.open_for == tick

    def failed(self, tick: int) -> None:
        """Nobody answered: no connection, or silence until the time-out."""
        self.failures += 1
        if self.failures >= FAILURES_THAT_OPEN:
            self.open_for = tick

    def answered(self) -> None:
        """Somebody answered, be it with an error."""
        self.failures = 0
        self.open_for = None
