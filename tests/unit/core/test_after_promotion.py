"""The watch goes on when the rollout has ended, and brings the last working version back, once."""

import pytest

from modelramp.api.names import Phase, Reason
from modelramp.core.state import Pods
from tests.unit.core.story import Story, serving


def test_three_breaches_long_after_promotion_bring_the_previous_version_back():
    story = Story.of().promoted().run("h" * 100)

    story.run("bb")
    assert story.state.stable.revision == "v2"
    story.run("b")
    assert (story.state.stable.revision, story.state.failed, story.state.weights) == ("v1", "v2", {"v1": 100})
    assert story.state.phase is Phase.ROLLED_BACK
    assert story.state.restored
    assert story.state.history[0].reason is Reason.THRESHOLD_REACHED


def test_breaches_on_both_sides_of_the_promotion_count_as_one_row_only_if_no_healthy_tick_is_between():
    story = Story.of(rollout={"stepDuration": "1m"}).begun().run("hh")
    story.run("bbh")
    assert story.state.stable.revision == "v2"

    story.run("b")
    assert story.state.watch.breaches == 1


def test_there_is_no_ping_pong():
    story = Story.of().promoted().run("bbb")

    story.run("b" * 10)
    assert (story.state.stable.revision, story.state.phase) == ("v1", Phase.DEGRADED)
    assert story.state.reason is Reason.NOTHING_TO_RESTORE
    story.run("b" * 10)
    assert story.state.stable.revision == "v1"
    assert story.reasons.count(Reason.NOTHING_TO_RESTORE) == 1, "said once, not every minute"


def test_a_degraded_version_recovers_on_a_healthy_tick_and_the_story_of_the_failure_is_kept():
    story = Story.of().promoted().run("bbb")
    told = story.state.detail
    story.run("?bbb?b")
    assert story.state.phase is Phase.DEGRADED

    story.run("h")
    assert (story.state.phase, story.state.failed) == (Phase.ROLLED_BACK, "v2")
    assert (story.state.detail, story.state.reason) == (told, Reason.THRESHOLD_REACHED)


def test_a_first_version_that_breaches_is_degraded_keeps_serving_and_recovers():
    story = Story.of("v1")
    story.look()
    story.run("bbb")
    assert (story.state.phase, story.state.weights) == (Phase.DEGRADED, {"v1": 100})

    story.run("h")
    assert (story.state.phase, story.state.reason) == (Phase.HEALTHY, Reason.RECOVERED)


def test_report_leaves_the_traffic_and_says_why():
    story = Story.of(after={"onBreach": "Report"}).promoted().run("bbb")

    assert (story.state.phase, story.state.weights) == (Phase.DEGRADED, {"v2": 100})
    assert "spec.afterPromotion.onBreach is Report" in story.state.detail


def test_report_turned_into_rollback_takes_effect_at_the_next_breach_only():
    story = Story.of(after={"onBreach": "Report"}).promoted().run("bbb")

    story.want(after={"onBreach": "Rollback"})
    story.run("?")
    assert story.state.stable.revision == "v2"
    story.run("b")
    assert story.state.stable.revision == "v1"


def test_watch_never_counts_nothing_after_promotion():
    story = Story.of(after={"watch": "never"}).promoted().run("b" * 10)

    assert (story.state.phase, story.state.stable.revision) == (Phase.HEALTHY, "v2")


def test_watch_never_still_counts_during_the_rollout():
    story = Story.of(after={"watch": "never"}).begun().run("bbb")

    assert story.state.failed == "v2"


def test_watch_never_also_holds_while_the_next_candidate_waits_for_pods():
    story = Story.of(after={"watch": "never"}).promoted()
    story.pods["v3"] = Pods(1, 0, 0)
    story.want("v3", version="3.0.0", after={"watch": "never"})

    story.run("bbbb")
    assert story.state.stable.revision == "v2"


def waiting_behind_a_breach():
    story = Story.of().promoted()
    story.pods["v3"] = Pods(1, 0, 0)
    story.want("v3", version="3.0.0")
    return story.run("bbb")


