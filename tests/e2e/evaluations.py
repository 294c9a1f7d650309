"""Versions that are evaluated before their traffic, by real Jobs: what passes, what fails, and what says nothing."""

import json
from pathlib import Path

import yaml

from tests.e2e.rollout import Rollout
from tests.e2e.stories import serving

STORIES = {}
ROOT = Path(__file__).parents[2]
FINE = [{"name": "fine", "query": "vector(0)", "max": "1"}]
METRICS = [{"name": "accuracy", "min": "0.9", "maxDecrease": "0.02"}]
SAYS = "echo '{}' > /dev/termination-log"
GOOD = SAYS.format(json.dumps({"accuracy": 0.97, "robustness": 0.8}))

NO_RESULT = {
    "exits 1": ("echo the golden set is missing >&2; exit 1", "exit code 1, its last words: the golden set is missing"),
    "writes nothing": ("true", "its termination message is empty"),
    "writes no JSON": (SAYS.format("accuracy: 0.97"), "is not JSON"),
    "writes NaN": (SAYS.format('{"accuracy": NaN}'), "NaN is not a finite number"),
    "writes 10 MB": ("head -c 10000000 /dev/zero | tr '\\0' 7 > /dev/termination-log", "was truncated"),
    "prints 10 MB and fails": ("head -c 10000000 /dev/zero | tr '\\0' 7; exit 2", "exit code 2"),
    "lacks the metric": (SAYS.format('{"f1": 0.97}'), "the results have no accuracy; they have f1"),
}
"""What a Job does, and what the message must say. Each waits; none is a rollback."""


def story(function):
    """Register a story under its name; it returns what its test judges."""
    STORIES[function.__name__] = function
    return function


def evaluation(script, *, metrics=METRICS, image="localplane/shell:1", **more):
    container = {"name": "golden-set", "image": image, "args": script if isinstance(script, list) else [script]}
    return {
        "template": {"spec": {"containers": [container]}},
        "timeout": "60s",
        "backoffLimit": 0,
        "metrics": metrics,
        **more,
    }


def state_of(status):
    return status.get("candidate", {}).get("evaluation", {}).get("state")


def until_state(rollout, wished, timeout_s=60.0):
    return rollout.until(lambda status: state_of(status) == wished, timeout_s, f"evaluated: {wished}")


def evaluated(plane, namespace, name):
    """A rollout with version 1 serving, which passed."""
    return serving(plane, namespace, name, evaluation=evaluation(GOOD), checks=FINE)


@story
def passes(plane, namespace):
    rollout = evaluated(plane, namespace, "passes")
    rollout.apply("v2")
    running = until_state(rollout, "Running", 20)
    passed = rollout.until_step(10)
    job = rollout.get("job", passed["candidate"]["evaluation"]["job"])
    rollout.until_serving("v2")
    return rollout, running, passed, job


@story
def fails(plane, namespace):
    rollout = evaluated(plane, namespace, "fails")
    rollout.evaluation = evaluation(SAYS.format('{"accuracy": 0.8}'))
    rollout.apply("v2")
    by_limit = rollout.until_phase("RolledBack")
    rollout.evaluation = evaluation(SAYS.format('{"accuracy": 0.94}'))
    rollout.apply("v3")
    against_stable = rollout.until(
        lambda status: status.get("phase") == "RolledBack" and status["history"][0]["modelVersion"] == "v3"
    )
    return rollout, by_limit, against_stable


@story
def says_nothing(plane, namespace):
    rollout = evaluated(plane, namespace, "says-nothing")
    told = {}
    for number, (name, (script, _)) in enumerate(NO_RESULT.items()):
        rollout.evaluation = evaluation(script, timeout=f"{60 + number}s")
        rollout.apply("v2")
        told[name] = rollout.until(
            lambda status, number=number: state_of(status) == "NoData" and _attempts(rollout) == number + 2, 60, name
        )
    rollout.evaluation = evaluation(GOOD)
    rollout.apply("v2")
    return rollout, told, rollout.until_step(10)


