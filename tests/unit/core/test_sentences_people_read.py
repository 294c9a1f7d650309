"""The exact sentences of status.message and of the Events: found, wished, and what happens next."""

import pytest

from modelramp.api.names import Reason
from modelramp.core.messages import sentence
from modelramp.core.state import Pods, State
from tests.unit.core.story import ERRORS, Story

ACCURACY = {"name": "accuracy", "query": "z", "min": "0.85", "role": "hold", "window": "1m"}
PATIENT = {"name": "cost", "query": "c", "max": 1, "failureThreshold": 5}
PULLING = Pods(3, 1, 1, "ImagePullBackOff: digits:3")
STEP = "step 1/3: 10 % on 2.0.0 (v2) since 08:00:00Z, step ends 08:05:00Z at the earliest"
OVER = "step 1/3: 10 % on 2.0.0 (v2) since 08:00:00Z, step duration elapsed at 08:05:00Z"
BACK = "2.0.0 (v2) was rolled back at 08:03:00Z from 10 %: errors: 0.5, limit 0.01, third breach in a row; "
RETRY = "v2 gets no traffic until the spec changes or a person sets the annotation modelramp.io/request=retry/v2/"
ANY = "<any new word>"


def first(pods=None, later=0):
    story = Story.of("v1", state=State())
    story.pods["v1"] = pods or Pods(1, 0, 0)
    story.look()
    story.now += later
    story.look()
    return story


def waiting(pods=PULLING, request=None, **world):
    story = Story.of(replicas=3)
    story.pods["v2"] = pods
    for name, value in world.items():
        setattr(story, name, value)
    story.look()
    if request:
        story.want(request=request)
    return story


def stepping(letters="", checks=(ERRORS,), request=None, served=None, **others):
    story = Story.of(checks=checks).begun()
    story.served = served
    if request:
        story.want(request=request)
    return story.run(letters, **others)


def promoted(letters="", served=None, pods=None, **parts):
    story = Story.of(**parts).promoted()
    story.served = served
    story.pods |= pods or {}
    return story.run(letters)


