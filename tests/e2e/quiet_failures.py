"""Versions that answer fast, with 200 and mostly right: one drifts, one is unfair. With their check, and without it."""

import asyncio
import json
import threading
import time
from pathlib import Path

import yaml

from examples.load import LoadGenerator, Plan
from tests.e2e.rollout import Rollout
from tests.e2e.stories import story, wait_for_route

MANIFESTS = Path("examples/manifests")
BEGINNING = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "digits-feedback"},
    "stringData": {"key": "the same for all the pods"},
}


class Asking:
    """Digits sent to a host by a thread, and their true labels two seconds later, until the block ends."""

    def __init__(self, url, host):
        plan = Plan(url=url, host=host, rps=20, duration=420, phone_share=0.4, timeout=20)
        self.generator = LoadGenerator(plan)
        self._thread = threading.Thread(target=lambda: asyncio.run(self.generator.run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self.generator

    def __exit__(self, *_):
        self.generator.stop()
        self._thread.join(timeout=60)


class Digits(Rollout):
    """The demo's manifests as they are, with fewer pods and steps, under a name and a host of the test's own."""

    def sample(self, version, without=""):
        document = yaml.safe_load((MANIFESTS / f"digits-{version}.yaml").read_text())
        spec = document["spec"]
        document["metadata"] = {"name": self.name, "namespace": self.namespace}
        spec["replicas"] = 1
        spec["routing"]["gateway"]["hostnames"] = [self.hostname]
        spec["rollout"] |= {"steps": [{"weight": 50}, {"weight": 100}], "stepDuration": "10s"}
        spec["health"]["checks"] = [check for check in spec["health"]["checks"] if check["name"] != without]
        for check in spec["health"]["checks"]:
            if check["name"] == "fairness":
                check["minSamples"] = 20  # no step of 10 % here; on a busy machine: wait for answers, not on with few
        return document

    def put(self, version, without=""):
        self.plane.kubectl("apply", "-f", "-", input=json.dumps(self.sample(version, without)))


def tried_twice(plane, namespace, name, version, check):
    """A version on trial with all its checks, and once more without the one that is made for it."""
    rollout = Digits(plane, namespace, name)
    plane.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(BEGINNING))
    rollout.put("v2")
    rollout.until_serving("2.0.0", timeout_s=150)
    wait_for_route(plane, rollout, "/health")
    with Asking(plane.gateway_url, rollout.hostname) as load:
        time.sleep(15)  # a window of traffic for the stable version
        rollout.put(version)
        caught = rollout.until_phase("RollingBack", "RolledBack", timeout_s=240)
        rollout.until_phase("RolledBack")
        rollout.put(version, without=check)
        rollout.request("retry")
        promoted = rollout.until_phase("Healthy", timeout_s=200)
        load.stop()
        counts = load.snapshot()
    return caught, promoted, counts


@story
def a_version_that_drifts(plane, namespace):
    return tried_twice(plane, namespace, "drifts", "v4", "confidence")


@story
def a_version_that_is_unfair(plane, namespace):
    return tried_twice(plane, namespace, "unfair", "v5", "fairness")
