"""Every alert fires when it should, not before, and ends: by promtool, on series as the operator has them."""

import json
import re
import subprocess

import pytest
import yaml

from tests.integration.install.conftest import ROOT

RULES = ROOT / "charts/modelramp/rules.yaml"
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
MODEL = {"namespace": "ml", "name": "digits"}
OPERATOR = {"namespace": "modelramp-system", "pod": "modelramp-1", "job": "modelramp"}


def of(labels):
    return ",".join(f'{name}="{value}"' for name, value in labels.items())


def model(metric, values, **labels):
    """A series of an object, as it arrives from the operator's target."""
    target = {name: value for name, value in OPERATOR.items() if name != "namespace"}
    return {f"{metric}{{{of(MODEL | labels | target)}}}": values}


def operator(metric, values, **labels):
    return {f"{metric}{{{of(OPERATOR | labels)}}}": values}


def case(series, quiet, fires, ends, value=1, **labels):
    """Series (one sample every 30 s), when the alert is still quiet, when it fires with which labels, when it is over.

    value: what the sentences show of it.
    """
    return {"series": series, "quiet": quiet, "fires": fires, "ends": ends, "labels": labels, "value": value}


NOTHING_SERVES = model("modelramp_unavailable", "_x2 1x17 stale")
LAG = dict.fromkeys(("10", "20", "30", "45"), "0x60") | dict.fromkeys(("60", "120", "+Inf"), "0+2x30 60x60")
CASES = {
    "ModelUnavailable": case(
        NOTHING_SERVES | model("modelramp_object_phase", "1x60", phase="Healthy"), "2m30s", "3m30s", "10m", **MODEL
    ),
    "ModelRollbackStuck": case(
        model("modelramp_object_phase", "1x20 stale", phase="RollingBack"), "4m30s", "5m", "11m", **MODEL
    ),
    "ModelRouteRefused": case(model("modelramp_route_refused", "1x10 stale"), "30s", "1m", "6m", **MODEL),
    "ModelDegraded": case(
        model("modelramp_object_phase", "1x20 stale", phase="Degraded"), "4m30s", "5m", "11m", **MODEL
    ),
    "ModelRolledBack": case(
        model("modelramp_last_rollback_timestamp_seconds", "_x5 150x60", revision="b", reason="ThresholdReached"),
        "2m",
        "2m30s",
        "17m30s",
        **MODEL,
        revision="b",
        reason="ThresholdReached",
    ),
    "ModelHeld": case(
        model("modelramp_held_since_timestamp_seconds", "0x70 stale", reason="HeldByCheck"),
        "30m",
        "30m30s",
        "36m",
        "30m 30s",
        **MODEL,
        reason="HeldByCheck",
    ),
    "ModelUnanswered": case(
        model("modelramp_unanswered_since_timestamp_seconds", "0x30 stale", reason="PrometheusTimeout"),
        "10m",
        "10m30s",
        "16m",
        "10m 30s",
        **MODEL,
        reason="PrometheusTimeout",
    ),
    "ModelCheckFailing": case(model("modelramp_failing_checks", "2x30 stale"), "9m30s", "10m", "16m", "2", **MODEL),
    "ModelUnreadable": case(
        model("modelramp_unreadable_objects", "1x20 stale", kind="Service"),
        "4m30s",
        "5m",
        "11m",
        **MODEL,
        kind="Service",
    ),
    "ModelrampDown": case(operator("modelramp_build_info", "_x20 1x40", version="1"), "4m30s", "5m", "11m"),
    "ModelrampLeaderless": case(
        operator("modelramp_leader", "1x4 0x10 1x10")
        | {'modelramp_leader{namespace="modelramp-system",pod="b"}': "0x30"},
        "3m",
        "3m30s",
        "8m",
        namespace="modelramp-system",
    ),
    "ModelrampStuck": case(
        operator("modelramp_last_tick_timestamp_seconds", "0+30x10 300x20 960+30x20"),
        "11m",
        "11m30s",
        "16m30s",
        "6m 30s",
        **OPERATOR,
    ),
    "ModelrampApiSilent": case(
        operator("modelramp_last_api_answer_timestamp_seconds", "0+30x10 300x20 960+30x20"),
        "9m",
        "9m30s",
        "16m30s",
        "4m 30s",
        **OPERATOR,
    ),
    "ModelrampPrometheusSilent": case(
        operator("modelramp_prometheus_up", "1 0x20 1x20"), "5m", "5m30s", "11m", **OPERATOR
    ),
    "ModelrampWritesWaiting": case(
        operator("modelramp_write_queue_depth", "3x20 0x20", priority="Rollback")
        | operator("modelramp_write_queue_depth", "100x40", priority="Report"),
        "4m30s",
        "5m",
        "11m",
        "3",
        **OPERATOR,
        priority="Rollback",
    ),
    "ModelrampStatusRefused": case(
        operator("modelramp_writes_total", "0x4 1x60", kind="status", result="refused"),
        "2m",
        "2m30s",
        "17m30s",
        **OPERATOR,
        kind="status",
        result="refused",
    ),
    "ModelrampLate": case(
        {
            key: text
            for le, text in LAG.items()
            for key, text in operator("modelramp_tick_lag_seconds_bucket", text, le=le).items()
        },
        "0s",
        "1m",
        "31m",
        "59.85s",
        **OPERATOR,
    ),
    "ModelrampClockWrong": case(
        operator("modelramp_clock_offset_seconds", "-5x20 0x20"), "4m30s", "5m", "11m", "5", **OPERATOR
    ),
    "ModelrampClockSet": case(operator("modelramp_clock_steps_total", "0x4 1x60"), "2m", "2m30s", "12m30s", **OPERATOR),
}
"""For each alert: the first time at which it fires, to the half minute, and the first at which it does not any more."""
QUIET = {
    "a first version whose pods start": (
        "ModelUnavailable",
        model("modelramp_unavailable", "1x60") | model("modelramp_object_phase", "1x60", phase="Pending"),
    ),
    "a rollout that a person has paused": (
        "ModelHeld",
        model("modelramp_held_since_timestamp_seconds", "0x200", reason="Paused"),
    ),
    "ticks an hour apart": (
        "ModelrampStuck",
        operator("modelramp_last_tick_timestamp_seconds", "0+30x200")
        | operator("modelramp_ticks_total", "0x119 1x120", verdict="healthy"),
    ),
    "many objects that wait for their turn": (
        "ModelrampWritesWaiting",
        operator("modelramp_write_queue_depth", "100x60", priority="Creation"),
    ),
    "ticks that wait for a slow Prometheus": (
        "ModelrampLate",
        {
            key: text
            for le, text in {"20": "0x60", "30": "0+2x60", "45": "0+2x60", "+Inf": "0+2x60"}.items()
            for key, text in operator("modelramp_tick_lag_seconds_bucket", text, le=le).items()
        },
    ),
}


