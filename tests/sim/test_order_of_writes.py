"""The order of writes, and what other writers do between them."""

import copy
import os
import re
from dataclasses import replace

import pytest

from modelramp.api.names import FIELD_MANAGER
from modelramp.desired.routers.gateway_api import HTTP_ROUTE
from tests.sim.clock import EPOCH
from tests.sim.faults import Fault
from tests.sim.ports import SimCluster
from tests.sim.scenarios import AFTER_PROMOTION, ROLLBACK, ROLLOUT_AT, manifest, tell
from tests.sim.test_rollback_first import BACK_SECONDS, BAD, back, third_breach, told
from tests.sim.world import World

SWEEP = os.environ.get("MODELRAMP_SIM_SWEEP") == "all"
SLOW = {"writes_per_second": 0.2, "write_burst": 1.0}


def edits(world, number, seconds):
    """A person edits the number of replicas now and then."""
    for index in range(number):
        world.later(ROLLOUT_AT + index * seconds, lambda r=2 + index % 2: world.apply(manifest(BAD, replicas=r)))


def test_a_status_that_waited_speaks_of_the_object_that_was_decided_on():
    world = World(1, options=SLOW).at(0.0, lambda world: world.apply(manifest("1.0.0")))
    edits(world, number=60, seconds=3.7)
    world.run(minutes=10)

    world.check_promises()


def test_a_status_that_waited_does_not_undo_the_later_one_of_another_process():
    """Statuses wait for the limiter when another process rolls the candidate back; a watch tells of it meanwhile."""
    world = World(1, options=SLOW).at(0.0, lambda world: world.apply(manifest("1.0.0")))
    world.at(ROLLOUT_AT, lambda world: world.apply(manifest(BAD)))
    edits(world, number=40, seconds=3.7)

    def roll_back(world):
        status = {name: value for name, value in world.status.items() if name != "candidate"}
        failed = {**status, "phase": "RolledBack", "failedRevision": world.status["candidate"]["revision"]}
        world.api.update_status({**world.digits, "status": failed}, "another process")
        candidates.clear()

    world.api.listeners.append(lambda change: candidates.extend(candidate_in(change)))
    candidates = []
    world.at(ROLLOUT_AT + 20, roll_back, when=lambda world: bool(candidates)).run(minutes=6)

    assert "failedRevision" in world.status
    assert candidates == []


def candidate_in(change):
    """The candidate of a status that the operator wrote."""
    ours = change.kind == "ModelDeployment" and change.actor == "modelramp"
    return [change.obj["status"]["candidate"]] if ours and change.obj["status"].get("candidate") else []


def calls(world, since, until):
    """The numbers of the calls in a time."""
    lines = (line.split() for line in world.history if " call " in line)
    return [int(words[words.index("call") + 1].rstrip(":")) for words in lines if since <= float(words[0]) < until]


@pytest.mark.parametrize("late", [0.05, 40.0])
def test_a_conflict_at_any_call_of_a_rollback_costs_no_minute(late):
    """A conflict means that something else is true now: it is read at once, however late the watches tell of it."""

    def story(**options):
        world = told(replicas=2, apart=True, **options)
        world.later(third_breach() - 30, lambda: world.late_kinds.update(ModelDeployment=late, HTTPRoute=late))
        return world.run(minutes=third_breach() / 60 + 1)

    calm = story()
    numbers, fired = calls(calm, third_breach() - 1, third_breach() + BACK_SECONDS), 0
    for number in numbers:
        world = story(fault=Fault.CONFLICT, at_call=number)
        fired += world.fault_fired
        assert back(world) < BACK_SECONDS, f"a conflict at call {number}\n{world.story()}"
    assert fired > 2


def test_who_read_the_route_before_another_wrote_it_does_not_write_it(monkeypatch):
    """Another process rolls back between our status and our route; we hear of its route at once, of its status late."""
    replace_status, other = SimCluster.replace_status, []

    async def overtaken(self, obj):
        answer = await replace_status(self, obj)
        world, status = self._wire.world, answer["status"]
        if not other and (status.get("candidate") or {}).get("weight") == 50:
            withdrawn = {name: value for name, value in status.items() if name != "candidate"}
            failed = {**withdrawn, "phase": "RolledBack", "failedRevision": status["candidate"]["revision"]}
            world.api.update_status({**world.digits, "status": failed}, "another process")
            route = copy.deepcopy(world.usual.route)
            backends = route["spec"]["rules"][0]["backendRefs"]
            stable = status["stable"]["revision"]
            route["spec"]["rules"][0]["backendRefs"] = [
                {**one, "weight": 100} for one in backends if one["name"].endswith(stable)
            ]
            self._wire.process.engine.observe(HTTP_ROUTE, "MODIFIED", world.api.update(route, "another process"))
            other.append(world.now() - EPOCH)
        return answer

    monkeypatch.setattr(SimCluster, "replace_status", overtaken)
    world = World(1, apart=True).at(0.0, lambda world: world.apply(manifest("1.0.0")))
    world.late_kinds["ModelDeployment"] = 40.0
    world.at(ROLLOUT_AT, lambda world: world.apply(manifest(BAD)), when=lambda world: bool(world.status.get("stable")))
    world.run(minutes=10)

    assert other
    ours = [c for c in world.api.log if c.kind == "HTTPRoute" and c.actor == FIELD_MANAGER and c.at - EPOCH > other[0]]
    assert ours == []


@pytest.mark.parametrize("fault", [Fault.CONFLICT, Fault.SILENT_BEFORE])
def test_people_are_told_once_and_after_the_write_whatever_call_fails(fault):
    calm = tell(ROLLBACK, seed=7)
    for number in range(1, calm.faults.calls, 1 if SWEEP else 8):
        tell(ROLLBACK, seed=7, fault=fault, at_call=number)


def test_a_scale_down_that_arrives_after_a_rollback_restored_the_version_has_no_effect():
    """It was sent 10 s before the third breach, and the pods of the previous version still ran when it came back."""
    story = replace(AFTER_PROMOTION, rollout={"scaleDownDelay": "3m50s"})
    calls = [re.search(r"call (\d+): apply Deployment", line) for line in tell(story, seed=7).history]
    *_, scale_down, _ = (int(call[1]) for call in calls if call)

    world = tell(story, seed=7, fault=Fault.LATE_EFFECT, at_call=scale_down)

    assert any("arrives late: the object has been modified" in line for line in world.history)
