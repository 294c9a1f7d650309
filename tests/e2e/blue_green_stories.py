"""Blue/green rollouts with real traffic to the live host and to the preview's."""

import time

import httpx

from tests.e2e.rollout import Rollout
from tests.e2e.stories import story, wait_for_route
from tests.e2e.traffic import Traffic

NOT_FOUND = 404


def _serving(plane, namespace, name, **changes):
    """A version that serves, and the host of the next one's preview."""
    host = f"preview.{name}.example.com"
    steps = {"strategy": "BlueGreen", "blueGreen": {"previewHostnames": [host], "previewDuration": "15s", **changes}}
    rollout = Rollout(plane, namespace, name, replicas=2, steps=steps)
    rollout.apply("v1")
    rollout.until_serving("v1")
    wait_for_route(plane, rollout)
    return rollout, host


def _answer(plane, host):
    return httpx.get(f"{plane.gateway_url}/", headers={"Host": host}, timeout=10.0).status_code


def _previewed(plane, rollout, host):
    """Wait until the preview is reached by its host."""
    rollout.until(lambda s: s.get("candidate", {}).get("step") == 0, 60, "previewed")
    for _ in range(100):
        if _answer(plane, host) == httpx.codes.OK:
            return
        time.sleep(0.2)
    raise AssertionError(f"{host} is not answered")


@story
def blue_green_promotion(plane, namespace):
    rollout, host = _serving(plane, namespace, "blue-green")
    before = _answer(plane, host)
    with Traffic(plane.gateway_url, rollout.hostname) as live:
        time.sleep(2)
        rollout.apply("v2")
        _previewed(plane, rollout, host)
        message = rollout.status["message"]
        with Traffic(plane.gateway_url, host, rps=10.0) as preview:
            rollout.until_step(100)
        rollout.until_serving("v2")
        time.sleep(8)  # longer than the old version's scaleDownDelay
    return rollout, live, preview, (before, _answer(plane, host)), message


@story
def blue_green_breach_after_the_switch(plane, namespace):
    rollout, _ = _serving(plane, namespace, "blue-green-back", previewDuration="5s", previewChecks=[])
    with Traffic(plane.gateway_url, rollout.hostname) as live:
        time.sleep(2)
        rollout.apply("v2")
        rollout.until_step(100)
        time.sleep(2)
        live.failing_share = 0.5
        status = rollout.until_phase("RolledBack")
        live.failing_share = 0.0
        back = time.monotonic()
        time.sleep(4)
    return rollout, live, status, back


@story
def blue_green_breach_in_the_preview(plane, namespace):
    rollout, host = _serving(plane, namespace, "blue-green-bad")
    with Traffic(plane.gateway_url, rollout.hostname) as live:
        rollout.apply("v2", ERROR_RATIO=1)
        rollout.until(lambda s: s.get("candidate", {}).get("step") == 0, 60, "previewed")
        with Traffic(plane.gateway_url, host, rps=10.0):
            status = rollout.until_phase("RolledBack")
    return rollout, live, status


@story
def blue_green_abort(plane, namespace):
    rollout, host = _serving(plane, namespace, "blue-green-abort", switch="Manual")
    with Traffic(plane.gateway_url, rollout.hostname) as live:
        rollout.apply("v2")
        _previewed(plane, rollout, host)
        with Traffic(plane.gateway_url, host, rps=10.0) as preview:
            waiting = rollout.until(lambda s: s.get("reason") == "HeldByApproval", 60, "waiting for approval")
        rollout.request("abort")
        status = rollout.until_phase("RolledBack")
        for _ in range(50):
            after = _answer(plane, host)
            if after == NOT_FOUND:
                break
            time.sleep(0.2)
    return rollout, live, preview, waiting, status, after
