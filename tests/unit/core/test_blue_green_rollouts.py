"""BlueGreen: a preview without live traffic, then all traffic at once, judged with the old version at full size."""

from dataclasses import replace

import pytest

from modelramp.api.errors import InvalidSpec
from modelramp.api.names import Phase, Reason
from modelramp.core.messages import sentence
from modelramp.core.requests import parse_request
from modelramp.core.state import Observed, Pods
from modelramp.core.strategies.registry import traffic_of
from modelramp.core.traffic import Preview
from modelramp.desired.objects import replicas_by_revision
from tests.unit.core.story import ERRORS, START, Story, spec

HOST = "preview.digits.example.com"
ACCURACY = {"name": "accuracy", "query": "y", "min": "0.9", "role": "hold"}


def rollout(**blue_green):
    changes = {"previewHostnames": [HOST], "previewDuration": "3m"} | blue_green
    return {"strategy": "BlueGreen", "blueGreen": changes, "stepDuration": "2m"}


def begun(*, restarts=True, checks=(ERRORS,), replicas=1, **blue_green):
    story = Story.of(rollout=rollout(**blue_green), restarts=restarts, checks=checks, replicas=replicas)
    story.look()
    return story


def words(story):
    return sentence(story.target, story.state, story.seen())


@pytest.mark.parametrize("restarts", [False, True])
def test_a_healthy_version_is_previewed_then_gets_everything_and_is_promoted_after_a_step(restarts):
    story = begun(restarts=restarts)
    assert (story.state.weights, story.state.subject) == ({"v1": 100}, "v2"), "the checks speak of the preview"
    assert traffic_of(story.target, story.state).preview == Preview("v2", (HOST,))

    assert story.run("hh").weight == 0
    story.run("h")
    assert (story.state.weights, story.state.stable.revision) == ({"v2": 100}, "v1")
    assert traffic_of(story.target, story.state).preview == Preview("v2", (HOST,)), "until the promotion"

    story.run("hh")
    assert (story.state.stable.revision, story.state.candidate) == ("v2", None)
    assert traffic_of(story.target, story.state).preview is None
    assert story.state.history[0].outcome == "Promoted"


BOTH = {"v1": 4, "v2": 4}


def test_both_versions_have_all_their_pods_from_the_preview_until_the_promotion():
    story = begun(replicas=4)
    for letter in "hhhh":
        assert replicas_by_revision(story.target, story.state, story.seen(), story.state.weights, story.now) == BOTH
        story.minute(letter)
    assert story.weight == 100


def test_three_breaches_in_the_preview_roll_back_a_version_that_never_had_traffic():
    story = begun().run("hbb")
    assert (story.state.phase, story.state.watch.breaches) == (Phase.PROGRESSING, 2)
    story.run("b")
    assert (story.state.phase, story.state.failed) == (Phase.ROLLED_BACK, "v2")
    assert story.state.weights == {"v1": 100}
    entry = story.state.history[0]
    assert (entry.reason, entry.weight) == (Reason.THRESHOLD_REACHED, 0)
    assert "was rolled back at 08:04:00Z from its preview: " in entry.message


def test_three_breaches_after_the_switch_give_everything_back_at_once():
    story = begun().run("hhh")
    assert story.run("bb").weight == 100
    story.run("b")
    assert (story.state.weights, story.state.failed) == ({"v1": 100}, "v2")
    assert "from 100 %" in story.state.history[0].message


def test_breaches_of_the_preview_count_on_after_a_switch_that_a_person_asked_for():
    story = begun().run("hbb")
    story.want(request="promote/v2/now")
    assert (story.weight, story.state.watch.breaches) == (100, 2)
    story.run("?b")
    assert story.weight == 0


def test_a_preview_that_nobody_asks_holds_the_switch():
    story = begun().run("????????")
    assert story.weight == 0
    assert "errors has no data (the query returned an empty result)" in words(story)
    assert "promotion waits, the breach count stays at 0" in words(story)
    assert words(story).startswith(f"preview of 2.0.0 (v2) at {HOST} since 08:00:00Z, without live traffic, ")


def test_only_named_checks_judge_the_preview_and_all_judge_the_switch():
    story = begun(checks=(ERRORS, ACCURACY), previewChecks=[]).run("bbb", accuracy="bbb")
    assert (story.weight, story.state.checks) == (100, ())
    story.run("hhhh", accuracy="bbbb")
    assert story.state.candidate is not None, "a hold check holds the promotion"
    story.run("bbb", accuracy="hhh")
    assert story.state.failed == "v2"


def test_a_hold_check_holds_the_switch_too():
    story = begun(checks=(ERRORS, ACCURACY)).run("hhhhhh", accuracy="hbbbbb")
    assert (story.weight, story.state.reason) == (0, Reason.HELD_BY_CHECK)
    story.run("h", accuracy="h")
    assert story.weight == 100


