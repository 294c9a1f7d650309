"""What the route says is no news of the gateway: nothing counts and no pods end before that has taken it."""

from dataclasses import dataclass, field

import pytest

from tests.sim.scenarios import AFTER_PROMOTION, ROLLBACK, ROLLOUT, ROLLOUT_AT, Scenario, manifest
from tests.sim.world import World


def silence(world):
    world.gateways.silent = True


def heal(world):
    world.gateways.silent = world.gateways.unresolved = False
    world.gateways.look_again()


def phase(name):
    return lambda world: world.status.get("phase") == name


def weight(share):
    return lambda world: (world.status.get("candidate") or {}).get("weight") == share


def taken(share):
    return lambda world: weight(share)(world) and world.status["candidate"].get("shown", False)


@dataclass
class Snapshot:
    """What was so when somebody looked."""

    status: dict = field(default_factory=dict)
    serving: dict = field(default_factory=dict)
    pods: dict = field(default_factory=dict)
    events: list = field(default_factory=list)
    parents: list = field(default_factory=list)

    def look(self, world):
        """The plan of a person who looks."""
        self.status, self.serving, self.events = world.status, world.serving(), list(world.events)
        self.parents = [parent["name"] for parent in world.usual.route["spec"]["parentRefs"]]
        for obj in world.api.all("Deployment"):
            image = obj["spec"]["template"]["spec"]["containers"][0]["image"]
            self.pods[image.rpartition(":")[2]] = obj["spec"]["replicas"]

    def condition(self, kind):
        found = {item["type"]: item for item in self.status["conditions"]}
        return found[kind]["status"], found[kind]["reason"]

    def said(self, reason):
        return [message for _, why, message, _ in self.events if why == reason]


def test_no_step_ends_before_the_gateway_has_taken_its_weight():
    found = Snapshot()
    world = ROLLOUT.world(seed=1).at(60, silence, when=phase("Healthy")).at(900, found.look).at(900, heal)
    world.run_until(ROLLOUT.at_rest, minutes=60).check_promises()

    assert (found.serving, found.status["candidate"]["weight"]) == ({"1.0.0": 100}, 10)
    assert found.condition("Routed") == ("Unknown", "RouteUnconfirmed")
    assert "has not confirmed the route as it is now: it reports generation 1 of 2" in found.status["message"]
    assert not found.status["candidate"].get("shown")
    assert world.serving() == {"2.0.0": 100}


def test_the_status_says_so_within_seconds_of_the_step():
    found = Snapshot()
    world = ROLLOUT.world(seed=1).at(60, silence, when=phase("Healthy"))
    world.at(ROLLOUT_AT, lambda world: world.later(10, lambda: found.look(world)), when=weight(10)).run(minutes=3)

    assert "has not confirmed the route" in found.status["message"]


def test_pods_of_the_old_version_do_not_end_before_the_gateway_is_without_it():
    found = Snapshot()
    world = ROLLOUT.world(seed=1).at(60, silence, when=taken(50)).at(1800, found.look).at(1800, heal)
    world.run_until(ROLLOUT.at_rest, minutes=60).check_promises()

    assert found.serving == {"1.0.0": 50, "2.0.0": 50}
    assert (found.status["stable"]["modelVersion"], found.pods["1.0.0"]) == ("1.0.0", 2)
    assert len(found.said("Promoted")) == 1, "the first version only"


@pytest.mark.parametrize("scenario", [ROLLBACK, AFTER_PROMOTION], ids=["in a step", "after promotion"])
def test_the_way_back_is_written_at_once_and_the_pods_of_what_failed_wait_for_the_gateway(scenario):
    def failing(world):
        promoted = (world.status.get("stable") or {}).get("modelVersion") == "2.0.0"
        return world.status.get("breaches") == 2 and (scenario is ROLLBACK or promoted)

    found, at = Snapshot(), []
    world = scenario.world(seed=1).at(ROLLOUT_AT, silence, when=failing)
    world.at(1500, found.look, when=phase("RollingBack")).at(1500, lambda world: at.append(world.now())).at(1500, heal)
    world.run_until(scenario.at_rest, minutes=60).check_promises()
    routes = [c.at for c in world.api.log if c.kind == "HTTPRoute" and c.actor == "modelramp" and c.at < at[0]]
    decided = next(at for at, why, _, _ in world.events if why == "ThresholdReached")

    assert routes[-1] - decided < 20, "at once, or when the pods of the version before are there"
    assert found.serving.get("2.0.0")
    assert "has not confirmed the route" in found.status["message"]
    assert found.pods["2.0.0"] == 2
    assert not scenario.unrest(world)


