"""The clock of the operator's machine is set to a wrong time for half a minute and then right again, during a breach.

The operator runs with a wall clock that this test sets; all others on the plane keep the machine's. Rollbacks come
after at most two ticks more, and the operator says that its clock was set. Run by `make nightly`.
"""

import os
import time
from types import SimpleNamespace

import pytest
import yaml

from localplane import Plane
from localplane.testing import SCRAPE_INTERVAL_S, make_namespace
from tests.e2e.conftest import HERE, install, operator_pod
from tests.e2e.rollout import INTERVAL_S, Rollout, end_watches
from tests.e2e.stories import wait_for_route
from tests.e2e.traffic import Traffic

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not os.environ.get("MODELRAMP_NIGHTLY"), reason="takes three minutes: make nightly"),
]
NAMESPACE = "clocks"
OPERATOR = ("deployment/modelramp", "-n", "modelramp-system")
WRONG_S = 30
"""How long the clock stays wrong."""
BREACHES, LOST = 3, 2
"""Breaches in a row that roll back, and ticks that a step may cost."""
SLACK_S = 8
"""From a tick to its answer and the write."""
SET_CLOCK = """\
import pathlib
import time

real, file = time.time, pathlib.Path({path!r})
time.time = lambda: real() + float(file.read_text() or 0)
"""


@pytest.fixture(scope="module")
def clock(shared_folder):
    """A plane whose operator reads its clock with an offset in seconds: `set(60)` is a step by a minute."""
    folder = shared_folder
    offset = folder / "offset"
    offset.write_text("0")
    (folder / "sitecustomize.py").write_text(SET_CLOCK.format(path=str(offset)))
    image = {
        "image": "modelramp/operator:stepped",
        "entrypoint": ["{python}", "-m", "modelramp"],
        "environment": {"PYTHONPATH": f"{folder}:{HERE.parents[1] / 'operator'}"},
    }
    catalogue = folder / "images.yaml"
    catalogue.write_text(yaml.safe_dump({"images": [image]}))

    def put(seconds):
        ahead = offset.with_suffix(".new")
        ahead.write_text(str(seconds))
        ahead.replace(offset)

    options = {"scrape_interval": SCRAPE_INTERVAL_S, "images": (catalogue,), "tied": True}
    with Plane.start(f"clocks-{os.getpid()}", folder / "plane", **options) as plane:
        install(plane)
        plane.kubectl("set", "image", *OPERATOR, "operator=modelramp/operator:stepped")
        plane.kubectl("rollout", "status", *OPERATOR, "--timeout=90s")
        make_namespace(plane, NAMESPACE)
        yield SimpleNamespace(plane=plane, set=put)
        put(0)
        end_watches(plane.kubeconfig)


@pytest.mark.parametrize(("seconds", "name"), [(60, "ahead"), (-60, "behind")])
def test_a_wrong_clock_costs_a_rollback_at_most_two_ticks(clock, seconds, name):
    rollout = Rollout(clock.plane, NAMESPACE, name)
    rollout.apply("v1")
    rollout.until_serving("v1")
    wait_for_route(clock.plane, rollout)
    said = told(clock.plane)
    with Traffic(clock.plane.gateway_url, rollout.hostname):
        time.sleep(2)
        rollout.apply("v2", ERROR_RATIO=1)
        rollout.until_step(10)
        clock.set(seconds)
        began = time.monotonic()
        rollout.until_phase("RolledBack")
        took = time.monotonic() - began
        time.sleep(max(0.0, WRONG_S - took))
        clock.set(0)
        time.sleep(3)  # the operator looks at its clocks each second
    assert took <= (BREACHES + LOST + 1) * INTERVAL_S + SLACK_S  # the first tick begins up to an interval later
    assert rollout.status["stable"]["modelVersion"] == "v1"
    assert told(clock.plane) >= said + 2


def test_a_version_that_goes_bad_after_the_clock_is_right_again(clock):
    """What was seen while the clock was a minute ahead does not keep later ticks from being evaluated."""
    rollout = Rollout(clock.plane, NAMESPACE, "later")
    rollout.apply("v1")
    rollout.until_serving("v1")
    wait_for_route(clock.plane, rollout)
    with Traffic(clock.plane.gateway_url, rollout.hostname) as traffic:
        rollout.apply("v2")
        rollout.until_step(50)
        clock.set(60)
        time.sleep(WRONG_S)
        clock.set(0)
        rollout.until_serving("v2")
        traffic.failing_share = 0.5
        began = time.monotonic()
        rollout.until_phase("RolledBack")
        took = time.monotonic() - began
    assert took <= (BREACHES + LOST + 1) * INTERVAL_S + SLACK_S


def told(plane):
    """How often the operator has said that its clock was set."""
    pod = operator_pod(plane).removeprefix("pod/")
    logs = [path for key, path in plane.pod_logs().items() if key.startswith(f"modelramp-system/{pod}/")]
    return sum(path.read_text().count("the clock of this machine was set") for path in logs)
