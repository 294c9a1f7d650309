"""A hook fires once per episode: from the first breach of a revision until it is healthy again."""

from dataclasses import replace

import pytest

from modelramp.api.hooks import HookState, On
from modelramp.api.names import Phase, Reason
from modelramp.api.times import to_text
from modelramp.core.events import EventType, ObjectRef, complete
from modelramp.core.hook_runs import GRACE, MOST_EPISODES, HookUpdate, patience
from modelramp.core.hooks import hook_event, webhook_body
from modelramp.core.state import Observed, State
from tests.unit.core.story import ERRORS, START, Story, serving

HOOK = {"webhook": {"url": "https://pipelines.example.com/"}}
JOB = {"job": {"template": {"spec": {"containers": [{"name": "train", "image": "train:1"}]}}, "ttl": "10m"}}
DRIFT = {
    "name": "inputs",
    "role": "hold",
    "drift": {"measure": "psi", "buckets": "b", "reference": {"buckets": {"1": 1, "+Inf": 2}}},
}
ACCURACY = {"name": "accuracy", "role": "inform", "query": "a", "min": "0.9"}
QUIET = {"errors": "h", "accuracy": "h"}


def watched(hook=None, *, on="onBreach", after=None, state=None, action=HOOK, **more):
    """A version that has served for long, and one hook."""
    hooks = {on: [{"name": "tell", "cooldown": "0s", **action, **(hook or {})}]}
    return Story.of(
        "v1",
        state=state or serving(),
        checks=(ERRORS, DRIFT, ACCURACY),
        after=after or {"onBreach": "Report"},
        **hooks,
        **more,
    )


def drift(story, letters):
    return story.run("h" * len(letters), inputs=letters, accuracy="h" * len(letters))


def breach(story, letters):
    return story.run(letters, inputs="h" * len(letters), accuracy="h" * len(letters))


def states(story):
    return [episode.state for episode in story.state.hooks]


def fired(story):
    return story.reasons.count(Reason.HOOK_DUE)


@pytest.mark.parametrize(
    ("letters", "after", "minute"),
    [
        ("bbb", None, 3),
        ("bb", None, None),
        ("bbhb", None, None),
        ("bbhbbb", None, 6),
        ("bb?b", None, 4),
        ("?b?b?b", None, 6),
        ("b", 1, 1),
        ("bbbb", 5, None),
        ("bbbbb", 5, 5),
        ("?????", 1, None),
        ("hhhhh", 1, None),
    ],
)
@pytest.mark.parametrize("twice", [False, True])
def test_a_hook_fires_at_the_breach_that_completes_its_row(letters, after, minute, twice):
    story = replace(watched({"after": after}, on="onDrift"), twice=twice)

    fired_at = [index + 1 for index, letter in enumerate(letters) if fired(drift(story, letter)) == 1]
    assert (fired_at[0] if fired_at else None) == minute


@pytest.mark.parametrize(
    ("letters", "times"),
    [("bbbbbbbbbb", 1), ("bbb?bbb", 1), ("bbbhbbb", 2), ("bbbhhbbhbbb", 2), ("bbb?h?bb?b", 2)],
)
@pytest.mark.parametrize("twice", [False, True])
def test_it_fires_once_per_episode_and_again_in_the_next(letters, times, twice):
    story = drift(replace(watched(on="onDrift"), twice=twice), letters)

    assert fired(story) == times
    assert len({episode.id for episode in story.state.hooks}) == len(story.state.hooks)


def test_a_tick_that_comes_again_late_changes_no_episode():
    story = drift(watched(on="onDrift"), "bb")
    known = story.state
    for minute in (1, 2):
        tick = story.outcome("h", tick=START + 60 * minute, inputs="b", accuracy="h")
        story.look(tick)

    assert story.state == known


def test_the_row_begins_with_the_first_breach_and_says_what_breached():
    (episode,) = drift(watched(on="onDrift"), "hb?b").state.hooks

    assert (episode.on, episode.name, episode.revision, episode.model_version) == (On.DRIFT, "tell", "v1", "1.4.0")
    assert (episode.since, episode.breaches, episode.checks) == (START + 120, 2, ("inputs",))
    assert episode.cause == "inputs: 0.5, limit 0.01"
    assert episode.state is HookState.COUNTING


