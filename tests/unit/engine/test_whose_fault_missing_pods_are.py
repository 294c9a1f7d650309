"""Pods that went with their node, wait for one or start there for the first time are nobody's fault; crashes are."""

import pytest

from modelramp.api.times import to_text
from modelramp.engine.diagnostics import pod_trouble
from modelramp.engine.lost_pods import why_missing

NOW = 1_800_000_000
AFTER, PATIENCE = NOW - 60, 600


def condition(kind, status="True", at=NOW - 30, **more):
    return {"type": kind, "status": status, "lastTransitionTime": to_text(at), **more}


def unready(at):
    return [condition("Ready", "False", at), condition("ContainersReady", "False", at)]


def container(state, last=None, *, ready=False):
    return {"name": "model", "ready": ready, "state": state, **({"lastState": {"terminated": last}} if last else {})}


def running(at):
    return {"running": {"startedAt": to_text(at)}}


def ended(reason, code=1, at=NOW - 20):
    return {"reason": reason, "exitCode": code, "finishedAt": to_text(at)}


def pod(name="new", *, node="n2", made=NOW - 30, conditions=(), containers=(), deleted=None, **status):
    metadata = {"name": name, "creationTimestamp": to_text(made)}
    if deleted is not None:
        metadata["deletionTimestamp"] = to_text(deleted)
    placed = [condition("PodScheduled", at=made)] if node else []
    status |= {"conditions": [*conditions, *placed], "containerStatuses": list(containers)}
    return {"metadata": metadata, "spec": {"nodeName": node} if node else {}, "status": status}


WAITS = {"waiting": {"reason": "ContainerCreating"}}
STARTS = pod(conditions=unready(NOW - 30), containers=[container(running(NOW - 29))])
FULL = condition("PodScheduled", "False", reason="Unschedulable", message="0/3 nodes are available")
OWN_MEMORY = "The node was low on resource: memory. Container model was using 9Gi, request is 1Gi"
OTHERS_MEMORY = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi."


def evicted(why, message="", reason="", at=NOW - 31, **more):
    told = condition("DisruptionTarget", at=at, reason=why, message=message)
    return pod("old", node="n1", made=NOW - 9000, conditions=[told], reason=reason, message=message, **more)


FAILED = {"phase": "Failed"}

# name: (pods, what the excuse says)
EXCUSED = {
    "evicted, and not replaced yet": ([evicted("EvictionByEvictionAPI", deleted=NOW)], "was evicted or preempted"),
    "evicted, the next one starts": (
        [evicted("EvictionByEvictionAPI", deleted=NOW), STARTS], "pod new starts for the first time on node n2",
    ),
    "preempted": ([evicted("PreemptionByScheduler", deleted=NOW)], "PreemptionByScheduler"),
    "its node is tainted": ([evicted("DeletionByTaintManager", deleted=NOW)], "DeletionByTaintManager"),
    "its node is gone": ([evicted("DeletionByPodGC", **FAILED)], "DeletionByPodGC"),
    "its node shuts down": (
        [evicted("TerminationByKubelet", "terminated in response to imminent node shutdown.", "Terminated", **FAILED)],
        "imminent node shutdown",
    ),
    "others ate the node's memory": (
        [evicted("TerminationByKubelet", OTHERS_MEMORY, "Evicted", **FAILED), STARTS], "low on resource",
    ),
    "no node": ([pod(node="", conditions=[FULL], phase="Pending")], "waits for a node (Unschedulable: 0/3 nodes"),
    "starts": ([STARTS], "starts for the first time on node n2 since 07:59:30Z"),
    "its image is pulled": ([pod(containers=[container(WAITS)])], "starts for the first time"),
    "its image cannot be pulled there": (
        [pod(containers=[container({"waiting": {"reason": "ImagePullBackOff"}})])], "starts for the first time",
    ),
    "its node is silent": (
        [pod(made=NOW - 9000, conditions=[condition("Ready", "False"), condition("ContainersReady")],
             containers=[container(running(NOW - 8999), ready=True)])],
        "on node n2, which does not answer",
    ),
    "its node was restarted": (
        [pod(made=NOW - 9000, conditions=[condition("PodScheduled", at=NOW - 60)],
             containers=[container(running(NOW - 10), ended("ContainerStatusUnknown", 137))])],
        "starts for the first time",
    ),
    "it has just become ready": (
        [pod(conditions=[condition("Ready", at=NOW - 3)], containers=[container(running(NOW - 29), ready=True)])],
        "started on node n2",
    ),
    "nothing": ([], "yet to be made"),
    "an old eviction for memory": (
        [evicted("TerminationByKubelet", OWN_MEMORY, "Evicted", at=NOW - 4000, **FAILED), STARTS], "starts",
    ),
    "deleted by hand": ([pod("old", made=NOW - 9000, deleted=NOW - 30), STARTS], "pod old was deleted"),
    "it crashed once, long ago": (
        [evicted("EvictionByEvictionAPI", deleted=NOW,
                 containers=[container(running(NOW - 5000), ended("Error", at=NOW - 5001), ready=True)]), STARTS],
        "was evicted",
    ),
}  # fmt: skip

