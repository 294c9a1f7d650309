import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from modelramp.analysis.evidence import Groups, Mean, Proportion
from modelramp.analysis.stats.cost import budget, cost, priced
from modelramp.analysis.stats.distributions import holm
from modelramp.analysis.stats.drift import (
    Measure,
    Rule,
    chi_square,
    drift,
    jensen_shannon,
    joined,
    ks_distance,
    psi,
)
from modelramp.analysis.stats.fairness import FairnessRule, fairness, homogeneity, worse_groups
from modelramp.analysis.stats.histograms import Buckets, from_classic
from modelramp.analysis.stats.performance import performance
from modelramp.analysis.wording import Limits
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict

bins = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=12)


def split(pairs):
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    assume(sum(first) > 0 and sum(second) > 0)
    return first, second


@settings(deadline=None)
@given(bins)
def test_the_jensen_shannon_distance_is_scipys(pairs):
    first, second = split(pairs)
    assert jensen_shannon(first, second) == pytest.approx(jensenshannon(first, second), abs=1e-7)


@settings(deadline=None)
@given(bins)
def test_the_chi_square_statistic_is_scipys(pairs):
    first, second = split(pairs)
    kept = [(a, b) for a, b in pairs if a + b]
    assume(len(kept) > 1)
    wished = stats.chi2_contingency(np.array(kept).T, correction=False)
    assert chi_square(first, second) == (pytest.approx(wished.statistic), wished.dof)


@settings(deadline=None, max_examples=30)
@given(bins)
def test_the_kolmogorov_smirnov_distance_is_scipys_for_values_on_the_edges(pairs):
    first, second = split(pairs)
    raw = [np.repeat(np.arange(len(pairs)), counts) for counts in (first, second)]
    assert ks_distance(first, second) == pytest.approx(stats.ks_2samp(*raw, method="asymp").statistic)


def test_psi_is_the_textbook_sum_and_floors_empty_bins():
    expected, actual = [0.1, 0.2, 0.3, 0.4], [0.2, 0.2, 0.3, 0.3]
    wished = sum((a - e) * math.log(a / e) for a, e in zip(actual, expected, strict=True))
    assert psi([20, 20, 30, 30], [10, 20, 30, 40]) == pytest.approx(wished)
    assert psi([0, 100], [50, 50]) == pytest.approx((1e-4 - 0.5) * math.log(1e-4 / 0.5) + 0.5 * math.log(2))


@settings(deadline=None)
@given(bins)
def test_sparse_bins_are_joined_until_each_expects_five_and_none_is_lost(pairs):
    first, second = split(pairs)
    one, other = joined(first, second)
    assert (sum(one), sum(other)) == (sum(first), sum(second))
    smaller = min(sum(first), sum(second)) / (sum(first) + sum(second))
    assert len(one) == 1 or all((a + b) * smaller >= 5 for a, b in zip(one, other, strict=True))


EDGES = np.linspace(-2.5, 2.5, 10)


def histogram(rng, shift, n):
    """n draws from a normal distribution around `shift`, in buckets."""
    below = stats.norm.cdf(EDGES, shift)
    counts = rng.multinomial(n, np.diff([0.0, *below, 1.0]))
    return Buckets((*map(float, EDGES), math.inf), tuple(map(float, counts)))


@pytest.mark.parametrize("measure", Measure)
@pytest.mark.parametrize("n", [100, 1000, 100_000])
def test_no_drift_is_called_no_more_often_than_alpha(measure, n):
    rng = np.random.default_rng(n)
    tries = 200
    alarms = 0
    for _ in range(tries):
        found = drift(histogram(rng, 0, n), histogram(rng, 0, 2 * n), Rule(measure))
        assert found.verdict is not Verdict.NO_DATA
        alarms += found.verdict is Verdict.BREACH
    assert alarms <= 0.01 * tries + 3.1 * math.sqrt(0.01 * 0.99 * tries)


@pytest.mark.parametrize("measure", Measure)
def test_a_shift_by_one_deviation_is_drift_and_a_sure_but_tiny_one_is_not(measure):
    rng = np.random.default_rng(9)
    reference = histogram(rng, 0, 20_000)
    assert drift(histogram(rng, 1.0, 2000), reference, Rule(measure)).verdict is Verdict.BREACH
    tiny = drift(histogram(rng, 0.04, 200_000), reference, Rule(measure))
    assert tiny.verdict is Verdict.HEALTHY
    assert tiny.p_value < 0.01


