"""Available is what can be answered: by every Gateway of the route, by endpoints with a port, for half the traffic."""

import pytest

from tests.sim.kubelet import Pods
from tests.sim.scenarios import ROLLOUT_AT, Scenario, manifest
from tests.sim.test_gateways_confirm import Snapshot, phase, weight
from tests.sim.world import World

DEAD_STABLE = {"1.0.0": Pods(crash_after=80.0)}


def told(world, *reasons):
    return [(reason, warning) for _, reason, _, warning in world.events if reason in reasons]


def test_a_dead_stable_version_is_told_with_the_share_that_fails_and_the_way_out():
    scenario, at10, at50 = Scenario(serves="2.0.0", pods=DEAD_STABLE), Snapshot(), Snapshot()
    world = scenario.world(1)
    world.at(ROLLOUT_AT, lambda world: world.later(30, lambda: at10.look(world)), when=weight(10))
    world.at(ROLLOUT_AT, lambda world: world.later(30, lambda: at50.look(world)), when=weight(50))
    world.run_until(scenario.at_rest, minutes=60)
    world.check_promises()

    assert at10.condition("Available") == ("False", "NothingServes")
    assert at10.condition("Healthy") == ("False", "PodsUnavailable")
    assert at10.status["message"].startswith("90 % of the traffic fails: 1.0.0 (")
    assert "CrashLoopBackOff" in at10.status["message"]
    assert "modelramp.io/request=promote/" in at10.status["message"]
    assert at50.condition("Available") == ("False", "NothingServes")
    assert told(world, "NothingServes", "Serving") == [("NothingServes", True), ("Serving", False)]
    assert not scenario.unrest(world)


def test_a_dead_candidate_with_little_traffic_makes_nothing_unavailable():
    scenario = Scenario(serves="1.0.0", failed="2.0.0", pods={"2.0.0": Pods(crash_after=60.0)})
    world = scenario.world(1).run_until(scenario.at_rest, minutes=60)

    assert told(world, "NothingServes", "Serving") == []


def test_a_drained_model_is_unavailable_for_as_long_as_it_is_and_says_so_once():
    found, world = Snapshot(), Scenario(serves="1.0.0", versions=((0.0, "1.0.0"),)).world(1)
    world.at(100, lambda world: world.kubelet.drain("1.0.0", waits=30, starts=200), when=phase("Healthy"))
    world.at(100, lambda world: world.later(100, lambda: found.look(world))).run(minutes=10)

    assert found.condition("Available") == ("False", "NothingServes")
    assert found.condition("Healthy") == ("Unknown", "PodsLost")
    assert "100 % of the traffic fails" in found.status["message"]
    assert "by no fault of its own (pod digits-" in found.status["message"]
    assert told(world, "NothingServes", "Serving") == [("NothingServes", True), ("Serving", False)]


def portless(world):
    """What the EndpointSlice controller writes when no container names the port."""
    for item in [*world.api.all("EndpointSlice")]:
        world.api.update({**item, "ports": None}, "kube-controller-manager")


def test_endpoints_without_the_port_answer_nothing():
    found, world = Snapshot(), World(1).at(0, lambda world: world.apply(manifest("1.0.0")))
    world.at(60, portless, when=phase("Healthy")).at(60, lambda w: w.later(10, lambda: found.look(w))).run(minutes=3)

    assert found.condition("Available") == ("False", "NothingServes")
    assert "does a container name the one of spec.service.targetPort" in found.status["message"]


AGES = [("2020-01-01T00:00:00Z", "False"), ("2099-01-01T00:00:00Z", "True")]


@pytest.mark.parametrize(("created", "available"), AGES)
def test_an_older_route_of_somebody_else_takes_the_traffic(created, available):
    def foreign(world):
        spec = {key: world.usual.route["spec"][key] for key in ("parentRefs", "hostnames", "rules")}
        made = {"kind": "HTTPRoute", "metadata": {"namespace": "ml", "name": "legacy"}, "spec": spec}
        world.api.create(made, "kubectl")
        world.api.find("HTTPRoute", "ml", "legacy")["metadata"]["creationTimestamp"] = created

    found, world = Snapshot(), World(1).at(0, lambda world: world.apply(manifest("1.0.0")))
    world.at(60, foreign, when=phase("Healthy")).at(60, lambda w: w.later(150, lambda: found.look(w))).run(minutes=5)

    assert found.condition("Available")[0] == available
    assert found.condition("Ready")[0] == available
    if available == "False":
        assert found.condition("Ready") == ("False", "RouteShadowed")
        assert "HTTPRoute ml/legacy has the same hostname and path" in found.status["message"]
