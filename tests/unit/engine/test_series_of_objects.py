"""Which series there are of an object: all of them go with it, whoever has set them."""

import io
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from modelramp.adapters.catalogue import CATALOGUE, Type
from modelramp.adapters.telemetry import OperatorTelemetry
from modelramp.api.names import Phase, Reason
from modelramp.api.verdict import CheckOutcome, Verdict
from modelramp.core.state import HistoryRecord, State
from modelramp.core.status.read import recall
from modelramp.engine.rollout_metrics import Reporter
from modelramp.engine.store import Record

NOW = 1_800_000_000
KEY = ("ml", "digits")
READY = {"type": "Ready", "status": "False", "reason": "GatewayNotFound"}
UNAVAILABLE = {"type": "Available", "status": "False", "reason": "NothingServes"}
CHECKS = (
    CheckOutcome("errors", Verdict.HEALTHY, Reason.WITHIN_LIMIT, "", value=0.001, at=NOW),
    CheckOutcome("accuracy", Verdict.NO_DATA, Reason.EMPTY_RESULT, "", at=NOW),
    CheckOutcome("older", Verdict.BREACH, Reason.ABOVE_MAXIMUM, "", value=1.0, at=NOW - 600),
)


def shown(telemetry):
    families = text_string_to_metric_families(telemetry.render()[0].decode())
    found = {}
    for sample in (sample for family in families for sample in family.samples):
        labels = dict(sample.labels)
        if (labels.pop("namespace", ""), labels.pop("name", "")) == KEY:
            found[sample.name.removeprefix("modelramp_"), *labels.values()] = sample.value
    return found


def record(state, *conditions):
    return Record({"metadata": {"uid": "1"}, "status": {"conditions": list(conditions)}}, state)


def reporter():
    telemetry = OperatorTelemetry(stream=io.StringIO())
    return Reporter(telemetry), telemetry


def running(**changes):
    status = {
        "phase": "Progressing",
        "stable": {"revision": "a"},
        "candidate": {
            "revision": "b",
            "weight": 10,
            "step": 0,
            "stepEntered": "2027-01-15T07:55:00Z",
            "trafficSince": "2027-01-15T07:55:00Z",
        },
        "watch": {"revision": "b", "since": "2027-01-15T07:55:00Z", "breaches": 2},
    }
    return replace(recall(status), **changes)


def test_what_a_rollout_shows_and_what_is_left_of_it_afterwards():
    reports, telemetry = reporter()
    state = running(checks=CHECKS)
    reports.decided(KEY, state, record(state), NOW)
    assert shown(telemetry) == {
        ("object_phase", "Progressing"): 1,
        ("weight_percent", "a"): 90,
        ("weight_percent", "b"): 10,
        ("breaches",): 2,
        ("check_value", "errors", "b"): 0.001,
        ("check_verdict", "errors", "b", "healthy"): 1,
        ("check_verdict", "accuracy", "b", "no-data"): 1,
    }
    ended = HistoryRecord("b", "2", NOW - 300, NOW - 60, "RolledBack", Reason.THRESHOLD_REACHED, "", 10)
    after = State(phase=Phase.ROLLED_BACK, stable=state.stable, history=(ended,))
    reports.decided(KEY, state, record(after), NOW)
    left = {("object_phase", "RolledBack"): 1, ("last_rollback_timestamp_seconds", "ThresholdReached", "b"): NOW}
    assert shown(telemetry) == left
    reports.decided(KEY, after, record(after), NOW + 60)
    assert shown(telemetry) == left


def test_what_is_so_for_long_keeps_its_time_though_the_reason_changes():
    reports, telemetry = reporter()
    state = State(phase=Phase.HEALTHY)
    for at, reason in ((0, "GatewayNotFound"), (60, "RouteNotAccepted")):
        reports.decided(KEY, state, record(state, {**READY, "reason": reason}, UNAVAILABLE), NOW + at)
    assert shown(telemetry) == {
        ("object_phase", "Healthy"): 1,
        ("unavailable",): 1,
        ("held_since_timestamp_seconds", "RouteNotAccepted"): NOW,
    }
    reports.decided(KEY, state, record(state, {**READY, "status": "True"}), NOW + 120)
    reports.decided(KEY, state, record(state, READY), NOW + 180)
    assert shown(telemetry)["held_since_timestamp_seconds", "GatewayNotFound"] == NOW + 180


def test_every_gauge_that_names_an_object_ends_with_it():
    reports, telemetry = reporter()
    state = running(checks=CHECKS)
    reports.decided(KEY, state, record(state, READY, UNAVAILABLE), NOW)
    for metric in CATALOGUE.values():
        if metric.type is Type.GAUGE and metric.labels == ("namespace", "name"):
            telemetry.gauge(metric.name, 1, namespace="ml", name="digits")
    reports.forgotten(KEY)
    assert shown(telemetry) == {}
