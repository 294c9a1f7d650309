"""`modelramp simulate`: the rows and the outcome of given minutes."""

import itertools
import json
import re

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from modelramp.api.spec import parse_spec
from modelramp.cli.main import main
from modelramp.simulation.rollout import rehearse
from modelramp.simulation.ticks import Line

ERRORS = {"name": "error-rate", "query": "x", "max": 0.01}
ACCURACY = {"name": "accuracy", "preset": "reference-accuracy", "role": "hold", "window": "10m"}
COST = {"name": "cost", "query": "c", "max": 1, "role": "inform"}
VALUES = {"h": 0.002, "b": 0.5, "?": None}
KEYS = ["tick", "verdict", "breaches", "phase", "step", "weight", "serving", "reason"]


def spec(checks=(ERRORS,), rollout=None, after=None, **health):
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


def lines(letters, **others):
    """One letter a minute for error-rate (p: pods missing); values of other checks by name."""
    return [
        Line(
            {"error-rate": VALUES.get(letter, 0.002)} | {name: row[index] for name, row in others.items()},
            available=letter != "p",
        )
        for index, letter in enumerate(letters)
    ]


def told(letters, *, values=None, **parts):
    return rehearse(spec(**parts), lines(letters, **(values or {})))


def test_all_healthy_moves_after_ticks_5_and_10_and_promotes_after_tick_15():
    rows, outcome = told("h" * 17)

    assert [row.weight for row in rows] == [10] * 4 + [50] * 5 + [100] * 8
    assert [row.step for row in rows] == [0] * 4 + [1] * 5 + [2] * 8
    assert [row.serving for row in rows] == ["both"] * 9 + ["candidate"] * 8
    assert [row.phase for row in rows] == ["Progressing"] * 14 + ["Healthy"] * 3
    assert (outcome.outcome, outcome.tick) == ("promoted", 15)


def test_three_breaches_in_a_row_roll_back_at_that_tick_and_later_lines_change_nothing():
    rows, outcome = told("bbhbbbh?bh")

    assert [row.breaches for row in rows] == [1, 2, 0, 1, 2, 3, 3, 3, 3, 3]
    assert [row.weight for row in rows] == [10] * 5 + [0] * 5
    assert [row.serving for row in rows] == ["both"] * 5 + ["stable"] * 5
    assert [row.phase for row in rows] == ["Progressing"] * 5 + ["RolledBack"] * 5
    assert [row.verdict for row in rows][6:] == ["healthy", "no-data", "breach", "healthy"]
    assert (outcome.outcome, outcome.tick) == ("rolled-back", 6)
    assert "error-rate: 0.5, limit 0.01, third breach in a row" in outcome.reason


def test_after_promotion_the_lines_feed_the_watch():
    rows, outcome = told("h" * 15 + "bbhb?bb")

    assert [row.breaches for row in rows][15:] == [1, 2, 0, 1, 1, 2, 3]
    assert [row.serving for row in rows][15:] == ["candidate"] * 6 + ["stable"]
    assert (outcome.outcome, outcome.tick) == ("rolled-back", 22)
    assert (rows[-1].phase, rows[-1].weight) == ("RolledBack", 0)


def test_no_line_at_all_is_in_progress_at_tick_0():
    rows, outcome = told("")

    assert rows == ()
    assert (outcome.outcome, outcome.tick) == ("in-progress", 0)


def test_silence_is_in_progress_for_ever():
    rows, outcome = told("?" * 40)

    assert {(row.verdict, row.breaches, row.weight) for row in rows} == {("no-data", 0, 10)}
    assert (outcome.outcome, outcome.tick) == ("in-progress", 40)


BLUE_GREEN = {"strategy": "BlueGreen", "blueGreen": {"previewHostnames": ["preview.example.com"]}}


def test_a_blue_green_rollout_is_previewed_at_weight_0_then_gets_everything():
    rows, outcome = told("h" * 11, rollout=BLUE_GREEN)

    assert [row.weight for row in rows] == [0] * 4 + [100] * 7
    assert [row.step for row in rows] == [0] * 4 + [1] * 7
    assert [row.serving for row in rows] == ["stable"] * 4 + ["candidate"] * 7
    assert "switch: all traffic to 2.0.0" in rows[4].reason
    assert (outcome.outcome, outcome.tick) == ("promoted", 10)


def test_three_breaches_in_a_preview_roll_back_what_never_served():
    rows, outcome = told("hbbbh", rollout=BLUE_GREEN)

    assert {row.serving for row in rows} == {"stable"}
    assert (outcome.outcome, outcome.tick) == ("rolled-back", 4)
    assert "from its preview" in outcome.reason


def test_a_replacement_has_everything_from_its_first_tick_on():
    rows, outcome = told("h" * 7, rollout={"strategy": "Replace"})

    assert {row.weight for row in rows} == {100}
    assert (outcome.outcome, outcome.tick) == ("promoted", 5)
    assert told("hbbb", rollout={"strategy": "Replace"})[1].outcome == "rolled-back"