@story
def hangs(plane, namespace):
    rollout = evaluated(plane, namespace, "hangs")
    rollout.evaluation = evaluation("sleep 600", timeout="10s")
    rollout.apply("v2")
    running = until_state(rollout, "Running", 20)
    hung = until_state(rollout, "NoData", 40)
    rollout.request("retry", "a")
    until_state(rollout, "Running", 20)
    rollout.request("abort", "b")
    aborted = rollout.until_phase("RolledBack")
    left = rollout.until(lambda _: all(_over(job) for job in rollout.children("job")), 20, "without a Job that runs")
    return rollout, running, hung, aborted, left


@story
def first_fails(plane, namespace):
    rollout = Rollout(plane, namespace, "first-fails", evaluation=evaluation(SAYS.format('{"accuracy": 0.1}')))
    rollout.apply("v1")
    failed = rollout.until_phase("Degraded")
    routes = rollout.children("httproute")
    rollout.evaluation = evaluation(GOOD)
    rollout.apply("v1")
    return rollout, failed, routes, rollout.until_serving("v1")


@story
def refused_job(plane, namespace):
    rollout = evaluated(plane, namespace, "refused-job")
    rollout.evaluation = evaluation(GOOD)
    rollout.evaluation["template"]["spec"]["containers"][0]["volumeMounts"] = [{"name": "lost", "mountPath": "/lost"}]
    rollout.apply("v2")
    refused = rollout.until(lambda status: status.get("reason") == "ChildRefused", 30, "told that the Job is refused")
    rollout.evaluation = evaluation(GOOD)
    rollout.apply("v2")
    return rollout, refused, rollout.until_step(10)


CONFIG_MAP = """
import json, os, ssl, urllib.request
home = "/var/run/secrets/kubernetes.io/serviceaccount/"
url = "https://{}:{}/api/v1/namespaces/{}/configmaps".format(
    os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"], os.environ["MODELRAMP_NAMESPACE"])
data = {"results.json": json.dumps({"metrics": {"accuracy": 0.98}})}
body = {"metadata": {"name": os.environ["MODELRAMP_RESULTS"]}, "data": data}
headers = {"Authorization": "Bearer " + open(home + "token").read(), "Content-Type": "application/json"}
trust = ssl.create_default_context(cafile=home + "ca.crt")
urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), context=trust)
"""


@story
def config_map(plane, namespace):
    plane.kubectl("create", "role", "results", "-n", namespace, "--verb=create", "--resource=configmaps")
    plane.kubectl(
        "create", "rolebinding", "results", "-n", namespace, "--role=results", f"--serviceaccount={namespace}:default"
    )
    wanted = evaluation(["-c", CONFIG_MAP], image="localplane/python:1", results="ConfigMap")
    rollout = Rollout(plane, namespace, "config-map", evaluation=wanted)
    rollout.apply("v1")
    rollout.until_serving("v1")
    rollout.evaluation = evaluation("true", results="ConfigMap")
    rollout.apply("v2")
    return rollout, until_state(rollout, "NoData")


@story
def golden_set(plane, namespace):
    """The sample of examples/evaluated.yaml with the real model server, evaluated without a Service to ask."""
    sample = yaml.safe_load((ROOT / "examples" / "evaluated.yaml").read_text())
    wanted = sample["spec"]["rollout"]["evaluation"]
    wanted["template"]["spec"]["containers"][0]["args"] = ["--artefact"]
    template = sample["spec"]["template"]
    rollout = Rollout(plane, namespace, "golden-set", evaluation=wanted, checks=FINE)

    def apply(version, variant):
        template["spec"]["containers"][0]["env"][0]["value"] = variant
        rollout.apply(version, template=template)

    def rolled_back(version):
        return rollout.until(
            lambda status: status.get("phase") == "RolledBack" and status["history"][0]["modelVersion"] == version
        )

    apply("2.0.0", "v2")
    served = rollout.until_serving("2.0.0", 120)
    apply("3.0.0", "v3")
    wrong = rolled_back("3.0.0")
    apply("5.0.0", "unfair")
    return rollout, served, wrong, rolled_back("5.0.0")


def record(rollout, version):
    """What the evaluation of a version left in its ControllerRevision."""
    for item in rollout.children("controllerrevision"):
        if item["data"]["model"]["version"] == version:
            return json.loads(item["metadata"]["annotations"].get("modelramp.io/evaluation", "null"))
    return None


def _attempts(rollout):
    return len(rollout.children("job"))


def _over(job):
    return any(one["status"] == "True" for one in job["status"].get("conditions", ()))
