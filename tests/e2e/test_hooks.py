"""Hooks of the shipped operator on the real plane: real Jobs, a real receiver, a real API server that refuses."""

import json
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import pytest

from localplane import Plane
from localplane.testing import make_namespace
from tests.e2e.conftest import NAMESPACE, kill_operator, operator_pod, wait_until
from tests.e2e.pods import serve
from tests.e2e.rollout import Rollout
from tests.e2e.stories import story

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
    yield Receiver(operator, f"{serve(operator, NAMESPACE, 'receiver', RECEIVER)}/hooks")
    operator.kubectl("delete", "pod", "receiver", "-n", NAMESPACE, "--wait=false")


def job(script, **spec):
    return {
        "template": {
            "spec": {"containers": [{"name": "main", "image": "localplane/shell:1", "args": [script]}], **spec}
        }
    }


def lost_volume(made):
    """The Job with a mount of a volume that it does not have: only the API server's own rules say so."""
    made["template"]["spec"]["containers"][0]["volumeMounts"] = [{"name": "lost", "mountPath": "/lost"}]
    return made


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
            {"name": "refused", "checks": ["far"], "after": 1, "job": lost_volume(job("true"))},
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
    assert "volumeMounts" in said["refused"]
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


DEAF = """
import os, socket, threading
there = socket.create_server((os.environ["POD_IP"], 8080), backlog=128)
kept = []
while True:
    kept.append(there.accept()[0])
"""
FLAPS = "vector(time()) % 20 < bool 10"


def webhooks(url, names, timeout="10s"):
    return [
        {"name": name, "checks": ["far"], "after": 1, "webhook": {"url": url, "timeout": timeout}} for name in names
    ]


@pytest.fixture
def hostile(operator):
    """A namespace with a receiver that takes every connection and never answers; its URL."""
    make_namespace(operator, "hostile")
    yield f"{serve(operator, 'hostile', 'deaf', DEAF)}/?token=s3cret"
    operator.kubectl("delete", "namespace", "hostile", "--wait=false")


def test_sixteen_receivers_that_hang_delay_nobody_else_and_their_tokens_are_not_shown(operator, hostile, receiver):
    crowd = [Rollout(operator, "hostile", f"m{number}", checks=CHECKS) for number in range(4)]
    for one in crowd:
        manifest = one.manifest("v1")
        manifest["spec"]["health"]["onBreach"] = webhooks(hostile, [f"h{number}" for number in range(4)], "30s")
        operator.kubectl("apply", "-f", "-", input=json.dumps(manifest))

    def hanging():
        return [state for one in crowd for state in states(one.status).values()]

    wait_until(lambda: hanging().count("Running") == 4 and hanging().count("Due") >= 8, timeout_s=60)

    honest = Rollout(operator, NAMESPACE, "honest", checks=CHECKS)
    manifest = honest.manifest("v1")
    manifest["spec"]["health"]["onBreach"] = webhooks(receiver.url, ["tell"])
    operator.kubectl("apply", "-f", "-", input=json.dumps(manifest))
    ended = honest.until(lambda status: states(status).get("tell") == "Done", what="told")

    (hook,) = ended["hooks"]
    late = datetime.fromisoformat(hook["at"]) - datetime.fromisoformat(hook["due"])
    assert late.total_seconds() <= 8, "from the tick, which is evaluated two seconds later, to the answer"
    assert len(receiver.told) == 1
    assert hanging().count("Running") <= 4
    assert "Due" in hanging(), "others of that namespace still wait"
    shown = json.dumps([one.status for one in crowd]) + operator.kubectl("get", "events", "-n", "hostile", "-o", "json")
    log = operator.kubectl("logs", "-n", "modelramp-system", operator_pod(operator))
    assert "hostile" in log
    assert "s3cret" not in shown + log
    honest.delete("--ignore-not-found", "--wait=false")


@story
def flapping(plane, namespace):
    checks = [{"name": "flaps", "role": "inform", "query": FLAPS, "max": 0}]
    one = Rollout(plane, namespace, "flapping", checks=checks)
    manifest = one.manifest("v1")
    hook = {"checks": ["flaps"], "after": 1}
    manifest["spec"]["health"]["onBreach"] = [
        {"name": "rare", **hook, "job": job("true")},
        {"name": "often", "cooldown": "0s", **hook, "job": job("true")},
        {"name": "quick", "cooldown": "30s", **hook, "job": job("true")},
    ]
    plane.kubectl("apply", "-f", "-", input=json.dumps(manifest))
    one.until_serving("v1")
    names, began = set(), time.monotonic()
    while time.monotonic() - began < 100:
        names |= {item["metadata"]["name"] for item in one.children("job")}
        time.sleep(2)
    kept = [item["metadata"]["name"] for item in one.children("job")]
    events = json.loads(plane.kubectl("get", "events", "-n", namespace, "-o", "json"))["items"]
    status = one.status
    one.delete("--wait=false")
    return names, kept, status, events


def test_a_metric_that_flaps_starts_a_job_once_in_each_cool_down_and_few_of_them_are_kept(stories):
    names, kept, status, events = stories["flapping"].result()

    made = Counter(name.split("-")[1] for name in names)
    assert made["rare"] == 1
    assert made["often"] >= 4
    assert 2 <= made["quick"] <= 5
    assert Counter(name.split("-")[1] for name in kept)["often"] <= 4, "three, and one that may have just begun"
    waiting = [hook for hook in status["hooks"] if hook["name"] == "rare" and hook["state"] == "CoolingDown"]
    assert [hook["message"][:43] for hook in waiting] == ["it starts when the cool-down is over, at 20"]
    told = [item for item in events if item["reason"] == "HookCoolingDown" and "onBreach rare" in item["message"]]
    assert len(told) == 1
