"""The same drift has the same verdict at every split of the traffic; inputs of one user are not independent."""

import math

import numpy as np
import pytest

from modelramp.analysis.stats.drift import Measure, Rule, cramers_v, drift
from modelramp.analysis.stats.histograms import Buckets
from modelramp.api.verdict import Verdict

EDGES = (*np.linspace(-2, 2, 9).tolist(), math.inf)
BEFORE, SHIFTED = (0.1, 0.2, 0.4, 0.2, 0.1), (0.05, 0.1, 0.3, 0.3, 0.25)
SPLITS = {"half and half": 2000, "one of ten": 18_000, "one of a hundred": 198_000, "a stored reference": 10**8}


def of_shares(shares, total):
    return Buckets((1.0, 2.0, 3.0, 4.0, math.inf), tuple(share * total for share in shares), lowest=0.0)


@pytest.mark.parametrize("measure", Measure)
@pytest.mark.parametrize("reference", SPLITS.values(), ids=SPLITS)
def test_the_same_shift_has_the_same_size_and_verdict_at_every_split(measure, reference):
    even = drift(of_shares(SHIFTED, 2000), of_shares(BEFORE, 2000), Rule(measure))
    found = drift(of_shares(SHIFTED, 2000), of_shares(BEFORE, reference), Rule(measure))

    assert found.verdict is even.verdict is Verdict.BREACH
    assert found.value == pytest.approx(even.value)


def test_cramers_v_is_that_of_the_table_when_both_have_as_many():
    one, other = [20, 30, 50], [30, 30, 40]
    statistic = sum((a - b) ** 2 / (a + b) for a, b in zip(one, other, strict=True))  # Pearson's, for equal totals
    assert cramers_v(one, other) == pytest.approx(math.sqrt(statistic / 200))
    assert cramers_v([10, 0], [0, 30]) == pytest.approx(1.0)


@pytest.mark.parametrize(("n", "m"), [(200, 200), (200, 1800), (200, 19_800)])
def test_no_drift_is_found_no_more_often_than_alpha_at_any_split(n, m):
    chance, alarms = np.random.default_rng(n + m), 0
    for _ in range(400):
        arms = (of_shares(chance.multinomial(size, BEFORE).tolist(), 1) for size in (n, m))
        alarms += drift(*arms, Rule(Measure.CHI_SQUARE, limit=0.0)).verdict is Verdict.BREACH
    assert alarms <= 400 * 0.01 + 3.1 * math.sqrt(400 * 0.01)


def of_users(chance, sizes, shift=0.0):
    """Inputs that are nearly equal within a user."""
    values = np.repeat(chance.normal(shift, 1, len(sizes)), sizes)
    values += chance.normal(0, 0.05, len(values))
    counts, _ = np.histogram(values, bins=(-math.inf, *EDGES))
    return Buckets(EDGES, tuple(counts.astype(float).tolist()))


def alarms(measure, size, shift=0.0, even=True, runs=200):
    chance, found = np.random.default_rng(5), 0
    for _ in range(runs):
        sizes = ([10] * users if even else 1 + chance.poisson(9, users) for users in (100, 900))
        candidate, stable = (of_users(chance, each, by) for each, by in zip(sizes, (shift, 0.0), strict=True))
        found += drift(candidate, stable, Rule(measure, 0.0, cluster_size=size)).verdict is Verdict.BREACH
    return found / runs


@pytest.mark.parametrize("measure", Measure)
def test_ten_inputs_of_each_user_count_as_one(measure):
    assert alarms(measure, 1) > 0.2, "they would be taken for independent"
    assert alarms(measure, 10) <= 0.02
    assert alarms(measure, 10, shift=0.8) > 0.9


def test_users_of_unequal_size_count_by_the_mean_square():
    sizes = 1 + np.random.default_rng(1).poisson(9, 10_000)
    assert (sizes**2).mean() / sizes.mean() == pytest.approx(10.9, abs=0.1)
    assert alarms(Measure.MEAN_SHIFT, 10.9, even=False) <= 0.02


def test_the_sentence_says_what_counts_as_one():
    found = drift(of_shares(SHIFTED, 2000), of_shares(BEFORE, 2000), Rule(cluster_size=10))
    assert found.detail.endswith("n = 2,000 against 2,000, 10 of which count as one")
