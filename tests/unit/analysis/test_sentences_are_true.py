"""The sentence of a verdict says the same as its numbers: enough digits to see why, no more, and in good English."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelramp.analysis.evidence import Groups, Mean, Proportion, p_text, too_few
from modelramp.analysis.stats.compare import Tolerance, quantiles, rates
from modelramp.analysis.stats.cost import budget, cost, priced
from modelramp.analysis.stats.drift import Measure, Rule, drift
from modelramp.analysis.stats.fairness import FairnessRule, fairness
from modelramp.analysis.stats.histograms import from_classic
from modelramp.analysis.stats.intervals import ratio
from modelramp.analysis.stats.native_histograms import from_native
from modelramp.analysis.stats.performance import performance
from modelramp.analysis.stats.sequential import Design, MeanLooks, RateLooks, look_at_means, look_at_rates
from modelramp.analysis.wording import Limits, percents, shown
from modelramp.api.quantity import format_number
from modelramp.api.verdict import Verdict

P = Proportion


def classic(*cumulative):
    return from_classic({str(edge): float(n) for edge, n in enumerate(cumulative[:-1], 1)} | {"+Inf": cumulative[-1]})


def mean_looks(ticks, unit):
    looks = MeanLooks()
    for tick in range(ticks):
        arms = Mean(300 + tick % 3, 100), Mean(200 + tick % 2, 100)
        looks, result = look_at_means(looks, *arms, Design(), unit)
    return result


SENTENCES = {
    "just below the whole": (
        ratio(P(9995, 10_000), Limits(min=0.9999)),
        "99.95 % (95 % CI 99.88 to 99.979 %) is below",
    ),
    "close to a limit": (
        ratio(P(100_900, 10_000_000), Limits(max=0.01)),
        "1.009 % (95 % CI 1.003 to 1.015 %) is above 1 %",
    ),
    "a tiny rate": (ratio(P(1, 10_000_000), Limits(max=0.01)), "0.00001 % (95 % CI 0.00000177 to 0.0000566 %)"),
    "one observation": (ratio(P(1, 1), Limits(max=0.01), min_samples=30), "1 observation, at least 30 are needed"),
    "almost enough": (
        ratio(P(0, 29.96), Limits(max=0.01), min_samples=30),
        "29.9 observations, at least 30 are needed",
    ),
    "less than one": (ratio(P(0, 0.4), Limits(max=0.01)), "0.4 observations, at least 1 is needed"),
    "tested approximately": (rates(P(60, 1000), P(20, 1000)), "p < 0.0001 (z test)"),
    "tested exactly": (rates(P(3, 20), P(0, 20)), "p = 0.23 (Fisher's exact test): may be chance"),
    "tolerated": (
        rates(P(4000, 10_000), P(3000, 10_000), Tolerance(0.1)),
        "with the stable version; 10 percentage points more tolerated",
    ),
    "one point tolerated": (rates(P(25, 1000), P(20, 1000), Tolerance(relative=0.5)), "; 1 percentage point more tol"),
    "four fifths are kept": (
        fairness(Groups({"a": P(30, 1000), "b": P(90, 1000)}), FairnessRule(four_fifths=0.8)),
        "success ratio 0.9381 (at least 0.8 wished), p < 0.0001 (chi-square)",
    ),
    "four fifths are just missed": (
        fairness(Groups({"a": P(0, 10_000_000), "b": P(2_000_010, 10_000_000)}), FairnessRule(four_fifths=0.8)),
        "success ratio 0.799999 (at least 0.8 wished)",
    ),
    "groups that chance tells apart": (fairness(Groups({"a": P(10, 100), "b": P(15, 100)})), ": may be chance"),
    "quality fell": (
        performance(P(150, 1000), P(50, 1000)),
        "85 % right, -10.5 % from the baseline of 95 %, limit -5 %",
    ),
    "quality fell by chance": (
        performance(P(3, 20), P(50, 1000)),
        "(95 % CI -38.9 % to +4.62 %), p = 0.081 (Fisher's exact test), n = 20: the interval reaches the limit",
    ),
    "errors just above": (
        performance(Mean(1050.01, 1000), Mean(1000, 1000), unit="s"),
        "mean 1.05 s, +5.001 % from the baseline of 1 s, limit +5 %, n = 1,000",
    ),
    "quality of too few": (performance(P(0, 0.5), P(5, 100)), "candidate: 0.5 observations, at least 1 is needed"),
    "a price of a token": (
        cost(Mean(3.3, 1_000_000), Limits(max=0.000002, unit="USD")),
        "0.0000033 USD each, limit 0.000002 USD, n = 1,000,000",
    ),
    "a price a little too high": (cost(Mean(3.0001, 300), Limits(max=0.01)), "0.01000033333 each, limit 0.01"),
    "a large bill": (cost(Mean(1_234_567.8, 30), Limits(max=0.01)), "41152 each"),
    "a budget just overdrawn": (budget(100.0001, 100.0, "EUR"), "100.0001 EUR spent, 100 % of the budget of 100 EUR"),
    "beyond the buckets": (
        quantiles(classic(0, 0, 500), classic(500, 500, 500), 0.95, unit="s"),
        "p95 above 2 s, the largest edge, against 0.95 s with the stable version",
    ),
    "NaN counted": (
        quantiles(from_native([(0.0, 1.0, 100)], 500.0), classic(500, 500), 0.95),
        "p95 +Inf against 0.95 with the stable version",
    ),
    "which way the mean went": (
        drift(classic(0, 500, 500), classic(100, 400, 500), Rule(Measure.MEAN_SHIFT)),
        "mean 1.5 against 1.4, a shift of 0.2041 standard deviations is above 0.1, p < 0.0001",
    ),
    "a reference without spread": (
        drift(classic(0, 500, 500), classic(500, 500, 500), Rule(Measure.MEAN_SHIFT)),
        "all observations of the reference lie in one bucket",
    ),
    "just drifted": (
        drift(classic(500, 1000, 1000), classic(400_004, 1_000_000, 1_000_000), Rule(Measure.KOLMOGOROV_SMIRNOV)),
        "Kolmogorov-Smirnov distance 0.099996, limit 0.1",
    ),
    "too few failures": (
        look_at_rates(RateLooks(), P(3, 30), P(3, 270), Design())[1],
        "10 % against 1.111 % with the stable version, too few failures yet to test, p = 1 over all looks",
    ),
    "means in their unit": (mean_looks(8, "s"), "mean 3.009 s against 2.005 s with the stable version"),
}


@pytest.mark.parametrize(("result", "words"), SENTENCES.values(), ids=SENTENCES)
def test_the_sentence_shows_why(result, words):
    assert words in result.detail


NO_TRAFFIC = {
    "ratio": ratio(P(0, 0), Limits(max=0.01)),
    "rates": rates(P(0, 0), P(1, 10)),
    "performance": performance(P(0, 0), P(1, 10)),
    "cost": cost(Mean(0, 0), Limits(max=1)),
    "drift": drift(classic(0, 0, 0), classic(1, 2, 300)),
}


@pytest.mark.parametrize("result", NO_TRAFFIC.values(), ids=NO_TRAFFIC)
def test_no_traffic_is_a_count_of_0(result):
    assert (result.verdict, result.n) == (Verdict.NO_DATA, 0)


def test_what_is_no_count_is_none():
    assert ratio(P(0, float("nan")), Limits(max=0.01)).n is None
    assert ratio(P(0, -5), Limits(max=0.01)).n is None
    assert cost(Mean(3, -3), Limits(max=0.01)).n is None


def test_usage_that_is_no_number_is_not_called_a_fall():
    assert "is not a finite number" in priced({"tokens": float("nan")}, {"tokens": 1.0}).message
    assert "is negative (-3)" in priced({"tokens": -3.0}, {"tokens": 1.0}).message


def test_money_that_only_rounding_puts_above_its_limit_keeps_it():
    assert cost(Mean(0.1 + 0.2, 1), Limits(max=0.3)).verdict is Verdict.HEALTHY
    assert cost(Mean(0.3, 1), Limits(min=0.1 + 0.2)).verdict is Verdict.HEALTHY
    assert budget(0.1 + 0.2, 0.3).verdict is Verdict.HEALTHY


@given(st.floats(0, 1), st.floats(0, 1))
def test_no_share_is_shown_as_the_whole_unless_it_is(share, other):
    for digits in (3, 4):
        assert share == 1 or 1 - share < 1e-11 or percents(share, digits) != "100"
    low, high = sorted((share, other))
    assert float(percents(low)) <= float(percents(high))


@given(st.floats(1e-9, 1e12))
def test_a_number_is_written_without_an_exponent_and_to_four_digits(value):
    text = format_number(value)
    assert "e" not in text
    assert float(text) == pytest.approx(value, rel=6e-4)


def test_numbers_beside_each_other_can_be_told_apart():
    assert p_text(0.0496, 0.05) == "p = 0.0496"
    assert p_text(0.05, 0.05) == "p = 0.05"
    assert (shown(0.99999, "ratio"), shown(1.0, "ratio")) == ("99.999 %", "100 %")
    assert too_few(1, 2, "ticks with traffic").message == "1 tick with traffic, at least 2 are needed"
