"""Whether the tests keep the chance of a false alarm that they declare: over many looks, and at every sample size."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from benchmarks.rules import LIMIT, Border, Counts, sequential_breaches
from benchmarks.watching import Estimate, minutes, share
from modelramp.analysis.drift import Measure, Rule, drift
from modelramp.analysis.evidence import Mean, Proportion, Result
from modelramp.analysis.histograms import Buckets
from modelramp.analysis.sequential import Design, MeanLooks, RateLooks, look_at_means, look_at_rates
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
        """Whether the runs are compatible with the declared alpha."""
        return self.alarms.low <= self.alpha


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


def of_drift(measure: Measure, n: int, runs: int, seed: int, *, limit: float | None, tail: bool = False) -> Level:
    """A drift check on two samples of one distribution in ten buckets; limit 0 leaves it only its p-value.

    tail: each bucket holds half of what the one before it holds, so that the last are nearly empty; else all the same.
    """
    random, rule = np.random.default_rng([seed, n]), Rule(measure, limit)
    weights = np.array([0.5**place if tail else 1.0 for place in range(len(EDGES))])

    def sample() -> Buckets:
        return Buckets(EDGES, tuple(random.multinomial(n, weights / weights.sum()).tolist()), lowest=0.0)

    alarms = sum(drift(sample(), sample(), rule).verdict is Verdict.BREACH for _ in range(runs))
    spread = "long tail" if tail else "even"
    setting = f"n = {n:,}, {spread}, {'default limit' if limit is None else 'limit 0'}"
    return Level(f"drift, {measure.value}", setting, rule.alpha, runs, share(alarms, runs))


def _ever(look: Callable[[Looks], tuple[Looks, Result]], state: Looks, looks: int) -> bool:
    for _ in range(looks):
        state, result = look(state)
        if result.verdict is Verdict.BREACH:
            return True
    return False


def _times(random: np.random.Generator, count: int) -> float:
    return float(random.gamma(count)) if count else 0.0