def test_missing_pods_are_breaches():
    rows, outcome = told("hppp")

    assert [row.breaches for row in rows] == [0, 1, 2, 3]
    assert (outcome.outcome, outcome.tick) == ("rolled-back", 4)


def test_every_history_of_seven_minutes_agrees_with_a_second_opinion():
    policy = spec(rollout={"steps": [{"weight": 20}, {"weight": 100}], "stepDuration": "1m"})
    for minutes in map("".join, itertools.product("hb?", repeat=7)):
        rows, outcome = rehearse(policy, lines(minutes))
        third = re.search(r"b\?*b\?*b", minutes)
        healthy = [index for index, letter in enumerate(minutes, start=1) if letter == "h"]
        if third:
            assert (outcome.outcome, outcome.tick) == ("rolled-back", third.end()), minutes
        elif len(healthy) > 1:
            assert (outcome.outcome, outcome.tick) == ("promoted", healthy[1]), minutes
        else:
            assert (outcome.outcome, outcome.tick) == ("in-progress", 7), minutes
        verdicts = [{"healthy": "h", "breach": "b", "no-data": "?"}[row.verdict] for row in rows]
        assert "".join(verdicts) == minutes


@pytest.mark.parametrize("interval", ["10s", "30s", "1m", "5m"])
def test_other_intervals_count_their_own_ticks(interval):
    seconds = {"10s": 10, "30s": 30, "1m": 60, "5m": 300}[interval]
    _, outcome = told("h" * (900 // seconds), interval=interval)

    assert (outcome.outcome, outcome.tick) == ("promoted", 900 // seconds)


def test_an_interval_that_does_not_divide_a_step_takes_the_next_tick():
    rows, _ = told("h" * 5, interval="70s")

    assert [row.weight for row in rows] == [10, 10, 10, 10, 50]


def test_steps_may_have_durations_of_their_own():
    steps = [{"weight": 1, "duration": "1m"}, {"weight": 5, "duration": "3m"}, {"weight": 100, "duration": "2m"}]
    rows, outcome = told("h" * 6, rollout={"steps": steps})

    assert [row.weight for row in rows] == [5, 5, 5, 100, 100, 100]
    assert outcome.tick == 6


def test_a_hold_check_holds_with_a_window_longer_than_the_interval_and_its_presets_own_limit():
    values = {"accuracy": [0.9] * 4 + [0.5, None, 0.849, 0.85]}
    rows, _ = told("h" * 8, checks=(ERRORS, ACCURACY), values=values)

    assert [row.weight for row in rows] == [10] * 7 + [50]
    assert "accuracy holds promotion: 50 %, minimum 85 %" in rows[4].reason
    assert {row.verdict for row in rows} == {"healthy"}


def test_a_hold_check_that_breaches_for_ever_never_rolls_back():
    rows, outcome = told("h" * 30, checks=(ERRORS, ACCURACY), values={"accuracy": [0.1] * 30})

    assert (outcome.outcome, rows[-1].breaches, rows[-1].weight) == ("in-progress", 0, 10)


def test_an_inform_check_changes_nothing():
    _, outcome = told("h" * 15, checks=(ERRORS, COST), values={"cost": [9] * 15})

    assert outcome.outcome == "promoted"


def test_a_threshold_of_one_rolls_back_at_once():
    _, outcome = told("hb", checks=({**ERRORS, "failureThreshold": 1},))

    assert (outcome.outcome, outcome.tick) == ("rolled-back", 2)


def test_without_checks_the_pods_decide():
    policy = spec(checks=())
    _, promoted = rehearse(policy, [Line({})] * 15)
    _, rolled_back = rehearse(policy, [Line({}, available=False)] * 3)

    assert (promoted.outcome, rolled_back.outcome) == ("promoted", "rolled-back")


def test_report_keeps_the_promoted_version_and_says_so():
    rows, outcome = told("h" * 15 + "bbbbh", after={"onBreach": "Report"})

    assert [row.phase for row in rows][15:] == ["Healthy", "Healthy", "Degraded", "Degraded", "Healthy"]
    assert {row.weight for row in rows[15:]} == {100}
    assert (outcome.outcome, outcome.tick) == ("promoted", 15)


def test_watch_never_counts_nothing_after_promotion():
    rows, outcome = told("h" * 15 + "bbbb", after={"watch": "never"})

    assert {(row.breaches, row.verdict, row.weight) for row in rows[15:]} == {(0, "breach", 100)}
    assert outcome.outcome == "promoted"


@pytest.mark.parametrize(("value", "verdict"), [(0.01, "healthy"), (0.0100001, "breach"), (float("nan"), "no-data")])
def test_a_value_equal_to_its_limit_is_healthy_and_nan_is_no_data(value, verdict):
    rows, _ = rehearse(spec(), [Line({"error-rate": value})])

    assert rows[0].verdict == verdict


def test_a_check_that_a_line_does_not_name_has_no_data():
    rows, _ = rehearse(spec(), [Line({})])

    assert (rows[0].verdict, rows[0].reason) == (
        "no-data",
        "error-rate: no data; nothing is promoted, the breach count stays at 0",
    )


def test_reasons_say_what_a_tick_waits_for_and_what_moved():
    rows, _ = told("h" * 5 + "bhb")

    assert [row.reason for row in rows[3:]] == [
        "all checks within their limits; step 1/3 ends at tick 5 at the earliest",
        f"all checks within their limits; step 2/3: 50 % of the traffic to {version(rows[4].reason)}",
        "breach 1 of 3: error-rate: 0.5, limit 0.01",
        "all checks within their limits; healthy again after 1 breach; step 2/3 ends at tick 10 at the earliest",
        "breach 1 of 3: error-rate: 0.5, limit 0.01",
    ]


def version(reason):
    return re.search(r"2\.0\.0 \([a-z0-9]{10}\)", reason).group()


def test_the_command_prints_one_line_a_tick_and_the_outcome(tmp_path):
    (tmp_path / "digits.yaml").write_text(MANIFEST)
    (tmp_path / "ticks.jsonl").write_text('{"checks": {"error-rate": 0.002}}\n' * 15)
    done = CliRunner().invoke(
        main, ["simulate", "-f", str(tmp_path / "digits.yaml"), "--ticks", str(tmp_path / "ticks.jsonl")]
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.exit_code == 0
    assert [list(row) for row in found[:-1]] == [KEYS] * 15
    assert found[4]["weight"] == 50
    assert list(found[-1]) == ["outcome", "tick", "reason"]
    assert (found[-1]["outcome"], found[-1]["tick"]) == ("promoted", 15)


def test_a_rollback_exits_with_0_because_the_simulation_ran(tmp_path):
    (tmp_path / "digits.yaml").write_text(MANIFEST)
    bad = '{"checks": {"error-rate": 0.5}}\n' * 3
    done = CliRunner().invoke(main, ["simulate", "-f", str(tmp_path / "digits.yaml"), "--ticks", "-"], input=bad)

    assert done.exit_code == 0
    assert json.loads(done.stdout.splitlines()[-1])["outcome"] == "rolled-back"


def test_the_table_tells_the_same(tmp_path):
    (tmp_path / "digits.yaml").write_text(MANIFEST)
    bad = '{"checks": {"error-rate": 0.5}}\n' * 3
    arguments = ["simulate", "-f", str(tmp_path / "digits.yaml"), "--ticks", "-", "--output", "table"]
    done = CliRunner(env={"COLUMNS": "200"}).invoke(main, arguments, input=bad)
    rows = [line.split()[:8] for line in done.stdout.splitlines() if line.strip()]

    assert done.exit_code == 0
    assert rows[0] == ["TICK", "VERDICT", "BREACHES", "PHASE", "STEP", "WEIGHT", "SERVING", "REASON"]
    assert rows[3] == ["3", "✖", "breach", "3", "RolledBack", "-", "0", "%"]
    assert rows[-1][:5] == ["rolled-back", "at", "tick", "3:", "2.0.0"]


MANIFEST = """\
apiVersion: modelramp.io/v1alpha1
kind: ModelDeployment
metadata: {name: digits}
spec:
  model: {name: digits, version: "2.0.0"}
  template: {spec: {containers: [{name: model, image: digits}]}}
  routing: {gateway: {parentRefs: [{name: public}]}}
  health: {checks: [{name: error-rate, query: x, max: 0.01}]}
"""


def second_opinion(letters, weights, minutes, threshold):
    """The words of docs/concepts in twenty lines that share nothing with the core: weights by tick, and the end."""
    step = entered = breaches = 0
    ended, shown = None, []
    for tick, letter in enumerate(letters, start=1):
        if ended and ended[0] == "rolled-back":
            shown.append(0)
            continue
        breaches = 0 if letter == "h" else breaches + (letter in "bp")
        if letter in "bp" and breaches >= threshold:
            ended = ("rolled-back", tick)
            shown.append(0)
            continue
        if ended is None and letter == "h" and tick - entered >= minutes[step]:
            if step + 1 < len(weights):
                step, entered = step + 1, tick
            else:
                ended = ("promoted", tick)
        shown.append(weights[step])
    return shown, ended or ("in-progress", len(letters))


@settings(max_examples=200, deadline=None)
@given(
    st.text("hhhhhbb?p", max_size=25),
    st.lists(st.integers(1, 99), unique=True, max_size=4).map(sorted),
    st.lists(st.integers(0, 4), min_size=5, max_size=5),
    st.integers(1, 4),
)
def test_any_policy_and_any_minutes_agree_with_a_second_opinion(letters, weights, minutes, threshold):
    weights = [*weights, 100]
    steps = [{"weight": weight, "duration": f"{least}m"} for weight, least in zip(weights, minutes, strict=False)]
    rows, outcome = told(letters, rollout={"steps": steps}, failureThreshold=threshold)

    assert ([row.weight for row in rows], (outcome.outcome, outcome.tick)) == second_opinion(
        letters, weights, minutes, threshold
    )