@pytest.mark.parametrize("measure", [Measure.KOLMOGOROV_SMIRNOV])
def test_the_p_value_of_kolmogorov_smirnov_is_close_to_scipys(measure):
    rng = np.random.default_rng(10)
    one, other = rng.normal(0.15, 1, 300), rng.normal(0, 1, 900)
    edges = np.sort(np.concatenate([one, other]))
    buckets = [
        from_classic({repr(float(e)): float((v <= e).sum()) for e in edges} | {"+Inf": float(len(v))})
        for v in (one, other)
    ]
    found = drift(*buckets, Rule(measure))
    wished = stats.ks_2samp(one, other, method="exact")
    assert found.value == pytest.approx(wished.statistic)
    assert found.p_value == pytest.approx(wished.pvalue, rel=0.1)


def even(counts):
    return Buckets((*map(float, range(1, len(counts))), math.inf), tuple(map(float, counts)), 0.0)


SENTENCES = {
    "drift": ("psi", [100, 300, 600], [300, 400, 300], "PSI 0.4564 is above 0.2, p < 0.0001, n = 1,000 against 1,000"),
    "no drift": ("psi", [110, 300, 590], [100, 300, 600], "PSI 0.001121, limit 0.2, p = 0.76, n = 1,000 against 1,000"),
    "few samples": (
        "psi",
        [4, 12, 24],
        [300, 400, 300],
        "PSI 0.4564 is above 0.2395 (0.2, raised for so few samples), p = 0.00017, n = 40 against 1,000",
    ),
    "chance": ("ks", [24, 8, 8], [18, 12, 10], " 0.15 is above 0.1, which chance may explain, p = 0."),
}


@pytest.mark.parametrize(("measure", "candidate", "reference", "words"), SENTENCES.values(), ids=SENTENCES)
def test_a_person_reads_what_was_found_what_was_wished_and_of_how_many(measure, candidate, reference, words):
    found = drift(even(candidate), even(reference), Rule(Measure(measure), min_samples=20))
    assert words in found.detail


def test_the_arm_that_is_too_small_has_the_name_that_people_give_it():
    found = drift(even([60, 60]), even([3, 4]), name="stable version")
    assert found.detail.startswith("stable version: 7 observations, at least 100")


BAD_HISTOGRAMS = {
    "no traffic": (even([0, 0, 0]), even([100, 100, 100]), Reason.EMPTY_RESULT, "candidate: nothing was counted"),
    "empty reference": (even([100, 100, 100]), even([0, 0, 0]), Reason.EMPTY_RESULT, "reference: nothing was counted"),
    "few": (even([10, 10, 10]), even([100, 100, 100]), Reason.TOO_FEW_SAMPLES, "candidate: 30 observations"),
    "other edges": (even([100, 100]), even([100, 100, 100]), Reason.NOT_EVALUATED, "different buckets"),
    "all in one bucket": (even([200, 0, 0]), even([300, 0, 0]), Reason.NOT_EVALUATED, "no spread"),
}


@pytest.mark.parametrize("measure", Measure)
@pytest.mark.parametrize(("candidate", "reference", "reason", "words"), BAD_HISTOGRAMS.values(), ids=BAD_HISTOGRAMS)
def test_histograms_that_say_nothing_are_no_data(measure, candidate, reference, reason, words):
    found = drift(candidate, reference, Rule(measure))
    assert (found.verdict, found.reason) == (Verdict.NO_DATA, reason)
    assert words in found.detail


PERFORMANCE = {
    "accuracy fell": (Proportion(150, 1000), Proportion(50, 1000), Verdict.BREACH),
    "accuracy fell by less than 5 %": (Proportion(90, 1000), Proportion(50, 1000), Verdict.HEALTHY),
    "accuracy fell by chance": (Proportion(3, 20), Proportion(50, 1000), Verdict.HEALTHY),
    "accuracy rose": (Proportion(10, 1000), Proportion(150, 1000), Verdict.HEALTHY),
    "error rose": (Mean(106, 100), Mean(100, 100), Verdict.BREACH),
    "error rose a little": (Mean(104, 100), Mean(100, 100), Verdict.HEALTHY),
    "error fell": (Mean(50, 100), Mean(100, 100), Verdict.HEALTHY),
    "nothing was right before": (Proportion(5, 10), Proportion(10, 10), Verdict.NO_DATA),
    "baseline is 0": (Mean(5, 10), Mean(0, 10), Verdict.NO_DATA),
    "two kinds": (Mean(5, 10), Proportion(0, 10), Verdict.NO_DATA),
    "no traffic": (Proportion(0, 0), Proportion(0, 10), Verdict.NO_DATA),
}


