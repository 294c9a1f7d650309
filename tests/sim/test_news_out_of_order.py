"""Lists that take their time, and news that come late, twice, or of objects that are no more."""

import pytest

from modelramp.api.kinds import MODEL_DEPLOYMENT, Ref
from modelramp.desired.workloads.deployment import DEPLOYMENT
from tests.sim.faults import Fault
from tests.sim.neighbours import STORIES, Honest, outcome, settle_in
from tests.sim.scenarios import ROLLOUT, ROLLOUT_AT, manifest
from tests.sim.world import World

SWEEP_AT = 600.0
"""Seconds after the beginning at which the complete lists begin."""


@pytest.mark.parametrize("at", [1.0, SWEEP_AT + 17.0])
@pytest.mark.parametrize("version", [6, 96, 9_999_990])
def test_what_is_made_while_a_list_is_under_way_stays_known(at, version):
    """Every list is answered after three seconds: what was made meanwhile is not in it, and yet there."""
    world = World(1, apart=True, version=version)
    world.slow_lists = 3.0
    members = [world.add(("search", f"born-{number}")) for number in range(20)]
    for number, member in enumerate(members):
        world.later(at + number * 1.7, lambda m=member: m.apply(manifest("1.0.0", key=m.key)))
    world.run(minutes=(at + 40.0) / 60 + 2).check_promises()

    assert [outcome(member) for member in members] == [({"1.0.0": 100}, "Healthy")] * 20


def test_what_was_deleted_unsaid_is_forgotten_by_the_next_list():
    world = ROLLOUT.world(seed=1)
    world.at(240.0, lambda world: world.processes[-1].watch.disturb(Fault.WATCH_GAP))
    world.at(250.0, lambda world: world.delete()).run(minutes=14)
    lines = [line for line in world.history if "digits" in line and float(line.split()[0]) > SWEEP_AT + 60]

    assert lines == []
    assert {obj["kind"] for obj in world.api.all()} == {"Gateway"}


def made_again(world):
    """The object is deleted and made again under its name; the news of the former one."""
    former = dict(world.digits)
    world.delete()
    world.later(20.0, lambda: world.apply(manifest("1.0.0")))
    world.later(90.0, lambda: world.apply(manifest("2.0.0")))
    return former


@pytest.mark.parametrize("event", ["DELETED", "MODIFIED"])
@pytest.mark.parametrize("late", [10.0, 25.0, 115.0, 190.0])
def test_late_news_of_a_former_object_say_nothing_about_the_one_of_its_name(event, late):
    def happens(world):
        former = made_again(world)
        world.later(late, lambda: world.processes[-1].engine.observe(MODEL_DEPLOYMENT, event, former))

    def story(happens):
        world = World(1).at(0.0, lambda world: world.apply(manifest("1.0.0"))).at(120.0, happens).run(minutes=12)
        world.check_promises()
        return world

    calm, world = story(made_again), story(happens)
    assert calm.serving() == world.serving() == {"2.0.0": 100}
    assert ends(world)[-1] - ends(calm)[-1] < 2.0
    assert writes(world, "ModelDeployment") <= writes(calm, "ModelDeployment") + 1


def ends(world):
    """When the gateway changed its weights."""
    return [served.at for served in world.gateway.history]


def writes(world, kind):
    """How often the operator wrote objects of a kind."""
    return len([change for change in world.api.log if change.kind == kind and change.actor == "modelramp"])


@pytest.mark.parametrize("event", ["DELETED", "MODIFIED"])
@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_late_news_of_a_former_child_say_nothing_about_the_one_of_its_name(version, event):
    """A Deployment is deleted and made again under its name; then its first one is told of once more, without pods."""

    def happens(world):
        revision = next(name for name, line in world.usual.timelines.items() if line.version == version)
        ref = Ref(DEPLOYMENT, "ml", f"digits-{revision}")
        former = {**world.api.get(ref), "status": {}}
        world.api.delete(ref, "kubectl")
        for late in (20.0, 50.0, 62.0):
            world.later(late, lambda: world.processes[-1].engine.observe(DEPLOYMENT, event, former))

    world = World(1).at(0.0, lambda world: world.apply(manifest("1.0.0")))
    world.at(
        ROLLOUT_AT, lambda world: world.apply(manifest("2.0.0")), when=lambda world: bool(world.status.get("stable"))
    )
    world.at(190.0, happens, when=lambda world: 10 in world.serving().values()).run(minutes=14)
    world.check_promises()

    assert world.serving() == {"2.0.0": 100}
    assert "-" not in breaches_after(world, 190.0)


def breaches_after(world, seconds):
    """The marks of the ticks as they were persisted from then on."""
    return "".join(
        change.obj["status"].get("ticks", "")[-1:]
        for change in world.api.log
        if change.kind == "ModelDeployment" and change.actor == "modelramp" and change.at > seconds + 1_763_640_030
    )


@pytest.mark.parametrize("kind", ["ModelDeployment", "Deployment", "EndpointSlice", "HTTPRoute", "Service"])
def test_one_kind_of_which_news_come_late_delays_and_changes_no_end(kind):
    rollouts = [Honest(("search", f"model-{index}"), story, 95.0) for index, story in enumerate(STORIES)]
    world = World(2, apart=True)
    world.late_kinds[kind] = 8.0
    settle_in(world, rollouts)
    world.run(minutes=17).check_promises()

    assert [outcome(world.members[one.key]) for one in rollouts] == [
        ({one.story.serves: 100}, one.story.phase) for one in rollouts
    ]
