"""Rollouts on a node with a few devices: the pods of both versions fit, or the rollout says what it waits for."""

import json
import tempfile
import time
from pathlib import Path

import pytest

from localplane.configs import NODE_NAME
from tests.e2e.metrics_api import Load, Looks, is_ready, metrics_api
from tests.e2e.rollout import Rollout
from tests.e2e.stories import serving, story, wait_for_route
from tests.e2e.traffic import Traffic

pytestmark = pytest.mark.usefixtures("operator")


def advertise(plane, resource, amount):
    """Let the node have so many devices, as a device plugin does."""
    found = {resource: str(amount)}
    body = json.dumps({"status": {"capacity": found, "allocatable": found}})
    plane.kubectl("patch", "node", NODE_NAME, "--subresource=status", "--type=merge", "-p", body)


def on_devices(rollout, version, resource, **env):
    """The manifest of a version whose pods ask for one device each."""
    body = rollout.manifest(version, **env)
    [container] = body["spec"]["template"]["spec"]["containers"]
    container["resources"] = {"limits": {resource: "1"}}
    return json.dumps(body)


class Watcher(Looks):
    """Counts pods that have a device, and those that are ready, three times a second."""

    def __init__(self, plane, namespace, name):
        super().__init__(seconds=0.3)
        self.counts = []
        self._list = lambda: plane.kubectl(
            "get", "pods", "-n", namespace, "-l", f"modelramp.io/deployment={name}", "-o", "json"
        )

    def look(self):
        pods = json.loads(self._list())["items"]
        living = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        ready = [pod for pod in living if is_ready(pod)]
        self.counts.append((len(living), len(ready)))


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("devices", "bounds", "most", "least"),
    [(9, {"maxSurge": 1}, 9, 8), (8, {"maxSurge": 0, "maxUnavailable": 1}, 8, 7)],
    ids=["one to spare", "none to spare"],
)
def test_eight_pods_are_replaced_on_the_devices_that_are_there(operator, rollout, devices, bounds, most, least):
    resource = f"example.com/devices-{devices}"
    advertise(operator, resource, devices)
    model = rollout(f"devices-{devices}", replicas=8, steps={"capacity": bounds, "progressDeadline": "60s"})
    operator.kubectl("apply", "-f", "-", input=on_devices(model, "v1", resource))
    model.until_serving("v1")
    wait_for_route(operator, model)

    with Traffic(operator.gateway_url, model.hostname) as traffic:
        time.sleep(1)
        with Watcher(operator, model.namespace, model.name) as watcher:
            operator.kubectl("apply", "-f", "-", input=on_devices(model, "v2", resource))
            model.until(lambda status: status.get("stable", {}).get("modelVersion") == "v2", timeout_s=170.0)
        time.sleep(1)

    assert max(living for living, _ in watcher.counts) == most
    assert min(ready for _, ready in watcher.counts) >= least
    assert [answer for answer in traffic.answers if answer.status != 200] == []
    assert model.status.get("failedRevision") is None


@pytest.mark.timeout(300)
def test_a_version_without_a_device_waits_in_the_schedulers_words_and_goes_on_when_there_is_one(operator, rollout):
    resource = "example.com/devices-few"
    advertise(operator, resource, 1)
    model = rollout("devices-few", steps={"progressDeadline": "10s", "capacity": {"maxSurge": 1}})
    operator.kubectl("apply", "-f", "-", input=on_devices(model, "v1", resource))
    model.until_serving("v1")
    operator.kubectl("apply", "-f", "-", input=on_devices(model, "v2", resource))
    applied = time.monotonic()

    status = model.until(lambda status: status.get("reason") == "WaitingForCapacity", timeout_s=30.0)
    assert time.monotonic() - applied < 20
    assert f"Insufficient {resource}" in status["message"]
    time.sleep(15)
    status = model.status
    assert (status["phase"], status["reason"], status.get("failedRevision")) == (
        "Progressing",
        "WaitingForCapacity",
        None,
    )

    advertise(operator, resource, 2)
    model.until_step(10)


def without_replicas(rollout, version):
    """The manifest of a version, with a CPU request and without replicas: those are the autoscaler's."""
    body = rollout.manifest(version)
    del body["spec"]["replicas"]
    [container] = body["spec"]["template"]["spec"]["containers"]
    container["resources"] = {"requests": {"cpu": "10m"}}
    return json.dumps(body)


