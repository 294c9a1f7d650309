"""A Deployment of somebody else gives its place to revisions and gets it back; nothing of it changes but replicas."""

import re

import pytest

from modelramp.api.kinds import SERVICE, Ref
from tests.sim.borrowed import LEGACY, OWNER, adopt, adopting, run_workload, workload
from tests.sim.clock import EPOCH
from tests.sim.faults import Fault
from tests.sim.fieldowners import copied
from tests.sim.scenarios import manifest
from tests.sim.streams import DIGITS
from tests.sim.world import World

STARTED = 20.0
"""Seconds after which the pods of the Deployment are ready."""
CRASHES = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.CONFLICT)


def adopted(seed, replicas=2, faults=None, **rollout):
    """A world in which a ModelDeployment comes to a Deployment that runs."""
    world = run_workload(World(seed, faults=faults), replicas)
    return world.at(STARTED, lambda each: adopt(each, "1.0.0", **rollout))


def condition(world, kind="Adopted"):
    found = {item["type"]: item for item in world.status.get("conditions", ())}.get(kind, {})
    return found.get("status"), found.get("reason")


def taken_over(world):
    return condition(world) == ("True", "WorkloadTakenOver")


def never_empty(world):
    """Once the pods of the Deployment have started."""
    late = [served for served in world.usual.gateway.history if served.at > EPOCH + STARTED]
    assert late, world.story()
    assert all(served.weights and not served.empty for served in late), world.story()


def only_replicas_were_written(world):
    """By the operator, in the Deployment of somebody else."""
    ours = [
        change
        for change in world.api.log
        if change.kind == "Deployment" and change.obj["metadata"]["name"] == LEGACY and change.actor == "modelramp"
    ]
    for change in ours:
        before, after = copied(change.before), copied(change.obj)
        for each in (before, after):
            del each["spec"]["replicas"]
            del each["metadata"]["resourceVersion"], each["metadata"]["generation"]
        assert before == after, world.story()
    return [change.obj["spec"]["replicas"] for change in ours]


def service_was_never_empty(world):
    counts = [
        len(change.obj["endpoints"])
        for change in world.api.log
        if change.kind == "EndpointSlice" and change.obj["metadata"]["name"] == f"{LEGACY}-eps"
    ]
    assert 0 not in counts[counts.index(next(filter(None, counts))) :], world.story()


def scaled_down_after(world):
    """Seconds from when the gateway sends nothing to the Deployment to when the operator scales it down."""
    changes = [each for each in world.api.log if each.kind == "Deployment" and each.actor == "modelramp"]
    down = next(each.at for each in changes if each.obj["metadata"]["name"] == LEGACY)
    history = [served for served in world.usual.gateway.history if served.at < down]
    assert LEGACY not in history[-1].weights, world.story()
    return down - history[-1].at


def endpoints_at_return(world):
    """The ready endpoints of the owner's Service when the operator gave the route back."""
    ready = 0
    for change in world.api.log:
        if change.kind == "EndpointSlice" and change.obj["metadata"]["name"] == f"{LEGACY}-eps":
            ready = len(change.obj["endpoints"])
        if change.kind == "HTTPRoute" and change.actor == "modelramp":
            names = [backend["name"] for backend in change.obj["spec"]["rules"][0]["backendRefs"]]
            if names == [LEGACY]:
                return ready
    return None


def replicas(world):
    return {obj["metadata"]["name"]: obj["spec"]["replicas"] for obj in world.api.all("Deployment")}


