"""What Artifact Hub shows of the chart is what it contains, and each installation may do what the operator does."""

import re
import tomllib

import pytest
import yaml

from modelramp.cli.lint.refusals import refusals
from modelramp.desired.kinds import owned
from tests.rules.tree import ROOT

CHART = yaml.safe_load((ROOT / "charts/modelramp/Chart.yaml").read_text("utf-8"))
ANNOTATIONS = CHART["annotations"]
EXAMPLES = yaml.safe_load(ANNOTATIONS["artifacthub.io/crdsExamples"])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_versions_and_the_license_are_those_of_the_project():
    assert (CHART["version"], CHART["appVersion"]) == (PROJECT["version"], PROJECT["version"])
    assert ANNOTATIONS["artifacthub.io/license"] == PROJECT["license"]


def test_the_list_of_definitions_is_complete():
    definitions = [yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / "crds").glob("modelramp.io_*.yaml")]
    defined = {
        (one["metadata"]["name"], one["spec"]["names"]["kind"], version["name"])
        for one in definitions
        for version in one["spec"]["versions"]
    }
    listed = yaml.safe_load(ANNOTATIONS["artifacthub.io/crds"])
    assert len(defined) == 3
    assert {(one["name"], one["kind"], one["version"]) for one in listed} == defined


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_would_be_accepted(example):
    assert [str(problem) for problem in refusals(example)] == []


@pytest.mark.parametrize("file", ["manifests/operator/rbac.yaml", "charts/modelramp/templates/_helpers.tpl"])
@pytest.mark.parametrize("kind", owned(), ids=lambda kind: kind.kind)
def test_the_operator_may_write_each_kind_that_it_makes(file, kind):
    text = (ROOT / file).read_text("utf-8")
    rules = re.findall(r"^- apiGroups: \[(.*)\]\n  resources: \[(.*)\]\n  verbs: \[(.*)\]$", text, re.MULTILINE)
    group = kind.api_version.rpartition("/")[0] or '""'
    verbs = [may for groups, resources, may in rules if groups == group and kind.plural in resources.split(", ")]
    assert verbs == ["get, list, watch, create, patch, delete"]


@pytest.mark.parametrize("kind", owned(), ids=lambda kind: kind.kind)
def test_the_admission_policy_binds_the_operator_for_each_kind_that_it_makes(kind):
    policy = next(yaml.safe_load_all((ROOT / "manifests/admission/operator.yaml").read_text("utf-8")))
    rules = policy["spec"]["matchConstraints"]["resourceRules"]
    group = kind.api_version.rpartition("/")[0]
    assert any(group in rule["apiGroups"] and kind.plural in rule["resources"] for rule in rules)
