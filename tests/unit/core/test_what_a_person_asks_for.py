"""Requests: honoured once, only for the revision that they name, and never against a promise."""

from dataclasses import replace

import pytest

from modelramp.api.names import Phase, Reason
from modelramp.core.messages import sentence
from modelramp.core.requests import parse_request
from modelramp.core.state import Pods, State
from tests.unit.core.story import Story


@pytest.mark.parametrize(
    "text",
    [
        "pause",
        "pause/v2",
        "pause//1",
        "/v2/1",
        "pause/v2/",
        "pause/v2/1/2",
        "stop/v2/1",
        "PAUSE/v2/1",
        "💥",
        "a" * 5000,
    ],
)
def test_a_malformed_request_is_ignored_and_says_what_is_wished(text):
    story = Story.of().begun()
    before = story.state.phase

    story.want(request=text)
    assert (story.state.phase, story.reasons) == (before, [Reason.REQUEST_IGNORED])
    assert "<verb>/<revision>/<nonce>" in story.findings[0].message
    assert len(story.findings[0].message) < 400


def test_no_annotation_is_no_request():
    assert parse_request("") is None


@pytest.mark.parametrize("verb", ["promote", "pause", "resume", "abort", "retry"])
def test_a_request_for_another_revision_changes_nothing(verb):
    story = Story.of().begun()
    before = story.state

    story.want(request=f"{verb}/v9/1")
    assert story.reasons == [Reason.REQUEST_IGNORED]
    assert story.state.weights == before.weights
    assert story.state.phase is before.phase


def test_the_same_request_is_handled_once_whatever_happens_in_between():
    story = Story.of().begun()
    story.want(request="promote/v2/1")
    assert story.weight == 50

    story.look()
    story.run("hh")
    assert story.weight == 50
    story.want(request="promote/v2/2")
    assert story.weight == 100


def test_a_request_taken_away_and_put_back_is_still_handled_once():
    story = Story.of().begun()
    story.want(request="promote/v2/1")
    story.want(request="")
    story.want(request="promote/v2/1")

    assert story.weight == 50


def test_promote_at_the_last_step_promotes():
    story = Story.of().begun()
    for nonce in range(3):
        story.want(request=f"promote/v2/{nonce}")

    assert story.state.stable.revision == "v2"


def test_promote_waits_for_the_route_and_is_then_honoured():
    story = Story.of().begun()
    story.served = {"v1": 100}
    story.want(request="promote/v2/1")
    assert (story.weight, story.state.request) == (10, "")

    story.served = None
    story.look()
    assert (story.weight, story.state.request) == (50, "promote/v2/1")


def test_promote_before_the_first_step_is_refused():
    story = Story.of()
    story.routed = None
    story.look()

    story.want(request="promote/v2/1")
    assert (story.weight, story.reasons[-1]) == (0, Reason.REQUEST_IGNORED)


def test_promote_does_not_hide_breaches():
    story = Story.of().begun().run("bb")

    story.want(request="promote/v2/1")
    story.run("b")
    assert story.state.failed == "v2"


def test_pause_holds_the_weight_while_the_checks_go_on():
    story = Story.of().begun()
    story.want(request="pause/v2/1")
    assert story.state.phase is Phase.PAUSED

    story.run("h" * 20)
    assert (story.weight, story.state.reason) == (10, Reason.PAUSED)
    story.run("bbb")
    assert (story.state.failed, story.state.phase) == ("v2", Phase.ROLLED_BACK)


def test_resume_goes_on_at_the_next_healthy_tick():
    story = Story.of().begun()
    story.want(request="pause/v2/1")
    story.run("h" * 7)
    story.want(request="resume/v2/2")
    assert (story.state.phase, story.weight) == (Phase.PROGRESSING, 10)

    story.run("?b")
    assert story.weight == 10
    story.run("h")
    assert story.weight == 50


def test_promote_in_a_pause_takes_one_step_and_stays_paused():
    story = Story.of().begun()
    story.want(request="pause/v2/1")

    story.want(request="promote/v2/2")
    assert (story.state.phase, story.weight) == (Phase.PAUSED, 50)
    story.run("h" * 9)
    assert story.weight == 50


def test_a_pause_goes_over_to_the_next_commit():
    story = Story.of().begun()
    story.want(request="pause/v2/1")

    story.want("v3", version="3.0.0")
    story.run("h" * 9)
    assert (story.state.candidate.version.revision, story.weight, story.state.phase) == ("v3", 0, Phase.PAUSED)

    story.want(request="resume/v3/2")
    assert (story.weight, story.state.phase) == (10, Phase.PROGRESSING)


