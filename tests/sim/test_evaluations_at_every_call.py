"""Whatever happens at whichever call: no version gets traffic before it has passed, and none is left waiting."""

import itertools
import os
import random
from dataclasses import replace

import pytest

from tests.sim.evaluations import BAD, GOOD, HANGS, SCENARIOS, Evaluated, evaluations, state
from tests.sim.faults import Fault
from tests.sim.scenarios import tell

FAULTS = [fault for fault in Fault if fault is not Fault.METRICS_OUTAGE]
STRIDE = 1 if os.environ.get("MODELRAMP_SIM_SWEEP") == "all" else 2 * len(FAULTS)
SWEPT = ("passed", "failed", "crashes, then passes", "superseded")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_story_ends_as_its_evaluations_say(name):
    world = tell(SCENARIOS[name], seed=7)

    failed = SCENARIOS[name].failed
    assert (world.status["history"][0]["reason"] == "EvaluationFailed") == (failed is not None)
    assert all(job.get("status") for job in evaluations(world)), "a Job that nobody waits for goes on"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize("name", SWEPT)
def test_a_fault_at_any_call_opens_no_gate_and_leaves_nobody_waiting(name, fault):
    first = 1 + (FAULTS.index(fault) + SWEPT.index(name) * 5) % STRIDE
    for n in itertools.count(first, STRIDE):
        world = tell(SCENARIOS[name], seed=7, fault=fault, at_call=n)
        if world.faults.exhausted:
            break
    assert n > 40, "the story is shorter than it was: is the world still wired up?"


@pytest.mark.parametrize("name", SWEPT)
def test_two_operators_at_once_open_no_gate_either(name):
    for seed in range(3):
        chance = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        faults = {chance.randint(20, 160): chance.choice(FAULTS) for _ in range(3)}
        tell(replace(SCENARIOS[name], operators=2), seed, faults=faults)


def test_the_results_of_every_version_stand_in_its_record():
    world = tell(SCENARIOS["failed"], seed=7)

    found = [obj["metadata"]["annotations"]["modelramp.io/evaluation"] for obj in world.api.all("ControllerRevision")]
    assert sorted(found) == [
        '{"metrics":{"accuracy":0.5},"state":"Failed"}',
        '{"metrics":{"accuracy":0.95},"state":"Passed"}',
    ]


def test_a_first_version_that_fails_never_has_a_route():
    world = Evaluated(serves="", versions=((0.0, "1.0.0"),), outputs={"1.0.0": (BAD,)}).world(seed=3).run(minutes=30)
    world.check_promises()

    assert (world.status["phase"], world.status["reason"]) == ("Degraded", "EvaluationFailed")
    assert world.api.find("HTTPRoute", "ml", "digits") is None


def test_a_job_that_a_person_deletes_while_it_runs_is_made_again():
    def delete(world):
        for job in evaluations(world):
            world.api.delete(world.ref(job), "kubectl")

    story = Evaluated(serves="1.0.0", versions=((0.0, "1.0.0"),), outputs={"1.0.0": (HANGS, GOOD)})
    world = story.world(seed=3).at(60, delete, when=lambda world: state(world) == "Running")
    world.run_until(story.at_rest, minutes=30)
    world.check_promises()

    assert world.serving() == {"1.0.0": 100}


def test_an_object_at_rest_makes_no_further_job_and_writes_no_more_than_before():
    world = tell(SCENARIOS["passed"], seed=7)
    jobs = len([change for change in world.api.log if change.kind == "Job" and change.type == "ADDED"])

    assert jobs == 2
