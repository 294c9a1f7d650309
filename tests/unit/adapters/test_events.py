import asyncio

import pytest
from adapter_fakes import happened

from modelramp.adapters.notifications import kubernetes_events as events
from modelramp.adapters.notifications.kubernetes_events import KubernetesEvents
from modelramp.api.errors import ApiServerUnavailable, Refused

DIGITS = {
    "apiVersion": "modelramp.io/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "digits", "namespace": "ml", "uid": "u1", "resourceVersion": "7"},
}


class Cluster:
    """Keeps what was applied; fails as told."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.applied = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def apply(self, obj):
        await self.may_answer.wait()
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self.applied.append(obj)
        return obj


async def published(cluster, clock, told, *messages, pause=0.0):
    async with KubernetesEvents(cluster, clock, told, "modelramp-0") as publisher:
        for message in messages:
            await publisher.deliver(happened(DIGITS, "RolledBack", message, warning=True))
            await asyncio.sleep(0.001)
            clock.time += pause
    return cluster.applied


async def test_an_event_says_who_what_and_about_whom(clock, told):
    (event,) = await published(Cluster(), clock, told, "back to 1.4.0:\n p95 too high")
    assert event["regarding"] == {
        "apiVersion": "modelramp.io/v1alpha1",
        "kind": "ModelDeployment",
        "namespace": "ml",
        "name": "digits",
        "uid": "u1",
        "resourceVersion": "7",
    }
    assert event["metadata"]["namespace"] == "ml"
    assert event["metadata"]["name"].startswith("digits.")
    assert (event["type"], event["reason"], event["note"]) == ("Warning", "RolledBack", "back to 1.4.0: p95 too high")
    assert event["reportingController"] == "modelramp.io/operator"
    assert event["reportingInstance"] == "modelramp-0"
    assert event["eventTime"] == "2023-11-14T22:13:20.000000Z"


async def test_a_repetition_counts_up_the_same_event_and_changes_nothing_else(clock, told):
    first, second, third = await published(Cluster(), clock, told, "x", "x", "x", pause=60)
    assert "series" not in first
    assert second == {**first, "series": {"count": 2, "lastObservedTime": "2023-11-14T22:14:20.000000Z"}}
    assert third["series"]["count"] == 3


async def test_another_message_is_another_event(clock, told):
    one, other = await published(Cluster(), clock, told, "x", "y")
    assert one["metadata"]["name"] != other["metadata"]["name"]


async def test_the_same_after_a_long_time_is_a_new_event(clock, told):
    one, other = await published(Cluster(), clock, told, "x", "x", pause=601)
    assert one["metadata"]["name"] != other["metadata"]["name"]
    assert "series" not in other


@pytest.mark.parametrize("filling", ["x", "é", "模", "😀", "\u202e", "a b "])
@pytest.mark.parametrize("length", [1000, 1022, 1023, 1024, 1025, 1026, 3000, 100_000])
async def test_a_long_message_loses_its_middle_and_has_as_many_bytes_as_the_api_takes(filling, length, clock, told):
    message = ("breached: " + filling * length)[: length - 20] + ": 1.4.0 serves again"
    (event,) = await published(Cluster(), clock, told, message)

    assert len(event["note"].encode()) <= 1024
    assert event["note"].startswith("breached: ")
    assert event["note"].endswith(": 1.4.0 serves again")


async def test_every_field_of_an_event_is_as_short_as_the_api_wants_it(clock, told):
    cluster, about = Cluster(), {**DIGITS, "metadata": {**DIGITS["metadata"], "name": "d" * 250 + ".it"}}
    async with KubernetesEvents(cluster, clock, told, "ö" * 200) as publisher:
        await publisher.deliver(happened(about, "RolledBack", "x", warning=True))
    (event,) = cluster.applied

    assert len(event["reportingInstance"].encode()) <= 128
    assert len(event["metadata"]["name"]) <= 253


async def test_names_are_in_the_order_in_which_things_happened(clock, told):
    applied = await published(Cluster(), clock, told, *"dacb", pause=0.0)
    applied += await published(Cluster(), clock, told, *"fe", pause=1.0)

    names = [event["metadata"]["name"] for event in applied]
    assert names[:4] == sorted(names[:4])
    assert names[3] < names[5]
    assert all(event.keys().isdisjoint({"deprecatedFirstTimestamp", "deprecatedLastTimestamp"}) for event in applied)


async def test_a_slow_api_server_does_not_hold_the_engine(clock, told, monkeypatch):
    monkeypatch.setattr(events, "QUEUED", 3)
    monkeypatch.setattr(events, "_FAREWELL_SECONDS", 0.05)
    cluster = Cluster()
    cluster.may_answer.clear()
    async with asyncio.timeout(1):
        await published(cluster, clock, told, *"abcdefgh")
    assert cluster.applied == []
    assert told.counted == [("modelramp_events_dropped_total", {"reason": "full"})] * 4


async def test_silence_is_tried_once_more(clock, told):
    (event,) = await published(Cluster(ApiServerUnavailable("gone fishing")), clock, told, "x")
    assert event["note"] == "x"
    assert told.counted == []


@pytest.mark.parametrize(
    ("failures", "why"),
    [
        ((ApiServerUnavailable("a"), ApiServerUnavailable("b")), "ApiServerUnavailable"),
        ((Refused("no"),), "Refused"),
        ((ZeroDivisionError(),), "ZeroDivisionError"),
    ],
)
async def test_a_lost_event_is_counted_and_the_next_one_is_written(failures, why, clock, told):
    applied = await published(Cluster(*failures), clock, told, "x", "y")
    assert [event["note"] for event in applied] == ["y"]
    assert told.counted == [("modelramp_events_dropped_total", {"reason": why})]
    assert told.lines[0][1]["name"] == "digits"


async def test_what_is_queued_at_the_end_is_still_written(clock, told):
    cluster = Cluster()
    async with KubernetesEvents(cluster, clock, told, "modelramp-0") as publisher:
        for n in range(20):
            await publisher.deliver(happened(DIGITS, "StepEntered", f"step {n}", warning=False))
    assert len(cluster.applied) == 20
    assert {event["type"] for event in cluster.applied} == {"Normal"}


async def test_a_namespace_whose_events_are_slow_or_many_delays_no_other(clock, told):
    """A fake: no real API server can be made to be slow for one namespace only."""

    class SlowForOne(Cluster):
        async def apply(self, obj):
            if obj["metadata"]["namespace"] == "flood":
                await self.may_answer.wait()
            self.applied.append(obj)
            return obj

    cluster = SlowForOne()
    cluster.may_answer.clear()
    flood = {**DIGITS, "metadata": {**DIGITS["metadata"], "namespace": "flood"}}
    async with KubernetesEvents(cluster, clock, told, "modelramp-0") as publisher:
        for n in range(2 * events.QUEUED):
            await publisher.deliver(happened(flood, "Breached", f"breach {n}", warning=True))
        await publisher.deliver(happened(DIGITS, "RolledBack", "x", warning=True))
        await asyncio.sleep(0.05)
        assert [event["note"] for event in cluster.applied if event["metadata"]["namespace"] == "ml"] == ["x"]
        cluster.may_answer.set()
    assert all(labels == {"reason": "full"} for _, labels in told.counted)
