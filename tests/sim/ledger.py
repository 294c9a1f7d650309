"""What one process of the operator was told by Prometheus: the raw material of the oracle of promises 2 and 3."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World


@dataclass(slots=True)
class Answered:
    """The last answer for one check of one revision at one tick; the letter ? stands for no data and for no answer."""

    letter: str
    live: bool
    asked_at: float


@dataclass(slots=True)
class Ledger:
    """Answers by (check, revision, tick). A question without an answer counts as no data, until it is asked again."""

    world: "World"
    found: dict[tuple[str, str, int], Answered] = field(default_factory=dict)

    def asked(self, query: str, instants: tuple[int, ...], *, live: bool) -> None:
        """A question is on its way."""
        for check, revision in self.world.prometheus.subjects(query):
            for tick in instants:
                self.found[check, revision, tick] = Answered("?", live, self.world.now())

    def answered(self, query: str, instants: tuple[int, ...], *, live: bool) -> None:
        """The answer has reached the process."""
        for check, revision in self.world.prometheus.subjects(query):
            for tick in instants:
                letter = self.world.prometheus.letter(check, revision, tick)
                self.found[check, revision, tick] = Answered(letter, live, self.found[check, revision, tick].asked_at)
