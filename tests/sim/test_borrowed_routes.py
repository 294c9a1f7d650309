"""A ModelDeployment on a route of somebody else: one rule's backends move, everything else is the owner's."""

import itertools

import pytest

from tests.sim.borrowed import LEGACY, borrowing, prepare, put_back, route, story
from tests.sim.faults import Fault
from tests.sim.scenarios import ROLLBACK, ROLLOUT, manifest
from tests.sim.world import World

CRASHES = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.CONFLICT)


def others(found):
    """All of a route but the backends of its rule."""
    rules = [{name: value for name, value in rule.items() if name != "backendRefs"} for rule in found["spec"]["rules"]]
    return {**found["spec"], "rules": rules}


def never_empty(world):
    assert not any(served.empty for served in world.usual.gateway.history), world.story()
    carried = itertools.dropwhile(lambda served: not served.weights, world.usual.gateway.history)
    assert all(served.weights for served in carried), world.story()


@pytest.mark.parametrize("scenario", [ROLLOUT, ROLLBACK], ids=["rollout", "rollback"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_rollout_moves_the_weights_of_one_rule_and_nothing_else(scenario, seed):
    world = story(scenario, seed)
    before = others(route(world))
    world.run_until(scenario.at_rest, scenario.minutes)

    world.check_promises()
    assert not scenario.unrest(world), world.story()
    assert others(route(world)) == before
    assert route(world)["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] == "{}"
    never_empty(world)
    assert {LEGACY} in [set(served.weights) for served in world.usual.gateway.history]


def deleted_at_rest(world):
    """Delete the ModelDeployment when its rollout is over; what is left then."""
    world.at(0.0, lambda each: each.delete(), when=ROLLOUT.at_rest)
    world.run_until(lambda each: not each.digits and not list(each.api.all("Deployment")), ROLLOUT.minutes)


def routed(world):
    found = {item["type"]: item for item in world.status["conditions"]}["Routed"]
    return found["status"], found["reason"]


def test_deletion_gives_the_route_back_as_it_was_before_the_pods_end():
    world = story(ROLLOUT, 3)
    before = route(world)
    deleted_at_rest(world)

    after = route(world)
    assert after["spec"] == before["spec"], world.story()
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert not world.digits
    never_empty(world)


def test_an_owner_may_edit_all_but_the_backends_in_mid_rollout():
    world = story(ROLLOUT, 4)

    def edit(each):
        current = route(each)
        current["spec"]["rules"][0]["timeouts"] = {"request": "5s"}
        each.api.update(current, "owner")

    world.at(200.0, edit, when=lambda each: each.status.get("phase") == "Progressing")
    world.run_until(ROLLOUT.at_rest, ROLLOUT.minutes)

    assert not ROLLOUT.unrest(world), world.story()
    assert route(world)["spec"]["rules"][0]["timeouts"] == {"request": "5s"}


def test_who_puts_the_route_back_again_and_again_holds_the_rollout_and_hears_of_it():
    world = story(ROLLOUT, 5)
    seen = []
    for second in range(240, 700, 4):
        world.later(second, lambda: put_back(world))
    world.later(690, lambda: seen.append((world.status["phase"], *routed(world))))
    world.run_until(ROLLOUT.at_rest, ROLLOUT.minutes)

    assert seen == [("Progressing", "False", "RouteContested")], world.story()
    assert not ROLLOUT.unrest(world), world.story()
    never_empty(world)


def test_a_rollback_goes_on_trying_while_the_route_is_contested():
    world = story(ROLLBACK, 6)
    for second in range(240, 1500, 5):
        world.later(second, lambda: put_back(world))
    world.run_until(ROLLBACK.at_rest, ROLLBACK.minutes)

    assert not ROLLBACK.unrest(world), world.story()


@pytest.mark.parametrize(
    "change",
    [lambda found: found["spec"]["rules"][0].update(name="another"), lambda found: found["spec"]["rules"].clear()],
    ids=["renamed", "removed"],
)
def test_a_rule_that_is_gone_in_mid_rollout_is_said_and_the_rollout_goes_on_when_it_is_back(change):
    world = story(ROLLOUT, 7)
    seen = []

    def pods(each):
        return {obj["metadata"]["name"]: obj["spec"]["replicas"] for obj in each.api.all("Deployment")}

    def edit(each):
        seen.append(pods(each))
        current = route(each)
        change(current)
        each.api.update(current, "owner")

    def back(each):
        seen.append(pods(each))
        seen.append(routed(each))
        current = route(each)
        current["spec"]["rules"] = [{"name": "predict", "backendRefs": [{"name": LEGACY, "port": 80}]}]
        each.api.update(current, "owner")

    world.at(200.0, edit, when=lambda each: (each.status.get("candidate") or {}).get("weight") == 50)
    world.at(800.0, back)
    world.run_until(ROLLOUT.at_rest, ROLLOUT.minutes)

    assert seen[0] == seen[1], "both versions keep their pods"
    assert len(seen[0]) == 2
    assert seen[2] == ("False", "RouteRuleNotFound")
    assert not ROLLOUT.unrest(world), world.story()


def test_a_route_that_does_not_exist_is_named_in_the_status():
    world = World(8)
    seen = []
    world.at(0.0, lambda each: each.apply(borrowing("1.0.0")))
    world.later(200.0, lambda: seen.append(routed(world)))
    world.later(201.0, lambda: prepare(world))
    world.run_until(lambda each: each.status.get("phase") == "Healthy", 10)

    assert seen == [("False", "RouteNotFound")], world.story()
    assert world.serving() == {"1.0.0": 100}


def test_who_wants_a_route_of_a_name_that_is_taken_hears_of_the_way_out():
    world = prepare(World(10))
    world.at(0.0, lambda each: each.apply(manifest("1.0.0")))
    world.run(3)

    ready = {item["type"]: item for item in world.status["conditions"]}["Ready"]
    assert ready["reason"] == "NameTaken", world.story()
    assert "divide it with spec.routing.gateway.routeRef" in ready["message"]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", CRASHES, ids=lambda fault: fault.name.lower())
def test_a_crash_at_any_call_of_takeover_rollout_and_deletion_loses_no_request(fault):
    for n in itertools.count(1 + 5 * CRASHES.index(fault), 16):
        world = story(ROLLOUT, 9, fault=fault, at_call=n)
        before = route(world)
        deleted_at_rest(world)
        world.check_promises()
        assert route(world)["spec"] == before["spec"], world.story()
        assert not world.digits, world.story()
        never_empty(world)
        if world.faults.exhausted:
            break
    assert n > 60