def told(rule, labels, value):
    """The annotations of an alert, as a person reads them."""

    def filled(text):
        text = re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels.get(found[1], ""), text)
        text = re.sub(r"{{ \$labels\.(\w+) \| toLower }}", lambda found: labels.get(found[1], "").lower(), text)
        return re.sub(r"{{ \$value[^}]*}}", str(value), text)

    return {name: filled(text) for name, text in rule["annotations"].items()}


def expected(name, given):
    labels = given["labels"] | ALERTS[name]["labels"]
    return {"exp_labels": labels, "exp_annotations": told(ALERTS[name], given["labels"], given["value"])}


@pytest.fixture(scope="session")
def promtool():
    from localplane import binaries

    return str(binaries.promtool(print))


@pytest.fixture
def judged(promtool, tmp_path):
    """Run the alerts over series; what promtool says when they do not do what is expected."""

    def run(series, *looks, rules=RULES):
        (tmp_path / "rules.yaml").write_text(rules.read_text())
        test = {
            "interval": "30s",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [
                {"alertname": name, "eval_time": at, "exp_alerts": [alert] if alert else []}
                for name, at, alert in looks
            ],
        }
        document = {"rule_files": ["rules.yaml"], "evaluation_interval": "30s", "tests": [test]}
        (tmp_path / "test.yaml").write_text(json.dumps(document))
        command = [promtool, "test", "rules", str(tmp_path / "test.yaml")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    return run


def test_there_is_a_case_for_each_alert():
    assert CASES.keys() == ALERTS.keys()


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_fires_when_its_time_has_come_and_ends_with_its_cause(judged, name):
    given = CASES[name]
    looks = (name, given["quiet"], None), (name, given["fires"], expected(name, given)), (name, given["ends"], None)
    assert judged(given["series"], *looks) == ""


@pytest.mark.parametrize(
    ("name", "last"),
    [("ModelRolledBack", "17m"), ("ModelrampStatusRefused", "16m30s"), ("ModelrampClockSet", "11m30s")],
)
def test_what_happens_once_rings_long_enough_to_be_seen(judged, name, last):
    assert judged(CASES[name]["series"], (name, last, expected(name, CASES[name]))) == ""


@pytest.mark.parametrize("what", QUIET)
def test_nobody_is_woken_by(judged, what):
    name, series = QUIET[what]
    assert judged(series, *((name, f"{minute}m", None) for minute in range(1, 100, 7))) == ""


def test_an_operator_that_starts_anew_does_not_tell_the_same_twice(judged):
    """Its pod has another name: an alert that had it in its labels would end and fire again."""
    given = CASES["ModelDegraded"]
    ((series, _),) = given["series"].items()
    both = {series: "1x9 stale", series.replace("modelramp-1", "modelramp-2"): "_x8 1x30"}
    assert judged(both, ("ModelDegraded", "6m", expected("ModelDegraded", given))) == ""


def test_prometheus_takes_the_rules(promtool):
    done = subprocess.run(
        [promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
