"""What a Job may write, what is made of it, and what the metrics say to it."""

import json

import pytest

from modelramp.api.evaluation import EvaluationSpec, EvaluationState, ResultsIn
from modelramp.api.verdict import Verdict
from modelramp.core.gates.evaluation_results import Evaluation, judge, read_results, recorded_results, recorded_text

MESSAGE, CONFIG_MAP = ResultsIn
TEMPLATE = {"spec": {"containers": [{"name": "golden-set", "image": "evaluate:1"}]}}

TAKEN = {
    "flat": ('{"accuracy": 0.97, "gap": 0}', {"accuracy": 0.97, "gap": 0.0}),
    "wrapped": ('{"metrics": {"accuracy": 1e-3}, "model": "digits"}', {"accuracy": 0.001}),
    "with spaces and a new line": (' \n{"accuracy": 1}\n', {"accuracy": 1.0}),
    "negative": ('{"gain": -0.5}', {"gain": -0.5}),
}


@pytest.mark.parametrize(("text", "results"), TAKEN.values(), ids=TAKEN)
def test_an_object_of_numbers_is_taken(text, results):
    assert read_results(text, MESSAGE) == (results, "")


REFUSED = {
    "nothing": ("", "termination message is empty"),
    "only spaces": (" \n ", "is empty"),
    "a word": ("done", "is not JSON (Expecting value at character 0); it begins with 'done'"),
    "cut in the middle": ('{"accuracy": 0.9', "is not JSON"),
    "two objects": ('{"a": 1}{"b": 2}', "is not JSON"),
    "a list": ("[0.9]", "found a list"),
    "a number": ("0.9", "found a number"),
    "null": ("null", "found null"),
    "empty": ("{}", "found an empty object"),
    "NaN": ('{"accuracy": NaN}', "NaN is not a finite number"),
    "infinite": ('{"accuracy": -Infinity}', "-Infinity is not a finite number"),
    "too large to be finite": ('{"accuracy": 1e999}', "accuracy is Infinity, which is not a finite number"),
    "a whole number of 400 digits": ('{"accuracy": 1' + "0" * 400 + "}", "cannot be used"),
    "a whole number of 5,000 digits": ('{"accuracy": ' + "9" * 5000 + "}", "cannot be used"),
    "text for a number": ('{"accuracy": "0.97"}', 'accuracy is "0.97", which is not a finite number'),
    "true": ('{"accuracy": true}', "accuracy is true"),
    "null for a number": ('{"accuracy": null}', "accuracy is null"),
    "a nested object": ('{"accuracy": {"a": 1}}', 'accuracy is {"a": 1}'),
    "a name twice": ('{"accuracy": 0.1, "accuracy": 0.99}', "'accuracy' appears twice"),
    "a name twice inside": ('{"metrics": {"a": 1, "a": 2}}', "'a' appears twice"),
    "an empty name": ('{"": 1}', "empty or has more than 63"),
    "a long name": ('{"' + "a" * 64 + '": 1}', "empty or has more than 63"),
    "many entries": (json.dumps({f"m{number}": number for number in range(65)}), "found 65 entries; at most 64"),
    "65 kB": (json.dumps({"accuracy": 1}) + " " * 66_000, "has 66,015 bytes; at most 65,536 are read"),
    "deep": ("[" * 60_000, "is nested too deeply"),
}


@pytest.mark.parametrize(("text", "says"), REFUSED.values(), ids=REFUSED)
def test_anything_else_counts_as_nothing_and_says_why(text, says):
    where = CONFIG_MAP if len(text) > 4000 else MESSAGE
    results, problem = read_results(text, where)

    assert results == {}
    assert says in problem


def test_a_message_that_fills_the_kubelets_four_kilobytes_was_truncated():
    cut = ('{"' + "a" * 5000)[:4096]

    assert "was truncated" in read_results("7" * 4096, MESSAGE)[1]
    assert "truncated: the kubelet keeps 4,096 bytes" in read_results(cut, MESSAGE)[1]
    assert "results: ConfigMap" in read_results(cut, MESSAGE)[1]
    assert "truncated" not in read_results(cut, CONFIG_MAP)[1]


def spec(*metrics):
    return EvaluationSpec(template=TEMPLATE, metrics=metrics)


HEALTHY, BREACH, NO_DATA = Verdict

