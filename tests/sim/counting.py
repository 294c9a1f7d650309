"""Consecutive breaches by a second opinion: the common count, and those of checks with a threshold of their own.

Shares no code with the operator: written from docs/concepts (ticks and verdicts, slow truth and scores).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Letters = Sequence[tuple[Json, str]]
"""Rollback checks that are asked at a tick, each with h (healthy), b (breach) or ? (no data)."""
LAST = 12
"""Minutes that a message tells of."""


@dataclass(frozen=True, slots=True)
class Minute:
    """What a tick said. short: pods were missing; None: nobody can know. missing: policies could not be had."""

    letters: Letters
    short: bool | None
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """Breaches in a row after a tick.

    every: ticks with any breach. common: of checks that share the threshold. own: of the others, by name.
    last: the letter of the tick. tripped: the tick brought a count to its threshold. told: for people.
    """

    every: int = 0
    common: int = 0
    own: tuple[tuple[str, int], ...] = ()
    last: str = ""
    tripped: bool = False
    told: str = field(default="", compare=False)

    def after(self, health: Json, declared: Iterable[Json], minute: Minute) -> "Counts":
        """The counts after one more tick. declared: every check that the spec stands for at present."""
        letter, common = letters_of(health, minute)
        known = {check["name"] for check in declared if "failureThreshold" in check}
        own = {name: number for name, number in self.own if minute.missing or name in known}
        tripped = False
        for check, said in minute.letters:
            if "failureThreshold" in check:
                before = own.get(check["name"], 0)
                own[check["name"]] = _next(before, said)
                tripped |= said == "b" and before + 1 >= check["failureThreshold"]
        shared = _next(self.common, common)
        return Counts(
            _next(self.every, letter) or max(own.values(), default=0),
            shared,
            tuple(sorted((name, number) for name, number in own.items() if number)),
            letter,
            tripped or (common == "b" and shared >= health["failureThreshold"]),
            (self.told + letter)[-LAST:],
        )


def letters_of(health: Json, minute: Minute) -> tuple[str, str]:
    """The letter of a whole tick, and that of the checks which share a threshold."""
    alone = [(check, said) for check, said in minute.letters if "failureThreshold" in check]
    shared = [(check, said) for check, said in minute.letters if "failureThreshold" not in check]
    common_breach = bool(minute.short) or _breached(health, shared)
    silent = any(said == "?" for _, said in minute.letters) or (not minute.letters and minute.short is None)
    letter = "?" if silent or minute.missing else "h"
    if any(said == "b" for _, said in alone):
        letter = "b"
    if common_breach:
        return "b", "b"
    return letter, "?" if letter == "?" or any(said == "?" for _, said in shared) else "h"


def _breached(health: Json, shared: Letters) -> bool:
    """Whether breaches count: each of them, or, with a least score, only where a dimension scores below it."""
    breached = [check for check, said in shared if said == "b"]
    if "minScore" not in health:
        return bool(breached)
    return any(check.get("critical") or _score(shared, check) < health["minScore"] for check in breached)


def _score(shared: Letters, of: Json) -> int:
    """100 x the weight within limits / the weight that has data, of the dimension; 0 when a critical one breached."""
    beside = [(check, said) for check, said in shared if _dimension(check) == _dimension(of) and said != "?"]
    if any(check.get("critical") and said == "b" for check, said in beside):
        return 0
    within = sum(check.get("weight", 1) for check, said in beside if said == "h")
    return 100 * within // sum(check.get("weight", 1) for check, _ in beside)


def _dimension(check: Json) -> str:
    return str(check.get("dimension", "technical"))


def _next(count: int, letter: str) -> int:
    return {"h": 0, "?": count, "b": count + 1}[letter]
