"""From the released 0.1.0 to this tree and back, with objects in every state, under traffic: nothing moves or is lost.

The released operator runs out of this repository's history. Run by `make nightly`.
"""

import io
import json
import os
import subprocess
import tarfile
import time
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import yaml

from localplane import Plane
from localplane.testing import SCRAPE_INTERVAL_S, eventually, make_namespace
from tests.e2e.ab_stories import LOOSE, TEST
from tests.e2e.conftest import HERE
from tests.e2e.rollout import Rollout, end_watches
from tests.e2e.stories import wait_for_route
from tests.e2e.traffic import Traffic

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not os.environ.get("MODELRAMP_NIGHTLY"), reason="takes six minutes: make nightly"),
]
RELEASED = "5d80f5fc7b31781537df596aff70c629eb9732c0"
NAMESPACE = "upgrade"
OPERATOR = ("deployment/modelramp", "-n", "modelramp-system")
CHECKS = [{"name": "errors", "preset": "traefik-error-rate", "max": "0.05"}]
"""As they were written then: decimals in quotes."""
SLOW = {"stepDuration": "40s"}
NAMES = ("first", "inflight", "paused", "failed", "promoted", "retiring", "abtest")
MOVES = ("controllerrevision", "deployment", "service")


@pytest.fixture(scope="module")
def released(shared_folder):
    """A plane with the released operator, and how to put either operator there."""
    folder = shared_folder
    archive = subprocess.run(
        ["git", "archive", RELEASED, "operator", "crds", "manifests", "tests/e2e/operator"],
        cwd=HERE.parents[1],
        capture_output=True,
        check=True,
    )
    old = folder / "released"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(old, filter="data")
    images = [
        {
            "image": "modelramp/operator:released",
            "entrypoint": ["{python}", "-m", "modelramp"],
            "environment": {"PYTHONPATH": str(old / "operator")},
            # Without this, a tree that the pod does not see would be replaced by this one's package.
            "workdir": str(old / "operator"),
        }
    ]
    catalogue = folder / "images.yaml"
    catalogue.write_text(yaml.safe_dump({"images": images}))
    name = f"upgrade-{os.getpid()}"
    with Plane.start(
        name, folder / "plane", scrape_interval=SCRAPE_INTERVAL_S, images=(catalogue,), tied=True
    ) as plane:
        make_namespace(plane, NAMESPACE)
        install(plane, old, "released")
        yield plane
        end_watches(plane.kubeconfig)


def install(plane, tree, tag):
    """The CRDs and manifests of a tree, with its operator."""
    plane.kubectl("apply", "-k", str(tree / "crds"))
    eventually(lambda: plane.kubectl("get", "modeldeployments", "--all-namespaces", "-o", "name") is not None)
    plane.kubectl("apply", "-k", str(tree / "tests/e2e/operator"))
    run(plane, tag)


def run(plane, tag):
    """The operator's image of this tag, ready."""
    plane.kubectl("set", "image", *OPERATOR, f"operator=modelramp/operator:{tag}")
    plane.kubectl("rollout", "status", *OPERATOR, "--timeout=90s")


