"""The real engine, a simulated cluster and a real back end: a rollout, a rollback, a kill and a replay."""

import pytest
from recorded_world import recorded

from tests.sim.scenarios import AFTER_PROMOTION, ROLLBACK, ROLLOUT, Scenario

pytestmark = pytest.mark.timeout(400)

BAD_AT_100 = Scenario(serves="1.0.0", failed="2.0.0", scripts={"2.0.0": {"errors": "hhhhhhhb"}})
STORIES = {
    "a rollout": ROLLOUT,
    "a rollback": ROLLBACK,
    "a version that fails with all traffic only": BAD_AT_100,
    "a version that fails after its promotion": AFTER_PROMOTION,
}


def tell(scenario, back_end, ask, plan=lambda world: world):
    world = scenario.world(1)
    asked = recorded(world, back_end, ask)
    plan(world).run_until(scenario.at_rest, scenario.minutes)
    world.check_promises()
    unrest = scenario.unrest(world)
    assert not unrest, f"{unrest}\n{world.story()}"
    return world, asked


@pytest.mark.parametrize("scenario", STORIES.values(), ids=STORIES)
def test_a_story_ends_as_it_should(scenario, back_end, ask):
    world, _ = tell(scenario, back_end, ask)
    served = {weight for served in world.gateway.history for weight in served.weights.values()}
    assert {10, 100} <= served


@pytest.mark.parametrize("scenario", [ROLLOUT, ROLLBACK], ids=["a rollout", "a rollback"])
def test_a_kill_in_between_ends_it_alike_and_missed_ticks_are_replayed(scenario, back_end, ask):
    def kill(world):
        return world.at(200.0, lambda w: w.restart(250.0), when=lambda w: w.serving().get("2.0.0") == 10)

    world, asked = tell(scenario, back_end, ask, kill)
    assert len(world.processes) == 2
    assert any(len(instants) > 2 for _, instants in asked.questions), "no missed tick was replayed by a range"
