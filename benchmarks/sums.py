"""The sums of `detect: change` for thousands of rollouts side by side; a test holds them against the real check."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.rules import LIMIT, Counts
from modelramp.analysis.evidence import Proportion
from modelramp.analysis.stats.change import MOST
from modelramp.analysis.stats.sequential import ODDS, gains_over_limit

Flags = NDArray[np.bool_]
Gains = NDArray[np.float64]
Amounts = Counts | NDArray[np.float64]
"""Counts that need not be whole, as those of increase() are not."""
FAILURE = np.array(gains_over_limit(Proportion(1, 1), LIMIT))
SUCCESS = np.array(gains_over_limit(Proportion(0, 1), LIMIT))
LESS_ONE = np.array(ODDS) - 1


class Sums:
    """The evidence of every rollout."""

    def __init__(self, rollouts: int, alpha: float) -> None:
        self.needed = 1 / alpha
        self.evidence = np.zeros((rollouts, len(ODDS)))

    def tick(self, gains: Gains, seen: Flags) -> Flags:
        """Which rollouts breach at one more tick. seen: whose tick had any traffic, without which nothing changes."""
        grown = np.minimum((1 + self.evidence) * np.exp(np.minimum(gains, 600.0)), MOST * len(ODDS) * self.needed)
        self.evidence = np.where(seen[:, None], grown, self.evidence)
        breaches: Flags = seen & (self.evidence.mean(axis=1) >= self.needed)
        return breaches

    def forget(self, which: Flags) -> None:
        """Begin anew there."""
        self.evidence[which] = 0


def over_limit(bad: Amounts, total: Amounts) -> Gains:
    """What a tick's counts say against the limit."""
    gains: Gains = bad[:, None] * FAILURE + (total - bad)[:, None] * SUCCESS
    return gains


def over_stable(bad: Counts, total: Counts, stable_bad: Counts, stable_total: Counts) -> Gains:
    """What a tick's counts say against those of the stable version."""
    share = total / np.maximum(1, total + stable_total)
    failed = (bad + stable_bad)[:, None]
    gains: Gains = bad[:, None] * np.log(ODDS) - failed * np.log1p(LESS_ONE * share[:, None])
    return gains
