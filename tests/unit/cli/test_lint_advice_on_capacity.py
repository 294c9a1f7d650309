"""Lint says how few pods may have to carry everything after a breach."""

import json

import pytest

from modelramp.api.advice import Level
from modelramp.cli.commands.lint import lint_text
from modelramp.cli.lint.advice import advice
from tests.unit.core.story import spec


def told(replicas, **capacity):
    wanted = spec(replicas=replicas, rollout={"capacity": capacity})
    found = advice(wanted, {"spec": {"containers": []}}, {}.get)
    return [(one.level, one.message) for one in found if one.path.startswith("spec.rollout.capacity")]


@pytest.mark.parametrize(
    ("capacity", "few"), [({"maxSurge": 1}, 1), ({"maxSurge": "30%"}, 3), ({"maxSurge": 0, "maxUnavailable": 1}, 1)]
)
def test_a_small_room_has_a_worst_case(capacity, few):
    text = (
        f"after a breach at 100 % {few} of 8 pods of the stable version carry all traffic until the others have started"
    )
    assert told(8, **capacity) == [(Level.WARNING, text)]


@pytest.mark.parametrize("capacity", [{}, {"candidate": "Full"}, {"maxSurge": 8}])
def test_room_for_both_versions_has_none(capacity):
    assert told(8, **capacity) == []


def test_a_single_pod_without_a_surge_can_never_be_replaced():
    [(level, text)] = told(1, maxSurge=0, maxUnavailable=1)
    assert (level, "set maxSurge to 1" in text) == (Level.ERROR, True)


def in_gpus(each, surge, *, replicas=8, **capacity):
    """Advice on a surge in GPUs, as (level, path, message). each: what a pod asks for."""
    resources = {"limits": {"nvidia.com/gpu": each}} if each else {}
    capacity = {"maxSurgeResources": {"nvidia.com/gpu": surge}, **capacity}
    wanted = spec(replicas=replicas, rollout={"capacity": capacity}).model_copy(
        update={"template": {"spec": {"containers": [{"name": "model", "resources": resources}]}}}
    )
    found = advice(wanted, {"spec": {"containers": []}}, {}.get)
    return [
        (one.level, one.path, one.message)
        for one in found
        if one.path.startswith("spec.rollout.capacity.maxSurgeResources")
    ]


@pytest.mark.parametrize(
    ("each", "surge", "capacity", "fix"),
    [
        (2, 1, {}, "is less than one pod asks for (2): raise it to 2, or set maxUnavailable to 1"),
        (2, "1", {"replicas": 1, "maxUnavailable": 1}, "is less than one pod asks for (2): raise it to 2"),
        (0, 1, {}, "no container asks for it: remove it, or write it into the resources of a container"),
    ],
)
def test_a_surge_in_gpus_within_which_no_rollout_ends_is_an_error(each, surge, capacity, fix):
    path = "spec.rollout.capacity.maxSurgeResources[nvidia.com/gpu]"
    assert in_gpus(each, surge, **capacity) == [(Level.ERROR, path, fix)]


@pytest.mark.parametrize(
    ("each", "surge", "capacity"),
    [(2, 2, {}), (2, 1, {"maxUnavailable": 1}), (1, "1500m", {}), (2, 0, {"maxUnavailable": 1})],
)
def test_a_surge_in_gpus_that_has_a_pod_is_none(each, surge, capacity):
    assert in_gpus(each, surge, **capacity) == []


def test_a_surge_in_gpus_has_a_worst_case_in_pods():
    wanted = spec(rollout={"capacity": {"maxSurgeResources": {"nvidia.com/gpu": 5}}}, replicas=8).model_copy(
        update={"template": {"spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": 2}}}]}}}
    )
    found = [
        one.message for one in advice(wanted, {"spec": {"containers": []}}, {}.get) if "pods of the" in one.message
    ]
    assert found == [
        "after a breach at 100 % 2 of 8 pods of the stable version carry all traffic until the others have started"
    ]


def test_one_version_at_a_time_is_an_outage():
    wanted = spec(rollout={"strategy": "Replace", "progressDeadline": "15m"})
    found = advice(wanted, {"spec": {"containers": []}}, {}.get)
    [(level, text)] = [(one.level, one.message) for one in found if one.path == "spec.rollout.strategy"]
    assert (level, "an outage lasts as long as a start, 15m at most" in text) == (Level.WARNING, True)


def test_no_replicas_serve_nothing():
    found = advice(spec(replicas=0), {"spec": {"containers": []}}, {}.get)
    assert [one.level for one in found if one.path == "spec.replicas"] == [Level.WARNING]
    assert told(0) == []


@pytest.mark.parametrize(
    ("target", "warns"),
    [
        ({"kind": "Deployment", "name": "digits-7c9fxwq2kd"}, True),
        ({"name": "digits-7c9fxwq2kd"}, True),  # a ScaledObject without a kind means a Deployment
        ({"kind": "ModelDeployment", "name": "digits"}, False),
        ({"kind": "Deployment", "name": "digits-cache"}, False),
        ({"kind": "Deployment", "name": "other-7c9fxwq2kd"}, False),
    ],
)
def test_an_autoscaler_of_one_revision_should_target_the_model(target, warns):
    autoscaler = {"kind": "HorizontalPodAutoscaler", "spec": {"scaleTargetRef": target}}
    found = [one for one in lint(MODEL, autoscaler) if "scaleTargetRef" in one.message]
    assert [(one.level, one.path) for one in found] == ([(Level.WARNING, "spec.replicas")] if warns else [])


MODEL = {
    "apiVersion": "modelramp.io/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "digits"},
    "spec": {
        "model": {"name": "digits", "version": "1"},
        "template": {"spec": {"containers": [{"name": "m", "image": "m:1"}]}},
        "routing": {"gateway": {"parentRefs": [{"name": "public"}]}},
    },
}


def lint(*objects):
    _, findings = lint_text("all.yaml", "---\n".join(json.dumps(one) + "\n" for one in objects).encode())
    return findings
