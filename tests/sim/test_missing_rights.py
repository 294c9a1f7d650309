"""Rights that are missing or taken away while the operator runs: what needs them waits, says so, and goes on later."""

import pytest

from modelramp.api.errors import Forbidden
from modelramp.api.kinds import JOB, SERVICE
from modelramp.desired.workloads.deployment import DEPLOYMENT
from tests.sim.clock import EPOCH
from tests.sim.ports import SimCluster
from tests.sim.scenarios import AFTER_PROMOTION, ROLLBACK, ROLLOUT_AT, manifest
from tests.sim.world import World


@pytest.fixture
def unreadable(monkeypatch):
    """Kinds that may not be listed: kind -> until when, seconds since the beginning."""
    refused, listed = {}, SimCluster.list

    async def list_allowed(self, kind, namespace=None, selector="", **options):
        if self._wire.world.loop.time() < refused.get(kind, 0.0):
            raise Forbidden(f"{kind.plural} is forbidden")
        return await listed(self, kind, namespace, selector, **options)

    monkeypatch.setattr(SimCluster, "list", list_allowed)
    return refused


def told(world, words):
    """When the log said it, seconds since the beginning."""
    return [float(line.split()[0]) for line in world.history if words in line]


def test_an_operator_without_a_right_that_all_need_waits_and_begins_when_it_is_granted(unreadable):
    unreadable[DEPLOYMENT] = 300.0
    world = World(1).at(0.0, lambda world: world.apply(manifest("1.0.0"))).run(minutes=8)
    world.check_promises()

    assert len(told(world, "deployments is forbidden")) > 3
    assert told(world, "grant it")
    assert world.serving() == {"1.0.0": 100}
    assert world.processes[0].engine.heartbeat > world.now() - 10
    assert 300 < told(world, "Promoted {")[0] < 345


def test_it_shows_that_it_lives_while_it_waits(unreadable):
    unreadable[DEPLOYMENT] = 3600.0
    world = World(1).at(0.0, lambda world: world.apply(manifest("1.0.0"))).run(minutes=30)

    assert world.processes[0].engine.heartbeat > world.now() - 60


def test_one_kind_that_may_not_be_listed_leaves_the_others_to_the_sweep_and_is_listed_as_soon_as_it_may(unreadable):
    world = World(1).at(0.0, lambda world: world.apply(manifest("1.0.0")))
    world.at(60.0, lambda _: unreadable.update({SERVICE: 800.0})).run(minutes=15)

    assert told(world, "a kind was not listed")
    assert [at for at in told(world, " list deployments *") if 600 < at < 660], "the complete list of every ten minutes"
    assert 800 < next(at for at in told(world, " list services *") if at > 60) < 816


def forbid(world, kind, since, until):
    """Writes of a kind are refused for a while."""
    apply = world.api.apply

    def refusing(obj, actor):
        if obj["kind"] == kind and actor == "modelramp" and since <= world.loop.time() < until:
            raise Forbidden(f"cannot patch resource {kind}")
        return apply(obj, actor)

    world.api.apply = refusing


@pytest.mark.parametrize("story", [ROLLBACK, AFTER_PROMOTION], ids=["rollback", "after promotion"])
def test_a_rollback_that_may_not_write_the_route_says_so_and_is_done_when_it_may(story):
    world, seen = story.world(7), []
    rolled_back = lambda world: bool(world.status.get("failedRevision"))  # noqa: E731
    forbid(world, "HTTPRoute", ROLLOUT_AT + 480, ROLLOUT_AT + 1500)
    world.at(ROLLOUT_AT + 1490, lambda world: seen.append(world.status), when=rolled_back)
    world.run_until(story.at_rest, minutes=45)
    world.check_promises()

    assert "cannot patch resource HTTPRoute" in seen[0]["message"]
    assert told(world, "RouteRefused {")
    assert {one["type"]: one["status"] for one in seen[0]["conditions"]}["Ready"] == "False"
    back = next(at.at - EPOCH for at in world.gateway.history if at.at - EPOCH > ROLLOUT_AT + 1500)
    assert back < ROLLOUT_AT + 1500 + 15, "a rollback waits no minute for the next try"
    assert not story.unrest(world)


def test_readyz_says_what_is_not_listed_and_why(unreadable):
    unreadable[DEPLOYMENT] = unreadable[JOB] = 60.0
    world, seen = World(1), []
    for at in (0.01, 30.0, 130.0):
        world.later(at, lambda: seen.append(world.processes[0].engine.listing.readiness()))
    world.run(minutes=5)

    assert [ready for ready, _ in seen] == [False, False, True]
    assert "are being listed" in seen[0][1]
    assert "deployments is forbidden" in seen[1][1]
    assert seen[2][1] == "ready"


def test_readyz_names_a_kind_that_it_goes_on_without(unreadable):
    unreadable[JOB] = 600.0
    world = World(1).run(minutes=2)

    assert world.processes[0].engine.listing.readiness() == (True, "ready, but may not read jobs")
