import math
from dataclasses import replace

import numpy as np
import pytest

from modelramp.analysis.evidence import Mean, Proportion
from modelramp.analysis.stats.sequential import (
    Design,
    MeanLooks,
    RateLooks,
    likelihood_ratio,
    look_at_limit,
    look_at_means,
    look_at_rates,
)
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict


def first_breach(look, start, ticks):
    """The tick at which a stream first breaches, from 1; None when it never does."""
    looks = start
    for number, tick in enumerate(ticks, start=1):
        looks, result = look(looks, *tick)
        if result.verdict is Verdict.BREACH:
            return number
    return None


def rates(rng, candidate, stable, n, m, looks):
    bad, worse = rng.binomial(n, candidate, looks), rng.binomial(m, stable, looks)
    return [(Proportion(float(b), n), Proportion(float(w), m)) for b, w in zip(bad, worse, strict=True)]


def versus_stable(looks, candidate, stable):
    return look_at_rates(looks, candidate, stable, Design())


def versus_limit(looks, candidate):
    return look_at_limit(looks, candidate, 0.03, Design())


def most(alpha, streams):
    """The most alarms that a test with this alpha may give in so many streams, but for one in a thousand tries."""
    return alpha * streams + 3.1 * math.sqrt(alpha * (1 - alpha) * streams)


@pytest.mark.parametrize(("n", "m"), [(30, 270), (300, 2700)])
def test_five_hundred_looks_at_equal_versions_alarm_no_more_often_than_alpha(n, m):
    rng = np.random.default_rng(n + m)
    alarms = [first_breach(versus_stable, RateLooks(), rates(rng, 0.01, 0.01, n, m, 500)) for _ in range(50)]
    assert sum(alarm is not None for alarm in alarms) <= most(0.05, 50)


def test_five_hundred_looks_at_a_rate_on_its_limit_alarm_no_more_often_than_alpha():
    rng = np.random.default_rng(11)
    streams = rng.binomial(30, 0.03, (50, 500))
    alarms = [first_breach(versus_limit, RateLooks(), [(Proportion(float(b), 30),) for b in s]) for s in streams]
    assert sum(alarm is not None for alarm in alarms) <= most(0.05, 50)


def test_ten_times_the_errors_at_thirty_requests_a_minute_are_found_within_minutes():
    rng = np.random.default_rng(12)
    found = [first_breach(versus_stable, RateLooks(), rates(rng, 0.1, 0.01, 30, 270, 60)) for _ in range(300)]
    assert np.median(found) <= 4
    assert np.quantile(found, 0.99) <= 8


def test_a_rate_far_above_its_limit_is_found_within_minutes():
    rng = np.random.default_rng(13)
    streams = rng.binomial(30, 0.1, (300, 60))
    found = [first_breach(versus_limit, RateLooks(), [(Proportion(float(b), 30),) for b in s]) for s in streams]
    assert np.median(found) <= 4
    assert np.quantile(found, 0.99) <= 12


def means(rng, candidate, stable, n, m, looks, deviation=1.0):
    one = rng.normal(candidate, deviation / math.sqrt(n), looks) * n
    other = rng.normal(stable, deviation / math.sqrt(m), looks) * m
    return [(Mean(float(a), n), Mean(float(b), m)) for a, b in zip(one, other, strict=True)]


def versus_mean(looks, candidate, stable):
    return look_at_means(looks, candidate, stable, Design(effect=0.2))


def test_means_that_are_equal_alarm_no_more_often_than_alpha():
    rng = np.random.default_rng(14)
    alarms = [first_breach(versus_mean, MeanLooks(), means(rng, 5, 5, 30, 270, 300)) for _ in range(150)]
    assert sum(alarm is not None for alarm in alarms) <= most(0.05, 150)


def test_a_mean_that_rose_by_half_a_deviation_is_found_as_soon_as_the_spread_is_known():
    rng = np.random.default_rng(15)
    found = [first_breach(versus_mean, MeanLooks(), means(rng, 5.5, 5, 30, 270, 60)) for _ in range(100)]
    assert np.median(found) <= 8


def test_the_p_value_of_a_look_is_half_the_inverse_likelihood_ratio():
    looks, result = versus_stable(RateLooks(), Proportion(20, 200), Proportion(20, 1000))
    pooled = 40 / 1200
    variance = pooled * (1 - pooled) * (1 / 200 + 1 / 1000)
    difference, tau = 0.1 - 0.02, 0.02**2
    ratio = math.sqrt(variance / (variance + tau)) * math.exp(tau * difference**2 / (2 * variance * (variance + tau)))
    assert likelihood_ratio(difference, variance, 0.02) == pytest.approx(ratio)
    assert looks.p_value == result.p_value == pytest.approx(1 / (2 * ratio))


