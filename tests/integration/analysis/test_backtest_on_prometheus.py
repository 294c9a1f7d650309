"""`modelramp backtest` and `suggest` over history in a real Prometheus."""

import json
import random
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from modelramp.api.times import to_text
from modelramp.cli.main import main
from tests.integration.analysis.recorded import SCRAPE_SECONDS, Recording

MINUTES = 90
BAD = range(40, 50)
MANIFEST = """
apiVersion: modelramp.io/v1alpha1
kind: ModelDeployment
metadata: {{name: past, namespace: history}}
spec:
  model: {{name: digits, version: 2.0.0}}
  template: {{spec: {{containers: [{{name: model, image: digits}}]}}}}
  routing: {{gateway: {{parentRefs: [{{name: public}}]}}}}
  health:
    failureThreshold: {threshold}
    {scores}
    checks:
      - {{name: errors, query: '{query}', max: "0.05"}}
      - {{name: rate, role: hold, window: 5m, min: 0,
          query: 'sum(rate(requests{{namespace="{{{{namespace}}}}", revision="{{{{revision}}}}"}}[{{{{window}}}}]))'}}
"""
QUERY = (
    'sum(rate(failures{namespace="{{namespace}}", revision="{{revision}}"}[{{window}}])) / '
    'sum(rate(requests{namespace="{{namespace}}", revision="{{revision}}"}[{{window}}]))'
)

LAST = 'sum(failures{namespace="{{namespace}}"}) - sum(failures{namespace="{{namespace}}"} offset {{window}})'


@pytest.fixture(scope="module")
def begin(prometheus, last_minute):
    """An hour and a half of a version that fails a third of all requests from minute 40 to 50; its first instant."""
    recording = Recording(prometheus)
    begin = last_minute - 60 * MINUTES
    requests, failures = 0, 0.0
    chance = random.Random(7)  # noqa: S311 - noise of a test
    for second in range(0, 60 * MINUTES + 1, SCRAPE_SECONDS):
        requests += 150
        failures += 50 if (second - 1) // 60 in BAD else chance.uniform(0, 3)
        text = f"requests {requests}\nfailures {failures}\n"
        recording.scraped(text, begin + second, namespace="history", modeldeployment="past", revision="r1")
    recording.play()
    return begin


@pytest.fixture
def run(prometheus, begin, tmp_path):
    """Calls a verb on that history; a file's text in place of the usual one, further arguments replace."""

    def call(verb, *arguments, query=QUERY, threshold=3, revision="r1", after=0, until=60 * MINUTES, scores=""):
        manifest = tmp_path / "policy.yaml"
        manifest.write_text(MANIFEST.format(query=query.replace("'", "''"), threshold=threshold, scores=scores))
        times = ["--from", to_text(begin + after), "--to", str(begin + until)]
        chosen = ["--prometheus", prometheus, "--revision", revision]
        return CliRunner().invoke(main, [verb, "-f", str(manifest), *chosen, *times, *arguments])

    return call


def told(result):
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_bad_stretch_brings_the_version_back_at_its_third_tick(run, begin):
    *rows, end = told(run("backtest", "--no-sensitivity"))
    assert len(rows) == MINUTES
    assert end["promotions"]["count"] == 1
    assert (end["outcome"], end["tick"]) == ("rolled-back", 43)
    assert end["rollbacks"]["first"] == to_text(begin + 60 * 43)
    assert end["breaches"]["first"] == to_text(begin + 60 * 41)
    assert [row["breaches"] for row in rows[40:43]] == [1, 2, 3]
    assert "third breach in a row" in end["reason"]


def test_thresholds_and_windows_are_tried_on_the_same_history(run):
    end = told(run("backtest"))[-1]
    rows = {(row["window"], row["failureThreshold"]): row for row in end["sensitivity"]}
    assert {window for window, _ in rows} == {30, 60, 120, 300}
    assert {threshold for _, threshold in rows} == {1, 2, 3, 4, 5}
    assert rows[60, 3]["rollbacks"] == 1
    first = [rows[60, threshold]["firstRollback"] for threshold in range(1, 6)]
    assert first == sorted(first)
    assert len(set(first)) == 5
    assert rows[300, 5]["rollbacks"] == 0


