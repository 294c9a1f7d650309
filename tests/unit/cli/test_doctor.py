"""What `modelramp doctor` finds in the way, and what it says to do."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler

import pytest
import yaml

from modelramp.cli import diagnosis
from tests.unit.cli.test_readers_in_a_cluster import IN_STEP, SPEC
from tests.unit.cli.test_verbs_in_a_cluster import HEALTHY, conditions

NOW = datetime(2026, 11, 29, 4, 20, tzinfo=UTC)
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
MODELS = "/apis/modelramp.io/v1alpha1/namespaces/ml/modeldeployments"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/ops/leases/modelramp"
ARGO = "/api/v1/namespaces/argocd/configmaps/argocd-cm"


def at(seconds):
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def pod(ready="True"):
    return {"metadata": {"namespace": "ops"}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


class Clock:
    @staticmethod
    def time_ns():
        return int(NOW.timestamp()) * 1_000_000_000


@pytest.fixture(autouse=True)
def server_clock(monkeypatch):
    """Stops the clocks; sets that of the API server."""
    monkeypatch.setattr(diagnosis, "time", Clock)

    def turn(behind):
        shown = format_datetime(NOW - timedelta(seconds=behind))
        monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda self, timestamp=None: shown)

    turn(0)
    return turn


class Surroundings:
    """A cluster where all is well, but for what is given: path -> answer; None is not found, 403 is refused."""

    def __init__(self, others=None, *, status=HEALTHY, spec=SPEC, refused=(), minor="31+"):
        digits = {"metadata": {"name": "digits", "namespace": "ml", "generation": 2}, "spec": spec, "status": status}
        self.refused = refused
        self.known = {
            "/version": {"minor": minor, "gitVersion": f"v1.{minor}"},
            MODELS: {"items": [digits]},
            f"{MODELS}/digits": digits,
            "/api/v1/pods": {"items": [pod(), pod()]},
            LEASE: {"spec": {"renewTime": at(1)}},
            **(others or {}),
        }

    def answer(self, method, path, query, body):
        if path == REVIEWS:
            asked = body["spec"]["resourceAttributes"]
            assert asked["namespace"] == "ml"
            return 201, {"status": {"allowed": (asked["verb"], asked["resource"]) not in self.refused}}
        assert method == "GET", "a doctor changes nothing"
        found = self.known.get(path)
        return (404, {}) if found is None else (found, {}) if isinstance(found, int) else (200, found)


def doctor(run, cluster, *arguments):
    code, text = run(cluster, "doctor", *arguments, "-o", "json")
    return code, {one["text"]: (one["mark"], one["fix"]) for one in json.loads(text)}


def test_where_all_is_well_nothing_is_to_be_done(run):
    code, found = doctor(run, Surroundings())

    assert code == 0
    assert {mark for mark, _ in found.values()} == {"fine"}
    assert list(found) == [
        "Kubernetes v1.31+",
        "the CRD is installed; ModelDeployments in namespace ml: 1",
        "you have the rights that the verbs need",
        "operator: 2 of 2 pods are ready in namespace ops",
    ]


@pytest.mark.parametrize(
    ("cluster", "said", "mark"),
    [
        ({"minor": "29"}, "is older than 1.30", "problem"),
        ({"others": {MODELS: None}}, "ModelDeployments of namespace ml does not exist here, or the CRD is", "problem"),
        ({"others": {MODELS: 403}}, "you have no right to do that", "problem"),
        ({"refused": {("patch", "modeldeployments")}}, "you may not patch modeldeployments: promote,", "warning"),
        ({"refused": {("patch", "namespaces")}}, "you may not patch namespaces: freeze", "warning"),
        ({"refused": {("list", "controllerrevisions")}}, "you may not list controllerrevisions: diff", "warning"),
        ({"others": {"/api/v1/pods": {"items": []}}}, "no pod of the operator exists", "problem"),
        ({"others": {"/api/v1/pods": {"items": [pod("False")]}}}, "0 of 1 pods are ready", "problem"),
        ({"others": {"/api/v1/pods": 403}}, "you may not look for the operator's pods", "unknown"),
        ({"others": {LEASE: {"spec": {"renewTime": at(90)}}}}, "no operator leads: the Lease modelramp", "problem"),
        ({"status": {**HEALTHY, "observedGeneration": 1}}, "nobody has taken up the last change of digits", "problem"),
        ({"status": {**IN_STEP, "lastTick": at(400)}}, "digits: the last tick of its rollout was 400 s ago", "problem"),
        ({"others": {ARGO: {"data": {}}}}, "Argo CD takes every ModelDeployment for healthy", "warning"),
    ],
)
def test_each_obstacle_is_named_with_what_to_do(run, cluster, said, mark):
    status = cluster.pop("status", HEALTHY)
    code, found = doctor(run, Surroundings(**cluster, status=status))

    ((_, (found_mark, fix)),) = ((text, given) for text, given in found.items() if said in text)
    assert (found_mark, code) == (mark, 1 if mark == "problem" else 0)
    assert fix or mark == "unknown"


def test_a_model_that_cannot_be_read_is_a_finding_among_others(run):
    code, found = doctor(run, Surroundings({f"{MODELS}/digits": 403, "/api/v1/pods": {"items": None}}), "digits")

    assert code == 1
    assert found["no pod of the operator exists"][0] == "problem"
    assert any("ModelDeployment ml/digits: you have no right to do that" in text for text in found)


def test_a_rollout_under_way_is_no_problem_and_one_that_is_stuck_is(run):
    moving = {**HEALTHY, "conditions": conditions(Ready=("False", "WaitingForPods"))}
    assert doctor(run, Surroundings(status=moving), "digits")[0] == 0
    stuck = {**HEALTHY, "conditions": conditions(Ready=("False", "NameTaken"), Stalled=("True", "NameTaken"))}
    assert doctor(run, Surroundings(status=stuck), "digits")[0] == 1


def test_a_slow_rollout_is_no_missed_tick(run):
    hourly = {**SPEC, "health": {**SPEC["health"], "interval": "1h"}}
    assert doctor(run, Surroundings(status={**IN_STEP, "lastTick": at(400)}, spec=hourly))[0] == 0


def test_a_wrong_clock_is_named(run, server_clock):
    server_clock(400)
    _, found = doctor(run, Surroundings())
    assert [mark for text, (mark, _) in found.items() if "API server differ by 400 s" in text] == ["warning"]


def test_one_model_is_looked_at_from_its_route_to_its_spec(run):
    broken = {
        **IN_STEP,
        "lastTick": at(1),
        "conditions": [
            *conditions(Ready=("False", "GatewayNotFound"), Available=("True", "Serving")),
            {"type": "Routed", "status": "False", "reason": "GatewayNotFound", "message": "Gateway public is missing"},
        ],
    }
    code, found = doctor(run, Surroundings(status=broken, spec={**SPEC, "replica": 2}), "digits")

    assert code == 1
    marks = {text: mark for text, (mark, _) in found.items()}
    assert marks["digits: Available"] == "fine"
    assert marks["digits: Routed is False: GatewayNotFound: Gateway public is missing"] == "problem"
    assert marks["digits: check errors has data"] == "fine"
    assert marks["digits: check accuracy has no data: EmptyResult: the query found nothing"] == "problem"
    assert any("replica" in text and mark == "problem" for text, mark in marks.items()), marks


QUOTAS, NODES, PODS = "/api/v1/namespaces/ml/resourcequotas", "/api/v1/nodes", "/api/v1/pods"
GPU = "nvidia.com/gpu"
PAGE = "docs/how-to/roll-out-on-scarce-gpus.md"


def with_devices(replicas=4, **capacity):
    template = {"spec": {"containers": [{"name": "m", "image": "m:1", "resources": {"limits": {GPU: 1}}}]}}
    return {**SPEC, "replicas": replicas, "template": template, "rollout": {"capacity": capacity}}


@pytest.mark.parametrize(
    ("left", "capacity", "text", "fix"),
    [
        (4, {}, "digits: there is room for the 4 more pods of the next rollout", ""),
        (
            1,
            {},
            "digits: the next rollout has up to 4 more pods, which need 4 nvidia.com/gpu, with 1 left on the nodes",
            "spec.rollout.capacity: {maxSurge: 1} fits: docs/how-to/roll-out-on-scarce-gpus.md",
        ),
        (
            0,
            {"maxSurge": 2},
            "digits: the next rollout has up to 2 more pods, which need 2 nvidia.com/gpu, with 0 left on the nodes",
            f"spec.rollout.capacity: {{maxSurge: 0, maxUnavailable: 1}} needs no more than what runs: {PAGE}",
        ),
        (
            1,
            {"maxSurgeResources": {GPU: 3}},
            "digits: the next rollout has up to 3 more pods, which need 3 nvidia.com/gpu, with 1 left on the nodes",
            f"spec.rollout.capacity: {{maxSurgeResources: {{{GPU}: 1}}}} fits: docs/how-to/roll-out-on-scarce-gpus.md",
        ),
        (0, {"maxSurge": 0, "maxUnavailable": 1}, "digits: the next rollout has no more pods than what runs", ""),
    ],
)
def test_the_next_rollout_needs_room(run, left, capacity, text, fix):
    nodes = {"items": [{"metadata": {"name": "a"}, "status": {"allocatable": {GPU: str(left)}}}]}
    others = {QUOTAS: {"items": []}, NODES: nodes}
    _, found = doctor(run, Surroundings(others, spec=with_devices(**capacity)), "digits")

    assert found[text] == ("warning" if fix else "fine", fix)


def test_a_quota_is_read_and_nodes_that_may_not_be_read_are_said(run):
    quota = {"metadata": {"name": "few"}, "status": {"hard": {"pods": "5"}, "used": {"pods": "4"}}}
    others = {QUOTAS: {"items": [quota]}, NODES: 403}
    _, found = doctor(run, Surroundings(others, spec=with_devices()), "digits")

    (short,) = (text for text in found if "4 pods, with 1 left in ResourceQuota few" in text)
    assert found[short][0] == "warning"
    assert [mark for text, (mark, _) in found.items() if "you may not look for free devices" in text] == ["unknown"]


def test_a_rollout_under_way_says_itself_what_it_waits_for(run):
    running = {**IN_STEP, "lastTick": at(1)}
    others = {QUOTAS: {"items": []}, NODES: {"items": []}}
    _, found = doctor(run, Surroundings(others, spec=with_devices(), status=running), "digits")

    assert not [text for text in found if "next rollout" in text]


def test_people_read_signs_and_fixes(run):
    status = {**HEALTHY, "conditions": [{"type": "Routed", "status": "False", "reason": "X", "message": "\x1b[2J<b>"}]}
    code, text = run(Surroundings(status=status), "doctor", "digits")

    assert code == 1
    assert "✔ Kubernetes v1.31+" in text
    assert "✖ digits: Routed is False: X: \\x1b[2J<b>\n    docs/reference/reasons.md has X" in text


def linted(run, folder, cluster, spec, **metadata):
    """What lint says of room, with a cluster."""
    about = {"name": "digits", **metadata}
    wanted = {"apiVersion": "modelramp.io/v1alpha1", "kind": "ModelDeployment", "metadata": about, "spec": spec}
    (folder / "digits.yaml").write_text(yaml.safe_dump(wanted))
    _, text = run(cluster, "lint", str(folder / "digits.yaml"), "--context", "c", "-o", "json")
    found = json.loads(text)["findings"]
    return [one["message"] for one in found if "next rollout" in one["message"] or "devices" in one["message"]]


ONE_MORE = "needs 1 more nvidia.com/gpu than ResourceQuota gpus leaves; spec.rollout.capacity: "


@pytest.mark.parametrize(
    ("capacity", "serves", "said"),
    [
        ({"maxSurge": 2}, True, f"{ONE_MORE}{{maxSurge: 1}} fits: {PAGE}"),
        ({"maxSurgeResources": {GPU: 2}}, True, f"{ONE_MORE}{{maxSurgeResources: {{nvidia.com/gpu: 1}}}} fits: {PAGE}"),
        ({"maxSurge": 1}, True, ""),
        ({"maxSurge": 1}, False, "needs 3 more nvidia.com/gpu than ResourceQuota gpus leaves"),
    ],
)
def test_lint_with_a_cluster_reckons_what_the_next_rollout_lacks(run, tmp_path, capacity, serves, said):
    quota = {
        "metadata": {"name": "gpus"},
        "status": {"hard": {f"requests.{GPU}": 9}, "used": {f"requests.{GPU}": 8}},
    }
    node = {"metadata": {"name": "a"}, "status": {"allocatable": {GPU: "20"}}}
    others = {QUOTAS: {"items": [quota]}, NODES: {"items": [node]}}
    if not serves:
        others[f"{MODELS}/digits"] = None
    found = linted(run, tmp_path, Surroundings(others), with_devices(**capacity))

    assert found == ([f"the next rollout {said}"] if said else [])


def test_lint_says_nothing_of_room_while_a_rollout_is_under_way(run, tmp_path):
    full = {QUOTAS: {"items": []}, NODES: {"items": []}}
    assert linted(run, tmp_path, Surroundings(full, status=IN_STEP), with_devices()) == []


def test_lint_says_what_the_caller_may_not_read(run, tmp_path):
    found = linted(run, tmp_path, Surroundings({QUOTAS: 403, NODES: 403}), with_devices())
    assert found == ["you may not look for free devices: that takes list on nodes and pods"]


def test_lint_looks_into_the_namespace_of_the_manifest(run, tmp_path):
    other = MODELS.replace("/ml/", "/other/")
    cluster = Surroundings({f"{other}/digits": None, QUOTAS: {"items": []}, NODES: {"items": []}})
    found = linted(run, tmp_path, cluster, with_devices(), namespace="other")
    assert found == ["the next rollout needs 4 more nvidia.com/gpu than the nodes have free"]


def test_lint_with_a_cluster_that_refuses_ends_with_the_code_for_that(run, tmp_path):
    (tmp_path / "digits.yaml").write_text(yaml.safe_dump({"kind": "ModelDeployment", "apiVersion":
        "modelramp.io/v1alpha1", "metadata": {"name": "digits"}, "spec": with_devices()}))  # fmt: skip
    code, text = run(Surroundings({f"{MODELS}/digits": 403}), "lint", str(tmp_path / "digits.yaml"), "--context", "c")
    assert (code, "digits" in text) == (5, True)
