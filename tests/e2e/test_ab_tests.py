"""A/B tests on real parts: a winner, harm and no difference, each with its evidence in the status."""

import pytest

import tests.e2e.ab_stories  # noqa: F401 - registers its stories

pytestmark = pytest.mark.timeout(360)
BY_REQUEST = "each request was assigned by itself, and requests were compared"


def test_the_version_that_fails_less_often_wins_and_is_promoted(stories):
    rollout, _, status = stories["ab_winner"].result()

    assert rollout.weights_seen == [{"v1": 100}, {"v1": 50, "v2": 50}, {"v2": 100}]
    assert status["experiment"]["verdict"] == "Winner"
    assert status["experiment"]["difference"].startswith("-")
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted", "Promoted"]
    assert "A/B test won: the candidate is better; errors " in status["history"][0]["message"]
    assert status["history"][0]["message"].endswith(BY_REQUEST)


def test_harm_takes_the_traffic_back_long_before_the_least_time(stories):
    rollout, traffic, status = stories["ab_harm"].result()

    assert rollout.weights_seen == [{"v1": 100}, {"v1": 50, "v2": 50}, {"v1": 100}]
    assert (status["history"][0]["outcome"], status["reason"]) == ("Harm", "ABTestHarm")
    assert rollout.condition("Stalled")["reason"] == "ABTestHarm"
    assert traffic.answers[-1].tag != "v2"


def test_two_equal_versions_end_with_the_old_one(stories):
    rollout, _, status = stories["ab_no_difference"].result()

    assert rollout.weights_seen[-1] == {"v1": 100}
    assert status["history"][0]["outcome"] == "NoDifference"
    assert "against 50 : 50, chi-square" in status["experiment"]["sampleRatio"]
    assert "p < 0.0001" not in status["experiment"]["sampleRatio"]
