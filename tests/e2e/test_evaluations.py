"""Real Jobs decide whether a version gets traffic at all."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.conftest import AT_ONCE, NAMESPACE
from tests.e2e.evaluations import NO_RESULT, STORIES, record

pytestmark = pytest.mark.timeout(360)
FIRST = {"v1": 100}


@pytest.fixture(scope="module")
def stories(operator):
    """All stories of this kind; a test waits for its own."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        yield {name: pool.submit(story, operator, NAMESPACE) for name, story in STORIES.items()}


def test_a_version_that_passes_is_rolled_out_and_its_results_are_recorded(stories):
    rollout, running, passed, job = stories["passes"].result()

    assert running["candidate"]["weight"] == 0
    assert "is evaluated before it gets traffic" in running["message"]
    assert passed["candidate"]["evaluation"]["metrics"][0]["verdict"] == "healthy"
    assert rollout.weights_seen[:2] == [FIRST, {"v1": 90, "v2": 10}]
    assert record(rollout, "v2") == {"state": "Passed", "metrics": {"accuracy": 0.97, "robustness": 0.8}}
    told = {entry["name"]: entry.get("value", "") for entry in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert told["MODELRAMP_MODEL_VERSION"] == "v2"
    assert told["MODELRAMP_STABLE_URL"] != told["MODELRAMP_CANDIDATE_URL"]


def test_a_version_below_the_limit_is_rolled_back_before_a_single_user_sees_it(stories):
    rollout, by_limit, _ = stories["fails"].result()

    assert (by_limit["reason"], by_limit["stable"]["modelVersion"]) == ("EvaluationFailed", "v1")
    assert "accuracy 0.8 is below the minimum 0.9" in by_limit["history"][0]["message"]
    assert by_limit["history"][0]["weight"] == 0
    assert rollout.weights_seen == [FIRST]
    assert record(rollout, "v2") == {"state": "Failed", "metrics": {"accuracy": 0.8}}


def test_a_version_that_is_worse_than_the_recorded_one_is_rolled_back(stories):
    _, _, against_stable = stories["fails"].result()

    assert "accuracy 0.94 is 0.03 below the stable version's 0.97" in against_stable["history"][0]["message"]


@pytest.mark.parametrize("name", NO_RESULT)
def test_without_a_result_it_waits_and_says_why(stories, name):
    _, told, _ = stories["says_nothing"].result()
    status = told[name]

    assert NO_RESULT[name][1] in status["message"]
    assert (status["phase"], status["candidate"]["weight"], status["stable"]["modelVersion"]) == (
        "Progressing",
        0,
        "v1",
    )


def test_a_corrected_template_runs_again_and_the_rollout_goes_on(stories):
    rollout, _, status = stories["says_nothing"].result()

    assert status["candidate"]["evaluation"]["state"] == "Passed"
    assert rollout.weights_seen[:2] == [FIRST, {"v1": 90, "v2": 10}]


def test_a_job_that_hangs_is_ended_by_its_timeout_and_one_that_is_aborted_goes(stories):
    rollout, running, hung, aborted, _ = stories["hangs"].result()

    assert running["candidate"]["evaluation"]["state"] == "Running"
    assert "did not end within 10 s" in hung["message"]
    assert aborted["reason"] == "Aborted"
    assert rollout.weights_seen == [FIRST]


def test_a_first_version_that_fails_serves_nothing_until_it_is_corrected(stories):
    _, failed, routes, served = stories["first_fails"].result()

    assert (failed["reason"], failed.get("stable"), routes) == ("EvaluationFailed", None, [])
    assert served["stable"]["modelVersion"] == "v1"


def test_a_job_that_the_api_server_refuses_is_said_in_its_words_and_can_be_corrected(stories):
    _, refused, stepped = stories["refused_job"].result()

    assert "volumeMounts" in refused["message"]
    assert stepped["candidate"]["weight"] == 10


def test_results_may_stand_in_a_config_map(stories):
    rollout, missing = stories["config_map"].result()

    assert record(rollout, "v1") == {"state": "Passed", "metrics": {"accuracy": 0.98}}
    assert "without creating the ConfigMap" in missing["message"]


def test_the_sample_tells_the_demo_s_models_apart_before_a_single_user_sees_them(stories):
    rollout, served, wrong, unfair = stories["golden_set"].result()

    assert served["stable"]["modelVersion"] == "2.0.0"
    assert "accuracy 0.1321 is below the minimum 0.9" in wrong["history"][0]["message"]
    assert "fairness-gap 0.2058 is above the maximum 0.05" in unfair["history"][0]["message"]
    assert rollout.weights_seen == [{"2.0.0": 100}]
    assert record(rollout, "5.0.0")["metrics"]["accuracy"] > 0.97
