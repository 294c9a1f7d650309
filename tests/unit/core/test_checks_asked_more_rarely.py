"""Slow truth: checks with an interval, a delay or a phase of their own (START is a full hour)."""

import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st

from modelramp.api.check import Check
from modelramp.api.health import Health
from modelramp.api.names import Phase, Reason
from modelramp.api.verdict import TickOutcome, Verdict
from modelramp.core.conditions import conditions
from modelramp.core.messages import sentence
from modelramp.core.schedule import finalize, first_counted
from tests.unit.core.story import ERRORS, START, Story, check, given, serving

ACCURACY = {"name": "accuracy", "query": "x", "min": "0.9"}
HOLD = {**ACCURACY, "role": "hold", "interval": "5m", "window": "1m"}
SLOW = {**ACCURACY, "interval": "5m", "window": "1m", "failureThreshold": 2}
STEPS = {"steps": [{"weight": 10}, {"weight": 100}], "stepDuration": "1m"}


def story(slow, **more):
    return Story.of(checks=(ERRORS, slow), rollout=STEPS, **more).begun()


def said(story, name="accuracy"):
    return next(found for found in story.state.checks if found.name == name)


def test_before_its_first_asking_a_hold_check_holds_and_says_when_it_is_asked():
    told = story(HOLD).run("hhh")
    assert told.weight == 10
    assert said(told).verdict is Verdict.NO_DATA
    assert said(told).detail == "is asked at 08:05:00Z"
    assert told.state.reason is Reason.HELD_BY_CHECK


def test_its_answer_releases_promotion_and_stands_until_the_next_asking():
    told = story(HOLD).run("hhhhh", accuracy="????h")
    assert told.weight == 100
    assert said(told).at == START + 300
    told.run("hh")
    assert told.state.phase is Phase.HEALTHY
    assert (said(told).verdict, said(told).at) == (Verdict.HEALTHY, START + 300)


def test_its_breach_holds_until_the_next_asking_and_the_times_are_told():
    told = story(HOLD).run("hhhhhhh", accuracy="hhhhbhh")
    assert told.weight == 10
    text = sentence(told.target, told.state, told.seen())
    assert "accuracy holds promotion: 0.5, limit 0.01 (asked at 08:05:00Z, next at 08:10:00Z)" in text
    told.run("hhh", accuracy="hhh")
    assert told.weight == 100


def test_answers_at_ticks_at_which_it_is_not_due_are_no_answers():
    told = story(HOLD).run("hhhh", accuracy="hhhh")
    assert told.weight == 10


def test_an_answer_about_another_revision_is_not_carried_over():
    stable = given(serving())
    told = Story.of(revision="v1", state=stable, checks=(ERRORS, HOLD), rollout=STEPS)
    told.run("hhhhh", accuracy="????h")
    assert said(told).verdict is Verdict.HEALTHY
    told.want("v2", version="3.0.0", checks=(ERRORS, HOLD), rollout=STEPS)
    told.run("hh")
    assert told.weight == 10
    assert said(told).detail == "is asked at 08:10:00Z"


def test_an_answer_to_a_check_that_was_edited_does_not_stand():
    told = story(HOLD).run("hhhhh", accuracy="????b")
    told.want(checks=(ERRORS, {**HOLD, "min": "0.2"}), rollout=STEPS)
    told.run("h")
    assert said(told).reason is Reason.NOT_EVALUATED


def test_nobody_is_blamed_for_what_the_window_saw_before_the_step():
    told = story({**HOLD, "role": "rollback", "failureThreshold": 1, "window": "5m"})
    told.now += 120
    told.state = given(told.state, candidate=given(told.state.candidate, step_entered=told.now))
    told.run("hhh", accuracy="hhb")
    assert said(told).reason is Reason.WARMING_UP
    assert "the first whole one is asked for at 08:10:00Z" in said(told).detail
    assert told.weight == 10


def test_what_a_rollback_check_said_of_one_step_lets_no_other_step_end():
    told = story(SLOW).run("hhhhh", accuracy="hhhhh")
    assert told.weight == 100
    told.run("hhhh", accuracy="hhhh")
    assert told.state.phase is Phase.PROGRESSING
    assert said(told).reason is Reason.WARMING_UP
    assert told.run("h", accuracy="h").state.phase is Phase.HEALTHY


def test_a_slow_rollback_check_counts_for_itself_at_its_own_ticks():
    told = story(SLOW).run("hhhhb" + "hhhh", accuracy="hhhhb" + "hhhh")
    assert told.state.watch.checks == (("accuracy", 1),)
    assert told.state.watch.shared == 0
    assert told.state.watch.breaches == 1
    told.run("h", accuracy="b")
    assert told.state.failed == "v2"


