"""A version that is exactly as much worse as is tolerated is seldom rolled back; one that is much worse is found."""

import math

import numpy as np
import pytest
from scipy import stats

from modelramp.analysis.evidence import Proportion
from modelramp.analysis.stats.compare import Tolerance, least_excess, quantiles, rates, ratio_interval
from modelramp.analysis.stats.histograms import Buckets
from modelramp.analysis.stats.performance import performance
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


QUALITY = [
    ("as usual", 1000, 9000, 0.95, 0.05),
    ("as many", 300, 300, 0.9, 0.1),
    ("few failures", 150, 1350, 0.95, 0.05),
    ("hardly any", 200, 1000, 0.999, 0.01),
    ("a known baseline", 300, 100_000, 0.95, 0.05),
]


def fallen(n, m, baseline, limit, change):
    """The share of breaches when the candidate is right in (1 - change) of what the baseline is."""
    chance = np.random.default_rng(13)
    wrong, before = chance.binomial(n, 1 - baseline * (1 - change), RUNS), chance.binomial(m, 1 - baseline, RUNS)
    pairs = zip(wrong.tolist(), before.tolist(), strict=True)
    found = (performance(Proportion(float(w), n), Proportion(float(b), m), limit) for w, b in pairs)
    return sum(one.verdict is Verdict.BREACH for one in found) / RUNS


@pytest.mark.parametrize(("n", "m", "baseline", "limit"), [row[1:] for row in QUALITY], ids=[row[0] for row in QUALITY])
def test_quality_that_fell_exactly_by_the_limit_seldom_breaches(n, m, baseline, limit):
    assert fallen(n, m, baseline, limit, change=limit) <= 0.035


def test_quality_that_fell_well_beyond_the_limit_is_found():
    assert fallen(1000, 9000, 0.95, 0.05, change=0.12) > 0.98


def test_the_interval_of_a_change_agrees_with_the_verdict():
    chance = np.random.default_rng(17)
    for wrong, before in zip(chance.binomial(400, 0.12, 500).tolist(), chance.binomial(900, 0.05, 500), strict=True):
        found = performance(Proportion(wrong, 400), Proportion(float(before), 900))
        assert (found.verdict is Verdict.BREACH) == (found.interval[1] < -0.05), found.detail


def test_few_failures_have_an_exact_interval_that_may_reach_any_change():
    one, other = (stats.binomtest(bad, 10).proportion_ci(0.975, method="exact") for bad in (3, 1))

    found = ratio_interval(Proportion(3, 10), Proportion(1, 10), 0.05)
    assert found == pytest.approx((one.low / other.high, one.high / other.low))
    assert ratio_interval(Proportion(3, 10), Proportion(0, 10), 0.05)[1] == math.inf
