"""A step ends on the first healthy tick after its time, when nothing holds it."""

import pytest

from modelramp.api.names import Phase, Reason
from modelramp.core.state import Pods
from tests.unit.core.story import ERRORS, START, Story

ACCURACY = {"name": "accuracy", "query": "z", "min": "0.85", "role": "hold", "window": "1m"}
COST = {"name": "cost", "query": "c", "max": 1, "role": "inform"}


def weights(story, letters, **others):
    found = []
    for index, letter in enumerate(letters):
        story.minute(letter, **{name: row[index] for name, row in others.items()})
        found.append(story.weight)
    return found


def test_three_steps_of_five_minutes_end_after_ticks_5_10_and_15():
    story = Story.of().begun()

    assert weights(story, "h" * 14) == [10] * 4 + [50] * 5 + [100] * 5
    assert story.state.phase is Phase.PROGRESSING
    assert story.state.stable.revision == "v1"

    story.minute("h")
    assert (story.state.stable.revision, story.state.previous.revision) == ("v2", "v1")
    assert story.state.phase is Phase.HEALTHY


# minute:                             123456789                when the weight becomes 50
HELD = {
    "time, then the first healthy one": ("hhhhh", 5),
    "not on a breach": ("hhhhbh", 6),
    "not without data": ("hhhh??h", 7),
    "not while pods are missing": ("hhhhph", 6),
    "two breaches earlier do no harm": ("bbhhh", 5),
    "the count need not be spread": ("hhhhbbh", 7),
}


@pytest.mark.parametrize(("letters", "minute"), HELD.values(), ids=HELD)
def test_a_step_ends_on_the_first_healthy_tick_after_its_time(letters, minute):
    assert weights(Story.of().begun(), letters) == [10] * (minute - 1) + [50]


@pytest.mark.parametrize(("accuracy", "minute"), [("hhhhb?h", 7), ("?????h", 6), ("bbbbh", 5), ("hhhhh", 5)])
def test_a_hold_check_holds_while_it_breaches_or_has_no_data_and_never_rolls_back(accuracy, minute):
    story = Story.of(checks=(ERRORS, ACCURACY)).begun()

    assert weights(story, "h" * len(accuracy), accuracy=accuracy) == [10] * (minute - 1) + [50]


def test_a_hold_check_looks_at_the_candidates_own_traffic_only_although_the_stable_version_was_watched_before():
    slow = {**ACCURACY, "window": "5m"}
    story = Story.of("v1", checks=(ERRORS, slow)).run("hhh", accuracy="hhh")
    story.want("v2")

    story.run("h" * 5, accuracy="h" * 5)
    assert [check.reason for check in story.state.checks] == [Reason.WITHIN_LIMIT, Reason.WITHIN_LIMIT]
    story = Story.of("v1", checks=(ERRORS, slow)).run("hhh", accuracy="hhh")
    story.want("v2")
    story.run("h" * 4, accuracy="h" * 4)
    assert [check.reason for check in story.state.checks] == [Reason.WITHIN_LIMIT, Reason.WARMING_UP]


def test_a_hold_check_that_breaches_for_an_hour_only_holds():
    story = Story.of(checks=(ERRORS, ACCURACY)).begun().run("h" * 60, accuracy="b" * 60)

    assert (story.weight, story.state.reason) == (10, Reason.HELD_BY_CHECK)


def test_an_inform_check_holds_nothing():
    story = Story.of(checks=(ERRORS, COST)).begun()

    assert weights(story, "hhhhh", cost="bb?bb")[-1] == 50


def test_a_step_may_have_its_own_duration():
    rollout = {"steps": [{"weight": 1, "duration": "2m"}, {"weight": 100, "duration": "90s"}], "stepDuration": "1h"}
    story = Story.of(rollout=rollout).begun()

    assert weights(story, "hhh") == [1, 100, 100]
    assert story.state.candidate is not None
    story.minute()
    assert story.state.stable.revision == "v2"


def test_a_single_step_gives_everything_at_once_and_is_watched_all_the_same():
    story = Story.of(rollout={"steps": [{"weight": 100}], "stepDuration": "2m"}).begun()

    assert story.state.weights == {"v2": 100}
    story.run("bbb")
    assert story.state.weights == {"v1": 100}


