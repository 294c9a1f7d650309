"""A metrics.k8s.io API on the plane: the CPU that each pod would use for its share of the traffic by the route."""

import json
import threading
import time
from contextlib import contextmanager, suppress

import httpx

from tests.e2e.pods import serve

PROGRAM = """
import json, os, re, ssl, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

GROUP = "metrics.k8s.io/v1beta1"
POD = {{"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]}}
SELECTOR = re.compile(r"([^,=! ]+)(?:=([^,]*)| in \\(([^)]*)\\))")

def matches(labels, selector):
    terms = SELECTOR.findall(selector)
    return all(labels.get(name) in (several.split(",") if several else [value]) for name, value, several in terms)

class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = urlsplit(self.path)
        found = None
        if parts.path == f"/apis/{{GROUP}}":
            found = {{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP, "resources": [POD]}}
        elif parts.path.endswith("/pods"):
            selector = parse_qs(parts.query).get("labelSelector", [""])[0]
            items = [one for one in json.load(open({file!r})) if matches(one["metadata"]["labels"], selector)]
            found = {{"kind": "PodMetricsList", "apiVersion": GROUP, "metadata": {{}}, "items": items}}
        body = json.dumps(found or {{}}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer((os.environ["POD_IP"], 8080), Answer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain({certificate!r}, {key!r})
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
GROUP = "metrics.k8s.io"


@contextmanager
def metrics_api(plane, namespace, folder):
    """Serve what is in the file that the block gets: a list of PodMetrics as JSON."""
    file = folder / "pod-metrics.json"
    file.write_text("[]")
    certificate, key = folder / "serving.crt", folder / "serving.key"  # the plane's own folder is hidden from pods
    certificate.write_bytes(plane.files.authority.read_bytes())
    key.write_bytes((plane.files.secrets / "serving.key").read_bytes())
    program = PROGRAM.format(file=str(file), certificate=str(certificate), key=str(key))
    host = httpx.URL(serve(plane, namespace, "metrics-api", program)).host
    meta = {"name": "metrics-api", "namespace": namespace}
    port = {"port": 8080}
    service = {"type": "ExternalName", "externalName": host, "ports": [port]}
    registered = {
        "service": {**meta, **port},
        "group": GROUP,
        "version": "v1beta1",
        "insecureSkipTLSVerify": True,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
    }
    api = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1beta1.{GROUP}"},
        "spec": registered,
    }
    made = [{"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service}, api]
    plane.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
    try:
        plane.kubectl("wait", "--for=condition=Available", f"apiservice/v1beta1.{GROUP}", "--timeout=60s")
        yield file
    finally:
        plane.kubectl("delete", "apiservice", f"v1beta1.{GROUP}")
        plane.kubectl("delete", "pod,service", "metrics-api", "-n", namespace, "--wait=false")


class Looks:
    """Calls `look` every `seconds` in a thread, while the block lasts."""

    def __init__(self, seconds):
        self._seconds, self._end = seconds, threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join(timeout=30)

    def _follow(self):
        while not self._end.wait(self._seconds):
            self.look()


class Load(Looks):
    """Lets the pods of a rollout use what their share of `demand` needs, twice a second, and notes what it sees.

    demand: pods that all traffic keeps busy, each with a request of 10m. idle: a version whose pods use nothing.
    seen: spec.replicas, and by version its share of the traffic and its ready pods.
    """

    def __init__(self, plane, rollout, file, demand, idle=""):
        super().__init__(seconds=0.5)
        self._plane, self._rollout, self._file = plane, rollout, file
        self.demand, self.idle, self.seen = demand, idle, []

    def steady(self, replicas):
        """Whether the autoscaler has asked for this number of pods for ten seconds."""
        return [found for found, _ in self.seen[-20:]] == [replicas] * 20

    def look(self):
        with suppress(httpx.HTTPError):
            self._look()

    def _look(self):
        selector = f"modelramp.io/deployment={self._rollout.name}"
        path = f"/api/v1/namespaces/{self._rollout.namespace}/pods"
        answer = self._rollout.http.get(path, params={"labelSelector": selector})
        answer.raise_for_status()
        ready = {}
        for pod in answer.json()["items"]:
            if is_ready(pod) and not pod["metadata"].get("deletionTimestamp"):
                ready.setdefault(pod["metadata"]["labels"]["modelramp.io/revision"], []).append(pod)
        weights = self._rollout.by_revision[-1] if self._rollout.by_revision else {}
        metrics = []
        for revision, pods in ready.items():
            share = weights.get(revision, 0) / (sum(weights.values()) or 1)
            lazy = pods[0]["spec"]["containers"][0]["image"].endswith(f":{self.idle}")
            used = 0 if lazy else round(self.demand * share * 10_000_000 / len(pods))
            metrics += [self._metric(pod, used) for pod in pods]
        found = self._file.with_suffix(".new")
        found.write_text(json.dumps(metrics))
        found.replace(self._file)
        total = sum(weights.values()) or 1
        shares = {revision: (weight / total, len(ready.get(revision, ()))) for revision, weight in weights.items()}
        self.seen.append((self._rollout.get()["spec"].get("replicas"), shares))

    @staticmethod
    def _metric(pod, nanocores):
        named = {part: pod["metadata"][part] for part in ("name", "namespace", "labels")}
        usage = {"cpu": f"{nanocores}n", "memory": "1Mi"}
        return {
            "metadata": named,
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "window": "1s",
            "containers": [{"name": one["name"], "usage": usage} for one in pod["spec"]["containers"]],
        }


def is_ready(pod):
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", ()))
