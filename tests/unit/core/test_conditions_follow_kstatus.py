"""Conditions that other programs can trust: kubectl wait, kstatus, Argo CD."""

import itertools
import json

import pytest

from modelramp.api.names import Phase, Reason
from modelramp.core.conditions import OBSTACLES, TRANSIENT, availability_findings
from modelramp.core.events import RolloutEvent
from modelramp.core.state import Observed, Pods, State
from modelramp.core.status.read import read_status
from modelramp.core.status.write import status_of
from tests.rules import kstatus
from tests.unit.core.story import START, Story, serving

ABNORMAL = ("Reconciling", "Stalled")


def written(story, *, seen=None, obstacle=None, before=None, now=None, target=True):
    return json.loads(
        json.dumps(
            status_of(
                "digits",
                story.target if target else None,
                story.state,
                seen or story.seen(),
                generation=7,
                now=now or story.now,
                before=read_status(before or {}),
                obstacle=obstacle,
            )
        )
    )


def conditions(status):
    assert kstatus.check(status) == []
    found = {item["type"]: item for item in status["conditions"]}
    assert all(item["message"] and item["observedGeneration"] == 7 for item in found.values())
    return {kind: (item["status"], item["reason"]) for kind, item in found.items()}


def pending():
    story = Story.of("v1", state=State())
    story.pods["v1"] = Pods(1, 0, 0)
    story.look()
    return story


def waiting():
    story = Story.of()
    story.pods["v2"] = Pods(1, 0, 0)
    story.look()
    return story


def paused():
    story = Story.of().begun()
    story.want(request="pause/v2/1")
    return story


def rolling_back():
    story = Story.of().begun()
    story.served = {"v1": 90, "v2": 10}
    return story.run("bbb")


def overdue():
    story = waiting()
    story.now += 600
    story.look()
    return story


# state                                         Ready, reason                      the other one
TABLE = {
    "just created": (pending, "False", "WaitingForPods", "Reconciling"),
    "waiting for pods": (waiting, "False", "WaitingForPods", "Reconciling"),
    "stepping": (lambda: Story.of().begun().run("h"), "False", "StepRunning", "Reconciling"),
    "breached once": (lambda: Story.of().begun().run("b"), "False", "StepRunning", "Reconciling"),
    "paused": (paused, "False", "Paused", "Reconciling"),
    "promoted": (lambda: Story.of().promoted(), "True", "Promoted", None),
    "promoted, without data": (lambda: Story.of().promoted().run("?"), "True", "Promoted", None),
    "promoted, two breaches": (lambda: Story.of().promoted().run("bb"), "True", "Promoted", None),
    "rolling back": (rolling_back, "False", "ThresholdReached", "Reconciling"),
    "rolled back": (lambda: Story.of().begun().run("bbb"), "False", "ThresholdReached", "Stalled"),
    "rolled back, long ago": (lambda: Story.of().begun().run("bbbhhh?b"), "False", "ThresholdReached", "Stalled"),
    "rolled back after promotion": (lambda: Story.of().promoted().run("bbbh"), "False", "ThresholdReached", "Stalled"),
    "pods never came": (overdue, "False", "ProgressDeadlineExceeded", "Stalled"),
    "degraded": (lambda: Story.of("v1").run("bbb"), "False", "NothingToRestore", "Stalled"),
    "recovered": (lambda: Story.of("v1").run("bbbh"), "True", "Promoted", None),
}


@pytest.mark.parametrize(("make", "ready", "reason", "other"), TABLE.values(), ids=TABLE)
def test_ready_says_whether_this_generation_is_promoted(make, ready, reason, other):
    story = make()
    found = conditions(written(story))

    assert found["Ready"] == (ready, reason)
    assert [kind for kind in ABNORMAL if kind in found] == ([other] if other else [])
    if other:
        assert found[other] == ("True", reason)


@pytest.mark.parametrize("obstacle", sorted(OBSTACLES))
def test_an_obstacle_makes_even_a_promoted_version_not_ready(obstacle):
    found = conditions(written(Story.of().promoted(), obstacle=RolloutEvent(obstacle, "it is in the way")))

    assert found["Ready"] == ("False", obstacle)
    assert ("Reconciling" if obstacle in TRANSIENT else "Stalled") in found


def test_a_spec_that_cannot_be_read_stalls_and_what_serves_stays_available():
    obstacle = RolloutEvent(Reason.INVALID_SPEC, "spec.health.interval: 5x is not a duration")
    found = conditions(written(Story.of().promoted(), obstacle=obstacle, target=False))

    assert found["Ready"] == ("False", "InvalidSpec")
    assert found["Available"][0] == "True"