@pytest.mark.parametrize(("candidate", "baseline", "verdict"), PERFORMANCE.values(), ids=PERFORMANCE)
def test_quality_may_leave_its_baseline_by_five_percent(candidate, baseline, verdict):
    assert performance(candidate, baseline).verdict is verdict


def groups(**rates):
    return Groups({name: Proportion(float(bad), float(total)) for name, (bad, total) in rates.items()})


FAIR = {
    "one group treated worse": (groups(a=(30, 1000), b=(90, 1000)), FairnessRule(), Verdict.BREACH),
    "alike": (groups(a=(30, 1000), b=(33, 1000)), FairnessRule(), Verdict.HEALTHY),
    "worse, but tolerated": (groups(a=(30, 1000), b=(60, 1000)), FairnessRule(difference=0.05), Verdict.HEALTHY),
    "worse, yet four fifths": (groups(a=(30, 1000), b=(90, 1000)), FairnessRule(four_fifths=0.8), Verdict.HEALTHY),
    "less than four fifths": (groups(a=(100, 1000), b=(400, 1000)), FairnessRule(four_fifths=0.8), Verdict.BREACH),
    "one of five": (
        groups(a=(10, 400), b=(11, 400), c=(9, 400), d=(12, 400), e=(60, 400)),
        FairnessRule(),
        Verdict.BREACH,
    ),
    "nothing went wrong": (groups(a=(0, 100), b=(0, 100)), FairnessRule(), Verdict.HEALTHY),
    "everything went wrong": (groups(a=(100, 100), b=(100, 100)), FairnessRule(), Verdict.HEALTHY),
    "one group is too small": (groups(a=(30, 1000), b=(9, 10)), FairnessRule(), Verdict.NO_DATA),
    "one group": (groups(a=(30, 1000)), FairnessRule(), Verdict.NO_DATA),
    "no group": (Groups({}), FairnessRule(), Verdict.NO_DATA),
    "a group without traffic": (groups(a=(30, 1000), b=(33, 1000), c=(0, 0)), FairnessRule(), Verdict.HEALTHY),
    "impossible counts": (groups(a=(30, 1000), b=(33, 30)), FairnessRule(), Verdict.NO_DATA),
    "ten thousand groups": (groups(**{f"g{n}": (1, 100) for n in range(10_000)}), FairnessRule(), Verdict.NO_DATA),
}


@pytest.mark.parametrize(("found", "rule", "verdict"), FAIR.values(), ids=FAIR)
def test_groups_are_held_against_each_other(found, rule, verdict):
    assert fairness(found, rule).verdict is verdict


def test_the_p_value_over_groups_is_scipys_chi_square():
    arms = {"a": Proportion(30, 500), "b": Proportion(60, 700), "c": Proportion(20, 300)}
    table = [[arm.bad, arm.good] for arm in arms.values()]
    expected = stats.chi2_contingency(table, correction=False).pvalue
    assert homogeneity(arms) == (pytest.approx(expected), "chi-square")


def test_two_groups_with_few_errors_are_tested_exactly():
    arms = {"a": Proportion(0, 40), "b": Proportion(4, 40)}
    expected = stats.fisher_exact([[0, 40], [4, 36]]).pvalue
    assert homogeneity(arms) == (pytest.approx(expected), "Fisher's exact test")


def test_many_small_groups_beside_a_large_one_alarm_no_more_often_than_alpha():
    """Pearson's chi-square by itself would in 16 % of the cases."""
    rng = np.random.default_rng(61)
    alarms = 0
    for _ in range(300):
        small = {f"g{i}": (bad, 40) for i, bad in enumerate(rng.binomial(40, 0.005, 50))}
        found = fairness(groups(large=(rng.binomial(100_000, 0.005), 100_000), **small))
        alarms += found.verdict is Verdict.BREACH
    assert alarms <= 0.05 * 300 + 3.1 * math.sqrt(0.05 * 0.95 * 300)


def test_one_small_group_treated_badly_is_found_among_many_by_an_exact_test():
    small = {f"g{i}": (0, 40) for i in range(9)}
    found = fairness(groups(large=(1000, 100_000), bad=(6, 40), **small))
    alone = stats.fisher_exact([[6, 34], [1000, 99_360]]).pvalue
    assert found.verdict is Verdict.BREACH
    assert found.p_value == pytest.approx(11 * alone, rel=1e-6)
    assert found.detail.endswith("p < 0.0001 (exact tests by group); worse than the rest: bad")


def test_the_group_that_is_worse_is_named():
    found = fairness(groups(a=(10, 400), b=(11, 400), c=(60, 400), d=(1, 5)))
    assert "errors 15 % of 400 in group c, 2.625 % of 800 in all others; success ratio 0.87" in found.detail
    assert "worse than the rest: c" in found.detail
    assert "1 left out with fewer than 30 answers" in found.detail


