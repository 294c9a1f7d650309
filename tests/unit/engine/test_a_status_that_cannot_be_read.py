"""A status comes from a backup or from somebody with the right to write it: what it lacks is never made up."""

import asyncio
import contextlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelramp.api.crd import object_schema
from modelramp.api.errors import UnreadableStatus
from modelramp.api.kinds import MODEL_DEPLOYMENT
from modelramp.api.status import FORMAT
from modelramp.core.conditions import unreadable
from modelramp.core.state import State
from modelramp.core.status.read import read_status, recall
from tests.unit.engine.test_policies_and_their_users import deployment
from tests.unit.engine.test_what_watches_and_lists_bring import Cluster, listing
from tests.unit.engine.test_what_watches_and_lists_bring import unreadable as shown

KEY = ("ml", "digits")
YEAR_0 = "0000-01-01T00:00:00Z"
CHECK = {"name": "errors", "verdict": "breach", "reason": "AboveMaximum"}
RUN = {"state": "Passed", "since": "2026-11-20T12:00:00Z"}

NEEDED = {
    "a tick of the year 0": ({"lastTick": YEAR_0}, "status.lastTick: '0000-01-01T00:00:00Z' is no time"),
    "a step of the year 0": ({"candidate": {"revision": "b", "stepEntered": YEAR_0}}, "status.candidate.stepEntered"),
    "traffic of the year 0": ({"stable": {"revision": "b", "trafficSince": YEAR_0}}, "status.stable.trafficSince"),
    "counts since no time": ({"watch": {"revision": "b", "since": "noon"}}, "status.watch.since"),
    "fewer breaches than none": (
        {"watch": {"revision": "b", "since": "2026-11-20T12:00:00Z", "shared": -3}},
        "status.watch",
    ),
    "more than all traffic": ({"candidate": {"revision": "b", "weight": 1000}}, "status.candidate.weight"),
    "an evaluation of the year 0": (
        {"candidate": {"revision": "b", "evaluation": {**RUN, "since": YEAR_0}}},
        "status.candidate.evaluation",
    ),
    "another type": ({"failedRevision": ["b"]}, "status.failedRevision"),
    "no mapping": (["Healthy"], "status is not a mapping"),
}


@pytest.mark.parametrize(("status", "words"), NEEDED.values(), ids=NEEDED)
def test_what_decisions_need_is_read_or_nothing_is_decided(status, words):
    with pytest.raises(UnreadableStatus, match=r"status") as caught:
        recall(status)
    assert words in str(caught.value)


LEFT_OUT = {
    "a value that is none": ({"checks": [{**CHECK, "value": "abc"}]}, lambda it: it.checks[0].value is None),
    "a check of the year 0": ({"checks": [{**CHECK, "at": YEAR_0}]}, lambda it: it.checks[0].at == 0),
    "a result that is none": (
        {"candidate": {"revision": "b", "evaluation": {**RUN, "results": {"a": "x", "b": "0.5"}}}},
        lambda it: it.candidate.evaluation.results == (("b", 0.5),),
    ),
    "a test of the year 0": (
        {"experiment": {"revision": "b", "question": 1, "startedAt": YEAR_0}},
        lambda it: it.ab_test is None,
    ),
    "an end of the year 0": (
        {"history": [{"revision": "b", "outcome": "RolledBack", "endedAt": YEAR_0}]},
        lambda it: (it.history[0].revision, it.history[0].ended_at) == ("b", 0),
    ),
    "conditions of another type": ({"conditions": "Ready"}, lambda it: True),
    "scores of another type": ({"scores": {"technical": "many"}}, lambda it: True),
}


