"""The chart's monitors and rules through the real Prometheus Operator, and the alerts of the real operator.

The Prometheus Operator makes the configuration and the rules; a Prometheus of the plane runs them, with shorter times.
"""

import gzip
import json
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import yaml

from localplane import Plane, binaries
from localplane.testing import SCRAPE_INTERVAL_S, eventually, make_namespace
from tests.e2e.conftest import HERE
from tests.e2e.rollout import Rollout, end_watches
from tests.e2e.stories import wait_for_route
from tests.e2e.traffic import Traffic

pytestmark = pytest.mark.timeout(600)
NAMESPACE = "team"
SYSTEM = "modelramp-system"
PROMETHEUS = "http://10.244.0.1:9090"
WATCHING = "10.244.0.1:9095"
HANGING = "10.244.0.1:9096"
VALUES = {
    "image": {"tag": "e2e"},
    "prometheus": {"address": PROMETHEUS},
    "env": [
        {"name": "MODELRAMP_SCRAPE_DELAY", "value": "2"},
        {"name": "MODELRAMP_ALLOWED_ADDRESSES", "value": "10.244.0.1"},
    ],
    "monitoring": {
        "serviceMonitor": {"enabled": True, "interval": "1s"},
        "modelPodMonitor": {"enabled": True, "interval": "1s"},
        "prometheusRule": {"enabled": True},
    },
}
MONITORING = ("prometheuses", "servicemonitors", "podmonitors", "probes", "prometheusrules", "scrapeconfigs")
"""What the Prometheus Operator needs to run a Prometheus; it leaves out what it has no kind for."""
SHORTER = {
    "> 1800": "> 10",
    "> 600": "> 12",
    "> 180": "> 8",
    "< 900": "< 30",
    "[15m]) > 0": "[15s]) > 0",
    "[15m])) > 30": "[15s])) > 3",
}
"""What the rules wait for, made short enough for a test; every `for` becomes two seconds."""
PROMETHEUS_CR = """
apiVersion: v1
kind: Namespace
metadata: {name: monitoring}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: prometheus, namespace: monitoring}
---
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {name: main, namespace: monitoring}
spec:
  serviceAccountName: prometheus
  scrapeInterval: 1s
  evaluationInterval: 1s
  podMonitorSelector: {}
  podMonitorNamespaceSelector: {}
  serviceMonitorSelector: {}
  serviceMonitorNamespaceSelector: {}
  ruleSelector: {}
  ruleNamespaceSelector: {}
"""
KEPT = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: kept}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [gateway.networking.k8s.io], apiVersions: [v1], operations: [UPDATE], resources: [httproutes]}
    - {apiGroups: [modelramp.io], apiVersions: [v1alpha1], operations: [UPDATE], resources: [modeldeployments/status]}
  validations:
  - expression: "object.metadata.name != (object.kind == 'HTTPRoute' ? 'refused' : 'mute')"
    message: the test keeps this object
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: kept}
spec: {policyName: kept, validationActions: [Deny]}
"""
POLL = f"""
import json, time, urllib.request
while True:
    try:
        with urllib.request.urlopen("http://{WATCHING}/api/v1/alerts", timeout=5) as answer:
            found = json.load(answer)["data"]["alerts"]
        print(json.dumps([time.time(), [one["labels"] for one in found if one["state"] == "firing"]]), flush=True)
    except OSError:
        pass
    time.sleep(0.5)
"""
HANG = """
import socket, time
server = socket.create_server(("10.244.0.1", 9096))
time.sleep(3600)
"""
"""A Prometheus that takes every connection and never says a word."""


class Pager:
    """What would have rung: every alert that fires, seen twice a second."""

    def __init__(self, path):
        self.path = path

    def looks(self):
        lines = self.path.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def now(self):
        """When it last looked, seconds since the epoch."""
        return self.looks()[-1][0]

    def firing(self, alert, name=""):
        """The labels of an alert that fires now; None when it does not."""
        looks = self.looks()
        return _of(looks[-1][1], alert, name) if looks else None

    def rang(self, alert, name=""):
        """When an alert first fired; None when it never did."""
        return next((at for at, labels in self.looks() if _of(labels, alert, name)), None)

    def rings(self, alert, name="", timeout_s=60.0):
        return eventually(lambda: self.firing(alert, name), timeout_s=timeout_s)

    def ends(self, alert, name="", timeout_s=60.0):
        eventually(lambda: self.firing(alert, name) is None, timeout_s=timeout_s)


def _of(firing, alert, name):
    return next((one for one in firing if one["alertname"] == alert and one.get("name", "") == name), None)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A plane with the chart's release, whose monitors and rules the real Prometheus Operator has taken."""
    folder = tmp_path_factory.mktemp("alerts")
    with ExitStack() as stack:
        name = f"alerts-{folder.name[-6:].strip('-')}"
        plane = stack.enter_context(Plane.start(name, folder / "plane", scrape_interval=SCRAPE_INTERVAL_S, tied=True))
        stack.callback(end_watches, plane.kubeconfig)
        crds = binaries.prometheus_operator_crds(print)
        files = [word for kind in MONITORING for word in ("-f", str(crds / f"monitoring.coreos.com_{kind}.yaml"))]
        plane.kubectl("apply", "--server-side", *files, timeout_s=120)
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s", timeout_s=90)
        install(plane)
        plane.kubectl("apply", "-f", "-", input=PROMETHEUS_CR)
        config, rules = generated(plane, stack)
        watching(plane, folder, config, rules, stack)
        yield SimpleNamespace(plane=plane, config=config, rules=rules, pager=Pager(folder / "pager"), folder=folder)


