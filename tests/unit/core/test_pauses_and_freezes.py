"""spec.rollout.paused and a freeze: nobody gets more traffic; checks and rollbacks go on."""

import pytest

from modelramp.api.names import Phase, Reason
from modelramp.core.conditions import conditions
from modelramp.core.messages import sentence
from modelramp.core.state import Pods, State
from tests.unit.core.story import Story

FROZEN = "namespace ml is frozen: year-end (annotation modelramp.io/freeze)"


def hold(story, how):
    """Held by the spec or by a freeze."""
    if how == "spec":
        story.want(version="2.0.0", rollout={"paused": True})
    else:
        story.want(frozen=FROZEN)
    return story


def let_go(story, how):
    if how == "spec":
        story.want(version="2.0.0", rollout={})
    else:
        story.want(frozen="")
    return story


HOW = pytest.mark.parametrize("how", ["spec", "freeze"])


@HOW
def test_a_version_in_flight_keeps_its_weight_until_it_is_let_go(how):
    story = hold(Story.of().begun(), how)
    story.run("h" * 12)
    assert (story.weight, story.state.phase) == (10, Phase.PAUSED)
    assert story.state.reason is (Reason.PAUSED if how == "spec" else Reason.FROZEN)

    let_go(story, how).run("h")
    assert (story.weight, story.state.phase) == (50, Phase.PROGRESSING)


@HOW
def test_a_new_version_stays_without_traffic_until_it_is_let_go(how):
    story = Story.of("v1", version="1.4.0")
    hold(story, how) if how == "freeze" else None
    rollout = {"rollout": {"paused": True}} if how == "spec" else {}
    story.want("v2", version="2.0.0", **rollout)
    story.run("h" * 30)
    assert (story.weight, story.state.phase) == (0, Phase.PAUSED)

    let_go(story, how)
    assert (story.weight, story.state.phase) == (10, Phase.PROGRESSING)


@HOW
def test_breaches_roll_back_all_the_same(how):
    story = hold(Story.of().begun(), how)
    story.run("bbb")

    assert (story.state.failed, story.state.weights) == ("v2", {"v1": 100})


def test_what_was_promoted_is_rolled_back_in_a_freeze():
    story = Story.of().begun().run("h" * 16)
    hold(story, "freeze").run("bbb")

    assert story.state.weights == {"v1": 100}


@HOW
def test_the_spec_may_go_back_to_what_is_stable(how):
    story = hold(Story.of().begun(), how)
    story.want("v1", version="1.4.0", **({"rollout": {"paused": True}} if how == "spec" else {}))

    assert (story.state.weights, story.state.phase) == ({"v1": 100}, Phase.HEALTHY)


@HOW
def test_a_person_may_go_back_after_promotion(how):
    story = Story.of().begun().run("h" * 16)
    hold(story, how)
    story.want(request="rollback/v2/1")

    assert story.state.weights == {"v1": 100}


def test_promote_takes_a_step_in_a_pause_of_the_spec_and_none_in_a_freeze():
    story = hold(Story.of().begun(), "spec")
    story.want(request="promote/v2/1")
    assert (story.weight, story.state.phase) == (50, Phase.PAUSED)

    hold(story, "freeze")
    story.want(request="promote/v2/2")
    assert story.weight == 50
    assert FROZEN in story.state.answer.message


def test_each_hold_ends_by_itself():
    story = hold(Story.of().begun(), "freeze")
    story.want(request="pause/v2/1")
    let_go(story, "freeze").run("h" * 6)
    assert (story.weight, story.state.phase, story.state.reason) == (10, Phase.PAUSED, Reason.PAUSED)

    hold(story, "freeze")
    story.want(request="resume/v2/2")
    assert "still held: namespace ml is frozen" in story.findings[-1].message
    assert story.state.phase is Phase.PAUSED

    let_go(story, "freeze").run("h")
    assert story.weight == 50


def test_resume_says_that_the_spec_is_paused():
    story = hold(Story.of().begun(), "spec")
    story.want(request="resume/v2/1")

    assert "spec.rollout.paused is true; set it to false" in story.state.answer.message


def test_the_deadline_for_pods_stands_still_and_starts_again():
    story = hold(Story.of("v1", version="1.4.0"), "freeze")
    story.pods["v2"] = Pods(1, 0, 0)
    story.want("v2", version="2.0.0")
    story.run("h" * 30)
    assert story.state.failed is None

    let_go(story, "freeze").run("h" * 9)
    assert story.state.failed is None
    story.run("h" * 2)
    assert story.state.failed == "v2"


def test_a_first_version_waits_for_the_end_of_a_freeze():
    story = hold(Story.of("v1", state=State(), version="1.4.0"), "freeze")
    story.run("h" * 3)
    assert story.state.weights == {}

    let_go(story, "freeze").run("h")
    assert story.state.weights == {"v1": 100}


@HOW
def test_people_read_who_holds_it_and_what_ends_that(how):
    story = hold(Story.of().begun(), how)
    message = sentence(story.target, story.state, story.seen())
    ready = next(
        one
        for one in conditions(story.target, story.state, story.seen(), generation=1, now=story.now, obstacle=None)
        if one.type == "Ready"
    )

    found = {"spec": "paused by spec.rollout.paused", "freeze": FROZEN}[how]
    assert message.startswith(found)
    assert {"spec": "spec.rollout.paused is true", "freeze": FROZEN}[how] in ready.message
    assert ready.reason == {"spec": "Paused", "freeze": "Frozen"}[how]


def test_a_freeze_of_something_at_rest_changes_nothing():
    story = Story.of("v1", version="1.4.0")
    story.run("h")
    before = story.state
    story.want(frozen=FROZEN)

    assert story.state == before
