"""Request rollback: a person goes back to a version that worked, after its successor was promoted."""

import pytest

from modelramp.api.names import Phase, Reason
from modelramp.core.state import Pods, State
from tests.unit.core.story import Story


def promoted(*versions, **options):
    """v1 served first; each further version was promoted after it."""
    story = Story.of(**options)
    for number, version in enumerate(versions or ("2.0.0",), start=2):
        story.want(f"v{number}", version=version)
        story.run("h" * 16)
        assert story.state.stable.revision == f"v{number}"
    story.findings.clear()
    return story


def test_the_version_before_gets_all_traffic_at_once():
    story = promoted()
    story.want(request="rollback/v2/1")

    assert (story.state.weights, story.state.phase) == ({"v1": 100}, Phase.ROLLED_BACK)
    assert story.reasons == [Reason.ROLLED_BACK_BY_REQUEST, Reason.RESTORED]
    assert "a person asked for it; back to 1.4.0 (v1)" in story.findings[0].message
    assert story.state.history[0].outcome == "RolledBack"
    assert story.state.answer.done


def test_what_was_left_stays_out_until_a_person_says_retry():
    story = promoted()
    story.want(request="rollback/v2/1")
    story.run("h" * 20)
    assert (story.state.failed, story.weight) == ("v2", 0)

    story.want(request="retry/v2/2")
    story.run("h")
    assert story.weight == 10


def test_the_commit_that_reverts_finds_the_version_serving():
    story = promoted()
    story.want(request="rollback/v2/1")
    story.want("v1", version="1.4.0")

    assert (story.state.phase, story.state.weights, story.state.candidate) == (Phase.HEALTHY, {"v1": 100}, None)
    assert story.state.failed is None


def test_the_route_keeps_the_version_until_the_pods_of_the_earlier_one_are_ready():
    story = promoted()
    story.served = {"v2": 100}
    story.want(request="rollback/v2/1")
    assert story.state.phase is Phase.ROLLING_BACK

    story.served = None
    story.look()
    assert story.state.phase is Phase.ROLLED_BACK


@pytest.mark.parametrize("to", ["v1", "1.4.0"])
def test_an_older_version_is_named_by_its_revision_or_its_model_version(to):
    story = Story.of("v1", state=State(), version="1.4.0")
    story.run("hh")
    for number in (2, 3):
        story.want(f"v{number}", version=f"{number}.0.0")
        story.run("h" * 16)
    story.want(request=f"rollback/v3/1/{to}")

    assert story.state.weights == {"v1": 100}
    assert story.state.failed == "v3"


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ("rollback/v1/1", "v1 is not the stable version"),
        ("rollback/v2/1/v9", "v9 is not known to have served before"),
        ("rollback/v2/1/v2", "v2 is not known to have served before"),
        ("rollback/v2/1/v1/x", "it is not <verb>/<revision>/<nonce>"),
        ("pause/v2/1/v1", "it is not <verb>/<revision>/<nonce>"),
    ],
)
def test_what_cannot_be_meant_changes_nothing(request_, why):
    story = promoted()
    story.want(request=request_)

    assert story.state.weights == {"v2": 100}
    assert why in story.state.answer.message
    assert not story.state.answer.done


def test_a_version_that_was_rolled_back_is_no_way_back():
    story = promoted()
    story.want("v3", version="3.0.0")
    story.run("bbb")
    story.want("v2", version="2.0.0", request="rollback/v2/1/v3")

    assert story.state.weights == {"v2": 100}
    assert "v3 is not known to have served before" in story.state.answer.message


def test_a_second_rollback_finds_nothing_earlier():
    story = promoted()
    story.want(request="rollback/v2/1")
    story.want(request="rollback/v1/2")

    assert "no earlier version is at hand" in story.state.answer.message
    assert story.state.weights == {"v1": 100}


def test_while_a_rollout_has_traffic_it_is_aborted_first():
    story = promoted()
    story.want("v3", version="3.0.0")
    story.run("h")
    story.want(request="rollback/v2/1")

    assert (story.weight, story.state.answer.done) == (10, False)
    assert "3.0.0 (v3) is in flight; abort it first" in story.state.answer.message


def test_a_rollout_that_waits_for_its_pods_goes_on_behind_the_earlier_version():
    story = promoted()
    story.pods["v3"] = Pods(1, 0, 0)
    story.want("v3", version="3.0.0")
    story.want(request="rollback/v2/1")
    assert story.state.weights == {"v1": 100}
    assert story.state.candidate.version.revision == "v3"

    del story.pods["v3"]
    story.run("h")
    assert story.weight == 10


def test_a_version_whose_template_is_gone_is_said_to_be_gone():
    story = promoted()
    story.forgotten.add("v1")
    story.want(request="rollback/v2/1")

    assert story.state.weights == {"v2": 100}
    assert "the ControllerRevision of 1.4.0 (v1) is gone" in story.state.answer.message


def test_the_same_text_goes_back_once():
    story = promoted("2.0.0", "3.0.0")
    story.want(request="rollback/v3/1")
    assert story.state.weights == {"v2": 100}
    story.want("v4", version="4.0.0")
    story.run("h" * 16)
    story.want(request="rollback/v3/1")

    assert story.state.weights == {"v4": 100}


def test_a_version_that_came_back_is_watched_and_not_exchanged_again():
    story = promoted()
    story.want(request="rollback/v2/1")
    story.run("h" + "b" * 6)

    assert (story.state.weights, story.state.phase) == ({"v1": 100}, Phase.DEGRADED)