def test_a_step_entered_between_two_ticks_counts_no_window_that_began_before():
    story = Story.of()
    story.now = START + 30
    story.begun()

    story.run("bbb")
    assert (story.state.watch.breaches, story.state.recent_ticks) == (2, "?--")
    story.run("b")
    assert story.state.failed == "v2"


def test_a_route_that_lags_holds_the_step_and_its_time_starts_when_it_follows():
    story = Story.of().begun()
    story.served = {"v1": 100}

    story.run("h" * 7)
    assert (story.weight, story.state.reason) == (10, Reason.HELD_BY_ROUTE)

    story.served = None
    assert weights(story, "hhhhh") == [10, 10, 10, 10, 50]


def test_breaches_count_although_the_route_lags():
    story = Story.of().begun()
    story.served = {"v1": 100}

    story.run("bbb")
    assert story.state.failed == "v2"


@pytest.mark.parametrize("routed", [None, False])
def test_a_gateway_that_has_not_taken_the_route_holds_the_step(routed):
    story = Story.of().begun()
    story.routed = routed

    assert weights(story, "h" * 8) == [10] * 8


def test_the_next_step_waits_for_enough_pods():
    story = Story.of(replicas=4, rollout={"capacity": {"candidate": "Full"}}).begun()
    story.pods["v2"] = Pods(4, 0, 0)
    story.run("hhhhhh")
    assert (story.weight, story.state.reason) == (10, Reason.HELD_BY_PODS)

    story.pods["v2"] = Pods(4, 1, 1)
    story.minute()
    assert story.weight == 50

    story.run("hhhhh")
    assert story.weight == 50
    story.pods["v2"] = Pods(4, 3, 3)
    story.minute()
    assert story.weight == 100


@pytest.mark.parametrize(
    ("edited", "then"),
    [
        ([5, 10, 20, 100], [20, 100]),
        ([5, 20, 40, 100], [20, 40, 100]),
        ([20, 100], [20, 100]),
        ([2, 3, 4, 5, 6, 7, 100], [100]),
        ([100], [100]),
    ],
)
def test_steps_edited_in_flight_go_on_with_the_next_weight_above_the_present_one(edited, then):
    story = Story.of(rollout={"stepDuration": "1m"}).begun()
    assert story.weight == 10

    story.want(rollout={"steps": [{"weight": weight} for weight in edited], "stepDuration": "1m"})
    assert story.weight == 10
    assert weights(story, "h" * len(then)) == then
    assert story.state.candidate is not None
    story.minute()
    assert story.state.stable.revision == "v2"


def test_after_an_edit_of_the_steps_the_status_counts_in_the_new_ones():
    story = Story.of().begun().run("hhhhh")
    assert (story.weight, story.state.candidate.step) == (50, 1)

    story.want(rollout={"steps": [{"weight": weight} for weight in (10, 20, 30, 40, 50, 100)]})
    assert (story.weight, story.state.candidate.step) == (50, 4)
    story.want(rollout={"steps": [{"weight": 100}]})
    assert (story.weight, story.state.candidate.step) == (50, 0)


def test_fewer_steps_in_flight_do_not_promote_what_has_not_had_all_traffic():
    story = Story.of(rollout={"steps": [{"weight": w} for w in (1, 2, 3, 4, 100)], "stepDuration": "1m"}).begun()
    story.run("hhh")
    assert story.weight == 4

    story.want(rollout={"steps": [{"weight": 50}, {"weight": 100}], "stepDuration": "1m"})
    assert weights(story, "hh") == [50, 100]


def test_a_longer_step_duration_applies_to_the_step_under_way():
    story = Story.of().begun().run("hhhh")

    story.want(rollout={"stepDuration": "10m"})
    assert weights(story, "hhhhhh") == [10] * 5 + [50]


@pytest.mark.parametrize("interval", [10, 15, 60, 300])
def test_intervals_other_than_a_minute_keep_the_durations(interval):
    story = Story.of(interval=f"{interval}s").begun()
    entered = story.state.candidate.step_entered

    while story.weight == 10:
        story.minute()
    assert story.now - entered == 300