def test_a_route_that_the_gateway_refuses_is_not_ready():
    story = Story.of().promoted()
    seen = Observed(
        pods=story.seen().pods,
        served={"v2": 100},
        routed=False,
        route_reason=Reason.GATEWAY_NOT_FOUND,
        route_detail="there is no Gateway ml/public",
    )
    found = conditions(written(story, seen=seen))

    assert (found["Ready"], found["Routed"]) == (("False", "GatewayNotFound"), ("False", "GatewayNotFound"))


@pytest.mark.parametrize(
    ("letters", "healthy"),
    [
        ("h", ("True", "WithinLimit")),
        ("b", ("False", "Breached")),
        ("?", ("Unknown", "NoData")),
        ("", ("Unknown", "NotCheckedYet")),
    ],
)
def test_healthy_speaks_of_the_last_tick(letters, healthy):
    assert conditions(written(Story.of().begun().run(letters)))["Healthy"] == healthy


@pytest.mark.parametrize(
    ("served", "endpoints", "available"),
    [({"v1": 100}, 1, "True"), ({"v1": 100}, 0, "False"), ({}, 1, "False"), ({"v9": 100}, 1, "False")],
)
def test_available_says_that_something_with_ready_pods_is_on_the_route(served, endpoints, available):
    seen = Observed(pods={"v1": Pods(1, 1, endpoints)}, served=served, routed=True)

    assert conditions(written(Story.of().begun(), seen=seen))["Available"][0] == available


PODS = {"v1": Pods(1, 1, 1), "v2": Pods(1, 0, 0)}


@pytest.mark.parametrize(
    ("served", "parts", "found"),
    [
        ({"v1": 90, "v2": 10}, {}, ("True", "Serving")),
        ({"v1": 51, "v2": 49}, {}, ("True", "Serving")),
        ({"v1": 50, "v2": 50}, {}, ("False", "NothingServes")),
        ({"v1": 100}, {"uncarried": "Gateway ml/public has not accepted the route yet"}, ("False", "NothingServes")),
        ({"v1": 100}, {"shadowed": "HTTPRoute ml/old is older"}, ("False", "RouteShadowed")),
        ({"v1": 100}, {"routed": None}, ("True", "Serving")),
    ],
)
def test_available_says_whether_half_of_the_traffic_or_more_is_answered(served, parts, found):
    seen = Observed(**({"pods": PODS, "served": served, "routed": True} | parts))
    status = written(Story.of().begun(), seen=seen)

    assert conditions(status)["Available"] == found


def test_the_end_of_answers_and_their_return_are_said_once():
    story = Story.of().promoted()
    well, ill = story.seen(), Observed(pods={"v2": Pods(1, 0, 0)}, served={"v2": 100}, routed=True)
    before, after = (read_status(written(story, seen=seen)) for seen in (well, ill))

    (lost,) = availability_findings(before, story.state, ill)
    (back,) = availability_findings(after, story.state, well)
    assert (lost.warning, lost.reason, back.warning, back.reason) == (True, "NothingServes", False, "Serving")
    assert availability_findings(before, story.state, well) == availability_findings(after, story.state, ill) == ()
    assert availability_findings(read_status({}), story.state, well) == ()


def test_the_time_of_a_transition_moves_with_the_status_and_not_with_the_reason():
    story = Story.of().begun()
    first = written(story)
    story.run("hh")
    second = written(story, before=first)
    story.promoted()
    third = written(story, before=second)

    times = [
        next(item for item in status["conditions"] if item["type"] == "Ready")["lastTransitionTime"]
        for status in (first, second, third)
    ]
    assert times == ["2027-01-15T08:00:00Z", "2027-01-15T08:00:00Z", "2027-01-15T08:15:00Z"]


def test_no_condition_carries_a_number_that_moves_every_minute():
    story = Story.of().begun()
    texts = set()
    for letter in "hbbhb?b":
        story.minute(letter)
        texts |= {(item["type"], item["status"], item["message"]) for item in written(story)["conditions"]}

    for kind, _, text in texts:
        assert "0.5" not in text, kind
        assert "0.001" not in text, kind
    ready = {text for kind, _, text in texts if kind == "Ready"}
    assert ready == {"the rollout of 2.0.0 is under way"}


def test_every_phase_with_every_obstacle_keeps_the_rules():
    for phase, obstacle, routed in itertools.product(Phase, [None, *OBSTACLES], [True, False, None]):
        story = Story.of(state=serving())
        story.state = State(phase=phase, stable=story.state.stable, failed="v2")
        story.routed = routed
        conditions(written(story, obstacle=RolloutEvent(obstacle, "it is in the way") if obstacle else None, now=START))
