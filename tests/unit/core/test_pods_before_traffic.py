"""A candidate gets traffic when all its pods are available, and is given up when they never are."""

import pytest

from modelramp.api.names import Phase, Reason
from modelramp.core.state import Observed, Pods, State
from tests.unit.core.story import START, Story

NONE = Pods(3, 0, 0, "ImagePullBackOff")


def waiting(state=None, pods=NONE, **parts):
    story = Story.of(replicas=3, state=state, **parts)
    story.pods["v2"] = pods
    story.look()
    return story


def test_a_candidate_without_pods_has_no_traffic_and_no_step():
    story = waiting()

    assert (story.state.candidate.step, story.state.weights) == (-1, {"v1": 100})


@pytest.mark.parametrize("pods", [Pods(3, 2, 2), Pods(3, 3, 0), Pods(3, 0, 3)])
def test_some_pods_or_no_endpoint_are_not_enough(pods):
    story = waiting(pods=pods)

    assert story.state.candidate.step == -1


def test_the_first_step_begins_when_all_pods_are_available():
    story = waiting()
    story.pods["v2"] = Pods(3, 3, 1)
    story.now += 17

    story.look()
    assert (story.state.candidate.step, story.state.candidate.step_entered, story.weight) == (0, START + 17, 10)


@pytest.mark.parametrize("served", [{}, {"v1": 50, "v9": 50}, {"v9": 100}, {"v1": 90, "v2": 10}])
def test_the_first_step_waits_until_the_route_shows_the_stable_version_alone(served):
    story = waiting()
    story.pods.clear()
    story.served = served

    story.look()
    assert story.state.candidate.step == -1


@pytest.mark.parametrize("routed", [None, False])
def test_the_first_step_waits_for_the_gateway_and_has_no_deadline_then(routed):
    story = waiting(pods=Pods(3, 3, 3))
    story.routed = routed
    story.state = State(
        phase=story.state.phase, stable=story.state.stable, candidate=None, history=(), last_tick=story.now - 60
    )
    story.look()
    story.now += 3600
    story.look()

    assert (story.state.candidate.step, story.state.failed) == (-1, None)


def test_pods_that_never_come_are_rolled_back_at_the_deadline_and_not_before():
    story = waiting()
    story.now = START + 599
    story.look()
    assert story.state.candidate is not None

    story.now = START + 600
    story.look()
    assert (story.state.phase, story.state.failed) == (Phase.ROLLED_BACK, "v2")
    assert story.state.history[0].reason is Reason.PROGRESS_DEADLINE_EXCEEDED
    assert "0 of 3 pods became available within 600 s (ImagePullBackOff)" in story.state.detail


def test_pods_that_come_at_the_deadline_are_in_time():
    story = waiting()
    story.now = START + 600
    story.pods.clear()

    story.look()
    assert story.state.candidate.step == 0


def test_a_pause_stops_the_deadline_and_a_resume_starts_it_again():
    story = waiting()
    story.want(request="pause/v2/1")
    story.now += 3600
    story.look()
    assert (story.state.phase, story.state.candidate.step) == (Phase.PAUSED, -1)

    story.want(request="resume/v2/2")
    story.now += 599
    story.look()
    assert story.state.candidate is not None
    story.now += 1
    story.look()
    assert story.state.failed == "v2"


def test_a_paused_candidate_gets_no_traffic_when_its_pods_come():
    story = waiting()
    story.want(request="pause/v2/1")
    story.pods.clear()
    story.look()
    assert story.state.weights == {"v1": 100}

    story.want(request="resume/v2/2")
    assert story.weight == 10


def test_a_crash_loop_in_a_step_rolls_back_even_without_any_check():
    story = Story.of(checks=()).begun().run("ppp")

    assert story.state.failed == "v2"


def test_the_stable_version_is_watched_while_a_candidate_waits():
    story = waiting()
    story.run("bb")

    assert (story.state.watch.revision, story.state.watch.breaches) == ("v1", 2)


def test_the_first_revision_ever_serves_as_soon_as_its_pods_do():
    story = Story.of("v1", state=State())
    story.served = {}
    story.look()
    assert (story.state.stable.revision, story.state.weights) == ("v1", {"v1": 100})
    assert story.state.phase is Phase.PROMOTING

    story.served = None
    story.look()
    assert story.state.phase is Phase.HEALTHY
    assert Reason.FIRST_REVISION in story.reasons


def test_a_first_revision_without_pods_is_degraded_at_the_deadline_and_serves_when_they_come():
    story = waiting(state=State())
    story.pods["v2"] = NONE
    assert (story.state.phase, story.state.weights) == (Phase.PENDING, {})
    story.now += 600
    story.look()
    assert story.state.phase is Phase.DEGRADED
    assert story.state.weights == {}
    told = len(story.findings)
    story.now += 600
    story.look()
    assert len(story.findings) == told

    story.pods.clear()
    story.look()
    assert (story.state.phase, story.state.weights) == (Phase.HEALTHY, {"v2": 100})


def test_a_first_revision_may_be_replaced_before_it_ever_served():
    story = waiting(state=State())
    story.pods["v2"] = NONE
    story.want("v3", version="3.0.0", replicas=3)

    assert (story.state.stable.revision, story.state.history[1].outcome) == ("v3", "Superseded")


def test_an_object_without_status_believes_the_route_and_does_not_start_at_100_percent():
    story = Story.of("v2", state=State())
    seen = Observed(pods={"v1": Pods(1, 1, 1), "v2": Pods(1, 1, 1)}, served={"v1": 100}, routed=True)

    story.look(seen=seen)
    assert (story.state.stable.revision, story.weight) == ("v1", 10)


def test_an_object_without_status_whose_wanted_revision_serves_already_is_healthy():
    story = Story.of("v2", state=State())
    seen = Observed(pods={"v2": Pods(1, 1, 1)}, served={"v2": 100}, routed=True)

    story.look(seen=seen)
    assert (story.state.phase, story.state.stable.revision) == (Phase.HEALTHY, "v2")


def test_a_route_to_strangers_is_not_believed():
    story = Story.of("v2", state=State())
    seen = Observed(pods={}, served={"somebody-elses-service": 100}, routed=True)

    story.look(seen=seen)
    assert story.state.stable is None
