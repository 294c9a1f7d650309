"""Whole rollouts with real traffic: promotion, rollback at every stage, superseding, people's commands."""

import pytest

pytestmark = pytest.mark.timeout(360)
STEPS = [{"v1": 90, "v2": 10}, {"v1": 50, "v2": 50}, {"v2": 100}]


def test_traffic_moves_10_50_100_and_no_request_fails(stories):
    rollout, traffic, promoted = stories["promotion"].result()

    assert rollout.weights_seen == [{"v1": 100}, *STEPS]
    assert not traffic.failures()
    assert set(traffic.shares(since=promoted + 3)) == {"v2"}
    status = rollout.status
    assert status["stable"]["modelVersion"] == "v2"
    assert status["previous"]["modelVersion"] == "v1"
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted", "Promoted"]
    assert rollout.condition("Ready")["status"] == "True"
    replicas = {item["metadata"]["name"]: item["spec"]["replicas"] for item in rollout.children("deployment")}
    assert sorted(replicas.values()) == [0, 2]


def test_three_breaches_in_a_row_at_10_percent_bring_the_old_version_back(stories):
    rollout, traffic, status, back = stories["rollback_at_10"].result()

    assert {"v1": 50, "v2": 50} not in rollout.weights_seen
    assert rollout.weights_seen[-1] == {"v1": 100}
    assert status["breaches"] == 3
    assert status["ticks"].endswith("---")
    assert "third breach in a row" in status["message"]
    assert set(traffic.shares(since=back + 3)) == {"v1"}
    assert {status for status, _ in traffic.failures()} == {500}, "only what v2 itself answered may have failed"
    assert rollout.condition("Stalled")["reason"] == "ThresholdReached"
    assert rollout.condition("Available")["status"] == "True"
    assert rollout.condition("Reconciling")["status"] == "Absent"


def test_a_version_that_fails_at_50_percent_goes_back(stories):
    rollout, traffic, status, back = stories["rollback_at_50"].result()

    assert rollout.weights_seen == [{"v1": 100}, STEPS[0], STEPS[1], {"v1": 100}]
    assert status["history"][0]["weight"] == 50
    assert set(traffic.shares(since=back + 3)) == {"v1"}
    assert not traffic.failures()


def test_a_version_that_fails_after_promotion_goes_back_once_and_not_again(stories):
    _rollout, traffic, first, second, last = stories["rollback_after_promotion"].result()

    assert first["stable"]["modelVersion"] == "v1"
    assert first["restored"] is True
    assert first["failedRevision"] == first["history"][0]["revision"]
    assert second["stable"]["modelVersion"] == "v1", "no ping-pong: the restored version stays"
    assert second["reason"] == "NothingToRestore"
    assert last["stable"]["modelVersion"] == "v1"
    assert not traffic.failures()


def test_a_newer_version_supersedes_the_one_in_flight(stories):
    rollout, traffic = stories["superseding"].result()

    assert not traffic.failures()
    assert {"v2": 100} not in rollout.weights_seen
    assert rollout.weights_seen[-1] == {"v3": 100}
    assert [entry["outcome"] for entry in rollout.status["history"]] == ["Promoted", "Superseded", "Promoted"]


def test_going_back_to_the_stable_template_ends_the_rollout_at_once(stories):
    _rollout, status = stories["going_back_in_git"].result()

    assert status["phase"] == "Healthy"
    assert status["history"][0]["outcome"] == "Withdrawn"
    assert "failedRevision" not in status


def test_people_promote_pause_abort_and_retry(stories):
    _, waiting, aborted = stories["held"].result()

    assert waiting["candidate"]["weight"] == 10, "a hold check without data blocks promotion"
    assert "labels holds promotion" in waiting["message"]
    assert waiting["breaches"] == 0
    assert aborted["history"][0]["reason"] == "Aborted"