def test_on_drift_looks_at_drift_and_on_breach_at_the_tick():
    assert fired(breach(watched(on="onDrift"), "bbbbb")) == 0
    assert fired(drift(watched(on="onBreach"), "bbbbb")) == 0
    assert fired(breach(watched(on="onBreach"), "bbb")) == 1


def test_named_checks_are_the_only_ones_that_count_whatever_their_role():
    story = watched({"checks": ["accuracy"], "after": 2})
    story.run("bbb", inputs="bbb", accuracy="hhh")
    assert story.state.hooks == ()

    story.run("hh", inputs="hh", accuracy="bb")
    assert [episode.checks for episode in story.state.hooks] == [("accuracy",)]
    assert states(story) == [HookState.DUE]


def test_with_several_checks_one_breach_counts_and_all_must_be_healthy_to_end():
    story = watched({"checks": ["accuracy", "inputs"], "after": 9}).run("hhh", inputs="bh?", accuracy="hbh")
    assert [episode.breaches for episode in story.state.hooks] == [2]

    assert story.run("h", inputs="h", accuracy="h").state.hooks == ()


def hourly(checks, hook):
    """A check that is asked at every third tick, and one hook; the clock stands before a tick at which it is asked."""
    story = Story.of("v1", state=serving(), checks=checks, after={"onBreach": "Report"}, onBreach=[hook])
    story.now = START - START % 180 + 120
    return story


@pytest.mark.parametrize("names", [["accuracy"], ["accuracy", "errors"]])
def test_a_check_that_is_asked_less_often_counts_when_it_is_asked_and_stands_in_between(names):
    slow = {"name": "accuracy", "role": "inform", "query": "a", "min": "0.9", "interval": "3m"}
    story = hourly((ERRORS, slow), {"name": "tell", "checks": names, "after": 2, **HOOK})
    story.run("hhh", accuracy="bbb")
    assert [episode.breaches for episode in story.state.hooks] == [1]

    story.run("hhhhhh", accuracy="bbbbbb")
    assert fired(story) == 1

    story.run("hhh", accuracy="hhh")
    assert [bool(episode.until) for episode in story.state.hooks] == [True]


def test_a_slow_check_that_goes_on_breaching_is_one_episode():
    slow = {"name": "accuracy", "query": "a", "min": "0.9", "interval": "3m", "failureThreshold": 1}
    story = hourly((ERRORS, slow), {"name": "tell", **HOOK})
    story.run("h" * 12, accuracy="b" * 12)
    assert fired(story) == 1

    story.run("hhhhhh", accuracy="hhhbbb")
    assert fired(story) == 2


def test_pods_that_are_missing_are_a_breach_with_a_name():
    (episode,) = breach(watched(), "p").state.hooks

    assert episode.checks == ("pods.available",)


def test_the_tick_that_rolls_back_fires_and_names_the_revision_that_failed():
    story = Story.of(checks=(ERRORS,), onBreach=[{"name": "tell", **HOOK}]).begun().run("bbb")

    (episode,) = story.state.hooks
    assert story.state.failed == "v2"
    assert (episode.revision, episode.model_version, episode.state) == ("v2", "2.0.0", HookState.DUE)
    assert fired(story) == 1


def test_without_a_number_of_its_own_it_fires_with_a_check_that_rolls_back_at_once():
    at_once = ERRORS | {"failureThreshold": 1}
    story = Story.of(checks=(at_once,), onBreach=[{"name": "tell", **HOOK}, {"name": "later", "after": 2, **HOOK}])
    story.begun().run("b")

    assert story.state.failed == "v2"
    assert {episode.name: episode.state for episode in story.state.hooks} == {
        "tell": HookState.DUE,
        "later": HookState.COUNTING,
    }


