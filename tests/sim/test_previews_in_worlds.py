"""Blue/green rollouts in worlds with faults: no live traffic before the switch, and the old version at full size."""

from dataclasses import replace

import pytest

from tests.sim.faults import Fault
from tests.sim.scenarios import BLUE_GREEN, PREVIEW_FAILED, SWITCHED, SWITCHED_BACK, manifest, tell


def shares(world, version):
    """What the gateway gave a version, each share once in a row."""
    timeline = next(line for line in world.prometheus.revisions.values() if line.version == version)
    return [weight for _, weight in timeline.traffic]


def in_preview(world):
    return (world.status.get("candidate") or {}).get("step") == 0


def test_all_traffic_moves_at_once():
    assert shares(tell(SWITCHED, seed=1), "2.0.0") == [100]


def test_a_version_that_breaches_in_its_preview_never_has_live_traffic():
    world = tell(PREVIEW_FAILED, seed=1)
    assert shares(world, "2.0.0") == []
    assert "from its preview" in world.status["history"][0]["message"]


def test_a_version_that_breaches_after_the_switch_loses_everything_at_once():
    world = tell(SWITCHED_BACK, seed=1)
    assert shares(world, "2.0.0") == [100, 0]


def previews(world):
    """What happened to the route of the preview."""
    changes = [c for c in world.api.log if c.kind == "HTTPRoute" and c.obj["metadata"]["name"] == "digits.preview"]
    return [(c.type, c.obj["spec"]["hostnames"]) for c in changes if c.type != "MODIFIED"]


@pytest.mark.parametrize("scenario", [SWITCHED, SWITCHED_BACK, PREVIEW_FAILED])
def test_the_preview_has_a_route_of_its_own_until_the_rollout_ends(scenario):
    host = ["preview.example.com"]
    assert previews(tell(scenario, seed=1)) == [("ADDED", host), ("DELETED", host)]


def test_a_preview_waits_for_a_host_that_somebody_else_has():
    other = manifest("1.0.0", key=("search", "other"))
    gateway = {"parentRefs": [{"name": "public", "namespace": "ml"}], "hostnames": ["preview.example.com"]}
    other["spec"]["routing"]["gateway"] = gateway
    world, before = SWITCHED.world(1), []
    rival = world.add(("search", "other"))
    world.at(50.0, lambda world: rival.apply(other))
    world.at(900.0, lambda world: before.append((world.status, previews(world))))
    world.at(960.0, lambda world: rival.delete())
    world.run_until(SWITCHED.at_rest, 60).check_promises()
    ((status, made),) = before
    assert (made, shares_of(status)) == ([], 0)
    assert "preview.example.com does not reach the preview yet: " in status["message"]
    assert "ModelDeployment search/other" in status["message"]
    assert [kind for kind, _ in previews(world)] == ["ADDED", "DELETED"]


def test_two_previews_that_ask_for_a_free_host_at_once_have_it_one_after_the_other():
    world, other = replace(SWITCHED, versions=((0.0, "1.0.0"),)).world(1), ("search", "other")
    rival = world.add(other)
    for at, version in ((0.0, "1.0.0"), (300.0, "2.0.0")):
        wanted = manifest(version, key=other, **BLUE_GREEN)
        wanted["spec"]["routing"]["gateway"]["parentRefs"] = [{"name": "public", "namespace": "ml"}]
        world.at(at, lambda _, wanted=wanted: rival.apply(wanted))
    world.at(300.0, lambda world: world.apply(manifest("2.0.0", **BLUE_GREEN)))
    world.run(minutes=30).check_promises()
    made = [
        (change.type, change.obj["metadata"]["name"].removesuffix(".preview"))
        for change in world.api.log
        if change.kind == "HTTPRoute" and ".preview" in change.obj["metadata"]["name"] and change.type != "MODIFIED"
    ]

    first, second = made[0][1], made[2][1]
    assert {first, second} == {"digits", "other"}
    assert made == [("ADDED", first), ("DELETED", first), ("ADDED", second), ("DELETED", second)]
    assert rival.status["stable"]["modelVersion"] == world.status["stable"]["modelVersion"] == "2.0.0"


def shares_of(status):
    """The candidate's weight in a status."""
    return status["candidate"]["weight"]


def test_the_old_version_keeps_every_pod_until_the_promotion():
    world = tell(SWITCHED_BACK, seed=1)
    revision = world.status["stable"]["revision"]
    deployments = [change.obj for change in world.api.log if change.kind == "Deployment"]
    assert {obj["spec"]["replicas"] for obj in deployments if obj["metadata"]["name"] == f"digits-{revision}"} == {2}


def test_a_manual_switch_waits_for_a_person_for_as_long_as_it_takes():
    manual = replace(SWITCHED, rollout={**BLUE_GREEN, "blueGreen": {"switch": "Manual"}})
    world, before = manual.world(1), []

    def approve(world):
        before.append((shares(world, "2.0.0"), world.status["reason"]))
        world.usual.request("promote")

    world.at(1800.0, approve).run_until(manual.at_rest, 60).check_promises()
    assert before == [([], "HeldByApproval")]
    assert shares(world, "2.0.0") == [100]


@pytest.mark.parametrize("verb", ["abort", "pause"])
def test_a_person_stops_a_preview(verb):
    world = SWITCHED.world(1).at(200.0, lambda world: world.usual.request(verb), when=in_preview)
    world.run(minutes=20).check_promises()
    assert shares(world, "2.0.0") == []
    assert world.status["phase"] == {"abort": "RolledBack", "pause": "Paused"}[verb]


@pytest.mark.parametrize("at_call", range(50, 110, 7))
@pytest.mark.parametrize("fault", [Fault.CRASH_AFTER, Fault.SILENT_AFTER])
def test_a_fault_in_the_preview_breaks_no_promise(fault, at_call):
    assert tell(PREVIEW_FAILED, 7, fault=fault, at_call=at_call)
