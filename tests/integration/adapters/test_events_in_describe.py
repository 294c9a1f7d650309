"""What a person sees of the Events that the operator publishes."""

import asyncio
import json

import pytest

from modelramp.adapters.clock import SystemClock
from modelramp.adapters.notifications.kubernetes_events import KubernetesEvents
from modelramp.api.kinds import SERVICE, Ref
from modelramp.api.names import Reason
from modelramp.core.events import ObjectRef, RolloutEvent


def happened(about, reason, message, *, warning):
    metadata = about["metadata"]
    version = metadata.get("resourceVersion", "")
    ref = ObjectRef(
        metadata["namespace"], metadata["name"], metadata["uid"], version, about["kind"], about["apiVersion"]
    )
    return RolloutEvent(Reason(reason), message, warning, object=ref)


async def test_describe_shows_the_event_and_how_often_it_happened(cluster, namespace, plane, telemetry):
    plane.kubectl("create", "service", "clusterip", "a", "--tcp=80", "-n", namespace)
    about = await cluster.get(Ref(SERVICE, namespace, "a"))
    async with KubernetesEvents(cluster, SystemClock(), telemetry, "modelramp-0") as events:
        for _ in range(3):
            await events.deliver(happened(about, "RolledBack", "back to 1.4.0: p95 6.2 s, limit 5 s", warning=True))
        await events.deliver(happened(about, "StepEntered", "step 1/3: 10 %", warning=False))
    shown = await asyncio.to_thread(plane.kubectl, "describe", "service", "a", "-n", namespace)
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert any(line.startswith("Normal StepEntered") and line.endswith("step 1/3: 10 %") for line in lines), shown
    (warning,) = [line for line in lines if line.startswith("Warning RolledBack")]
    assert "(x3 over" in warning
    assert warning.endswith("modelramp.io/operator back to 1.4.0: p95 6.2 s, limit 5 s")


async def test_describe_shows_events_in_the_order_in_which_they_happened(cluster, namespace, plane, telemetry):
    plane.kubectl("create", "service", "clusterip", "a", "--tcp=80", "-n", namespace)
    about = await cluster.get(Ref(SERVICE, namespace, "a"))
    told = [f"step {number}" for number in range(30)]
    async with KubernetesEvents(cluster, SystemClock(), telemetry, "modelramp-0") as events:
        for message in told:
            await events.deliver(happened(about, "StepEntered", message, warning=False))
    shown = await asyncio.to_thread(plane.kubectl, "describe", "service", "a", "-n", namespace)
    assert [line.rpartition("operator")[2].strip() for line in shown.splitlines() if "StepEntered" in line] == told


@pytest.mark.parametrize("filling", ["x", "é", "😀"], ids=["one byte", "two bytes", "four bytes"])
async def test_the_longest_note_is_taken(filling, cluster, namespace, plane, telemetry):
    plane.kubectl("create", "service", "clusterip", "a", "--tcp=80", "-n", namespace)
    about = await cluster.get(Ref(SERVICE, namespace, "a"))
    async with KubernetesEvents(cluster, SystemClock(), telemetry, filling * 200) as events:
        await events.deliver(happened(about, "Breached", filling * 3000 + " 1.4.0 serves", warning=True))
    (event,) = json.loads(plane.kubectl("get", "events", "-n", namespace, "-o", "json"))["items"]
    assert event["message"].endswith(" 1.4.0 serves")


async def test_an_event_needs_the_rights_to_create_and_to_patch_events_only(connected_as, namespace, plane, telemetry):
    rights = "--verb=create,patch", "--resource=events.events.k8s.io"
    plane.kubectl("create", "role", "events", *rights, "-n", namespace)
    plane.kubectl(
        "create", "rolebinding", "events", "--role=events", f"--serviceaccount={namespace}:default", "-n", namespace
    )
    about = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a", "namespace": namespace, "uid": "u1", "resourceVersion": "1"},
    }
    async with (
        connected_as(namespace, "default") as cluster,
        KubernetesEvents(cluster, SystemClock(), telemetry, "modelramp-0") as events,
    ):
        for _ in range(2):
            await events.deliver(happened(about, "RolledBack", "back", warning=True))
    (event,) = json.loads(plane.kubectl("get", "events", "-n", namespace, "-o", "json"))["items"]
    assert event["series"]["count"] == 2
