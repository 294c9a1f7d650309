"""Operating curves: what a rule's false rollbacks buy in speed, at four amounts of traffic."""

import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks import beside, levels
from benchmarks.chances import Cusum, mean_ticks, per_thousand_hours
from benchmarks.rules import ALPHAS, BY_ALPHA, CHANGE_ALPHAS, PLAIN, RATIO, RULES, Evidence, Rule, detecting
from benchmarks.watching import Delay, Estimate, detection, false_rollbacks
from modelramp.analysis.stats.drift import Measure

DOCS = Path(__file__).parents[1] / "docs" / "reference"
TRAFFIC = (3, 30, 300, 3_000)
HEALTHY, SICK = 0.01, 0.10
BEFORE = (0, 10, 60)
"""Healthy ticks before the change: none, two default steps, an hour."""
SEED = 20_261_120
FLOOR = 0.001
"""False rollbacks per 1,000 hours below which no CUSUM is matched: one in a million hours."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is simulated: hours of healthy rollouts, detected changes, runs of each level.

    pairs: runs of what has to be stepped look by look. looks: of the sequential levels.
    """

    hours: int
    changes: int
    runs: int
    pairs: int
    looks: int = 500


FULL = Sizes(hours=50_000, changes=10_000, runs=4_000, pairs=500)
QUICK = Sizes(hours=200, changes=50, runs=20, pairs=3, looks=10)


