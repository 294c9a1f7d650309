"""What a replay of outcomes tells: the same as `modelramp simulate`, and what only history has."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelramp.analysis.checks import VALUE, judge
from modelramp.api.names import Reason
from modelramp.api.spec import parse_spec
from modelramp.api.verdict import CheckOutcome, Verdict
from modelramp.cli.backtest.replay import HELD, PROMOTED, ROLLED_BACK, STEP, Recorded, Said, replay
from modelramp.cli.backtest.report import moment_json, summary_json
from modelramp.cli.backtest.sensitivity import variants, windows_of, with_window
from modelramp.engine.ports import Sample
from modelramp.simulation.rollout import rehearse
from modelramp.simulation.ticks import Line

ERRORS = {"name": "error-rate", "query": "x", "max": 0.01}
ACCURACY = {"name": "accuracy", "preset": "reference-accuracy", "role": "hold"}
VALUES = {"h": 0.002, "b": 0.5, "?": None}
START = 1_795_000_020


def spec(checks=(ERRORS,), after=None, rollout=None, **health):
    return parse_spec(
        {
            "model": {"name": "digits", "version": "2.0.0"},
            "template": {"spec": {"containers": [{"name": "model", "image": "digits"}]}},
            "routing": {"gateway": {"parentRefs": [{"name": "public"}]}},
            "rollout": rollout or {},
            "health": {"checks": list(checks), **health},
            "afterPromotion": after or {},
        }
    )


def outcome(check, value):
    if value is None:
        return CheckOutcome(check.name, Verdict.NO_DATA, Reason.EMPTY_RESULT, "no data")
    return judge(check, {VALUE: [Sample({}, value)]})


def history(policy, rows):
    """Rows of values, one for each check, from the first minute after START on."""
    return [
        Recorded(START + 60 * number, Said(tuple(outcome(check, row[check.name]) for check in policy.health.checks)))
        for number, row in enumerate(rows, start=1)
    ]


def letters(text):
    return [{"error-rate": VALUES[letter]} for letter in text]


def told(text, *, again=False, **parts):
    policy = spec(**parts)
    return replay(policy, "candidate", "stable", history(policy, letters(text)), again=again)


def test_all_healthy_is_promoted_at_the_end_of_the_last_step():
    found = told("h" * 17)
    assert [moment.weight for moment in found.moments] == [10] * 4 + [50] * 5 + [100] * 8
    assert [moment.number for moment in found.having(STEP)] == [5, 10]
    assert [moment.number for moment in found.having(PROMOTED)] == [15]
    assert found.decisive.event == PROMOTED


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("hhb?"), st.sampled_from([0.99, 0.1, None])), min_size=1, max_size=45),
    st.integers(1, 4),
    st.sampled_from([{}, {"watch": "never"}, {"onBreach": "Report"}]),
)
def test_it_is_what_simulate_tells(minutes, threshold, after):
    policy = spec(checks=(ERRORS, ACCURACY), after=after, failureThreshold=threshold)
    rows = [{"error-rate": VALUES[letter], "accuracy": accuracy} for letter, accuracy in minutes]
    simulated, outcome_ = rehearse(policy, [Line(row) for row in rows])
    found = replay(policy, "candidate", "stable", history(policy, rows), again=False)
    assert [(row.tick, row.verdict, row.breaches, row.phase, row.step, row.weight) for row in simulated] == [
        (each.number, each.verdict.value, each.breaches, each.phase.value, each.step, each.weight)
        for each in found.moments
    ]
    end = summary_json(found, [])
    assert (end["outcome"], end["tick"]) == (outcome_.outcome, outcome_.tick)


def test_a_rollback_ends_it_unless_it_begins_again():
    text = "hh" + "b" * 8 + "h" * 20
    assert [moment.number for moment in told(text).having(ROLLED_BACK)] == [5]
    found = told(text, again=True)
    assert [moment.number for moment in found.having(ROLLED_BACK)] == [5]
    assert [moment.number for moment in found.having(PROMOTED)] == [26]
    assert {moment.trial for moment in found.moments} == {1, 0, 2}
    assert [moment.weight for moment in found.moments[5:11]] == [0] * 5 + [10]


def test_each_incident_counts_once():
    text = ("h" * 3 + "b" * 7) * 4
    assert len(told(text, again=True).having(ROLLED_BACK)) == 4


def test_breaches_without_traffic_are_not_counted_as_the_versions():
    end = summary_json(told("bbb" + "b" * 10), [])
    assert end["breaches"]["count"] == 3


@pytest.mark.parametrize(("role_rows", "words"), [("held", "accuracy holds promotion"), ("silent", "no data")])
def test_what_holds_a_step_whose_time_is_over_is_told(role_rows, words):
    policy = spec(checks=(ERRORS, ACCURACY))
    bad = {"held": {"error-rate": 0.002, "accuracy": 0.1}, "silent": {"error-rate": None, "accuracy": 0.99}}[role_rows]
    rows = [{"error-rate": 0.002, "accuracy": 0.99}] * 3 + [bad] * 5
    found = replay(policy, "candidate", "stable", history(policy, rows), again=False)
    assert [moment.number for moment in found.having(HELD)] == [5, 6, 7, 8]
    assert words in found.having(HELD)[0].reason
    assert summary_json(found, [])["holds"] == {"count": 4, "first": moment_json(found.moments[4])["time"]}


def test_an_infinite_value_is_null_in_json():
    policy = spec()
    found = replay(policy, "c", "s", history(policy, [{"error-rate": float("inf")}]), again=False)
    assert moment_json(found.moments[0])["checks"]["error-rate"]["value"] is None


def test_a_window_beyond_the_interval_takes_the_interval_with_it():
    policy = with_window(spec(checks=(ERRORS, {**ACCURACY, "window": "10m"})), 120)
    assert policy.health.interval == 120
    assert [policy.health.window_of(check) for check in policy.health.checks] == [120, 600]
    assert with_window(spec(), 30).health.interval == 60


def test_windows_are_tried_around_the_interval():
    assert windows_of(spec().health) == (30, 60, 120, 300)
    assert windows_of(spec(checks=({**ERRORS, "window": "45s"},)).health) == (30, 45, 60, 120, 300)


def test_higher_thresholds_never_roll_back_earlier_or_more_often():
    for text in map("".join, product(("hb", "bbh", "bbbbbh", "?b"), repeat=2)):
        policy = spec()
        rows = list(variants(policy, "c", "s", {60: history(policy, letters(text * 3))}))
        assert [row.failure_threshold for row in rows] == [1, 2, 3, 4, 5]
        first = [row.first_rollback or 10**12 for row in rows]
        assert first == sorted(first)
