"""Whatever happens at whichever call: slow checks, scores and evidence come to the same end, by the same ticks."""

import itertools
import os

import pytest

from tests.sim.faults import Fault
from tests.sim.hooked import hooks
from tests.sim.prometheus import Period
from tests.sim.quiet import AT_ONCE, QUIET, SUMMED
from tests.sim.scenarios import tell

FAULTS = list(Fault)
STRIDE = 1 if os.environ.get("MODELRAMP_SIM_SWEEP") == "all" else 4 * len(FAULTS)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize("name", QUIET)
def test_a_fault_at_any_call_changes_no_verdict(name, fault):
    first = 1 + (FAULTS.index(fault) * 4 + list(QUIET).index(name) * 9) % STRIDE
    for n in itertools.count(first, STRIDE):
        world = tell(QUIET[name], seed=7, fault=fault, at_call=n)
        if world.faults.exhausted:
            break
    assert n > 60, "the story is shorter than it was: is the world still wired up?"


@pytest.mark.parametrize("seed", [4, 10, 13])
def test_a_crash_as_a_step_begins_brings_no_evidence_from_before_it(seed):
    """The first look after a start asks about ticks and finds that the route shows the step: it begins there."""
    calls = [line.partition("call ")[2] for line in tell(SUMMED, seed=seed).history if ": apply HTTPRoute" in line]
    for call in calls[:2]:
        tell(SUMMED, seed=seed, fault=Fault.CRASH_AFTER, at_call=int(call.partition(":")[0]))


def ends(scenario, **options):
    return tell(scenario, seed=7, **options).status["history"][0]["message"]


def test_each_story_ends_for_the_reason_that_it_is_about():
    found = {name: ends(scenario) for name, scenario in QUIET.items()}

    assert "labels breached 2 times in a row" in found["a slow check breaches"]
    assert "after its promotion: labels" in found["a slow check breaches after promotion"]
    assert "after its promotion: answers" in found["a check of the watch breaches"]
    assert "serves all traffic" in found["a score tolerates a breach"]
    assert "operational scores 0, below 50" in found["a critical check breaches"]
    assert "answers breached" in found["one breach is enough"]
    assert {hook["state"] for hook in hooks(tell(AT_ONCE, seed=7)).values()} == {"Done"}


def evidence(world):
    """What the check of sums carried after each tick of the first step."""
    found = {}
    for change in world.api.log:
        status = change.obj.get("status", {}) if change.kind == "ModelDeployment" else {}
        if (status.get("candidate") or {}).get("step") == 0 and "lastTick" in status:
            (found[status["lastTick"]],) = (c.get("memory") for c in status["checks"] if c["name"] == "sums")
    return found


def test_evidence_is_the_same_to_the_byte_after_a_restart():
    calm = evidence(tell(SUMMED, seed=7))
    missed = 0
    for seconds in range(300, 600, 20):
        world = SUMMED.world(7).at(seconds, lambda world: world.processes[-1].crash())
        world.run_until(SUMMED.at_rest, SUMMED.minutes).check_promises()
        found = evidence(world)
        assert len(world.processes) == 2
        assert len(found) > 5
        assert found.items() <= calm.items()
        missed += len(calm) - len(found)
    assert missed, "a restart misses ticks, and writes what they add up to at the next one"


def test_a_minute_that_prometheus_did_not_answer_adds_nothing():
    world = SUMMED.world(7)
    world.prometheus.periods.append(Period(world.now() + 300.0, world.now() + 420.0, "down"))
    world.run_until(SUMMED.at_rest, SUMMED.minutes).check_promises()
    calm = evidence(tell(SUMMED, seed=7))

    assert not evidence(world).items() <= calm.items()