def test_a_picture_and_a_view_for_the_terminal_show_it(run, tmp_path):
    picture = tmp_path / "out.svg"
    result = run("backtest", "--picture", str(picture), "-o", "table")
    assert result.exit_code == 0, result.output
    words = " ".join(ET.parse(picture).getroot().itertext())  # noqa: S314 - made by the code under test
    assert all(word in words for word in ("errors (rollback, limit <= 0.05)", "rolled back", "promoted", "r1"))
    assert all(word in result.stdout for word in ("█", "rolled-back at", "FIRST ROLLBACK", "WHAT HAPPENED"))


def test_history_of_an_unknown_revision_names_those_that_are_known(run):
    result = run("backtest", revision="r9")
    assert result.exit_code == 1
    assert "no check had data at any of 90 ticks for revision r9 of history/past" in result.output
    assert "Prometheus knows other revisions of it: r1" in result.output


def test_a_time_without_history_says_so(run):
    result = run("backtest", after=-90_000, until=-86_400)
    assert result.exit_code == 1
    assert 'No series has namespace="history" and modeldeployment="past"' in result.output


def test_a_query_that_is_no_promql_is_named(run):
    result = run("backtest", query="sum(")
    assert result.exit_code == 1
    assert "errors" in result.output
    assert "Traceback" not in result.output


def test_limits_come_from_the_good_part_of_history(run):
    result = run("suggest", "--false-alarms-per-month", "2000", until=60 * 40)
    assert result.exit_code == 1
    assert "40 ticks with data are too few" in result.output
    result = run("suggest", "--false-alarms-per-month", "1000", "--step", "15s", until=60 * 40, query=LAST)
    told = json.loads(result.stdout)
    (check,) = told["checks"]
    assert (check["name"], check["limit"], check["present"]) == ("errors", "max", 0.05)
    assert 0 < check["proposed"] <= 3
    assert told["without"] == {"rate": "role hold rolls nothing back"}
    assert told["alarmsInHistory"] == 0
    assert any("too short" in caveat for caveat in told["caveats"])


def test_limits_are_reckoned_with_the_scores_of_the_policy(run):
    asked = ("suggest", "--false-alarms-per-month", "1000", "--step", "15s")
    alone = json.loads(run(*asked, until=60 * 40, query=LAST).stdout)
    heard = run(*asked, until=60 * 40, query=LAST, scores="minScore: 100")
    assert json.loads(heard.stdout)["checks"] == alone["checks"], "one check alone: every breach is a score of 0"
    assert any("only a score below 100" in caveat for caveat in json.loads(heard.stdout)["caveats"])
    deaf = run(*asked, until=60 * 40, query=LAST, scores="minScore: 0")
    assert deaf.exit_code == 1
    assert "errors: no value of it brings the score of technical below 0" in deaf.output


def test_limits_can_be_read_by_people(run):
    result = run(
        "suggest", "--false-alarms-per-month", "1000", "--step", "15s", "-o", "table", until=60 * 40, query=LAST
    )
    assert result.exit_code == 0, result.output
    assert all(word in result.stdout for word in ("PROPOSED", "would have rolled back 0 times", "Note:", "for rate"))


def test_a_thin_history_gets_no_limits_but_the_reason(run):
    result = run("suggest", "--false-alarms-per-month", "1")
    assert result.exit_code == 1
    assert "90 ticks (90 minutes) cannot show that the rule fires at most 1 times a month" in result.output


AB_TEST = """
apiVersion: modelramp.io/v1alpha1
kind: ModelDeployment
metadata: {name: split, namespace: history}
spec:
  model: {name: digits, version: 2.0.0}
  template: {spec: {containers: [{name: model, image: digits}]}}
  routing: {gateway: {parentRefs: [{name: public}]}}
  rollout:
    strategy: ABTest
    stepDuration: 5m
    abTest:
      split: SPLIT
      minEffect: "0.02"
      minDuration: 1h
      maxDuration: 80m
      metric:
        name: conversion
        good: 'sum(increase(bought{namespace="history", revision="{{revision}}"}[{{window}}]))'
        total: 'sum by (namespace, modeldeployment, revision) (increase(visits[{{window}}]))'
"""


