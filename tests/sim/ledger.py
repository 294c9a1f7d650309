"""What one process of the operator was told by Prometheus: the raw material of the oracle of promises 2 and 3."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.sim.streams import Key

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


Found = dict[tuple[Key, str, str, int], Answered]
"""By object, check, revision and instant."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was told about one object."""

    found: Found
    key: Key

    def get(self, check: str, revision: str, instant: int) -> Answered | None:
        """The last answer for a check of a revision at an instant; None when that was never asked for."""
        return self.found.get((self.key, check, revision, instant))


@dataclass(slots=True)
class Ledger:
    """Answers. Without an answer it counts as no data, until it is asked again."""

    world: "World"
    now: Callable[[], float]
    interval: int
    found: Found = field(default_factory=dict)

    def of(self, key: Key) -> Told:
        """What was told about one object."""
        return Told(self.found, key)

    def asked(self, address: str, query: str, instants: tuple[int, ...]) -> None:
        """A question is on its way."""
        newest = int((self.now() - SCRAPE_DELAY) // self.interval) * self.interval
        for subject in self.world.prometheus.subjects(address, query):
            for tick in instants:
                self.found[*subject, tick] = Answered("?", newest, self.world.now())

    def answered(self, address: str, query: str, instants: tuple[int, ...]) -> None:
        """The answer has reached the process."""
        for subject in self.world.prometheus.subjects(address, query):
            for tick in instants:
                letter = self.world.prometheus.letter(subject, tick)
                self.found.setdefault((*subject, tick), Answered("?", tick, self.world.now())).letter = letter
