"""Blue/green rollouts on real parts: a preview on its own host, then all traffic at once, and the way back."""

import pytest

import tests.e2e.blue_green_stories  # noqa: F401 - registers its stories

pytestmark = pytest.mark.timeout(360)
NOT_FOUND = 404


def test_no_request_fails_through_preview_switch_and_promotion(stories):
    rollout, live, preview, hosts, message = stories["blue_green_promotion"].result()

    assert rollout.weights_seen == [{"v1": 100}, {"v2": 100}]
    assert live.failures() == {}
    assert set(preview.shares()) == {"v2"}, "the preview's host reaches the candidate only"
    assert preview.failures() == {}
    assert hosts == (NOT_FOUND, NOT_FOUND), "before the preview, and after the promotion"
    assert message.startswith("preview of v2 (")


def test_breaches_after_the_switch_give_everything_back_at_once(stories):
    rollout, live, status, back = stories["blue_green_breach_after_the_switch"].result()

    assert rollout.weights_seen == [{"v1": 100}, {"v2": 100}, {"v1": 100}]
    assert live.failures() == {}
    assert "from 100 %" in status["history"][0]["message"]
    assert set(live.shares(since=back + 2)) == {"v1"}


def test_a_version_that_fails_in_its_preview_never_has_live_traffic(stories):
    rollout, live, status = stories["blue_green_breach_in_the_preview"].result()

    assert rollout.weights_seen == [{"v1": 100}]
    assert set(live.shares()) == {"v1"}
    assert live.failures() == {}
    assert "from its preview" in status["history"][0]["message"]


def test_an_abort_in_the_preview_leaves_what_serves_alone(stories):
    rollout, live, preview, waiting, status, after = stories["blue_green_abort"].result()

    assert "the switch waits for approval" in waiting["message"]
    assert rollout.weights_seen == [{"v1": 100}]
    assert (set(live.shares()), live.failures()) == ({"v1"}, {})
    assert set(preview.shares()) == {"v2"}
    assert (status["history"][0]["reason"], after) == ("Aborted", NOT_FOUND)
