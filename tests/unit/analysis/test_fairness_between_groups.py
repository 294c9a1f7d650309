"""One group against all others: what is significant and what is large must be true of the same group."""

import numpy as np
import pytest

from modelramp.analysis.evidence import Groups, Proportion
from modelramp.analysis.stats.fairness import FairnessRule, fairness
from modelramp.api.verdict import Verdict

RUNS = 1000
TENTH, FIFTHS = FairnessRule(difference=0.1), FairnessRule(four_fifths=0.8)
BOTH = FairnessRule(difference=0.1, four_fifths=0.9)


def groups(totals, bad):
    pairs = zip(totals, bad, strict=True)
    return Groups({f"g{i}": Proportion(float(b), float(n)) for i, (n, b) in enumerate(pairs)})


def share(totals, rates, rule, runs=RUNS):
    """The share of breaches when the groups have these true error rates."""
    chance = np.random.default_rng(11)
    found = (fairness(groups(totals, chance.binomial(totals, rates)), rule) for _ in range(runs))
    return sum(one.verdict is Verdict.BREACH for one in found) / runs


SMALL_BESIDE_LARGE = ([20_000, 20_000] + [40] * 15, [0.05, 0.056] + [0.053] * 15)


@pytest.mark.parametrize("rule", [TENTH, FairnessRule(four_fifths=0.9), BOTH], ids=["points", "ratio", "both"])
def test_a_significant_trifle_and_a_large_chance_are_no_breach_together(rule):
    """Two large groups differ by 0.6 points, surely; of fifteen small ones some differ by ten, by chance."""
    assert share(*SMALL_BESIDE_LARGE, rule) <= 0.05


@pytest.mark.parametrize(
    ("totals", "rates", "rule"),
    [
        ([1000, 1000], [0.05, 0.15], TENTH),
        ([100, 1000], [0.15, 0.05], TENTH),
        ([400] * 20, [0.15] + [0.05] * 19, TENTH),
        ([1000, 1000], [0.1, 0.28], FIFTHS),
        ([200] * 20, [0.6] + [0.5] * 19, FIFTHS),
    ],
    ids=["two groups", "unequal groups", "twenty groups", "four fifths", "four fifths of twenty"],
)
def test_at_the_limit_few_ticks_breach(totals, rates, rule):
    assert share(totals, rates, rule) <= 0.05


def test_a_group_well_beyond_a_limit_is_found():
    assert share([1000, 1000], [0.05, 0.25], TENTH) > 0.95
    assert share([300] * 10, [0.3] + [0.05] * 9, TENTH) > 0.95
    assert share([300] * 10, [0.4] + [0.05] * 9, FIFTHS) > 0.95
    assert share([300] * 10, [0.4] * 9 + [0.05], FIFTHS) > 0.95, "a favoured group is one too"


def test_each_limit_breaches_by_itself():
    """1 % against 10 % errors keeps four fifths of the success, and is ten times as many errors."""
    tenfold = groups([10_000, 10_000], [100, 1000])

    assert fairness(tenfold, FIFTHS).verdict is Verdict.HEALTHY
    assert fairness(tenfold, FairnessRule(difference=0.05, four_fifths=0.8)).verdict is Verdict.BREACH
    assert fairness(tenfold, FairnessRule(difference=0.2, four_fifths=0.95)).verdict is Verdict.BREACH


def test_the_sentence_is_about_the_group_that_breaches():
    found = fairness(groups([20_000, 20_000, 400, 400], [1000, 1120, 200, 21]), TENTH)

    assert found.detail == (
        "errors 50 % of 400 in group g2, 5.3 % of 40,400 in all others; 10 percentage points tolerated; "
        "success ratio 0.528 (four-fifths rule: 0.8), p < 0.0001 (z test, Holm)"
    )
    assert found.value == pytest.approx(0.5 - 2141 / 40_400)


def test_what_may_be_chance_is_said_to_be():
    found = fairness(groups([1000, 1000], [50, 160]), TENTH)

    assert found.verdict is Verdict.HEALTHY
    assert found.detail.endswith(": the interval reaches the limit, not evidence enough")


def test_groups_are_equal_without_limits_as_often_as_alpha_says():
    assert share([400] * 12, [0.05] * 12, FairnessRule()) <= 0.07
