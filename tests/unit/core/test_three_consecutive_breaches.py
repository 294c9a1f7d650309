"""Rollback happens exactly on the third consecutive breach: in told histories and in all of seven minutes."""

import itertools
import re

import pytest

from modelramp.api.names import Phase, Reason
from tests.unit.core.story import Story

# One letter a minute: h healthy, b breach, ? no data.      rolled back in minute
HISTORIES = {
    "three breaches in a row": ("hhbbb", 5),
    "a healthy minute starts the count again": ("bbhbb", None),
    "breach, breach, healthy and then three": ("bbhbbb", 6),
    "a minute without data neither counts nor clears": ("bb?b", 4),
    "silence alone never rolls back": ("???????", None),
    "silence between every breach": ("b?b?b", 5),
    "two are not three": ("bb", None),
    "missing pods are breaches like others": ("bpp", 3),
    "missing pods alone": ("ppp", 3),
    "breaches later than the first step": ("hhhhhbbb", 8),
    "breaches at 100 % before promotion": ("hhhhhhhhhhbbb", 13),
    "a breach counts on across the end of a step's time": ("hhhhbbb", 7),
}


def rolled_back_at(minutes, *, twice=False, restarts=False):
    story = Story.of(restarts=restarts).begun()
    story.twice = twice
    for number, letter in enumerate(minutes, start=1):
        story.minute(letter)
        if story.state.failed == "v2":
            assert story.state.weights == {"v1": 100}
            return number
    return None


@pytest.mark.parametrize(("minutes", "minute"), HISTORIES.values(), ids=HISTORIES)
def test_the_third_consecutive_breach_rolls_back_in_that_minute(minutes, minute):
    assert rolled_back_at(minutes) == minute
    assert rolled_back_at(minutes, twice=True, restarts=True) == minute


def test_every_history_of_seven_minutes_agrees_with_a_second_opinion():
    for minutes in map("".join, itertools.product("hb?", repeat=7)):
        third = re.search(r"b\?*b\?*b", minutes)
        assert rolled_back_at(minutes, twice=True) == (third.end() if third else None), minutes


def test_every_history_of_seven_minutes_after_promotion_agrees_too():
    promoted = Story.of(restarts=False).promoted()
    for minutes in map("".join, itertools.product("hb?", repeat=7)):
        story = Story(promoted.target, state=promoted.state, now=promoted.now, restarts=False, twice=True)
        third = re.search(r"b\?*b\?*b", minutes)
        story.run(minutes[: third.end() - 1] if third else minutes)
        assert story.state.stable.revision == "v2", minutes
        if third:
            story.run(minutes[third.end() - 1 :])
            assert (story.state.stable.revision, story.state.failed) == ("v1", "v2"), minutes


def test_every_promotion_time_of_six_minutes_agrees_with_a_second_opinion():
    """With one-minute steps each healthy minute is a step, and every other minute is none."""
    rollout = {"steps": [{"weight": 20}, {"weight": 60}, {"weight": 100}], "stepDuration": "1m"}
    start = Story.of(rollout=rollout, restarts=False).begun()
    for minutes in map("".join, itertools.product("hb?", repeat=6)):
        story = Story(start.target, state=start.state, now=start.now, restarts=False, twice=True)
        story.run(minutes)
        third = re.search(r"b\?*b\?*b", minutes)
        healthy = [index for index, letter in enumerate(minutes) if letter == "h"]
        promotion = healthy[2] if len(healthy) > 2 else 99
        if third and third.end() - 1 < promotion:
            wanted = 0
        elif promotion == 99:
            wanted = (20, 60, 100)[len(healthy)]
        else:
            after = re.search(r"b\?*b\?*b", minutes[promotion:])
            wanted = 0 if after else 100
        assert story.weight == wanted, minutes


@pytest.mark.parametrize("threshold", [1, 2, 3, 5])
def test_the_threshold_of_the_spec_is_the_number_that_counts(threshold):
    story = Story.of(failureThreshold=threshold).begun()

    story.run("b" * (threshold - 1))
    assert story.state.failed is None

    story.minute("b")
    assert (story.state.failed, story.state.phase) == ("v2", Phase.ROLLED_BACK)


def test_a_rollback_says_which_check_and_which_limit():
    story = Story.of().begun().run("bbb")

    assert story.state.history[0].reason is Reason.THRESHOLD_REACHED
    assert "errors: 0.5, limit 0.01, third breach in a row" in story.state.history[0].message


def test_the_candidate_is_removed_from_the_traffic_not_set_to_zero():
    story = Story.of().begun().run("bbb")

    assert story.state.weights == {"v1": 100}