def test_a_manual_switch_waits_for_a_person():
    story = begun(switch="Manual").run("hhhhhh")
    assert (story.weight, story.state.reason) == (0, Reason.HELD_BY_APPROVAL)
    assert "the switch waits for approval: a person sets the annotation modelramp.io/request=promote/v2/" in words(
        story
    )
    story.want(request="promote/v2/ok")
    assert story.weight == 100
    assert "2.0.0 (v2): a person asked for the next step, the switch" in [one.message for one in story.findings]
    assert story.run("hh").state.stable.revision == "v2", "only the switch waits"


def test_a_pause_in_the_preview_keeps_the_traffic_where_it_is_until_it_is_resumed():
    story = begun().run("h")
    story.want(request="pause/v2/a")
    story.run("hhhhh")
    assert (story.weight, story.state.phase) == (0, Phase.PAUSED)
    assert "2.0.0 (v2) is paused in its preview; checks go on and can roll it back" in [
        one.message for one in story.findings
    ]
    story.want(request="resume/v2/b")
    assert story.run("h").weight == 100


def test_an_abort_in_the_preview_is_a_rollback_and_a_retry_previews_again():
    story = begun().run("h")
    story.want(request="abort/v2/a")
    assert (story.state.phase, story.state.failed, story.state.weights) == (Phase.ROLLED_BACK, "v2", {"v1": 100})
    story.run("hhhhh")
    assert story.weight == 0
    story.want(request="retry/v2/b")
    assert (story.state.subject, story.weight) == ("v2", 0)
    assert story.run("hhhh").weight == 100


def test_the_preview_lasts_from_when_its_hostnames_reach_it():
    story = begun()
    pods = {"v1": Pods(1, 1, 1), "v2": Pods(1, 1, 1)}
    blind = Observed(pods=pods, served={"v1": 100}, routed=True)
    for _ in range(6):
        story.now += 60
        story.look(story.outcome("h"), seen=blind)
    assert (story.weight, story.state.reason) == (0, Reason.HELD_BY_ROUTE)
    assert f"{HOST} does not reach the preview yet" in sentence(story.target, story.state, blind)
    assert story.run("hh").weight == 0
    assert story.run("hh").weight == 100


def test_the_switch_needs_every_pod():
    story = begun(replicas=4)
    story.pods["v2"] = Pods(4, 3, 3)
    story.run("hhhhhh")
    assert (story.weight, story.state.reason) == (0, Reason.HELD_BY_PODS)
    assert "the switch needs 4 available pods, 3 are" in words(story)
    del story.pods["v2"]
    assert story.run("h").weight == 100


def test_pods_that_served_a_preview_stay_until_its_hostnames_are_gone():
    pods = {"v1": Pods(1, 1, 1), "v2": Pods(1, 1, 1)}
    story = begun()
    story.target = replace(story.target, request=parse_request("abort/v2/a"))
    story.look(seen=Observed(pods=pods, served={"v1": 100}, routed=True, previewed="v2"))
    (retiring,) = story.state.retiring
    assert (retiring.revision, retiring.at) == ("v2", None)
    story.look(seen=Observed(pods=pods, served={"v1": 100}, routed=True))
    (retiring,) = story.state.retiring
    assert retiring.at == START + 30


def test_what_people_read_says_preview_and_switch():
    story = begun().run("h")
    assert words(story) == (
        f"preview of 2.0.0 (v2) at {HOST} since 08:00:00Z, without live traffic, switch 08:03:00Z at the earliest"
    )
    story.run("hh")
    assert words(story) == (
        "all traffic on 2.0.0 (v2) since the switch at 08:03:00Z, promotion 08:05:00Z at the earliest"
    )
    told = [one.message for one in story.findings]
    assert f"preview of 2.0.0 (v2) at {HOST}: it has no live traffic" in told
    assert "switch: all traffic to 2.0.0 (v2)" in told


def test_windows_of_the_preview_are_no_evidence_of_live_traffic():
    late = {**ACCURACY, "window": "3m"}
    story = begun(checks=(ERRORS, late), previewChecks=["errors"]).run("hhh", accuracy="hhh")
    assert story.weight == 100
    story.run("hh", accuracy="hh")
    assert story.state.candidate is not None, "two of its three minutes are of the preview"
    assert story.run("h", accuracy="h").state.stable.revision == "v2"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"strategy": "Canary", "blueGreen": {}}, "blueGreen needs strategy: BlueGreen"),
        ({"strategy": "BlueGreen", "steps": [{"weight": 100}]}, "strategies BlueGreen and Replace have no steps"),
        ({"strategy": "Rolling"}, "must be Canary, ABTest, BlueGreen or Replace"),
    ],
)
def test_what_does_not_fit_together_is_refused(wrong, words):
    with pytest.raises(InvalidSpec, match=words):
        spec(rollout=wrong)
