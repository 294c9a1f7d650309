"""A router and a workload that only tests/sim/toys.py knows carry a rollout and a rollback to their end."""

import pytest

from tests.sim import toys
from tests.sim.scenarios import ROLLBACK, ROLLOUT


@pytest.fixture
def _registered():
    with toys.registered():
        yield


@pytest.mark.usefixtures("_registered")
@pytest.mark.parametrize("scenario", [ROLLOUT, ROLLBACK], ids=["rollout", "rollback"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_toy_router_and_a_toy_workload_are_enough(scenario, seed):
    world = scenario.world(seed)
    toys.Controllers(world)
    world.run_until(scenario.at_rest, scenario.minutes)

    assert not scenario.unrest(world), world.story()
    assert not list(world.api.all("HTTPRoute"))
    shares = [served.weights for served in world.usual.gateway.history if served.weights]
    assert len(shares) >= 3, "traffic moved in steps"
    assert not any(served.empty for served in world.usual.gateway.history)
    heads = {squad["spec"]["heads"] for squad in world.api.all("Squad")}
    assert heads in ({0, 2}, {2})
