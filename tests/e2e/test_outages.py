"""The operator killed, Prometheus gone: a decision may come later, never wrong. These run alone, after the stories."""

import time
from concurrent.futures import wait

import pytest

from tests.e2e.conftest import kill_operator, operator_pod, wait_until
from tests.e2e.stories import serving
from tests.e2e.traffic import Traffic

pytestmark = pytest.mark.timeout(360)
STEPS = [{"v1": 90, "v2": 10}, {"v1": 50, "v2": 50}, {"v2": 100}]


@pytest.fixture(autouse=True)
def alone(stories):
    """Outages disturb everybody."""
    wait(stories.values())


def test_an_operator_killed_in_the_middle_of_each_step_still_promotes_step_by_step(operator):
    rollout = serving(operator, "e2e", "killed-stepping")
    with Traffic(operator.gateway_url, rollout.hostname) as traffic:
        rollout.apply("v2")
        for weight in (10, 50):
            rollout.until_step(weight)
            time.sleep(3)
            kill_operator(operator)
        rollout.until_serving("v2", timeout_s=120)
    assert rollout.weights_seen == [{"v1": 100}, *STEPS]
    assert not traffic.failures()


def test_an_operator_killed_during_a_rollback_finishes_it(operator):
    rollout = serving(operator, "e2e", "killed-rolling-back")
    with Traffic(operator.gateway_url, rollout.hostname) as traffic:
        time.sleep(2)
        rollout.apply("v2", ERROR_RATIO=1)
        rollout.until(lambda s: s.get("breaches") == 2, 60, "at two breaches")
        kill_operator(operator)
        status = rollout.until_phase("RolledBack", timeout_s=60)
        back = time.monotonic()
        time.sleep(5)
    assert status["breaches"] == 3
    assert {"v1": 50, "v2": 50} not in rollout.weights_seen
    assert set(traffic.shares(since=back + 3)) == {"v1"}


def test_breaches_of_the_minutes_in_which_the_operator_was_down_count(operator):
    rollout = serving(operator, "e2e", "down-while-bad")
    deployment = ("deployment/modelramp", "-n", "modelramp-system")
    with Traffic(operator.gateway_url, rollout.hostname):
        time.sleep(2)
        rollout.apply("v2", ERROR_RATIO=1)
        rollout.until(lambda s: s.get("breaches") == 1, 60, "at one breach")
        operator.kubectl("scale", *deployment, "--replicas=0")
        wait_until(lambda: not operator_pod(operator), 40)
        time.sleep(15)
        operator.kubectl("scale", *deployment, "--replicas=1")
        status = rollout.until_phase("RolledBack", timeout_s=60)
    assert status["history"][0]["reason"] == "ThresholdReached"


def test_without_prometheus_nothing_is_promoted_and_nothing_rolled_back(operator):
    rollout = serving(operator, "e2e", "blind")
    with Traffic(operator.gateway_url, rollout.hostname) as traffic:
        rollout.apply("v2")
        rollout.until_step(10)
        operator.stop_component("prometheus")
        try:
            blind = rollout.until(lambda s: s.get("ticks", "").endswith("????"), 90, "without data for four ticks")
            assert blind["candidate"]["weight"] == 10
            assert blind["breaches"] == 0
            reasons = {check["reason"] for check in blind["checks"]}
            assert reasons <= {"PrometheusUnreachable", "PrometheusTimeout"}
        finally:
            operator.start_component("prometheus")
        rollout.until_serving("v2", timeout_s=120)
    assert rollout.weights_seen == [{"v1": 100}, *STEPS]
    assert not traffic.failures()


def test_without_the_api_server_traffic_flows_and_the_rollout_goes_on_afterwards(operator):
    rollout = serving(operator, "e2e", "headless")
    with Traffic(operator.gateway_url, rollout.hostname) as traffic:
        rollout.apply("v2")
        rollout.until_step(10)
        operator.stop_component("apiserver")
        time.sleep(12)
        operator.start_component("apiserver")
        rollout.until_serving("v2", timeout_s=150)
    assert rollout.weights_seen == [{"v1": 100}, *STEPS]
    assert not traffic.failures()
