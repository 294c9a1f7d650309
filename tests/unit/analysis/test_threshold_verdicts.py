import math
import re
from dataclasses import dataclass, field

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from modelramp.analysis.checks import Ask, ask, dimension_of, judge, limits_of, no_answer
from modelramp.analysis.presets import PRESETS
from modelramp.analysis.presets.gateways import TRAEFIK_BACKEND
from modelramp.analysis.query_context import QueryContext
from modelramp.api.check import Check, Dimension
from modelramp.api.errors import ApiServerUnavailable, PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict

DIGITS = QueryContext("ml", "digits", "7c9f", "digits-7c9f", "5b1d", "digits-5b1d")
NAN, INF = math.nan, math.inf


@dataclass
class Measured:
    value: float
    labels: dict = field(default_factory=dict)
    histogram: None = None


def check(**fields):
    given_ = {"name": "c", "query": "q"} | fields
    return Check(**({k: v for k, v in given_.items() if v is not None}))


def verdict(limits, *values):
    outcome = judge(check(**limits), {"value": [Measured(v) for v in values]})
    return outcome.verdict.value, outcome.reason.value, outcome.detail


H, B, N = "healthy", "breach", "no-data"
TABLE = {
    "below the maximum": ({"max": 5, "unit": "s"}, [0.4], H, "WithinLimit", "0.4 s, limit 5 s"),
    "at the maximum": ({"max": 5, "unit": "s"}, [5.0], H, "WithinLimit", "5 s, limit 5 s"),
    "above the maximum": ({"max": 5, "unit": "s"}, [6.2], B, "AboveMaximum", "6.2 s, limit 5 s"),
    "a hair above": ({"max": 5, "unit": "s"}, [5.000001], B, "AboveMaximum", "5.000001 s, limit 5 s"),
    "above by rounding": ({"max": "0.3"}, [0.1 + 0.2], H, "WithinLimit", "0.3, limit 0.3"),
    "below by rounding": ({"min": "0.07"}, [0.07 * 100 / 100 - 1e-17], H, "WithinLimit", "0.07, minimum 0.07"),
    "zero": ({"max": "0.01"}, [0.0], H, "WithinLimit", "0, limit 0.01"),
    "above the minimum": ({"min": "0.85", "unit": "ratio"}, [0.9], H, "WithinLimit", "90 %, minimum 85 %"),
    "at the minimum": ({"min": "0.85", "unit": "ratio"}, [0.85], H, "WithinLimit", "85 %, minimum 85 %"),
    "below the minimum": ({"min": "0.85", "unit": "ratio"}, [0.31], B, "BelowMinimum", "31 %, minimum 85 %"),
    "between": ({"min": 1, "max": 2}, [1.5], H, "WithinLimit", "1.5, limit 2"),
    "below both": ({"min": 1, "max": 2}, [0.5], B, "BelowMinimum", "0.5, minimum 1"),
    "above both": ({"min": 1, "max": 2}, [2.5], B, "AboveMaximum", "2.5, limit 2"),
    "negative": ({"min": -1}, [-2.0], B, "BelowMinimum", "-2, minimum -1"),
    "nothing": ({"max": 5}, [], N, "EmptyResult", "the query returned an empty result"),
    "several": ({"max": 5}, [9.0, 9.0], N, "SeveralSeries", "2 series; aggregate"),
    "not a number": ({"max": 5}, [NAN], N, "NotANumber", "NaN"),
    "several with NaN": ({"max": 5}, [NAN, 9.0], N, "SeveralSeries", "2 series"),
    "infinite beyond": ({"max": 5}, [INF], B, "AboveMaximum", "+Inf (beyond what the query can measure), limit 5"),
    "infinite below": ({"min": 5}, [-INF], B, "BelowMinimum", "-Inf"),
    "infinite and harmless": ({"min": 5}, [INF], N, "NotANumber", "divided by zero"),
    "minus infinite, maximum": ({"max": 5}, [-INF], N, "NotANumber", "divided by zero"),
}


@pytest.mark.parametrize(("limits", "values", "expected", "reason", "words"), TABLE.values(), ids=TABLE)
def test_a_measurement_is_weighed_against_its_limits(limits, values, expected, reason, words):
    found = verdict(limits, *values)
    assert found[:2] == (expected, reason)
    assert words in found[2]


@settings(deadline=None)
@given(value=st.floats(), low=st.floats(-1e6, 1e6), high=st.floats(-1e6, 1e6))
def test_a_breach_is_exactly_a_number_beyond_a_limit(value, low, high):
    low, high = sorted((low, high))
    assume(not any(value != limit and math.isclose(value, limit, rel_tol=1e-12) for limit in (low, high)))
    found, _, _ = verdict({"min": low, "max": high}, value)
    assert (found == B) == (value < low or value > high)
    assert (found == N) == math.isnan(value)


def test_a_missing_answer_is_no_data():
    assert judge(check(max=1), {}).reason is Reason.EMPTY_RESULT


def test_value_and_limit_stand_in_the_outcome_as_they_were_measured():
    outcome = judge(check(preset="reference-error-rate", query=None), {"value": [Measured(0.031)]})
    assert (outcome.value, outcome.limit, outcome.detail) == (0.031, "<= 0.01", "3.1 %, limit 1 %")


