"""Ticks may come twice, late, out of order, of a wrong revision, or all at once after a restart."""

import itertools
from dataclasses import replace

import pytest

from modelramp.api.names import Phase, Reason
from modelramp.core.state import Retiring
from modelramp.core.ticks import REPLAY_LIMIT, newest_due, to_evaluate
from tests.unit.core.story import START, Story


def batch(story, letters):
    """The outcomes of the coming minutes, all at once, at the end of the last one."""
    first = story.now - story.now % 60 + 60
    ticks = [story.outcome(letter, tick=first + 60 * index) for index, letter in enumerate(letters)]
    story.now = first + 60 * (len(letters) - 1) + 5
    return ticks


def test_a_tick_at_or_before_the_last_one_changes_nothing():
    story = Story.of().begun().run("bb")
    before = story.state

    for tick in (story.now, story.now - 60, story.now - 6000, 0):
        story.look(story.outcome("b", tick=tick))
    assert story.state == before


@pytest.mark.parametrize("revision", ["v1", "v9", ""])
def test_a_tick_of_another_revision_changes_nothing(revision):
    story = Story.of().begun()
    before = story.state
    story.now += 60

    story.look(story.outcome("b", revision=revision or "none"))
    assert story.state == before


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_missed_ticks_are_counted_in_their_own_order(order):
    story = Story.of().begun()
    ticks = batch(story, "bbhb")

    story.look(*(ticks[index] for index in order))
    assert (story.state.watch.breaches, story.state.recent_ticks) == (1, "--+-")


def test_a_tick_that_stands_twice_in_one_delivery_counts_once():
    story = Story.of().begun()
    ticks = batch(story, "bb")

    story.look(*ticks, *ticks)
    assert story.state.watch.breaches == 2


def test_a_replay_gives_one_step_at_most():
    story = Story.of().begun()

    story.look(*batch(story, "h" * 15))
    assert story.weight == 50


@pytest.mark.parametrize("last", ["b", "?", "p"])
def test_a_replay_gives_no_step_unless_its_newest_tick_is_healthy(last):
    story = Story.of().begun()

    story.look(*batch(story, "h" * 14 + last))
    assert story.weight == 10


def test_a_rollback_inside_a_replay_is_honoured_although_the_newest_ticks_are_healthy():
    story = Story.of().begun()

    story.look(*batch(story, "hbbbhhhhhhhhhhh"))
    assert (story.state.failed, story.state.weights) == ("v2", {"v1": 100})
    assert story.state.last_tick == START + 4 * 60


def test_a_rollback_after_promotion_inside_a_replay_is_honoured():
    story = Story.of().promoted()

    story.look(*batch(story, "hbbbhhh"))
    assert (story.state.stable.revision, story.state.failed) == ("v1", "v2")


def test_replayed_ticks_know_nothing_of_pods_and_count_by_their_checks():
    story = Story.of().begun()
    ticks = batch(story, "uuuu")

    story.look(*ticks)
    assert (story.state.recent_ticks, story.state.watch.breaches) == ("????", 0)


@pytest.mark.parametrize("split", range(1, 7))
def test_a_restart_in_the_middle_changes_no_count(split):
    letters = "b?bh?bb"
    at_once, by_parts = Story.of().begun(), Story.of().begun()
    at_once.look(*batch(at_once, letters))

    by_parts.look(*batch(by_parts, letters[:split]))
    by_parts.look(*batch(by_parts, letters[split:]))
    assert (by_parts.state.watch, by_parts.state.recent_ticks) == (at_once.state.watch, at_once.state.recent_ticks)


def test_a_clock_that_goes_back_counts_nothing_twice():
    story = Story.of(rollout={"stepDuration": "1h"}).begun().run("hhhhhhhhbb")

    story.now -= 600
    story.run("hhhhhhhhbb")  # the same minutes say the same again
    assert (story.state.watch.breaches, story.state.failed) == (2, None)


def test_breaches_counted_before_a_clock_went_back_do_not_add_up_with_the_same_ones_after_it():
    story = Story.of(rollout={"stepDuration": "1h"}).begun().run("hhhb?b")

    story.now -= 180
    story.minute("b")
    assert (story.state.watch.breaches, story.state.failed) == (1, None)


def test_a_clock_that_jumps_ahead_skips_no_step():
    story = Story.of().begun()
    story.now += 86_400

    story.minute("h")
    assert story.weight == 50


@pytest.mark.parametrize("ahead", [180, 600, 900, 86_400, 70 * 365 * 86_400])
def test_after_a_clock_that_was_ahead_the_next_ticks_count_and_a_person_is_told(ahead):
    story = Story.of().begun()
    story.now += ahead
    story.minute("b")
    story.now -= ahead

    story.run("bb")
    assert (story.state.watch.breaches, story.state.failed) == (2, None)
    story.minute("b")
    assert story.state.failed == "v2"
    assert story.reasons.count(Reason.CLOCK_WAS_AHEAD) == 1


