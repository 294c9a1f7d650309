"""What kubectl shows of the resource, and how two people's changes to it meet."""

import json

import pytest

from tests.refused.samples import EVERY_FIELD, load


@pytest.fixture
def digits(resource):
    """A ModelDeployment with a status as the operator writes it."""
    manifest = load(EVERY_FIELD)
    resource.kubectl("apply", "-f", "-", input=json.dumps(manifest))
    status = {
        "phase": "Progressing",
        "reason": "StepRunning",
        "message": "step 2/3: 50 % on 2.0.0",
        "stable": {"revision": "5b1d", "modelVersion": "1.4.0"},
        "candidate": {"revision": "7c9f", "modelVersion": "2.0.0", "weight": 50, "step": 1},
        "progress": "2/3",
        "breaches": 1,
        "ticks": "++++?+++-",
        "scores": {"operational": 100, "technical": 66},
        "next": "12:04:05Z",
        "replicas": 3,
        "selector": "modelramp.io/deployment=digits",
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "StepRunning", "lastTransitionTime": "2026-11-20T12:00:00Z"}
        ],
    }
    patch = json.dumps({"status": status})
    args = ("mdep", "digits")
    resource.kubectl("patch", *args, "--subresource=status", "--type=merge", "-p", patch)
    yield lambda verb, *more: resource.kubectl(verb, *args, *more)
    resource.kubectl("delete", *args)


def test_get_answers_what_serves_what_is_tried_and_what_is_next(digits):
    header, row = digits("get").splitlines()
    assert header.split() == [
        *("NAME", "PHASE", "READY", "MODEL", "CANDIDATE", "WEIGHT", "STEP", "BREACHES"),
        *("TICKS", "NEXT", "REASON", "REVISION", "AGE"),
    ]
    assert row.split()[:12] == [
        *("digits", "Progressing", "False", "1.4.0", "2.0.0", "50", "2/3", "1"),
        *("++++?+++-", "12:04:05Z", "StepRunning", "5b1d"),
    ]
    wide = digits("get", "-o", "wide")
    assert "step 2/3: 50 % on 2.0.0" in wide
    assert '{"operational":100,"technical":66}' in wide


def test_it_is_found_by_get_all(resource, digits):
    assert "modeldeployment.modelramp.io/digits" in resource.kubectl("get", "all")


def test_a_scaler_reads_and_writes_its_replicas(digits):
    scale = json.loads(digits("get", "--subresource=scale", "-o", "json"))
    assert scale["spec"]["replicas"] == 3
    assert scale["status"] == {"replicas": 3, "selector": "modelramp.io/deployment=digits"}
    digits("scale", "--replicas=5")
    assert json.loads(digits("get", "-o", "json"))["spec"]["replicas"] == 5


def test_a_spec_change_leaves_the_status_alone_and_counts_a_generation(digits):
    before = json.loads(digits("get", "-o", "json"))
    digits("patch", "--type=merge", "-p", json.dumps({"spec": {"replicas": 4}, "status": {"phase": "Healthy"}}))
    after = json.loads(digits("get", "-o", "json"))
    assert after["status"] == before["status"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1


def test_checks_of_two_field_managers_are_merged_by_name(resource, digits):
    part = {
        "apiVersion": "modelramp.io/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "digits", "namespace": "default"},
        "spec": {"health": {"checks": [{"name": "accuracy", "preset": "reference-accuracy", "role": "hold"}]}},
    }
    resource.kubectl("apply", "--server-side", "--field-manager=data-science", "-f", "-", input=json.dumps(part))
    names = [check["name"] for check in json.loads(digits("get", "-o", "json"))["spec"]["health"]["checks"]]
    before = [check["name"] for check in load(EVERY_FIELD)["spec"]["health"]["checks"]]
    assert sorted(names) == sorted(["accuracy", *before])


def test_explain_describes_the_fields(resource, digits):
    assert "Maximum: a higher value is a breach" in resource.kubectl(
        "explain", "modeldeployment.spec.health.checks.max"
    )