SILENCE = {
    "timeout": (PrometheusUnavailable("PrometheusTimeout", "no answer in 10 s"), Reason.PROMETHEUS_TIMEOUT),
    "refused query": (PrometheusUnavailable("QueryInvalid", "1:2: parse error"), Reason.QUERY_INVALID),
    "a code nobody knows": (PrometheusUnavailable("Teapot", "x"), Reason.QUERY_FAILED),
    "another silence": (ApiServerUnavailable("secret not readable"), Reason.QUERY_FAILED),
}


@pytest.mark.parametrize(("error", "reason"), SILENCE.values(), ids=SILENCE)
def test_silence_is_no_data_with_its_reason_and_words(error, reason):
    outcome = no_answer(check(max=1), error)
    assert (outcome.verdict, outcome.reason, outcome.detail) == (Verdict.NO_DATA, reason, str(error))


def test_a_long_answer_of_prometheus_is_cut():
    assert len(no_answer(check(max=1), PrometheusUnavailable("QueryFailed", "x" * 5000)).detail) == 256


REFUSED = {
    "unknown variable": ({"query": 'x{a="{{revison}}"}'}, Reason.QUERY_INVALID, "unknown variable {{revison}}"),
    "variable in code": ({"query": "x_{{name}}"}, Reason.QUERY_INVALID, "outside quotes"),
    "unknown preset": (
        {"preset": "eror-rate", "query": None},
        Reason.QUERY_INVALID,
        "did you mean reference-error-rate?",
    ),
    "strange preset": ({"preset": "zzz", "query": None}, Reason.QUERY_INVALID, "`modelramp presets` lists them"),
    "no stable version": ({"query": 'x{a="{{stable}}"}'}, Reason.NOT_EVALUATED, "no version has worked yet"),
}


@pytest.mark.parametrize(("fields", "reason", "words"), REFUSED.values(), ids=REFUSED)
def test_a_check_that_cannot_be_asked_has_no_data_and_says_why(fields, reason, words):
    outcome = ask(check(max=1, **fields), QueryContext("ml", "digits", "7c9f", "digits-7c9f"), 60)
    assert not isinstance(outcome, Ask)
    assert (outcome.verdict, outcome.reason) == (Verdict.NO_DATA, reason)
    assert words in outcome.detail


def test_an_own_query_is_asked_as_it_is_written():
    (question,) = ask(check(query='x{r="{{revision}}"}[{{window}}]', max=1), DIGITS, 600).questions
    assert (question.text, question.pick) == ('x{r="7c9f"}[10m]', ())


def test_a_preset_asks_for_all_and_picks_the_revision():
    (question,) = ask(check(preset="reference-error-rate", query=None), DIGITS, 60).questions
    assert "digits" not in question.text
    assert dict(question.pick) == {"namespace": "ml", "modeldeployment": "digits", "revision": "7c9f"}


def test_late_truth_is_picked_by_the_revision_that_answered():
    (question,) = ask(check(preset="reference-accuracy", query=None), DIGITS, 600).questions
    assert dict(question.pick)["answered_by"] == "7c9f"


LIMITS = {
    "the preset's": ({"preset": "reference-error-rate"}, (None, 0.01)),
    "the check's": ({"preset": "reference-error-rate", "max": "0.05"}, (None, 0.05)),
    "the other side": ({"preset": "reference-error-rate", "min": "0.5"}, (0.5, None)),
    "minimum of the preset": ({"preset": "reference-accuracy"}, (0.85, None)),
    "own query": ({"query": "q", "max": 3}, (None, 3)),
}


@pytest.mark.parametrize(("fields", "expected"), LIMITS.values(), ids=LIMITS)
def test_own_limits_replace_those_of_the_preset(fields, expected):
    limits = limits_of(Check(name="c", **fields))
    assert (limits.min, limits.max) == expected


def test_a_preset_brings_its_dimension_unless_the_check_names_one():
    assert dimension_of(Check(name="c", preset="reference-error-rate")) is Dimension.OPERATIONAL
    assert dimension_of(Check(name="c", preset="reference-error-rate", dimension="business")) is Dimension.BUSINESS
    assert dimension_of(Check(name="c", query="q", max=1)) is Dimension.TECHNICAL


def test_a_preset_without_any_limit_is_healthy_once_it_measures():
    outcome = judge(Check(name="c", preset="reference-requests-per-second"), {"value": [Measured(12.0)]})
    assert (outcome.verdict, outcome.detail) == (Verdict.HEALTHY, "12/s, no limit")


TRAEFIK = {
    "plain": ("ml", "digits", "digits-7c9f"),
    "gw in the name": ("ml", "a-gw-b", "a-gw-b-7c9f"),
    "svc in the name": ("ml", "my-svc-x", "my-svc-x-7c9f"),
}


@pytest.mark.parametrize(("namespace", "name", "service"), TRAEFIK.values(), ids=TRAEFIK)
def test_traefiks_backend_is_cut_out_of_the_service_label_of_both_providers(namespace, name, service):
    route = f"httproute-{namespace}-{name}-gw-infra-public-ep-web-0-af329269dd38031b03e3"
    labels = (
        f"{route}-svc-{namespace}-{service}-1@kubernetesgateway",
        f"{route.replace('-gw-', '-preview-gw-')}-svc-{namespace}-{service}-0@kubernetesgateway",
        f"{namespace}-{service}-80@kubernetescrd",
    )
    ((label, backend),) = PRESETS["traefik-error-rate"].pick(QueryContext(namespace, name, "7c9f", service))
    assert label == "backend"
    assert [re.fullmatch(TRAEFIK_BACKEND, found)[1] for found in labels] == [backend] * 3