def autoscaler(rollout, most):
    """A HorizontalPodAutoscaler that wants each pod to use all that it requests; it looks back for 20 s, not 5 min."""
    meta = {"name": rollout.name, "namespace": rollout.namespace}
    target = {"apiVersion": "modelramp.io/v1alpha1", "kind": "ModelDeployment", "name": rollout.name}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 100}}
    spec = {
        "scaleTargetRef": target,
        "minReplicas": 1,
        "maxReplicas": most,
        "metrics": [{"type": "Resource", "resource": cpu}],
        "behavior": {way: {"stabilizationWindowSeconds": 20} for way in ("scaleUp", "scaleDown")},
    }
    return json.dumps(
        {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}
    )


@story
def autoscaled(plane, namespace):
    model = Rollout(plane, namespace, "autoscaled", steps={"stepDuration": "20s"})
    with (
        tempfile.TemporaryDirectory(prefix="modelramp-", dir="/var/tmp") as folder,
        metrics_api(plane, namespace, Path(folder)) as file,
        Load(plane, model, file, 4.0) as load,
    ):
        plane.kubectl("apply", "-f", "-", input=without_replicas(model, "v1"))
        plane.kubectl("apply", "-f", "-", input=autoscaler(model, 8))
        model.until(lambda status: load.steady(4) and status["phase"] == "Healthy")
        with Traffic(plane.gateway_url, model.hostname) as traffic:
            load.seen.clear()
            plane.kubectl("apply", "-f", "-", input=without_replicas(model, "v2"))
            model.until_serving("v2", timeout_s=150)
            promotion = list(load.seen)

            load.idle = "v3"
            plane.kubectl("apply", "-f", "-", input=without_replicas(model, "v3"))
            model.until_step(50)
            lowered = model.until(lambda status: "waits until the rollout ends" in status["message"], timeout_s=60)
            model.request("abort")
            model.until_phase("RolledBack")
            time.sleep(10)
        plane.kubectl("delete", "hpa", model.name, "-n", namespace)
    model.delete("--wait=false")
    return traffic, load, promotion, lowered


@pytest.mark.timeout(400)
def test_an_autoscaler_keeps_its_number_in_a_promotion_and_takes_no_pods_before_a_rollback(stories):
    traffic, load, promotion, lowered = stories["autoscaled"].result()

    assert {replicas for replicas, _ in promotion} == {4}
    assert lowered["heldReplicas"]["count"] == 4
    assert [shares for _, shares in load.seen if short(shares, 4)] == []
    assert [answer for answer in traffic.answers if answer.status != 200] == []


def short(shares, replicas):
    """Versions whose ready pods are fewer than their share of the traffic needs."""
    return {revision for revision, (share, ready) in shares.items() if ready < int(share * replicas)}


@story
def resting(plane, namespace):
    model = serving(plane, namespace, "resting", replicas=2)
    with Traffic(plane.gateway_url, model.hostname):
        model.apply("v2")
        model.until_step(50)
    scale = ["scale", "mdep", model.name, "-n", namespace]
    plane.kubectl(*scale, "--replicas=0")
    model.until(lambda status: status.get("replicas") == 0 and "scaledToZero" in status)
    time.sleep(20)
    asleep = model.status, model.condition("Available"), model.children("deployment")
    with Traffic(plane.gateway_url, model.hostname) as refused:
        time.sleep(1)
    plane.kubectl(*scale, "--replicas=2")
    model.until(lambda status: "scaledToZero" not in status)
    wait_for_route(plane, model)
    with Traffic(plane.gateway_url, model.hostname) as answered:
        status = model.until_serving("v2")
    model.delete("--wait=false")
    return asleep, refused, answered, status


@pytest.mark.timeout(300)
def test_a_model_without_replicas_rests_and_comes_back_as_it_was(stories):
    (asleep, condition, deployments), refused, answered, status = stories["resting"].result()

    assert (condition["status"], condition["reason"]) == ("False", "ScaledToZero")
    assert "nothing serves and nothing is judged" in asleep["message"]
    assert (asleep["candidate"]["weight"], asleep["breaches"]) == (50, 0)
    assert {one["spec"]["replicas"] for one in deployments} == {0}
    assert {answer.status for answer in refused.answers} == {503}
    assert {answer.status for answer in answered.answers} == {200}
    assert {entry["outcome"] for entry in status["history"]} == {"Promoted"}