def test_a_candidate_that_waits_goes_on_waiting_behind_the_version_brought_back():
    story = waiting_behind_a_breach()

    assert story.state.stable.revision == "v1"
    assert (story.state.phase, story.state.candidate.version.revision) == (Phase.PROGRESSING, "v3")
    story.pods.clear()
    story.look()
    assert story.state.weights == {"v1": 90, "v3": 10}


def test_the_version_brought_back_is_not_blamed_before_the_route_shows_it():
    story = Story.of().promoted()
    story.pods["v3"] = Pods(1, 0, 0)
    story.want("v3", version="3.0.0")
    story.served = {"v2": 100}

    story.run("bbb")
    story.run("ppppp")
    assert (story.state.stable.revision, story.state.phase) == ("v1", Phase.PROGRESSING)
    assert story.state.watch.revision == "v2"


def test_going_back_to_the_previous_version_while_the_present_one_breaches_brings_it_back_at_once():
    story = Story.of().promoted()
    story.pods["v1"] = Pods(1, 0, 0)
    story.want("v1", version="1.4.0")
    assert story.state.candidate.version.revision == "v1"

    story.run("bbb")
    assert (story.state.stable.revision, story.state.candidate, story.state.failed) == ("v1", None, None)
    assert "v1" not in {item.revision for item in story.state.retiring}
    assert story.state.phase is Phase.HEALTHY


def test_a_paused_way_back_to_the_previous_version_ends_with_its_pause():
    story = Story.of().promoted()
    story.pods["v1"] = Pods(1, 0, 0)
    story.want("v1", version="1.4.0")
    story.want(request="pause/v1/1")

    story.run("bbb")
    assert (story.state.stable.revision, story.state.paused, story.state.phase) == ("v1", False, Phase.HEALTHY)


def test_the_version_brought_back_keeps_its_pods_although_they_were_about_to_end():
    story = Story.of(interval="5s").promoted()
    assert [item.revision for item in story.state.retiring] == ["v1"]

    story.run("bbb")
    assert story.state.stable.revision == "v1"
    assert [item.revision for item in story.state.retiring] == ["v2"]


def test_a_stable_version_that_breaches_behind_a_failed_one_is_rolled_back_and_the_failed_one_stays_failed():
    story = Story.of().promoted()
    story.want("v3", version="3.0.0")
    story.run("bbb")
    assert (story.state.failed, story.state.stable.revision) == ("v3", "v2")

    story.run("bbb")
    assert (story.state.stable.revision, story.state.failed) == ("v1", "v3")
    story.run("h" * 30)
    assert (story.state.weights, story.state.phase) == ({"v1": 100}, Phase.ROLLED_BACK)


def test_a_version_that_failed_as_a_candidate_is_never_brought_back():
    story = Story.of().promoted()
    story.want("v1", version="1.4.0")
    story.run("bbb")
    assert (story.state.failed, story.state.stable.revision) == ("v1", "v2")

    story.run("bbb")
    assert (story.state.stable.revision, story.state.phase) == ("v2", Phase.DEGRADED)


def test_a_degraded_version_is_replaced_by_a_new_revision():
    story = Story.of("v1", state=serving())
    story.run("bbb")
    assert story.state.phase is Phase.DEGRADED

    story.want("v2")
    assert (story.state.phase, story.weight) == (Phase.PROGRESSING, 10)


@pytest.mark.parametrize("letters", ["bbb", "b?b?b", "hbbb", "ppp"])
def test_a_promoted_version_is_rolled_back_while_the_route_still_shows_both(letters):
    story = Story.of().begun()
    story.run("h" * 14)
    story.minute("h")
    story.served = {"v1": 1, "v2": 99}
    story.run(letters)

    assert story.state.failed == "v2"
    assert story.state.weights == {"v1": 100}


def test_a_retried_version_that_is_promoted_again_can_be_rolled_back_again():
    story = Story.of().promoted().run("bbb")

    story.want(request="retry/v2/1")
    story.promoted()
    assert (story.state.stable.revision, story.state.restored) == ("v2", False)
    story.run("bbb")
    assert story.state.stable.revision == "v1"
