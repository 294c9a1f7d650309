"""Pods that wait for a node or for quota hold a rollout; they never end it as failed."""

from dataclasses import replace

import pytest

from modelramp.api.names import Phase, Reason
from modelramp.core.conditions import conditions
from modelramp.core.messages import sentence
from modelramp.core.state import Pods, State
from tests.unit.core.story import START, Story

FULL = "pod digits-v2-1: Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
SHORT = Pods(3, 2, 2, waits=FULL, waits_since=START + 5)
HOUR = 3600


def waiting(state=None, pods=SHORT, **rollout):
    story = Story.of(replicas=3, state=state, rollout=rollout)
    story.pods["v2"] = Pods(3, 0, 0)
    story.look()
    story.now += 10
    story.pods["v2"] = pods
    story.look()
    return story


def message(story):
    return sentence(story.target, story.state, story.seen())


def test_a_wait_for_a_node_outlasts_the_deadline_of_the_pods():
    story = waiting()
    story.now += 5 * HOUR
    story.look()

    assert story.state.phase is Phase.PROGRESSING
    assert (story.state.reason, story.state.failed) == (Reason.WAITING_FOR_CAPACITY, None)
    assert story.state.candidate.waiting.since == START + 5


def test_the_conditions_and_the_message_say_what_is_missing_and_since_when():
    story = waiting()

    found = {
        one.type: one for one in conditions(story.target, story.state, story.seen(), None, generation=1, now=story.now)
    }
    assert (found["Ready"].status, found["Ready"].reason) == ("False", Reason.WAITING_FOR_CAPACITY)
    assert "Reconciling" in found
    assert f"2 of 3 pods available; it waits for capacity since 08:00:05Z: {FULL}; 1.4.0 (v1) serves" in message(story)


def test_what_a_tick_says_of_the_stable_version_hides_no_wait():
    story = waiting()
    story.run("??")

    assert story.state.reason is Reason.WAITING_FOR_CAPACITY


def test_the_deadline_of_the_pods_begins_again_when_the_wait_ends():
    story = waiting()
    story.now += HOUR
    story.pods["v2"] = Pods(3, 2, 2, "ImagePullBackOff")
    story.look()
    story.now += 599
    story.look()
    assert story.state.candidate is not None

    story.now += 1
    story.look()
    assert (story.state.phase, story.state.failed) == (Phase.ROLLED_BACK, "v2")


def test_the_wait_goes_on_while_nobody_has_looked_after_a_restart():
    story = waiting()
    story.pods["v2"] = Pods(3, 2, 2)
    story.look(seen=replace(story.seen(), examined=False))

    assert story.state.candidate.waiting is not None


def test_the_rollout_goes_on_when_the_pods_come():
    story = waiting()
    story.now += HOUR
    story.pods.clear()
    story.look()

    assert (story.state.candidate.step, story.state.candidate.waiting) == (0, None)
    assert story.state.reason is Reason.STEP_RUNNING


def test_the_capacity_deadline_withdraws_the_version_and_nothing_has_failed():
    story = waiting(capacityDeadline="30m")
    assert "withdrawn at 08:30:05Z unless it ends" in message(story)
    story.now = START + 5 + 1799
    story.look()
    assert story.state.candidate is not None

    story.now += 1
    story.look()
    assert (story.state.phase, story.state.failed) == (Phase.ROLLED_BACK, None)
    entry = story.state.history[0]
    assert (entry.outcome, entry.reason) == ("Withdrawn", Reason.CAPACITY_DEADLINE_EXCEEDED)
    assert f"for lack of capacity, after it had waited since 08:00:05Z: {FULL}" in entry.message
    assert "it is tried again at 09:00:05Z, or when the spec changes" in message(story)


def withdrawn():
    story = waiting(capacityDeadline="30m")
    story.now = START + 5 + 1800
    story.look()
    return story


def test_what_was_withdrawn_is_tried_again_after_the_same_time():
    story = withdrawn()
    story.now += 1799
    story.look()
    assert story.state.candidate is None

    story.now += 1
    story.look()
    assert (story.state.candidate.version.revision, story.state.deferred) == ("v2", None)


def test_several_attempts_in_a_row_are_one_entry_of_the_history():
    story = withdrawn()
    for _ in range(3):
        story.now += 1800
        story.look()
        assert story.state.candidate is not None
        story.now += 1800
        story.look()

    assert [entry.outcome for entry in story.state.history] == ["Withdrawn"]


def test_what_was_withdrawn_is_tried_again_at_once_when_the_spec_changes():
    story = withdrawn()
    story.pods.clear()
    story.target = replace(story.target, generation=2)
    story.look()

    assert story.state.running is not None


def test_what_was_withdrawn_is_tried_again_at_once_when_a_person_asks():
    story = withdrawn()
    story.pods.clear()
    story.want(request="retry/v2/now")

    assert story.state.running is not None


def test_a_spec_that_returns_to_what_serves_ends_the_matter():
    story = withdrawn()
    story.want("v1")

    assert (story.state.phase, story.state.deferred) == (Phase.HEALTHY, None)


def test_a_version_in_a_step_that_lacks_a_node_is_held_and_judged():
    story = Story.of(replicas=3).begun()
    story.now += 10
    story.pods["v2"] = SHORT
    story.run("hhhhhhhhhh")
    assert (story.weight, story.state.reason) == (10, Reason.WAITING_FOR_CAPACITY)
    assert f"the candidate waits for capacity since 08:00:05Z: {FULL}" in message(story)

    story.run("bbb")
    assert story.state.failed == "v2"


def test_a_first_version_waits_too_and_says_that_nothing_serves():
    story = waiting(state=State())
    story.now += HOUR
    story.look()

    assert (story.state.phase, story.state.reason) == (Phase.PENDING, Reason.WAITING_FOR_CAPACITY)
    assert message(story).endswith("; nothing serves")


@pytest.mark.parametrize("after", [1800, 1801])
def test_a_first_version_beyond_its_capacity_deadline_is_degraded_and_serves_when_its_pods_come(after):
    story = waiting(state=State(), capacityDeadline="30m")
    story.now = START + 5 + after
    story.look()
    assert (story.state.phase, story.state.reason) == (Phase.DEGRADED, Reason.CAPACITY_DEADLINE_EXCEEDED)

    story.pods.clear()
    story.look()
    assert story.state.stable.revision == "v2"


QUOTA = 'pods "digits-v2-1" is forbidden: exceeded quota: gpus, requested: pods=1, used: pods={}, limited: pods=3'


@pytest.mark.parametrize(("capacity", "more"), [({}, 3), ({"maxSurge": 1}, 1), ({"candidate": "Full"}, 3)])
def test_a_wait_for_quota_says_what_the_rollout_lacks_in_all(capacity, more):
    story = waiting(pods=Pods(1, 0, 0, waits=QUOTA.format(3), waits_since=START + 5), capacity=capacity)

    assert f"the rollout needs {more} more pods than ResourceQuota gpus leaves: pods" in message(story)


def test_the_sentence_changes_only_with_what_is_lacking():
    story = waiting(pods=Pods(1, 0, 0, waits=QUOTA.format(3), waits_since=START + 5))
    before = story.state
    story.now += 60
    story.look()
    assert story.state == before

    story.pods["v2"] = replace(story.pods["v2"], waits=QUOTA.format(5))
    story.look()
    assert "the rollout needs 5 more pods" in message(story)
