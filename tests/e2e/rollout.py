"""One ModelDeployment in a test: apply versions, look at status, route and children, wait."""

import base64
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache

import httpx
import yaml

from localplane import Plane

INTERVAL_S = 5
UNREACHABLE = (httpx.HTTPError,)
ENDED = defaultdict(threading.Event)  # by kubeconfig: tests may run on several planes
WATCHERS = defaultdict(list)


@cache
def http_client(kubeconfig):
    """One client for all rollouts: kubectl for each look would cost more than the tests themselves."""
    cluster = yaml.safe_load(kubeconfig.read_text())
    server = cluster["clusters"][0]["cluster"]
    user = cluster["users"][0]["user"]
    trust = ssl.create_default_context(cadata=base64.b64decode(server["certificate-authority-data"]).decode())
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    return httpx.Client(
        base_url=server["server"], verify=trust, headers=headers, timeout=10.0, limits=httpx.Limits(max_connections=64)
    )


def end_watches(kubeconfig):
    """Let all watches of a plane run out and close the client."""
    ENDED[kubeconfig].set()
    for thread in WATCHERS[kubeconfig]:
        thread.join(timeout=20)
    http_client(kubeconfig).close()


@dataclass
class Rollout:
    """Small servers behind the gateway, with ticks every 5 s and steps of 10 s."""

    plane: Plane
    namespace: str
    name: str
    hostname: str = ""
    gateway: str = "public"
    checks: list = field(default_factory=lambda: [{"name": "errors", "preset": "traefik-error-rate", "max": "0.05"}])
    policies: list = field(default_factory=list)
    after: dict = field(default_factory=dict)
    evaluation: dict = field(default_factory=dict)
    hooks: dict = field(default_factory=dict)
    replicas: int = 1
    steps: dict = field(default_factory=dict)
    config: str = ""  # a ConfigMap that the pods read and whose content is tracked
    author: str = ""
    by_revision: list = field(default_factory=list)

    def __post_init__(self):
        self.hostname = self.hostname or f"{self.name[:40]}.example.com"
        self.http = http_client(self.plane.kubeconfig)
        watcher = threading.Thread(target=self._watch_route)
        WATCHERS[self.plane.kubeconfig].append(watcher)
        watcher.start()

    def _watch_route(self):
        """Keep every different set of weights that the route ever showed."""
        path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{self.namespace}/httproutes"
        query = {"watch": "true", "fieldSelector": f"metadata.name={self.name}", "timeoutSeconds": "5"}
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline and not ENDED[self.plane.kubeconfig].is_set():
            try:
                with self.http.stream("GET", path, params=query) as answer:
                    answer.raise_for_status()
                    for line in answer.iter_lines():
                        event = json.loads(line)
                        if event["type"] in {"ADDED", "MODIFIED"}:
                            self._keep(event["object"])
            except httpx.HTTPError:
                time.sleep(0.5)  # the API server is stopped on purpose in some tests; look again

    def _keep(self, route):
        weights = {b["name"].rpartition("-")[2]: b["weight"] for b in route["spec"]["rules"][0]["backendRefs"]}
        if not self.by_revision or self.by_revision[-1] != weights:
            self.by_revision.append(weights)

    @property
    def weights_seen(self):
        """All sets of weights that the route ever showed, by model version."""
        history = self.status.get("history", [])
        versions = {entry["revision"]: entry["modelVersion"] for entry in history}
        for role in ("stable", "candidate"):
            found = self.status.get(role)
            if found:
                versions[found["revision"]] = found["modelVersion"]
        return [{versions.get(rev, rev): weight for rev, weight in seen.items()} for seen in self.by_revision]

    def manifest(self, version, *, image="localplane/httpd", template=None, **env):
        config = {"envFrom": [{"configMapRef": {"name": self.config}}]} if self.config else {}
        container = {
            **config,
            "name": "server",
            "image": f"{image}:{version}",
            "ports": [{"name": "http", "containerPort": 8080}],
            "env": [
                {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                *({"name": key, "value": str(value)} for key, value in env.items()),
            ],
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1},
        }
        return {
            "apiVersion": "modelramp.io/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {
                "replicas": self.replicas,
                "model": {"name": "m", "version": version},
                **({"trackConfig": {"configMaps": True}} if self.config else {}),
                "template": template or {"spec": {"terminationGracePeriodSeconds": 5, "containers": [container]}},
                "routing": {
                    "gateway": {
                        "parentRefs": [{"name": self.gateway, "namespace": "gateway"}],
                        "hostnames": [self.hostname],
                    }
                },
                "rollout": {
                    "stepDuration": "10s",
                    "progressDeadline": "30s",
                    "scaleDownDelay": "3s",
                    **self.steps,
                    **({"evaluation": self.evaluation} if self.evaluation else {}),
                },
                "health": {
                    "interval": f"{INTERVAL_S}s",
                    "checks": self.checks,
                    "policies": self.policies,
                    **self.hooks,
                },
                **({"afterPromotion": self.after} if self.after else {}),
            },
        }

    def apply(self, version, **options):
        """Write a version, as the author if there is one, else as administrator."""
        author = [f"--as={self.author}"] if self.author else []
        self.plane.kubectl("apply", *author, "-f", "-", input=json.dumps(self.manifest(version, **options)))

    def get(self, kind="mdep", name=None):
        """One object, as JSON; httpx.HTTPError when it is not there."""
        return self._ask(kind, name or self.name)

    def children(self, kind):
        """All objects of a kind that carry this one's label."""
        return self._ask(kind, "", labelSelector=f"modelramp.io/deployment={self.name}")["items"]

    def _ask(self, kind, name, **query):
        path = {
            "mdep": "/apis/modelramp.io/v1alpha1/namespaces/{ns}/modeldeployments",
            "httproute": "/apis/gateway.networking.k8s.io/v1/namespaces/{ns}/httproutes",
            "deployment": "/apis/apps/v1/namespaces/{ns}/deployments",
            "controllerrevision": "/apis/apps/v1/namespaces/{ns}/controllerrevisions",
            "service": "/api/v1/namespaces/{ns}/services",
            "job": "/apis/batch/v1/namespaces/{ns}/jobs",
        }[kind].format(ns=self.namespace)
        answer = self.http.get(path + (f"/{name}" if name else ""), params=query)
        answer.raise_for_status()
        return answer.json()

    @property
    def status(self):
        return self.get().get("status", {})

    def condition(self, kind):
        return next((c for c in self.status.get("conditions", []) if c["type"] == kind), {"status": "Absent"})

    def until(self, wished, timeout_s=90.0, what="as wished"):
        """The status once `wished(status)` holds."""
        deadline = time.monotonic() + timeout_s
        status = {}
        while time.monotonic() < deadline:
            try:
                status = self.status
            except UNREACHABLE:
                status = {}
            if wished(status):
                return status
            time.sleep(0.25)
        raise AssertionError(f"{self.name}: not {what} after {timeout_s:g} s: {json.dumps(status, indent=1)}")

    def until_phase(self, *phases, timeout_s=90.0):
        return self.until(lambda s: s.get("phase") in phases, timeout_s, f"in {' or '.join(phases)}")

    def until_serving(self, version, timeout_s=90.0):
        """Wait until `version` is promoted and alone on the route."""
        return self.until(
            lambda s: s.get("phase") == "Healthy" and s["stable"]["modelVersion"] == version,
            timeout_s,
            f"serving {version}",
        )

    def until_step(self, weight, timeout_s=60.0):
        return self.until(lambda s: s.get("candidate", {}).get("weight") == weight, timeout_s, f"at {weight} %")

    def request(self, verb, nonce="1"):
        status = self.status
        revision = status.get("candidate", {}).get("revision") or status.get("failedRevision", "none")
        text = f"modelramp.io/request={verb}/{revision}/{nonce}"
        self.plane.kubectl("annotate", "mdep", self.name, "-n", self.namespace, "--overwrite", text)

    def ask(self, verb, *options):
        """A person's command at the terminal; its exit code and what it printed."""
        command = [sys.executable, "-m", "modelramp.cli.main", verb, self.name, "-n", self.namespace, *options]
        environment = os.environ | {"KUBECONFIG": str(self.plane.kubeconfig)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150, check=False)
        return done.returncode, (done.stdout + done.stderr).strip()

    def patch(self, spec):
        text = json.dumps({"spec": spec})
        self.plane.kubectl("patch", "mdep", self.name, "-n", self.namespace, "--type=merge", "-p", text)

    def delete(self, *options):
        self.plane.kubectl("delete", "mdep", self.name, "-n", self.namespace, *options)
