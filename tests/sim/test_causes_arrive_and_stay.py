"""Why a version does not come up: in the status within seconds, and still there when it has been given up."""

import asyncio

import pytest

from modelramp.api.errors import Forbidden
from modelramp.api.kinds import EVENT, POD
from modelramp.engine.notices import AGAIN_SECONDS
from tests.sim.kubelet import Pods
from tests.sim.ports import SimCluster
from tests.sim.scenarios import ROLLOUT_AT, manifest
from tests.sim.words import calls, events, first_said, messages, refuse, say, warn_of, writes
from tests.sim.world import World

NEVER = {"1.0.0": Pods(start=None), "2.0.0": Pods(start=None)}
PULL = 'Back-off pulling image "digits:1.0.0": ErrImagePull: no such host'
MOUNT = 'Deployment.apps "digits" is invalid: spec.template.spec.containers[0].volumeMounts[0].name: Not found: "cache"'


def first(pods=NEVER, **rollout):
    """A world whose first version never comes up."""
    world = World(1, pods=pods)
    return world.at(0.0, lambda world: world.apply(manifest("1.0.0", replicas=1, **rollout)))


def second(pods=None, **rollout):
    """A world whose second version is applied."""
    world = World(1, pods={"2.0.0": Pods(start=None)} if pods is None else pods)
    world.at(0.0, lambda world: world.apply(manifest("1.0.0", replicas=1, **rollout)))
    return world.at(ROLLOUT_AT, lambda world: world.apply(manifest("2.0.0", replicas=1, **rollout)))


def test_a_first_version_says_within_15_seconds_why_its_pods_do_not_start():
    world = first().at(20.0, lambda world: say(world, "ImagePullBackOff", PULL)).run(minutes=2)
    world.check_promises()

    assert first_said(messages(world), f"(pod digits-pod: container model ImagePullBackOff: {PULL})") <= 35


def test_another_cause_is_told_within_15_seconds_too():
    world = first().at(20.0, lambda world: say(world, "ImagePullBackOff", PULL))
    world.at(75.0, lambda world: say(world, "CreateContainerConfigError", 'secret "key" not found')).run(minutes=2)

    assert first_said(messages(world), 'secret "key" not found') <= 90


def test_nothing_is_written_just_because_time_passes():
    world = first().at(20.0, lambda world: say(world, "ImagePullBackOff", PULL)).run(minutes=4.5)

    assert [at for at in writes(world, "ModelDeployment") if at > 40] == []


def test_words_that_alternate_cost_one_write_a_minute_each_at_most():
    world = first(progressDeadline="60m")
    for number in range(120):
        words = ("CrashLoopBackOff", f"back-off {number} s") if number % 2 else ("Error", f"exit code {number}")
        world.at(20.0 + 10 * number, lambda world, words=words: say(world, *words))
    world.run(minutes=21)
    world.check_promises()
    found = writes(world, "ModelDeployment")

    assert len(found) < 21 * 60 / AGAIN_SECONDS + 6


def test_the_cause_is_in_the_sentence_of_the_deadline_of_a_first_version():
    world = first().at(20.0, lambda world: say(world, "ImagePullBackOff", PULL)).run(minutes=6)

    assert world.status["phase"] == "Degraded"
    assert PULL in world.status["message"]
    assert PULL in next(one["message"] for one in world.status["conditions"] if one["type"] == "Ready")
    assert any(PULL in text for _, text in events(world, "ProgressDeadlineExceeded"))


VOLUME = 'MountVolume.SetUp failed for volume "weights": configmap "weights" not found'


@pytest.mark.parametrize(("happens", "told"), [(2.0, 15.0), (20.0, 60.0)], ids=["at once", "later"])
def test_what_only_the_kubelets_events_say_is_told_soon_and_stays(happens, told):
    """A silent pod's Events are asked for when it has waited for some seconds, and then every half a minute."""
    world = first().at(happens, lambda world: warn_of(world, "FailedMount", VOLUME)).run(minutes=6)
    world.check_promises()

    assert first_said(messages(world), f"(pod digits-pod: FailedMount: {VOLUME})") <= told
    assert world.status["phase"] == "Degraded"
    assert VOLUME in world.status["message"]


