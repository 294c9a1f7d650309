"""What one namespace does to the shared parts of a real plane; each attack goes on until it is stopped."""

import json
import threading
import time

import httpx

from localplane.testing import make_namespace
from tests.e2e.pods import serve
from tests.e2e.rollout import http_client

EVIL = "evil"
MOST_S = 420.0
"""Every attack ends by itself."""

SERVER = """
import json, os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DEEP = b"[" * 200_000
PAGE = json.dumps({"metric": {"pod": "x" * 900}, "value": [0, "1"]}).encode() + b","

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        what = self.path.split("/")[1]
        if what == "hang":
            time.sleep(600)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if what == "deep":
            self.wfile.write(DEEP)
        for _ in range(100_000 if what == "large" else 0):
            self.wfile.write(PAGE)
        for _ in range(600 if what == "drip" else 0):
            self.wfile.write(b" ")
            time.sleep(1)

    do_POST = do_GET

    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

Server((os.environ["POD_IP"], 8080), Answer).serve_forever()
"""
DEAR = 'count(count_over_time({{__name__=~".+",x!="{number}"}}[2m:1s]))'
"""Reads every series of the Prometheus that all share, 120 times; more would starve the machine, not the operator."""


class Attack:
    """A hostile namespace on a plane: objects that ask too much, and a thread that never rests."""

    def __init__(self, plane, victims):
        self.plane = plane
        self.victims = victims
        self.http = http_client(plane.kubeconfig)
        self.changes = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._disturb, daemon=True)

    def __enter__(self):
        make_namespace(self.plane, EVIL)
        address = serve(self.plane, EVIL, "server", SERVER)
        objects = [*self._asking(address), *self._dear(), *self._calling(address), *self._raising(), *self._claiming()]
        self.plane.kubectl(
            "create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        )
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join(timeout=30)

    def _asking(self, address):
        """Prometheus servers that hang, drip, and answer too much or too deep, each asked by several objects."""
        for kind in ("hang", "drip", "large", "deep"):
            for number in range(3):
                checks = [{"name": f"c{index}", "query": f"m{index}", "max": 1} for index in range(4)]
                yield thing(f"{kind}-{number}", checks, prometheus={"address": f"{address}/{kind}"})

    def _dear(self):
        """Questions that cost the Prometheus that all share much."""
        for number in range(3):
            checks = [
                {"name": f"c{index}", "query": DEAR.format(number=f"{number}-{index}"), "max": 1e9}
                for index in range(2)
            ]
            yield thing(f"dear-{number}", checks)

    def _calling(self, address):
        """Hooks that are always due, to a receiver that hangs."""
        for number in range(8):
            hook = {"name": "call", "after": 1, "webhook": {"url": f"{address}/hang"}}
            breach = [{"name": "far", "role": "inform", "query": "vector(1)", "max": 0}]
            yield thing(f"calls-{number}", breach, onBreach=[hook])

    def _raising(self):
        """Answers at the edge of what can be reckoned with."""
        pieces = {"bad": "vector(1e308)", "total": "vector(-1e308)"}
        counts = {"bad": "vector(1e30)", "total": "vector(1e30)"}
        yield thing(
            "edge", [{"name": "r", "ratio": pieces, "max": "0.5"}, {"name": "s", "ratio": counts, "max": "0.5"}]
        )

    def _claiming(self):
        """Objects near the size that the API server takes, that ask for the hosts of others."""
        for number, victim in enumerate(self.victims[:6]):
            found = thing(f"claim-{number}", [{"name": "c", "query": "vector(0)", "max": 1}], host=victim.hostname)
            found["metadata"]["annotations"] = {"example.com/blob": "x" * 200_000}
            yield found

    def _disturb(self):
        """Change the objects again and again, as a loop gone wrong would."""
        headers = {"Content-Type": "application/merge-patch+json"}
        names = [f"{kind}-{number}" for kind in ("hang", "dear", "calls", "claim") for number in range(3)]
        start = time.monotonic()
        while not self._end.wait(0.1) and time.monotonic() < start + MOST_S:
            name = names[self.changes % len(names)]
            path = f"/apis/modelramp.io/v1alpha1/namespaces/{EVIL}/modeldeployments/{name}"
            change = {
                "metadata": {"labels": {"change": str(self.changes)}},
                "spec": {"rollout": {"revisionHistoryLimit": 5 + self.changes % 2}},
            }
            try:
                self.http.patch(path, content=json.dumps(change), headers=headers)
            except httpx.HTTPError:
                continue
            self.changes += 1


def thing(name, checks, host="", **health):
    """A ModelDeployment without pods' worth of load: what serves it does nothing."""
    container = {"name": "server", "image": "localplane/sleep:1", "ports": [{"name": "http", "containerPort": 8080}]}
    return {
        "apiVersion": "modelramp.io/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": EVIL},
        "spec": {
            "model": {"name": "m", "version": "e1"},
            "template": {"spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}},
            "routing": {
                "gateway": {
                    "parentRefs": [{"name": "public", "namespace": "gateway"}],
                    "hostnames": [host or f"{name}.evil.example.com"],
                }
            },
            "health": {"interval": "5s", "checks": checks, **health},
        },
    }