def test_a_clock_one_interval_ahead_is_waited_out_and_loses_one_tick():
    story = Story.of().begun()
    story.now += 60
    story.minute("b")
    story.now -= 60

    story.run("bb")
    assert (story.state.watch.breaches, story.state.recent_ticks) == (2, "--")
    assert Reason.CLOCK_WAS_AHEAD not in story.reasons


def test_a_late_tick_is_no_sign_of_a_clock_that_was_ahead():
    story = Story.of().begun().run("hbb")

    story.look(story.outcome("b", tick=story.now - 180))
    assert (story.state.watch.breaches, story.state.last_tick) == (2, story.now)
    assert Reason.CLOCK_WAS_AHEAD not in story.reasons


@pytest.mark.parametrize("late", range(61))
@pytest.mark.parametrize("ahead", range(-1, 4))
def test_whatever_is_given_to_be_evaluated_moves_the_last_tick(ahead, late):
    """late: seconds from the tick to the decision. A tick that is asked for and then ignored is asked for ever."""
    story = Story.of().begun()
    tick = story.now + 600
    story.state = replace(story.state, last_tick=tick + ahead * 60)
    story.now = tick + late

    asked = list(to_evaluate(story.state.last_tick, tick, 60))
    story.look(*(story.outcome("h", tick=tick) for tick in asked))
    assert story.state.last_tick == (tick if asked else tick + ahead * 60)


@pytest.mark.parametrize("field", ["step_entered", "traffic_since"])
def test_times_of_a_far_year_in_a_status_do_not_stop_a_rollout(field):
    story, far = Story.of().begun(), START + 70 * 365 * 86_400
    candidate = story.state.candidate
    if field == "step_entered":
        candidate = replace(candidate, step_entered=far)
    else:
        candidate = replace(candidate, version=replace(candidate.version, traffic_since=far))
    story.state = replace(story.state, candidate=candidate)

    story.run("hhhhhhh")
    assert story.weight == 50
    assert story.reasons.count(Reason.CLOCK_WAS_AHEAD) == 1


def test_pods_that_should_end_in_a_far_year_end_after_their_delay():
    story = Story.of().begun()
    story.state = replace(story.state, last_tick=START + 86_400, retiring=(Retiring("v0", START + 86_400),))

    story.minute("h")
    assert story.state.retiring == (Retiring("v0", story.now + story.target.spec.rollout.scale_down_delay),)


def test_after_a_clock_that_was_a_day_ahead_steps_and_deadlines_are_those_of_the_right_one():
    story = Story.of().begun()
    story.now += 86_400
    story.minute("h")
    assert story.weight == 50
    story.now -= 86_400

    story.run("h" * 6)
    assert story.weight == 100
    assert story.state.candidate.step_entered <= story.now


def test_another_interval_goes_on_counting_on_its_own_grid():
    story = Story.of().begun().run("bb")

    story.want(interval="90s")
    story.minute("b")
    assert (story.now, story.state.failed) == (START + 180, "v2")


def test_a_shorter_interval_does_not_evaluate_the_past_again():
    story = Story.of().begun().run("bb")
    before = story.state.watch.breaches

    story.want(interval="10s")
    story.look(story.outcome("b", tick=story.now - 10))
    assert story.state.watch.breaches == before


def test_ticks_while_the_traffic_goes_back_are_passed_over():
    story = Story.of().begun()
    story.served = {"v1": 90, "v2": 10}
    story.run("bbb")
    strip = story.state.recent_ticks

    story.run("bbb")
    assert (story.state.phase, story.state.recent_ticks, story.state.last_tick) == (
        Phase.ROLLING_BACK,
        strip,
        story.now,
    )


@pytest.mark.parametrize(
    ("now", "interval", "tick"),
    [(605, 60, 600), (604.999, 60, 540), (600, 60, 540), (665.0, 60, 660), (15, 10, 10), (5, 60, 0)],
)
def test_a_tick_is_due_when_its_last_scrape_has_arrived(now, interval, tick):
    assert newest_due(now, interval) == tick


@pytest.mark.parametrize(
    ("last", "newest", "interval", "wanted"),
    [
        (0, 600, 60, [600]),
        (600, 600, 60, []),
        (660, 600, 60, []),
        (540, 600, 60, [600]),
        (480, 600, 60, [540, 600]),
        (590, 600, 60, [600]),
        (600, 720, 90, [630, 720]),
        (661, 600, 60, [600]),
        (720, 600, 60, [600]),
        (600 + 15 * 60, 600, 60, [600]),
        (4_070_908_800, 600, 60, [600]),
    ],
)
def test_the_ticks_to_evaluate_lie_on_the_grid_after_the_last_one(last, newest, interval, wanted):
    assert list(to_evaluate(last, newest, interval)) == wanted


def test_after_a_long_absence_only_the_newest_ticks_are_evaluated():
    ticks = list(to_evaluate(600, 600 + 60 * 1000, 60))

    assert (len(ticks), ticks[-1]) == (REPLAY_LIMIT, 600 + 60 * 1000)
