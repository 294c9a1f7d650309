"""What lint knows of checks that count for themselves, beyond the API server."""

import json

import pytest

from modelramp.cli.commands.lint import lint_text
from tests.refused.samples import EVERY_FIELD, load

GOOD = 'sum(increase(x_total{namespace="{{namespace}}",revision="{{revision}}"}[{{window}}]))'


def findings_of(**check):
    manifest = load(EVERY_FIELD)
    manifest["spec"]["health"] = {"checks": [{"name": "a"} | check]}
    _, findings = lint_text("digits.json", json.dumps(manifest).encode())
    return [
        (finding.level.value, finding.path.removeprefix("spec.health.checks[0]."), finding.message)
        for finding in findings
    ]


def pair(bad, total=GOOD):
    return {"bad": bad, "total": total}


FOUND = {
    "no PromQL": (
        {"ratio": pair("sum(x"), "max": 0.1},
        ("error", "ratio.bad", "not PromQL"),
    ),
    "an unknown variable": (
        {"fairness": pair('x{r="{{revison}}"}')},
        ("error", "fairness.bad", "unknown variable {{revison}}"),
    ),
    "a wrong reference": (
        {"drift": {"buckets": GOOD, "reference": {"query": "q("}}},
        ("error", "drift.reference.query", "not PromQL"),
    ),
    "a wrong price's usage": (
        {"cost": {"usage": {"in": "q("}, "prices": {"in": 1}, "count": GOOD}, "max": 1},
        ("error", "cost.usage.in", "not PromQL"),
    ),
    "a latency in milliseconds": (
        {"preset": "traefik-p95-latency", "max": 500},
        ("warning", "max", "is 500 seconds; if milliseconds were meant, write 0.5"),
    ),
    "wrong samples": (
        {"query": GOOD, "max": 1, "minSamples": 5, "samples": "q("},
        ("error", "samples", "not PromQL"),
    ),
    "a reference without +Inf": (
        {"drift": {"buckets": GOOD, "reference": {"buckets": {"1": 5}}}},
        ("warning", "drift.reference", "can only give no data: the histogram needs the bucket +Inf"),
    ),
    "a reference of too few": (
        {"drift": {"buckets": GOOD, "reference": {"buckets": {"1": 5, "+Inf": 50}}}},
        ("warning", "drift.reference", "50 observations, at least 100 are needed"),
    ),
    "a baseline of 0": (
        {"drift": {"measure": "performance", "sum": GOOD, "count": GOOD, "reference": {"sum": 0, "count": 9}}},
        ("warning", "drift.reference", "the baseline is 0"),
    ),
    "a kind of usage without a price": (
        {"cost": {"usage": {"in": GOOD, "out": GOOD}, "prices": {"in": 1}, "count": GOOD}, "max": 1},
        ("error", "cost.prices", "out has no price"),
    ),
    "a price of nothing that is used": (
        {"cost": {"usage": {"in": GOOD}, "prices": {"in": 1, "out": 1}, "count": GOOD}, "max": 1},
        ("warning", "cost.prices", "out is no kind of usage"),
    ),
    "a rate where a count is wanted": (
        {"ratio": pair('sum(rate(x{namespace="{{namespace}}",revision="{{revision}}"}[{{window}}]))'), "max": 0.1},
        ("warning", "ratio.bad", "use increase("),
    ),
    "means, which cannot roll back": (
        {"compare": {"sum": GOOD, "count": GOOD, "maxIncrease": 1}},
        ("warning", "compare.sum", "this check never breaches: a sum and a count hold no spread"),
    ),
    "quality of means, which has no test": (
        {"drift": {"measure": "performance", "sum": GOOD, "count": GOOD}},
        ("warning", "drift.sum", "a sum and a count hold no spread, so chance alone can breach; use role: hold"),
    ),
    "a query that names no version": (
        {"compare": pair("sum(increase(x[{{window}}]))")},
        ("warning", "compare.bad", "the series of both versions are found by the label revision"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("check", "expected"), FOUND.values(), ids=FOUND)
def test_a_query_of_a_kind_is_looked_at_where_it_stands(check, expected):
    level, path, words = expected
    assert [found for found in findings_of(**check) if found[:2] == (level, path) and words in found[2]]


@pytest.mark.parametrize(
    ("check", "field"),
    [
        ({"ratio": pair(GOOD), "max": 5}, ""),
        ({"ratio": pair(GOOD), "max": 1}, ""),
        ({"ratio": pair(GOOD), "min": 0, "max": 1}, ""),
        ({"ratio": pair(GOOD), "max": -0.1}, ""),
        ({"ratio": pair(GOOD), "min": 1.1}, ""),
        ({"compare": pair(GOOD) | {"maxIncrease": 1}}, "compare.maxIncrease"),
        ({"fairness": pair(GOOD) | {"maxDifference": 10}}, "fairness.maxDifference"),
        ({"drift": {"measure": "ks", "buckets": GOOD}, "max": 1}, "max"),
        ({"drift": {"measure": "chi-square", "buckets": GOOD}, "max": 1}, "max"),
        ({"drift": {"measure": "js", "buckets": GOOD}, "max": 0.8326}, "max"),
        ({"drift": {"measure": "performance"} | pair(GOOD), "max": 1}, "max"),
    ],
)
def test_a_limit_out_of_reach_is_refused_in_one_sentence(check, field):
    found = findings_of(**check)
    assert [(level, path) for level, path, _ in found] == [("error", field or "spec.health.checks[0]")]
    assert "write 5 " in found[0][2]


@pytest.mark.parametrize(
    "query", [GOOD, "sum by (namespace, modeldeployment, revision) (increase(x_total[{{window}}]))"]
)
def test_counts_of_a_version_and_grouped_counts_are_fine(query):
    assert findings_of(compare=pair(query, query)) == []


def test_means_that_only_hold_are_fine():
    held = {"compare": {"sum": GOOD, "count": GOOD, "maxIncrease": 1}, "role": "hold"}
    assert [path for _, path, _ in findings_of(**held)] == ["spec.health.checks"], "only that nothing rolls back"


def warned(health, **spec):
    manifest = load(EVERY_FIELD)
    manifest["spec"] |= {"health": health} | spec
    _, findings = lint_text("digits.json", json.dumps(manifest).encode())
    return [(finding.path.removeprefix("spec.health."), finding.message) for finding in findings]


SEQUENTIAL = {"name": "a", "sequential": pair(GOOD) | {"detect": "change"}, "max": 0.03}
LATER = (
    "checks[0].failureThreshold",
    (
        "evidence that suffices has already added up over the ticks; 3 breaches in a row only come 2 later: "
        "set it to 1 here"
    ),
)


def test_evidence_that_has_to_come_three_times_is_warned_of():
    assert warned({"checks": [SEQUENTIAL]}) == [LATER]
    assert warned({"checks": [SEQUENTIAL | {"failureThreshold": 3}]}) == [LATER]


@pytest.mark.parametrize(
    "health",
    [
        {"checks": [SEQUENTIAL | {"failureThreshold": 1}]},
        {"checks": [SEQUENTIAL], "failureThreshold": 1},
        {"checks": [SEQUENTIAL | {"role": "hold"}, {"name": "b", "query": GOOD, "max": 1}]},
    ],
)
def test_evidence_that_suffices_once_is_fine(health):
    assert warned(health) == []


def test_a_watch_that_only_good_hours_decide_is_warned_of():
    slow = SEQUENTIAL | {"sequential": pair(GOOD), "failureThreshold": 1}
    found = warned({"checks": [slow]})
    assert [path for path, _ in found] == ["checks"]
    assert "add one with detect: change" in found[0][1]
    assert warned({"checks": [slow]}, afterPromotion={"watch": "never"}) == []
    assert warned({"checks": [slow, SEQUENTIAL | {"name": "b", "failureThreshold": 1}]}) == []
    assert warned({"checks": [slow, {"name": "b", "query": GOOD, "max": 1}]}) == []
    held = SEQUENTIAL | {"name": "b", "role": "hold"}
    assert [path for path, _ in warned({"checks": [slow, held]})] == ["checks"]
