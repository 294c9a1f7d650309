"""The status that the process node writes is the one that kubelet would write."""

import pytest

from localplane.node.status import ContainerState, phase, pod_status

NOW, BEFORE = "2026-11-20T12:00:00Z", "2026-11-20T11:00:00Z"


def one(letter):
    """A container: c creating, r running, b backing off after a crash, 0 ended well, 1 ended badly."""
    ended = {"terminated": {"exitCode": 1}}
    state = {
        "c": {"waiting": {"reason": "ContainerCreating"}},
        "r": {"running": {"startedAt": NOW}},
        "b": {"waiting": {"reason": "CrashLoopBackOff"}},
        "0": {"terminated": {"exitCode": 0}},
        "1": ended,
    }[letter]
    return ContainerState("main", "image", state=state, previous=ended if letter == "b" else {})


# policy, init containers, containers -> phase
PHASES = {
    "nothing has started": ("Always", "", "cc", "Pending"),
    "one of two still creates": ("Always", "", "rc", "Pending"),
    "all run": ("Always", "", "rr", "Running"),
    "a crash loop is still a running pod": ("Always", "", "b", "Running"),
    "ended, but to be started again": ("Always", "", "0", "Running"),
    "a job's pod that did its work": ("Never", "", "00", "Succeeded"),
    "a job's pod, one of two failed": ("Never", "", "01", "Failed"),
    "a job's pod, one of two still runs": ("Never", "", "1r", "Running"),
    "failed, to be tried again": ("OnFailure", "", "1", "Running"),
    "done at last": ("OnFailure", "", "0", "Succeeded"),
    "preparing": ("Always", "r", "c", "Pending"),
    "prepared": ("Always", "0", "r", "Running"),
    "preparation failed for good": ("Never", "1", "c", "Failed"),
    "preparation failed, to be tried again": ("OnFailure", "1", "c", "Pending"),
}


@pytest.mark.parametrize(("policy", "init", "main", "wished"), PHASES.values(), ids=PHASES)
def test_the_phase_follows_kubelets_rules(policy, init, main, wished):
    assert phase(policy, [one(letter) for letter in init], [one(letter) for letter in main]) == wished


def pod(**status):
    return {"metadata": {"name": "p"}, "spec": {"restartPolicy": "Always"}, "status": status}


def conditions(pod, *main):
    status = pod_status(pod, "10.244.1.1", [], list(main), NOW, BEFORE)
    return {entry["type"]: entry for entry in status["conditions"]}


def test_a_pod_is_ready_only_when_every_container_passes_its_probe():
    passing = ContainerState("a", "i", state={"running": {}}, started=True, passing=True)
    failing = ContainerState("b", "i", state={"running": {}}, started=True, passing=False)
    assert conditions(pod(), passing)["Ready"]["status"] == "True"
    unready = conditions(pod(), passing, failing)["Ready"]
    assert (unready["status"], unready["reason"]) == ("False", "ContainersNotReady")
    assert unready["message"] == "containers with unready status: [b]"


def test_a_container_whose_startup_probe_has_not_passed_is_not_ready():
    starting = ContainerState("a", "i", state={"running": {}}, started=False, passing=True)
    assert conditions(pod(), starting)["Ready"]["status"] == "False"


def test_a_closed_readiness_gate_keeps_a_pod_unready():
    gated = pod()
    gated["spec"]["readinessGates"] = [{"conditionType": "example.com/warm"}]
    passing = ContainerState("a", "i", state={"running": {}}, started=True, passing=True)
    assert conditions(gated, passing)["Ready"]["reason"] == "ReadinessGatesNotReady"
    gated["status"] = {"conditions": [{"type": "example.com/warm", "status": "True"}]}
    assert conditions(gated, passing)["Ready"]["status"] == "True"


def test_a_condition_keeps_its_time_until_its_status_changes():
    earlier = pod(conditions=[{"type": "Ready", "status": "False", "lastTransitionTime": BEFORE}])
    running = ContainerState("a", "i", state={"running": {}}, started=True)
    assert conditions(earlier, running)["Ready"]["lastTransitionTime"] == BEFORE
    running.passing = True
    assert conditions(earlier, running)["Ready"]["lastTransitionTime"] == NOW