LOOP = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}

# name: (pods, what the trouble says)
BLAMED = {
    "crash loop": ([pod(containers=[container(LOOP, ended("Error"))])], "container model CrashLoopBackOff: back-off"),
    "out of memory": (
        [pod(containers=[container(running(NOW - 5), ended("OOMKilled", 137))])], "OOMKilled, exit code 137",
    ),
    "it has just crashed": ([pod(containers=[container({"terminated": ended("Error", 3)})])], "Error, exit code 3"),
    "it ended": ([pod(containers=[container(running(NOW - 5), ended("Completed", 0))])], "Completed, exit code 0"),
    "its probe fails": (
        [pod(made=NOW - 900, conditions=unready(NOW - 20), containers=[container(running(NOW - 899))])],
        "is no longer ready since 07:59:40Z",
    ),
    "it never gets ready": (
        [pod(made=NOW - 601, conditions=unready(NOW - 601), containers=[container(running(NOW - 600))])],
        "did not become ready within 600 s on its node",
    ),
    "a crash between two ticks": (
        [pod(made=NOW - 9000, conditions=[condition("Ready", at=NOW - 5)],
             containers=[container(running(NOW - 19), ended("Error"), ready=True)])],
        "Error, exit code 1",
    ),
    "a probe that failed for a while": (
        [pod(made=NOW - 9000, conditions=[condition("Ready", at=NOW - 5)],
             containers=[container(running(NOW - 8999), ready=True)])],
        "was not ready until 07:59:55Z, long after its start",
    ),
    "evicted for its own memory": (
        [evicted("TerminationByKubelet", OWN_MEMORY, "Evicted", **FAILED), STARTS], "Evicted: The node was low",
    ),
    "evicted for its own disk": (
        [evicted("TerminationByKubelet", "Usage of EmptyDir exceeds 1Gi.", "Evicted", **FAILED), STARTS],
        "EmptyDir",
    ),
    "evicted in a crash loop": (
        [evicted("EvictionByEvictionAPI", deleted=NOW, containers=[container(LOOP, ended("Error"))]), STARTS],
        "container model had crashed before",
    ),
    "failed": ([pod("old", made=NOW - 900, phase="Failed", reason="DeadlineExceeded")], "DeadlineExceeded"),
    "one of two crashes, the other was evicted": (
        [evicted("EvictionByEvictionAPI", deleted=NOW), pod(containers=[container(LOOP)])], "CrashLoopBackOff",
    ),
}  # fmt: skip


def asked(pods):
    return why_missing(pods, AFTER, NOW, PATIENCE, pod_trouble)


@pytest.mark.parametrize(("pods", "says"), EXCUSED.values(), ids=EXCUSED)
def test_what_a_node_did_is_no_fault_of_the_version(pods, says):
    assert says in asked(pods).excuse


@pytest.mark.parametrize(("pods", "says"), BLAMED.values(), ids=BLAMED)
def test_what_the_pod_did_itself_is(pods, says):
    found = asked(pods)
    assert (found.excuse, says in found.trouble) == ("", True), found


ODD = [{"metadata": {}}, {"metadata": {"name": 3}, "status": []}, {"metadata": {}, "status": {"conditions": [1, {}]}}]


@pytest.mark.parametrize("odd", ODD)
def test_odd_pods_are_no_fault(odd):
    assert asked([odd]).excuse


CRASHES = pod(
    "bad",
    conditions=unready(NOW - 30),
    containers=[container({"waiting": {"reason": "CrashLoopBackOff"}}, ended("Error"))],
)
GATED = condition("PodScheduled", "False", reason="SchedulingGated", message="waits for Kueue")
SILENT = pod(
    made=NOW - 9000,
    conditions=[condition("Ready", "False"), condition("ContainersReady")],
    containers=[container(running(NOW - 8999), ready=True)],
)


@pytest.mark.parametrize(
    ("pods", "words", "since"),
    [
        ([pod(node="", conditions=[FULL])], "pod new: Unschedulable: 0/3 nodes are available", NOW - 30),
        ([pod(node="", conditions=[GATED])], "pod new: SchedulingGated: waits for Kueue", NOW - 30),
        ([SILENT], "pod new: node n2 does not answer", NOW - 30),
        ([STARTS], "", 0),
        ([pod(node="", conditions=[condition("PodScheduled", "False", reason="SchedulerError")])], "", 0),
    ],
)
def test_pods_without_a_node_wait_in_the_schedulers_words(pods, words, since):
    found = why_missing(pods, AFTER, NOW, PATIENCE, pod_trouble)

    assert (found.waits, found.waits_since) == (words, since)


@pytest.mark.parametrize("other", [CRASHES, STARTS])
def test_a_pod_that_is_not_ready_on_its_node_keeps_its_own_clock(other):
    found = why_missing([pod(node="", conditions=[FULL]), other], AFTER, NOW, PATIENCE, pod_trouble)

    assert found.stuck