def test_another_revision_ends_the_episode_and_begins_its_own():
    story = Story.of(
        checks=(ERRORS,),
        after={"onBreach": "Report"},
        onBreach=[{"name": "tell", "after": 2, "cooldown": "0s", **HOOK}],
    )
    story.begun().run("bbb")
    assert story.state.failed == "v2"
    first = story.state.hooks[0]

    story.run("bb")
    old, new = story.state.hooks
    assert (old.id, old.until, new.revision, new.since) == (first.id, START + 240, "v1", START + 240)
    assert fired(story) == 2


def test_an_episode_that_never_fired_leaves_nothing_behind():
    assert drift(watched(on="onDrift"), "bbh").state.hooks == ()


def test_of_ended_episodes_the_last_one_is_remembered():
    story = watched(on="onDrift")
    for _ in range(5):
        drift(story, "bbb")
        (*_, episode) = story.state.hooks
        story.look(seen=replace(story.seen(), hooks={episode.id: HookUpdate(HookState.DONE, "answered 200")}))
        drift(story, "h")

    assert len(drift(story, "b").state.hooks) == 2
    assert fired(story) == 5


def test_however_many_are_stuck_the_status_stays_small():
    story = drift(watched(on="onDrift", action=HOOK), "bbbh" * (MOST_EPISODES + 3))

    assert len(story.state.hooks) == MOST_EPISODES
    assert fired(story) == MOST_EPISODES


@pytest.mark.parametrize(
    ("news", "reason"),
    [
        (HookState.RUNNING, Reason.HOOK_STARTED),
        (HookState.DONE, Reason.HOOK_SUCCEEDED),
        (HookState.FAILED, Reason.HOOK_FAILED),
        (HookState.UNKNOWN, Reason.HOOK_UNKNOWN),
    ],
)
def test_what_became_of_it_is_kept_and_told_once(news, reason):
    story = drift(watched(on="onDrift"), "bbb")
    (episode,) = story.state.hooks
    story.findings.clear()
    seen = replace(story.seen(), hooks={episode.id: HookUpdate(news, "HTTP 200")})
    for _ in range(3):
        story.look(seen=seen)

    (episode,) = story.state.hooks
    assert (episode.state, episode.message) == (news, "HTTP 200")
    assert story.reasons == [reason]
    assert story.findings[0].warning is (news in {HookState.FAILED, HookState.UNKNOWN})
    assert "onDrift tell for 1.4.0 (v1): HTTP 200" in story.findings[0].message


@pytest.mark.parametrize("ended", [HookState.DONE, HookState.FAILED])
@pytest.mark.parametrize("late", [HookState.RUNNING, HookState.UNKNOWN, HookState.FAILED, HookState.DONE])
def test_what_has_ended_stays_as_it_ended(ended, late):
    story = drift(watched(on="onDrift"), "bbb")
    (episode,) = story.state.hooks
    for state in (ended, late):
        story.look(seen=replace(story.seen(), hooks={episode.id: HookUpdate(state, "x")}))

    assert states(story) == [ended]


def running(action):
    story = drift(watched(on="onDrift", action=action), "bbb")
    (episode,) = story.state.hooks
    story.look(seen=replace(story.seen(), hooks={episode.id: HookUpdate(HookState.RUNNING, "x")}))
    return story


@pytest.mark.parametrize(("action", "after"), [(HOOK, patience(10)), (JOB, GRACE)])
def test_what_runs_without_news_for_too_long_is_unknown_and_never_repeated(action, after):
    story = running(action)
    began = story.now
    story.now = began + after - 1
    story.look()
    assert states(story) == [HookState.RUNNING]

    story.now = began + after
    story.look()
    assert states(story) == [HookState.UNKNOWN]
    assert "by hand" in story.state.hooks[0].message
    assert fired(drift(story, "bbb")) == 1


def test_news_of_a_job_that_was_thought_gone_corrects_that():
    story = running(JOB)
    story.now += GRACE
    story.look()
    (episode,) = story.state.hooks
    story.look(seen=replace(story.seen(), hooks={episode.id: HookUpdate(HookState.DONE, "done")}))

    assert states(story) == [HookState.DONE]


