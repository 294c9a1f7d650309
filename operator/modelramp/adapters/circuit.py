"""A circuit breaker per address, so that one dead Prometheus does not hold all workers."""

from dataclasses import dataclass

FAILURES_THAT_OPEN = 3
"""Consecutive unanswered queries after which the remaining queries of the tick are not sent."""


@dataclass(slots=True)
class Circuit:
    """Opens for one tick at a time: the next tick asks again, and a single failure is then enough to give up on it.

    No clock is needed: questions carry the instant that they are about.
    """

    failures: int = 0
    open_for: int | None = None

    def refuses(self, tick: int) -> bool:
        """Whether queries about that tick are not worth sending."""
        return self.open_for == tick

    def failed(self, tick: int) -> None:
        """Record a failed connection or a time-out."""
        self.failures += 1
        if self.failures >= FAILURES_THAT_OPEN:
            self.open_for = tick

    def answered(self) -> None:
        """Record an answer, even if it is an error."""
        self.failures = 0
        self.open_for = None
