"""What lint, simulate and the replay make of spec.rollout.evaluation."""

import copy
import json

import pytest
import yaml
from click.testing import CliRunner

from modelramp.cli.commands.lint import lint_text
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
def test_lint_knows_what_a_pod_may_have(evaluation, path, says):
    _, (finding,) = lint_text("digits.json", json.dumps(manifest(**evaluation)).encode())

    assert finding.level.value == "error"
    assert finding.path.startswith("spec.rollout.evaluation.template.spec.")
    assert finding.path.endswith(path)
    assert says in finding.message


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
    metrics = [{"name": "accuracy", "maxDecrease": 0.01}, {"name": "gap", "max": 1}]
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


METRICS = [{"name": "accuracy", "min": 0.9, "maxDecrease": 0.01}]


def simulated(tmp_path, evaluation, *, minutes=20, **changes):
    path, ticks, job = tmp_path / "digits.yaml", tmp_path / "ticks.jsonl", tmp_path / "job.json"
    changed = manifest(**({"metrics": METRICS} | changes))
    changed["spec"]["health"] = {"interval": "60s", "checks": [{"name": "errors", "query": "x", "max": 1}]}
    changed["spec"]["rollout"]["steps"] = [{"weight": 10, "duration": "3m"}, {"weight": 100, "duration": "3m"}]
    path.write_text(yaml.safe_dump(changed))
    ticks.write_text('{"checks": {"errors": 0}}\n' * minutes)
    job.write_text(evaluation if isinstance(evaluation, str) else json.dumps(evaluation))
    files = ["-f", str(path), "--ticks", str(ticks), "--evaluation", str(job)]
    return CliRunner().invoke(main, ["simulate", *files])


def told(tmp_path, evaluation, **changes):
    result = simulated(tmp_path, evaluation, **changes)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    *rows, end = map(json.loads, result.stdout.splitlines())
    return rows, end


def test_a_version_that_passes_gets_its_first_step_at_tick_0(tmp_path):
    rows, end = told(tmp_path, {"results": {"accuracy": 0.97}, "stable": {"accuracy": 0.975}})

    assert [(row["tick"], row["weight"]) for row in rows[:3]] == [(0, 0), (0, 10), (1, 10)]
    assert "is evaluated before it gets traffic: Job " in rows[0]["reason"]
    assert "passed its evaluation: accuracy 0.97, wished >= 0.9, >= 0.975 - 0.01" in rows[1]["reason"]
    assert (end["outcome"], end["tick"]) == ("promoted", 6)


def test_the_ticks_after_the_gate_are_those_of_a_rollout_without_one(tmp_path):
    rows, end = told(tmp_path, {"results": {"accuracy": 0.97}})
    result = CliRunner().invoke(
        main, ["simulate", "-f", str(tmp_path / "digits.yaml"), "--ticks", str(tmp_path / "ticks.jsonl")]
    )

    assert "give --evaluation to say what it would find" in result.stderr
    assert list(map(json.loads, result.stdout.splitlines())) == [*rows[2:], end]


BELOW = {
    "the minimum": ({"results": {"accuracy": 0.85}}, "accuracy 0.85 is below the minimum 0.9"),
    "the stable version": (
        {"results": {"accuracy": 0.95}, "stable": {"accuracy": 0.975}},
        "accuracy 0.95 is 0.025 below the stable version's 0.975; 0.01 is allowed",
    ),
}


@pytest.mark.parametrize(("evaluation", "says"), BELOW.values(), ids=BELOW)
def test_a_version_below_a_limit_never_gets_traffic(tmp_path, evaluation, says):
    rows, end = told(tmp_path, evaluation)

    assert {row["weight"] for row in rows} == {0}
    assert (end["outcome"], end["tick"]) == ("rolled-back", 0)
    assert says in end["reason"]
    assert rows[-1]["phase"] == "RolledBack"


NO_VERDICT = {
    "a Job that fails": ({"job": "fails"}, {}, "it failed: BackoffLimitExceeded"),
    "a Job that hangs": ({"job": "hangs"}, {"timeout": "20m"}, "it did not end within 1200 s"),
    "no JSON": ({"wrote": "accuracy=0.97"}, {}, "it begins with 'accuracy=0.97'"),
    "another metric": ({"results": {"recall": 0.97}}, {}, "the results have no accuracy; they have recall"),
    "no numbers": ({"results": ["accuracy"]}, {}, "found a list"),
    "more than the kubelet keeps": (
        {"results": {"accuracy": 0.97} | {f"extra-{n:040}": n for n in range(99)}},
        {"results": "TerminationMessage"},
        "was truncated: the kubelet keeps 4,096 bytes",
    ),
    "more than is read": (
        {"results": {"accuracy": 0.97} | {f"extra-{n}": n for n in range(99)}},
        {"results": "ConfigMap"},
        "found 100 entries; at most 64 are accepted",
    ),
}


@pytest.mark.parametrize(("evaluation", "changes", "says"), NO_VERDICT.values(), ids=NO_VERDICT)
def test_without_a_result_it_waits_without_traffic_and_says_what_to_do(tmp_path, evaluation, changes, says):
    rows, end = told(tmp_path, evaluation, minutes=3, **changes)

    assert [row["tick"] for row in rows] == [0, 0, 1, 2, 3]
    assert {(row["weight"], row["verdict"]) for row in rows} == {(0, "no-data")}
    assert (end["outcome"], end["tick"]) == ("in-progress", 3)
    assert says in end["reason"]
    assert "correct spec.rollout.evaluation" in end["reason"]


WRONG = {
    "no JSON": ("{", 'is not JSON; write {"results"'),
    "a list": ([], "is a list; write"),
    "a misspelt key": ({"result": {}}, 'unknown key "result"; known are results, wrote, job, stable; did you mean'),
    "nothing": ({}, "needs one of results, wrote and job"),
    "two": ({"job": "fails", "wrote": ""}, "needs one of results, wrote and job"),
    "another end": ({"job": "explodes"}, 'job is "explodes"; write "fails" or "hangs"'),
    "no text": ({"wrote": 1}, "wrote is the number 1; write the text"),
    "no numbers of the stable version": (
        {"results": {}, "stable": {"accuracy": "high"}},
        (
            'stable holds no results: write them as in {"accuracy": 0.96} '
            '(accuracy is "high", which is not a finite number)'
        ),
    ),
}


@pytest.mark.parametrize(("evaluation", "says"), WRONG.values(), ids=WRONG)
def test_a_job_that_nobody_can_imagine_is_refused_with_what_to_write(tmp_path, evaluation, says):
    result = simulated(tmp_path, evaluation)

    assert result.exit_code == 1
    assert f"job.json: {says}" in result.output


def test_a_job_of_no_evaluation_is_refused(tmp_path):
    simulated(tmp_path, {"job": "fails"})
    path = tmp_path / "digits.yaml"
    found = yaml.safe_load(path.read_text())
    del found["spec"]["rollout"]["evaluation"]
    path.write_text(yaml.safe_dump(found))
    files = ["-f", str(path), "--ticks", str(tmp_path / "ticks.jsonl"), "--evaluation", str(tmp_path / "job.json")]
    result = CliRunner().invoke(main, ["simulate", *files])

    assert (result.exit_code, "has no spec.rollout.evaluation" in result.output) == (1, True)