def test_a_job_is_not_made_when_an_earlier_one_may_have_been_deleted_already():
    story = drift(watched(on="onDrift", action=JOB), "bbb")
    story.now += 600
    story.look()

    assert states(story) == [HookState.UNKNOWN]


def test_a_webhook_that_is_due_waits_for_its_turn_however_long():
    story = drift(watched(on="onDrift"), "bbb")
    story.now += 86_400
    story.look()

    assert states(story) == [HookState.DUE]


def test_a_clock_that_was_far_ahead_does_not_keep_it_running():
    story = running(JOB)
    (episode,) = story.state.hooks
    story.state = replace(story.state, hooks=(replace(episode, at=story.now + 10**6),))
    story.look()
    story.now += GRACE
    story.look()

    assert states(story) == [HookState.UNKNOWN]


def test_a_hook_that_is_declared_no_more_starts_nothing():
    story = drift(watched(on="onDrift"), "bbb")
    story.want(checks=(ERRORS, DRIFT, ACCURACY), after={"onBreach": "Report"})
    story.minute("h", inputs="b", accuracy="h")

    assert story.state.hooks == ()


def test_hooks_decide_nothing_about_the_rollout():
    plain = Story.of(checks=(ERRORS,)).begun().run("hbbhhh?bbb")
    hooked = Story.of(checks=(ERRORS,), onBreach=[{"name": "tell", "after": 1, **HOOK}]).begun().run("hbbhhh?bbb")

    assert replace(hooked.state, hooks=()) == plain.state
    assert hooked.state.phase is Phase.ROLLED_BACK


def test_news_of_episodes_that_nobody_knows_are_ignored():
    story = watched()
    story.look(seen=Observed(hooks={"other": HookUpdate(HookState.DONE)}))

    assert story.state.hooks == ()


COOLING = {"cooldown": "10m"}


def fired_at(story, letters):
    """Minutes, counted from 1, at which the hook became due."""
    return [index + 1 for index, letter in enumerate(letters) if HookState.DUE in _news(story, letter)]


def _news(story, letter):
    before = {episode.id: episode.state for episode in story.state.hooks}
    drift(story, letter)
    return [item.state for item in story.state.hooks if before.get(item.id) is not item.state]


@pytest.mark.parametrize(
    ("letters", "after", "minutes"),
    [
        ("bh" * 15, 1, [1, 11, 21]),  # one that flaps starts it once in each cool-down
        ("b" + "h" * 9 + "b" + "h" * 9 + "b", 1, [1, 11, 21]),
        ("bhb" + "b" * 20, 1, [1, 11]),  # what goes on when the cool-down ends starts it then, and once
        ("bhb" + "h" * 20, 1, [1, 11]),  # what has ended by then is late, and not lost
        ("bhb" + "?" * 20, 1, [1, 11]),
        ("bbbhhbbbhh" + "h" * 10, 3, [3, 13]),
        ("bhbhhhhhhhhhbhhhhhhhhhhhh", 1, [1, 11, 21]),
    ],
)
@pytest.mark.parametrize("twice", [False, True])
def test_a_hook_starts_at_most_once_in_a_cool_down_and_what_came_meanwhile_starts_it_then(
    letters, after, minutes, twice
):
    story = replace(watched(COOLING | {"after": after}, on="onDrift"), twice=twice)

    assert fired_at(story, letters) == minutes


def test_without_a_word_about_it_the_cool_down_lasts_ten_minutes():
    story = watched(on="onDrift")
    wanted = story.target.spec.health.on_drift[0].model_dump(exclude={"cooldown"})

    assert type(story.target.spec.health.on_drift[0]).model_validate(wanted).cooldown == 600


def test_ticks_that_are_replayed_after_a_restart_tell_the_same_as_ticks_that_came_one_by_one():
    letters = "bhbbhbbhbhhhbbbhhb" * 2
    live = drift(watched(COOLING | {"after": 1}, on="onDrift"), letters)
    late = watched(COOLING | {"after": 1}, on="onDrift")
    ticks = [
        late.outcome("h", tick=START + 60 * (index + 1), inputs=letter, accuracy="h")
        for index, letter in enumerate(letters)
    ]
    late.now = live.now
    late.look(*ticks)

    def told(story):
        return {(item.id, item.state, item.since, item.until, item.due) for item in story.state.hooks if item.due}

    assert told(live)
    assert told(late) <= told(live) | {(*item[:1], HookState.DUE, *item[2:]) for item in told(live)}
    assert max(item.due for item in late.state.hooks) == max(item.due for item in live.state.hooks)