@pytest.mark.parametrize(("status", "holds"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_can_be_found_out_again_is_left_out_and_the_rest_is_kept(status, holds):
    found = recall({"failedRevision": "bad", "lastTick": "2026-11-20T12:00:00Z", **status})
    assert holds(found)
    assert (found.failed, found.last_tick) == ("bad", 1_795_176_000)


@pytest.mark.parametrize("text", ["2026-11-20T12:00:00.25Z", "2026-11-20T13:00:00+01:00"])
def test_times_may_be_written_in_any_way_that_the_schema_admits(text):
    assert recall({"lastTick": text}).last_tick == 1_795_176_000


def values_of(schema):
    """Any value that the API server admits under this part of the schema."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "object" if "properties" in schema:
            required = {name: values_of(inner) for name, inner in schema["properties"].items()}
            needed = {name: required.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(needed, optional=required)
        case "object":
            return st.dictionaries(st.text(max_size=5), values_of(schema["additionalProperties"]), max_size=3)
        case "array":
            return st.lists(values_of(schema["items"]), max_size=3)
        case "integer":
            return st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 101)
        case "boolean":
            return st.booleans()
    if schema.get("format") == "date-time":
        odd = ["0000-01-01T00:00:00Z", "9999-12-31T23:59:60Z", "0001-01-01T00:00:00+23:59", "2026-11-20t12:00:00z"]
        return st.datetimes().map(lambda at: at.isoformat() + "Z") | st.sampled_from(odd)
    return st.text(max_size=20) | st.sampled_from(["NaN", "1e999", "-Inf", "abc", ""])


statuses = values_of(object_schema()["properties"]["status"])


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(statuses)
def test_any_status_that_the_server_admits_is_read_or_shown(status):
    status = json.loads(json.dumps(status))
    found = listing()
    found.observe(MODEL_DEPLOYMENT, "ADDED", {**deployment("digits"), "status": status})
    found.observe(MODEL_DEPLOYMENT, "ADDED", deployment("other"))

    assert ("ml", "other") in found.store.records
    if KEY in found.store.records:
        assert found.store.records[KEY].state.failed == status.get("failedRevision")
        assert KEY not in found.store.unreadable
    else:
        assert KEY in found.store.unreadable
        assert shown(found) == {("ModelDeployment", *KEY)}
        said = unreadable(status, found.store.unreadable[KEY].why, generation=1, now=1_795_176_000)
        read = {one.type: one.status for one in read_status(said).conditions}
        assert (read["Ready"], read["Stalled"]) == ("False", "True")
        assert {key: value for key, value in said.items() if key not in {"reason", "message", "conditions"}} == {
            key: value for key, value in status.items() if key not in {"reason", "message", "conditions"}
        }


async def follow_up(found):
    """Let what was observed be followed up."""
    running = asyncio.create_task(found._follow_up())
    for _ in range(20):
        await asyncio.sleep(0)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_an_object_with_an_unreadable_status_is_left_alone_and_says_so_until_it_is_repaired():
    cluster = Cluster()
    found = listing(cluster)
    raw = {
        "failedRevision": "bad",
        "lastTick": YEAR_0,
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "A", "lastTransitionTime": "2026-11-20T12:00:00Z"},
            {"type": "Routed", "status": "True", "reason": "B", "lastTransitionTime": "2026-11-20T12:00:00Z"},
            {"type": "Reconciling", "status": "True", "reason": "C", "lastTransitionTime": "2026-11-20T12:00:00Z"},
        ],
    }
    found.observe(MODEL_DEPLOYMENT, "ADDED", {**deployment("digits"), "status": raw})
    assert (KEY in found.store.records, found.marked) == (False, [])
    await follow_up(found)

    (written,) = cluster.written
    status = written["status"]
    assert (status["failedRevision"], status["lastTick"]) == ("bad", YEAR_0), "nothing is lost, nothing is repaired"
    assert status["reason"] == "StatusUnreadable"
    assert "status.lastTick" in status["message"]
    conditions = {one["type"]: one for one in status["conditions"]}
    assert {name: one["status"] for name, one in conditions.items()} == {
        "Ready": "False",
        "Routed": "True",
        "Stalled": "True",
    }
    assert conditions["Ready"]["lastTransitionTime"] == "2026-11-20T12:00:00Z"
    assert written["metadata"]["resourceVersion"] == "1"

    found.observe(MODEL_DEPLOYMENT, "MODIFIED", {**deployment("digits", version=2), "status": status})
    await follow_up(found)
    assert len(cluster.written) == 1, "its own echo is no news"
    assert len([said for said, _ in found._telemetry.warned if said == "an object cannot be read"]) == 1

    repaired = {name: value for name, value in status.items() if name != "lastTick"}
    found.observe(MODEL_DEPLOYMENT, "MODIFIED", {**deployment("digits", version=3), "status": repaired})
    assert found.store.records[KEY].state.failed == "bad"
    assert (found.store.unreadable, shown(found)) == ({}, set())


def test_a_status_that_becomes_unreadable_while_its_state_is_known_is_written_anew_from_it():
    found = listing()
    found.observe(MODEL_DEPLOYMENT, "ADDED", {**deployment("digits"), "status": {"failedRevision": "bad"}})
    found.observe(MODEL_DEPLOYMENT, "MODIFIED", {**deployment("digits", version=2), "status": {"lastTick": YEAR_0}})

    record = found.store.records[KEY]
    assert record.state.failed == "bad"
    assert record.obj["metadata"]["resourceVersion"] == "2"
    assert record.obj["status"] == {}, "so that the next decision differs from it and is written"
    assert found.marked[-1] == KEY


@pytest.mark.parametrize("known", [False, True], ids=["at the start", "while it is known"])
async def test_a_status_of_a_newer_operator_is_left_as_it_is(known):
    cluster = Cluster()
    found = listing(cluster)
    if known:
        found.observe(MODEL_DEPLOYMENT, "ADDED", {**deployment("digits"), "status": {"failedRevision": "bad"}})
    newer = {"failedRevision": "bad", "format": FORMAT + 1, "inventedLater": "decides"}
    found.observe(MODEL_DEPLOYMENT, "MODIFIED", {**deployment("digits", version=2), "status": newer})
    await follow_up(found)

    assert (found.store.records, cluster.written) == ({}, [])
    assert "a newer version of the operator wrote it" in found.store.unreadable[KEY].why
    assert shown(found) == {("ModelDeployment", *KEY)}

    found.observe(MODEL_DEPLOYMENT, "MODIFIED", {**deployment("digits", version=3), "status": {"format": FORMAT}})
    assert (KEY in found.store.records, found.store.unreadable) == (True, {})


def test_an_unreadable_object_that_is_deleted_is_forgotten():
    found = listing()
    broken = {**deployment("digits"), "status": {"lastTick": YEAR_0}}
    found.observe(MODEL_DEPLOYMENT, "ADDED", broken)
    found.observe(MODEL_DEPLOYMENT, "DELETED", broken)
    assert (found.store.unreadable, shown(found)) == ({}, set())


def test_no_status_is_the_initial_state():
    assert recall(None) == recall({}) == State()
