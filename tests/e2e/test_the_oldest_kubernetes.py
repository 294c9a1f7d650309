"""A promotion and a rollback under traffic on the oldest API server that the README names.

MODELRAMP_ROLLOUTS_ON chooses another minor version of those in `localplane/go-apiserver/`.
"""

import json
import os
import time
from types import SimpleNamespace

import pytest

from localplane import Plane, binaries
from localplane.testing import SCRAPE_INTERVAL_S, make_namespace
from tests.e2e.conftest import install
from tests.e2e.rollout import Rollout, end_watches
from tests.e2e.stories import wait_for_route
from tests.e2e.traffic import Traffic

pytestmark = pytest.mark.timeout(360)
MINOR = os.environ.get("MODELRAMP_ROLLOUTS_ON", binaries.apiservers()[0])
NAMESPACE = "oldest"


@pytest.fixture(scope="module")
def oldest(tmp_path_factory):
    """A plane with that API server and the shipped manifests, and without Traefik's definitions, as most clusters."""
    folder = tmp_path_factory.mktemp("oldest")
    name = f"oldest-{os.getpid()}"
    options = {"scrape_interval": SCRAPE_INTERVAL_S, "kubernetes": MINOR, "tied": True}
    with Plane.start(name, folder / "plane", **options) as plane:
        definitions = plane.kubectl("get", "crd", "-o", "name").split()
        plane.kubectl("delete", *(name for name in definitions if name.endswith(".traefik.io")))
        install(plane)
        make_namespace(plane, NAMESPACE)
        yield plane
        end_watches(plane.kubeconfig)


@pytest.fixture(scope="module")
def seen(oldest):
    """Version 2 is promoted, version 3 fails each request and is rolled back."""
    rollout = Rollout(oldest, NAMESPACE, "digits", steps={"stepDuration": "5s"})
    rollout.apply("v1")
    rollout.until_serving("v1")
    wait_for_route(oldest, rollout)
    with Traffic(oldest.gateway_url, rollout.hostname) as traffic:
        rollout.apply("v2")
        rollout.until_serving("v2")
        promoted = time.monotonic()
        time.sleep(5)  # longer than the old version's scaleDownDelay
        rollout.apply("v3", ERROR_RATIO=1)
        rolled_back = rollout.until_phase("RolledBack")
        back = time.monotonic()
        time.sleep(5)
    return SimpleNamespace(rollout=rollout, traffic=traffic, promoted=promoted, rolled_back=rolled_back, back=back)


def test_the_server_is_as_old_as_was_asked(oldest):
    version = json.loads(oldest.kubectl("version", "-o", "json"))["serverVersion"]
    assert version["gitVersion"].startswith(f"v{MINOR}.")


def test_a_good_version_is_promoted(seen):
    assert seen.rollout.weights_seen[:4] == [{"v1": 100}, {"v1": 90, "v2": 10}, {"v1": 50, "v2": 50}, {"v2": 100}]


def test_a_bad_version_is_rolled_back(seen):
    assert seen.rollout.weights_seen[4:] == [{"v2": 90, "v3": 10}, {"v2": 100}]
    assert seen.rolled_back["breaches"] == 3
    assert seen.rolled_back["stable"]["modelVersion"] == "v2"
    assert set(seen.traffic.shares(since=seen.back + 3)) == {"v2"}


def test_a_router_that_the_cluster_does_not_know_is_named(oldest):
    asked = Rollout(oldest, NAMESPACE, "elsewhere")
    manifest = asked.manifest("v1")
    manifest["spec"]["routing"] = {"traefik": {"hostnames": [asked.hostname]}}
    oldest.kubectl("apply", "-f", "-", input=json.dumps(manifest))
    status = asked.until(lambda found: "install Traefik's CRDs" in found.get("message", ""), what="missing CRDs")
    assert {c["type"]: c["status"] for c in status["conditions"]}["Ready"] == "False"


def test_no_request_fails_but_those_that_the_bad_version_answered(seen):
    assert set(seen.traffic.failures()) == {(500, "v3")}
    assert len(seen.traffic.answers) > 400
