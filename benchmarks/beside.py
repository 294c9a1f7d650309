"""`sequential` against a stable version with nine times the traffic, at a steady rate; one breach rolls back."""

from collections.abc import Iterator

import numpy as np

from benchmarks.rules import Counts
from benchmarks.sums import Sums, over_stable
from benchmarks.watching import HORIZON_TICKS, MINUTES, Delay, Estimate, delay_of, minutes, per_thousand
from modelramp.analysis.evidence import Proportion
from modelramp.analysis.stats.change import STABLE_ALPHA
from modelramp.analysis.stats.sequential import Design, RateLooks, look_at_rates
from modelramp.api.verdict import Verdict

TIMES = 9
"""Requests of the stable version for each of the candidate's: a first step of 10 %."""
Ticks = Iterator[tuple[Counts, Counts, Counts, Counts]]


def both(seed: int, per_minute: float, rates: tuple[float, float], rollouts: int) -> Ticks:
    """Failures and requests of candidate and stable version, minute after minute."""
    other = minutes(seed + 1_000, TIMES * per_minute, rates[1], rollouts)
    for candidate, stable in zip(minutes(seed, per_minute, rates[0], rollouts), other, strict=True):
        yield *candidate, *stable


def _change_tick(sums: Sums, ticks: Ticks) -> Counts:
    counts = next(ticks)
    found = sums.tick(over_stable(*counts), (counts[1] > 0) & (counts[3] > 0))
    sums.forget(found)
    return found.astype(np.int64)


def change_false(seed: int, per_minute: float, rate: float, hours: int) -> tuple[int, Estimate]:
    """False rollbacks of `detect: change` while both versions are alike."""
    sums, ticks = Sums(hours, STABLE_ALPHA), both(seed, per_minute, (rate, rate), hours)
    found = sum(int(_change_tick(sums, ticks).sum()) for _ in range(MINUTES))
    return found, per_thousand(found, hours)


def change_delay(seed: int, per_minute: float, rates: tuple[float, float], rollouts: int, healthy: int) -> Delay:
    """How soon `detect: change` finds that the candidate's rate rose, after so many ticks at which it was alike."""
    sums, before = Sums(rollouts, STABLE_ALPHA), both(seed, per_minute, (rates[0], rates[0]), rollouts)
    for _ in range(healthy):
        _change_tick(sums, before)
    after, caught = both(seed + 1, per_minute, (rates[1], rates[0]), rollouts), np.zeros(rollouts, dtype=np.int64)
    for tick in range(1, HORIZON_TICKS + 1):
        caught[(_change_tick(sums, after) > 0) & (caught == 0)] = tick
        if caught.all():
            break
    return delay_of(np.where(caught == 0, HORIZON_TICKS + 1, caught))


def difference_false(random: np.random.Generator, per_minute: int, rate: float, hours: int) -> tuple[int, Estimate]:
    """False rollbacks of `detect: difference` while both versions are alike."""
    found = sum(_ticks_to_breach(random, per_minute, (rate, rate), 0, MINUTES) <= MINUTES for _ in range(hours))
    return found, per_thousand(found, hours)


def difference_delay(
    random: np.random.Generator, per_minute: int, rates: tuple[float, float], rollouts: int, healthy: int
) -> Delay:
    """How soon `detect: difference` finds it."""
    return delay_of(
        np.array([_ticks_to_breach(random, per_minute, rates, healthy, 300) for _ in range(rollouts)], dtype=np.int64)
    )


def _ticks_to_breach(
    random: np.random.Generator, per_minute: int, rates: tuple[float, float], healthy: int, most: int
) -> int:
    """Ticks from the change to the first breach; most + 1 when there is none. A false rollback begins anew."""
    looks, design = RateLooks(), Design()
    for tick in range(1, healthy + most + 1):
        one, other = int(random.poisson(per_minute)), int(random.poisson(TIMES * per_minute))
        candidate = Proportion(int(random.binomial(one, rates[tick > healthy])), one)
        stable = Proportion(int(random.binomial(other, rates[0])), other)
        looks, result = look_at_rates(looks, candidate, stable, design)
        if result.verdict is Verdict.BREACH and tick > healthy:
            return tick - healthy
        if result.verdict is Verdict.BREACH:
            looks = RateLooks()
    return most + 1
