"""Scores of the dimensions, and what spec.health.minScore makes of them."""

import pytest
from hypothesis import given as property_of
from hypothesis import strategies as st

from modelramp.api.check import Check
from modelramp.api.health import Health
from modelramp.api.verdict import TickOutcome, Verdict
from modelramp.core.breaches import count, tick_verdict
from modelramp.core.scores import judged, scores
from modelramp.core.state import BreachCounter
from modelramp.core.status.read import read_status
from modelramp.core.status.write import status_of
from tests.unit.core.story import START, Story, check


def health(*checks, **more):
    return Health.model_validate({"checks": [{"query": "x", "max": "0.01", **item} for item in checks], **more})


def tick(declared, letters, available=True):
    outcomes = tuple(check(item.name, letter) for item, letter in zip(declared.checks, letters, strict=True))
    found = tuple(
        type(each)(each.name, each.verdict, each.reason, each.detail, dimension=item.dimension)
        for item, each in zip(declared.checks, outcomes, strict=True)
    )
    return TickOutcome(START, "r", found, available)


A, B, C = {"name": "a"}, {"name": "b"}, {"name": "c"}
BUSINESS = {"name": "d", "dimension": "business"}


@pytest.mark.parametrize(
    ("checks", "letters", "expected"),
    [
        ((A, B, C), "hhh", {"technical": 100}),
        ((A, B, C), "hhb", {"technical": 66}),
        ((A, {**B, "weight": 3}), "bh", {"technical": 75}),
        ((A, B), "b?", {"technical": 0}),
        ((A, B), "h?", {"technical": 100}),
        ((A, B), "??", {}),
        (({**A, "critical": True, "weight": 1}, {**B, "weight": 99}), "bh", {"technical": 0}),
        (({**A, "critical": True}, B), "hb", {"technical": 50}),
        (({**A, "critical": True}, B), "?h", {"technical": 100}),
        ((A, BUSINESS), "hb", {"business": 0, "technical": 100}),
        (({**A, "role": "inform"}, {**B, "role": "hold"}), "bh", {"technical": 50}),
    ],
)
def test_the_score_is_the_weighted_share_within_limits(checks, letters, expected):
    declared = health(*checks)
    assert scores(judged(declared, tick(declared, letters).checks)) == expected


OWN = {"name": "own", "failureThreshold": 2}
MIN = 75


@pytest.mark.parametrize(
    ("checks", "letters", "verdict", "says"),
    [
        ((A, B, C, OWN), "hhhh", Verdict.HEALTHY, "all checks within their limits"),
        ((A, {**B, "weight": 3}), "bh", Verdict.HEALTHY, "no score is below 75: a: 0.5, limit 0.01"),
        ((A, {**B, "weight": 2}), "bh", Verdict.BREACH, "technical scores 66, below 75: a: 0.5, limit 0.01"),
        (({**A, "critical": True}, {**B, "weight": 9}), "bh", Verdict.BREACH, "technical scores 0, below 75: a (criti"),
        ((A, {**OWN, "weight": 9}), "bh", Verdict.BREACH, "technical scores 0, below 75: a: 0.5, limit 0.01"),
        (({**A, "weight": 9}, OWN), "hb", Verdict.BREACH, "own: 0.5, limit 0.01"),
        ((A, {**B, "role": "inform"}), "hb", Verdict.HEALTHY, "all checks within their limits"),
        ((A, {**B, "role": "hold"}), "hb", Verdict.HEALTHY, "all checks within their limits"),
        ((A, {**B, "weight": 9}, C), "bh?", Verdict.NO_DATA, "c: the query returned an empty result"),
        ((A, B, C), "bh?", Verdict.BREACH, "technical scores 50, below 75: a: "),
        (({**A, "weight": 9}, BUSINESS), "hb", Verdict.BREACH, "business scores 0, below 75: d: "),
        ((), "", Verdict.HEALTHY, "all checks within their limits"),
    ],
)
def test_with_a_least_score_a_tick_breaches_when_a_dimension_is_below(checks, letters, verdict, says):
    declared = health(*checks, minScore=MIN)
    found, _, detail = tick_verdict(declared, tick(declared, letters))
    assert found is verdict
    assert detail.startswith(says)


def test_missing_pods_breach_whatever_the_scores():
    declared = health(A, minScore=0)
    assert tick_verdict(declared, tick(declared, "h", available=False))[0] is Verdict.BREACH


def test_a_breach_that_the_score_bears_neither_counts_nor_keeps_a_count():
    declared = health(A, {**B, "weight": 3}, minScore=MIN)
    before = BreachCounter("r", START, breaches=2, shared=2)
    assert count(before, declared, tick(declared, "bh")) == BreachCounter("r", START)


def test_a_check_with_a_threshold_of_its_own_has_no_part_in_the_score_that_decides():
    declared = health({**A, "weight": 3}, OWN, minScore=MIN)
    after = count(BreachCounter("r", START), declared, tick(declared, "hb"))
    assert (after.shared, after.checks) == (0, (("own", 1),))


@property_of(st.text("hb?", min_size=3, max_size=3), st.booleans())
def test_without_a_least_score_weights_and_critical_change_no_verdict(letters, critical):
    plain = health(A, B, {**C, "role": "hold"})
    weighted = health({**A, "weight": 9, "critical": critical}, B, {**C, "role": "hold", "critical": critical})
    assert tick_verdict(plain, tick(plain, letters)) == tick_verdict(weighted, tick(weighted, letters))


@property_of(st.text("hb?", min_size=3, max_size=3))
def test_a_least_score_of_100_is_the_plain_rule(letters):
    plain, strict = health(A, B, C), health(A, B, C, minScore=100)
    assert tick_verdict(plain, tick(plain, letters))[0] is tick_verdict(strict, tick(strict, letters))[0]


def test_the_status_tells_the_scores_and_the_message_what_is_too_low():
    latency = {"name": "p95-latency", "query": "x", "max": "0.01", "weight": 2}
    told = Story.of(checks=({"name": "errors", "query": "x", "max": "0.01"}, latency), minScore=MIN).begun()
    told.run("h", **{"p95-latency": "b"})
    status = status_of("d", told.target, told.state, told.seen(), generation=1, now=told.now, before=read_status({}))
    assert status["scores"] == {"technical": 33}
    assert "technical scores 33, below 75: p95-latency: 0.5, limit 0.01" in status["message"]
    assert all("33" not in condition["message"] for condition in status["conditions"])


def test_identity_of_a_check_is_that_of_what_was_written():
    one = Check.model_validate({"name": "a", "query": "x", "max": "0.01"})
    assert one.identity() == Check.model_validate({"name": "a", "query": "x", "max": "0.01", "weight": 1}).identity()
    assert one.identity() != Check.model_validate({"name": "a", "query": "y", "max": "0.01"}).identity()
