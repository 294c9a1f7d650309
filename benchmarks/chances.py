"""What can be computed instead of counted: rules whose ticks are independent, and the optimal CUSUM."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, poisson  # type: ignore[import-untyped]

from benchmarks.rules import Rule

STATES = 200
"""Steps into which the CUSUM's range is cut (Brook and Evans)."""
Array = NDArray[np.float64]


def breach_chance(rule: Rule, per_minute: float, rate: float) -> float:
    """The chance that a tick with any traffic is a breach, for a rule whose ticks are independent."""
    most = int(poisson.isf(1e-15, per_minute)) + 1
    total = np.arange(1, most + 1)
    breach = binom.sf(rule.border.least(total) - 1, total, rate)
    return float(np.dot(poisson.pmf(total, per_minute), breach)) / -math.expm1(-per_minute)


def mean_ticks(rule: Rule, per_minute: float, rate: float) -> float:
    """The mean number of ticks until so many breaches in a row; ticks without traffic neither count nor clear.

    Source: W. Feller, An Introduction to Probability Theory, vol. 1, 3rd ed. (1968), XIII.7.
    """
    q, k = breach_chance(rule, per_minute, rate), rule.in_a_row
    looks = float(k) if q >= 1 else (1 - q**k) / (q**k * (1 - q)) if q > 0 else math.inf
    return looks / -math.expm1(-per_minute)


def least_error(requests: float, before: float, after: float, power: float) -> float:
    """How often the best test of so many requests (Poisson) errs at one rate when it finds the other with `power`.

    Source: J. Neyman, E. S. Pearson, Phil. Trans. R. Soc. A 231 (1933), 289-337: it is the likelihood ratio's.
    """
    bad, good = _counts(requests * before, requests * after), _counts(requests * (1 - before), requests * (1 - after))
    here, there = (
        np.outer(poisson.pmf(bad, requests * rate), poisson.pmf(good, requests * (1 - rate))).ravel()
        for rate in (before, after)
    )
    order = np.argsort(here / there)
    needed = int(np.searchsorted(np.cumsum(there[order]), power))
    return float(np.cumsum(here[order])[needed])


def _counts(*means: float) -> Array:
    return np.arange(int(poisson.ppf(1e-12, min(means))), int(poisson.isf(1e-12, max(means))) + 1, dtype=np.float64)


def per_thousand_hours(ticks: float) -> float:
    """Rollbacks in 1,000 hours of ticks of a minute each, when one comes every so many ticks."""
    return 60_000 / ticks


@dataclass(frozen=True)
class Cusum:
    """Page's CUSUM for the change between two known rates: nothing detects it sooner at the same false-alarm rate.

    Its sum rises by the log-likelihood ratio of each tick's counts and never falls below 0; it alarms at `threshold`.
    Optimal in Lorden's sense (worst delay). Sources: E. S. Page, Biometrika 41 (1954), 100-115; G. V. Moustakides,
    Ann. Statist. 14 (1986), 1379-1387. As a Markov chain: D. Brook, D. A. Evans, Biometrika 59 (1972), 539-549.
    """

    per_minute: float
    before: float
    after: float

    @cached_property
    def gains(self) -> tuple[float, float]:
        """What one failure and one success add to the sum."""
        return math.log(self.after / self.before), math.log((1 - self.after) / (1 - self.before))

    def steps(self, rate: float) -> tuple[Array, Array]:
        """Every gain that a tick can bring at a true rate, sorted, and the chance of at most that gain."""
        bad, good = _likely(self.per_minute * rate), _likely(self.per_minute * (1 - rate))
        gain = (self.gains[0] * bad[0][:, None] + self.gains[1] * good[0][None, :]).ravel()
        chance = (bad[1][:, None] * good[1][None, :]).ravel()
        order = np.argsort(gain)
        return gain[order], np.concatenate(([0.0], np.cumsum(chance[order])))

    def chain(self, threshold: float, steps: tuple[Array, Array]) -> Array:
        """Chances to get from each state to each state without an alarm; state 0 is the sum 0."""
        gains, chances = steps
        width = threshold / STATES
        at = np.concatenate(([0.0], (np.arange(STATES) + 0.5) * width))
        edges = np.concatenate(([0.0], np.arange(1, STATES + 1) * width))
        below = chances[np.searchsorted(gains, edges[None, :] - at[:, None], side="left")]
        below[:, 0] = chances[np.searchsorted(gains, -at, side="right")]
        moves: Array = np.concatenate((below[:, :1], np.diff(below, axis=1)), axis=1)
        return moves

    def mean_ticks(self, threshold: float, rate: float) -> float:
        """The mean number of ticks from sum 0 to the alarm at a true rate."""
        return _mean(self.chain(threshold, self.steps(rate)))

    def threshold_for(self, ticks: float) -> float:
        """The threshold with one false alarm in so many ticks."""
        steps, low, high = self.steps(self.before), 1e-6, 60.0
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (low, middle) if _mean(self.chain(middle, steps)) >= ticks else (middle, high)
        return high

    def delays(self, threshold: float) -> tuple[float, int, int]:
        """Mean, median and 99 % quantile of the ticks to detection, the sum being 0 at the change (the worst case)."""
        moves = self.chain(threshold, self.steps(self.after))
        here, left, passed = np.eye(1, STATES + 1)[0], [1.0], 0
        while left[-1] > 0.01 and passed < 10_000:
            here, passed = here @ moves, passed + 1
            left.append(float(here.sum()))
        median = next(tick for tick, still in enumerate(left) if still <= 0.5)
        return _mean(moves), median, passed


def _mean(moves: Array) -> float:
    found = np.linalg.solve(np.eye(len(moves)) - moves, np.ones(len(moves)))
    return float(found[0]) if found[0] >= 1 - 1e-9 else math.inf


def _likely(mean: float) -> tuple[Array, Array]:
    """The counts that a Poisson variable takes in all but 2e-13 of cases, and their chances."""
    low, high = int(poisson.ppf(1e-13, mean)), int(poisson.isf(1e-13, mean))
    counts = np.arange(low, high + 1)
    return counts.astype(np.float64), poisson.pmf(counts, mean)