MESSAGES = {
    "first version, no pods yet": (
        first,
        (
            "waiting for 2.0.0 (v1): 0 of 1 pods available; as the first version it gets all traffic then; "
            "expected by 08:10:00Z"
        ),
    ),
    "first version, too late": (
        lambda: first(later=600),
        (
            "2.0.0 (v1), the first revision, cannot serve: 0 of 1 pods became available within 600 s; it gets all "
            "traffic as soon as its pods are available"
        ),
    ),
    "pods on their way": (
        waiting,
        (
            "waiting for 2.0.0 (v2): 1 of 3 pods available (ImagePullBackOff: digits:3), rolled back at 08:10:00Z "
            "unless all are; 1.4.0 (v1) serves"
        ),
    ),
    "paused while pods are on their way: no deadline": (
        lambda: waiting(request="pause/v2/1"),
        (
            "paused until a person sets the annotation modelramp.io/request=resume/v2/<any new word>: waiting for "
            "2.0.0 (v2): 1 of 3 pods available (ImagePullBackOff: digits:3); 1.4.0 (v1) serves"
        ),
    ),
    "pods on their way behind a version that breaches": (
        lambda: waiting().run("b"),
        (
            "waiting for 2.0.0 (v2): 1 of 3 pods available (ImagePullBackOff: digits:3), rolled back at 08:10:00Z "
            "unless all are; 1.4.0 (v1) serves; breach 1 of 3 at 08:01:00Z (errors: 0.5, limit 0.01); "
            "reaching the threshold is only reported (no earlier version is at hand)"
        ),
    ),
    "pods without endpoint": (
        lambda: waiting(Pods(3, 3, 0)),
        "waiting for 2.0.0 (v2): 3 of 3 pods available, but its Service has no ready endpoint yet; 1.4.0 (v1) serves",
    ),
    "gateway silent": (
        lambda: waiting(Pods(3, 3, 3), routed=None),
        "waiting for 2.0.0 (v2): 3 of 3 pods available; the gateway has not accepted the route yet; 1.4.0 (v1) serves",
    ),
    "pods that had trouble before they came": (
        lambda: waiting(Pods(3, 3, 0, "container server is not ready")),
        "waiting for 2.0.0 (v2): 3 of 3 pods available, but its Service has no ready endpoint yet; 1.4.0 (v1) serves",
    ),
    "an older candidate still on the route": (
        lambda: waiting(Pods(3, 3, 3), served={"v1": 90, "v0": 10}),
        (
            "waiting for 2.0.0 (v2): 3 of 3 pods available; the route still names a version that was withdrawn; "
            "1.4.0 (v1) serves"
        ),
    ),
    "in a step": (lambda: stepping("h"), STEP),
    "after a breach": (
        lambda: stepping("bb"),
        f"{STEP}; breach 2 of 3 at 08:02:00Z (errors: 0.5, limit 0.01); reaching the threshold rolls it back",
    ),
    "after a breach of pods": (
        lambda: stepping("p"),
        f"{STEP}; breach 1 of 3 at 08:01:00Z (pods are missing); reaching the threshold rolls it back",
    ),
    "a count of its own": (
        lambda: stepping("h", (ERRORS, PATIENT), cost="b"),
        f"{STEP}; cost: breach 1 of 5 at 08:01:00Z (cost: 0.5, limit 0.01); reaching the threshold rolls it back",
    ),
    "no data": (
        lambda: stepping("b?"),
        (
            f"{STEP}; errors has no data (the query returned an empty result); promotion waits, the breach count stays "
            "at 1"
        ),
    ),
    "no data for the same reason": (
        lambda: stepping("b?", (ERRORS, {**ERRORS, "name": "refusals"}), refusals="b?"),
        (
            f"{STEP}; errors, refusals have no data (the query returned an empty result); promotion waits, the breach "
            "count stays at 1"
        ),
    ),
    "held by a check": (
        lambda: stepping("h" * 6, (ERRORS, ACCURACY), accuracy="b" * 6),
        f"{OVER}; accuracy holds promotion: 0.5, limit 0.01",
    ),
    "held by a check without data": (
        lambda: stepping("h" * 6, (ERRORS, ACCURACY), accuracy="?" * 6),
        f"{OVER}; accuracy holds promotion: the query returned an empty result",
    ),
    "held by the route": (
        lambda: stepping("h", served={"v1": 100}),
        (
            "step 1/3: 10 % on 2.0.0 (v2) since 08:01:00Z, step ends 08:06:00Z at the earliest; the route gives it 0 "
            "%, 10 % are wanted"
        ),
    ),
    "paused": (
        lambda: stepping("h", request="pause/v2/1"),
        f"paused until a person sets the annotation modelramp.io/request=resume/v2/<any new word>: {STEP}",
    ),
    "rolling back": (
        lambda: stepping("bbb", served={"v1": 90, "v2": 10}),
        f"{BACK}1.4.0 (v1) serves; waiting for the route to show 1.4.0 (v1) alone",
    ),
    "rolled back": (lambda: stepping("bbb"), f"{BACK}1.4.0 (v1) serves; {RETRY}{ANY}"),
    "rolled back, and what serves breaches too": (
        lambda: stepping("bbbhb"),
        (
            f"{BACK}1.4.0 (v1) serves; {RETRY}{ANY}; breach 1 of 3 at 08:05:00Z (errors: 0.5, limit 0.01); "
            "reaching the threshold is only reported (no earlier version is at hand)"
        ),
    ),
    "promoted": (promoted, "2.0.0 (v2) serves all traffic"),
    "promoted, breaching": (
        lambda: promoted("b"),
        (
            "2.0.0 (v2) serves all traffic; breach 1 of 3 at 08:16:00Z (errors: 0.5, limit 0.01); "
            "reaching the threshold brings 1.4.0 (v1) back"
        ),
    ),
    "promoted, without data": (
        lambda: promoted("?"),
        (
            "2.0.0 (v2) serves all traffic; errors has no data (the query returned an empty result); the breach count "
            "stays at 0"
        ),
    ),
    "promoted, breaching, report only": (
        lambda: promoted("b", after={"onBreach": "Report"}),
        (
            "2.0.0 (v2) serves all traffic; breach 1 of 3 at 08:16:00Z (errors: 0.5, limit 0.01); "
            "reaching the threshold is only reported (spec.afterPromotion.onBreach is Report)"
        ),
    ),
    "brought back, pods not there yet": (
        lambda: promoted("bbb", served={"v2": 100}, pods={"v1": Pods(0, 0, 0)}),
        (
            "2.0.0 (v2) was rolled back at 08:18:00Z after its promotion: errors: 0.5, limit 0.01, third breach in a "
            "row; back to 1.4.0 (v1); waiting for the pods of 1.4.0 (v1)"
        ),
    ),
    "nothing to bring back": (
        lambda: promoted("bbbbbb"),
        "1.4.0 (v1) stays: errors: 0.5, limit 0.01, third breach in a row, but no earlier version is at hand",
    ),
}


@pytest.mark.parametrize(("make", "message"), MESSAGES.values(), ids=MESSAGES)
def test_the_message_of_the_status(make, message):
    story = make()

    assert sentence(story.target, story.state, story.seen()) == message


def test_sentences_hold_no_time_that_passes_by_itself():
    story = stepping("hh")
    before = sentence(story.target, story.state, story.seen())
    story.now += 30

    assert sentence(story.target, story.state, story.seen()) == before


def test_events_of_a_rollout_in_the_order_of_the_story():
    story = Story.of(rollout={"stepDuration": "1m"})
    story.look()
    story.run("hbhhh")

    assert [(finding.reason, finding.message, finding.warning) for finding in story.findings] == [
        (Reason.ROLLOUT_STARTED, "rollout of 2.0.0 (v2) begins; its pods start without traffic", False),
        (Reason.STEP_ENTERED, "step 1/3: 10 % of the traffic to 2.0.0 (v2)", False),
        (Reason.STEP_ENTERED, "step 2/3: 50 % of the traffic to 2.0.0 (v2)", False),
        (Reason.BREACHED, "breach 1 of 3: errors: 0.5, limit 0.01", True),
        (Reason.BREACHES_CLEARED, "healthy again after 1 breach", False),
        (Reason.STEP_ENTERED, "step 3/3: 100 % of the traffic to 2.0.0 (v2)", False),
        (Reason.PROMOTED, "2.0.0 (v2) serves all traffic; 1.4.0 (v1) can be brought back", False),
    ]


def test_events_of_a_rollback_say_the_cause_once_and_when_traffic_is_back():
    story = stepping("bbb")

    assert [finding.reason for finding in story.findings] == [
        Reason.BREACHED,
        Reason.BREACHED,
        Reason.BREACHED,
        Reason.THRESHOLD_REACHED,
        Reason.RESTORED,
    ]
    assert story.findings[3].message == f"{BACK}1.4.0 (v1) serves"
    assert story.findings[3].warning
