"""Whom the operator asks about a pod that does not say why it is not ready, and what it makes of the Events."""

import pytest

from modelramp.api.times import to_text
from modelramp.engine.diagnostics import events_of, inspect_pods
from modelramp.engine.lost_pods import Heard, Missing, Silent, with_events

NOW = 1_800_000_000
CREATING = {"waiting": {"reason": "ContainerCreating"}}
PULLING = {"waiting": {"reason": "ImagePullBackOff", "message": "no such host"}}
NO_NODE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}


def pod(name="a", *, age=30, uid="u", state=CREATING, conditions=(), **metadata):
    about = {"name": name, "uid": uid, "creationTimestamp": to_text(NOW - age), "labels": {}, **metadata}
    about["labels"] = {"modelramp.io/revision": "r1"}
    status = {"conditions": list(conditions), "containerStatuses": [{"name": "model", "ready": False, "state": state}]}
    return {"metadata": about, "spec": {"nodeName": "n1"}, "status": status}


def event(reason, note, *, seen, where="deprecatedLastTimestamp"):
    when = {"series": {"lastObservedTime": seen}} if where == "series" else {where: seen}
    return {"reason": reason, "note": note, "type": "Warning", **when}


class Cluster:
    """One page of whatever is listed; it remembers by which fields."""

    def __init__(self, *found):
        self.found, self.asked = found, []

    async def list(self, kind, namespace, selector="", *, fields="", most=None):
        self.asked.append((kind.plural, namespace, fields))
        return self.found[:most]


READY = [{"type": "Ready", "status": "True", "lastTransitionTime": to_text(NOW - 600)}]
STARTED = to_text(NOW - 10)

# name: (pods, the one that is asked about)
ASKED = {
    "it waits for a volume": ([pod()], Silent("a", "u")),
    "the oldest of two": ([pod("b", age=20, uid="v"), pod()], Silent("a", "u")),
    "its container runs and is not ready": (
        [pod(state={"running": {"startedAt": STARTED}})],
        Silent("a", "u", STARTED),
    ),
    "it is new": ([pod(age=4)], None),
    "it says why": ([pod(state=PULLING)], None),
    "another one says why": ([pod(), pod("b", uid="v", state=PULLING)], None),
    "it waits for a node": ([pod(conditions=[NO_NODE])], None),
    "it ends": ([pod(deletionTimestamp=to_text(NOW))], None),
    "it is ready": ([pod(conditions=READY)], None),
    "it has no uid": ([pod(uid="")], None),
    "there is none": ([], None),
}


@pytest.mark.parametrize(("pods", "silent"), ASKED.values(), ids=ASKED)
async def test_the_oldest_pod_is_asked_about_when_none_that_waits_says_why(pods, silent):
    found = await inspect_pods(Cluster(*pods), ("ml", "digits"), ["r1"], NOW - 60, NOW, 600)

    assert found["r1"].silent == silent


OLD, NEW = to_text(NOW - 300), to_text(NOW - 5)
MOUNT = event("FailedMount", "no such\nconfigmap", seen=NEW)

# name: (events, since when a container runs, words)
WORDS = {
    "none": ([], "", ""),
    "one": ([MOUNT], "", "FailedMount: no such configmap"),
    "the newest": ([MOUNT, event("FailedAttach", "x", seen=OLD)], "", "FailedMount: no such configmap"),
    "one that goes on": ([event("Unhealthy", "503", seen=NEW, where="series")], STARTED, "Unhealthy: 503"),
    "one from before the container started": ([event("FailedMount", "x", seen=OLD)], STARTED, ""),
    "one without a time": ([event("FailedMount", "x", seen=None)], "", "FailedMount: x"),
    "odd": ([{"reason": 3, "note": ["x"], "series": 1}], "", ""),
}


@pytest.mark.parametrize(("found", "started", "words"), WORDS.values(), ids=WORDS)
async def test_the_newest_warning_since_its_containers_started_is_told(found, started, words):
    cluster = Cluster(*found)

    assert await events_of(cluster, "ml", Silent("a", "u", started)) == words
    assert cluster.asked == [("events", "ml", "regarding.name=a,regarding.uid=u,type=Warning")]


async def test_words_are_shown_in_one_line_of_bounded_length():
    words = await events_of(Cluster(event("FailedMount", "\x1b[31m" + "x" * 5000, seen=NEW)), "ml", Silent("a", "u"))

    assert len(words.encode()) <= 400
    assert "\x1b" not in words


@pytest.mark.parametrize(
    ("missing", "trouble"),
    [
        (Missing("pod a: container model is not ready", "it starts", silent=Silent("a", "u")), "pod a: FailedMount: x"),
        (Missing("", "it starts", silent=Silent("a", "u")), "pod a: FailedMount: x"),
        (Missing("pod a: slow", silent=Silent("a", "u")), "pod a: slow; FailedMount: x"),
        (Missing("pod a: slow", silent=Silent("a", "another")), "pod a: slow"),
        (Missing("pod a: Error, exit code 1"), "pod a: Error, exit code 1"),
    ],
)
def test_the_words_of_events_stand_for_a_pod_that_has_none_and_beside_those_of_a_fault(missing, trouble):
    found = with_events(missing, Heard(Silent("a", "u"), "FailedMount: x", NOW))

    assert (found.trouble, found.excuse) == (trouble, missing.excuse)
