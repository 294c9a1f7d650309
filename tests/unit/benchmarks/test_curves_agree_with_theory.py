"""What is simulated and what is computed come out alike, and the optimum is one."""

import math

import numpy as np
import pytest
from scipy.stats import poisson

from benchmarks.chances import Cusum, breach_chance, least_error, mean_ticks, per_thousand_hours
from benchmarks.levels import (
    Level,
    LongRun,
    of_change_over_limit,
    of_change_over_stable,
    of_drift,
    of_limit,
    run_length,
)
from benchmarks.rules import PLAIN, RATIO, Border, Rule
from benchmarks.watching import Estimate, delay_of, detection, per_thousand, share
from modelramp.analysis.stats.drift import Measure

THREE, AT_ONCE = Rule("plain", PLAIN), Rule("at once", PLAIN, 1)


def test_the_chance_of_a_breach_is_that_of_a_failure_at_three_requests_a_minute():
    """Up to 33 requests one failure is a breach: 1 - P(no failure) of Poisson counts, given any traffic."""
    none_failed = math.exp(-3 * 0.01)
    expected = (1 - none_failed) / (1 - math.exp(-3))
    assert breach_chance(THREE, 3, 0.01) == pytest.approx(expected, rel=1e-6)


def test_three_heads_in_a_row_take_fourteen_tosses():
    coin = Rule("coin", Border(lambda bad, total: bad * 2 >= total), 3)
    assert mean_ticks(coin, 50, 1.0) == pytest.approx(3)
    q = breach_chance(coin, 50, 0.5)
    assert mean_ticks(coin, 50, 0.5) == pytest.approx((1 - q**3) / (q**3 * (1 - q)))
    assert mean_ticks(Rule("fair", coin.border, 1), 50, 0.5) == pytest.approx(1 / q)


@pytest.mark.parametrize("rule", [THREE, AT_ONCE, Rule("ratio", RATIO, 2)], ids=lambda rule: rule.name)
@pytest.mark.parametrize("per_minute", [3, 30])
def test_simulated_detection_takes_as_long_as_computed(rule, per_minute):
    simulated = detection(rule, 7, per_minute, (0.01, 0.1), 4_000, 0).mean
    expected = mean_ticks(rule, per_minute, 0.1)
    assert abs(simulated.value - expected) < 4 * (simulated.high - simulated.value) / 1.96


def test_the_cusum_alarms_as_often_and_as_soon_as_its_chain_says():
    cusum, random, rows = Cusum(30, 0.01, 0.1), np.random.default_rng(3), 3_000
    threshold = cusum.threshold_for(200)
    for rate in (0.01, 0.1):
        total, ticks = np.zeros(rows), np.zeros(rows, dtype=np.int64)
        for tick in range(1, 4_000):
            bad, good = random.poisson(30 * rate, rows), random.poisson(30 * (1 - rate), rows)
            total = np.maximum(0, total + cusum.gains[0] * bad + cusum.gains[1] * good)
            ticks[(total >= threshold) & (ticks == 0)] = tick
            if ticks.all():
                break
        simulated = delay_of(ticks).mean
        expected = cusum.mean_ticks(threshold, rate)
        assert abs(simulated.value - expected) < 4 * (simulated.high - simulated.value) / 1.96 + 0.01 * expected
    mean, median, ninety_nine = cusum.delays(threshold)
    found = delay_of(ticks)
    assert mean == pytest.approx(found.mean.value, rel=0.05)
    assert median == found.median.value
    assert abs(ninety_nine - found.ninety_nine.value) <= 1


@pytest.mark.parametrize("per_minute", [3, 30])
@pytest.mark.parametrize("in_a_row", [2, 3])
def test_no_rule_is_faster_than_the_cusum_with_the_same_false_alarms(per_minute, in_a_row):
    rule = Rule("plain", PLAIN, in_a_row)
    cusum = Cusum(per_minute, 0.01, 0.1)
    optimal, _, _ = cusum.delays(cusum.threshold_for(mean_ticks(rule, per_minute, 0.01)))
    assert optimal <= mean_ticks(rule, per_minute, 0.1)


def test_a_rate_of_one_in_a_thousand_hours_is_one_alarm_in_sixty_thousand_ticks():
    assert per_thousand_hours(60_000) == 1
    assert per_thousand_hours(math.inf) == 0


def test_intervals_are_those_of_the_textbooks():
    none, ten = per_thousand(0, 1_000), per_thousand(10, 1_000)
    assert (none.value, none.low, round(none.high, 3)) == (0, 0, 3.689)
    assert (round(ten.low, 3), round(ten.high, 3)) == (4.795, 18.390)
    found = share(5, 100)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0164, 0.1128)
    delays = delay_of(np.arange(1, 101))
    assert (delays.median.value, delays.ninety_nine.value, delays.within_ten.value) == (50, 99, 0.1)
    assert delays.median.low < 45
    assert delays.median.high > 56


def test_a_level_counts_as_kept_unless_so_many_alarms_are_one_in_a_thousand():
    """Of 1,000 runs at 5 %, 73 or more alarms come with a chance of 0.0010: scipy.stats.binom.sf(72, 1000, 0.05)."""
    assert Level("t", "s", 0.05, 1_000, Estimate(0.071, 0.06, 0.09)).kept
    assert not Level("t", "s", 0.05, 1_000, Estimate(0.075, 0.06, 0.09)).kept


def test_a_long_run_counts_as_kept_while_its_interval_reaches_up_to_the_promise():
    assert LongRun("s", 100, Estimate(90, 80, 101)).kept
    assert not LongRun("s", 100, Estimate(90, 80, 99)).kept


def test_a_change_at_the_limit_comes_no_sooner_and_no_more_often_than_promised():
    run = run_length(30, 300, 200, seed=5)
    assert run.kept
    assert run.looks.value < 1_000
    level = of_change_over_limit(0.001, 30, 300, 300, seed=6)
    assert level.alpha == pytest.approx(0.3)
    assert level.kept
    assert level.alarms.value > 0.03
    level = of_change_over_stable(0.05, (30, 270), 0.001, 300, 300, seed=6)
    assert level.kept
    assert level.alarms.value > 0.03


def test_the_least_error_is_that_of_the_likelihood_ratio():
    """At 1 % against 10 % the failures of 300 requests order by themselves, and the successes decide within a tie."""
    needed = poisson.ppf(0.01, 30)
    assert poisson.sf(needed, 3) < least_error(300, 0.01, 0.1, 0.99) < poisson.sf(needed - 1, 3)
    assert least_error(300, 0.03, 0.1, 0.99) == pytest.approx(0.0022, abs=0.0003)
    assert least_error(300, 0.03, 0.1, 0.5) < least_error(300, 0.03, 0.1, 0.99) / 10


def test_the_sequential_check_at_the_limit_uses_up_much_of_its_alpha_and_no_more():
    level = of_limit(0.05, 30, 200, 1_000, seed=5)
    assert level.kept
    assert level.alarms.value > 0.005


def test_a_drift_check_with_only_its_p_value_alarms_about_as_often_as_declared():
    level = of_drift(Measure.CHI_SQUARE, 1_000, 1_000, seed=5, limit=0.0)
    assert level.alarms.low < 0.01 < level.alarms.high
    assert of_drift(Measure.CHI_SQUARE, 1_000, 100, seed=5, limit=None).alarms.value == 0
