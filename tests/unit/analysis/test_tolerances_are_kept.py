"""A version that is exactly as much worse as is tolerated is seldom rolled back; one that is much worse is found."""

import math

import numpy as np
import pytest

from modelramp.analysis.evidence import Proportion
from modelramp.analysis.stats.compare import Tolerance, least_excess, quantiles, rates
from modelramp.analysis.stats.histograms import Buckets
from modelramp.api.verdict import Verdict

RUNS = 2000
SIZES = [
    ("one point", 1000, 9000, 0.02, Tolerance(absolute=0.01)),
    ("half as much again", 1000, 1000, 0.02, Tolerance(relative=0.5)),
    ("twice as much, few of them", 100, 900, 0.02, Tolerance(relative=1.0)),
    ("a fifth, many", 5000, 5000, 0.01, Tolerance(relative=0.2)),
    ("the larger of both", 1000, 1000, 0.05, Tolerance(absolute=0.01, relative=0.5)),
    ("rare failures", 400, 400, 0.005, Tolerance(absolute=0.005)),
]


def share(candidate, stable, tolerance, n, m):
    """The share of breaches when the true rates are these."""
    chance = np.random.default_rng(7)
    pairs = zip(chance.binomial(n, candidate, RUNS), chance.binomial(m, stable, RUNS), strict=True)
    found = (rates(Proportion(float(c), n), Proportion(float(s), m), tolerance) for c, s in pairs)
    return sum(one.verdict is Verdict.BREACH for one in found) / RUNS


@pytest.mark.parametrize(("n", "m", "stable", "tolerance"), [row[1:] for row in SIZES], ids=[row[0] for row in SIZES])
def test_at_the_tolerance_few_ticks_breach(n, m, stable, tolerance):
    assert share(stable + tolerance.allowed(stable), stable, tolerance, n, m) <= 0.035


def test_far_beyond_the_tolerance_nearly_all_breach():
    assert share(0.1, 0.02, Tolerance(relative=0.5), 1000, 1000) > 0.99
    assert share(0.1, 0.02, Tolerance(absolute=0.01), 300, 2700) > 0.95


def test_few_failures_are_never_judged_by_approximation():
    candidate, stable = Proportion(6, 200), Proportion(1, 200)
    exact = least_excess(candidate, stable, 1.0, 0.01, 0.05)

    assert exact < 0, "Clopper and Pearson: 0.0096 to 1 less 0 to 0.0307 and 0.01"
    assert rates(candidate, stable, Tolerance(absolute=0.01)).verdict is Verdict.HEALTHY


def histogram(scale, n, seed):
    edges = (*(0.02 * 1.1**step for step in range(60)), math.inf)
    values = np.random.default_rng(seed).gamma(2.0, scale, n)
    counts, _ = np.histogram(values, bins=(0.0, *edges))
    return Buckets(edges, tuple(float(count) for count in counts), lowest=0.0)


def test_a_quantile_at_a_relative_tolerance_seldom_breaches():
    tolerance = Tolerance(relative=0.2)
    found = [quantiles(histogram(0.12, 800, 2 * k), histogram(0.1, 800, 2 * k + 1), 0.9, tolerance) for k in range(400)]

    assert sum(one.verdict is Verdict.BREACH for one in found) / len(found) <= 0.06
