import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modelramp.analysis.evidence import Mean, Proportion
from modelramp.analysis.kind import DETAIL_MOST
from modelramp.analysis.stats.compare import Tolerance, fisher, means, pooled_z, rates, rates_p_value
from modelramp.analysis.stats.intervals import newcombe, normal_tail, ratio, wilson
from modelramp.analysis.wording import Limits
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict
from tests.unit.analysis.work import lines_run

counts = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def arm(pair):
    return Proportion(float(pair[0]), float(pair[1]))


@settings(deadline=None)
@given(counts, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilsons_interval_is_scipys(pair, confidence):
    wished = stats.binomtest(*pair).proportion_ci(confidence, method="wilson")
    assert wilson(arm(pair), confidence) == pytest.approx((wished.low, wished.high), abs=1e-9)


# Newcombe 1998, table II, method 10.
NEWCOMBE = [
    ((56, 70), (48, 80), (0.0524, 0.3339)),
    ((9, 10), (3, 10), (0.1705, 0.8090)),
    ((6, 7), (2, 7), (0.0582, 0.8062)),
    ((5, 56), (0, 29), (-0.0381, 0.1926)),
    ((0, 10), (0, 10), (-0.2775, 0.2775)),
]


@pytest.mark.parametrize(("first", "second", "interval"), NEWCOMBE)
def test_newcombes_interval_is_the_published_one(first, second, interval):
    assert newcombe(arm(first), arm(second)) == pytest.approx(interval, abs=5e-5)


RATIO = {
    "surely above": ((12, 200), Limits(max=0.01), Verdict.BREACH, "6 % (95 % CI 3.47 to 10.2 %) is above 1 %, n = 200"),
    "one of forty": ((1, 40), Limits(max=0.01), Verdict.HEALTHY, "is above 1 %, but the interval reaches it"),
    "below": ((1, 1000), Limits(max=0.01), Verdict.HEALTHY, "keeps the limit of 1 %"),
    "none of three": ((0, 3), Limits(max=0.01), Verdict.HEALTHY, "n = 3"),
    "surely below a minimum": ((10, 100), Limits(min=0.5), Verdict.BREACH, "is below 50 %"),
    "perhaps below a minimum": ((45, 100), Limits(min=0.5), Verdict.HEALTHY, "is below 50 %, but the interval"),
    "above both": ((90, 100), Limits(0.2, 0.5), Verdict.BREACH, "is above 50 %"),
    "below both": ((1, 100), Limits(0.2, 0.5), Verdict.BREACH, "is below 20 %"),
    "none, and none allowed": ((0, 10), Limits(max=0), Verdict.HEALTHY, "keeps the limit of 0 %"),
    "no limit": ((1, 10), Limits(), Verdict.HEALTHY, "has no limit"),
}


@pytest.mark.parametrize(("pair", "limits", "verdict", "words"), RATIO.values(), ids=RATIO)
def test_a_ratio_breaches_only_with_its_whole_interval(pair, limits, verdict, words):
    result = ratio(arm(pair), limits)
    assert result.verdict is verdict
    assert words in result.detail
    assert result.value == pair[0] / pair[1]


@settings(deadline=None)
@given(counts, st.floats(0.001, 0.999))
def test_a_ratio_above_its_limit_is_a_breach_exactly_when_the_lower_end_is(pair, limit):
    low, _ = wilson(arm(pair))
    assert (ratio(arm(pair), Limits(max=limit), min_samples=1).verdict is Verdict.BREACH) == (low > limit)


THIN = {
    "one of three": ((1, 3), Limits(max=0.01), Reason.NOT_ENOUGH_EVIDENCE, "1 of 3 in bad, beyond the limit"),
    "four of thirty": ((4, 30), Limits(max=0.01), Reason.NOT_ENOUGH_EVIDENCE, "a breach needs 5"),
    "all, and few": ((4, 4), Limits(max=0.01), Reason.NOT_ENOUGH_EVIDENCE, "choose a longer interval"),
    "four below a minimum": ((0, 4), Limits(min=0.9), Reason.NOT_ENOUGH_EVIDENCE, "4 of 4 outside of bad"),
    "five below a minimum": ((0, 5), Limits(min=0.9), Reason.BELOW_MINIMUM, "is below 90 %"),
    "five of thirty": ((5, 30), Limits(max=0.01), Reason.ABOVE_MAXIMUM, "is above 1 %"),
    "five, as increase() counts them": ((4.98, 30), Limits(max=0.01), Reason.ABOVE_MAXIMUM, "is above 1 %"),
    "a quiet minute": ((0, 3), Limits(max=0.01), Reason.WITHIN_LIMIT, "keeps the limit"),
    "few, and perhaps chance": ((1, 40), Limits(max=0.01), Reason.WITHIN_LIMIT, "the interval reaches it"),
}


@pytest.mark.parametrize(("pair", "limits", "reason", "words"), THIN.values(), ids=THIN)
def test_a_ratio_breaches_from_five_failures_on(pair, limits, reason, words):
    result = ratio(arm(pair), limits)

    assert result.reason is reason
    assert words in result.detail
    assert (result.verdict is Verdict.NO_DATA) == (reason is Reason.NOT_ENOUGH_EVIDENCE)


def test_a_ratio_breaches_with_fewer_failures_when_its_samples_are_said():
    assert ratio(Proportion(1, 3), Limits(max=0.01), min_samples=3).verdict is Verdict.BREACH


def test_a_ratio_of_too_few_is_no_data():
    result = ratio(Proportion(5, 29), Limits(max=0.01), min_samples=30)
    assert (result.verdict, result.reason) == (Verdict.NO_DATA, Reason.TOO_FEW_SAMPLES)
    assert result.detail == "29 observations, at least 30 are needed"


IMPOSSIBLE = {
    "no traffic": (Proportion(0, 0), Reason.EMPTY_RESULT),
    "negative": (Proportion(-1, 10), Reason.NOT_A_NUMBER),
    "negative total": (Proportion(0, -10), Reason.NOT_A_NUMBER),
    "more bad than all": (Proportion(11, 10), Reason.NOT_A_NUMBER),
    "NaN": (Proportion(math.nan, 10), Reason.NOT_A_NUMBER),
    "infinite": (Proportion(1, math.inf), Reason.NOT_A_NUMBER),
}


@pytest.mark.parametrize(("broken", "reason"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_counts_are_no_data_wherever_they_stand(broken, reason):
    fine = Proportion(1, 100)
    for result in (ratio(broken, Limits(max=0.01)), rates(broken, fine), rates(fine, broken)):
        assert (result.verdict, result.reason) == (Verdict.NO_DATA, reason)


ROUNDED = Proportion(0.1 + 0.2, 0.3)
"""Everything failed; adding up in another order put bad a hair above total."""


def test_rounding_does_not_hide_that_everything_fails():
    found = ratio(Proportion(100 * (0.1 + 0.2), 30), Limits(max=0.5))
    assert (found.verdict, found.value, found.interval[1]) == (Verdict.BREACH, 1.0, 1.0)
    assert rates(Proportion(100 * (0.1 + 0.2), 30), Proportion(1, 100)).verdict is Verdict.BREACH
    assert ROUNDED.problem() is None
    assert (ROUNDED.rate, ROUNDED.good) == (1.0, 0.0)


def test_the_z_test_gives_the_published_p_value():
    # statsmodels, proportions_ztest([5, 12], [83, 99]): 0.159
    assert normal_tail(pooled_z(Proportion(5, 83), Proportion(12, 99))) == pytest.approx(0.159, abs=5e-4)


small = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(deadline=None)
@given(small, small)
def test_fishers_test_is_scipys(first, second):
    table = [[first[0], first[1] - first[0]], [second[0], second[1] - second[0]]]
    assert fisher(arm(first), arm(second)) == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-6)


def test_fishers_test_is_right_for_rare_errors_in_much_traffic():
    table = [[4, 296], [100, 299_900]]
    assert fisher(Proportion(4, 300), Proportion(100, 300_000)) == pytest.approx(
        stats.fisher_exact(table).pvalue, rel=1e-6
    )


HUGE = {
    "all of very many failed": (Proportion(1e14, 1e14), Proportion(5e5, 1e6)),
    "hours by one table at a time": (Proportion(1e16, 1e16), Proportion(5e7, 1e8)),
    "half of the largest counts": (Proportion(2.0**52, 2.0**53), Proportion(2.0**51, 2.0**53)),
    "few of the largest count": (Proportion(3, 9), Proportion(2.0**53 - 4, 2.0**53)),
    "as many as may be expected": (Proportion(1e8, 1e8), Proportion(2.0**53 - 4e8, 2.0**53)),
}


@pytest.mark.parametrize(("first", "second"), HUGE.values(), ids=HUGE)
def test_the_work_of_fishers_test_does_not_grow_with_the_counts(first, second):
    for one, other in ((first, second), (second, first)):
        assert lines_run(lambda one=one, other=other: rates_p_value(one, other)) < 2_000
        assert lines_run(lambda one=one, other=other: fisher(one, other)) < 50_000


@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
def test_fishers_test_tends_to_the_binomial_one_in_very_much_traffic(scale):
    # 8 of 10 beside a rate of 30 % that is known ever more exactly.
    found = fisher(Proportion(8, 10), Proportion(300 * scale, 1000 * scale))
    assert found == pytest.approx(stats.binomtest(8, 10, 0.3).pvalue, rel=0.1 / scale + 1e-8)


# Standard deviation of the tables: just below and just above EXACT_SPREAD.
@pytest.mark.parametrize(("n", "exact"), [(79_000, True), (81_000, False)])
@pytest.mark.parametrize("shift", [0, 60, 250, 400, -400])
def test_fishers_test_is_right_on_both_sides_of_what_is_summed_up(n, exact, shift):
    table = [[n // 2 + shift, n - n // 2 - shift], [n // 2, n - n // 2]]
    found = fisher(Proportion(table[0][0], n), Proportion(table[1][0], n))
    assert found == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-6 if exact else 0.01)


def test_small_expected_counts_are_tested_exactly_and_large_ones_approximately():
    few = (Proportion(3, 20), Proportion(1, 200))
    many = (Proportion(30, 500), Proportion(60, 2000))
    assert rates_p_value(*few) == fisher(*few)
    assert rates_p_value(*many) == normal_tail(pooled_z(*many))


COMPARE = {
    "clearly worse": ((50, 1000), (10, 1000), Tolerance(), Verdict.BREACH),
    "worse by chance": ((12, 1000), (10, 1000), Tolerance(), Verdict.HEALTHY),
    "clearly better": ((10, 1000), (50, 1000), Tolerance(), Verdict.HEALTHY),
    "worse, but tolerated": ((50, 1000), (10, 1000), Tolerance(absolute=0.05), Verdict.HEALTHY),
    "twice as bad, and tolerated": ((40, 1000), (20, 1000), Tolerance(relative=1.0), Verdict.HEALTHY),
    "no error at all": ((0, 1000), (0, 1000), Tolerance(), Verdict.HEALTHY),
    "all wrong, both": ((10, 10), (10, 10), Tolerance(), Verdict.HEALTHY),
    "too few": ((9, 9), (10, 1000), Tolerance(min_samples=10), Verdict.NO_DATA),
}


@pytest.mark.parametrize(("candidate", "stable", "tolerance", "verdict"), COMPARE.values(), ids=COMPARE)
def test_a_candidate_is_compared_with_the_stable_version(candidate, stable, tolerance, verdict):
    assert rates(arm(candidate), arm(stable), tolerance).verdict is verdict


def test_a_comparison_is_told_in_one_sentence():
    result = rates(Proportion(50, 1000), Proportion(100, 10_000))
    assert result.detail == "5 % of 1,000 against 1 % of 10,000 with the stable version, p < 0.0001 (z test)"
    assert result.value == pytest.approx(0.04)


MEANS = {
    "higher": (Mean(300, 100), Mean(100, 100), Tolerance(relative=0.1), Verdict.NO_DATA),
    "a little higher": (Mean(105, 100), Mean(100, 100), Tolerance(relative=0.1), Verdict.HEALTHY),
    "lower": (Mean(50, 100), Mean(100, 100), Tolerance(), Verdict.HEALTHY),
    "no traffic": (Mean(0, 0), Mean(100, 100), Tolerance(), Verdict.NO_DATA),
    "not a number": (Mean(math.nan, 1), Mean(100, 100), Tolerance(), Verdict.NO_DATA),
    "few": (Mean(300, 9), Mean(100, 100), Tolerance(min_samples=10), Verdict.NO_DATA),
}


@pytest.mark.parametrize(("candidate", "stable", "tolerance", "verdict"), MEANS.values(), ids=MEANS)
def test_means_are_compared_by_their_tolerance(candidate, stable, tolerance, verdict):
    assert means(candidate, stable, tolerance).verdict is verdict


def test_a_higher_mean_says_why_it_cannot_breach_and_what_to_export():
    result = means(Mean(300, 100), Mean(100, 100), Tolerance(relative=0.1), "s")

    assert (result.reason, result.value) == (Reason.NOT_ENOUGH_EVIDENCE, 2.0)
    assert result.detail.startswith("mean 3 s against 1 s with the stable version; 0.1 s more is tolerated, n = 100: ")
    assert result.detail.endswith(
        "hold no spread, so this may be chance; export a histogram and compare its buckets, or use sequential"
    )
    assert len(result.detail) <= DETAIL_MOST, "the status would cut it"


def test_increases_that_are_no_whole_numbers_are_taken_as_they_are():
    result = rates(Proportion(4.98, 99.6), Proportion(1.02, 101.3))
    assert 0 <= result.p_value <= 1
