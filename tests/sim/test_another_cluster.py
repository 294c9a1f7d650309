"""A cluster is lost, and its models are put into another one: from Git alone, or with what was saved."""

import json

import pytest

from tests.sim.member import USER
from tests.sim.scenarios import ROLLBACK, ROLLOUT, manifest

SAVED = ("apiVersion", "kind", "spec", "data", "revision")
AWAY = 330.0
"""Seconds from the loss to the start of an operator in the other cluster."""


def saved(obj):
    """The object as a person creates it again: nothing in it is of the lost cluster. Through JSON, as in a file."""
    names = ("namespace", "name", "labels", "annotations")
    kept = {name: obj["metadata"][name] for name in names if name in obj["metadata"]}
    return json.loads(json.dumps({name: obj[name] for name in SAVED if name in obj} | {"metadata": kept}))


def lost(scenario, restore, *, at=1800.0, minutes=70):
    """A world that loses everything at that time; restore: what a person then does, before an operator runs there."""
    world, files = scenario.world(seed=5), {}

    def lose(world):
        files["model"], files["status"] = saved(world.digits), json.loads(json.dumps(world.status))
        files["revisions"] = [saved(revision) for revision in world.api.all("ControllerRevision")]
        world.restart(AWAY)
        world.delete()

    world.at(at, lose).at(at + AWAY - 30, lambda world: restore(world, files))
    return world.run(minutes)


def from_git(version):
    return lambda world, files: world.apply(manifest(version))


def with_status_and_revisions(world, files):
    for revision in files["revisions"]:
        world.api.create(revision, USER)
    with_status(world, files)


def with_status(world, files):
    world.apply(files["model"])
    world.api.update_status({**world.digits, "status": files["status"]}, USER)


@pytest.mark.parametrize(
    ("scenario", "serves", "phase"), [(ROLLBACK, "1.0.0", "RolledBack"), (ROLLOUT, "2.0.0", "Healthy")]
)
def test_with_status_and_revisions_the_version_that_was_live_serves_whatever_git_asks_for(scenario, serves, phase):
    world = lost(scenario, with_status_and_revisions)
    world.check_promises()

    assert (world.serving(), world.status["phase"]) == ({serves: 100}, phase)
    (route,) = world.api.all("HTTPRoute")
    assert route["metadata"]["ownerReferences"][0]["uid"] == world.digits["metadata"]["uid"]


def test_a_rollout_that_was_in_flight_goes_on_in_the_other_cluster():
    world = lost(ROLLOUT, with_status_and_revisions, at=300.0)
    world.check_promises()

    assert (world.serving(), world.status["phase"]) == ({"2.0.0": 100}, "Healthy")


def test_with_the_status_alone_nothing_serves_and_the_reason_is_told():
    world = lost(ROLLBACK, with_status)

    assert world.serving() == {}
    assert "RevisionLost" in {reason for at, reason, *_ in world.usual.events if at > world.now() - 3600}


def test_from_git_alone_the_version_that_git_asks_for_serves_at_once():
    world = lost(ROLLBACK, from_git("1.0.0"))
    world.check_promises()

    assert world.serving() == {"1.0.0": 100}
    assert [entry["outcome"] for entry in world.status["history"]] == ["Promoted"]


def test_from_git_alone_a_version_that_failed_is_tried_again():
    world = lost(ROLLBACK, from_git("2.0.0"))

    assert "failed and is a candidate again" in world.broken[0]
