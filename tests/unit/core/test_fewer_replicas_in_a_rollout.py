"""A smaller spec.replicas waits for a rollout; 0 stops everything, and every judgement."""

import pytest

from modelramp.api.names import Phase, Reason
from modelramp.core.capacity import sized
from modelramp.core.messages import sentence
from modelramp.core.state import Pods
from tests.unit.core.story import START, Story


def pods(story):
    return sized(story.target, story.state).spec.replicas


def scale(story, replicas, **rollout):
    return story.want(version="2.0.0", replicas=replicas, rollout=rollout)


def second(story, seconds):
    """So much later, with a look each second."""
    for _ in range(seconds):
        story.now += 1
        story.look()


def test_a_decrease_waits_for_the_promotion_and_an_increase_does_not():
    story = Story.of(replicas=8).begun()
    scale(story, 4)
    assert pods(story) == 8
    assert sentence(story.target, story.state, story.seen()).endswith(
        "spec.replicas 4 waits until the rollout ends: 8 pods stay"
    )
    scale(story, 12)
    assert pods(story) == 12
    scale(story, 9)
    assert pods(story) == 12


def test_before_the_first_step_a_decrease_is_obeyed():
    story = Story.of(replicas=8)
    story.pods["v2"] = Pods(8, 0, 0)
    story.look()
    assert pods(story) == 8
    scale(story, 4)
    assert (story.state.running, pods(story)) == (None, 4)


def test_after_the_promotion_a_tenth_goes_every_30_seconds():
    story = Story.of(replicas=40).begun()
    scale(story, 34)
    story.promoted()
    assert pods(story) == 36

    second(story, 29)
    assert pods(story) == 36
    second(story, 1)
    assert (pods(story), story.state.held) == (34, None)


def test_after_a_rollback_it_waits_five_minutes_more():
    story = Story.of(replicas=8).begun()
    scale(story, 7)
    story.run("bbb")
    assert story.state.failed == "v2"
    second(story, 299)
    assert pods(story) == 8

    second(story, 1)
    assert pods(story) == 7


def test_a_spec_that_says_so_is_obeyed_at_once():
    story = Story.of(replicas=8).begun()
    scale(story, 4, scaleDownDuringRollout=True)
    assert pods(story) == 4


@pytest.mark.parametrize("letters", ["bbbbbb", "pppppp", "??????"])
def test_nothing_is_judged_at_0(letters):
    story = Story.of(replicas=2).begun()
    before = story.state
    scale(story, 0)
    story.run(letters)

    assert (story.state.phase, story.weight) == (Phase.PROGRESSING, 10)
    assert (story.state.watch, story.state.recent_ticks) == (before.watch, before.recent_ticks)
    assert story.reasons == [Reason.SCALED_TO_ZERO]


def test_windows_and_the_step_begin_when_the_pods_are_back():
    story = Story.of(replicas=2).begun()
    scale(story, 0)
    story.run("hhhhhhhhhh")
    story.pods = {"v1": Pods(2, 1, 1), "v2": Pods(1, 1, 1)}
    scale(story, 2)
    assert story.state.zero.ended == story.now

    story.run("b")
    story.pods = {}
    story.look()
    assert (story.state.zero, story.state.watch.breaches) == (None, 0)
    assert story.state.watch.since == story.state.running.step_entered == story.now > START
    story.run("h")
    assert story.weight == 10


def test_pods_that_are_late_are_judged_after_the_deadline():
    story = Story.of(replicas=2).begun()
    scale(story, 0)
    story.pods = {"v1": Pods(2, 2, 2), "v2": Pods(1, 0, 0)}
    scale(story, 2)
    story.run("p" * 10)
    assert story.state.failed is None
    story.run("p" * 5)
    assert story.state.failed == "v2"
