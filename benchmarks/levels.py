"""Whether the tests keep the chance of a false alarm that they declare: over many looks, and at every sample size."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.stats import binom  # type: ignore[import-untyped]

from benchmarks.rules import LIMIT, Border, Counts, sequential_breaches
from benchmarks.sums import Sums, over_limit, over_stable
from benchmarks.watching import Estimate, minutes, per_thousand, share
from modelramp.analysis.evidence import Mean, Proportion, Result
from modelramp.analysis.stats.change import LIMIT_ALPHA
from modelramp.analysis.stats.drift import Measure, Rule, drift
from modelramp.analysis.stats.histograms import Buckets
from modelramp.analysis.stats.performance import performance
from modelramp.analysis.stats.sequential import Design, MeanLooks, RateLooks, look_at_means, look_at_rates
from modelramp.api.verdict import Verdict

Looks = TypeVar("Looks")
SAMPLES = (100, 1_000, 10_000, 100_000)
EDGES = tuple(map(float, range(1, 11)))


@dataclass(frozen=True, slots=True)
class Level:
    """A test under no difference. alarms: share of runs that it ever called a breach."""

    test: str
    setting: str
    alpha: float
    runs: int
    alarms: Estimate

    @property
    def kept(self) -> bool:
        """Whether so many alarms are no wonder at the declared alpha: there are hundreds of levels, so one in 1,000."""
        return float(binom.sf(round(self.alarms.value * self.runs) - 1, self.runs, self.alpha)) >= 0.001


@dataclass(frozen=True, slots=True)
class LongRun:
    """`detect: change` at a rate exactly at its limit: looks to a false alarm, as promised and as counted."""

    setting: str
    promised: float
    looks: Estimate

    @property
    def kept(self) -> bool:
        """Whether the looks are compatible with the promise."""
        return self.looks.high >= self.promised


@dataclass(frozen=True, slots=True)
class Shape:
    """Two samples of one distribution. tail: each bucket holds half of what the one before it holds.

    times: how large the reference is, against the candidate.
    """

    tail: bool = False
    times: float = 1

    def __str__(self) -> str:
        spread = "long tail" if self.tail else "even"
        return spread if self.times == 1 else f"{spread}, reference {self.times:g} n"


SHAPES = tuple(Shape(tail, times) for tail in (False, True) for times in (1, 10, 0.1))


def of_limit(alpha: float, per_minute: float, looks: int, runs: int, seed: int) -> Level:
    """The sequential check against a limit when the true rate lies exactly at it, the worst that is still healthy."""
    border, traffic = Border(sequential_breaches(alpha)), minutes(seed, per_minute, LIMIT, runs)
    bad: Counts = np.zeros(runs, dtype=np.int64)
    total: Counts = np.zeros(runs, dtype=np.int64)
    alarmed = np.zeros(runs, dtype=bool)
    for _ in range(looks):
        failures, requests = next(traffic)
        bad, total = bad + failures, total + requests
        alarmed |= (total > 0) & (bad >= border.least(total))
    setting = f"true rate at the limit, {per_minute:g} requests a tick"
    return Level("sequential, limit", setting, alpha, runs, share(int(alarmed.sum()), runs))


def of_rates(rate: float, arms: tuple[float, float], looks: int, runs: int, seed: int) -> Level:
    """The sequential comparison of two rates that are equal; arms: requests a tick of candidate and stable version."""
    random, design = np.random.default_rng(seed), Design()

    def look(before: RateLooks) -> tuple[RateLooks, Result]:
        one, other = random.poisson(arms[0]), random.poisson(arms[1])
        failures = random.binomial(one, rate), random.binomial(other, rate)
        return look_at_rates(before, Proportion(failures[0], one), Proportion(failures[1], other), design)

    alarms = sum(_ever(look, RateLooks(), looks) for _ in range(runs))
    setting = f"both {rate * 100:g} %, {arms[0]:g} and {arms[1]:g} requests a tick"
    return Level("sequential, rates", setting, design.alpha, runs, share(alarms, runs))


def of_means(arms: tuple[float, float], looks: int, runs: int, seed: int) -> Level:
    """The sequential comparison of two means of exponential times that are equal."""
    random, design = np.random.default_rng(seed), Design(effect=0.2)

    def look(before: MeanLooks) -> tuple[MeanLooks, Result]:
        one, other = random.poisson(arms[0]), random.poisson(arms[1])
        return look_at_means(before, Mean(_times(random, one), one), Mean(_times(random, other), other), design)

    alarms = sum(_ever(look, MeanLooks(), looks) for _ in range(runs))
    setting = f"equal exponential times, {arms[0]:g} and {arms[1]:g} requests a tick"
    return Level("sequential, means", setting, design.alpha, runs, share(alarms, runs))


def of_change_over_limit(alpha: float, per_minute: float, looks: int, runs: int, seed: int) -> Level:
    """`detect: change` at a rate exactly at the limit: the chance of an alarm within n looks is at most n alpha."""
    sums, traffic, alarmed = Sums(runs, alpha), minutes(seed, per_minute, LIMIT, runs), np.zeros(runs, dtype=bool)
    for _ in range(looks):
        bad, total = next(traffic)
        alarmed |= sums.tick(over_limit(bad, total), total > 0)
    setting = f"true rate at the limit, {per_minute:g} requests a tick, alpha {alpha:g} a look"
    return Level("change, limit", setting, alpha * looks, runs, share(int(alarmed.sum()), runs))


def of_change_over_stable(
    rate: float, arms: tuple[float, float], alpha: float, looks: int, runs: int, seed: int
) -> Level:
    """`detect: change` between two rates that are equal; arms: requests a tick of candidate and stable version."""
    sums, alarmed = Sums(runs, alpha), np.zeros(runs, dtype=bool)
    one, other = (minutes(seed + place, arm, rate, runs) for place, arm in enumerate(arms))
    for _ in range(looks):
        counts = (*next(one), *next(other))
        alarmed |= sums.tick(over_stable(*counts), (counts[1] > 0) & (counts[3] > 0))
    setting = f"both {rate * 100:g} %, {arms[0]:g} and {arms[1]:g} requests a tick, alpha {alpha:g} a look"
    return Level("change, rates", setting, alpha * looks, runs, share(int(alarmed.sum()), runs))


def run_length(per_minute: float, looks: int, runs: int, seed: int) -> LongRun:
    """Looks to a false alarm of `detect: change` with its default alpha; after each it begins anew."""
    sums, traffic, found = Sums(runs, LIMIT_ALPHA), minutes(seed, per_minute, LIMIT, runs), 0
    for _ in range(looks):
        bad, total = next(traffic)
        alarms = sums.tick(over_limit(bad, total), total > 0)
        found += int(alarms.sum())
        sums.forget(alarms)
    rate = per_thousand(found, looks * runs)
    between = Estimate(*(1000 / each if each else math.inf for each in (rate.value, rate.high, rate.low)))
    return LongRun(f"{per_minute:,g} requests a tick", 1 / LIMIT_ALPHA, between)


EVEN = Shape()


def of_drift(measure: Measure, n: int, runs: int, seed: int, *, limit: float | None, shape: Shape = EVEN) -> Level:
    """A drift check on two samples of one distribution in ten buckets; limit 0 leaves it only its p-value."""
    random, rule = np.random.default_rng([seed, n]), Rule(measure, limit)
    weights = np.array([0.5**place if shape.tail else 1.0 for place in range(len(EDGES))])

    def sample(size: float) -> Buckets:
        return Buckets(EDGES, tuple(random.multinomial(round(size), weights / weights.sum()).tolist()), lowest=0.0)

    drifted = (drift(sample(n), sample(n * shape.times), rule).verdict is Verdict.BREACH for _ in range(runs))
    setting = f"n = {n:,}, {shape}, {'default limit' if limit is None else 'limit 0'}"
    return Level(f"drift, {measure.value}", setting, rule.alpha, runs, share(sum(drifted), runs))


def of_performance(n: int, times: float, runs: int, seed: int) -> Level:
    """Drift of a share that is right: both are wrong in 5 % of cases; limit 0 leaves the check only its p-value."""
    random, alpha = np.random.default_rng([seed, n]), 0.05
    arms = [(size, random.binomial(size, 0.05, runs).tolist()) for size in (n, round(n * times))]
    (size, bad), (base, before) = arms
    drifted = (
        performance(Proportion(b, size), Proportion(r, base), 0.0, alpha).verdict is Verdict.BREACH
        for b, r in zip(bad, before, strict=True)
    )
    setting = f"n = {n:,}, baseline {times:g} n, limit 0"
    return Level("drift, performance", setting, alpha, runs, share(sum(drifted), runs))


def _ever(look: Callable[[Looks], tuple[Looks, Result]], state: Looks, looks: int) -> bool:
    for _ in range(looks):
        state, result = look(state)
        if result.verdict is Verdict.BREACH:
            return True
    return False


def _times(random: np.random.Generator, count: int) -> float:
    return float(random.gamma(count)) if count else 0.0