@pytest.fixture(scope="module")
def split_history(prometheus, last_minute):
    """An hour and a half of three versions side by side: `better` and `old` had as many visits, `few` a fifth."""
    recording = Recording(prometheus)
    begin = last_minute - 60 * MINUTES
    chance = random.Random(11)  # noqa: S311 - noise of a test
    visits, bought = {"better": 150, "old": 150, "few": 30}, {"better": 0.30, "old": 0.25, "few": 0.25}
    totals = dict.fromkeys(visits, (0, 0))
    for second in range(0, 60 * MINUTES + 1, SCRAPE_SECONDS):
        for revision, number in visits.items():
            seen, good = totals[revision]
            good += sum(chance.random() < bought[revision] for _ in range(number))
            totals[revision] = (seen + number, good)
            target = {"namespace": "history", "modeldeployment": "split", "revision": revision}
            text = f"visits {totals[revision][0]}\nbought {totals[revision][1]}\n"
            recording.scraped(text, begin + second, **target)
    recording.play()
    return begin


@pytest.fixture
def tested(prometheus, split_history, tmp_path):
    def call(*arguments, revision="better", split=50, stable=("--stable", "old"), delay="0s"):
        manifest = tmp_path / "test.yaml"
        manifest.write_text(AB_TEST.replace("SPLIT", f"{split}\n      delay: {delay}"))
        times = ["--from", str(split_history), "--to", str(split_history + 60 * MINUTES)]
        chosen = ["--prometheus", prometheus, "--revision", revision, *stable, *times]
        return CliRunner().invoke(main, ["backtest", "-f", str(manifest), "--no-sensitivity", *chosen, *arguments])

    return call


def test_an_ab_test_is_replayed_look_by_look_until_it_would_have_ended(tested, split_history):
    *rows, end = told(tested())
    test = end["abTest"]
    assert (test["ending"], test["looks"], test["time"]) == ("Winner", 60, to_text(split_history + 3600))
    assert 0.02 < test["low"] < test["estimate"] < test["high"] < 0.08
    assert test["mismatch"] is False
    widths = [row["experiment"]["high"] - row["experiment"]["low"] for row in rows[:60]]
    assert widths[-1] < widths[0] / 4
    assert [row["weight"] for row in rows[58:60]] == [50, 100]
    assert "experiment" not in rows[60]
    assert end["outcome"] == "promoted"


def test_a_delayed_test_finds_the_same_so_much_later(tested, split_history):
    plain, late = (told(tested(delay=delay))[-1]["abTest"] for delay in ("0s", "10m"))
    assert (late["ending"], late["time"]) == ("Winner", to_text(split_history + 4200))
    assert late["earliestEnd"] == to_text(split_history + 4200)
    same = ("candidate", "stable", "difference", "interval", "sampleRatio")
    assert [late[key] for key in same] == [plain[key] for key in same]


def test_traffic_that_was_split_otherwise_is_called_invalid_unless_the_file_says_so(tested):
    test = told(tested(revision="few"))[-1]["abTest"]
    assert (test["ending"], test["mismatch"]) == ("Invalid", True)
    assert any("history gave the candidate 16.6" in sentence for sentence in test["notKnown"])
    fitting = told(tested(revision="few", split=17))[-1]["abTest"]
    assert (fitting["ending"], fitting["mismatch"]) == ("NoDifference", False)


def test_an_ab_test_is_shown_as_a_table_and_a_panel(tested, tmp_path):
    picture = tmp_path / "test.svg"
    result = tested("-o", "table", "--picture", str(picture))
    assert result.exit_code == 0, result.output
    assert all(word in result.stdout for word in ("CANDIDATE", "INTERVAL", "Winner", "History cannot know"))
    assert "how much better conversion is" in picture.read_text()


def test_an_ab_test_beside_an_unknown_version_says_that_it_had_no_data(tested):
    result = tested(stable=("--stable", "never"))
    assert result.exit_code == 1
    assert "ab.test: stable.good returned nothing" in result.output
