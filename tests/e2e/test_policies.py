"""Health policies with the shipped operator: what they change is seen everywhere, what they lack only holds."""

import json
import time

import pytest

from tests.e2e.stories import serving
from tests.e2e.traffic import Traffic

pytestmark = pytest.mark.timeout(360)
STEPS = [{"v1": 90, "v2": 10}, {"v1": 50, "v2": 50}, {"v2": 100}]


def policy(name, most="0.05", kind="ClusterHealthPolicy", **metadata):
    return {
        "apiVersion": "modelramp.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, **metadata},
        "spec": {
            "parameters": [{"name": "maxErrorRate", "default": most}],
            "checks": [{"name": "errors", "preset": "traefik-error-rate", "max": "{{params.maxErrorRate}}"}],
        },
    }


def apply(plane, body):
    plane.kubectl("apply", "-f", "-", input=json.dumps(body))


def resolved(status):
    """Revision of the policy that counts; "" while there is none."""
    return next((one.get("revision", "") for one in status.get("policies", ()) if not one.get("problem")), "")


def test_a_policy_that_vanishes_in_a_step_holds_it_and_its_return_goes_on(operator):
    body = policy("vanishing", kind="HealthPolicy", namespace="e2e")
    apply(operator, body)
    rollout = serving(operator, "e2e", "with-policy", checks=[], policies=[{"name": "vanishing"}])
    with Traffic(operator.gateway_url, rollout.hostname) as traffic:
        time.sleep(2)
        rollout.apply("v2")
        rollout.until_step(10)
        operator.kubectl("delete", "hpol", "vanishing", "-n", "e2e")
        gone = rollout.until(lambda s: s.get("reason") == "PolicyUnresolved" and s["ticks"].endswith("???"), 60)
        assert gone["candidate"]["weight"] == 10
        assert gone["breaches"] == 0
        assert "HealthPolicy vanishing: it does not exist in namespace e2e" in gone["message"]
        assert rollout.condition("Ready")["reason"] == "PolicyUnresolved"
        apply(operator, body)
        rollout.until_serving("v2", timeout_s=120)
    assert rollout.weights_seen == [{"v1": 100}, *STEPS]
    assert not traffic.failures()
    told = operator.kubectl("describe", "mdep", "with-policy", "-n", "e2e")
    assert "PolicyUnresolved" in told
    assert "PolicyResolved" in told


def test_a_policys_check_rolls_back_with_the_users_own_limit(operator):
    apply(operator, policy("strict", most=1))
    reference = {"kind": "ClusterHealthPolicy", "name": "strict", "parameters": {"maxErrorRate": "0.05"}}
    rollout = serving(operator, "e2e", "policy-breached", checks=[], policies=[reference])
    with Traffic(operator.gateway_url, rollout.hostname):
        time.sleep(2)
        rollout.apply("v2", ERROR_RATIO=1)
        status = rollout.until_phase("RolledBack", timeout_s=90)
    assert status["breaches"] == 3
    assert status["history"][0]["reason"] == "ThresholdReached"


def test_a_change_is_seen_by_every_user_and_moves_nothing(operator):
    apply(operator, policy("shared"))
    reference = {"kind": "ClusterHealthPolicy", "name": "shared"}
    users = [serving(operator, "e2e", f"user-{number}", checks=[], policies=[reference]) for number in range(4)]
    before = [(user.children("controllerrevision"), user.children("deployment")) for user in users]
    (old,) = {resolved(user.status) for user in users}

    apply(operator, policy("shared", most="0.2"))
    began = time.monotonic()
    for user in users:
        user.until(lambda status: resolved(status) not in ("", old), 30, "at the policy's new revision")
    assert time.monotonic() - began < 10

    time.sleep(6)  # one more tick
    for user, (revisions, deployments) in zip(users, before, strict=True):
        assert [one["metadata"]["uid"] for one in user.children("controllerrevision")] == [
            one["metadata"]["uid"] for one in revisions
        ]
        assert [one["metadata"]["generation"] for one in user.children("deployment")] == [
            one["metadata"]["generation"] for one in deployments
        ]
        assert user.weights_seen == [{"v1": 100}]
        assert user.status["phase"] == "Healthy"
