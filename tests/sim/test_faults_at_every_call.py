"""Every fault at the n-th call of the operator, n = 1, 2, ... until a run has no n-th call: nothing changes in the end.

On every run each fault strikes every STRIDE-th call, the next fault the calls beside them: every call is struck by one.
MODELRAMP_SIM_SWEEP=all makes it every fault at every call (some ten minutes; made for the night).
"""

import itertools
import os

import pytest

from tests.sim.faults import Fault
from tests.sim.scenarios import ROLLOUT, SCENARIOS, tell

STRIDE = 1 if os.environ.get("MODELRAMP_SIM_SWEEP") == "all" else len(Fault)
FAULTS = list(Fault)
CALLS_AT_LEAST = {
    "rollout": 60,
    "rollback": 70,
    "rollback after promotion": 80,
    "superseded": 80,
    "reverted": 50,
    "A/B test won": 80,
    "A/B test lost": 70,
    "blue/green": 70,
    "blue/green rolled back after the switch": 70,
    "replaced": 50,
    "replaced and rolled back": 60,
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_fault_at_any_call_changes_nothing_in_the_end(name, fault):
    first = 1 + (FAULTS.index(fault) + list(SCENARIOS).index(name) * 5) % STRIDE
    fired = 0
    while not fired and first <= 2 * STRIDE:  # a fault that only some calls can have may miss all of one stride
        for n in itertools.count(first, STRIDE):
            world = tell(SCENARIOS[name], seed=7, fault=fault, at_call=n)
            fired += world.fault_fired
            if world.faults.exhausted:
                break
        first += 1

    assert n > CALLS_AT_LEAST[name], f"only {n - 1} calls: is the world still wired up?"
    assert fired, "the fault never happened: is it still wired up?"


@pytest.mark.parametrize(("fault", "seed"), [(Fault.FROZEN, 1), (Fault.CRASH_AFTER, 2)])
def test_a_step_whose_route_came_late_lasts_until_its_weight_was_measured(fault, seed):
    world = ROLLOUT.world(seed, fault, at_call=52)
    world.blame_late_routes = True
    world.run_until(ROLLOUT.at_rest, ROLLOUT.minutes)

    world.check_promises()


def test_every_kind_of_call_is_among_those_that_can_fail():
    world = tell(SCENARIOS["rollback"], seed=7)
    methods = {line.split(": ")[1].split(" ")[0] for line in world.history if " call " in line}

    assert methods >= {"get", "list", "create", "apply", "replace_status", "instant", "publish"}
