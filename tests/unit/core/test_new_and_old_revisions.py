"""What happens when the spec asks for another revision: begin, supersede, go back."""

import pytest

from modelramp.api.names import Phase, Reason
from modelramp.core.state import Pods
from tests.unit.core.story import START, Story


def test_the_same_revision_starts_nothing():
    story = Story.of("v1")
    before = story.state
    story.look()

    assert story.state == before


def test_a_new_revision_supersedes_the_one_in_flight_whose_traffic_goes_first():
    story = Story.of().begun().run("h" * 5)
    assert story.weight == 50

    story.pods["v3"] = Pods(1, 0, 0)
    story.want("v3", version="3.0.0")
    assert story.state.weights == {"v1": 100}
    assert story.state.candidate.version.revision == "v3"
    assert (story.state.history[0].revision, story.state.history[0].outcome) == ("v2", "Superseded")
    assert story.state.history[0].weight == 50

    story.pods.clear()
    story.look()
    assert story.state.weights == {"v1": 90, "v3": 10}


def test_breaches_of_a_superseded_revision_are_not_the_next_ones():
    story = Story.of().begun().run("bb")

    story.want("v3", version="3.0.0")
    story.run("bb")
    assert (story.state.failed, story.state.watch.breaches) == (None, 2)


def test_breaches_of_a_superseded_revision_are_not_shown_as_those_of_what_serves():
    story = Story.of().begun().run("bb")
    story.pods["v3"] = Pods(1, 0, 0)

    story.want("v3", version="3.0.0")
    assert story.state.watch is None


def test_ten_edits_within_a_second_leave_the_last_one_and_full_stable_traffic():
    story = Story.of().begun()
    for number in range(3, 13):
        story.pods[f"v{number}"] = Pods(1, 0, 0)
        story.want(f"v{number}", version=f"{number}.0.0")

    assert story.state.candidate.version.revision == "v12"
    assert story.state.weights == {"v1": 100}
    assert {item.revision for item in story.state.retiring} == {f"v{number}" for number in range(2, 12)}


@pytest.mark.parametrize("minutes", ["", "h", "hhhhh", "hhhhhhhhhh", "bb"])
def test_going_back_to_the_stable_revision_withdraws_at_once_and_nothing_has_failed(minutes):
    story = Story.of().begun().run(minutes)

    story.want("v1")
    assert (story.state.phase, story.state.failed, story.state.weights) == (Phase.HEALTHY, None, {"v1": 100})
    assert (story.state.history[0].outcome, story.state.history[0].reason) == ("Withdrawn", Reason.REVERTED)


def test_a_failed_revision_stays_without_traffic_for_ever():
    story = Story.of().begun().run("bbb")

    story.run("h?b" * 20)
    assert story.state.weights == {"v1": 100}
    assert story.state.failed == "v2"


def test_a_failed_revision_is_not_begun_again_by_a_change_that_is_no_new_revision():
    story = Story.of().begun().run("bbb")

    story.want(replicas=3, failureThreshold=5)
    assert story.state.candidate is None
    assert story.state.phase is Phase.ROLLED_BACK


def test_a_person_who_goes_back_to_stable_and_asks_for_the_failed_revision_again_gets_it():
    story = Story.of().begun().run("bbb")

    story.want("v1")
    assert (story.state.phase, story.state.failed, story.state.reason) == (Phase.HEALTHY, None, Reason.REVERTED)
    story.want("v2")
    assert story.weight == 10


def test_after_a_failure_a_third_revision_is_begun_and_the_failed_one_is_forgotten():
    story = Story.of().begun().run("bbb")

    story.want("v3", version="3.0.0")
    assert (story.state.failed, story.weight, story.state.phase) == (None, 10, Phase.PROGRESSING)


def test_a_new_revision_right_after_promotion_begins_behind_it():
    story = Story.of().promoted()

    story.want("v3", version="3.0.0")
    assert story.state.weights == {"v2": 90, "v3": 10}
    assert story.state.previous.revision == "v1"


def test_pods_of_a_withdrawn_candidate_end_only_after_the_route_is_without_it():
    story = Story.of().begun()
    story.served = {"v1": 90, "v2": 10}
    story.run("bbb")
    assert [(item.revision, item.at) for item in story.state.retiring] == [("v2", None)]

    story.now += 100
    story.served = None
    story.look()
    assert [(item.revision, item.at) for item in story.state.retiring] == [("v2", story.now + 30)]

    story.now += 29
    story.look()
    assert story.state.retiring
    story.now += 1
    story.look()
    assert story.state.retiring == ()


def test_a_candidate_that_was_retiring_keeps_its_pods():
    story = Story.of().promoted()
    assert [item.revision for item in story.state.retiring] == ["v1"]

    story.want("v1")
    assert "v1" not in {item.revision for item in story.state.retiring}
    assert story.state.candidate.version.revision == "v1"


def test_rolling_back_waits_for_the_route_to_show_it():
    story = Story.of().begun()
    story.served = {"v1": 90, "v2": 10}

    story.run("bbb")
    assert story.state.phase is Phase.ROLLING_BACK
    story.served = None
    story.look()
    assert (story.state.phase, story.reasons[-1]) == (Phase.ROLLED_BACK, Reason.RESTORED)


def test_history_keeps_the_newest_twenty():
    story = Story.of().begun()
    for number in range(3, 30):
        story.want(f"v{number}", version=f"{number}")

    assert len(story.state.history) == 20
    assert story.state.history[0].revision == "v28"


def test_a_version_idle_behind_a_candidate_with_everything_is_not_blamed_for_the_silence():
    story = Story.of().begun().run("h" * 10)
    assert story.state.weights == {"v2": 100}
    story.served = {"v2": 100}

    story.run("bbb")
    assert story.state.phase is Phase.ROLLING_BACK
    story.now += 7
    story.served = None
    story.look()
    assert story.state.stable.traffic_since == story.now > START
    story.minute("b")
    assert (story.state.watch.revision, story.state.watch.breaches, story.state.recent_ticks[-1]) == ("v1", 0, "?")