@pytest.mark.parametrize("asked", [40, 60, 100])
@pytest.mark.parametrize("others", [3, 6, 10])
def test_the_groups_named_are_those_that_fishers_test_and_holm_find(asked, others):
    for bad, alpha in itertools.product(range(13), (0.01, 0.05, 0.1)):
        counts = [(bad, asked), *[(1, 60)] * others, (0, 30)]
        failed, total = (sum(column) for column in zip(*counts, strict=True))
        tables = [[[b, n - b], [failed - b, total - n - failed + b]] for b, n in counts]
        corrected = holm([float(stats.fisher_exact(table).pvalue) for table in tables])
        rates = [(b / n, (failed - b) / (total - n)) for b, n in counts]
        named = [str(i) for i, (own, rest) in enumerate(rates) if corrected[i] < alpha and own > rest]
        assert worse_groups({str(i): Proportion(*each) for i, each in enumerate(counts)}, alpha) == named


def test_equal_groups_alarm_no_more_often_than_alpha():
    rng = np.random.default_rng(4)
    alarms = 0
    for _ in range(600):
        bad = rng.binomial(200, 0.1, 6)
        alarms += fairness(groups(**{f"g{i}": (b, 200) for i, b in enumerate(bad)})).verdict is Verdict.BREACH
    assert alarms / 600 <= 0.05 + 3.1 * math.sqrt(0.05 * 0.95 / 600)


def test_holms_correction_keeps_the_order_of_its_input():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


COST = {
    "dear": (Mean(12.5, 300), Limits(max=0.01), Verdict.BREACH, "0.04167 each, limit 0.01, n = 300"),
    "cheap": (Mean(1.5, 300), Limits(max=0.01), Verdict.HEALTHY, "0.005 each, limit 0.01, n = 300"),
    "suspiciously cheap": (Mean(0.0, 300), Limits(min=0.001), Verdict.BREACH, "0 each, minimum 0.001"),
    "negative": (Mean(-1, 300), Limits(max=0.01), Verdict.NO_DATA, "check the prices"),
    "no traffic": (Mean(0, 0), Limits(max=0.01), Verdict.NO_DATA, "nothing was counted"),
    "no limit": (Mean(3, 300), Limits(), Verdict.HEALTHY, "no limit"),
}


@pytest.mark.parametrize(("spent", "limits", "verdict", "words"), COST.values(), ids=COST)
def test_the_cost_of_one_answer_is_held_against_its_limits(spent, limits, verdict, words):
    found = cost(spent, limits)
    assert found.verdict is verdict
    assert words in found.detail


def test_usage_is_priced_by_kind_and_a_missing_price_is_not_free():
    prices = {"prompt": 0.000_002, "completion": 0.000_008}
    assert priced({"prompt": 1_000_000, "completion": 500_000}, prices) == pytest.approx(6.0)
    assert priced({"prompt": 10, "image": 1}, prices).message == "image was used and has no price; add prices.image"
    assert priced({"prompt": 10, "image": 0}, prices) == pytest.approx(0.000_02)
    assert priced({"prompt": -10}, prices).reason is Reason.NOT_A_NUMBER


def test_a_budget_is_kept_until_it_is_overdrawn():
    assert budget(100.0, 100.0).verdict is Verdict.HEALTHY
    assert budget(100.01, 100.0).verdict is Verdict.BREACH
    assert budget(None, 100.0).verdict is Verdict.NO_DATA
    assert budget(math.nan, 100.0).verdict is Verdict.NO_DATA
    assert budget(75.0, 100.0, "EUR").detail == "75 EUR spent, 75 % of the budget of 100 EUR"


def test_a_small_skewed_sample_against_a_large_one_shifts_its_mean_no_more_often_than_alpha():
    """With the spread of each side by itself it were 1.6 %: the mean and the spread of a skewed sample go together."""
    rng, shares = np.random.default_rng(60), 0.5 ** np.arange(1, 11)
    weights = shares / shares.sum()
    rule = Rule(Measure.MEAN_SHIFT, 0.0, alpha=0.01)
    alarms = 0
    for _ in range(4_000):
        one, other = (
            Buckets(tuple(map(float, range(1, 11))), tuple(rng.multinomial(n, weights).tolist()), lowest=0.0)
            for n in (1_000, 100)
        )
        alarms += drift(one, other, rule).verdict is Verdict.BREACH
    assert alarms <= 0.01 * 4_000 + 3.1 * math.sqrt(0.01 * 0.99 * 4_000)
