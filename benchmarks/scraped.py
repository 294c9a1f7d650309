"""Traffic as Prometheus has it: counters of several pods, scraped at their own times, some scrapes missed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.sums import Amounts, Flags, Sums, over_limit
from benchmarks.watching import MINUTES, Delay, Estimate, caught_at, delay_of, per_thousand
from modelramp.analysis.stats.change import LIMIT_ALPHA


@dataclass(frozen=True, slots=True)
class Scraping:
    """How a version's counters are scraped.

    each: scrapes of a pod in a window of one minute. extrapolated: whether counts are those of increase(); else they
    are differences of what was scraped, as modelramp.analysis.increases asks for them. missed: share of scrapes that
    fail; what they would have shown, the next one shows.
    """

    each: int
    extrapolated: bool = False
    pods: int = 3
    missed: float = 0.02


def minutes(
    seed: int, scraping: Scraping, per_minute: float, rates: tuple[float, float], rollouts: int, change: int
) -> Iterator[tuple[Amounts, Amounts]]:
    """Failures and requests of every rollout as they are counted, tick after tick.

    rates: before and after minute `change`. Each pod is scraped at its own offset, so the first scrape of a tick also
    shows the end of the minute before.
    """
    random = np.random.default_rng(seed)
    shape = (rollouts, scraping.pods)
    since = random.random(shape)
    held = np.zeros((2, *shape), dtype=np.int64)
    tick = 0
    while True:
        counted = np.zeros((2, rollouts), dtype=np.int64)
        for scrape in range(scraping.each):
            mixed = since if tick == change and scrape == 0 else 1.0 * (tick >= change)
            total = random.poisson(per_minute / scraping.each / scraping.pods, shape)
            held += np.stack([random.binomial(total, rates[0] + (rates[1] - rates[0]) * mixed), total])
            shown = random.random(shape) >= scraping.missed
            if not (scraping.extrapolated and scrape == 0):
                counted += (held * shown).sum(axis=2)
            held *= ~shown
        tick += 1
        if scraping.extrapolated:
            bad, all_of_it = counted * (scraping.each / (scraping.each - 1))
            yield bad, all_of_it
        else:
            yield counted[0], counted[1]


def false_rollbacks(scraping: Scraping, seed: int, per_minute: float, rate: float, hours: int) -> Estimate:
    """Healthy rollouts of an hour each that `detect: change` against the limit rolls back, per 1,000 hours."""
    traffic = minutes(seed, scraping, per_minute, (rate, rate), hours, 0)
    sums, found = Sums(hours, LIMIT_ALPHA), 0
    for _ in range(MINUTES):
        rolled = _rolled(sums, next(traffic))
        found += int(rolled.sum())
        sums.forget(rolled)
    return per_thousand(found, hours)


def detection(
    scraping: Scraping, seed: int, per_minute: float, rates: tuple[float, float], rollouts: int, healthy: int
) -> Delay:
    """How soon the change from the first rate to the second is caught. healthy: ticks at the first rate."""
    traffic = minutes(seed, scraping, per_minute, rates, rollouts, healthy)
    sums = Sums(rollouts, LIMIT_ALPHA)
    for _ in range(healthy):
        sums.forget(_rolled(sums, next(traffic)))
    return delay_of(caught_at((_rolled(sums, counts) for counts in traffic), rollouts))


def _rolled(sums: Sums, counts: tuple[Amounts, Amounts]) -> Flags:
    bad, total = counts
    return sums.tick(over_limit(bad, total), total > 0)
