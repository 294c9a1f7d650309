"""Several ModelDeployments in several namespaces: each goes its own way, as if it were alone."""

import pytest

from tests.sim.neighbours import MINUTES, differences, honest, outcome, settle_in
from tests.sim.streams import DIGITS
from tests.sim.world import World

SEED = 3
ROLLOUTS = honest(SEED, 6)
APART = {"apart": True, "version": 94}


def lived(rollouts, **options):
    world = World(SEED, **options)
    settle_in(world, rollouts)
    world.run(MINUTES).check_promises()
    return world


@pytest.fixture(scope="module")
def together():
    return lived(ROLLOUTS, **APART)


@pytest.mark.parametrize("rollout", ROLLOUTS, ids=lambda rollout: "/".join(rollout.key))
def test_each_ends_as_its_own_script_says(together, rollout):
    assert outcome(together.members[rollout.key]) == ({rollout.story.serves: 100}, rollout.story.phase)


def test_what_is_decided_of_one_depends_on_no_other(together):
    for rollout in ROLLOUTS:
        alone = lived([rollout], **APART)
        assert differences(alone.members[rollout.key], together.members[rollout.key], late=2.0) == []


def test_objects_of_one_name_in_two_namespaces_are_two():
    same = [ROLLOUTS[0], ROLLOUTS[1]]
    same = [type(one)((namespace, "digits"), one.story, one.at) for one, namespace in zip(same, "ab", strict=True)]
    world = lived(same)

    assert [outcome(world.members[one.key]) for one in same] == [
        ({"2.0.0": 100}, "Healthy"),
        ({"1.0.0": 100}, "RolledBack"),
    ]
    assert not world.members[DIGITS].obj
