"""A/B tests tried by hand: `evaluate` on arms, `simulate` on lines, `lint` on what is likely wrong."""

import json

import pytest
from click.testing import CliRunner

from modelramp.cli.main import main

MANIFEST = """\
apiVersion: modelramp.io/v1alpha1
kind: ModelDeployment
metadata: {name: digits}
spec:
  model: {name: digits, version: "2.0.0"}
  template: {spec: {containers: [{name: model, image: "digits:2", ports: [{name: http, containerPort: 80}]}]}}
  routing: {gateway: {parentRefs: [{name: public}]}}
  rollout:
    strategy: ABTest
    stepDuration: 2m
    abTest:
      metric: METRIC
      minEffect: 0.02
      minDuration: 3m
      maxDuration: 6m
"""
CONVERSION = "{name: conversion, good: 'g{revision=\"{{revision}}\"}', total: 't{revision=\"{{revision}}\"}'}"
TOKENS = "{name: tokens, goal: Decrease, sum: 's{revision=\"{{revision}}\"}', count: 'c{revision=\"{{revision}}\"}'}"
WIN, LOSE, SAME = ({"good": good, "total": 1000} for good in (300, 100, 200))

JUST = {"good": 22_000, "total": 100_000}


def run(tmp_path, command, *more, text="", metric=CONVERSION, replace=("", "")):
    manifest, numbers = tmp_path / "mdep.yaml", tmp_path / "numbers.json"
    manifest.write_text(MANIFEST.replace("METRIC", metric).replace(*replace))
    numbers.write_text(text)
    option = {"evaluate": "--data", "simulate": "--ticks"}.get(command)
    files = ["-f", str(manifest), option, str(numbers)] if option else [str(manifest)]
    return CliRunner().invoke(main, [command, *files, *more])


def evaluated(tmp_path, candidate, stable, check="conversion", metric=CONVERSION, replace=("", "")):
    text = json.dumps({"candidate": candidate, "stable": stable})
    result = run(tmp_path, "evaluate", "--check", check, text=text, metric=metric, replace=replace)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


ENDINGS = {
    "harm at the first tick": ([LOSE] * 5, [SAME] * 5, "breach", "Harm after tick 1 of 5: the candidate is worse"),
    "a winner after the least time": ([WIN] * 5, [SAME] * 5, "healthy", "Winner after tick 3 of 5"),
    "a winner by minEffect exactly": (
        [JUST] * 5,
        [{"good": 20_000, "total": 100_000}] * 5,
        "healthy",
        "Winner after tick 3 of 5",
    ),
    "undecided before it": ([WIN] * 2, [SAME] * 2, "healthy", "Undecided after tick 2 of 2"),
    "one tick without a list": (WIN, SAME, "healthy", "Undecided after tick 1 of 1"),
    "more good than all": ([{"good": 9, "total": 5}], [SAME], "no-data", "good (9) is more than total (5)"),
    "too little": ([{"good": 1, "total": 5}] * 2, [{"good": 0, "total": 5}] * 2, "no-data", "too little was counted"),
    "nothing until the end": ([{"good": 0, "total": 0}] * 6, [{"good": 0, "total": 0}] * 6, "no-data", "Inconclusive"),
    "a broken split": (
        [{**WIN, "assigned": 5400}] * 6,
        [{**SAME, "assigned": 4600}] * 6,
        "no-data",
        "Invalid after tick 6 of 6: the comparison is not valid",
    ),
    # By chi-square at 0.001, as in a textbook: p = 0.00034, and 0.0015.
    "a split that one look refutes": (
        {"good": 1000, "total": 10_000},
        {"good": 950, "total": 9_500},
        "no-data",
        "Undecided after tick 1 of 1: the comparison is not valid",
    ),
    "a split that chance explains": (
        {"good": 5000, "total": 50_000},
        {"good": 4900, "total": 49_000},
        "healthy",
        "chi-square 10.1, p = 0.0015",
    ),
    "a split that comes right": (
        [{"good": 1000, "total": 10_000}, {"good": 1000, "total": 10_000}],
        [{"good": 950, "total": 9_500}, {"good": 1050, "total": 10_500}],
        "healthy",
        "Undecided after tick 2 of 2: no verdict yet",
    ),
    "a split that is wrong at the end": (
        [{"good": 1000, "total": 10_000}] + [{"good": 0, "total": 0}] * 5,
        [{"good": 950, "total": 9_500}] + [{"good": 0, "total": 0}] * 5,
        "no-data",
        "Invalid after tick 6 of 6: the comparison is not valid",
    ),
}


@pytest.mark.parametrize(("candidate", "stable", "verdict", "says"), ENDINGS.values(), ids=ENDINGS)
def test_evaluate_says_how_a_test_would_have_ended(tmp_path, candidate, stable, verdict, says):
    found = evaluated(tmp_path, candidate, stable)

    assert list(found) == ["verdict", "value", "limit", "interval", "pValue", "n", "reason"]
    assert found["verdict"] == verdict
    assert says in found["reason"]


