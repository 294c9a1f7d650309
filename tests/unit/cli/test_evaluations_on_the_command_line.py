"""What lint, simulate and the replay make of spec.rollout.evaluation."""

import copy
import json

import pytest
import yaml
from click.testing import CliRunner

from modelramp.cli.lint import lint_text
from modelramp.cli.main import main
from tests.refused.samples import EVERY_FIELD, load


def manifest(**evaluation):
    found = copy.deepcopy(load(EVERY_FIELD))
    found["spec"]["rollout"]["evaluation"] |= evaluation
    found["spec"]["health"].pop("policies", None)  # they stand in files of their own
    return found


def template(pod=None, **container):
    containers = [{"name": "golden-set", "image": "evaluate:1", **container}]
    return {"template": {"spec": {"containers": containers, **(pod or {})}}}


TEMPLATES = {
    "an unknown field": (template(imagePolicy="Always"), ".containers[0].imagePolicy", "is an unknown field"),
    "a number for a text": (template(env=[{"name": "A", "value": 1}]), ".containers[0].env[0].value", "without quotes"),
    "a pod that never ends": (template({"restartPolicy": "Always"}), ".restartPolicy", "allowed are Never, OnFailure"),
    "no quantity": (template(resources={"limits": {"memory": "lots"}}), ".resources.limits.memory", "does not match"),
}


@pytest.mark.parametrize(("evaluation", "path", "says"), TEMPLATES.values(), ids=TEMPLATES)
def test_lint_knows_a_pod_better_than_the_definition_of_the_resource(evaluation, path, says):
    _, (finding,) = lint_text("digits.json", json.dumps(manifest(**evaluation)).encode())

    assert finding.level.value == "error"
    assert finding.path.startswith("spec.rollout.evaluation.template.spec.")
    assert finding.path.endswith(path)
    assert says in finding.message
    assert "the API server would refuse the Job" in finding.message


ONCE = {
    "no container": ({"template": {"spec": {"containers": []}}}, ".template.spec.containers"),
    "a container without a name": ({"template": {"spec": {"containers": [{"image": "a"}]}}}, ".containers[0].name"),
    "a number for a name": (template(name=1), ".containers[0].name"),
    "a metric without a limit": ({"metrics": [{"name": "accuracy"}]}, ".metrics[0]"),
}


@pytest.mark.parametrize(("evaluation", "path"), ONCE.values(), ids=ONCE)
def test_what_the_api_server_refuses_is_said_once(evaluation, path):
    (finding,) = lint_text("digits.json", json.dumps(manifest(**evaluation)).encode())[1]

    assert finding.path.endswith(path)


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_a_job_s_restart_policies_are_fine(policy):
    assert lint_text("digits.json", json.dumps(manifest(**template({"restartPolicy": policy}))).encode())[1] == []


def test_lint_warns_of_a_metric_that_holds_nothing_while_nothing_is_recorded():
    metrics = [{"name": "accuracy", "maxDecrease": "0.01"}, {"name": "gap", "max": 1}]
    _, (finding,) = lint_text("digits.json", json.dumps(manifest(metrics=metrics)).encode())

    assert (finding.level.value, finding.path) == ("warning", "spec.rollout.evaluation.metrics[0]")
    assert "add min or max" in finding.message


def test_simulate_says_that_no_job_runs_and_tells_the_rollout(tmp_path):
    path, ticks = tmp_path / "digits.yaml", tmp_path / "ticks.jsonl"
    changed = manifest()
    changed["spec"]["health"] = {"interval": "60s", "checks": [{"name": "errors", "query": "x", "max": 1}]}
    path.write_text(yaml.safe_dump(changed))
    ticks.write_text('{"checks": {"errors": 0}}\n' * 40)
    result = CliRunner().invoke(main, ["simulate", "-f", str(path), "--ticks", str(ticks)])

    assert json.loads(result.stdout.splitlines()[-1])["outcome"] == "promoted"
    assert "spec.rollout.evaluation is left out: no Job runs here" in result.stderr
