"""Whatever happens at whichever call: a hook never acts twice in an episode, and when nothing dies it acts once."""

import itertools
import os

import pytest

from tests.sim.faults import Fault
from tests.sim.hooked import SCENARIOS, hooks, jobs
from tests.sim.scenarios import tell

DEADLY = {Fault.CRASH_BEFORE, Fault.CRASH_AFTER}
"""Faults that may end the process between the decision to call and the answer."""
FAULTS = [fault for fault in Fault if fault is not Fault.METRICS_OUTAGE]
STRIDE = 1 if os.environ.get("MODELRAMP_SIM_SWEEP") == "all" else 13


@pytest.mark.parametrize("name", SCENARIOS)
def test_without_faults_each_hook_acts_once_and_names_the_revision_that_failed(name):
    world = tell(SCENARIOS[name], seed=7)

    failed = world.status["failedRevision"]
    assert [call.body["revision"] for call in world.called] == [failed]
    assert [job["metadata"]["labels"]["modelramp.io/revision"] for job in jobs(world)] == [failed]
    assert {name: hook["state"] for name, hook in hooks(world).items()} == {"tell": "Done", "look": "Done"}
    assert world.called[0].body["modelVersion"] == "2.0.0"
    assert world.called[0].body["checks"] == ["errors"]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize("name", SCENARIOS)
def test_with_a_fault_at_any_call_it_never_acts_twice_and_says_what_it_cannot_know(name, fault):
    first = 1 + (FAULTS.index(fault) + list(SCENARIOS).index(name) * 5) % STRIDE
    for n in itertools.count(first, STRIDE):
        world = tell(SCENARIOS[name], seed=7, fault=fault, at_call=n)
        about = f"{fault.name} at call {n}"
        _check(world, fault if world.fault_fired else None, about)
        if world.faults.exhausted:
            break
    assert n > 60, "the story is shorter than it was: is the world still wired up?"


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.SILENT_BEFORE, Fault.SILENT_AFTER])
def test_a_fault_at_the_very_calls_of_the_hooks(fault):
    calls = [
        index
        for index, line in enumerate(_calls(tell(SCENARIOS["rollback"], seed=7)), start=1)
        if "pipelines" in line or "Job ml/digits-look" in line or " replace_status " in line
    ]
    assert len(calls) > 10
    for n in calls:
        world = tell(SCENARIOS["rollback"], seed=7, fault=fault, at_call=n)
        _check(world, fault if world.fault_fired else None, f"{fault.name} at call {n}")


def _calls(world):
    return [line for line in world.history if " call " in line]


def _check(world, fault, about):
    found, episodes = hooks(world), {call.key for call in world.called}
    assert len(world.called) == len(episodes), f"{about}: a webhook was called twice in one episode"
    assert len(episodes) <= 1, f"{about}: two episodes where the story has one"
    assert len({job["metadata"]["name"] for job in jobs(world)}) == len(jobs(world)) == 1, f"{about}: {jobs(world)}"
    assert found["look"]["state"] == "Done", f"{about}: {found}"
    if not world.called:
        assert fault is not None, f"{about}: nobody was told, though nothing happened"
        assert found["tell"]["state"] == "Unknown", f"{about}: nobody was told, and the status does not say so: {found}"
    if fault not in DEADLY and fault is not Fault.SILENT_BEFORE:
        assert world.called, f"{about}: nobody was told, though nothing died"
    if found["tell"]["state"] == "Done":
        assert world.called, f"{about}: the status says done, but nobody was told"