def test_the_cool_down_is_said_once_and_the_status_names_its_end():
    story = drift(watched(COOLING | {"after": 1}, on="onDrift"), "bhbhbhb")

    assert story.reasons.count(Reason.HOOK_COOLING_DOWN) == 1
    said = next(item for item in story.findings if item.reason is Reason.HOOK_COOLING_DOWN)
    assert said.message == (
        "onDrift tell for 1.4.0 (v1): drift (inputs: 0.5, limit 0.01); it starts when the cool-down is over, "
        "at 2027-01-15T08:11:00Z"
    )
    waiting = [item for item in story.state.hooks if item.state is HookState.COOLING_DOWN]
    assert [item.message for item in waiting] == ["it starts when the cool-down is over, at 2027-01-15T08:11:00Z"]


def test_of_several_that_wait_the_last_one_starts_it_and_the_others_say_so():
    story = drift(watched(COOLING | {"after": 1}, on="onDrift"), "bhbhb")

    assert states(story) == [HookState.DUE, HookState.SKIPPED, HookState.COOLING_DOWN]
    assert story.state.hooks[-1].id in story.state.hooks[1].message


def test_each_hook_has_a_cool_down_of_its_own():
    hooks = [{"name": "one", "after": 1, **COOLING, **HOOK}, {"name": "two", "after": 2, **COOLING, **HOOK}]
    story = Story.of("v1", state=serving(), checks=(ERRORS,), after={"onBreach": "Report"}, onBreach=hooks)
    story.run("bbhb")

    assert {(item.name, item.state) for item in story.state.hooks} == {
        ("one", HookState.DUE),
        ("one", HookState.COOLING_DOWN),
        ("two", HookState.DUE),
        ("two", HookState.COUNTING),
    }


def test_a_version_that_is_rolled_back_during_the_cool_down_is_told_of_when_it_is_over():
    story = Story.of(checks=(ERRORS,), onBreach=[{"name": "tell", **COOLING, **HOOK}]).begun().run("bbb")
    assert states(story) == [HookState.DUE]

    story.want("v3", version="3.0.0", checks=(ERRORS,), onBreach=[{"name": "tell", **COOLING, **HOOK}])
    story.run("bbb")
    assert (story.state.failed, states(story)) == ("v3", [HookState.DUE, HookState.COOLING_DOWN])

    story.run("h" * 10)
    assert [(item.revision, item.state) for item in story.state.hooks] == [("v2", HookState.DUE), ("v3", HookState.DUE)]


def test_a_shorter_cool_down_counts_at_once():
    story = drift(watched(COOLING | {"after": 1}, on="onDrift"), "bhb")
    shorter = {"name": "tell", "after": 1, "cooldown": "1m", **HOOK}
    story.want(checks=(ERRORS, DRIFT, ACCURACY), after={"onBreach": "Report"}, onDrift=[shorter])

    assert states(story) == [HookState.DUE, HookState.DUE]


def test_it_starts_at_the_end_of_the_cool_down_though_no_tick_comes():
    story = drift(watched(COOLING | {"after": 1}, on="onDrift"), "bhb")
    story.now = START + 60 + 599
    story.look()
    assert states(story) == [HookState.DUE, HookState.COOLING_DOWN]

    story.now += 1
    story.look()
    assert states(story) == [HookState.DUE, HookState.DUE]
    assert story.state.hooks[-1].due == START + 660


def test_a_start_that_a_wrong_clock_has_put_into_the_future_delays_it_by_one_cool_down_not_for_ever():
    story = drift(watched(COOLING | {"after": 1}, on="onDrift"), "bh")
    first = story.state.hooks[0]
    story.state = replace(story.state, hooks=(replace(first, due=story.now + 10**6),))

    assert fired_at(story, "b" + "h" * 30) == [21]


