"""The simulated watches deliver in order, and lose and repeat what real watches lose and repeat."""

import pytest

from modelramp.api.kinds import Ref
from modelramp.desired.workloads.deployment import DEPLOYMENT
from modelramp.engine.engine import Engine
from tests.sim.faults import Fault
from tests.sim.scenarios import ROLLOUT


@pytest.fixture
def seen(monkeypatch):
    """What the engine was told by its watches: (event, kind, name, resourceVersion)."""
    found = []
    observe = Engine.observe

    def listening(engine, kind, event, obj):
        metadata = obj["metadata"]
        found.append((event, kind.kind, metadata["name"], int(metadata["resourceVersion"])))
        observe(engine, kind, event, obj)

    monkeypatch.setattr(Engine, "observe", listening)
    return found


def disturb(fault):
    def act(world):
        world.disturbed_at = world.now()  # nobody can see a pod go while the watches are broken
        world.processes[-1].watch.disturb(fault)

    return act


def delete_deployment(world):
    name = next(world.api.all("Deployment"))["metadata"]["name"]
    world.api.delete(Ref(DEPLOYMENT, "ml", name), "kubectl")


def test_changes_arrive_in_the_order_in_which_they_happened(seen):
    ROLLOUT.world(seed=1).run(minutes=5)
    versions = [version for event, _, _, version in seen if event]

    assert len(versions) > 20
    assert versions == sorted(versions)


def test_a_deletion_during_a_gap_is_never_reported_and_found_by_a_list(seen):
    world = ROLLOUT.world(seed=1).at(100, disturb(Fault.WATCH_GAP)).at(105, delete_deployment)
    world.run(minutes=4)

    assert world.broken == []
    assert ("DELETED", "Deployment") not in {(event, kind) for event, kind, _, _ in seen}
    assert len(list(world.api.all("Deployment"))) == 2, "made again"


def test_a_deletion_at_any_other_time_is_reported(seen):
    ROLLOUT.world(seed=1).at(105, delete_deployment).run(minutes=3)

    assert ("DELETED", "Deployment") in {(event, kind) for event, kind, _, _ in seen}


def test_stale_events_are_delivered_once_more(seen):
    ROLLOUT.world(seed=1).at(100, disturb(Fault.WATCH_STALE)).run(minutes=3)
    versions = [version for event, _, _, version in seen if event]

    assert versions != sorted(versions)
    assert len(set(versions)) < len(versions)
