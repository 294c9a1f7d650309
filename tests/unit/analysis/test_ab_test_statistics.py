"""The intervals of an A/B test hold over all looks; the split is watched; and all of it can be checked by the book."""

import math
import random

import numpy as np
import pytest
from scipy import stats

from modelramp.analysis.abtest import (
    BATCH,
    IMBALANCE_ALPHA,
    LEAST_TAU,
    POWER,
    Batch,
    Paired,
    chi_square,
    deviation_of,
    deviation_of_rates,
    difference_of_means,
    difference_of_rates,
    difference_of_users,
    imbalance,
    mismatched,
    samples_to_win,
)
from modelramp.analysis.evidence import Mean, Proportion
from modelramp.analysis.stats.sequential import likelihood_ratio

ALPHA = 0.05
RUNS = 300


def seeded(seed):
    return random.Random(seed)  # noqa: S311 - a simulation, not a secret


def binomial(chance, n, rate):
    """How many of n trials came out."""
    return sum(chance.random() < rate for _ in range(n))


def rates(chance, rate, better, sizes, ticks):
    """The cumulated counts of both versions, tick by tick."""
    counts = [0, 0]
    for tick in range(1, ticks + 1):
        for arm, at in enumerate((rate + better, rate)):
            counts[arm] += binomial(chance, sizes[arm], at)
        yield tuple(Proportion(float(counts[arm]), float(sizes[arm] * tick)) for arm in range(2))


def ever_missed(rate, better, sizes, ticks, tau, seed):
    """The share of tests in which any look's interval missed the true difference."""
    chance, missed = seeded(seed), 0
    for _ in range(RUNS):
        for arms in rates(chance, rate, better, sizes, ticks):
            found = difference_of_rates(*arms, ALPHA, tau)
            if found is not None and not found.low <= better <= found.high:
                missed += 1
                break
    return missed / RUNS


@pytest.mark.parametrize(
    ("rate", "better", "sizes", "tau"),
    [(0.1, 0.0, (30, 30), 0.02), (0.1, 0.0, (5, 45), 0.05), (0.03, 0.02, (30, 30), 0.01), (0.5, 0.1, (45, 5), 0.05)],
)
def test_the_interval_of_rates_misses_the_truth_at_any_of_100_looks_no_more_often_than_alpha(rate, better, sizes, tau):
    missed = ever_missed(rate, better, sizes, 100, tau, seed=1)

    assert stats.binomtest(round(missed * RUNS), RUNS, ALPHA, alternative="greater").pvalue > 0.01


def test_a_fixed_interval_looked_at_as_often_would_miss_it_far_more_often():
    chance, missed = seeded(1), 0
    for _ in range(RUNS):
        for one, other in rates(chance, 0.1, 0.0, (30, 30), 100):
            variance = sum(arm.rate * (1 - arm.rate) / arm.total for arm in (one, other))
            if abs(one.rate - other.rate) > 1.96 * math.sqrt(variance):
                missed += 1
                break

    assert missed / RUNS > 0.2


LOOKS = 60
POWERS = {
    "one point of ten": (0.1, 0.01, 0.5),
    "two points of thirty": (0.3, 0.02, 0.5),
    "a tenth of the traffic": (0.05, 0.01, 0.1),
    "half a point of two": (0.02, 0.005, 0.2),
}


