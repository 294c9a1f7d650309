"""An autoscaler follows the scale subresource through rollouts and rollbacks, as Kubernetes' own one reckons."""

import math
import re
from dataclasses import dataclass, field

import pytest

from tests.sim.scenarios import Scenario
from tests.sim.world import World

SYNC, LOOKS_BACK, TOLERANCE = 15.0, 300.0, 0.1


@dataclass
class Autoscaler:
    """A HorizontalPodAutoscaler with a target of one unit of load for each pod.

    demand: units of load that all requests make together. idle: the version whose pods make none, since it fails early.
    """

    world: World
    demand: float
    idle: str = ""
    written: list[int] = field(default_factory=list)
    worst: float = 0.0
    asked: list[tuple[float, int]] = field(default_factory=list)

    def start(self):
        self.world.later(SYNC, self._sync)
        self.world.api.listeners.append(lambda _: self._measure())
        return self

    def _loads(self):
        """Load of one ready pod, and how many there are, by revision."""
        gateway, found = self.world.gateway, {}
        total = sum(gateway.services.values())
        for service, weight in gateway.services.items():
            ready, revision = gateway.ready(service), gateway.revisions[service]
            if ready and weight:
                found[revision] = self.demand * weight / total / ready, ready
        return found

    def _measure(self):
        if self.world.status.get("stable"):
            self.worst = max((self.worst, *(load for load, _ in self._loads().values())))

    def _sync(self):
        self.world.later(SYNC, self._sync)
        spec, status = self.world.digits.get("spec", {}), self.world.status
        found = re.fullmatch(
            r"modelramp.io/deployment=digits,modelramp.io/revision(?:=| in \()([^)]*)\)?", status.get("selector", "")
        )
        if not found or not spec["replicas"]:
            return
        loads, pods, used = self._loads(), 0, 0.0
        for revision in found[1].split(","):
            count = self._available(revision)
            pods += count
            lazy = self.world.prometheus.revisions[revision].version == self.idle
            used += 0.0 if lazy else math.prod(loads.get(revision, (0.0, 0)))
        assert pods == status["replicas"] or abs(pods - status["replicas"]) <= spec["replicas"]
        if pods:
            self._scale(spec["replicas"], used, pods)

    def _available(self, revision):
        deployment = self.world.api.find("Deployment", "ml", f"digits-{revision}")
        return (deployment or {}).get("status", {}).get("availableReplicas", 0)

    def _scale(self, replicas, used, pods):
        ratio, now = used / pods, self.world.now()
        wanted = replicas if abs(ratio - 1) <= TOLERANCE else math.ceil(ratio * pods - 1e-9)
        self.asked = [(at, count) for at, count in self.asked if at > now - LOOKS_BACK] + [(now, wanted)]
        wanted = min(max(wanted, 1), 20)
        if wanted < replicas:
            wanted = min(replicas, max(count for _, count in self.asked))
        if wanted != replicas:
            self.written.append(wanted)
            obj = self.world.digits
            self.world.api.update({**obj, "spec": {**obj["spec"], "replicas": wanted}}, "hpa")

    def demands(self, units):
        def change(_):
            self.demand = units

        return change


def scaled(seed, demand=6.0, *, idle="", scripts=None, **rollout):
    scenario = Scenario(serves="2.0.0", rollout={"replicas": 6, "stepDuration": "5m", **rollout}, scripts=scripts or {})
    world = scenario.world(seed)
    return world, Autoscaler(world, demand, idle).start()


def wanted(world, version):
    return {
        obj["spec"]["replicas"]
        for obj in world.api.all("Deployment")
        if obj["spec"]["template"]["spec"]["containers"][0]["image"].endswith(f":{version}")
    }


FULL = {"capacity": {"candidate": "Full"}}
BREACH = {"2.0.0": {"errors": "hhhhhhhhhbbb"}}


@pytest.mark.parametrize("scripts", [{}, BREACH], ids=["promotion", "rollback"])
@pytest.mark.parametrize("seed", range(3))
def test_steady_load_is_never_scaled(seed, scripts):
    world, autoscaler = scaled(seed, scripts=scripts)
    world.run(minutes=40).check_promises()

    assert world.serving() == {"1.0.0" if scripts else "2.0.0": 100}
    assert autoscaler.written == []
    assert autoscaler.worst <= 1.0 + TOLERANCE


@pytest.mark.parametrize("scripts", [{}, BREACH], ids=["promotion", "rollback"])
@pytest.mark.parametrize("seed", range(3))
def test_a_number_that_was_lowered_at_half_of_the_traffic_takes_one_pod_and_is_corrected(seed, scripts):
    world, autoscaler = scaled(seed, scripts=scripts, **FULL)
    world.run(minutes=60).check_promises()

    assert world.serving() == {"1.0.0" if scripts else "2.0.0": 100}
    assert autoscaler.written == [3, 6]
    assert autoscaler.worst <= 6 / 5
    assert wanted(world, "1.0.0" if scripts else "2.0.0") == {6}


@pytest.mark.parametrize("rollout", [{}, FULL], ids=["by share", "full"])
def test_load_that_falls_in_a_rollout_scales_down_once_and_only_after_the_promotion(rollout):
    world, autoscaler = scaled(1, **rollout)
    during = []
    world.at(450, autoscaler.demands(3.0), when=lambda world: world.status.get("candidate"))
    world.at(960, lambda world: during.extend([world.digits["spec"]["replicas"], wanted(world, "1.0.0")]))
    message = []
    world.at(961, lambda world: message.append(world.status["message"]))
    world.run(minutes=40).check_promises()

    assert during == [3, {6}]
    assert "spec.replicas 3 waits until the rollout ends: 6 pods stay" in message[0]
    assert autoscaler.written == [3]
    assert (world.serving(), wanted(world, "2.0.0")) == ({"2.0.0": 100}, {3})


def test_a_decrease_is_obeyed_at_once_where_the_spec_says_so():
    world, autoscaler = scaled(1, scaleDownDuringRollout=True)
    during = []
    world.at(450, autoscaler.demands(3.0), when=lambda world: world.status.get("candidate"))
    world.at(960, lambda world: during.append(wanted(world, "1.0.0")))
    world.run(minutes=40).check_promises()

    assert during == [{3}]
    assert (autoscaler.written, wanted(world, "2.0.0")) == ([3], {3})


@pytest.mark.parametrize("rollout", [{}, FULL], ids=["by share", "full"])
def test_load_that_rises_in_a_rollout_scales_up_at_once(rollout):
    world, autoscaler = scaled(1, **rollout)
    world.at(450, autoscaler.demands(9.0), when=lambda world: world.status.get("candidate"))
    world.run(minutes=40).check_promises()

    assert autoscaler.written == sorted(autoscaler.written)
    assert autoscaler.written[-1] == 9
    assert wanted(world, "2.0.0") == {9}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rollout", [{}, FULL], ids=["by share", "full"])
def test_a_version_that_fails_without_load_takes_no_pods_from_the_one_that_gets_the_traffic_back(seed, rollout):
    world, autoscaler = scaled(seed, idle="2.0.0", scripts={"2.0.0": {"errors": "h" * 7 + "?" * 9 + "bbb"}}, **rollout)
    world.run(minutes=60).check_promises()

    assert world.serving() == {"1.0.0": 100}
    assert autoscaler.written == [3, 6]
    assert autoscaler.worst <= 6 / 5
    assert wanted(world, "1.0.0") == {6}