def install(plane):
    program = shutil.which("helm") or str(binaries.helm(print))
    where = ["--kubeconfig", str(plane.kubeconfig), "-n", SYSTEM, "--create-namespace"]
    command = [program, "install", "modelramp", str(HERE.parents[1] / "charts/modelramp"), "-f", "-", *where]
    done = subprocess.run(
        command, input=yaml.safe_dump(VALUES), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    make_namespace(plane, NAMESPACE)
    plane.kubectl("rollout", "status", "deployment/modelramp", "-n", SYSTEM, "--timeout=60s")


def started(stack, command, log):
    """A process that ends with the stack."""
    out = stack.enter_context(log.open("w"))
    process = stack.enter_context(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT))
    stack.callback(process.terminate)


def generated(plane, stack):
    """The configuration and the rules that the Prometheus Operator makes of what is in the cluster."""
    log = plane.folder / "proxy"
    started(stack, [*plane.kubectl_command(), "proxy", "--port=0"], log)
    found = eventually(lambda: re.search(r"127\.0\.0\.1:\d+", log.read_text()))
    command = [str(binaries.prometheus_operator(print)), f"--apiserver=http://{found[0]}"]
    started(stack, [*command, "--web.listen-address=127.0.0.1:0"], plane.folder / "prometheus-operator")

    def made(kind, name):
        return json.loads(plane.kubectl("get", kind, name, "-n", "monitoring", "-o", "json"))["data"]

    def config():
        text = gzip.decompress(b64decode(made("secret", "prometheus-main")["prometheus.yaml.gz"]))
        return yaml.safe_load(text)

    jobs = {f"serviceMonitor/{SYSTEM}/modelramp/0", f"podMonitor/{SYSTEM}/modelramp-models/0"}
    wished = lambda found: jobs <= {job["job_name"] for job in found["scrape_configs"]}  # noqa: E731
    taken = eventually(config, wished, timeout_s=90)
    (text,) = eventually(lambda: list(made("configmap", "prometheus-main-rulefiles-0").values()))
    return taken, yaml.safe_load(text)


