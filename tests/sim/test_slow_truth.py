"""A hold check that is asked every five minutes, in the simulated world: its answer stands in between, and survives."""

import pytest

from tests.sim.faults import Fault
from tests.sim.scenarios import Scenario, manifest, tell

ERRORS, ACCURACY = manifest("1.0.0")["spec"]["health"]["checks"]
SLOW = Scenario(serves="2.0.0", health={"checks": [ERRORS, {**ACCURACY, "interval": "5m", "window": "1m"}]})


def asked(world):
    found = (key for process in world.processes for key in process.ledger.found)
    return {tick for _, check, _, tick in found if check == "accuracy"}


def test_it_is_asked_at_its_own_ticks_only_and_promotes():
    world = tell(SLOW, seed=1)
    assert asked(world)
    assert all(tick % 300 == 0 for tick in asked(world))


def test_while_its_last_answer_was_bad_nothing_is_promoted_and_nothing_rolled_back():
    scenario = Scenario(serves="2.0.0", health=SLOW.health, scripts={"2.0.0": {"accuracy": "b"}})
    world = scenario.world(seed=1).run(minutes=30)
    world.check_promises()
    assert world.serving() == {"1.0.0": 90, "2.0.0": 10}


@pytest.mark.parametrize("at_call", range(10, 130, 15))
def test_a_crash_at_any_time_changes_neither_when_it_is_asked_nor_what_comes_of_it(at_call):
    world = tell(SLOW, seed=1, fault=Fault.CRASH_BEFORE, at_call=at_call)
    assert asked(world)
    assert all(tick % 300 == 0 for tick in asked(world))
