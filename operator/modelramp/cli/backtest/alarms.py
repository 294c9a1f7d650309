"""Runs of breaches that grow while limits are tightened, counted without looking at all ticks again. No I/O."""

from collections.abc import Sequence


class Runs:
    """Breached ticks join into runs across ticks without data (a disjoint-set forest).

    breaches: ticks that breach. runs: rows of them. alarms: rows of at least `threshold`.
    """

    def __init__(self, silent: Sequence[bool], threshold: int) -> None:
        """silent: the ticks at which something had no data; those end no row."""
        self._parent: list[int] = list(range(len(silent)))
        self._within = [False] * len(silent)
        self._count = [0] * len(silent)
        self._threshold = threshold
        self.breaches = self.runs = self.alarms = 0
        for tick, is_silent in enumerate(silent):
            if is_silent:
                self._take(tick)

    def add(self, tick: int) -> None:
        """The tick breaches from now on. Each tick is added once."""
        if not self._within[tick]:
            self._take(tick)
        root = self._root(tick)
        self._tell(root, -1)
        self._count[root] += 1
        self.breaches += 1
        self._tell(root, 1)

    def _take(self, tick: int) -> None:
        self._within[tick] = True
        for other in (tick - 1, tick + 1):
            if 0 <= other < len(self._within) and self._within[other]:
                self._join(self._root(tick), self._root(other))

    def _join(self, one: int, other: int) -> None:
        self._tell(one, -1)
        self._tell(other, -1)
        self._parent[other] = one
        self._count[one] += self._count[other]
        self._tell(one, 1)

    def _tell(self, root: int, sign: int) -> None:
        self.runs += sign * (self._count[root] > 0)
        self.alarms += sign * (self._count[root] >= self._threshold)

    def _root(self, tick: int) -> int:
        while self._parent[tick] != tick:
            self._parent[tick] = self._parent[self._parent[tick]]
            tick = self._parent[tick]
        return tick
