"""Every Kubernetes that the README names accepts the definitions, and judges each sample alike."""

import copy
import re

import pytest
import yaml

from tests.integration.install.conftest import ROOT
from tests.refused import pod_templates
from tests.refused.samples import ACCEPTED, ACCEPTED_POLICIES, REFUSED, REFUSED_POLICIES, expected

DEFINITIONS = sorted((ROOT / "crds").glob("modelramp.io_*.yaml"))
# Older servers quote a value by its type, or not at all: "object", "string", "".
VALUE = re.compile(r'^(?:"(?:\\.|[^"\\])*"|-?[0-9.]+|true): ')


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_the_estimated_cost_is_at_most_half_of_what_is_allowed(path, cluster):
    """An array of two whole objects costs twice as much, each rule and all together, and is accepted."""
    crd = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    twice = copy.deepcopy(crd)
    twice["metadata"]["name"] = f"{crd['spec']['names']['plural']}.twice.example.com"
    twice["spec"]["group"] = "twice.example.com"
    (version,) = twice["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    version["schema"]["openAPIV3Schema"] = {
        "type": "object",
        "properties": {"twice": {"type": "array", "maxItems": 2, "items": schema}},
    }
    for key in ("subresources", "additionalPrinterColumns"):
        version.pop(key, None)
    where = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    answer = cluster.create(where, yaml.dump(twice, Dumper=yaml.CSafeDumper), dryRun="All")
    assert answer.status_code == 201, answer.json()["message"][:2000]


@pytest.mark.parametrize("path", [*REFUSED, *REFUSED_POLICIES], ids=lambda path: path.stem)
def test_what_is_refused_is_refused_with_the_field_and_the_fix(path, cluster):
    answer = cluster.try_out(path.read_text())
    said = " ".join(answer.json().get("message", "").split())
    assert answer.status_code in (400, 422), f"{path.name} was accepted"
    field, _, rest = expected(path).partition(": ")
    kind, _, words = rest.partition(": ")
    if kind == "Invalid value":
        assert f"{field}: {kind}" in said
        assert VALUE.sub("", words) in said
    elif kind in ("Duplicate value", "Too long"):
        assert f"{field}: {kind}" in said
    else:
        assert expected(path) in said


@pytest.mark.parametrize("path", [*ACCEPTED, *ACCEPTED_POLICIES], ids=lambda path: path.stem)
def test_what_is_accepted_is_accepted(path, cluster):
    answer = cluster.try_out(path.read_text())
    assert answer.status_code == 201, answer.json()["message"]
    warned = "without quotes" in answer.headers.get("Warning", "")
    assert warned is (path.stem == "quoted-numbers")


def test_an_object_that_nobody_has_seen_says_so(cluster):
    text = next(path for path in ACCEPTED if path.stem == "numbers").read_text()
    where = "/apis/modelramp.io/v1alpha1/namespaces/default/modeldeployments"
    assert cluster.create(where, text).status_code == 201
    assert cluster.http.get(f"{where}/digits").json()["status"] == {"observedGeneration": -1}


def deployment(pod):
    """The answer to a Deployment of such pods."""
    spec = {"selector": {"matchLabels": {"app": "digits"}}}
    spec["template"] = {"metadata": {"labels": {"app": "digits"}}, "spec": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "digits"}, "spec": spec}


def test_what_lint_calls_unusable_is_refused_in_a_deployment_and_the_rest_is_taken(cluster):
    where = "/apis/apps/v1/namespaces/default/deployments"

    def code(pod):
        return cluster.create(
            where, yaml.safe_dump(deployment(pod)), dryRun="All", fieldValidation="Strict"
        ).status_code

    refused = {name: code(pod) for name, (pod, _) in pod_templates.REFUSED.items()}
    taken = {name: code(pod) for name, pod in pod_templates.TAKEN.items()}
    taken |= {name: code(pod) for name, (pod, _) in pod_templates.NEVER_RUN.items()}
    assert {name: found for name, found in refused.items() if found != 422} == {}
    assert {name: found for name, found in taken.items() if found != 201} == {}