def test_an_episode_of_an_earlier_version_repeats_nothing_and_counts_for_the_cool_down():
    story = drift(watched(COOLING | {"after": 1}, on="onDrift"), "b")
    (episode,) = story.state.hooks
    story.state = replace(story.state, hooks=(replace(episode, state=HookState.DONE, due=0),))
    story.findings.clear()

    assert fired_at(story, "bbhb" + "h" * 10) == [10]


@pytest.mark.parametrize("after", [1, 3])
def test_a_metric_that_flaps_for_hours_starts_it_once_in_each_cool_down(after):
    story = watched({"after": after, "cooldown": "1h"}, on="onDrift")
    started = 0
    for letter in ("b" * after + "h") * (360 // (after + 1)):
        started += _news(story, letter).count(HookState.DUE)
        ended = (
            replace(item, state=HookState.DONE) if item.state is HookState.DUE else item for item in story.state.hooks
        )
        story.state = replace(story.state, hooks=tuple(ended))

    assert started == 6
    assert len(story.state.hooks) <= 4


def test_a_cool_down_is_remembered_however_many_hooks_flap():
    hooks = [{"name": f"h{index}", "after": 1, "cooldown": "1h", **HOOK} for index in range(4)]
    checks = (ERRORS, DRIFT, ACCURACY)
    story = Story.of("v1", state=serving(), checks=checks, after={"onBreach": "Report"}, onBreach=hooks, onDrift=hooks)
    for _ in range(40):
        story.run("bh", inputs="bh", accuracy="hh")
        ended = (
            replace(item, state=HookState.DONE) if item.state is HookState.DUE else item for item in story.state.hooks
        )
        story.state = replace(story.state, hooks=tuple(ended))

    started = [item for item in story.findings if item.reason is Reason.HOOK_DUE]
    assert len(started) == 2 * 8
    assert len(story.state.hooks) <= MOST_EPISODES


def test_a_look_that_comes_late_makes_the_next_cool_down_no_longer():
    story = drift(watched(COOLING | {"after": 1}, on="onDrift"), "bhb")
    story.now += 1000
    story.look()

    assert states(story) == [HookState.DUE, HookState.DUE]
    assert story.state.hooks[-1].due == START + 660


def told_of(story):
    """The event of the only episode as it is now, when another version has become the subject since."""
    other = serving("v9", "9.0.0")
    return complete(hook_event(story.state.hooks[0]), ObjectRef("ml", "digits", "u1"), other, other)


def test_an_event_is_about_the_version_that_the_episode_is_about():
    event = told_of(breach(watched(after=None), "bbb"))

    assert (event.type, event.reason) == (EventType.HOOK, Reason.HOOK_DUE)
    assert (event.revision, event.model_version, event.checks) == ("v1", "1.4.0", ("errors",))


def test_a_receiver_is_sent_what_the_event_says():
    story = breach(watched(after=None), "bbb")
    since = story.state.hooks[0].since

    assert webhook_body(told_of(story), "digits-model") == {
        "event": "breach",
        "namespace": "ml",
        "name": "digits",
        "revision": "v1",
        "modelName": "digits-model",
        "modelVersion": "1.4.0",
        "hook": "tell",
        "checks": ["errors"],
        "reason": "errors: 0.5, limit 0.01",
        "breaches": 3,
        "since": to_text(since),
        "id": story.state.hooks[0].id,
    }


def test_a_receiver_is_told_of_drift_by_that_name():
    assert webhook_body(told_of(drift(watched(on="onDrift"), "bbb")), "")["event"] == "drift"


def test_the_body_is_the_same_in_every_state_of_the_episode():
    story = breach(watched(after=None), "bbb")
    (due,) = story.state.hooks
    bodies = [
        webhook_body(complete(hook_event(replace(due, state=state)), ObjectRef("ml", "digits"), State(), State()), "")
        for state in (HookState.DUE, HookState.RUNNING, HookState.UNKNOWN)
    ]
    assert bodies[0] == bodies[1] == bodies[2]