def test_between_two_askings_its_breach_stays_visible_and_nothing_is_said_to_be_well_again():
    told = story(SLOW).run("hhhhh" + "hhh", accuracy="hhhhb" + "hhh")
    assert told.weight == 10
    assert told.state.watch.breaches == 1
    assert Reason.BREACHES_CLEARED not in told.reasons
    assert told.reasons.count(Reason.BREACHED) == 1
    found = conditions(told.target, told.state, told.seen(), None, generation=1, now=told.now)
    assert [(each.status, each.reason) for each in found if each.type == "Healthy"] == [("False", Reason.BREACHED)]
    told.run("hh", accuracy="hh")
    assert Reason.BREACHES_CLEARED in told.reasons
    assert told.weight == 100


def test_a_slow_check_that_degraded_the_only_version_does_not_recover_between_its_askings():
    told = Story.of(revision="v1", checks=(ERRORS, {**SLOW, "failureThreshold": 1}))
    told.run("hhhhh" + "hhhh", accuracy="hhhhb" + "hhhh")
    assert told.state.phase is Phase.DEGRADED
    assert Reason.RECOVERED not in told.reasons
    told.run("h", accuracy="h")
    assert told.state.phase is Phase.HEALTHY


def test_the_other_checks_go_on_counting_and_roll_back_between_its_askings():
    told = story(HOLD).run("bbb")
    assert told.state.failed == "v2"


@pytest.mark.parametrize(
    ("delay", "window", "interval", "counted"),
    [
        (0, 60, 60, START + 60),
        (0, 300, 60, START + 300),
        (3600, 600, 60, START + 4200),
        (3600, 600, 1800, START + 5400),
        (0, 60, 300, START + 300),
        (0, 301, 300, START + 600),
    ],
)
def test_the_first_tick_that_counts_looks_back_to_the_start_at_most(delay, window, interval, counted):
    one = Check.model_validate({**ACCURACY, "role": "hold", "delay": delay, "window": window, "interval": interval})
    assert first_counted(Health(checks=(one,)), one, START) == counted


def test_with_a_delay_it_waits_for_labels_and_says_until_when():
    told = story({**HOLD, "interval": "1m", "delay": "3m", "window": "1m"}).run("hhh", accuracy="hhh")
    assert said(told).reason is Reason.WARMING_UP
    assert said(told).detail == (
        "waits for labels; its window still reaches back before this revision had traffic, the first whole one is "
        "asked for at 08:04:00Z"
    )
    assert told.weight == 10
    assert told.run("h", accuracy="h").weight == 100


def test_a_check_of_the_rollout_is_forgotten_after_promotion_and_one_for_the_time_after_begins():
    later = {"name": "churn", "query": "x", "max": "0.1", "when": "after-promotion"}
    trial = {**ACCURACY, "role": "hold", "when": "rollout"}
    told = Story.of(checks=(ERRORS, trial, later), rollout=STEPS).begun()
    told.run("h", accuracy="h", churn="b")
    assert [found.name for found in told.state.checks] == ["errors", "accuracy"]
    told.run("h", accuracy="h", churn="b")
    assert told.state.phase is Phase.HEALTHY
    told.run("hh", accuracy="bb", churn="hb")
    assert [found.name for found in told.state.checks] == ["errors", "churn"]
    assert told.state.watch.breaches == 1
    told.run("bb", churn="bb")
    assert told.state.failed == "v2"


LETTERS = st.text("hb?", min_size=12, max_size=12)


@settings(deadline=None, max_examples=40)
@property_of(LETTERS, LETTERS, st.sampled_from([HOLD, SLOW]))
def test_ticks_that_come_twice_and_restarts_change_nothing(errors, accuracy, slow):
    ends = []
    for twice, restarts in ((False, False), (True, False), (False, True), (True, True)):
        told = Story.of(checks=(ERRORS, slow), rollout=STEPS, restarts=restarts)
        told.twice = twice
        told.look()
        told.run(errors, accuracy=accuracy)
        ends.append((told.state.phase, told.state.weights, told.state.watch, told.state.checks, told.state.last_tick))
    assert ends.count(ends[0]) == len(ends)


@settings(deadline=None, max_examples=40)
@property_of(LETTERS)
def test_a_slow_check_rolls_back_exactly_when_its_own_askings_breached_in_a_row(letters):
    told = Story.of(checks=(SLOW,), rollout={"steps": [{"weight": 100}], "stepDuration": "10h"}).begun()
    rows = 0
    for letter in letters:
        told.run("hhhhh", accuracy="bbbb" + letter)
        rows = rows + 1 if letter == "b" else 0 if letter == "h" else rows
        assert (told.state.failed == "v2") == (rows >= 2)
        if rows >= 2:
            break


def test_a_standing_answer_is_found_by_what_was_asked_and_not_by_its_name():
    health = Health.model_validate({"checks": [HOLD]})
    asked = finalize(health, TickOutcome(START, "r", (check("accuracy", "h"),), None), 0, 0)
    again = finalize(health, TickOutcome(START + 60, "r", (), None), 0, 0, asked.checks)
    other = finalize(health, TickOutcome(START + 60, "s", (), None), 0, 0, asked.checks)
    assert [each.checks[0].verdict for each in (again, other)] == [Verdict.HEALTHY, Verdict.NO_DATA]