# limits of accuracy, its result, the stable version's recorded one (None: not recorded): verdict, what is said
METRICS = {
    "at the minimum": ({"min": "0.9"}, 0.9, None, HEALTHY, "accuracy 0.9, wished >= 0.9"),
    "below the minimum": ({"min": "0.9"}, 0.85, None, BREACH, "accuracy 0.85 is below the minimum 0.9"),
    "a little below": ({"min": "0.9"}, 0.89999999, None, BREACH, "accuracy 0.89999999 is below the minimum 0.9"),
    "at the maximum": ({"max": 1}, 1.0, None, HEALTHY, "wished <= 1"),
    "above the maximum": ({"max": 1}, 2.0, None, BREACH, "accuracy 2 is above the maximum 1"),
    "as much less than stable as is allowed": ({"maxDecrease": "0.01"}, 0.96, 0.97, HEALTHY, ">= 0.97 - 0.01"),
    "less than that": (
        {"maxDecrease": "0.01"},
        0.95,
        0.97,
        BREACH,
        "accuracy 0.95 is 0.02 below the stable version's 0.97; 0.01 is allowed",
    ),
    "no decrease at all": ({"maxDecrease": 0}, 0.97, 0.97, HEALTHY, "accuracy 0.97"),
    "better than stable": ({"maxDecrease": 0}, 0.99, 0.97, HEALTHY, "accuracy 0.99"),
    "more than stable": (
        {"maxIncrease": "0.1"},
        0.4,
        0.2,
        BREACH,
        "0.4 is 0.2 above the stable version's 0.2",
    ),
    "as much more as is allowed": ({"maxIncrease": "0.1"}, 0.3, 0.2, HEALTHY, "<= 0.2 + 0.1"),
    "nothing recorded": ({"maxDecrease": "0.01"}, 0.1, None, HEALTHY, "not compared: no result of the stable version"),
    "nothing recorded, but a limit": ({"maxDecrease": 1, "min": "0.9"}, 0.1, None, BREACH, "below the minimum"),
}


@pytest.mark.parametrize(("limits", "value", "stable", "verdict", "says"), METRICS.values(), ids=METRICS)
def test_a_metric_is_held_against_its_limits_and_the_stable_version(limits, value, stable, verdict, says):
    recorded = {"accuracy": stable} if stable is not None else None
    _, why, (outcome,) = judge({"accuracy": value}, recorded, spec({"name": "accuracy", **limits}))

    assert (outcome.verdict, outcome.value) == (verdict, value)
    assert says in outcome.detail
    assert why == outcome.detail


def test_a_metric_that_the_results_lack_has_no_data_and_names_what_they_have():
    state, why, _ = judge({"acc": 0.9, "f1": 0.8}, None, spec({"name": "accuracy", "min": 0}))

    assert (state, why) == (EvaluationState.NO_DATA, "the results have no accuracy; they have acc, f1")


@pytest.mark.parametrize(
    ("results", "state"),
    [
        ({"a": 1, "b": 1}, EvaluationState.PASSED),
        ({"a": 1, "b": 0}, EvaluationState.FAILED),
        ({"a": 1}, EvaluationState.NO_DATA),
        ({"b": 0}, EvaluationState.FAILED),
    ],
)
def test_one_breach_fails_all_and_one_missing_metric_is_no_verdict(results, state):
    assert judge(results, None, spec({"name": "a", "min": 1}, {"name": "b", "min": 1}))[0] is state


def test_a_stable_version_that_lacks_one_metric_is_compared_in_the_others():
    metrics = ({"name": "a", "maxDecrease": 0}, {"name": "b", "maxDecrease": 0})
    state, why, _ = judge({"a": 0.5, "b": 0.5}, {"a": 0.6}, spec(*metrics))

    assert (state, why) == (EvaluationState.FAILED, "a 0.5 is 0.1 below the stable version's 0.6; 0 is allowed")


def test_what_is_recorded_is_read_back_digit_by_digit():
    results = (("accuracy", 0.1 + 0.2), ("loss", 1e-17))
    text = recorded_text(Evaluation("a", "t", 0, EvaluationState.PASSED, results=results))

    assert recorded_results(text) == dict(results)
    assert recorded_text(Evaluation("a", "t", 0)) == ""


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"metrics": 1}', '{"metrics": {"a": "b"}}', '{"metrics": {}}']
)
def test_a_record_that_somebody_has_spoilt_is_none(text):
    assert recorded_results(text) == {}
