"""A plane leaves nothing behind, however it ends, and its parts can be broken one by one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from localplane import NotRunningError, Plane, PlaneError
from localplane.configs import NODE_NAME
from localplane.testing import eventually


def processes_of(folder):
    """Processes of this machine whose command line names the plane's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if str(folder).encode() in command:
            found.append(command.replace(b"\0", b" ").decode())
    return found


def localplane(folder, *arguments):
    command = [sys.executable, "-m", "localplane", "--name", "trial", "--state", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def trial(tmp_path):
    folder = tmp_path / "plane"
    yield Plane.start("trial", folder, tied=True, report=lambda line: None)
    localplane(folder, "down")


def test_a_plane_goes_up_once_survives_kill_dash_nine_and_leaves_nothing(trial):
    folder, first = trial.folder, trial.record
    again = localplane(folder, "up")
    assert (again.returncode, "already up" in again.stderr) == (0, True)
    assert Plane.attach("trial", folder).record == first
    trial.kubectl("create", "deployment", "d", "--image=localplane/httpd:1")
    trial.kubectl("rollout", "status", "deployment/d", "--timeout=30s")

    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: not processes_of(folder), timeout_s=5)
    with pytest.raises(NotRunningError):
        Plane.attach("trial", folder)
    assert localplane(folder, "status").returncode == 1

    began = time.monotonic()
    second = Plane.start("trial", folder, tied=True, report=lambda line: None)
    assert second.record.pid != first.pid
    assert second.status()["phase"] == "ready"
    assert time.monotonic() - began < 60, "20 s on a quiet machine"

    assert localplane(folder, "down").returncode == 0
    assert processes_of(folder) == []
    assert list(folder.parent.iterdir()) == []
    assert localplane(folder, "down").returncode == 0


def test_prometheus_can_be_stopped_and_keeps_its_history(plane):
    def oldest():
        query = {"query": "count_over_time(up{job='prometheus'}[1h])"}
        answer = httpx.get(f"{plane.prometheus_url}/api/v1/query", params=query).json()["data"]["result"]
        return int(answer[0]["value"][1]) if answer else 0

    before = eventually(oldest)
    plane.stop_component("prometheus")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{plane.prometheus_url}/-/ready")
    assert plane.status()["components"]["prometheus"]["running"] is False
    plane.start_component("prometheus")
    assert oldest() >= before


def test_a_component_that_crashes_comes_back(plane):
    def scheduler():
        return plane.status()["components"]["scheduler"]

    before = scheduler()["restarts"]
    plane.signal_component("scheduler", signal.SIGKILL)
    eventually(scheduler, lambda one: one["restarts"] == before + 1 and one["running"])


def test_a_component_nobody_knows_is_refused_by_name(plane):
    with pytest.raises(PlaneError, match="no component 'prometeus'; there are: apiserver, "):
        plane.stop_component("prometeus")


def test_pods_run_again_after_their_node_has_crashed(plane, namespace):
    k = f"--namespace={namespace}"
    plane.kubectl(k, "run", "lives", "--image=localplane/sleep:1")
    plane.kubectl(k, "wait", "--for=condition=Ready", "pod/lives", "--timeout=30s")
    plane.signal_component("node", signal.SIGKILL)
    restarts = "jsonpath={.status.containerStatuses[0].restartCount}"
    eventually(lambda: plane.kubectl(k, "get", "pod", "lives", "-o", restarts) == "1")
    plane.kubectl(k, "delete", "pod", "lives", "--grace-period=1", "--timeout=20s")


def test_a_pod_that_was_called_unready_is_ready_again(plane, namespace):
    """The node controller calls all pods of a silent node unready; the node knows better once it is back."""
    k = f"--namespace={namespace}"
    plane.kubectl(k, "run", "lives", "--image=localplane/sleep:1")
    plane.kubectl(k, "wait", "--for=condition=Ready", "pod/lives", "--timeout=30s")
    body = json.dumps({"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    said = plane.kubectl(k, "patch", "pod", "lives", "--subresource=status", "--type=strategic", "--patch", body)
    assert "(no change)" not in said
    plane.kubectl(k, "wait", "--for=condition=Ready", "pod/lives", "--timeout=10s")


def test_a_node_that_was_called_unreachable_takes_pods_again(plane):
    """As after a long outage of the API server: the node controller has given the node up and tainted it."""
    ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    unknown = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "was silent"}
    body = json.dumps({"status": {"conditions": [unknown]}})
    plane.kubectl("patch", "node", NODE_NAME, "--subresource=status", "--type=strategic", "--patch", body)
    eventually(lambda: "unreachable" in plane.kubectl("get", "node", NODE_NAME, "-o", "jsonpath={.spec.taints}"))
    eventually(lambda: plane.kubectl("get", "node", NODE_NAME, "-o", ready) == "True", timeout_s=30)
    eventually(lambda: not plane.kubectl("get", "node", NODE_NAME, "-o", "jsonpath={.spec.taints}"), timeout_s=30)
