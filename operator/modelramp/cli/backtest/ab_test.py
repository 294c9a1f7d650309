"""The looks of a replayed A/B test: what each one found, how the test would have ended, what history leaves open."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelramp.analysis.abtest import POWER, deviation_of, deviation_of_rates, samples_to_win
from modelramp.analysis.evidence import count_text
from modelramp.analysis.experiment import evidence_of
from modelramp.api.abtest import ABTest, ABTestRun
from modelramp.api.quantity import format_number
from modelramp.api.times import format_duration, to_text
from modelramp.api.verdict import ABTestOutcome
from modelramp.core.state import Ending

_MOST_ROWS = 12


@dataclass(frozen=True, slots=True)
class Look:
    """One look of a test.

    at: seconds since the epoch. since: the test's beginning. ending, message: how it stands after the look.
    """

    at: int
    found: ABTestOutcome
    ending: Ending
    message: str
    since: int

    @property
    def ended(self) -> bool:
        """Whether the test has a verdict."""
        return self.ending is not Ending.UNDECIDED


def decisive(looks: Sequence[Look]) -> Look:
    """The look that ended the (first) test; the last one while none did."""
    return next((look for look in looks if look.ended), looks[-1])


def look_json(look: Look) -> dict[str, Any]:
    """One look; estimate, low and high say how much better the candidate is, in the metric's own unit."""
    found = look.found
    return {
        "ending": look.ending.value,
        "estimate": _finite(found.estimate),
        "low": _finite(found.low),
        "high": _finite(found.high),
        "candidate": found.candidate,
        "stable": found.stable,
        "difference": found.difference,
        "interval": found.interval,
        "sampleRatio": found.sample_ratio,
        "mismatch": found.mismatch,
    }


def test_json(looks: Sequence[Look], test: ABTest, revision: str) -> dict[str, Any]:
    """The whole test: how and when it would have ended, and on which evidence."""
    end = decisive(looks)
    earliest, latest = test.ends(end.since)
    return {
        "metric": test.metric.name,
        "looks": looks.index(end) + 1,
        "time": to_text(end.at),
        "earliestEnd": to_text(earliest),
        "latestEnd": to_text(latest),
        **look_json(end),
        "message": end.message,
        "needed": needed(looks, test, revision),
        "notKnown": not_known(looks, test, revision),
    }


def not_known(looks: Sequence[Look], test: ABTest, revision: str) -> list[str]:
    """What the replay cannot know of the test, in sentences."""
    told = [
        f"whether one user always met the same version: each {test.unit.value.lower()} is taken for independent",
        "what would have come of it: the recorded traffic went on as it was, whatever the test would have decided",
    ]
    if test.assignment is None:
        part = "users" if test.metric.users else "count" if test.metric.sum is not None else "total"
        told.append(f"who was assigned and never counted: the metric's {part} stands for the assignment")
    mismatched = next((look for look in looks if look.found.mismatch), None)
    if mismatched is not None and (share := _share(mismatched, test, revision)) is not None:
        told.append(
            f"what a split of {test.split} : {100 - test.split} would have shown: history gave the candidate "
            f"{format_number(100 * share)} % by {to_text(mismatched.at)}; if it was split so on purpose, write that as "
            "split into a copy of the file"
        )
    return told


def needed(looks: Sequence[Look], test: ABTest, revision: str) -> str:
    """How long a test takes at the rate of this history, in a sentence; "" when the history is too short for it."""
    last = looks[-1]
    found = evidence_of(ABTestRun(test, test.split, revision, memory=last.found.memory))
    spent, counted = last.at - test.delay - last.since, found.candidate[1] + found.stable[1]
    if spent <= 0 or counted <= 0 or not found.stable[1]:
        return ""
    if test.metric.squares is not None:
        return ""
    if test.metric.sum is not None:
        deviation, effect = deviation_of(found.paired), format_number(test.min_effect)
    else:
        rate = min(1.0, found.stable[0] / found.stable[1])
        better = rate + test.min_effect if test.metric.rises else rate - test.min_effect
        deviation = deviation_of_rates(rate, better, test.split / 100)
        effect = f"{format_number(100 * test.min_effect)} percentage points"
    if not deviation:
        return ""
    total = samples_to_win(deviation, test.min_effect, test.level, test.split / 100)
    seconds = math.ceil(total / counted * spent / 3600) * 3600
    return (
        f"at the rate of this history, {count_text(round(counted / spent * 3600))} observations an hour, a candidate "
        f"that is better by {effect} wins within {format_duration(seconds)} with a chance of {100 * POWER:g} %"
    )


def rows_of(looks: Sequence[Look]) -> list[tuple[int, Look]]:
    """The looks worth a line, with their numbers from 1: the first, twice as late each time, endings, the last."""
    wanted = {0, len(looks) - 1, *(2**power - 1 for power in range(len(looks).bit_length()))}
    wanted |= {index for index, look in enumerate(looks) if look.ended and not (index and looks[index - 1].ended)}
    chosen = sorted(index for index in wanted if index < len(looks))
    return [(index + 1, looks[index]) for index in chosen[-_MOST_ROWS:]]


def _share(look: Look, test: ABTest, revision: str) -> float | None:
    one, other = evidence_of(ABTestRun(test, test.split, revision, memory=look.found.memory)).assigned
    return one / (one + other) if one + other else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