def test_a_pause_ends_with_the_rollout():
    story = Story.of().begun()
    story.want(request="pause/v2/1")
    story.run("bbb")

    story.want("v3", version="3.0.0")
    assert (story.weight, story.state.paused) == (10, False)


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_pausing_twice_or_resuming_what_runs_is_said_to_be_ignored(verb):
    story = Story.of().begun()
    if verb == "pause":
        story.want(request="pause/v2/0")
    story.want(request=f"{verb}/v2/1")

    assert story.reasons[-1] is Reason.REQUEST_IGNORED


@pytest.mark.parametrize("minutes", ["", "hhhhh", "hhhhhhhhhh"])
def test_abort_takes_the_traffic_back_at_once(minutes):
    story = Story.of().begun().run(minutes)

    story.want(request="abort/v2/1")
    assert (story.state.weights, story.state.failed) == ({"v1": 100}, "v2")
    assert story.state.history[0].reason is Reason.ABORTED
    story.run("h" * 30)
    assert story.weight == 0


def test_abort_of_the_first_revision_ever_is_ignored_for_there_is_nothing_else():
    story = Story.of("v1", state=State())
    story.pods["v1"] = Pods(1, 0, 0)
    story.want(request="abort/v1/1")

    assert story.reasons[-1] is Reason.REQUEST_IGNORED
    assert story.state.candidate.version.revision == "v1"


def test_retry_begins_again_from_the_first_step():
    story = Story.of().begun().run("hhhhh").run("bbb")

    story.want(request="retry/v2/1")
    assert (story.state.failed, story.weight, story.state.candidate.step) == (None, 10, 0)
    assert story.state.watch.breaches == 0


def test_retry_of_what_fails_again_ends_the_same_way():
    story = Story.of().begun().run("bbb")
    story.want(request="retry/v2/1")

    story.run("bb")
    assert story.state.failed is None
    story.run("b")
    assert story.state.failed == "v2"
    story.want(request="retry/v2/1")
    assert story.weight == 0


def test_retry_while_the_traffic_is_still_going_back_waits_for_the_route():
    story = Story.of().begun()
    story.served = {"v1": 90, "v2": 10}
    story.run("bbb")
    story.want(request="retry/v2/1")
    assert (story.weight, story.state.candidate.step) == (0, -1)

    story.served = None
    story.look()
    assert story.weight == 10


@pytest.mark.parametrize("revision", ["v1", "v3"])
def test_retry_of_what_has_not_failed_is_ignored(revision):
    story = Story.of().begun().run("bbb")

    story.want(request=f"retry/{revision}/1")
    assert (story.weight, story.reasons[-1]) == (0, Reason.REQUEST_IGNORED)


def test_a_stale_retry_does_not_touch_the_revision_that_came_after():
    story = Story.of().begun().run("bbb")
    story.want("v3", version="3.0.0", request="retry/v2/1")

    assert story.state.candidate.version.revision == "v3"
    assert Reason.REQUEST_IGNORED in story.reasons


@pytest.mark.parametrize("restarts", [True, False])
def test_a_text_counts_once_also_after_others(restarts):
    story = Story.of(restarts=restarts).begun()
    story.want(request="pause/v2/1")
    story.want(request="resume/v2/2")
    story.want(request="pause/v2/1")

    assert story.state.phase is Phase.PROGRESSING
    assert story.reasons.count(Reason.PAUSED) == 1
    assert story.reasons.count(Reason.REQUEST_IGNORED) == 1
    assert "was handled before" in message(story)


def test_a_text_that_was_ignored_stays_ignored():
    story = Story.of().begun()
    story.want(request="resume/v2/1")
    story.want(request="pause/v2/2")
    story.want(request="resume/v2/1")

    assert story.state.paused


def test_two_long_texts_with_one_beginning_are_two_requests():
    story = Story.of().begun()
    story.want(request="pause/v2/" + "x" * 300 + "1")
    story.want(request="resume/v2/" + "x" * 300)
    story.want(request="pause/v2/" + "x" * 300 + "2")

    assert story.state.paused


def test_why_a_request_was_ignored_is_in_the_message_until_the_next_tick():
    story = Story.of().begun()
    story.want(request="abort/v9/1")

    assert message(story).endswith('; request "abort/v9/1" was ignored: v9 is not the revision in flight')
    story.minute("h")
    assert "ignored" not in message(story)
    assert story.state.answer.message.endswith("v9 is not the revision in flight")


def test_what_was_asked_for_is_forgotten_with_the_revision_it_was_about():
    story = Story.of().begun()
    story.want(request="pause/v2/1")
    story.want(request="resume/v2/2")
    known = replace(story.seen(), kept=frozenset({"v1", "v3"}))
    story.target = replace(story.target, request=parse_request("pause/v1/3"))
    story.look(seen=known)

    assert [revision for revision, _ in story.state.heard] == ["v1"]


def test_what_is_remembered_is_bounded():
    story = Story.of().begun()
    for number in range(300):
        story.want(request=f"resume/v2/{number}")

    assert [len(marks) for _, marks in story.state.heard] == [128]


def message(story):
    return sentence(story.target, story.state, story.seen())
