"""What stands in the way is an Event once when it begins and once when it ends, also across a restart."""

import pytest

from tests.sim.kubelet import Pods
from tests.sim.scenarios import ROLLOUT_AT, manifest
from tests.sim.words import events, refuse, say
from tests.sim.world import World

GATEWAY = {"kind": "Gateway", "metadata": {"namespace": "ml", "name": "public"}, "spec": {}}


def rollout(**options):
    world = World(1, **options)
    world.at(0.0, lambda world: world.apply(manifest("1.0.0", replicas=1)))
    return world.at(ROLLOUT_AT, lambda world: world.apply(manifest("2.0.0", replicas=1)))


def over(world, reason):
    return [(at, text) for at, text in events(world, "ObstacleGone") if text.startswith(f"{reason} is over")]


def prometheus_away(world, since, until):
    world.at(since, lambda world: world.outages.update(metrics=world.now() + until - since))


@pytest.mark.parametrize("restart", [None, 260.0])
def test_a_prometheus_that_is_silent_is_told_once_when_it_begins_and_ends(restart):
    world = rollout()
    prometheus_away(world, 200.0, 420.0)
    if restart is not None:
        world.at(restart, lambda world: world.restart())
    world.run(minutes=15)
    world.check_promises()

    ((at, text),) = events(world, "PrometheusTimeout")
    assert "errors" in text
    assert 200 < at < 300
    ((ended, _),) = over(world, "PrometheusTimeout")
    assert 420 < ended < 500


def test_what_concerns_prometheus_is_no_line_of_the_log_for_each_object():
    world = rollout()
    prometheus_away(world, 200.0, 420.0)
    world.run(minutes=10)

    assert not [line for line in world.history if "WARN: PrometheusTimeout" in line]


@pytest.mark.parametrize("restart", [None, 150.0])
def test_a_missing_gateway_is_told_once_when_it_begins_and_ends(restart):
    world = World(1).at(0.0, lambda world: world.api.delete(world.ref(GATEWAY), "kubectl"))
    world.at(1.0, lambda world: world.apply(manifest("1.0.0", replicas=1)))
    if restart is not None:
        world.at(restart, lambda world: world.restart())
    world.at(300.0, lambda world: world.api.create(GATEWAY, "kubectl")).run(minutes=10)

    ((at, text),) = events(world, "GatewayNotFound")
    assert "Gateway ml/public does not exist" in text
    assert at < 60
    ((ended, _),) = over(world, "GatewayNotFound")
    assert ended > 260


@pytest.mark.parametrize("restart", [None, 150.0])
def test_a_refused_child_is_told_once_when_it_begins_and_ends(restart):
    world = World(1)
    refuse(world, "Deployment", "exceeded quota: gpus", until=240.0)
    world.at(1.0, lambda world: world.apply(manifest("1.0.0", replicas=1)))
    if restart is not None:
        world.at(restart, lambda world: world.restart())
    world.run(minutes=10)

    ((_, text),) = events(world, "ChildRefused")
    assert text == "exceeded quota: gpus"
    assert len(over(world, "ChildRefused")) == 1
    assert world.serving() == {"1.0.0": 100}


def test_pods_that_are_waited_for_are_told_after_15_seconds_with_their_words():
    world = rollout(pods={"2.0.0": Pods(start=(60.0, 60.0))})
    world.at(ROLLOUT_AT + 5, lambda world: say(world, "ImagePullBackOff", "no such host")).run(minutes=10)
    world.check_promises()

    ((at, text),) = [one for one in events(world, "WaitingForPods") if one[0] > ROLLOUT_AT]
    assert "(pod digits-pod: container model ImagePullBackOff: no such host)" in text
    assert ROLLOUT_AT + 15 <= at < ROLLOUT_AT + 35
    assert len(over(world, "WaitingForPods")) == 1


def test_pods_that_start_quickly_are_no_news():
    world = rollout(pods={"1.0.0": Pods(start=(3.0, 8.0)), "2.0.0": Pods(start=(3.0, 8.0))}).run(minutes=15)

    assert events(world, "WaitingForPods") == []
    assert events(world, "ObstacleGone") == []
    assert {reason for _, reason, _, _ in world.events} <= {
        "RolloutStarted",
        "FirstRevision",
        "Promoted",
        "StepEntered",
    }


def test_a_check_that_holds_is_told_once_when_it_begins_and_ends():
    world = rollout(scripts={"2.0.0": {"accuracy": "bbbbbbh"}}).run(minutes=25)
    world.check_promises()

    ((_, text),) = events(world, "HeldByCheck")
    assert "accuracy holds promotion" in text
    assert len(over(world, "HeldByCheck")) == 1
    assert world.serving() == {"2.0.0": 100}


def test_what_comes_and_goes_at_every_tick_is_told_every_ten_minutes_at_most():
    world = rollout(scripts={"2.0.0": {"errors": "h?" * 40 + "h"}})
    for number in range(60):
        prometheus_away(world, 200.0 + 120 * number, 260.0 + 120 * number)
    world.run(minutes=60)

    assert 1 <= len(events(world, "PrometheusTimeout")) <= 6
    assert len(over(world, "PrometheusTimeout")) <= 6


def test_an_obstacle_that_stays_after_it_came_and_went_is_told():
    world = World(1)
    world.at(0.0, lambda world: world.apply(manifest("1.0.0", replicas=1)))
    for start, end in ((200.0, 280.0), (400.0, 1600.0)):
        prometheus_away(world, start, end)
    world.run(minutes=30)

    assert len(events(world, "PrometheusTimeout")) == 2


def test_other_words_of_a_refusal_are_told_as_well():
    world = World(1)
    refuse(world, "Deployment", "exceeded quota: gpus", until=150.0)
    refuse(world, "Deployment", "container model has no limits", until=400.0)
    world.at(1.0, lambda world: world.apply(manifest("1.0.0", replicas=1))).run(minutes=10)

    assert [text for _, text in events(world, "ChildRefused")] == [
        "exceeded quota: gpus",
        "container model has no limits",
    ]