@pytest.fixture(scope="module")
def told(released):
    """Objects in every state, the upgrade, and the way back; what was seen before and after each."""
    plane, rollouts = released, {}
    for name in NAMES:
        steps = SLOW if name in {"inflight", "paused"} else {"scaleDownDelay": "5m"} if name == "retiring" else {}
        checks = CHECKS
        if name == "abtest":
            checks, steps = LOOSE, {"strategy": "ABTest", "abTest": TEST | {"minDuration": "4m", "maxDuration": "5m"}}
        rollouts[name] = Rollout(plane, NAMESPACE, name, checks=checks, steps=steps)
        rollouts[name].apply("v1")
    for rollout in rollouts.values():
        rollout.until_serving("v1")
        wait_for_route(plane, rollout)
    with ExitStack() as stack:
        traffic = {
            name: stack.enter_context(Traffic(plane.gateway_url, rollout.hostname, rps=8.0, most_s=600.0))
            for name, rollout in rollouts.items()
        }
        bring_about(rollouts)
        before = seen(rollouts)
        upgraded = time.monotonic()
        install(plane, HERE.parents[1], "e2e")
        for name, rollout in rollouts.items():  # as a GitOps tool would
            rollout.apply("v1" if name == "first" else "v2", **({"ERROR_RATIO": 1} if name == "failed" else {}))
        time.sleep(20)
        after = seen(rollouts)
        rollouts["inflight"].until_serving("v2", timeout_s=180)
        ahead = seen(rollouts)
        run(plane, "released")
        time.sleep(20)
        back = seen(rollouts)
    return SimpleNamespace(
        rollouts=rollouts, traffic=traffic, upgraded=upgraded, before=before, after=after, ahead=ahead, back=back
    )


def bring_about(rollouts):
    """Each object into the state that it is named after."""
    for name in ("failed", "promoted", "retiring"):
        rollouts[name].apply("v2", **({"ERROR_RATIO": 1} if name == "failed" else {}))
    rollouts["failed"].until_phase("RolledBack")
    rollouts["promoted"].until_serving("v2")
    rollouts["retiring"].until_serving("v2")
    for name in ("inflight", "paused", "abtest"):
        rollouts[name].apply("v2")
    rollouts["paused"].until_step(10)
    rollouts["paused"].request("pause")
    rollouts["paused"].until_phase("Paused")
    rollouts["inflight"].until_step(50, timeout_s=120)
    rollouts["abtest"].until_step(50)


def seen(rollouts):
    """By object: what must not change, and the children that it has."""
    return {name: one(rollout) for name, rollout in rollouts.items()}


def one(rollout):
    status = rollout.status
    backends = rollout.get("httproute")["spec"]["rules"][0]["backendRefs"]
    return {
        "phase": status["phase"],
        "stable": status["stable"]["revision"],
        "candidate": (status.get("candidate") or {}).get("revision"),
        "failed": status.get("failedRevision"),
        "weights": {backend["name"]: backend["weight"] for backend in backends},
        "history": [(entry["revision"], entry["outcome"]) for entry in status.get("history", ())],
        "children": {kind: sorted(child["metadata"]["name"] for child in rollout.children(kind)) for kind in MOVES},
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_upgrade_starts_nothing_and_forgets_nothing(told, name):
    before, after = told.before[name], told.after[name]
    if name == "inflight":  # it may go on
        before, after = ({**found, "weights": {}, "phase": "", "history": ()} for found in (before, after))
    assert after == before


def test_what_was_in_flight_goes_on_to_its_end(told):
    assert told.ahead["inflight"]["stable"] == told.before["inflight"]["candidate"]
    assert told.rollouts["inflight"].weights_seen == [
        {"v1": 100},
        {"v1": 90, "v2": 10},
        {"v1": 50, "v2": 50},
        {"v2": 100},
    ]


@pytest.mark.parametrize("name", NAMES)
def test_putting_the_old_operator_back_moves_no_traffic(told, name):
    assert told.back[name]["weights"] == told.ahead[name]["weights"]
    assert told.back[name]["stable"] == told.ahead[name]["stable"]


@pytest.mark.parametrize("name", NAMES)
def test_no_request_fails(told, name):
    failures = {
        who: count for who, count in told.traffic[name].failures().items() if name != "failed" or who[1] != "v2"
    }
    assert failures == {}
    assert len(told.traffic[name].answers) > 100


def test_old_names_and_quoted_numbers_are_read(told):
    for name in NAMES:
        assert told.rollouts[name].status.get("reason") not in {"InvalidSpec", "StatusUnreadable"}
        assert json.dumps(told.rollouts[name].get()["spec"]["health"]["checks"][0]["max"]) in {'"0.05"', '"1"'}
