"""Hooks of the shipped operator on the real plane: real Jobs, a real receiver, a real API server that refuses."""

import json
import time
from dataclasses import dataclass

import pytest

from localplane import Plane
from tests.e2e.conftest import NAMESPACE, kill_operator

pytestmark = pytest.mark.timeout(360)
SCORES = (
    'label_replace(vector(5), "le", "0.5", "", "") or label_replace(vector(900), "le", "0.9", "", "") '
    'or label_replace(vector(1000), "le", "+Inf", "", "") or sum by (le) (up{revision="{{revision}}"} > 1)'
)
DRIFTED = {"0.5": 900, "0.9": 950, "+Inf": 1000}
CHECKS = [
    {
        "name": "scores",
        "role": "inform",
        "drift": {"measure": "psi", "buckets": SCORES, "reference": {"buckets": DRIFTED}},
    },
    {"name": "far", "role": "inform", "query": "vector(1)", "max": 0},
]
NO_LABELS = "echo no labels >&2; exit 3"
ENVIRONMENT = (
    'test "$MODELRAMP_HOOK" = retrain && test "$MODELRAMP_CHECKS" = scores && test "$MODELRAMP_MODEL_VERSION" = v1 '
    '&& test -n "$MODELRAMP_REVISION" && test -n "$MODELRAMP_REASON" && test "$MODELRAMP_NAMESPACE" = e2e'
)


RECEIVER = """
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print(json.dumps({"body": body, "key": self.headers["Idempotency-Key"]}), flush=True)
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

HTTPServer((os.environ["POD_IP"], 8080), Answer).serve_forever()
"""


@dataclass(frozen=True)
class Receiver:
    """A pod that keeps what it is told and answers 202."""

    plane: Plane
    url: str

    @property
    def told(self):
        return [json.loads(line) for line in self.plane.kubectl("logs", "-n", NAMESPACE, "receiver").splitlines()]


@pytest.fixture
def receiver(operator):
    ip = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    container = {"name": "main", "image": "localplane/python:1", "args": ["-c", RECEIVER], "env": [ip]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "receiver", "namespace": NAMESPACE},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }
    operator.kubectl("apply", "-f", "-", input=json.dumps(pod))
    operator.kubectl("wait", "-n", NAMESPACE, "--for=condition=Ready", "pod/receiver", "--timeout=30s")
    address = operator.kubectl("get", "pod", "receiver", "-n", NAMESPACE, "-o", "jsonpath={.status.podIP}")
    yield Receiver(operator, f"http://{address}:8080/hooks")
    operator.kubectl("delete", "pod", "receiver", "-n", NAMESPACE, "--wait=false")


def job(script, **spec):
    return {
        "template": {
            "spec": {"containers": [{"name": "main", "image": "localplane/shell:1", "args": [script]}], **spec}
        }
    }


def states(status):
    return {hook["name"]: hook["state"] for hook in status.get("hooks", ())}


def test_each_hook_acts_once_on_real_parts_also_when_the_operator_is_killed(rollout, receiver, operator):
    one = rollout("hooked", checks=CHECKS)
    manifest = one.manifest("v1")
    manifest["spec"]["health"] |= {
        "onDrift": [
            {"name": "retrain", "after": 2, "job": job(ENVIRONMENT)},
            {"name": "tell", "after": 2, "webhook": {"url": receiver.url}},
        ],
        "onBreach": [
            {
                "name": "fails",
                "checks": ["far"],
                "after": 1,
                "job": job(NO_LABELS) | {"backoffLimit": 0},
            },
            {"name": "refused", "checks": ["far"], "after": 1, "job": job("true", restartPolicy="Always")},
            {"name": "hangs", "checks": ["far"], "after": 1, "job": job("sleep 600") | {"activeDeadline": "5s"}},
        ],
    }
    operator.kubectl("apply", "-f", "-", input=json.dumps(manifest))
    one.until_serving("v1")
    ended = one.until(
        lambda status: set(states(status).values()) <= {"Done", "Failed"} and len(states(status)) == 5, what="all ended"
    )

    assert states(ended) == {
        "retrain": "Done",
        "tell": "Done",
        "fails": "Failed",
        "refused": "Failed",
        "hangs": "Failed",
    }
    said = {hook["name"]: hook["message"] for hook in ended["hooks"]}
    assert "exit code 3: no labels" in said["fails"]
    assert "restartPolicy" in said["refused"]
    assert "DeadlineExceeded" in said["hangs"]
    (told,) = receiver.told
    body, key = told["body"], told["key"]
    assert (body["event"], body["name"], body["hook"], body["checks"]) == ("drift", "hooked", "tell", ["scores"])
    assert key.endswith(body["id"])
    assert one.condition("Ready")["status"] == "True", "what hooks do is no obstacle"

    before = ended["lastTick"]
    kill_operator(operator)
    one.until(lambda status: status.get("lastTick", "") > before and status.get("ticks"), what="ticking again")
    time.sleep(12)  # two further ticks that drift
    made = json.loads(
        operator.kubectl("get", "jobs", "-n", one.namespace, "-l", f"modelramp.io/deployment={one.name}", "-o", "json")
    )
    assert sorted(item["metadata"]["name"].rpartition("-")[0] for item in made["items"]) == [
        "hooked-fails",
        "hooked-hangs",
        "hooked-retrain",
    ]
    assert len(receiver.told) == 1
