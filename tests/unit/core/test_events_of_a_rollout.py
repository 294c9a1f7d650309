"""The one value behind Events, log, metrics and notifications: whole, and the same whenever it is decided."""

from dataclasses import replace

import pytest

from modelramp.api.names import Phase, Reason
from modelramp.core.breaches import BUILT_IN
from modelramp.core.events import EventType, ObjectRef, Position, RolloutEvent, complete
from modelramp.core.state import Decision
from tests.unit.core.story import ERRORS, Story

DIGITS = ObjectRef("ml", "digits", "u1", "7")


def heard(story, look):
    """The complete events of one decision."""
    before, known = story.state, len(story.findings)
    look(story)
    return [complete(event, DIGITS, before, story.state) for event in story.findings[known:]]


def only(events, reason):
    (found,) = [event for event in events if event.reason is reason]
    return found


def test_a_rollback_says_what_was_rolled_back_from_where():
    story = Story.of(restarts=False).begun().run("hbb")
    event = only(heard(story, lambda it: it.minute("b")), Reason.THRESHOLD_REACHED)

    assert (event.type, event.warning, event.object) == (EventType.ROLLED_BACK, True, DIGITS)
    assert (event.revision, event.model_version, event.tick) == ("v2", "2.0.0", story.now)
    assert event.origin == Position(Phase.PROGRESSING, 10)
    assert event.to.weight == 0


def test_a_breach_and_the_rollback_after_it_name_the_checks_that_caused_them():
    story = Story.of(restarts=False, checks=(ERRORS, {**ERRORS, "name": "latency"}, {**ERRORS, "name": "fine"})).begun()
    events = heard(story, lambda it: it.run("bbb", latency="hhb", fine="hhh"))

    assert [event.checks for event in events if event.reason is Reason.BREACHED] == [
        ("errors",),
        ("errors",),
        ("errors", "latency"),
    ]
    assert only(events, Reason.THRESHOLD_REACHED).checks == ("errors", "latency")


def test_what_no_check_has_caused_names_none():
    story = Story.of(restarts=False).begun()
    events = heard(story, lambda it: it.run("bhhhhhh"))

    assert {event.checks for event in events if event.reason is not Reason.BREACHED} == {()}
    assert only(events, Reason.BREACHES_CLEARED)


def test_missing_pods_are_a_check_too():
    story = Story.of(restarts=False).begun()
    tick = replace(story.outcome("h", tick=story.now + 60), available=False)
    story.now = tick.tick
    assert only(heard(story, lambda it: it.look(tick)), Reason.BREACHED).checks == (BUILT_IN,)


def test_a_promotion_is_about_the_version_that_was_promoted():
    story = Story.of(restarts=False).begun()
    events = []
    while story.state.candidate is not None:
        events = heard(story, lambda it: it.minute("h"))

    assert only(events, Reason.PROMOTED).model_version == "2.0.0"
    assert only(events, Reason.PROMOTED).to == Position(Phase.HEALTHY, 100)


def test_the_same_ticks_replayed_at_once_give_the_same_events():
    live, replayed = Story.of().begun(), Story.of().begun()
    first = [event for letter in "bb" for event in heard(live, lambda it, said=letter: it.minute(said))]
    ticks = [replayed.outcome("b", tick=replayed.now - replayed.now % 60 + 60 * number) for number in (1, 2)]
    replayed.now = ticks[-1].tick
    second = heard(replayed, lambda it: it.look(*ticks))

    assert len({event.id for event in first}) == 2
    assert [(event.id, event.tick) for event in first] == [(event.id, event.tick) for event in second]


@pytest.mark.parametrize(
    "other",
    [
        {"uid": "u2"},
        {"message": "another"},
        {"tick": 60},
        {"reason": Reason.PAUSED},
        {"checks": ("errors",)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_event_has_another_id(other):
    uid, facts = other.get("uid", "u1"), {"reason": Reason.BREACHED, "message": "x", "tick": 30}
    facts |= {name: value for name, value in other.items() if name != "uid"}
    state = Story.of().state
    one = complete(RolloutEvent(Reason.BREACHED, "x", tick=30), DIGITS, state, state)

    assert complete(RolloutEvent(**facts), ObjectRef("ml", "digits", uid), state, state).id != one.id


def test_what_is_not_of_a_tick_has_the_last_tick_that_counted():
    story = Story.of(restarts=False).begun().run("h")
    event = only(heard(story, lambda it: it.want(request="pause/v2/1")), Reason.PAUSED)

    assert (event.type, event.tick) == (EventType.REQUEST, story.state.last_tick)


def test_a_first_version_that_may_not_serve_is_no_rollback():
    state = Story.of().state
    degraded = Decision(state).then(phase=Phase.DEGRADED).state
    event = RolloutEvent(Reason.EVALUATION_FAILED, "x", warning=True)

    assert complete(event, DIGITS, state, degraded).type is EventType.DEGRADED
    assert complete(event, DIGITS, state, state).type is EventType.ROLLED_BACK