def test_evaluate_gives_the_difference_with_its_interval(tmp_path):
    found = evaluated(tmp_path, [WIN] * 3, [SAME] * 3)

    assert found["value"] == pytest.approx(0.1)
    assert 0 < found["interval"][0] < 0.1 < found["interval"][1] < 0.2
    assert found["pValue"] < 0.001
    assert (found["n"], found["limit"]) == (3000, 0.02)


def test_evaluate_of_means(tmp_path):
    candidate = [{"sum": 90_000 + 50 * tick, "count": 1000} for tick in range(40)]
    stable = [{"sum": 100_000 - 70 * tick, "count": 1000} for tick in range(40)]
    found = evaluated(tmp_path, candidate, stable, "tokens", TOKENS, ("maxDuration: 6m", "maxDuration: 1h"))

    assert found["value"] == pytest.approx(-8.26, abs=0.01)
    assert "Winner after tick 30 of 40" in found["reason"], "three batches of ten ticks have a spread"


BAD = {
    "no stable": ({"candidate": WIN}, 'the data has candidate; write {"candidate": {"good": 12, "total": 1204}'),
    "other lengths": ({"candidate": [WIN] * 2, "stable": SAME}, "candidate has 2 ticks and stable 1"),
    "an empty list": ({"candidate": [], "stable": []}, "candidate is an empty list"),
    "another kind": ({"candidate": {"bad": 1, "total": 2}, "stable": SAME}, "candidate has bad, total; write"),
    "no number": ({"candidate": {"good": [], "total": 2}, "stable": SAME}, "candidate.good is a list; write a number"),
    "in a tick": (
        {"candidate": [WIN, {"good": True, "total": 2}], "stable": [SAME] * 2},
        "candidate[1].good is true; write a number",
    ),
    "no object": ([1], "the data has a list; write"),
}


@pytest.mark.parametrize(("given", "says"), BAD.values(), ids=BAD)
def test_data_that_holds_no_arms_is_refused_with_what_to_write(tmp_path, given, says):
    result = run(tmp_path, "evaluate", "--check", "conversion", text=json.dumps(given))

    assert result.exit_code == 1
    assert says in result.output
    assert "Traceback" not in result.output


def test_an_unknown_name_is_told_the_metric(tmp_path):
    result = run(tmp_path, "evaluate", "--check", "conversions", text="{}")

    assert 'has no check "conversions", but conversion; did you mean conversion?' in result.output


def simulated(tmp_path, *experiments):
    text = "\n".join(json.dumps({"experiment": found} if found else {}) for found in experiments)
    result = run(tmp_path, "simulate", text=text)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_simulate_promotes_a_winner(tmp_path):
    *rows, outcome = simulated(tmp_path, *[{"candidate": WIN, "stable": SAME}] * 3, None, None)

    assert [row["weight"] for row in rows] == [50, 50, 100, 100, 100]
    assert "A/B test: no verdict yet; conversion 30 % of 1,000 against 20 % of 1,000" in rows[0]["reason"]
    assert "A/B test won" in rows[2]["reason"]
    assert (outcome["outcome"], outcome["tick"]) == ("promoted", 5)


def test_simulate_ends_a_test_at_once_for_harm_and_at_the_longest_time_without_a_winner(tmp_path):
    *_, harm = simulated(tmp_path, {"candidate": LOSE, "stable": SAME})
    *rows, nothing = simulated(tmp_path, *[None] * 7)

    assert (harm["outcome"], harm["tick"]) == ("rolled-back", 1)
    assert "A/B test: harm: the candidate is worse" in harm["reason"]
    assert [row["weight"] for row in rows] == [50] * 5 + [0] * 2
    assert "inconclusive (no verdict within maxDuration)" in nothing["reason"]


def test_simulate_refuses_arms_that_it_cannot_read(tmp_path):
    result = run(tmp_path, "simulate", text='{"experiment": {"candidate": {"good": 1}, "stable": {}}}')

    assert 'line 1: experiment.candidate has good; write {"good": 12, "total": 1204}' in result.output


LINTED = {
    "a short test": (("", ""), "warning: spec.rollout.abTest.minDuration: 3m is less than a day"),
    "the sample it takes": (("", ""), "2 percentage points from a rate of 10 % takes some 15,352 observations"),
    "rates per second": (("'g{", "'rate(g{"), "error: spec.rollout.abTest.metric.good: not PromQL"),
    "no version": (
        ("""'t{revision="{{revision}}"}'""", "'t'"),
        "warning: spec.rollout.abTest.metric.total: names no version",
    ),
    "no tick": (
        ("  rollout:", "  health: {interval: 5m}\n  rollout:"),
        "error: spec.rollout.abTest.maxDuration: 6m has hardly a tick",
    ),
}


@pytest.mark.parametrize(("replace", "says"), LINTED.values(), ids=LINTED)
def test_lint_knows_what_is_likely_wrong(tmp_path, replace, says):
    result = run(tmp_path, "lint", replace=replace)

    assert says in result.output
