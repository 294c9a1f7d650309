"""`modelramp lint` on health policies, and on ModelDeployments that refer to them."""

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from modelramp.cli.commands.lint import lint_text
from modelramp.cli.main import main
from modelramp.cli.output import Level
from tests.refused.samples import ACCEPTED_POLICIES, REFUSED_POLICIES, expected, load

SAMPLE = Path("examples/policies.yaml")


def told(*documents, level=None):
    """What lint says about objects in one file: path and message of each finding."""
    text = yaml.safe_dump_all(documents).encode()
    return [(one.path, one.message) for one in lint_text("file", text)[1] if level in (None, one.level)]


def policy(checks, *, parameters=(), name="web", kind="HealthPolicy", **metadata):
    return {
        "apiVersion": "modelramp.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, **metadata},
        "spec": {"parameters": list(parameters), "checks": list(checks)},
    }


def deployment(*references, **metadata):
    """The sample's ModelDeployment with other references."""
    (found,) = [one for one in yaml.safe_load_all(SAMPLE.read_text()) if one["kind"] == "ModelDeployment"]
    found["metadata"] |= metadata
    found["spec"]["health"] = {"policies": list(references)}
    return found


ERRORS = {"name": "errors", "preset": "reference-error-rate", "max": "{{params.most}}"}
MOST = {"name": "most"}


@pytest.mark.parametrize("path", REFUSED_POLICIES, ids=lambda path: path.stem)
def test_what_the_server_refuses_is_an_error_at_the_same_field(path):
    field = re.search(r'^(?:unknown field )?"?([\w.\[\]]+)', expected(path)).group(1)
    assert field in [where for where, _ in told(load(path), level=Level.ERROR)]


@pytest.mark.parametrize("path", ACCEPTED_POLICIES, ids=lambda path: path.stem)
def test_what_the_server_accepts_is_no_error(path):
    assert told(load(path), level=Level.ERROR) == []


def test_the_sample_is_clean():
    result = CliRunner().invoke(main, ["lint", str(SAMPLE)])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "3 objects: 0 errors, 0 warnings\n")


OF_A_POLICY = {
    "an undeclared parameter": (
        policy([ERRORS], parameters=[{"name": "least"}]),
        ("spec.checks[0].max", "{{params.most}} is no parameter of this policy; declared are least"),
    ),
    "an unused parameter": (
        policy([ERRORS], parameters=[MOST, {"name": "least"}]),
        ("spec.parameters[1]", "no check uses {{params.least}}: setting it has no effect"),
    ),
    "defaults that break a rule": (
        policy([{**ERRORS, "min": 1}], parameters=[{**MOST, "default": "0.5"}]),
        ("spec.checks[0]", "min must not be above max"),
    ),
    "a preset that is none": (
        policy([{"name": "errors", "preset": "eror-rate"}]),
        ("spec.checks[0].preset", "there is no preset 'eror-rate'; did you mean reference-error-rate?"),
    ),
    "a name that is none": (policy([ERRORS], parameters=[MOST], name="Web"), ("metadata.name", "found 'Web'; a-z")),
    "a namespace in the cluster": (
        policy([ERRORS], parameters=[MOST], kind="ClusterHealthPolicy", namespace="ml"),
        ("metadata.namespace", "ClusterHealthPolicy lives in the cluster, not in a namespace; leave it out"),
    ),
    "a kind that is none": (
        policy([ERRORS], kind="HealthPolicies"),
        ("kind", "found 'HealthPolicies'; modelramp.io has only ModelDeployment, HealthPolicy, ClusterHealthPolicy"),
    ),
}


@pytest.mark.parametrize(("document", "finding"), OF_A_POLICY.values(), ids=OF_A_POLICY)
def test_a_policy(document, finding):
    ((path, message),) = told(document)
    assert path == finding[0]
    assert finding[1].split("; did")[0] in message


def test_values_that_are_not_known_yet_are_not_complained_about():
    unknown = [{"name": name} for name in ("a", "b", "role", "window")]
    check = {
        "name": "errors",
        "preset": "reference-error-rate",
        "min": "{{params.a}}",
        "max": "{{params.b}}",
        "role": "{{params.role}}",
        "window": "{{params.window}}",
        "failureThreshold": 2,
    }
    assert told(policy([check], parameters=unknown), level=Level.ERROR) == []


def refer(**more):
    return {"name": "web", **more}


KNOWN = policy([ERRORS], parameters=[MOST])
OF_A_REFERENCE = {
    "a policy of the same file": ((KNOWN,), refer(parameters={"most": "0.01"}), []),
    "a policy that is elsewhere": ((), refer(), [("warning", "HealthPolicy web is in none of these files")]),
    "a policy of another kind": (
        (KNOWN,),
        refer(kind="ClusterHealthPolicy"),
        [("warning", "ClusterHealthPolicy web is in none of these files")],
    ),
    "a policy of another namespace": (
        (policy([ERRORS], parameters=[MOST], namespace="other"),),
        refer(parameters={"most": "0.01"}),
        [("warning", "is in none of these files")],
    ),
    "an unknown parameter": (
        (KNOWN,),
        refer(parameters={"most": 1, "least": 1}),
        [("error", "HealthPolicy web: it has no parameter least (it has most)")],
    ),
    "a parameter without a value": ((KNOWN,), refer(), [("error", "parameter most needs a value")]),
    "a value that breaks a rule": (
        (KNOWN,),
        refer(parameters={"most": "much"}),
        [("error", "spec.checks[0].max: 'much' is not a decimal number")],
    ),
    "a value with which it never breaches": (
        (KNOWN,),
        refer(parameters={"most": 7}),
        [("error", "check errors.max: this check can never breach")],
    ),
}


@pytest.mark.parametrize(("policies", "reference", "findings"), OF_A_REFERENCE.values(), ids=OF_A_REFERENCE)
def test_a_reference(policies, reference, findings):
    text = yaml.safe_dump_all([*policies, deployment(reference, namespace="ml")]).encode()
    found = [one for one in lint_text("file", text)[1] if one.path == "spec.health.policies[0]"]
    assert [one.level.value for one in found] == [level for level, _ in findings]
    assert all(words in one.message for one, (_, words) in zip(found, findings, strict=True))


def test_policies_are_found_in_all_files_given(tmp_path):
    for name, document in (("a.yaml", deployment(refer(parameters={"most": "0.01"}))), ("b.yaml", KNOWN)):
        (tmp_path / name).write_text(yaml.safe_dump(document))
    assert "none of these files" in CliRunner().invoke(main, ["lint", str(tmp_path / "a.yaml")]).stdout
    assert CliRunner().invoke(main, ["lint", str(tmp_path)]).stdout == ""


def test_a_placeholder_in_a_modeldeployment_is_an_error():
    wrong = deployment()
    wrong["spec"]["health"] = {
        "checks": [{"name": "a", "query": 'sum(x{a="{{params.b}}",r="{{revision}}"})', "max": 1}]
    }
    message = "{{params...}} stands for something in a health policy only"
    assert ("spec.health.checks[0].query", message) in told(wrong, level=Level.ERROR)