@pytest.mark.parametrize("earliest", [1, LOOKS // 3])
@pytest.mark.parametrize(("rate", "effect", "share"), POWERS.values(), ids=POWERS)
def test_a_version_that_is_better_by_min_effect_wins_as_often_as_is_said(rate, effect, share, earliest):
    """By the rule of decision 0009: the interval above 0, and the estimate at least minEffect."""
    total = samples_to_win(deviation_of_rates(rate, rate + effect, share), effect, ALPHA, share)
    sizes = [round(total * part / LOOKS) for part in (share, 1 - share)]
    random, tests = np.random.default_rng(12), 4000
    one, other = (
        random.binomial(size, at, (tests, LOOKS)).cumsum(axis=1)
        for size, at in zip(sizes, (rate + effect, rate), strict=True)
    )
    n, m = (size * np.arange(1.0, LOOKS + 1) for size in sizes)
    difference = one / n - other / m
    variance = sum((bad + 1) * (all_ - bad + 1) / ((all_ + 2) ** 2 * all_) for bad, all_ in ((one, n), (other, m)))
    t2 = max(effect, LEAST_TAU) ** 2
    half = np.sqrt(variance * (variance + t2) / t2 * (np.log((variance + t2) / variance) - 2 * math.log(ALPHA)))
    at_last = difference_of_rates(Proportion(one[0, -1], n[-1]), Proportion(other[0, -1], m[-1]), ALPHA, t2**0.5)
    assert (at_last.low, at_last.high) == pytest.approx((difference[0, -1] - half[0, -1], (difference + half)[0, -1]))

    won = ((difference - half > 0) & (difference >= effect))[:, earliest - 1 :].any(axis=1)
    assert won.mean() == pytest.approx(POWER, abs=0.03)


def test_the_interval_of_rates_is_where_the_likelihood_ratio_reaches_1_over_alpha():
    one, other = Proportion(130.0, 1000.0), Proportion(100.0, 1200.0)
    found = difference_of_rates(one, other, ALPHA, 0.02)
    variance = sum((arm.bad + 1) * (arm.good + 1) / ((arm.total + 2) ** 2 * arm.total) for arm in (one, other))

    for end in (found.low, found.high):
        assert likelihood_ratio(found.estimate - end, variance, 0.02) == pytest.approx(1 / ALPHA)
    assert found.p_value == pytest.approx(1 / likelihood_ratio(found.estimate, variance, 0.02))
    assert (found.p_value <= ALPHA) == (not found.low <= 0 <= found.high)


@pytest.mark.parametrize(
    ("one", "other"), [((0, 0), (5, 100)), ((9, 1000), (9, 1000)), ((100, 100), (99, 99)), ((3, 4), (50, 1000))]
)
def test_too_few_events_bound_nothing(one, other):
    assert difference_of_rates(Proportion(*map(float, one)), Proportion(*map(float, other)), ALPHA, 0.02) is None


def tick_means(chance, better, counts, ticks, noise=2.0):
    """Means of both versions, tick by tick, that move with the hour together."""
    for tick in range(ticks):
        hour = 10 * math.sin(tick / 20)
        arms = [
            Mean(count * chance.gauss(hour + shift, noise / math.sqrt(count)), count)
            for count, shift in zip(counts, (better, 0.0), strict=True)
        ]
        yield arms


@pytest.mark.parametrize(("counts", "ticks"), [((30.0, 30.0), 150), ((5.0, 95.0), 150), ((300.0, 100.0), 60)])
def test_the_interval_of_means_misses_the_truth_at_any_look_no_more_often_than_alpha(counts, ticks):
    chance, missed, better = seeded(3), 0, 0.25
    for _ in range(RUNS):
        paired = Paired()
        for one, other in tick_means(chance, better, counts, ticks):
            paired = paired.plus(one, other)
            found = difference_of_means(paired, ALPHA)
            if found is not None and not found.low <= better <= found.high:
                missed += 1
                break

    assert stats.binomtest(missed, RUNS, ALPHA, alternative="greater").pvalue > 0.01


def test_minutes_that_resemble_their_neighbours_miss_the_truth_no_more_often_than_six_percent_of_tests():
    """Each version has minutes that are slow by themselves, with a correlation of 0.5 from one to the next."""
    chance, missed = np.random.default_rng(8), 0
    for _ in range(RUNS):
        own = chance.normal(0, 1, (2, 600))
        for tick in range(1, 600):
            own[:, tick] = 0.5 * own[:, tick - 1] + math.sqrt(0.75) * own[:, tick]
        paired, batch, wrong = Paired(), Batch(), False
        for one, other in (100.0 * (10 + own)).T.tolist():
            batch = batch.plus(Mean(one, 100.0), Mean(other, 100.0))
            if batch.ticks == BATCH:
                paired, batch = paired.plus(batch.candidate, batch.stable), Batch()
                found = difference_of_means(paired, ALPHA)
                wrong = wrong or (found is not None and not found.low <= 0 <= found.high)
        missed += wrong

    assert stats.binomtest(missed, RUNS, 0.06, alternative="greater").pvalue > 0.01


def users_of_a_test(random, share, looks=60, users=1500):
    """Users who stay at one version: when each one comes, in which version, and what each of 8 requests brings when.

    How often a request succeeds differs from user to user; the versions do not differ.
    """
    version = random.random(users) < share
    comes = np.sort(random.integers(0, looks, users))
    own = random.beta(0.5, 2.0, users)
    asks = comes[:, None] + random.integers(0, 10, (users, 8))
    return version, comes, asks, random.random((users, 8)) < own[:, None]


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("counted", ["requests", "first successes by user", "amounts by user"])
def test_users_who_stay_at_a_version_are_compared_by_users(counted, share):
    """Requests of one user are not independent: as such they miss the truth (0) at some look in most tests."""
    random, missed, tests, looks = np.random.default_rng(21), 0, 150, 60
    for _ in range(tests):
        version, comes, asks, good = users_of_a_test(random, share, looks)
        wrong = False
        for look in range(1, looks, 2):
            seen = good & (asks <= look)
            each, arms = seen.sum(axis=1), [(comes <= look) & (version == one) for one in (True, False)]
            sums = [(float(arm.sum()), float(each[arm].sum()), float((each[arm] ** 2).sum())) for arm in arms]
            if counted == "requests":
                total = (asks <= look).sum(axis=1)
                pairs = [Proportion(sums[i][1], float(total[arm].sum())) for i, arm in enumerate(arms)]
                found = difference_of_rates(*pairs, ALPHA, 0.02)
            elif counted == "first successes by user":
                pairs = [Proportion(float((each[arm] > 0).sum()), float(arm.sum())) for arm in arms]
                found = difference_of_rates(*pairs, ALPHA, 0.02)
            else:
                found = difference_of_users(*sums, ALPHA, 0.2)
            wrong = wrong or (found is not None and not found.low <= 0 <= found.high)
        missed += wrong

    if counted == "requests":
        assert missed / tests > 0.1
    else:
        assert stats.binomtest(missed, tests, ALPHA, alternative="greater").pvalue > 0.01


def test_too_few_users_or_users_without_spread_bound_nothing():
    assert difference_of_users((99, 50, 60), (900, 450, 500), ALPHA, 0.2) is None
    assert difference_of_users((100, 100, 100), (100, 100, 100), ALPHA, 0.2) is None


def test_an_amount_per_user_that_is_larger_is_found():
    found = difference_of_users((1000, 5500, 34_000), (1000, 5000, 29_000), ALPHA, 0.5)

    assert found.estimate == pytest.approx(0.5)
    assert 0 < found.low < 0.5 < found.high < 1
    assert found.p_value < 0.001


def test_the_deviation_of_one_observation_is_known_from_the_batches():
    chance, paired = np.random.default_rng(3), Paired()
    for one, other in chance.normal(10, 5 / math.sqrt(80), (400, 2)).tolist():
        paired = paired.plus(Mean(80 * one, 80.0), Mean(80 * other, 80.0))
    assert deviation_of(paired) == pytest.approx(5, rel=0.1)
    assert deviation_of(Paired()) is None


def test_what_moves_both_means_alike_does_not_hide_a_difference():
    paired = Paired()
    for one, other in tick_means(seeded(4), 0.5, (100.0, 100.0), 60):
        paired = paired.plus(one, other)

    found = difference_of_means(paired, ALPHA)
    assert 0.3 < found.low < 0.5 < found.high < 0.7


def test_the_ratio_of_means_is_scale_free_and_alpha_lies_at_its_ends():
    paired = scaled = Paired()
    for one, other in tick_means(seeded(5), 0.2, (50.0, 80.0), 40):
        paired = paired.plus(one, other)
        scaled = scaled.plus(Mean(one.sum * 1000, one.count), Mean(other.sum * 1000, other.count))
    found, large = difference_of_means(paired, ALPHA), difference_of_means(scaled, ALPHA)

    assert (large.low, large.high) == (pytest.approx(1000 * found.low), pytest.approx(1000 * found.high))
    end = difference_of_means(paired, found.p_value)
    assert min(abs(end.low), abs(end.high)) == pytest.approx(0, abs=1e-9)


def test_the_t_statistic_behind_the_ratio_of_means_is_the_textbooks():
    differences = [0.3, -0.1, 0.4, 0.2, 0.5, 0.1]
    paired = Paired()
    for difference in differences:
        paired = paired.plus(Mean(difference * 2, 2.0), Mean(0.0, 2.0))
    t = stats.ttest_1samp(differences, 0).statistic
    g, weight, freedom = 100.0, 6.0, 5
    r = g / (g + weight)
    ratio = math.sqrt(r) * ((1 + t * t / freedom) / (1 + r * t * t / freedom)) ** ((freedom + 1) / 2)

    wide = difference_of_means(paired, 0.9)
    assert wide.estimate == pytest.approx(sum(differences) / 6)
    assert wide.p_value == pytest.approx(min(1.0, 1 / ratio))


@pytest.mark.parametrize("ticks", [0, 1])
def test_one_tick_has_no_spread(ticks):
    paired = Paired()
    for _ in range(ticks):
        paired = paired.plus(Mean(5.0, 2.0), Mean(3.0, 2.0))
    assert difference_of_means(paired, ALPHA) is None


def test_ticks_that_are_all_alike_have_no_spread_and_one_without_traffic_changes_nothing():
    paired = Paired()
    for _ in range(50):
        paired = paired.plus(Mean(0.3, 3.0), Mean(0.6, 3.0))
    assert difference_of_means(paired, ALPHA) is None
    assert paired.plus(Mean(0.0, 0.0), Mean(9.0, 3.0)) == paired


@pytest.mark.parametrize(
    ("candidate", "stable", "share"), [(5400, 4600, 0.5), (821588, 815482, 0.5), (90, 1010, 0.1), (52, 48, 0.5)]
)
def test_the_chi_square_of_the_assignment_is_scipys(candidate, stable, share):
    total = candidate + stable
    expected = stats.chisquare([candidate, stable], [total * share, total * (1 - share)])

    assert chi_square(candidate, total, share) == pytest.approx((expected.statistic, expected.pvalue))


def test_the_evidence_against_the_split_is_the_beta_binomials():
    expected = stats.betabinom(1000, 200, 800).logpmf(260) - stats.binom(1000, 0.2).logpmf(260)

    assert imbalance(260, 1000, 0.2) == pytest.approx(expected)


def test_a_kept_split_is_doubted_in_no_more_than_one_test_of_a_thousand_over_all_looks():
    chance, doubted = seeded(6), 0
    for _ in range(2000):
        counts = [0.0, 0.0]
        for _ in range(60):
            found = binomial(chance, 40, 0.2)
            counts = [counts[0] + found, counts[1] + 40]
            if imbalance(counts[0], counts[1], 0.2) >= -math.log(IMBALANCE_ALPHA):
                doubted += 1
                break

    assert stats.binomtest(doubted, 2000, IMBALANCE_ALPHA, alternative="greater").pvalue > 0.01


def test_the_published_mismatch_is_found():
    """821,588 users against 815,482 where equal shares were meant (Kohavi, Tang, Xu 2020, chapter 3)."""
    statistic, p_value = chi_square(821588, 821588 + 815482, 0.5)

    assert p_value < 2e-6
    assert statistic == pytest.approx(22.8, abs=0.1)
    assert imbalance(821588, 821588 + 815482, 0.5) > -math.log(IMBALANCE_ALPHA)


MISMATCHES = [
    (821_588, 815_482, 0.5, True),
    (10_000, 9_500, 0.5, True),
    (400, 520, 0.5, True),
    (50_000, 49_000, 0.5, False),
    (1_000, 900, 0.5, False),
    (136, 900, 0.1, True),
    (115, 900, 0.1, False),
    (5, 45, 0.01, False),
    (9, 0, 0.5, False),
    (11, 0, 0.5, True),
]


@pytest.mark.parametrize(("candidate", "stable", "share", "wrong"), MISMATCHES)
def test_one_look_finds_a_mismatch_where_the_chi_square_of_the_textbook_does(candidate, stable, share, wrong):
    total = candidate + stable
    p_value = stats.chisquare([candidate, stable], [total * share, total * (1 - share)]).pvalue

    assert mismatched(0.0, candidate, stable, share) is wrong
    assert wrong == (p_value < 0.001 and total * share >= 5)


def test_what_the_sequential_test_has_found_stands_however_the_split_looks_now():
    assert mismatched(-math.log(IMBALANCE_ALPHA), 500, 500, 0.5)
    assert not mismatched(6.9, 500, 500, 0.5)


def test_the_needed_sample_is_the_textbooks():
    """Twice 16 sigma**2 / delta**2 of each version, for equal shares, 5 % and 80 % (van Belle, rule of thumb)."""
    each = samples_to_win(0.3, 0.01, ALPHA, 0.5) / 2 / 2

    assert each == pytest.approx(16 * 0.09 / 0.0001, rel=0.02)
