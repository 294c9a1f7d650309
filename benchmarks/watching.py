"""Thousands of simulated rollouts side by side: Poisson traffic, a constant error rate, and a rule that watches."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, binomtest, chi2  # type: ignore[import-untyped]

from benchmarks.rules import Counts, Evidence, Rule
from benchmarks.sums import Flags, Sums, over_limit

MINUTES = 60
HORIZON_TICKS = 2_000


class Watching:
    """One rule over many rollouts at once. After a rollback everything begins anew in that rollout."""

    def __init__(self, rule: Rule, rollouts: int) -> None:
        self.rule = rule
        self.bad = np.zeros(rollouts, dtype=np.int64)
        self.total = np.zeros(rollouts, dtype=np.int64)
        self.row = np.zeros(rollouts, dtype=np.int64)
        self.crossed = np.zeros(rollouts, dtype=bool)
        self.sums = Sums(rollouts, rule.alpha)

    def tick(self, bad: Counts, total: Counts) -> Flags:
        """Which rollouts are rolled back by one more minute's counts."""
        seen = total > 0
        match self.rule.evidence:
            case Evidence.TICK:
                self.crossed = seen & (bad >= self.rule.border.least(total))
            case Evidence.LOOKS:
                self.bad, self.total = self.bad + bad, self.total + total
                # The smallest p-value of any look stands: such a check that has breached stays breached.
                seen = self.total > 0
                self.crossed |= seen & (self.bad >= self.rule.border.least(self.total))
            case Evidence.CHANGE:
                self.crossed = self.sums.tick(over_limit(bad, total), seen)
        self.row = np.where(seen, np.where(self.crossed, self.row + 1, 0), self.row)
        rolled: Flags = self.row >= self.rule.in_a_row
        for counts in (self.bad, self.total, self.row):
            counts[rolled] = 0
        self.crossed[rolled] = False
        self.sums.forget(rolled)
        return rolled


@dataclass(frozen=True, slots=True)
class Estimate:
    """A simulated number with the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float


def minutes(seed: int, per_minute: float, rate: float, rollouts: int) -> Iterator[tuple[Counts, Counts]]:
    """Failures and requests of every rollout, minute after minute, without end; the same for the same seed."""
    random = np.random.default_rng(seed)
    while True:
        total = random.poisson(per_minute, rollouts)
        yield random.binomial(total, rate), total


def false_rollbacks(rule: Rule, seed: int, per_minute: float, rate: float, rollouts: int) -> tuple[int, Estimate]:
    """How many healthy rollouts of one hour each were rolled back, and that per 1,000 hours."""
    watching, traffic = Watching(rule, rollouts), minutes(seed, per_minute, rate, rollouts)
    found = sum(int(watching.tick(*next(traffic)).sum()) for _ in range(MINUTES))
    return found, per_thousand(found, rollouts)


def per_thousand(found: int, hours: float) -> Estimate:
    """A rate per 1,000 hours with Garwood's exact interval for a Poisson count.

    Source: F. Garwood, Biometrika 28 (1936), 437-442.
    """
    low = float(chi2.ppf(0.025, 2 * found)) / 2 if found else 0.0
    high = float(chi2.ppf(0.975, 2 * found + 2)) / 2
    return Estimate(found / hours * 1000, low / hours * 1000, high / hours * 1000)


@dataclass(frozen=True, slots=True)
class Delay:
    """Ticks from the change to the rollback. ninety_nine: ticks within which 99 % are caught."""

    mean: Estimate
    median: Estimate
    ninety_nine: Estimate
    within_ten: Estimate


def detection(
    rule: Rule, seed: int, per_minute: float, rates: tuple[float, float], rollouts: int, healthy: int
) -> Delay:
    """How soon the change from the first rate to the second is caught. healthy: ticks at the first rate."""
    watching = Watching(rule, rollouts)
    before = minutes(seed, per_minute, rates[0], rollouts)
    for _ in range(healthy):
        watching.tick(*next(before))
    after = minutes(seed + 1, per_minute, rates[1], rollouts)
    return delay_of(caught_at((watching.tick(*counts) for counts in after), rollouts))


def caught_at(looks: Iterator[Flags], rollouts: int) -> Counts:
    """The tick at which each rollout is first rolled back, from 1; HORIZON_TICKS + 1 where none did."""
    caught = np.zeros(rollouts, dtype=np.int64)
    for tick in range(1, HORIZON_TICKS + 1):
        caught[next(looks) & (caught == 0)] = tick
        if caught.all():
            break
    return np.where(caught == 0, HORIZON_TICKS + 1, caught)


def delay_of(ticks: Counts) -> Delay:
    """Mean, median, 99 % quantile and share within ten ticks, with their intervals."""
    n, ordered = len(ticks), np.sort(ticks)
    mean, half = float(ticks.mean()), 1.96 * float(ticks.std(ddof=1)) / math.sqrt(n)
    within = int((ticks <= 10).sum())
    return Delay(
        Estimate(mean, mean - half, mean + half), _quantile(ordered, 0.5), _quantile(ordered, 0.99), share(within, n)
    )


def share(found: int, n: int) -> Estimate:
    """A share with the exact interval of Clopper and Pearson (Biometrika 26 (1934), 404-413)."""
    interval = binomtest(found, n).proportion_ci(method="exact")
    return Estimate(found / n, float(interval.low), float(interval.high))


def _quantile(ordered: Counts, q: float) -> Estimate:
    """A sample quantile, between the order statistics that enclose the true one with 95 % (Conover 1999, 3.2)."""
    n = len(ordered)
    low, high = (min(n - 1, int(binom.ppf(end, n, q))) for end in (0.025, 0.975))
    return Estimate(float(ordered[min(n - 1, math.ceil(q * n) - 1)]), float(ordered[low]), float(ordered[high]))
