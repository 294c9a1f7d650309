"""What one process of the operator was told by Prometheus: the raw material of the oracle of promises 2 and 3."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

SCRAPE_DELAY = 5
"""Seconds from a tick to its evaluation (promised in the design)."""


@dataclass(slots=True)
class Answered:
    """The last answer for one check of one revision at one tick.

    letter: ? stands for no data and for no answer. asked_at: wall time of the world.
    newest: the newest tick by the clock of the process: only of that one the pods are looked at as well.
    """

    letter: str
    newest: int
    asked_at: float


@dataclass(slots=True)
class Ledger:
    """Answers by (check, revision, instant). Without an answer it counts as no data, until it is asked again."""

    world: "World"
    now: Callable[[], float]
    interval: int
    found: dict[tuple[str, str, int], Answered] = field(default_factory=dict)

    def asked(self, query: str, instants: tuple[int, ...]) -> None:
        """A question is on its way."""
        newest = int((self.now() - SCRAPE_DELAY) // self.interval) * self.interval
        for check, revision in self.world.prometheus.subjects(query):
            for tick in instants:
                self.found[check, revision, tick] = Answered("?", newest, self.world.now())

    def answered(self, query: str, instants: tuple[int, ...]) -> None:
        """The answer has reached the process."""
        for check, revision in self.world.prometheus.subjects(query):
            for tick in instants:
                letter = self.world.prometheus.letter(check, revision, tick)
                self.found[check, revision, tick].letter = letter