def test_a_gateway_that_finds_no_service_holds_the_step():
    def unresolved(world):
        world.gateways.unresolved = True

    found = Snapshot()
    world = ROLLOUT.world(seed=1).at(60, unresolved, when=phase("Healthy")).at(900, found.look).at(900, heal)
    world.run_until(ROLLOUT.at_rest, minutes=60)

    assert found.status["candidate"]["weight"] == 10
    assert found.condition("Routed") == ("False", "BackendsUnresolved")
    assert "BackendNotFound" in found.status["message"]
    assert world.serving() == {"2.0.0": 100}


def test_a_gateway_that_names_no_generation_is_believed_and_warned_of_once():
    world = ROLLOUT.world(seed=1)
    world.gateways.dated = False
    world.run_until(ROLLOUT.at_rest, minutes=60).check_promises()

    assert world.serving() == {"2.0.0": 100}
    assert [reason for _, reason, _, _ in world.events].count("GenerationNotObserved") == 1


def make_gateway(name):
    made = {"kind": "Gateway", "metadata": {"namespace": "ml", "name": name}, "spec": {}}
    return lambda world: world.api.create(made, "kubectl")


def test_a_first_version_is_promoted_only_when_a_gateway_has_taken_the_route():
    found, world = Snapshot(), World(1)
    world.api.delete(world.ref(world.api.find("Gateway", "ml", "public")), "kubectl")
    world.at(0, lambda world: world.apply(manifest("1.0.0"))).at(300, found.look).at(300, make_gateway("public"))
    world.run(minutes=8)
    world.check_promises()

    assert (found.status["phase"], found.said("Promoted")) == ("Promoting", [])
    assert found.condition("Ready") == ("False", "GatewayNotFound")
    assert "Gateway ml/public does not exist" in found.status["message"]
    assert world.status["phase"] == "Healthy"
    assert [reason for _, reason, _, _ in world.events].count("Promoted") == 1
    assert world.status["history"][0]["outcome"] == "Promoted"


def to_gateway(name, version):
    wanted = manifest(version)
    wanted["spec"]["routing"]["gateway"]["parentRefs"] = [{"name": name}]
    return lambda world: world.apply(wanted)


def outages(world):
    """When nothing was served, since something first was."""
    return [served.at for served in world.gateway.history[1:] if not any(served.weights.values())]


@pytest.mark.parametrize("then", [lambda world: None, lambda world: world.restart()], ids=["", "and a restart"])
def test_a_gateway_that_works_is_not_dropped_for_one_that_does_not_exist(then):
    found = Snapshot()
    world = ROLLOUT.world(seed=1).at(ROLLOUT_AT, to_gateway("other", "2.0.0"), when=weight(10))
    world.at(ROLLOUT_AT + 60, then).at(600, found.look).at(600, make_gateway("other"))
    world.run_until(ROLLOUT.at_rest, minutes=60).check_promises()

    assert found.parents == ["public"]
    assert found.condition("Routed") == ("False", "GatewayNotFound")
    assert "Gateway ml/other does not exist" in found.status["message"]
    assert [parent["name"] for parent in world.usual.route["spec"]["parentRefs"]] == ["other"]
    assert outages(world) == []


def test_a_way_back_is_written_to_the_gateway_that_works_while_another_one_is_wanted():
    bad = Scenario(serves="1.0.0", failed="2.0.0", scripts={"2.0.0": {"errors": "hbbbb"}})
    world = bad.world(seed=1).at(ROLLOUT_AT, to_gateway("other", "2.0.0"), when=weight(10)).run(minutes=10)
    world.check_promises()

    assert world.serving() == {"1.0.0": 100}
    assert world.status["failedRevision"]


def test_what_takes_a_gateway_longer_than_some_seconds_is_not_part_of_the_step():
    world = World(1).at(0.0, lambda world: world.apply(manifest("1.0.0")))
    world.at(ROLLOUT_AT, silence, when=phase("Healthy")).at(ROLLOUT_AT, lambda w: w.apply(manifest("2.0.0")))
    world.at(ROLLOUT_AT, lambda world: world.later(40, lambda: heal(world)), when=weight(10)).run(minutes=15)
    world.check_promises()

    taken = next(served.at for served in world.gateway.history if 10 in served.weights.values())
    left = next(served.at for served in world.gateway.history if 50 in served.weights.values())
    assert left - taken >= 120
