"""A/B tests with real traffic: which version fails less often decides, counted by the gateway itself."""

import time

from tests.e2e.rollout import Rollout
from tests.e2e.stories import story, wait_for_route
from tests.e2e.traffic import Traffic

_SERIES = 'traefik_service_requests_total{service=~"httproute-.+-svc-.*{{service}}-[0-9]+@kubernetesgateway"%s}'


def _count(more):
    return f"sum(increase({_SERIES % more}[{{{{window}}}}])) or vector(0)"


TEST = {
    "split": 50,
    "metric": {"name": "errors", "bad": _count(',code=~"5.."'), "total": _count("")},
    "minEffect": "0.1",
    "minDuration": "25s",
    "maxDuration": "60s",
}
LOOSE = [{"name": "fine", "query": "vector(0)", "max": "1"}]


def _tested(plane, namespace, name, *, stable, candidate, **changes):
    """The rollout of a version that fails in its own share of the requests, until the test has ended."""
    steps = {"strategy": "ABTest", "abTest": TEST | changes}
    rollout = Rollout(plane, namespace, name, checks=LOOSE, steps=steps)
    rollout.apply("v1", ERROR_RATIO=stable)
    rollout.until_serving("v1")
    wait_for_route(plane, rollout)
    with Traffic(plane.gateway_url, rollout.hostname, rps=30.0) as traffic:
        time.sleep(2)
        rollout.apply("v2", ERROR_RATIO=candidate)
        rollout.until_step(50)
        status = rollout.until(lambda s: s.get("phase") in {"RolledBack", "Healthy"} and len(s["history"]) > 1, 150)
        time.sleep(3)
    return rollout, traffic, status


@story
def ab_winner(plane, namespace):
    return _tested(plane, namespace, "ab-winner", stable=0.5, candidate=0.1)


@story
def ab_harm(plane, namespace):
    return _tested(plane, namespace, "ab-harm", stable=0.1, candidate=0.6, minDuration="10m", maxDuration="10m")


@story
def ab_no_difference(plane, namespace):
    return _tested(plane, namespace, "ab-equal", stable=0.3, candidate=0.3, minEffect="0.4")
