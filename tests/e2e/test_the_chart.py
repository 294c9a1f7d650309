"""What the chart renders, on a plane of its own: both admission policies deny, the API server protects owners.

A tenant rolls out, and rolls back. The API server's audit log then says which of its rights the operator used.
"""

import json
import os
import shutil
import subprocess
import time
from collections import Counter
from types import SimpleNamespace

import pytest
import yaml

from localplane import Plane, binaries
from localplane.errors import KubectlError
from localplane.testing import SCRAPE_INTERVAL_S, eventually
from tests.e2e.conftest import HERE
from tests.e2e.evaluations import CONFIG_MAP, evaluation, record, until_state
from tests.e2e.rollout import Rollout, end_watches
from tests.e2e.stories import wait_for_route
from tests.e2e.traffic import Traffic

pytestmark = pytest.mark.timeout(360)
NAMESPACE = "team"
OPERATOR = "system:serviceaccount:modelramp-system:modelramp"
AUTHOR = f"system:serviceaccount:{NAMESPACE}:author"
MD_ONLY = f"system:serviceaccount:{NAMESPACE}:md-only"
AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "users": [OPERATOR]},
        {"level": "Metadata", "resources": [{"group": "modelramp.io"}]},
        {"level": "None"},
    ],
}
VALUES = {
    "image.tag": "e2e",
    "prometheus.address": "http://10.244.0.1:9090",
    "admission.authors": "Deny",
    "admission.operator": "Deny",
    "env[0].name": "MODELRAMP_SCRAPE_DELAY",
    "env[0].value": "2",
}
STEPS = {"stepDuration": "5s", "revisionHistoryLimit": 2}
FAILING_HOOK = {"template": {"spec": {"containers": [{"name": "h", "image": "localplane/crash:1"}]}}, "backoffLimit": 0}
HOOKS = {"onBreach": [{"name": "report", "after": 1, "job": FAILING_HOOK}]}


@pytest.fixture(scope="module")
def chart(tmp_path_factory):
    """A plane with the release installed by Helm and ready, and the audit log's path."""
    folder = tmp_path_factory.mktemp("chart")
    (folder / "audit.yaml").write_text(yaml.safe_dump(AUDIT))
    flags = (
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
        f"--audit-policy-file={folder / 'audit.yaml'}",
        f"--audit-log-path={folder / 'audit.log'}",
    )
    name = f"chart-{os.getpid()}"
    with Plane.start(
        name, folder / "plane", scrape_interval=SCRAPE_INTERVAL_S, apiserver_flags=flags, tied=True
    ) as plane:
        install(plane)
        yield SimpleNamespace(plane=plane, log=folder / "audit.log")
        end_watches(plane.kubeconfig)


