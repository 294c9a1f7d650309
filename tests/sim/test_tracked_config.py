"""ConfigMaps are part of a revision: an edit is a rollout, and a rollback brings the old content back."""

from functools import partial

import pytest

from modelramp.api.kinds import CONFIG_MAP, Ref
from modelramp.api.spec import parse_spec
from modelramp.core.revisions import revision_of
from modelramp.desired.config import ABSENT, OF_THE_CLUSTER, content_hash
from tests.sim.faults import Fault
from tests.sim.fieldowners import copied
from tests.sim.scenarios import manifest
from tests.sim.streams import DIGITS
from tests.sim.world import World

OWNER = "the owner's tool"
SETTINGS = "digits-settings"
OLD, NEW = {"threshold": "0.5"}, {"threshold": "0.9"}
CRASHES = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.CONFLICT)


def tracked(version="1.0.0", tracking=True, optional=False, **rollout):
    """The usual ModelDeployment whose pods read a ConfigMap in each way in which pods can."""
    wanted = manifest(version, **rollout)
    pod = wanted["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    which = {"name": SETTINGS} | ({"optional": True} if optional else {})
    pod["volumes"] = [
        {"name": "whole", "configMap": which},
        {"name": "parts", "projected": {"sources": [{"configMap": which}, {"configMap": {"name": CLUSTERS}}]}},
    ]
    container["envFrom"] = [{"configMapRef": which}]
    container["env"] = [{"name": "T", "valueFrom": {"configMapKeyRef": {"key": "threshold", **which}}}]
    if tracking:
        wanted["spec"]["trackConfig"] = {"configMaps": True}
    return wanted


(CLUSTERS,) = {name for name in OF_THE_CLUSTER if name.startswith("kube")}


def write(world, data, name=SETTINGS, **more):
    """kubectl apply of the ConfigMap."""
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": DIGITS[0], "name": name}}
    world.api.apply({**obj, "data": data, **more}, OWNER)


def stands_for(data, version="1.0.0", optional=False):
    """The revision of a model version with that content."""
    content = content_hash({"data": data}) if data is not None else ABSENT
    return revision_of(parse_spec(tracked(version, optional=optional)["spec"]), {f"ConfigMap/{SETTINGS}": content})


def told(world, *contents, version="1.0.0", optional=False):
    """Let Prometheus know what the revisions of these contents are called."""
    for data in contents:
        label = version if data is OLD else f"{version}+{(data or {}).get('threshold', 'none')}"
        world.usual.learn(stands_for(data, version, optional), label)
    return world


def world_of(seed=1, scripts=None, faults=None, **options):
    world = World(seed, scripts=scripts, faults=faults, **options)
    write(world, OLD)
    told(world, OLD, NEW)
    return world.at(0.0, lambda each: each.apply(tracked()))


def read_by(world, revision):
    """The content that the pods of a revision read, at each place where they read it."""
    found = world.api.find("Deployment", DIGITS[0], f"digits-{revision}")
    pod = found["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    names = [
        pod["volumes"][0]["configMap"]["name"],
        pod["volumes"][1]["projected"]["sources"][0]["configMap"]["name"],
        container["envFrom"][0]["configMapRef"]["name"],
        container["env"][0]["valueFrom"]["configMapKeyRef"]["name"],
    ]
    assert pod["volumes"][1]["projected"]["sources"][1]["configMap"]["name"] == CLUSTERS
    assert len(set(names)) == 1
    return world.api.find("ConfigMap", DIGITS[0], names[0]).get("data")


def copies(world):
    """The copies that exist, by revision."""
    labelled = world.api.all("ConfigMap", DIGITS[0], "modelramp.io/revision")
    return sorted(obj["metadata"]["labels"]["modelramp.io/revision"] for obj in labelled)


def phase(name):
    return lambda world: world.status.get("phase") == name


def stable(world):
    return (world.status.get("stable") or {}).get("revision")


def rests_on(data, version="1.0.0"):
    return lambda world: phase("Healthy")(world) and stable(world) == stands_for(data, version)


def rollouts(world):
    return [reason for _, reason, _, _ in world.events if reason == "RolloutStarted"]


def ready(world):
    found = {item["type"]: item for item in world.status["conditions"]}["Ready"]
    return found["status"], found["reason"]


@pytest.mark.parametrize("seed", [1, 2])
def test_an_edit_is_a_rollout_of_its_own_and_the_old_pods_keep_the_old_content(seed):
    world, on_the_way = world_of(seed), []

    def look(each):
        on_the_way.append((read_by(each, stands_for(OLD)), read_by(each, stands_for(NEW))))

    world.at(100.0, lambda each: write(each, NEW), when=phase("Healthy"))
    world.at(0.0, look, when=lambda each: (each.status.get("candidate") or {}).get("weight", 0) == 50)
    world.run_until(rests_on(NEW), 40)

    world.check_promises()
    assert rests_on(NEW)(world), world.story()
    assert on_the_way == [(OLD, NEW)]


def test_a_rollback_brings_the_old_content_back():
    broken = {"1.0.0+0.9": {"errors": "b"}}
    world = world_of(scripts=broken)
    world.at(100.0, lambda each: write(each, NEW), when=phase("Healthy"))
    world.run_until(phase("RolledBack"), 40)

    world.check_promises()
    assert phase("RolledBack")(world), world.story()
    assert world.serving() == {"1.0.0": 100}
    assert read_by(world, stands_for(OLD)) == OLD
    assert world.status["failedRevision"] == stands_for(NEW)


@pytest.mark.parametrize("fault", CRASHES)
@pytest.mark.parametrize("call", range(30, 75, 5))
def test_whatever_fails_at_the_switch_of_content_the_new_one_serves_in_the_end(fault, call):
    world = world_of(call, faults={call: fault}).at(100.0, lambda each: write(each, NEW), when=phase("Healthy"))
    world.run_until(rests_on(NEW), 60)

    world.check_promises()
    assert rests_on(NEW)(world), world.story()
    assert (read_by(world, stands_for(NEW)), copies(world)) == (NEW, sorted([stands_for(OLD), stands_for(NEW)]))


def test_a_new_content_by_the_same_write_as_a_new_model_version_is_one_rollout():
    world = told(world_of(), NEW, version="2.0.0")

    def release(each):
        write(each, NEW)
        each.apply(tracked("2.0.0"))

    world.at(100.0, release, when=phase("Healthy"))
    world.run_until(rests_on(NEW, "2.0.0"), 40)

    world.check_promises()
    assert rests_on(NEW, "2.0.0")(world), world.story()
    assert read_by(world, stands_for(NEW, "2.0.0")) == NEW


def test_without_its_configmap_a_first_version_waits_and_says_so():
    world = told(World(3), OLD).at(0.0, lambda each: each.apply(tracked()))
    world.at(60.0, lambda each: write(each, OLD), when=lambda each: ready(each) == ("False", "ConfigUnavailable"))
    world.run_until(rests_on(OLD), 20)

    world.check_promises()
    assert rests_on(OLD)(world), world.story()
    assert not [each for each in world.api.log if each.kind == "Deployment" and each.at < 60.0]


def test_a_configmap_that_is_deleted_takes_nothing_from_what_serves():
    world = told(world_of(), OLD, version="2.0.0")
    before, after = [], []
    world.at(100.0, lambda each: each.api.delete(Ref(CONFIG_MAP, DIGITS[0], SETTINGS), OWNER), when=phase("Healthy"))
    world.at(0.0, lambda each: each.restart(), when=lambda each: ready(each) == ("False", "ConfigUnavailable"))
    world.at(
        600.0, lambda each: before.append((each.serving(), read_by(each, stands_for(OLD)), each.status["message"]))
    )
    world.at(0.0, lambda each: each.apply(tracked("2.0.0")))
    world.at(900.0, lambda each: after.append((stable(each), each.status.get("candidate"), ready(each))))
    world.at(0.0, lambda each: write(each, OLD))
    world.run_until(rests_on(OLD, "2.0.0"), 60)

    world.check_promises()
    ((serving, content, message),) = before
    assert (serving, content) == ({"1.0.0": 100}, OLD), world.story()
    assert SETTINGS in message
    assert after == [(stands_for(OLD), None, ("False", "ConfigUnavailable"))], "nobody knows what 2.0.0 would read"
    assert rests_on(OLD, "2.0.0")(world), world.story()


def test_switching_it_on_or_off_starts_no_rollout_and_an_edit_afterwards_does_what_it_should():
    world, other, seen = World(4), {"threshold": "0.7"}, []
    write(world, OLD)
    untracked = revision_of(parse_spec(tracked()["spec"]))
    world.usual.learn(untracked, "1.0.0")
    told(world, NEW, other)

    def note(each):
        seen.append((stable(each), (each.status.get("candidate") or {}).get("revision")))

    world.at(0.0, lambda each: each.apply(tracked(tracking=False)))
    world.at(100.0, lambda each: each.apply(tracked()), when=phase("Healthy"))
    world.at(400.0, note)
    world.at(0.0, lambda each: each.restart())
    world.at(600.0, lambda each: write(each, NEW))
    world.at(1800.0, note, when=rests_on(NEW))
    world.at(0.0, lambda each: each.apply(tracked(tracking=False)))
    world.at(2000.0, lambda each: write(each, other))
    world.at(2300.0, note)
    world.at(0.0, lambda each: seen.append(read_by(each, stands_for(NEW))))
    world.at(0.0, lambda each: each.apply(tracked()))
    world.run_until(rests_on(other), 80)

    world.check_promises()
    assert seen == [(untracked, None), (stands_for(NEW), None), (stands_for(NEW), None), NEW], world.story()
    assert rests_on(other)(world), world.story()
    assert len(rollouts(world)) == 3


def test_content_that_changes_in_a_rollout_supersedes_it_and_copies_go_with_their_revisions():
    contents = [{"threshold": f"1.{number}"} for number in range(6)]
    world, wanted = told(world_of(5), *contents), tracked(revisionHistoryLimit=2)
    world.at(0.0, lambda each: each.apply(wanted))
    for number, data in enumerate(contents):
        known = phase("Healthy") if not number else partial(_is_candidate, data=contents[number - 1])
        world.at(100.0, lambda each, data=data: write(each, data), when=known)
    world.at(0.0, lambda _: None, when=rests_on(contents[-1]))
    world.run(40)

    world.check_promises()
    assert rests_on(contents[-1])(world), world.story()
    ended = [entry["outcome"] for entry in world.status["history"]]
    assert ended.count("Superseded") == len(contents) - 1
    assert stands_for(contents[-1]) in copies(world)
    assert len(copies(world)) <= 2, "as many as revisions are remembered"


def _is_candidate(world, data):
    return (world.status.get("candidate") or {}).get("revision") == stands_for(data)


def test_a_tool_that_writes_the_same_content_again_and_again_starts_nothing():
    world = world_of(6)
    for minute in range(2, 10):
        sync = {"apiVersion": "v1", "kind": "ConfigMap", "data": OLD}
        sync["metadata"] = {"namespace": DIGITS[0], "name": SETTINGS, "annotations": {"example.com/sync": str(minute)}}
        world.at(60.0 * minute, lambda each, sync=sync: each.api.apply(copied(sync), OWNER))
    world.run(12)

    world.check_promises()
    assert (stable(world), world.status.get("candidate")) == (stands_for(OLD), None), world.story()
    assert len(rollouts(world)) == 1


def test_an_optional_configmap_may_be_missing_and_its_arrival_is_a_rollout():
    world, before = told(World(7), None, NEW, optional=True), []
    world.at(0.0, lambda each: each.apply(tracked(optional=True)))
    world.at(100.0, lambda each: before.append(stable(each)), when=phase("Healthy"))
    world.at(0.0, lambda each: write(each, NEW))
    world.run_until(lambda each: stable(each) == stands_for(NEW, optional=True) and phase("Healthy")(each), 40)

    world.check_promises()
    assert before == [stands_for(None, optional=True)]
    assert read_by(world, stands_for(NEW, optional=True)) == NEW, world.story()


def test_a_copy_that_somebody_deletes_is_made_again_while_the_original_has_its_content():
    world, deleted = world_of(8), []

    def delete(each):
        (copy,) = each.api.all("ConfigMap", DIGITS[0], "modelramp.io/revision")
        deleted.append(copy["metadata"]["name"])
        each.api.delete(Ref(CONFIG_MAP, DIGITS[0], deleted[0]), "somebody")

    world.at(100.0, delete, when=phase("Healthy")).run(12)

    world.check_promises()
    found = world.api.find("ConfigMap", DIGITS[0], deleted[0])
    assert found is not None, world.story()
    assert (found["data"], found["immutable"]) == (OLD, True)


def test_what_an_orphaning_deletion_leaves_behind_is_taken_over_with_its_copies():
    world = world_of(9).at(100.0, lambda each: each.delete(orphan=True), when=phase("Healthy"))
    world.at(200.0, lambda each: each.apply(tracked()))
    world.at(0.0, lambda _: None, when=rests_on(OLD)).run(15)

    world.check_promises()
    (copy,) = world.api.all("ConfigMap", DIGITS[0], "modelramp.io/revision")
    assert [owner["uid"] for owner in copy["metadata"]["ownerReferences"]] == [world.digits["metadata"]["uid"]]
    assert rests_on(OLD)(world), world.story()