def test_evidence_once_found_stands():
    looks, result = versus_stable(RateLooks(), Proportion(60, 200), Proportion(10, 1000))
    assert result.verdict is Verdict.BREACH
    later, result = versus_stable(looks, Proportion(0, 2000), Proportion(10, 1000))
    assert result.verdict is Verdict.BREACH
    assert later.p_value == looks.p_value


def test_a_better_candidate_is_never_a_breach():
    _, result = versus_stable(RateLooks(), Proportion(10, 1000), Proportion(300, 1000))
    assert (result.verdict, result.p_value) == (Verdict.HEALTHY, 1.0)


def test_a_handful_of_events_is_no_evidence():
    _, result = versus_stable(RateLooks(), Proportion(9, 20), Proportion(0, 1000))
    assert result.p_value == 1.0


def test_a_sliver_of_the_traffic_is_judged_once_enough_failures_are_expected_of_it():
    """At a share of 1 % five failures of a hundred are no evidence: two must be due to it, not one."""
    _, result = versus_stable(RateLooks(), Proportion(5, 40), Proportion(95, 3960))
    assert result.p_value == 1.0
    _, result = versus_stable(RateLooks(), Proportion(10, 80), Proportion(190, 7920))
    assert result.p_value < 0.05


def test_looks_that_go_on_from_a_stored_state_are_the_same_as_looks_without_a_break():
    ticks = rates(np.random.default_rng(16), 0.03, 0.01, 30, 270, 40)
    through = stored = RateLooks()
    for tick in ticks:
        through, one = versus_stable(through, *tick)
        copied = RateLooks(
            Proportion(stored.candidate.bad, stored.candidate.total),
            Proportion(stored.stable.bad, stored.stable.total),
            stored.p_value,
        )
        stored, other = versus_stable(copied, *tick)
        assert (through, one) == (stored, other)


def test_a_tick_without_traffic_in_one_version_keeps_the_evidence():
    looks, _ = versus_stable(RateLooks(), Proportion(5, 200), Proportion(20, 1000))
    later, result = versus_stable(looks, Proportion(0, 0), Proportion(2, 100))
    assert result.verdict is Verdict.HEALTHY
    assert later.stable == Proportion(22, 1100)


def test_no_traffic_at_all_is_no_data():
    for look, start, nothing in (
        (versus_stable, RateLooks(), (Proportion(0, 0), Proportion(1, 10))),
        (versus_limit, RateLooks(), (Proportion(0, 0),)),
        (versus_mean, MeanLooks(), (Mean(0, 0), Mean(1, 10))),
    ):
        _, result = look(start, *nothing)
        assert (result.verdict, result.reason) == (Verdict.NO_DATA, Reason.EMPTY_RESULT)


def test_a_tick_with_impossible_counts_changes_nothing():
    looks = RateLooks(Proportion(20, 200), Proportion(20, 1000), 0.2)
    after, result = versus_stable(looks, Proportion(5, 2), Proportion(0, 10))
    assert (after, result.verdict, result.reason) == (looks, Verdict.NO_DATA, Reason.NOT_A_NUMBER)
    after, result = versus_stable(looks, Proportion(math.nan, 2), Proportion(0, 10))
    assert (after, result.verdict, result.reason) == (looks, Verdict.NO_DATA, Reason.NOT_A_NUMBER)
    after, result = versus_limit(looks, Proportion(-1, 2))
    assert (after, result.verdict, result.reason) == (looks, Verdict.NO_DATA, Reason.NOT_A_NUMBER)


@pytest.mark.parametrize("limit", [0, 1, -1, 2])
def test_a_limit_that_no_rate_can_cross_or_keep_is_not_evaluated(limit):
    _, result = look_at_limit(RateLooks(), Proportion(1, 10), limit, Design())
    assert (result.verdict, result.reason) == (Verdict.NO_DATA, Reason.NOT_EVALUATED)


def test_means_without_spread_or_with_too_few_ticks_are_no_data():
    looks = MeanLooks()
    for _ in range(5):
        looks, result = versus_mean(looks, Mean(10, 10), Mean(10, 10))
        assert (result.verdict, result.reason) == (Verdict.NO_DATA, Reason.TOO_FEW_SAMPLES)
    for _ in range(5):
        looks, result = versus_mean(looks, Mean(10, 10), Mean(10, 10))
    assert (result.verdict, result.reason) == (Verdict.NO_DATA, Reason.NOT_EVALUATED)


def test_fewer_than_the_wished_samples_are_no_data():
    design = replace(Design(), min_samples=100)
    _, result = look_at_rates(RateLooks(), Proportion(5, 50), Proportion(5, 500), design)
    assert (result.verdict, result.reason) == (Verdict.NO_DATA, Reason.TOO_FEW_SAMPLES)
