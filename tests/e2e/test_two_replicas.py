"""Two replicas of the operator: the leader is stopped, killed and frozen in the middle of its work.

Judged by the API server's audit log: who wrote what, and when.
"""

import json
import os
import signal
import time
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from localplane import Plane
from localplane.testing import SCRAPE_INTERVAL_S, eventually, make_namespace
from modelramp.adapters.clock import wall_seconds
from tests.e2e.conftest import install, leader
from tests.e2e.rollout import end_watches
from tests.e2e.stories import serving
from tests.e2e.traffic import Traffic

pytestmark = pytest.mark.timeout(420)
NAMESPACE = "replicas"
OPERATOR = "system:serviceaccount:modelramp-system:modelramp"
DEPLOYMENT = ("deployment/modelramp", "-n", "modelramp-system")
LEASE = "/apis/coordination.k8s.io/v1/namespaces/modelramp-system/leases/modelramp"
AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "users": [OPERATOR], "verbs": ["create", "update", "patch", "delete"]},
        {"level": "None"},
    ],
}
STEPS = [{"v1": 90, "v2": 10}, {"v1": 50, "v2": 50}, {"v2": 100}]


@pytest.fixture(scope="module")
def replicas(tmp_path_factory):
    """A plane that keeps an audit log, with two replicas of the shipped operator."""
    folder = tmp_path_factory.mktemp("replicas")
    (folder / "audit.yaml").write_text(yaml.safe_dump(AUDIT))
    flags = (f"--audit-policy-file={folder / 'audit.yaml'}", f"--audit-log-path={folder / 'audit.log'}")
    name = f"replicas-{os.getpid()}"
    with Plane.start(
        name, folder / "plane", scrape_interval=SCRAPE_INTERVAL_S, apiserver_flags=flags, tied=True
    ) as plane:
        install(plane)
        plane.kubectl("scale", *DEPLOYMENT, "--replicas=2")
        plane.kubectl("rollout", "status", *DEPLOYMENT, "--timeout=60s")
        make_namespace(plane, NAMESPACE)
        yield SimpleNamespace(plane=plane, log=folder / "audit.log")
        end_watches(plane.kubeconfig)


def holder(rollout):
    """The identity that holds the Lease; "" while none does."""
    answer = rollout.http.get(LEASE)
    answer.raise_for_status()
    return answer.json()["spec"].get("holderIdentity", "")


def until_another_leads(rollout, before, timeout_s=30.0):
    """Seconds until another process holds the Lease."""
    began = time.monotonic()
    while holder(rollout) in {before, ""}:
        assert time.monotonic() < began + timeout_s, "nobody took over"
        time.sleep(0.05)
    return time.monotonic() - began


def process_of(pod):
    """The operator's process in a pod. The name of a pod has a random part."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            told, command = (path / "environ").read_bytes().split(b"\0"), (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"HOSTNAME={pod}".encode() in told and command[1:3] == [b"-m", b"modelramp"]:
            return int(path.name)
    raise AssertionError(f"{pod} has no process")


def writes(log, pod, since):
    """What a pod has changed since then, as verb and resource; Events are no change."""
    found = []
    for line in log.read_text().splitlines():
        event = json.loads(line)
        who = event["user"].get("extra", {}).get("authentication.kubernetes.io/pod-name", [""])[0]
        at = datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()
        about = event["objectRef"]["resource"]
        if who == pod and at >= since and event["responseStatus"]["code"] < 300 and about != "events":
            found.append(f"{event['verb']} {about}")
    return found


@pytest.fixture
def both(replicas):
    """Both replicas are ready, and one leads."""
    replicas.plane.kubectl("rollout", "status", *DEPLOYMENT, "--timeout=60s")
    eventually(lambda: leader(replicas.plane))
    return replicas


def metrics(plane, pod):
    path = f"/api/v1/namespaces/modelramp-system/pods/{pod}:8080/proxy/metrics"
    return plane.kubectl("get", "--raw", path)


def pods(plane):
    selector = "app.kubernetes.io/component=operator"
    names = plane.kubectl("get", "pods", "-n", "modelramp-system", "-l", selector, "-o", "name").split()
    return [name.removeprefix("pod/") for name in names]


def test_both_are_ready_and_only_the_leader_shows_objects(both):
    plane = both.plane
    rollout = serving(plane, NAMESPACE, "shown")
    first = leader(plane)
    (second,) = (pod for pod in pods(plane) if pod != first)
    leading, following = metrics(plane, first), metrics(plane, second)
    rollout.delete("--wait=false")

    assert "modelramp_leader 1.0" in leading
    assert "modelramp_leader 0.0" in following
    assert 'modelramp_object_phase{name="shown"' in leading
    assert "modelramp_object_phase{" not in following
    assert writes(both.log, second, 0.0) == []


@pytest.fixture(scope="module")
def replaced(replicas):
    """A rollout at whose first step the leader is stopped, and at whose second step its successor is killed."""
    plane = replicas.plane
    rollout = serving(plane, NAMESPACE, "replaced")
    took = {}
    with Traffic(plane.gateway_url, rollout.hostname) as traffic:
        rollout.apply("v2")
        for weight, number in ((10, signal.SIGTERM), (50, signal.SIGKILL)):
            rollout.until_step(weight)
            before, process = holder(rollout), process_of(leader(plane))
            os.kill(process, number)
            took[number] = until_another_leads(rollout, before)
        rollout.until_serving("v2", timeout_s=120)
    return SimpleNamespace(rollout=rollout, traffic=traffic, took=took)


@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGTERM, 3), (signal.SIGKILL, 15)])
def test_a_leader_that_ends_in_a_rollout_is_replaced_in_time(replaced, number, seconds):
    assert replaced.took[number] <= seconds


def test_a_change_of_the_leader_skips_no_step_and_fails_no_request(replaced):
    assert replaced.rollout.weights_seen == [{"v1": 100}, *STEPS]
    assert not replaced.traffic.failures()


def test_a_leader_that_stands_still_in_a_rollback_changes_nothing_when_it_goes_on(both):
    plane = both.plane
    rollout = serving(plane, NAMESPACE, "frozen")
    with Traffic(plane.gateway_url, rollout.hostname):
        time.sleep(2)
        rollout.apply("v2", ERROR_RATIO=1)
        rollout.until(lambda status: status.get("breaches") == 2, 60, "at two breaches")
        before, pod = holder(rollout), leader(plane)
        number = process_of(pod)
        os.kill(number, signal.SIGSTOP)
        frozen = wall_seconds()
        try:
            took = until_another_leads(rollout, before)
            rollout.until_phase("RollingBack", "RolledBack", timeout_s=30)
        finally:
            os.kill(number, signal.SIGCONT)
        time.sleep(8)
        status = rollout.until_phase("RolledBack")

    assert took <= 15
    assert status["history"][0]["reason"] == "ThresholdReached"
    assert rollout.weights_seen[-1] == {"v1": 100}
    assert writes(both.log, pod, frozen) == []
    assert leader(plane) != pod
    assert process_of(pod) == number, "it follows in place"
    eventually(lambda: "modelramp_leader 0.0" in metrics(plane, pod))
    assert "modelramp_object_phase{" not in metrics(plane, pod)
