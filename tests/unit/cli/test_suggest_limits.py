"""Limits for a rate of false alarms, against counting everything by hand and against the core's own count."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelramp.analysis.checks import VALUE, judge
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import CheckOutcome, TickOutcome, Verdict
from modelramp.cli.backtest.limits import (
    MONTH,
    MOST_BEYOND,
    Rule,
    Side,
    TooThin,
    _levels,
    _outwards,
    autocorrelation,
    count_alarms,
    propose,
    quantile,
)
from modelramp.core.breaches import count, tick_verdict
from modelramp.core.state import BreachCounter
from modelramp.engine.ports import Sample

values = st.lists(st.one_of(st.none(), st.integers(0, 6).map(float)), min_size=4, max_size=24)


def noise(ticks, seed=1, follow=0.0):
    """Values around 0 that follow each other by `follow`."""
    chance, last, found = random.Random(seed), 0.0, []  # noqa: S311 - noise of a test
    for _ in range(ticks):
        last = follow * last + (1 - follow**2) ** 0.5 * chance.gauss(0, 1)
        found.append(last)
    return tuple(found)


def one(of, threshold=3, upward=True):
    return [Rule((Side("errors", upward, tuple(of)),), threshold)]


def beyond(side, level):
    """The ticks of a side that lie beyond its limit at a share, by the definition; None without data."""
    known = [value for value in side.values if value is not None]

    def share(value):
        return sum((other >= value) if side.upward else (other <= value) for other in known) / len(known)

    return [None if value is None else share(value) <= level for value in side.values]


def alarms_by_hand(rule, level):
    """Alarms of a rule at a share, tick by tick."""
    row = found = 0
    for tick in zip(*(beyond(side, level) for side in rule.sides), strict=True):
        if any(tick):
            row += 1
            found += row == rule.threshold
        elif None not in tick:
            row = 0
    return found


@settings(max_examples=200, deadline=None)
@given(values, st.integers(1, 4), st.booleans(), st.data())
def test_every_share_is_counted_as_by_hand(first, threshold, upward, data):
    second = data.draw(st.lists(st.sampled_from([None, 0.0, 1.0, 2.0]), min_size=len(first), max_size=len(first)))
    first[0], first[1], second[0], second[1] = 0.0, 1.0, 0.0, 2.0
    rules = [
        Rule((Side("a", upward, tuple(first)), Side("b", True, tuple(second))), threshold),
        Rule((Side("c", False, tuple(second)),), 1),
    ]
    for level, alarms, _ in _levels(rules, 60):
        assert alarms == sum(alarms_by_hand(rule, level) for rule in rules), level


@settings(max_examples=200, deadline=None)
@given(values, st.integers(1, 4), st.integers(0, 6))
def test_alarms_are_what_the_core_counts(of, threshold, limit):
    health = Health.model_validate(
        {"failureThreshold": threshold, "checks": [{"name": "errors", "query": "x", "max": limit}]}
    )
    watch, alarms = BreachCounter("r", 0), 0
    for tick, value in enumerate(of):
        nothing = CheckOutcome("errors", Verdict.NO_DATA, Reason.EMPTY_RESULT, "")
        outcome = nothing if value is None else judge(health.checks[0], {VALUE: [Sample({}, value)]})
        given_tick = TickOutcome(tick, "r", (outcome,), available=True)
        before, watch = watch, count(watch, health, given_tick)
        breached = tick_verdict(health, given_tick)[0] is Verdict.BREACH
        alarms += breached and watch.breaches == threshold and before.breaches == threshold - 1
    assert count_alarms(one(of, threshold), {("errors", True): float(limit)}) == alarms


@pytest.mark.parametrize("threshold", [1, 2, 3])
@pytest.mark.parametrize("upward", [True, False])
def test_the_rule_keeps_the_rate_and_a_tighter_one_does_not(threshold, upward):
    of = noise(20_000)
    rate = 20 / (20_000 * 60 / MONTH)
    rules = one(of, threshold, upward)
    found = propose(rules, 60, rate)
    assert found.allowed == 20
    assert found.alarms <= 20
    assert found.counted
    limit = found.limits["errors", upward]
    tighter = [value for value in of if (value < limit if upward else value > limit)]
    tighter = sorted(tighter, reverse=upward)[len(of) // 50]
    assert count_alarms(rules, {("errors", upward): tighter}) > 20


def test_checks_that_share_a_count_are_limited_together():
    first, second = noise(20_000, seed=2), noise(20_000, seed=3)
    shared = [Rule((Side("a", True, first), Side("b", False, second)), 2)]
    rate = 10 / (20_000 * 60 / MONTH)
    found = propose(shared, 60, rate)
    assert count_alarms(shared, found.limits) == found.alarms <= 10
    alone = propose(one(first, 2), 60, rate)
    assert found.limits["a", True] > alone.limits["errors", True]


def test_higher_thresholds_allow_tighter_limits():
    of = noise(10_000)
    limits = [propose(one(of, threshold), 60, 20).limits["errors", True] for threshold in (1, 2, 3, 5)]
    assert limits == sorted(limits, reverse=True)


def test_values_that_follow_each_other_need_wider_limits():
    wide = propose(one(noise(10_000, follow=0.9)), 60, 5).limits["errors", True]
    assert wide > propose(one(noise(10_000)), 60, 5).limits["errors", True] + 0.5


@pytest.mark.parametrize("follow", [0.0, 0.5])
def test_proposals_from_four_days_keep_their_rate_in_the_year_after(follow):
    year = one(noise(12 * 43_830, seed=6, follow=follow))
    alarms = []
    for seed in range(20, 25):
        found = propose(one(noise(5_760, seed=seed, follow=follow)), 60, 4)
        assert not found.counted
        alarms.append(count_alarms(year, found.limits))
    assert sum(alarms) <= 48 * 5
    assert max(alarms) <= 2 * 48
    assert sum(alarms) > 0


@pytest.mark.parametrize(("ticks", "threshold"), [(30, 3), (300, 3), (3_000, 1)])
def test_a_history_too_thin_for_the_rate_is_refused_with_what_would_do(ticks, threshold):
    with pytest.raises(TooThin, match=r"too few|ticks \(.* (days|hours|minutes)\) cannot show that the rule"):
        propose(one(noise(ticks), threshold), 60, 1)


def test_as_much_history_as_the_refusal_names_is_enough():
    with pytest.raises(TooThin) as refused:
        propose(one(noise(300)), 60, 1)
    named = int(str(refused.value).split("some ")[1].split(" ticks")[0].replace(",", ""))
    assert propose(one(noise(2 * named)), 60, 1).alarms == 0
    assert named < 10_000


def test_an_infinite_value_breaches_whatever_is_proposed():
    of = list(noise(10_000))
    of[5_000] = float("inf")
    assert propose(one(of), 60, 5).limits["errors", True] < 10


def test_no_limit_is_breached_by_more_than_a_quarter_of_the_history():
    assert propose(one(noise(5_000), threshold=5), 60, 10_000).beyond <= MOST_BEYOND


def test_limits_are_rounded_to_the_side_of_fewer_alarms():
    of = [value / 7 + 1 for value in noise(10_000)]
    high, low = propose(one(of), 60, 5), propose(one(of, upward=False), 60, 5)
    assert all(float(f"{limit:.3g}") == limit for limit in (*high.limits.values(), *low.limits.values()))
    assert high.alarms <= high.allowed


@pytest.mark.parametrize("upward", [True, False])
def test_the_share_that_is_told_lies_beyond_the_limit(upward):
    of = [float(round(value * 100)) for value in noise(10_000)]
    found = propose(one(of, upward=upward), 60, 5)
    limit = found.limits["errors", upward]
    assert sum(value > limit if upward else value < limit for value in of) / len(of) == found.beyond > 0


@given(st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda value: abs(value) > 1e-6), st.booleans())
def test_rounding_moves_a_limit_outwards_by_less_than_one_in_the_third_digit(value, up):
    rounded = _outwards(value, 3, up=up)
    assert (rounded >= value) if up else (rounded <= value)
    assert abs(rounded - value) <= abs(value) / 100 * 1.001
    assert float(f"{rounded:.3g}") == rounded


def test_quantiles_are_values_that_were_measured():
    assert [quantile([3.0, None, 1.0, 2.0], share) for share in (0, 0.5, 1)] == [1.0, 2.0, 3.0]


def test_autocorrelation_is_that_of_the_process():
    assert autocorrelation(noise(20_000, follow=0.7)) == pytest.approx(0.7, abs=0.03)
    assert autocorrelation([1.0, 1.0, None]) == 0