def gone(world):
    return not world.digits and set(replicas(world)) == {LEGACY}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_deployment_keeps_its_pods_until_a_revision_serves_and_gets_them_back(seed):
    world = adopted(seed)
    before, scaled = workload(world), []
    world.at(30.0, lambda each: scaled.append(replicas(each)), when=taken_over)
    world.at(0.0, lambda each: each.delete())
    world.run_until(gone, 30)

    world.check_promises()
    assert gone(world), world.story()
    assert workload(world)["spec"] == before["spec"]
    assert workload(world)["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert only_replicas_were_written(world) == [1, 2]
    assert sorted(scaled[0].values()) == [1, 2], "one pod stays, so that the Service of its owner is not empty"
    assert scaled_down_after(world) > 30.0, "requests under way have scaleDownDelay to end"
    assert endpoints_at_return(world) == 2, "all pods of the Deployment are ready before it has its traffic again"
    never_empty(world)
    service_was_never_empty(world)


def test_without_a_service_of_its_owner_the_deployment_has_no_pods():
    world = adopted(4)
    world.api.delete(Ref(SERVICE, DIGITS[0], LEGACY), OWNER)
    world.run_until(taken_over, 10)

    assert replicas(world)[LEGACY] == 0, world.story()


def test_a_change_of_the_template_is_a_rollout():
    world = adopted(5)
    world.at(60.0, lambda each: adopt(each, "2.0.0"), when=taken_over)
    world.run_until(lambda each: each.serving() == {"2.0.0": 100} and each.status["phase"] == "Healthy", 40)

    world.check_promises()
    assert world.serving() == {"2.0.0": 100}, world.story()
    assert {"1.0.0", "2.0.0"} in [set(served.weights) & {"1.0.0", "2.0.0"} for served in named(world)]
    never_empty(world)
    service_was_never_empty(world)


def named(world):
    """What the gateway did, with the names of the versions."""
    versions = {name: timeline.version for name, timeline in world.usual.timelines.items()}
    for served in world.usual.gateway.history:
        of = world.usual.gateway.revisions
        yield type(served)(
            **{
                **{name: getattr(served, name) for name in served.__dataclass_fields__},
                "weights": {versions.get(of.get(each, each), each): weight for each, weight in served.weights.items()},
            }
        )


def test_the_owners_service_never_reaches_the_pods_of_a_revision():
    world = adopted(6)
    world.run_until(taken_over, 10)

    pods = [pod["metadata"]["labels"] for pod in world.kubelet.pods(DIGITS[0], "modelramp.io/deployment=digits")]
    assert pods, world.story()
    assert all("app" not in labels and labels["team"] == "ml" for labels in pods)
    assert world.status["adopted"] == {"name": LEGACY, "replicas": 2, "droppedLabels": ["app"]}


def test_a_label_that_another_service_selects_by_is_dropped_from_the_pods_of_new_revisions():
    world = adopted(7)
    another = {"metadata": {"namespace": DIGITS[0], "name": "team"}, "spec": {"selector": {"team": "ml"}, "ports": []}}
    world.api.create({"kind": "Service", **another}, OWNER)
    world.run_until(taken_over, 10)

    assert world.status["adopted"]["droppedLabels"] == ["app", "team"], world.story()
    assert not world.kubelet.pods(DIGITS[0], "modelramp.io/deployment=digits,team=ml")


def test_a_deployment_that_does_not_exist_is_named_and_nothing_starts():
    world, seen = World(8).at(0.0, lambda each: each.apply(adopting("1.0.0"))), []

    def make(each):
        seen.append((condition(each), condition(each, "Ready"), replicas(each)))
        run_workload(each)
        adopt(each, "1.0.0")

    world.at(180.0, make)
    world.run_until(taken_over, 10)

    missing = ("False", "WorkloadNotFound")
    assert seen == [(missing, missing, {})], world.story()
    assert taken_over(world), world.story()


def test_a_deployment_that_is_deleted_in_flight_changes_nothing_of_what_serves():
    world, seen = adopted(9), []

    def delete(each):
        seen.append((replicas(each), each.usual.gateway.weights))
        each.api.delete(each.ref(workload(each)), OWNER)

    world.at(60.0, lambda each: adopt(each, "2.0.0"), when=taken_over)
    world.at(60.0, delete, when=lambda each: (each.status.get("candidate") or {}).get("weight") == 50)
    world.run_until(lambda each: each.status.get("phase") == "Healthy" and condition(each)[1] == "WorkloadNotFound", 40)

    assert condition(world, "Ready") == ("False", "WorkloadNotFound"), world.story()
    assert world.serving() == {"2.0.0": 100}, world.story()
    never_empty(world)


@pytest.mark.parametrize(("count", "seconds"), [(2, 10.0), (4, 40.0)], ids=["an autoscaler", "helm"])
def test_who_scales_the_deployment_up_again_and_again_is_left_alone_and_named(count, seconds):
    world, seen = adopted(10, replicas=4, capacity={"maxSurge": 4}), []

    def again():
        if world.digits and "deletionTimestamp" not in world.digits["metadata"]:
            current = workload(world)
            world.api.update({**current, "spec": {**current["spec"], "replicas": count}}, OWNER)

    for turn in range(100):
        world.later(60.0 + turn * seconds, again)

    def look():
        seen.extend((condition(world), condition(world, "Ready")[0], len(only_replicas_were_written(world))))

    world.later(700.0, look)
    world.at(710.0, lambda each: each.delete())
    world.run_until(gone, 20)

    assert seen == [("False", "WorkloadContested"), "True", 3], world.story()
    assert workload(world)["spec"]["replicas"] == count
    never_empty(world)


def test_the_second_of_two_that_name_a_deployment_is_refused_with_the_name_of_the_first():
    world = adopted(11)
    second = manifest("1.0.0", key=(DIGITS[0], "second"))
    second["spec"]["workloadRef"] = {"name": LEGACY}
    del second["spec"]["template"]
    member = world.add((DIGITS[0], "second"), checked=False)
    world.at(21.0, lambda each: each.api.apply(second, "kubectl"))
    seen = []

    def delete(each):
        seen.append({item["type"]: item for item in member.status["conditions"]}["Ready"])
        each.delete()

    world.at(60.0, delete, when=taken_over)
    world.run_until(lambda each: not each.digits and "original-replicas" in str(member.obj), 20)

    assert (seen[0]["status"], seen[0]["reason"]) == ("False", "WorkloadInUse"), world.story()
    assert "ModelDeployment digits" in seen[0]["message"]
    assert "original-replicas" in str(member.obj), "the second takes it over when the first is gone"


def test_no_pod_starts_where_the_deployment_leaves_no_room_for_the_first_revision():
    world = run_workload(World(12))
    world.at(20.0, lambda each: adopt(each, "1.0.0", capacity={"maxSurge": 1}))
    seen = []

    def shrink(each):
        seen.append((sum(replicas(each).values()), each.status["reason"], each.status["message"]))
        current = workload(each)
        each.api.update({**current, "spec": {**current["spec"], "replicas": 1}}, OWNER)

    world.at(480.0, shrink)
    world.run_until(taken_over, 20)

    pods, reason, message = seen[0]
    assert (pods, reason) == (2, "WaitingForCapacity"), world.story()
    assert f"Deployment {LEGACY} has 2 pods" in message
    assert taken_over(world), world.story()


def test_a_deployment_that_is_no_longer_named_gets_its_replicas_back_at_once():
    world = adopted(13)
    before = workload(world)

    def inline(each):
        wanted = adopting("1.0.0")
        del wanted["spec"]["workloadRef"]
        wanted["spec"]["template"] = before["spec"]["template"]
        each.apply(wanted)

    world.at(60.0, inline, when=taken_over)
    world.run_until(lambda each: replicas(each)[LEGACY] == 2 and "original" not in str(each.digits["metadata"]), 20)

    assert workload(world)["spec"] == before["spec"], world.story()
    assert "modelramp.io/original-replicas" not in world.digits["metadata"].get("annotations", {})


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", CRASHES, ids=lambda fault: fault.name.lower())
def test_a_crash_at_any_write_of_takeover_and_release_loses_no_request(fault):
    writes = writes_of(14)
    assert len(writes) > 10
    for n in writes:
        world = adopted(14, faults={n: fault})
        before = workload(world)
        world.at(30.0, lambda each: each.delete(), when=taken_over)
        world.run_until(gone, 60)
        world.check_promises()
        assert gone(world), world.story()
        assert workload(world)["spec"] == before["spec"], world.story()
        only_replicas_were_written(world)
        never_empty(world)
        service_was_never_empty(world)


def writes_of(seed):
    """The numbers of the calls by which the operator writes in a world without faults."""
    world = adopted(seed).at(30.0, lambda each: each.delete(), when=taken_over)
    world.run_until(gone, 60)
    found = (re.search(r" call (\d+): (apply|create|delete|patch|replace_status) ", line) for line in world.history)
    return [int(each.group(1)) for each in found if each]
