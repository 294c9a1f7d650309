"""spec.rollout.rollbackWindow: a spec that goes back to what served lately skips the steps."""

import pytest

from modelramp.api.names import Phase
from modelramp.core.state import State
from tests.unit.core.story import Story

HOURS = 60 * 60
WINDOW = {"rollbackWindow": {"revisions": 2, "within": "24h"}}


def served(*versions, rollout=WINDOW):
    """Each version was promoted after the one before."""
    story = Story.of("v1", state=State(), version="1.0.0", rollout=rollout)
    story.run("hh")
    for number in range(2, len(versions) + 1):
        wanted(story, number, rollout)
        story.run("h" * 16)
        assert story.state.stable.revision == f"v{number}"
    return story


def wanted(story, number, rollout=WINDOW):
    story.want(f"v{number}", version=f"{number}.0.0", rollout=rollout)


def later(story, seconds):
    story.now += seconds
    story.look(story.outcome("h", tick=story.now - story.now % 60))


def test_the_version_before_gets_all_traffic_at_once_and_is_promoted_after_the_last_step():
    story = served(1, 2)
    wanted(story, 1)
    assert (story.weight, story.state.candidate.step) == (100, 2)

    story.run("h" * 7)
    assert (story.state.stable.revision, story.state.phase) == ("v1", Phase.HEALTHY)


def test_without_a_window_the_steps_are_taken():
    story = served(1, 2, rollout={})
    wanted(story, 1, {})

    assert story.weight == 10


def test_it_is_judged_like_any_other():
    story = served(1, 2)
    wanted(story, 1)
    story.run("bbb")

    assert (story.state.failed, story.state.weights) == ("v1", {"v2": 100})


@pytest.mark.parametrize(("number", "weight"), [(3, 100), (2, 100), (1, 10)])
def test_as_many_versions_before_the_stable_one_as_the_window_says(number, weight):
    story = served(1, 2, 3, 4)
    wanted(story, number)

    assert story.weight == weight


@pytest.mark.parametrize(("hours", "weight"), [(23, 100), (25, 10)])
def test_from_the_end_of_its_serving_on(hours, weight):
    story = served(1, 2)
    later(story, hours * HOURS)
    wanted(story, 1)

    assert story.weight == weight


def test_a_version_that_served_for_long_and_ended_just_now_counts():
    story = served(1)
    later(story, 90 * 24 * HOURS)
    wanted(story, 2)
    story.run("h" * 16)
    wanted(story, 1)

    assert story.weight == 100


def test_a_version_that_was_rolled_back_when_it_was_last_tried_takes_the_steps():
    story = served(1, 2)
    story.run("bbb")
    assert story.state.weights == {"v1": 100}
    wanted(story, 3)
    story.run("h" * 16)
    wanted(story, 2)
    assert story.weight == 10

    wanted(story, 1)
    assert story.weight == 100


def test_a_version_that_was_superseded_since_has_not_failed():
    story = served(1, 2)
    wanted(story, 1, {})
    assert story.weight == 10
    wanted(story, 3)
    wanted(story, 1)

    assert story.weight == 100


def test_in_a_freeze_it_stays_without_traffic():
    story = served(1, 2)
    story.want(frozen="the operator is frozen: year-end")
    wanted(story, 1)
    assert story.weight == 0

    story.want(frozen="")
    assert story.weight == 100
