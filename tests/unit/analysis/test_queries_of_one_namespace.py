"""With MODELRAMP_ENFORCE_NAMESPACE, what people wrote is asked for their own namespace only."""

from dataclasses import replace

import pytest

from modelramp.analysis.checks import Ask, ask
from modelramp.analysis.experiment import ask_of_test
from modelramp.analysis.query_context import QueryContext
from modelramp.api.abtest import ABTest, ABTestRun
from modelramp.api.check import Check
from modelramp.api.names import Reason

OPEN = QueryContext("ml", "digits", "7c9f", "digits-7c9f", "5b1d", "digits-5b1d")
LIMITED = replace(OPEN, limited=True)
MINE = 'namespace="ml"'
Q = 'sum by (namespace, modeldeployment, revision) (increase(x{revision="{{revision}}"}[{{window}}]))'

CHECKS = {
    "a query": {"query": Q, "max": 1},
    "samples beside a query": {"query": "y", "samples": Q, "minSamples": 3, "max": 1},
    "samples beside a preset": {"preset": "reference-error-rate", "samples": "x", "minSamples": 3},
    "parts of a ratio": {"ratio": {"bad": Q, "total": Q}, "max": 0.5},
    "parts of a comparison": {"compare": {"bad": Q, "total": Q}},
    "a drift with a reference": {"drift": {"measure": "psi", "buckets": Q, "reference": {"query": Q}}},
}


def texts(check, subject):
    asked = ask(Check.model_validate({"name": "c", **check}), subject, 60)
    assert isinstance(asked, Ask), asked
    return [question.text for question in asked.questions]


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_every_query_that_people_wrote_is_limited(check):
    written = [text for text in texts(check, OPEN) if "x{" in text or text in ("x", "y")]
    limited = [text for text in texts(check, LIMITED) if MINE in text]
    assert len(limited) == len(written) > 0
    assert not any(MINE in text for text in written)


def test_presets_are_asked_as_they_are():
    (preset,) = texts({"preset": "reference-error-rate"}, LIMITED)
    assert [preset] == texts({"preset": "reference-error-rate"}, OPEN)


def test_an_ab_test_is_limited_too():
    metric = {"name": "m", "bad": 'sum(increase(x{revision="{{revision}}"}[{{window}}]))', "total": "sum(y)"}
    test = ABTest.model_validate({"metric": metric, "assignment": "sum(z)", "maxDuration": "336h", "minEffect": 0.1})
    asked = ask_of_test(ABTestRun(test, 50, "7c9f", 0, ""), LIMITED, 60)
    assert isinstance(asked, Ask), asked
    assert all(MINE in question.text for question in asked.questions)


@pytest.mark.parametrize("query", ['x{a="1" or b="2"}', "info(x)", "x[5m] smoothed", "+".join(["x"] * 200)])
def test_what_cannot_be_limited_is_not_asked(query):
    asked = ask(Check.model_validate({"name": "c", "query": query, "max": 1}), LIMITED, 60)
    assert (asked.verdict.value, asked.reason) == ("no-data", Reason.QUERY_INVALID)
    assert isinstance(ask(Check.model_validate({"name": "c", "query": query, "max": 1}), OPEN, 60), Ask)
