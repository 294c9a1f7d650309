"""Whole rollouts with real traffic: promotion, rollback at every stage, superseding, people's commands."""

import pytest

pytestmark = pytest.mark.timeout(360)
STEPS = [{"v1": 90, "v2": 10}, {"v1": 50, "v2": 50}, {"v2": 100}]


def test_traffic_moves_10_50_100_and_no_request_fails(stories):
    rollout, traffic, (promoted, asked, _), (status, deployments, ready), _ = stories["promotion"].result()

    assert rollout.weights_seen == [{"v1": 100}, *STEPS, {"v1": 100}]
    assert not traffic.failures()
    assert set(traffic.shares(since=promoted + 3, until=asked)) == {"v2"}
    assert status["stable"]["modelVersion"] == "v2"
    assert status["previous"]["modelVersion"] == "v1"
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted", "Promoted"]
    assert ready["status"] == "True"
    assert sorted(item["spec"]["replicas"] for item in deployments) == [0, 2]


def test_a_manifest_that_is_applied_every_second_moves_nothing_and_conflicts_with_nobody(stories):
    rollout, traffic, answers, (first, last) = stories["applied_all_through"].result()

    assert set(answers) == {200}
    assert len(answers) > 10
    assert {"another-tool", "kubectl-client-side-apply", "modelramp"} <= {e["manager"] for e in last["managedFields"]}
    assert first["generation"] == last["generation"]
    assert rollout.weights_seen == [{"v1": 100}, *STEPS]
    assert not traffic.failures()


def test_a_person_goes_back_after_promotion_and_no_request_fails(stories):
    rollout, traffic, (_, _, returned), _, (code, text) = stories["promotion"].result()

    assert code == 0, text
    assert "a person asked for it; back to v1" in text
    assert set(traffic.shares(since=returned + 2)) == {"v1"}
    assert not traffic.failures()
    assert rollout.status["phase"] == "RolledBack"
    assert rollout.status["request"].split("/")[2].startswith("answers-look-odd-")


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
    _, waiting, aborted, said = stories["held"].result()

    assert waiting["candidate"]["weight"] == 10, "a hold check without data blocks promotion"
    assert "labels holds promotion" in waiting["message"]
    assert waiting["breaches"] == 0
    assert aborted["history"][0]["reason"] == "Aborted"
    assert {verb: code for verb, (code, _) in said.items()} == {
        "status": 3,
        "why": 0,
        "get": 0,
        "diff": 0,
        "promote": 0,
        "pause": 0,
        "paused": 3,
        "abort": 0,
        "aborted": 1,
        "again": 1,
        "history": 0,
        "retry": 0,
    }
    assert "labels holds promotion" in said["status"][1]
    assert "check labels holds" in said["why"][1]
    assert "no_such_metric" in said["why"][1], "the query of a check that is not healthy"
    shown = {row[2]: row for line in said["get"][1].splitlines() if len(row := line.split()) > 7}
    assert shown["stable"][4:8] == ["90", "%", "90", "%"], "wanted and on the route"
    assert shown["candidate"][4:8] == ["10", "%", "10", "%"]
    assert "+  version: v2" in said["diff"][1].splitlines()
    assert "a person asked for it" in said["history"][1]
    assert "a person asked for it" in said["abort"][1]
    assert "no rollout is in flight" in said["again"][1]
