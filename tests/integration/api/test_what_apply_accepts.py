"""What people write for a Deployment they can write for a ModelDeployment, and little is enough."""

import json
from pathlib import Path

import pytest
import yaml

from modelramp.api.spec import parse_spec
from modelramp.api.structural import without_nulls
from modelramp.cli.policy_file import as_stored
from modelramp.core.revisions import revision_of
from tests.refused.samples import ACCEPTED, load

SAMPLES = sorted(
    path
    for path in (Path(__file__).parents[3] / "examples").rglob("*.yaml")
    if "kind: ModelDeployment" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("path", [*ACCEPTED, *SAMPLES], ids=lambda path: path.stem)
def test_the_manifest_is_accepted(path, resource):
    namespaces = {one.get("metadata", {}).get("namespace", "default") for one in _documents(path)}
    existing = resource.kubectl("get", "namespaces", "-o", "name").split()
    for namespace in namespaces:
        if f"namespace/{namespace}" not in existing:
            resource.kubectl("create", "namespace", namespace)
    for one in _documents(path):
        resource.kubectl("apply", "--dry-run=server", "-f", "-", input=json.dumps(one))


WITH_TEMPLATE = [path for path in ACCEPTED if "template" in load(path)["spec"]]


@pytest.mark.parametrize("path", WITH_TEMPLATE, ids=lambda path: path.stem)
def test_a_deployment_accepts_the_same_template(path, resource):
    template = load(path)["spec"]["template"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    template["metadata"] = (template.get("metadata") or {}) | {"labels": labels | {"app": "a"}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "same", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": template},
    }
    resource.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", input=json.dumps(deployment))


def test_defaults_are_filled_in_as_people_write_them(resource):
    path = next(path for path in ACCEPTED if path.stem == "nulls")
    stored = json.loads(resource.kubectl("apply", "--dry-run=server", "-o", "json", "-f", str(path)))["spec"]
    assert stored["rollout"] == {
        "strategy": "Canary",
        "steps": [{"weight": 10}, {"weight": 50}, {"weight": 100}],
        "stepDuration": "5m",
        "progressDeadline": "10m",
        "scaleDownDelay": "30s",
        "revisionHistoryLimit": 10,
    }
    assert stored["health"]["interval"] == "60s"
    assert stored["health"]["checks"] == [
        {
            "name": "errors",
            "preset": "reference-error-rate",
            "role": "rollback",
            "when": "always",
            "delay": "0s",
            "weight": 1,
        }
    ]
    assert stored["service"] == {"port": 80, "targetPort": "http"}
    assert stored["afterPromotion"] == {"watch": "forever", "onBreach": "Rollback"}
    assert "prometheus" not in stored["health"]


def test_the_template_is_stored_without_added_fields(resource):
    """What the server adds would become part of the revision, and change with the server."""
    path = next(path for path in ACCEPTED if path.stem == "every-field")
    stored = json.loads(resource.kubectl("apply", "--dry-run=server", "-o", "json", "-f", str(path)))["spec"][
        "template"
    ]
    written = load(path)["spec"]["template"]
    written["spec"]["containers"][0]["ports"][0]["protocol"] = "TCP"  # the key of a list-map needs its default
    assert stored == written


@pytest.mark.parametrize("path", [*ACCEPTED, *SAMPLES], ids=lambda path: path.stem)
def test_a_file_has_the_revision_that_the_cluster_gives_it(path, resource):
    """`modelramp backtest` asks history for the revision of the file."""
    for written in _documents(path):
        if written["kind"] == "ModelDeployment":
            stored = json.loads(
                resource.kubectl("apply", "--dry-run=server", "-o", "json", "-f", "-", input=json.dumps(written))
            )
            ours = as_stored(parse_spec(without_nulls(written)["spec"]))
            assert revision_of(ours) == revision_of(parse_spec(stored["spec"]))


def _documents(path):
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]
