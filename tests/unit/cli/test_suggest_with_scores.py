"""Limits where scores decide (spec.health.minScore): counted as the core counts, for any weights and data."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from modelramp.analysis.checks import VALUE, judge
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import CheckOutcome, TickOutcome, Verdict
from modelramp.cli.backtest.limits import MONTH, Rule, Side, _levels, count_alarms, propose
from modelramp.cli.backtest.replay import Recorded, Said
from modelramp.cli.backtest.scores import Scored
from modelramp.cli.commands.suggest import _judge, _rules
from modelramp.core.breaches import count, tripped
from modelramp.core.state import BreachCounter
from modelramp.engine.ports import Sample
from tests.unit.cli.test_suggest_limits import noise

FIXED = {"name": "fixed", "ratio": {"bad": "b", "total": "t"}, "max": 0.1}
ONE_CHECK = st.fixed_dictionaries(
    {
        "dimension": st.sampled_from(["technical", "business"]),
        "weight": st.integers(1, 3),
        "critical": st.booleans(),
    }
)


def health_of(checks, min_score, threshold):
    named = [{"name": f"c{index}", "query": "x", "max": 3} | extra for index, extra in enumerate(checks)]
    return Health.model_validate(
        {"failureThreshold": threshold, "minScore": min_score, "checks": [*named, FIXED | {"weight": 2}]}
    )


def outcomes(health, row, fixed):
    found = []
    for check, value in zip(health.checks, row, strict=False):
        silent = CheckOutcome(check.name, Verdict.NO_DATA, Reason.EMPTY_RESULT, "", dimension=check.dimension.value)
        said = judge(check, {VALUE: [Sample({}, value)]}) if value is not None else silent
        found.append(
            CheckOutcome(check.name, said.verdict, said.reason, "", said.value, dimension=check.dimension.value)
        )
    return (*found, CheckOutcome("fixed", fixed, Reason.WITHIN_LIMIT, "", 0.05, dimension="technical"))


def recorded(health, rows, fixed):
    return [
        Recorded(60 * tick, Said(outcomes(health, row, each)))
        for tick, (row, each) in enumerate(zip(rows, fixed, strict=True), start=1)
    ]


def rules_of(health, history):
    refused = {"fixed": "judges more than one number"}
    scored = _judge(health, history, refused)
    return _rules(health, history, refused, scored)


def alarms_of_the_core(health, history, limits):
    """Alarms when the checks have these limits, by the core's own counting; each row of breaches counts once."""
    checks = tuple(
        check.model_copy(update={"max": limits[check.name, True]}) if (check.name, True) in limits else check
        for check in health.checks
    )
    moved = health.model_copy(update={"checks": checks})
    watch, alarms = BreachCounter("r", 0), 0
    for each in history:
        row = [said.value if said.verdict is not Verdict.NO_DATA else None for said in each.said.checks[:-1]]
        found = outcomes(moved, row, each.said.checks[-1].verdict)
        before, watch = watch, count(watch, moved, TickOutcome(each.tick, "r", found, available=True))
        alarms += watch.shared == moved.failure_threshold != before.shared and tripped(before, watch, moved) is not None
    return alarms


VERDICTS = st.sampled_from([Verdict.HEALTHY] * 6 + [Verdict.BREACH, Verdict.NO_DATA])
VALUES = st.one_of(st.none(), st.integers(0, 6).map(float))


@settings(max_examples=150, deadline=None)
@given(st.lists(ONE_CHECK, min_size=1, max_size=3), st.integers(1, 100), st.integers(1, 3), st.data())
def test_alarms_are_what_the_core_counts_at_any_limits(checks, min_score, threshold, data):
    health = health_of(checks, min_score, threshold)
    rows = data.draw(st.lists(st.tuples(*[VALUES] * len(checks)), min_size=3, max_size=14))
    fixed = data.draw(st.lists(VERDICTS, min_size=len(rows), max_size=len(rows)))
    history = recorded(health, rows, fixed)
    sides = tuple(
        Side(check.name, True, tuple(row[index] for row in rows)) for index, check in enumerate(health.checks[:-1])
    )
    rules = [Rule(sides, threshold, Scored(health, history, [side.check for side in sides]))]
    assume(any(not rules[0].silent(tick) for tick in rules[0].ticks))
    limits = {(side.check, True): float(data.draw(st.integers(-1, 7))) for side in sides}
    assert count_alarms(rules, limits) == alarms_of_the_core(health, history, limits)
    for level, alarms, _ in _levels(rules, 60):
        at_level = {(side.check, True): worst_healthy(side, level) for side in sides}
        assert alarms == alarms_of_the_core(health, history, at_level), level


def worst_healthy(side, level):
    """The limit at a share of the side's own history that lies beyond, by the definition."""
    known = [value for value in side.values if value is not None]
    healthy = [value for value in known if sum(other >= value for other in known) / len(known) > level]
    return max(healthy, default=-1.0)


def independent(min_score, weights, count_=6_000):
    health = health_of([{"weight": weight} for weight in weights], min_score, 2)
    rows = list(zip(*(noise(count_, seed=seed) for seed in range(len(weights))), strict=True))
    history = recorded(health, rows, [Verdict.HEALTHY] * count_)
    return health, history


def test_what_a_score_tolerates_allows_tighter_limits_at_the_same_rate():
    rate = 10 / (6_000 * 60 / MONTH)
    limits = {}
    for min_score in (100, 70):
        # Weights 1 and 1 beside a fixed 2: one beyond scores 75, both 50.
        health, history = independent(min_score, (1, 1))
        found = propose(rules_of(health, history), 60, rate)
        assert found.alarms == alarms_of_the_core(health, history, found.limits) <= 10
        limits[min_score] = found.limits["c0", True]
    assert limits[70] < limits[100] - 0.3


def test_checks_that_no_score_can_hear_get_no_proposal_but_the_reason():
    # Beside a fixed weight of 2, two checks of weight 1 bring the score to 50 at worst.
    health, history = independent(50, (1, 1), count_=70)
    told = Scored(health, history, ["c0", "c1"]).powerless()
    assert set(told) == {"c0", "c1"}
    assert "below 50" in told["c0"]
    health, history = independent(51, (1, 1), count_=70)
    assert Scored(health, history, ["c0", "c1"]).powerless() == {}


def test_a_critical_check_is_heard_whatever_its_weight():
    health = health_of([{"critical": True}], 10, 2)
    history = recorded(health, [(1.0,), (2.0,)], [Verdict.HEALTHY] * 2)
    scored = Scored(health, history, ["c0"])
    assert scored.powerless() == {}
    assert [scored.breaches(0, ()), scored.breaches(0, {"c0"})] == [False, True]


@pytest.mark.parametrize(("min_score", "heard"), [(None, False), (50, True)])
def test_scores_decide_only_where_the_policy_says_so(min_score, heard):
    health = health_of([{}], min_score, 2)
    assert (_judge(health, recorded(health, [(1.0,)], [Verdict.HEALTHY]), {}) is not None) is heard
