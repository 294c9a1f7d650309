"""How long a container that ended waits for its next start."""

from dataclasses import dataclass

# kubelet: 10 s doubling to 300 s. Here a fifth of it, so that a test sees a crash loop without waiting minutes.
FIRST_S = 2.0
LIMIT_S = 60.0
# A container that has run this long starts with a clean slate (kubelet: 10 minutes).
FORGIVEN_AFTER_S = 120.0


@dataclass(slots=True)
class Backoff:
    """The delay before each restart: none for the first, then doubling up to a limit."""

    upcoming_s: float = 0.0

    def delay_s(self, ran_s: float) -> float:
        """Return the delay before the next start, given how long the last run was.

        >>> backoff = Backoff()
        >>> [backoff.delay_s(ran_s=0.1) for _ in range(4)]
        [0.0, 2.0, 4.0, 8.0]
        >>> backoff.delay_s(ran_s=600.0)
        0.0
        """
        if ran_s >= FORGIVEN_AFTER_S:
            self.upcoming_s = 0.0
        delay = self.upcoming_s
        self.upcoming_s = min(max(delay * 2, FIRST_S), LIMIT_S)
        return delay
