"""The rules that are held against each other, each as the least number of failures that its real check calls a breach.

Every verdict comes from `modelramp.analysis`. All rules but those that detect a change rise with the failures and fall
with the requests, so one number per count of requests says it all: the check is called along that border instead of
once for every minute. Those that detect a change are in benchmarks.sums.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from modelramp.analysis.checks import VALUE, judge
from modelramp.analysis.evidence import Proportion
from modelramp.analysis.stats.change import LIMIT_ALPHA
from modelramp.analysis.stats.intervals import ratio
from modelramp.analysis.stats.sequential import Design, RateLooks, look_at_limit
from modelramp.analysis.wording import Limits
from modelramp.api.check import Check
from modelramp.api.verdict import Verdict
from modelramp.engine.ports import Sample

LIMIT = 0.03
"""The limit that every rule guards: an error rate of 3 %."""
Counts = NDArray[np.int64]


class Evidence(StrEnum):
    """What a verdict looks at."""

    TICK = "the requests of its own tick"
    LOOKS = "all requests since the evidence began anew"
    CHANGE = "sums that forget what was healthy"


class Border:
    """The least number of failures among n requests that is a breach; n + 1 when even n are none."""

    def __init__(self, breaches: Callable[[int, int], bool]) -> None:
        self._breaches = breaches
        self._least = np.zeros(1, dtype=np.int64)
        self._least[0] = 1

    def least(self, total: Counts) -> Counts:
        """By number of requests; computed as far as it is needed."""
        highest = int(total.max(initial=0))
        if highest >= len(self._least):
            self._extend(highest)
        found: Counts = self._least[total]
        return found

    def _extend(self, highest: int) -> None:
        known = list(map(int, self._least))
        for n in range(len(known), highest + 1):
            bad = known[-1]
            while bad <= n and not self._breaches(bad, n):
                bad += 1
            known.append(bad)
        self._least = np.array(known, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to roll back.

    in_a_row: consecutive breaches that do it (failureThreshold). border: unused by those that detect a change, as
    alpha is by all others.
    """

    name: str
    border: Border
    in_a_row: int = 3
    evidence: Evidence = Evidence.TICK
    alpha: float = LIMIT_ALPHA

    @property
    def independent(self) -> bool:
        """Whether the ticks' verdicts do not depend on each other: then chances can be computed instead of counted."""
        return self.evidence is Evidence.TICK


def threshold_breaches(bad: int, total: int) -> bool:
    """The plain comparison of a threshold check with what its query gave."""
    value = bad / total if total else math.nan
    check = Check(name="errors", query="x", max=LIMIT)
    return judge(check, {VALUE: (Sample({}, value),)}).verdict is Verdict.BREACH


def ratio_breaches(bad: int, total: int) -> bool:
    """The `ratio` check with `minSamples: 1`: the whole Wilson interval lies above the limit."""
    return ratio(Proportion(bad, total), Limits(max=LIMIT), min_samples=1).verdict is Verdict.BREACH


def sequential_breaches(alpha: float = 0.05) -> Callable[[int, int], bool]:
    """The `sequential` check against a limit, at a look that has counted so much so far."""
    design = Design(alpha=alpha)

    def breaches(bad: int, total: int) -> bool:
        _, result = look_at_limit(RateLooks(), Proportion(bad, total), LIMIT, design)
        return result.verdict is Verdict.BREACH

    return breaches


PLAIN, RATIO, SEQUENTIAL = Border(threshold_breaches), Border(ratio_breaches), Border(sequential_breaches())
ALPHAS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001)
BY_ALPHA = {alpha: SEQUENTIAL if alpha == 0.05 else Border(sequential_breaches(alpha)) for alpha in ALPHAS}
CHANGE_ALPHAS = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
NO_BORDER = Border(lambda bad, total: bad > total)


def detecting(name: str, in_a_row: int = 1, alpha: float = LIMIT_ALPHA) -> Rule:
    """A rule that detects a change."""
    return Rule(name, NO_BORDER, in_a_row, Evidence.CHANGE, alpha)


RULES = (
    Rule("threshold, 3 in a row", PLAIN),
    Rule("ratio, 3 in a row", RATIO),
    Rule("sequential difference, 3 in a row", SEQUENTIAL, 3, Evidence.LOOKS),
    Rule("sequential difference, failureThreshold 1", SEQUENTIAL, 1, Evidence.LOOKS),
    detecting("sequential change, 3 in a row", 3),
    detecting("sequential change, failureThreshold 1"),
)