def test_a_silent_pod_costs_one_list_of_events_in_half_a_minute():
    world = first(progressDeadline="30m").at(20.0, lambda world: say(world, "ContainerCreating")).run(minutes=10)

    assert 10 <= len(calls(world, "list events")) <= 22


def test_a_pod_that_says_itself_why_it_waits_costs_no_list_of_events():
    world = first().at(20.0, lambda world: say(world, "ImagePullBackOff", PULL)).run(minutes=4)

    assert calls(world, "list events") == []


def test_without_the_right_to_list_events_the_pods_words_stand_and_nobody_asks_again_soon(monkeypatch):
    cluster_list = SimCluster.list

    async def refused(self, kind, *about, **how):
        found = await cluster_list(self, kind, *about, **how)
        if kind == EVENT:
            raise Forbidden('events.events.k8s.io is forbidden: cannot list resource "events"')
        return found

    monkeypatch.setattr(SimCluster, "list", refused)
    world = first(progressDeadline="30m").at(20.0, lambda world: warn_of(world, "FailedMount", VOLUME)).run(minutes=10)
    world.check_promises()

    assert "(pod digits-pod: container model is not ready)" in world.status["message"]
    assert len(calls(world, "list events")) == 1


def test_events_that_never_come_back_keep_nothing_waiting(monkeypatch):
    cluster_list = SimCluster.list

    async def hangs(self, kind, *about, **how):
        if kind == EVENT:
            await asyncio.sleep(10_000)
        return await cluster_list(self, kind, *about, **how)

    monkeypatch.setattr(SimCluster, "list", hangs)
    world = first().at(20.0, lambda world: warn_of(world, "FailedMount", VOLUME)).run(minutes=6)
    world.check_promises()

    assert world.status["phase"] == "Degraded"
    assert "container model is not ready" in world.status["message"]


def test_a_first_version_that_was_given_up_says_what_is_wrong_now():
    world = first().at(20.0, lambda world: say(world, "ImagePullBackOff", PULL))
    world.at(400.0, lambda world: say(world, "CrashLoopBackOff", "back-off 20s")).run(minutes=8)

    assert "now pod digits-pod: container model CrashLoopBackOff" in world.status["message"]


@pytest.mark.parametrize("restart", [None, 300.0, 394.0])
def test_what_the_api_server_refused_stays_in_message_history_and_conditions(restart):
    world = second(pods={})
    world.at(90.0, lambda world: refuse(world, "Deployment", MOUNT, until=395.0))
    if restart is not None:
        world.at(restart, lambda world: world.restart(seconds=10.0))
    world.run(minutes=8)
    world.check_promises()

    assert world.status["phase"] == "RolledBack"
    assert MOUNT in world.status["message"]
    assert MOUNT in world.status["history"][0]["message"]
    assert MOUNT in next(one["message"] for one in world.status["conditions"] if one["type"] == "Stalled")
    assert len(events(world, "ChildRefused")) == 1
    assert MOUNT in events(world, "ProgressDeadlineExceeded")[0][1]


@pytest.mark.parametrize("restart", [None, 392.0])
def test_the_words_of_the_pods_stay_when_the_deadline_passes_while_the_operator_is_away(restart):
    world = second()
    world.at(120.0, lambda world: say(world, "ImagePullBackOff", PULL))
    if restart is not None:
        world.at(restart, lambda world: world.restart(seconds=30.0))
    world.run(minutes=9)
    world.check_promises()

    assert PULL in world.status["history"][0]["message"]
    assert PULL in world.status["message"]


def test_a_deadline_is_not_put_off_for_ever_when_pods_may_not_be_read(monkeypatch):
    world = second()
    world.at(392.0, lambda world: world.restart(seconds=30.0))
    world.at(393.0, lambda world: refuse_pods(monkeypatch)).run(minutes=9)

    assert world.status["phase"] == "RolledBack"
    assert calls(world, "list pods")


def refuse_pods(monkeypatch):
    """From now on nobody may list pods."""

    listed = SimCluster.list

    async def list_allowed(self, kind, namespace=None, selector="", **options):
        found = await listed(self, kind, namespace, selector, **options)
        if kind == POD:
            raise Forbidden("pods is forbidden")
        return found

    monkeypatch.setattr(SimCluster, "list", list_allowed)
