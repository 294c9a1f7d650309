"""Twenty rollouts of four teams beside a namespace that attacks all that they share: none comes late.

Judged by the API server's audit log: when the operator wrote what a tick had decided, after that tick's due time.
"""

import json
import os
import time
from datetime import datetime
from types import SimpleNamespace

import pytest
import yaml

from localplane import Plane
from localplane.testing import SCRAPE_INTERVAL_S, eventually, make_namespace
from tests.e2e.conftest import HERE, operator_pod
from tests.e2e.hostile import EVIL, Attack
from tests.e2e.rollout import Rollout, end_watches

pytestmark = pytest.mark.timeout(720)
OPERATOR = "system:serviceaccount:modelramp-system:modelramp"
SCRAPE_DELAY_S = 2
LATE_S = 5.0
"""How much later than a tick is due its decision may be written, hostile neighbours or not."""
MEMORY_MIB = 256
TEAMS, EACH = 4, 5
SLOW = {"PrometheusTimeout", "PrometheusUnreachable", "TooManyQueries"}
# Only the bad version asks to be scraped: what a tick says depends on nothing but what Prometheus answers.
CHECKS = [
    {"name": "scraped", "query": 'count(up{revision="{{revision}}",namespace="{{namespace}}"}) or vector(0)', "max": 0}
]
AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "Request",
            "users": [OPERATOR],
            "verbs": ["create", "update", "patch"],
            "resources": [
                {"group": "modelramp.io", "resources": ["modeldeployments/status"]},
                {"group": "gateway.networking.k8s.io", "resources": ["httproutes"]},
            ],
        },
        {"level": "None"},
    ],
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A plane with the shipped operator that keeps an audit log, and four teams' namespaces."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "audit.yaml").write_text(yaml.safe_dump(AUDIT))
    flags = (f"--audit-policy-file={folder / 'audit.yaml'}", f"--audit-log-path={folder / 'audit.log'}")
    name = f"hostile-{os.getpid()}"
    with Plane.start(
        name, folder / "plane", scrape_interval=SCRAPE_INTERVAL_S, apiserver_flags=flags, tied=True
    ) as plane:
        plane.kubectl("apply", "-k", str(HERE.parents[1] / "crds"))
        eventually(lambda: plane.kubectl("get", "modeldeployments", "--all-namespaces", "-o", "name") is not None)
        plane.kubectl("apply", "-k", str(HERE / "operator"))
        plane.kubectl("rollout", "status", "deployment/modelramp", "-n", "modelramp-system", "--timeout=60s")
        for team in range(TEAMS):
            make_namespace(plane, f"team-{team}")
        yield SimpleNamespace(plane=plane, log=folder / "audit.log")
        end_watches(plane.kubeconfig)


def scraped(manifest):
    """The same version, whose pods ask to be scraped."""
    notes = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/metrics"}
    manifest["spec"]["template"]["metadata"] = {"annotations": notes}
    return manifest


@pytest.fixture(scope="module")
def told(shared):
    """All twenty serve; the attack begins; each is promoted once and rolled back once."""
    plane = shared.plane
    honest = [
        Rollout(plane, f"team-{number % TEAMS}", f"honest-{number}", checks=CHECKS) for number in range(TEAMS * EACH)
    ]
    for rollout in honest:
        rollout.apply("v1")
    for rollout in honest:
        rollout.until_serving("v1", timeout_s=120)
    with Attack(plane, honest) as attack:
        time.sleep(20)  # everything hangs by now
        for rollout in honest:
            rollout.apply("v2")
        for rollout in honest:
            rollout.until_serving("v2", timeout_s=150)
        manifests = [scraped(rollout.manifest("v3")) for rollout in honest]
        plane.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
        for rollout in honest:
            rollout.until_phase("RolledBack", timeout_s=120)
        changes, metrics = attack.changes, scrape(plane)
    return SimpleNamespace(honest=honest, changes=changes, metrics=metrics, writes=writes(shared.log))


def scrape(plane):
    """What the operator says of itself, with the memory of its process."""
    pod = operator_pod(plane).removeprefix("pod/")
    path = f"/api/v1/namespaces/modelramp-system/pods/{pod}:8080/proxy/metrics"
    lines = plane.kubectl("get", "--raw", path).splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def writes(log):
    """By object: what was written of it, in order, as (time, status or None, weights or None)."""
    found = {}
    for line in log.read_text().splitlines(keepends=True):
        if not line.endswith("\n"):
            continue
        event = json.loads(line)
        at = datetime.fromisoformat(event["stageTimestamp"]).timestamp()
        if event["responseStatus"]["code"] >= 300:
            continue
        about, body = event["objectRef"], event["requestObject"]
        status = body["status"] if about["resource"] == "modeldeployments" else None
        found.setdefault((about["namespace"], about["name"]), []).append((at, status, None if status else body))
    return found


def decided(history):
    """(what, seconds after its tick was due) for each status by which a tick moved traffic, and for its route."""
    before, late = {}, []
    for position, (at, status, _) in enumerate(history):
        if status is None:
            continue
        weight, rolling = (status.get("candidate") or {}).get("weight"), status["phase"] == "RollingBack"
        old = (before.get("candidate") or {}).get("weight")
        if (rolling and before.get("phase") != "RollingBack") or (old and weight and weight > old):
            what = "rolled back" if rolling else f"{weight} %"
            due = datetime.fromisoformat(status["lastTick"]).timestamp() + SCRAPE_DELAY_S
            route = next((when for when, other, body in history[position + 1 :] if body and other is None), None)
            late += [(what, at - due), (f"route of {what}", (route or float("inf")) - due)]
        before = status
    return late


def test_all_twenty_are_promoted_and_rolled_back_beside_hostile_neighbours(told):
    for rollout in told.honest:
        history = [(entry["modelVersion"], entry["outcome"]) for entry in rollout.status["history"]]
        assert history[:2] == [("v3", "RolledBack"), ("v2", "Promoted")], rollout.name
        assert rollout.weights_seen[-1] == {"v2": 100}
    assert told.changes > 100, "the attack went on"


def test_each_write_comes_within_five_seconds_after_its_tick_is_due(told):
    for rollout in told.honest:
        late = decided(told.writes[rollout.namespace, rollout.name])
        kinds = [what for what, _ in late]
        assert kinds == [
            "50 %", "route of 50 %", "100 %", "route of 100 %", "rolled back", "route of rolled back",
        ], (rollout.name, kinds)  # fmt: skip
        assert {what: round(by, 1) for what, by in late if by > LATE_S} == {}, rollout.name


def test_the_operator_keeps_within_the_memory_that_it_is_given(told):
    assert told.metrics["process_resident_memory_bytes"] < MEMORY_MIB * 2**20


def test_each_attack_is_felt_by_its_own_objects(shared, told):
    """Or else nothing was attacked."""
    items = json.loads(shared.plane.kubectl("get", "mdep", "-n", EVIL, "-o", "json"))["items"]
    found = {item["metadata"]["name"]: item.get("status", {}) for item in items}
    reasons = {name: {check["reason"] for check in status.get("checks", ())} for name, status in found.items()}
    assert reasons["hang-0"] & SLOW
    assert reasons["drip-0"] & SLOW
    assert reasons["large-0"] & {"AnswerTooLarge", *SLOW}  # a busy machine may be too slow to send too much
    assert found["claim-0"]["reason"] == "HostnameTaken"