def install(plane):
    program = shutil.which("helm") or str(binaries.helm(print))
    values = [word for name, value in VALUES.items() for word in ("--set-string", f"{name}={value}")]
    where = ["--kubeconfig", str(plane.kubeconfig), "-n", "modelramp-system", "--create-namespace"]
    command = [program, "install", "modelramp", str(HERE.parents[1] / "charts/modelramp"), *values, *where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    plane.kubectl("create", "namespace", NAMESPACE)
    route = ["--verb=create", "--resource=httproutes.gateway.networking.k8s.io"]
    plane.kubectl("create", "role", "routes", "-n", NAMESPACE, *route)
    plane.kubectl("create", "role", "results", "-n", NAMESPACE, "--verb=create", "--resource=configmaps")
    rules = [{"apiGroups": ["modelramp.io"], "resources": ["modeldeployments"], "verbs": ["*"]}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": rules}
    role["metadata"] = {"name": "md-only", "namespace": NAMESPACE}
    plane.kubectl("apply", "-f", "-", input=json.dumps(role))  # not `create role`: the new kind may not be served yet
    for role, who in (
        ("role=routes", "author"),
        ("clusterrole=edit", "author"),
        ("role=md-only", "md-only"),
        ("role=results", "default"),
    ):
        binding = ("rolebinding", f"{who}-{role.partition('=')[2]}", "-n", NAMESPACE)
        plane.kubectl("create", *binding, f"--{role}", f"--serviceaccount={NAMESPACE}:{who}")
    plane.kubectl("rollout", "status", "deployment/modelramp", "-n", "modelramp-system", "--timeout=60s")


@pytest.fixture(scope="module")
def told(chart):
    """The whole story: promoted with an evaluation, rolled back with a hook, withdrawn while it is evaluated."""
    plane = chart.plane
    plane.kubectl("create", "configmap", "settings", "-n", NAMESPACE, "--from-literal=ERROR_RATIO=0")
    rollout = Rollout(plane, NAMESPACE, "digits", author=AUTHOR, steps=STEPS, hooks=HOOKS, config="settings")
    # The new kind, the operator's start and the aggregated role edit come in their own time.
    eventually(lambda: rollout.apply("v1") or True, timeout_s=60)
    rollout.until_serving("v1")
    wait_for_route(plane, rollout)
    with Traffic(plane.gateway_url, rollout.hostname) as traffic:
        rollout.evaluation = evaluation(["-c", CONFIG_MAP], image="localplane/python:1", results="ConfigMap")
        rollout.apply("v2")
        promoted = rollout.until_serving("v2")
        rollout.evaluation = {}
        rollout.apply("v3", ERROR_RATIO=1)
        rolled_back = rollout.until_phase("RolledBack")
        back = time.monotonic()
        rollout.evaluation = evaluation("sleep 60")
        rollout.apply("v4")
        until_state(rollout, "Running", 20)
        disturb(rollout, chart.log)
        leave_a_route_behind(rollout)
        rollout.apply("v2")
        rollout.until_serving("v2")
        eventually(lambda: {"get modeldeployments", "delete httproutes"} <= set(used(chart.log)))
        eventually(lambda: {"delete controllerrevisions", "delete configmaps"} <= set(used(chart.log)))
    return SimpleNamespace(
        rollout=rollout, traffic=traffic, promoted=promoted, rolled_back=rolled_back, back=back, log=chart.log
    )


def disturb(rollout, log):
    """Change the object so often that one of the operator's status writes is in conflict and it reads it again."""
    path = f"/apis/modelramp.io/v1alpha1/namespaces/{NAMESPACE}/modeldeployments/{rollout.name}"
    headers = {"Content-Type": "application/merge-patch+json"}
    for number in range(2000):
        body = json.dumps({"metadata": {"annotations": {"test": str(number)}}})
        rollout.http.patch(path, content=body, headers=headers).raise_for_status()
        if number % 50 == 0 and "get modeldeployments" in used(log):
            return


def leave_a_route_behind(rollout):
    """An HTTPRoute that is marked as the ModelDeployment's own and that it no longer wants."""
    found = rollout.get("httproute")
    kept = ("labels", "ownerReferences", "namespace")
    metadata = {"name": "left-behind", **{name: found["metadata"][name] for name in kept}}
    spec = {**found["spec"], "hostnames": ["left.example.com"]}
    body = {"apiVersion": found["apiVersion"], "kind": "HTTPRoute", "metadata": metadata, "spec": spec}
    rollout.plane.kubectl("create", "-f", "-", input=json.dumps(body))


def events(log):
    """What the audit log says of the operator's requests."""
    lines = log.read_text().splitlines(keepends=True)
    found = (json.loads(line) for line in lines if line.endswith("\n"))
    return [event for event in found if event["user"]["username"] == OPERATOR and "objectRef" in event]


def used(log):
    """The rights that the operator's requests needed, as `verb resource`, with their number."""
    rights = Counter()
    for event in events(log):
        about = event["objectRef"]
        resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
        rights[f"{event['verb']} {resource}"] += 1
        if event["verb"] == "patch" and event["responseStatus"]["code"] == 201:
            rights[f"create {resource}"] += 1  # server-side apply of a new object needs both
    return rights


TRAEFIK = ("traefikservices", "ingressroutes")


def granted(plane):
    names = ("modelramp", "modelramp-discovery")
    roles = [json.loads(plane.kubectl("get", "clusterrole", name, "-o", "json")) for name in names]
    leader = ("role", "modelramp-leader", "-n", "modelramp-system")
    roles.append(json.loads(plane.kubectl("get", *leader, "-o", "json")))
    rules = [rule for role in roles for rule in role["rules"]]
    return {f"{verb} {resource}" for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}


def test_a_tenant_rolls_out_on_what_the_chart_renders(told):
    assert told.rollout.weights_seen[:4] == [{"v1": 100}, {"v1": 90, "v2": 10}, {"v1": 50, "v2": 50}, {"v2": 100}]
    assert record(told.rollout, "v2") == {"state": "Passed", "metrics": {"accuracy": 0.98}}


def test_a_bad_version_is_rolled_back_on_what_the_chart_renders(told):
    assert told.rolled_back["breaches"] == 3
    assert told.rolled_back["stable"]["modelVersion"] == "v2"
    assert set(told.traffic.shares(since=told.back + 3)) == {"v2"}
    assert {tag for _, tag in told.traffic.failures()} <= {"v3"}, "only what v3 itself answered may have failed"


def test_the_operator_has_each_right_that_it_uses_and_uses_each_that_it_has(chart, told):
    refused = [event for event in events(told.log) if event["annotations"]["authorization.k8s.io/decision"] != "allow"]
    assert [(event["verb"], event["requestURI"]) for event in refused] == []
    # Asked for by the admission plugin, not by a request: the test below takes it away.
    unused = {"update modeldeployments/finalizers"}
    # Of a route and a Deployment of somebody else: test_borrowed_route uses them.
    unused |= {"patch modeldeployments", *(f"{verb} grpcroutes" for verb in ("get", "list", "patch"))}
    unused |= {"list poddisruptionbudgets"}
    # Of another router than this rollout's: test_traefik_router uses them.
    unused |= {f"{verb} {kind}" for verb in ("get", "create", "patch", "delete") for kind in TRAEFIK}
    # Of a pod that does not start and says nothing of it: tests/unit/engine and tests/integration ask for its Events.
    unused |= {"list events"}
    # Of a copy that `--cascade=orphan` has left behind: tests/sim/test_tracked_config.py.
    unused |= {"patch configmaps"}
    assert granted(chart.plane) - unused == set(used(told.log))


def test_the_operators_policy_refused_nothing_that_the_operator_does(told):
    marks = [name for event in events(told.log) for name in event["annotations"] if "validation_failure" in name]
    assert marks == []
    assert Counter(event["responseStatus"]["code"] for event in events(told.log))[422] == 0


def test_an_author_without_the_rights_is_refused_and_the_audit_log_says_so(chart, told):
    with pytest.raises(KubectlError, match=f"{MD_ONLY} may not create deployments.apps in namespace {NAMESPACE}"):
        Rollout(chart.plane, NAMESPACE, "attack", author=MD_ONLY).apply("v1")
    written = [line for line in told.log.read_text().splitlines() if '"validation.policy.admission.k8s.io/' in line]
    assert any(MD_ONLY in line and "may not create deployments.apps" in line for line in written)


def test_where_owners_are_protected_the_right_to_their_finalizers_is_needed(chart, told):
    found = told.rollout.get()["metadata"]
    owner = {"apiVersion": "modelramp.io/v1alpha1", "kind": "ModelDeployment", "name": "digits", "uid": found["uid"]}
    metadata = {
        "name": "child",
        "namespace": NAMESPACE,
        "labels": {"modelramp.io/deployment": "digits"},
        "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}

    def refused():
        try:
            chart.plane.kubectl("create", f"--as={OPERATOR}", "--dry-run=server", "-f", "-", input=json.dumps(service))
        except KubectlError as error:
            return str(error)
        return ""

    role = json.loads(chart.plane.kubectl("get", "clusterrole", "modelramp", "-o", "json"))
    assert refused() == ""
    rules = [rule for rule in role["rules"] if rule["resources"] != ["modeldeployments/finalizers"]]
    change = ("clusterrole", "modelramp", "--type=merge", "-p")
    chart.plane.kubectl("patch", *change, json.dumps({"rules": rules}))
    try:
        eventually(lambda: "cannot set blockOwnerDeletion" in refused())
    finally:
        chart.plane.kubectl("patch", *change, json.dumps({"rules": role["rules"]}))


def test_deleting_it_leaves_nothing_behind(chart, told):
    told.rollout.delete("--timeout=30s")
    kinds = "deployments,services,httproutes,controllerrevisions,configmaps,jobs"
    selector = f"modelramp.io/deployment={told.rollout.name}"
    eventually(lambda: chart.plane.kubectl("get", kinds, "-n", NAMESPACE, "-l", selector, "-o", "name").strip() == "")