@dataclass(frozen=True, slots=True)
class Optimum:
    """The CUSUM with the same false-alarm rate: that rate per 1,000 hours, and its delays in ticks."""

    matched: float
    mean: float
    median: int
    ninety_nine: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One rule at one amount of traffic. exact: false rollbacks where they can be computed. delays: by BEFORE.

    optimum: only for rules against a limit.
    """

    rule: str
    per_minute: float
    found: int
    false: Estimate
    exact: float | None
    delays: tuple[Delay, ...]
    optimum: Optimum | None


@dataclass(frozen=True, slots=True)
class Point:
    """A rule with another setting: mean ticks to detection, and false rollbacks per 1,000 hours."""

    setting: str
    ticks: float
    false: Estimate


@dataclass(frozen=True, slots=True)
class Curves:
    """All that the page and the picture show. lines: by amount of traffic, then by name."""

    sizes: Sizes
    measured: tuple[Measured, ...]
    stable: tuple[Measured, ...]
    levels: tuple[levels.Level, ...]
    drift: tuple[levels.Level, ...]
    long_runs: tuple[levels.LongRun, ...]
    lines: dict[float, dict[str, tuple[Point, ...]]]


def simulate(sizes: Sizes, traffic: tuple[int, ...] = TRAFFIC) -> Curves:
    """Everything, from fixed seeds: the same sizes give the same numbers."""
    measured, stable, lines = [], [], {}
    for per_minute in traffic:
        began = time.perf_counter()
        measured += [measure(rule, per_minute, sizes) for rule in RULES]
        stable += against_stable(per_minute, sizes)
        lines[float(per_minute)] = drawn(per_minute, sizes)
        _tell(f"{per_minute} requests a minute", began)
    began = time.perf_counter()
    found, drift = every_level(sizes), every_drift(sizes)
    long_runs = [levels.run_length(n, sizes.looks, sizes.runs, SEED + 10) for n in traffic]
    _tell("declared alphas", began)
    return Curves(sizes, tuple(measured), tuple(stable), tuple(found), tuple(drift), tuple(long_runs), lines)


def measure(rule: Rule, per_minute: float, sizes: Sizes) -> Measured:
    """One rule: false rollbacks while healthy, and the delay after a change."""
    found, false = false_rollbacks(rule, SEED, per_minute, HEALTHY, sizes.hours)
    exact = per_thousand_hours(mean_ticks(rule, per_minute, HEALTHY)) if rule.independent else None
    delays = tuple(detection(rule, SEED + 1, per_minute, (HEALTHY, SICK), sizes.changes, ticks) for ticks in BEFORE)
    return Measured(rule.name, per_minute, found, false, exact, delays, optimum(per_minute, exact, found, false))


def optimum(per_minute: float, exact: float | None, found: int, false: Estimate) -> Optimum:
    """The CUSUM at the same rate; at the upper end of the interval when too few alarms were seen to know it."""
    rate = exact if exact is not None else false.value if found >= 10 else false.high
    matched = max(rate, FLOOR)
    return Optimum(matched, *fastest(per_minute, matched))


@lru_cache
def fastest(per_minute: float, rate: float) -> tuple[float, int, int]:
    """The delays of the CUSUM with so many false alarms per 1,000 hours: mean, median, 99 %."""
    cusum = Cusum(per_minute, HEALTHY, SICK)
    return cusum.delays(cusum.threshold_for(60_000 / rate))


def against_stable(per_minute: int, sizes: Sizes) -> list[Measured]:
    """`sequential` against the stable version, which has nine times the traffic; one breach rolls back."""
    rates = (HEALTHY, SICK)
    random, hours = np.random.default_rng(SEED + 2), sizes.pairs * 2
    found, false = beside.difference_false(random, per_minute, HEALTHY, hours)
    delays = tuple(beside.difference_delay(random, per_minute, rates, sizes.pairs, ticks) for ticks in BEFORE)
    both = [Measured("difference", per_minute, found, false, None, delays, None)]
    found, false = beside.change_false(SEED + 2, per_minute, HEALTHY, sizes.hours)
    delays = tuple(beside.change_delay(SEED + 3, per_minute, rates, sizes.changes, ticks) for ticks in BEFORE)
    return [*both, Measured("change", per_minute, found, false, None, delays, None)]


def every_level(sizes: Sizes) -> list[levels.Level]:
    """The tests under no difference."""
    looks, pairs = sizes.looks, sizes.pairs
    found = [levels.of_limit(alpha, n, looks, sizes.runs, SEED + 3) for alpha in (0.05, 0.01) for n in (3, 30, 300)]
    found += [
        levels.of_rates(HEALTHY, arms, looks, pairs, SEED + 4) for arms in ((3, 27), (10, 990), (30, 270), (300, 300))
    ]
    found += [levels.of_means(arms, looks, pairs, SEED + 5) for arms in ((30, 270), (300, 300))]
    found += [levels.of_change_over_limit(0.05 / looks, n, looks, sizes.runs, SEED + 7) for n in (3, 30, 300)]
    for arms in ((3, 27), (30, 270), (300, 300), (270, 30)):
        found.append(levels.of_change_over_stable(HEALTHY, arms, 0.05 / looks, looks, sizes.runs, SEED + 8))
    return found


def every_drift(sizes: Sizes) -> list[levels.Level]:
    """All measures of drift without any drift: sizes and shapes of both samples."""
    found = []
    for measure in Measure:
        for n in levels.SAMPLES:
            found.append(levels.of_drift(measure, n, sizes.runs, SEED + 6, limit=None))
            for shape in levels.SHAPES:
                if n * shape.times < min(levels.SAMPLES):
                    continue  # too few for the check: no data
                found.append(levels.of_drift(measure, n, sizes.runs, SEED + 6, limit=0.0, shape=shape))
    for n in levels.SAMPLES:
        found += [levels.of_performance(n, times, sizes.runs, SEED + 9) for times in (1, 10, 0.1)]
    return found


def drawn(per_minute: int, sizes: Sizes) -> dict[str, tuple[Point, ...]]:
    """The lines of the picture: each rule with other settings, and the CUSUM."""
    lines: dict[str, tuple[Point, ...]] = {}
    for name, border in (("threshold", PLAIN), ("ratio", RATIO)):
        rules = [Rule(f"{k} in a row", border, k) for k in range(1, 6)]
        lines[name] = tuple(_computed(rule, per_minute) for rule in rules)
    by_name = {
        "difference": [Rule(f"alpha {alpha:g}", BY_ALPHA[alpha], 1, Evidence.LOOKS) for alpha in ALPHAS],
        "change": [detecting(f"alpha {alpha:g}", 1, alpha) for alpha in CHANGE_ALPHAS],
    }
    for name, rules in by_name.items():
        false = [false_rollbacks(rule, SEED, per_minute, HEALTHY, sizes.hours)[1] for rule in rules]
        for healthy, when in ((0, "sick from the start"), (60, "sick after an hour")):
            points = zip(rules, false, strict=True)
            lines[f"{name}, {when}"] = tuple(_simulated(*each, per_minute, sizes, healthy) for each in points)
    del lines["change, sick from the start"]  # nearly the same as after an hour, which is its point
    at = [(rate, fastest(per_minute, rate)[0]) for rate in (3.0**power for power in range(-6, 7))]
    lines["optimal CUSUM"] = tuple(Point("", ticks, Estimate(rate, rate, rate)) for rate, ticks in at)
    return lines


def _computed(rule: Rule, per_minute: float) -> Point:
    false = per_thousand_hours(mean_ticks(rule, per_minute, HEALTHY))
    return Point(rule.name, mean_ticks(rule, per_minute, SICK), Estimate(false, false, false))


def _simulated(rule: Rule, false: Estimate, per_minute: float, sizes: Sizes, healthy: int) -> Point:
    delay = detection(rule, SEED + 1, per_minute, (HEALTHY, SICK), sizes.changes // 4, healthy)
    return Point(rule.name, delay.mean.value, false)


def _tell(what: str, began: float) -> None:
    print(f"{what}: {time.perf_counter() - began:.0f} s", file=sys.stderr)


def main() -> int:
    """Simulate and write the page and its picture."""
    from benchmarks.page import page, targets
    from benchmarks.picture import picture

    curves = simulate(FULL)
    (DOCS / "operating-curves.md").write_text(page(curves), encoding="utf-8")
    (DOCS / "operating-curves.svg").write_text(picture(curves.lines), encoding="utf-8")
    print("\n".join(targets(curves)))
    broken = [level for level in (*curves.levels, *curves.drift) if not level.kept]
    for level in broken:
        print(f"{level.test} ({level.setting}) alarms more often than its alpha of {level.alpha:g}", file=sys.stderr)
    short = [each for each in curves.long_runs if not each.kept]
    for each in short:
        print(f"{each.setting}: false alarms come more often than every {each.promised:g} looks", file=sys.stderr)
    return 1 if broken or short else 0
