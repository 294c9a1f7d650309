"""A running Deployment, Service and HTTPRoute come under a ModelDeployment, and go back, under steady requests."""

import json
import time
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import NAMESPACE, wait_until
from tests.e2e.rollout import Rollout
from tests.e2e.traffic import Traffic

pytestmark = pytest.mark.timeout(400)
NAME = "borrowed"
RULE = {
    "name": "predict",
    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
    "filters": [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-team", "value": "vision"}]}}
    ],
    "backendRefs": [{"name": "legacy", "port": 80}],
}


ADOPTED = "adopted"


@dataclass
class Adopting(Rollout):
    """The pods of a Deployment that exists, on a route that exists."""

    def manifest(self, version, **options):
        wanted = super().manifest(version, **options)
        wanted["spec"]["routing"] = {"gateway": {"routeRef": {"name": self.name, "rule": "predict"}}}
        del wanted["spec"]["template"]
        wanted["spec"]["workloadRef"] = {"name": "legacy"}
        wanted["spec"]["service"] = {"port": 80, "targetPort": "http", "stableName": "adopted-stable"}
        return wanted


@dataclass
class Borrowing(Rollout):
    """The same servers, on a route that exists."""

    def manifest(self, version, **options):
        wanted = super().manifest(version, **options)
        wanted["spec"]["routing"] = {"gateway": {"routeRef": {"name": self.name, "rule": "predict"}}}
        return wanted


def legacy(rollout):
    """What runs before modelramp comes."""
    labels = {"app": "legacy"}
    template = Rollout.manifest(rollout, "v0")["spec"]["template"]
    meta = {"namespace": NAMESPACE, "name": "legacy"}
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {**template, "metadata": {"labels": labels}},
        },
    }
    ports = [{"port": 80, "targetPort": "http"}]
    yield {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": labels, "ports": ports}}
    yield {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {**meta, "name": rollout.name},
        "spec": {
            "parentRefs": [{"name": "public", "namespace": "gateway"}],
            "hostnames": [rollout.hostname],
            "rules": [RULE],
        },
    }


def get(plane, kind, name):
    return json.loads(plane.kubectl("get", kind, name, "-n", NAMESPACE, "-o", "json"))


def legacy_pods(plane):
    found = json.loads(plane.kubectl("get", "pods", "-n", NAMESPACE, "-l", "app=legacy", "-o", "json"))["items"]
    return {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in found}


def test_a_route_is_taken_over_divided_and_given_back_without_a_failed_request(operator):
    rollout = Borrowing(operator, NAMESPACE, NAME)
    for obj in legacy(rollout):
        operator.kubectl("apply", "-f", "-", input=json.dumps(obj))
    operator.kubectl("rollout", "status", "deployment/legacy", "-n", NAMESPACE, "--timeout=60s")
    before, pods = get(operator, "httproute", NAME), legacy_pods(operator)
    with Traffic(operator.gateway_url, rollout.hostname) as traffic:
        wait_until(lambda: traffic.shares().get("v0"))
        serves = time.monotonic()
        rollout.apply("v1")
        rollout.until_serving("v1")
        rollout.apply("v2")
        rollout.until_serving("v2", timeout_s=150.0)
        promoted = time.monotonic()
        time.sleep(4)
        in_use = get(operator, "httproute", NAME)
        gone = time.monotonic()
        rollout.delete("--timeout=60s")
        time.sleep(4)
        after = time.monotonic()
        time.sleep(3)

    late = [answer for answer in traffic.answers if answer.at > serves and answer.status != 200]
    assert not late, late[:5]
    assert set(traffic.shares(since=promoted + 3)) <= {"v2", "v0"}
    assert set(traffic.shares(since=after)) == {"v0"}
    assert len([answer for answer in traffic.answers if serves < answer.at < gone]) > 400
    assert in_use["spec"]["rules"][0]["filters"] == before["spec"]["rules"][0]["filters"]
    assert in_use["metadata"]["labels"]["modelramp.io/borrowed-by"] == NAME
    assert get(operator, "httproute", NAME)["spec"] == before["spec"]
    assert "modelramp.io/borrowed-by" not in get(operator, "httproute", NAME)["metadata"].get("labels", {})
    assert legacy_pods(operator) == pods
    wait_until(lambda: not rollout.children("deployment"))
    for kind, name in (("httproute", NAME), ("service", "legacy"), ("deployment", "legacy")):
        operator.kubectl("delete", kind, name, "-n", NAMESPACE, "--wait=false")


def endpoints(plane, service):
    """Ready endpoints of a Service, as a proxy would know them."""
    selector = f"kubernetes.io/service-name={service}"
    found = json.loads(plane.kubectl("get", "endpointslices", "-n", NAMESPACE, "-l", selector, "-o", "json"))["items"]
    return sum(point["conditions"]["ready"] for item in found for point in item["endpoints"] or ())


def adopted(plane):
    found = get(plane, "modeldeployment", ADOPTED).get("status", {}).get("conditions", ())
    return {item["type"]: item["status"] for item in found}.get("Adopted")


def test_a_deployment_gives_its_place_and_gets_it_back_without_a_failed_request(operator):
    rollout = Adopting(operator, NAMESPACE, ADOPTED, replicas=2)
    for obj in legacy(rollout):
        operator.kubectl("apply", "-f", "-", input=json.dumps(obj))
    operator.kubectl("rollout", "status", "deployment/legacy", "-n", NAMESPACE, "--timeout=60s")
    wait_until(lambda: len(legacy_pods(operator)) == 2)  # and none that still ends from the test before
    route, workload = get(operator, "httproute", ADOPTED), get(operator, "deployment", "legacy")
    pods = legacy_pods(operator)
    with Traffic(operator.gateway_url, rollout.hostname) as traffic:
        wait_until(lambda: traffic.shares().get("v0"))
        serves = time.monotonic()
        rollout.apply("v0")
        wait_until(lambda: get(operator, "httproute", ADOPTED)["spec"] != route["spec"], timeout_s=60.0)
        at_takeover = legacy_pods(operator)
        wait_until(lambda: adopted(operator) == "True", timeout_s=60.0)
        scaled = get(operator, "deployment", "legacy")
        wait_until(lambda: len(legacy_pods(operator)) == 1)
        wait_until(lambda: endpoints(operator, "adopted-stable") == 2)
        time.sleep(5)
        rollout.delete("--timeout=60s")
        time.sleep(5)

    late = [answer for answer in traffic.answers if answer.at > serves and answer.status != 200]
    assert not late, late[:5]
    assert len(traffic.answers) > 300
    assert at_takeover == pods, "no pod is restarted before the takeover"
    assert scaled["spec"] == {**workload["spec"], "replicas": 1}
    assert get(operator, "deployment", "legacy")["spec"] == workload["spec"]
    assert get(operator, "httproute", ADOPTED)["spec"] == route["spec"]
    wait_until(lambda: not rollout.children("deployment"))
    for kind, name in (("httproute", ADOPTED), ("service", "legacy"), ("deployment", "legacy")):
        operator.kubectl("delete", kind, name, "-n", NAMESPACE, "--wait=false")
