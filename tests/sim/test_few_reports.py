"""More rollouts in flight than reports a minute: what changed nothing is seldom written, and nothing else differs."""

import pytest

from modelramp.api.names import FIELD_MANAGER
from tests.sim.neighbours import MINUTES, honest, outcome, routed, settle_in
from tests.sim.world import World

SEED = 3
ROLLOUTS = honest(SEED, 6)


def lived(per_minute, *crashes, minutes=MINUTES):
    world = World(SEED, options={"reports_per_minute": per_minute})
    settle_in(world, ROLLOUTS)
    for at in crashes:
        world.later(at, lambda: world.processes[-1].crash())  # noqa: PLW0108 - the process of that time
    return world.run(minutes)


def status_writes(world):
    return [change for change in world.api.log if change.kind == "ModelDeployment" and change.actor == FIELD_MANAGER]


@pytest.fixture(scope="module")
def few():
    return lived(1)


def test_the_routes_move_as_they_do_when_each_tick_is_written(few):
    each = lived(60)
    for rollout in ROLLOUTS:
        one, other = (routed(world.members[rollout.key]) for world in (each, few))
        assert [found.what for found in one] == [found.what for found in other]
        assert all(abs(found.at - same.at) < 2 for found, same in zip(one, other, strict=True))
    assert len(status_writes(few)) < len(status_writes(each))
    few.check_promises()


@pytest.mark.parametrize("crashes", [(300.0,), (250.0, 400.0, 550.0), (200.0, 203.0, 700.0)], ids=str)
def test_what_was_not_written_is_asked_again_after_a_crash(crashes):
    world = lived(1, *crashes, minutes=25)
    world.check_promises()
    for rollout in ROLLOUTS:
        assert outcome(world.members[rollout.key]) == ({rollout.story.serves: 100}, rollout.story.phase)
