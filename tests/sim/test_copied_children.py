"""Somebody copies the operator's children, labels and all: neither a rollout nor a rollback becomes another one."""

import pytest

from tests.sim.scenarios import ROLLBACK, ROLLOUT, manifest
from tests.sim.words import events

COPIED = ("ControllerRevision", "Deployment", "Service", "EndpointSlice", "HTTPRoute")


def copy(kind, name, owned, **spec):
    """kubectl get -o yaml | kubectl create under another name, for every object of a kind."""

    def act(world):
        for index, obj in enumerate(list(world.api.all(kind))):
            metadata = {"namespace": "ml", "name": f"{name}-{index}", "labels": obj["metadata"]["labels"]}
            if owned:
                metadata["ownerReferences"] = obj["metadata"]["ownerReferences"]
            changed = {"spec": obj["spec"] | spec} if "spec" in obj else {}
            rest = {key: value for key, value in obj.items() if key not in {"metadata", "status"}}
            world.api.create({**rest, **changed, "metadata": metadata}, "kubectl")

    return act


def restart(world):
    world.processes[-1].crash()


def moved(scenario, *actions):
    """The end of a world in which somebody acts in the middle of the first step."""
    world = scenario.world(seed=3)
    for seconds, action in enumerate(actions):
        world.at(190.0 + 10 * seconds, lambda world, act=action: world.meddle(act))
    world.run_until(lambda world: ended(world, scenario), minutes=40)
    world.check_promises()
    assert ended(world, scenario), world.story()
    return world


def ended(world, scenario):
    """As Scenario.at_rest, but a copy that was left alone may have pods."""
    status, failed = world.status, scenario.failed
    revisions = {known.version: revision for revision, known in world.prometheus.revisions.items()}
    return (status.get("phase"), status.get("failedRevision"), world.serving()) == (
        "RolledBack" if failed else "Healthy",
        revisions.get(failed),
        {scenario.serves: 100},
    )


@pytest.mark.parametrize("owned", [True, False], ids=["with the owner", "without"])
@pytest.mark.parametrize("kind", COPIED)
@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_a_copy_stops_no_rollback_also_after_a_restart(kind, name, owned):
    moved(ROLLBACK, copy(kind, name, owned), restart)


@pytest.mark.parametrize("owned", [True, False], ids=["with the owner", "without"])
@pytest.mark.parametrize("kind", COPIED)
def test_a_copy_rolls_back_no_healthy_version(kind, owned):
    moved(ROLLOUT, copy(kind, "zzz", owned, replicas=0))


def test_a_copy_that_carries_the_owner_goes_again():
    world = moved(ROLLBACK, copy("HTTPRoute", "aaa", owned=True))

    assert [obj["metadata"]["name"] for obj in world.api.all("HTTPRoute")] == ["digits"]


def test_what_was_orphaned_serves_on_when_its_object_is_made_again():
    world = ROLLOUT.world(seed=1).at(900, lambda world: world.delete(orphan=True))
    world.at(960, lambda world: world.apply(manifest("2.0.0"))).run(minutes=30)
    world.check_promises()

    assert world.serving() == {"2.0.0": 100}
    (route,) = world.api.all("HTTPRoute")
    assert route["metadata"]["ownerReferences"][0]["uid"] == world.digits["metadata"]["uid"]


@pytest.mark.parametrize("wanted", ["2.0.0", "3.0.0"])
def test_what_was_orphaned_is_known_by_its_version_and_nothing_is_left_without_an_owner(wanted):
    world = ROLLOUT.world(seed=1).at(900, lambda world: world.delete(orphan=True))
    world.at(960, lambda world: world.apply(manifest(wanted))).run(minutes=60)
    world.check_promises()

    (text,) = [text for _, text in events(world, "Recovered")]
    assert "the route gives 2.0.0 (" in text
    assert world.serving() == {wanted: 100}
    left = [obj for kind in ("Deployment", "Service") for obj in world.api.all(kind)]
    assert [obj["metadata"]["name"] for obj in left if not obj["metadata"].get("ownerReferences")] == []