def watching(plane, folder, config, rules, stack):
    """Run what was generated on the plane's Prometheus, and somebody who looks at its alerts."""
    for group in rules["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "2s"
            for long, short in SHORTER.items():
                rule["expr"] = re.sub(rf"{re.escape(long)}\b", short, rule["expr"])
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    (user,) = yaml.safe_load(plane.kubeconfig.read_text())["users"]
    (folder / "token").write_text(user["user"]["token"])
    reach = {
        "api_server": "https://10.244.0.1:6443",
        "tls_config": {"ca_file": str(plane.files.authority)},
        "authorization": {"credentials_file": str(folder / "token")},
    }
    here = {**config, "rule_files": [str(folder / "rules.yaml")], "alerting": {}}
    here["scrape_configs"] = json.loads(json.dumps(config["scrape_configs"]).replace("$(SHARD)", "0"))
    for job in here["scrape_configs"]:
        for discovery in job["kubernetes_sd_configs"]:
            discovery.update(reach)
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(here))
    checked = [str(binaries.promtool(print)), "check", "config", str(folder / "prometheus.yaml")]
    done = subprocess.run(checked, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    command = [f"{plane.record.binaries}/prometheus", f"--config.file={folder / 'prometheus.yaml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={WATCHING}"]
    started(stack, plane.inside(command), folder / "prometheus.log")
    started(stack, plane.inside([sys.executable, "-u", "-c", POLL]), folder / "pager")
    started(stack, plane.inside([sys.executable, "-c", HANG]), folder / "hanging")
    eventually(lambda: Pager(folder / "pager").looks())


def query(plane, text):
    """The labels and values that the watching Prometheus has."""
    ask = (
        "import json, sys, urllib.parse, urllib.request; "
        f"url = 'http://{WATCHING}/api/v1/query?' + urllib.parse.urlencode({{'query': sys.argv[1]}}); "
        "print(json.dumps(json.load(urllib.request.urlopen(url, timeout=10))['data']['result']))"
    )
    done = plane.run_inside([sys.executable, "-c", ask, text])
    assert done.returncode == 0, done.stderr
    return [(found["metric"], float(found["value"][1])) for found in json.loads(done.stdout)]


def rollout(watched, name, **options):
    return Rollout(watched.plane, NAMESPACE, name, **options)


@pytest.fixture(scope="module")
def night(watched):
    """Everything that goes wrong with models, at the same time; then it is put right."""
    gate = {"name": "gate", "query": "vector(1)", "max": "0", "role": "hold"}
    dead, hanging = ({"prometheus": {"address": f"http://{at}"}} for at in ("10.244.0.1:9", HANGING))
    steps = {"steps": [{"weight": 50}, {"weight": 100}], "stepDuration": "5s"}
    failing, held = rollout(watched, "failing"), rollout(watched, "held", checks=[gate], steps=steps)
    mute, broken = rollout(watched, "mute", checks=[gate]), rollout(watched, "broken")
    bad = {"name": "bad", "query": "vector(1)", "max": "0"}
    refused = rollout(watched, "refused", checks=[bad], after={"watch": "never"})
    silent = rollout(watched, "silent", checks=[{"name": "own", "query": "vector(0)", "max": "1"}], hooks=dead)
    slow = rollout(watched, "slow", checks=[{"name": "own", "query": "vector(0)", "max": "1"}], hooks=hanging)
    eventually(lambda: failing.apply("v1") or True, timeout_s=60)  # the new kind is served in its own time
    for each in (held, refused, silent, mute, slow):
        each.apply("v1")
    broken.apply("1", image="localplane/crash")
    for each in (failing, held, refused, mute):
        each.until_serving("v1")
    wait_for_route(watched.plane, failing)
    refused.apply("v2")
    refused.until_step(10)
    watched.plane.kubectl("apply", "-f", "-", input=KEPT)  # in force before the third breach
    with Traffic(watched.plane.gateway_url, failing.hostname):
        for each, options in ((held, {}), (mute, {}), (failing, {"ERROR_RATIO": 1})):
            each.apply("v2", **options)
        failing.until_phase("RolledBack")
        rolled_back = watched.pager.now()
        rang = watched.pager.rings("ModelRolledBack", "failing")
    yield SimpleNamespace(
        failing=failing,
        held=held,
        refused=refused,
        silent=silent,
        broken=broken,
        slow=slow,
        rolled_back=rolled_back,
        rang=rang,
    )
    for each in (failing, held, refused, silent, mute):
        each.delete("--ignore-not-found", "--wait=false")


def test_a_rollback_rings_within_a_minute_names_the_model_and_ends(watched, night):
    assert watched.pager.rang("ModelRolledBack", "failing") - night.rolled_back < 60
    assert night.rang == {
        "alertname": "ModelRolledBack",
        "severity": "warning",
        "namespace": NAMESPACE,
        "name": "failing",
        "reason": "ThresholdReached",
        "revision": night.failing.status["failedRevision"],
    }
    watched.pager.ends("ModelRolledBack", "failing")


def test_a_model_without_a_way_back_rings_until_it_is_deleted(watched, night):
    for alert in ("ModelDegraded", "ModelUnavailable"):
        assert watched.pager.rings(alert, "broken", timeout_s=90)["namespace"] == NAMESPACE
    night.broken.delete("--wait=false")
    for alert in ("ModelDegraded", "ModelUnavailable"):
        watched.pager.ends(alert, "broken")
    degraded = 'modelramp_objects{phase="Degraded"}'
    eventually(lambda: query(watched.plane, degraded)[0][1], lambda count: count == 0)


def test_a_rollout_that_a_check_holds_rings_until_it_goes_on(watched, night):
    eventually(lambda: watched.pager.rings("ModelHeld", "held")["reason"] == "HeldByCheck")  # first it was the gateway
    night.held.checks = [{**night.held.checks[0], "max": "2"}]
    night.held.patch({"health": {"checks": night.held.checks}})
    night.held.until_serving("v2")
    watched.pager.ends("ModelHeld", "held")


def test_a_route_and_a_status_that_are_refused_ring_until_they_are_taken(watched, night):
    alerts = (("ModelRouteRefused", "refused"), ("ModelRollbackStuck", "refused"), ("ModelrampStatusRefused", ""))
    for alert, name in alerts:
        assert watched.pager.rings(alert, name)
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        watched.plane.kubectl("delete", kind, "kept")
    for alert, name in alerts:
        watched.pager.ends(alert, name, timeout_s=90)
    night.refused.until_phase("RolledBack")


def test_a_model_whose_own_prometheus_is_silent_rings_until_it_answers(watched, night):
    assert watched.pager.rings("ModelUnanswered", "silent")["reason"] == "PrometheusUnreachable"
    night.silent.patch({"health": {"prometheus": {"address": PROMETHEUS}}})
    watched.pager.ends("ModelUnanswered", "silent")


def test_ticks_that_wait_for_a_prometheus_which_hangs_ring_until_nobody_asks_it(watched, night):
    assert watched.pager.rings("ModelrampLate")
    night.slow.delete("--wait=false")
    watched.pager.ends("ModelrampLate")


def test_series_arrive_with_the_labels_that_the_docs_name(watched, night):
    (found,) = [labels for labels, _ in query(watched.plane, 'modelramp_object_phase{name="failing"}')]
    assert {name: found[name] for name in ("namespace", "name", "phase")} == {
        "namespace": NAMESPACE,
        "name": "failing",
        "phase": "RolledBack",
    }
    assert query(watched.plane, 'count({exported_namespace!=""})') == []
    replicas = [labels for labels, _ in query(watched.plane, "modelramp_build_info")]
    assert {labels["namespace"] for labels in replicas} == {SYSTEM}
    stable = night.failing.status["stable"]["revision"]
    models = [labels for labels, _ in query(watched.plane, 'up{modeldeployment="failing"}')]
    assert {(labels["namespace"], labels["revision"]) for labels in models} == {(NAMESPACE, stable)}


def test_the_first_line_of_the_log_says_who_has_started(watched):
    plane = watched.plane
    logs = [path for name, path in plane.pod_logs().items() if name.startswith(f"{SYSTEM}/modelramp-")]
    lines = [line.partition("{")[2] for line in logs[0].read_text().splitlines() if "{" in line]
    first = json.loads("{" + lines[0])
    assert first["event"] == "started"
    assert {name: first[name] for name in ("prometheus", "prometheus_answers", "namespaces", "objects")} == {
        "prometheus": PROMETHEUS,
        "prometheus_answers": True,
        "namespaces": "all",
        "objects": 0,
    }
    assert first["settings"].keys() == {"scrape_delay", "allowed_addresses", "web_host", "lease_namespace"}
    assert (first["settings"]["scrape_delay"], first["settings"]["allowed_addresses"]) == (2.0, ["10.244.0.1"])


def test_an_operator_that_is_away_does_not_lead_or_gets_no_answers_rings_until_that_ends(watched, night):
    plane, pager = watched.plane, watched.pager
    plane.kubectl(
        "set", "env", "deployment/modelramp", "-n", SYSTEM, "MODELRAMP_PROMETHEUS_ADDRESS=http://10.244.0.1:9"
    )
    pager.rings("ModelrampPrometheusSilent")
    plane.kubectl("set", "env", "deployment/modelramp", "-n", SYSTEM, f"MODELRAMP_PROMETHEUS_ADDRESS={PROMETHEUS}")
    pager.ends("ModelrampPrometheusSilent")
    plane.kubectl("scale", "deployment/modelramp", "-n", SYSTEM, "--replicas=0")
    pager.rings("ModelrampDown")
    somebody = json.dumps({"spec": {"holderIdentity": "somebody-else", "leaseDurationSeconds": 10}})
    plane.kubectl("patch", "lease", "modelramp", "-n", SYSTEM, "--type=merge", "-p", somebody)
    plane.kubectl("scale", "deployment/modelramp", "-n", SYSTEM, "--replicas=1")
    pager.ends("ModelrampDown")
    eventually(lambda: pager.rang("ModelrampLeaderless"), timeout_s=60)  # it watches that Lease for its duration
    pager.ends("ModelrampLeaderless")
    plane.stop_component("apiserver")
    pager.rings("ModelrampApiSilent")
    plane.start_component("apiserver")
    pager.ends("ModelrampApiSilent")
    assert pager.rang("ModelRolledBack", "held") is None, "what went well rang nobody"
