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
