"""The hostnames of a preview have a route of their own, which names the candidate and nothing else."""

from dataclasses import replace

import pytest

from modelramp.core.state import Candidate, Observed, Version
from modelramp.desired.objects import replicas_by_revision
from modelramp.desired.routers import ROUTERS
from modelramp.desired.traffic import named_ports, previewed
from tests.unit.desired.world import CANDIDATE, NOW, OWNER, STABLE, made, seen, state, target, weights

HOST = "preview.example.com"
ROLLOUT = {"strategy": "BlueGreen", "blueGreen": {"previewHostnames": [HOST]}}
TARGET = target(rollout=ROLLOUT)
ROUTER = ROUTERS[0]
PREVIEW = replace(state(STABLE), candidate=Candidate(Version(CANDIDATE, "2"), weight=0, step=0, step_entered=NOW))
SWITCHED = replace(PREVIEW, candidate=replace(PREVIEW.candidate, weight=100, step=1))


def routes(before, *ready, **options):
    found = made(before, target=TARGET, seen=seen(*ready), **options)
    return {obj["metadata"]["name"]: obj for obj in found.routes}


@pytest.mark.parametrize(("before", "live"), [(PREVIEW, {STABLE: 100}), (SWITCHED, {CANDIDATE: 100})])
def test_the_preview_names_the_candidate_alone_before_and_after_the_switch(before, live):
    found = routes(before, STABLE, CANDIDATE)
    assert weights(found["digits"]) == live
    assert weights(found["digits.preview"]) == {CANDIDATE: 1}
    assert found["digits.preview"]["spec"]["hostnames"] == [HOST]
    assert found["digits"]["spec"]["hostnames"] == ["digits.example.com"]
    assert found["digits.preview"]["spec"]["parentRefs"] == found["digits"]["spec"]["parentRefs"]


def test_there_is_no_preview_of_what_has_no_endpoint_waits_for_pods_or_is_promoted():
    waiting, promoted = state(STABLE, CANDIDATE), state(CANDIDATE, previous=STABLE)
    assert routes(PREVIEW, STABLE).keys() == {"digits"}
    assert routes(waiting, STABLE, CANDIDATE).keys() == {"digits"}
    assert routes(promoted, STABLE, CANDIDATE).keys() == {"digits"}


def shown(taken="True", observed=2):
    """The preview's route as the cluster shows it, with a gateway's answer."""
    route = routes(PREVIEW, STABLE, CANDIDATE)["digits.preview"]
    (parent,) = route["spec"]["parentRefs"]
    said = {"status": taken, "reason": "x", "message": "no", "observedGeneration": observed}
    conditions = [{"type": kind, **said} for kind in ("Accepted", "ResolvedRefs")]
    metadata = {**route["metadata"], "generation": 2}
    return {**route, "metadata": metadata, "status": {"parents": [{"parentRef": parent, "conditions": conditions}]}}


@pytest.mark.parametrize(
    ("route", "reached", "why"),
    [
        (shown(), CANDIDATE, ""),
        (shown(taken="False"), None, "refuses the route"),
        (shown(observed=1), None, "has not confirmed the route as it is now"),
        (None, None, ""),
    ],
)
def test_a_preview_is_reached_once_the_gateway_has_taken_its_route(route, reached, why):
    found, detail = previewed(ROUTER, OWNER, TARGET.spec.routing, [route] if route else [], NOW)
    assert found == reached
    assert why in detail


def test_what_a_preview_names_keeps_its_pods():
    after = state(STABLE, failed=CANDIDATE, retiring={CANDIDATE: NOW - 1})
    named = named_ports(OWNER, [shown()])
    assert replicas_by_revision(TARGET, after, Observed(), named, NOW) == {STABLE: 3, CANDIDATE: 3}
    assert replicas_by_revision(TARGET, after, Observed(), {}, NOW) == {STABLE: 3}
