"""Which recorded ticks breach under spec.health.minScore, whatever limits some of the checks get. No I/O."""

from collections.abc import Collection, Iterable

from modelramp.api.check import Check, Role
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import CheckOutcome, Verdict
from modelramp.cli.backtest.replay import History
from modelramp.core.breaches import breaching
from modelramp.core.scores import Judged


class Scored:
    """The core's own judgement of every tick, with some checks beyond their limits.

    All checks of the common count have a part in the scores. The limits of those that are `moved` are open; the others
    said what they said.
    """

    def __init__(self, health: Health, history: History, moved: Collection[str]) -> None:
        self._health = health
        self._checks = [
            check for check in health.checks if check.role is Role.ROLLBACK and check.failure_threshold is None
        ]
        self._moved = frozenset(moved)
        said = [{each.name: each for each in recorded.said.checks} for recorded in history]
        names = [check.name for check in self._checks]
        self._ticks = [
            tuple(found[name].verdict if name in found else Verdict.NO_DATA for name in names) for found in said
        ]
        self._dimension = {check.name: _dimension(check, said) for check in self._checks}
        self._known: dict[tuple[Verdict, ...], bool] = {}

    def silent(self, tick: int) -> bool:
        """Whether one of the checks had no data at a tick (an index into history)."""
        return Verdict.NO_DATA in self._ticks[tick]

    def breaches(self, tick: int, beyond: Collection[str]) -> bool:
        """Whether the tick breaches when these checks lie beyond their limits, and the other moved ones within."""
        verdicts = tuple(
            self._verdict(check, recorded, beyond)
            for check, recorded in zip(self._checks, self._ticks[tick], strict=True)
        )
        if verdicts not in self._known:
            pairs = zip(self._checks, verdicts, strict=True)
            self._known[verdicts] = bool(breaching(self._health, [self._judged(*pair) for pair in pairs]))
        return self._known[verdicts]

    def powerless(self) -> dict[str, str]:
        """The moved checks whose dimension never scores too low, even with all of them beyond; each with the reason."""
        found: dict[str, str] = {}
        for dimension in set(self._dimension.values()):
            beyond = frozenset(name for name in self._moved if self._dimension.get(name) == dimension)
            ever = any(self.breaches(tick, beyond) for tick in range(len(self._ticks)))
            if beyond and not ever:
                why = f"no value of it brings the score of {dimension} below {self._health.min_score}, not even with "
                why += "all other checks that could get a proposal beyond their limits; raise spec.health.minScore"
                found |= dict.fromkeys(beyond, why)
        return found

    def _verdict(self, check: Check, recorded: Verdict, beyond: Collection[str]) -> Verdict:
        if check.name not in self._moved or recorded is Verdict.NO_DATA:
            return recorded
        return Verdict.BREACH if check.name in beyond else Verdict.HEALTHY

    def _judged(self, check: Check, verdict: Verdict) -> Judged:
        dimension = self._dimension[check.name]
        return check, CheckOutcome(check.name, verdict, Reason.NOT_EVALUATED, "", dimension=dimension)


def _dimension(check: Check, said: Iterable[dict[str, CheckOutcome]]) -> str:
    """Which dimension a preset has, its answers say."""
    found = (each[check.name].dimension for each in said if check.name in each)
    return next(filter(None, found), check.dimension.value)
