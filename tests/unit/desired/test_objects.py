import pytest

from modelramp.desired.names import child_name
from modelramp.desired.objects import prune
from modelramp.desired.ownership import Owner, metadata
from tests.unit.desired.world import (
    CANDIDATE,
    NOW,
    OLD,
    OWNER,
    STABLE,
    made,
    of_kind,
    replicas,
    route_naming,
    seen,
    snapshot,
    state,
    target,
    weights,
)

S, C, D = STABLE, CANDIDATE, OLD

# name: (state, revisions on the current route, pods by revision)
PODS = {
    "the first revision": (state(candidate=C), (), {C: 3}),
    "a rollout": (state(S, C, 10, previous=D), (S, C), {S: 3, C: 3, D: 0}),
    "promoted, the old one still on the route": (state(C, previous=S, retiring={S: None}), (S, C), {C: 3, S: 3}),
    "promoted, before the delay has passed": (state(C, previous=S, retiring={S: NOW + 1}), (C,), {C: 3, S: 3}),
    "promoted, when the delay has passed": (state(C, previous=S, retiring={S: NOW}), (C,), {C: 3, S: 0}),
    "rolled back, the failed one still on the route": (state(S, failed=C, retiring={C: None}), (S, C), {S: 3, C: 3}),
    "rolled back, when the delay has passed": (state(S, failed=C, retiring={C: NOW}), (S,), {S: 3}),
    "long after": (state(S, failed=C), (S,), {S: 3}),
    "on the route although the state forgot it": (state(S), (S, D), {S: 3, D: 3}),
    "previous is on the route although the state ends it": (state(C, previous=S), (C, S), {C: 3, S: 3}),
    "brought back after promotion": (state(S, retiring={C: None}, failed=C), (C,), {S: 3, C: 3}),
    "superseded": (state(S, C, retiring={D: None}), (S,), {S: 3, C: 3, D: 3}),
    "previous becomes the candidate again": (state(S, C, previous=C), (S,), {S: 3, C: 3}),
}


@pytest.mark.parametrize(("before", "routed", "pods"), PODS.values(), ids=PODS)
def test_each_revision_has_the_pods_that_its_traffic_may_need(before, routed, pods):
    known = {revision: snapshot(number) for number, revision in enumerate((D, S, C), start=1)}
    full = target(rollout={"capacity": {"candidate": "Full"}})
    wanted = made(before, snapshots=known, route=route_naming(**dict.fromkeys(routed, 50)), target=full)
    assert replicas(wanted) == pods
    assert of_kind(wanted, "Service").keys() == of_kind(wanted, "Deployment").keys()


def test_what_is_needed_to_bring_a_revision_back_is_written_before_it_runs():
    kinds = [obj["kind"] for obj in made(state(candidate=C)).apply]
    assert kinds == ["ControllerRevision", "Deployment", "Service"]


def test_the_same_question_has_the_same_answer():
    assert made(state(S, C, 10), seen=seen(S, C)) == made(state(S, C, 10), seen=seen(S, C))


def test_each_revision_runs_its_own_template():
    images = {
        name.rpartition("-")[2]: obj["spec"]["template"]["spec"]["containers"][0]["image"]
        for name, obj in of_kind(made(state(S, C)), "Deployment").items()
    }
    assert images == {S: "digits:1", C: "digits:2"}


def test_a_revision_that_nobody_remembers_is_left_alone():
    wanted = made(state(S, C), snapshots={})
    assert wanted.lost == (S,)
    existing = {kind: [child(kind, S)] for kind in ("Deployment", "Service", "ControllerRevision")}
    assert prune(wanted, existing) == ()


def test_the_wanted_revision_is_remembered_again_when_its_memory_was_deleted():
    wanted = made(state(stable=C), snapshots={})
    assert wanted.lost == ()
    assert of_kind(wanted, "ControllerRevision").keys() == {f"digits-{C}"}


def child(kind, revision, owner=OWNER, uid="child"):
    meta = metadata(owner, child_name(owner.name, revision), revision)
    return {"kind": kind, "metadata": {**meta, "uid": uid, "resourceVersion": "7"}}


def test_a_revision_that_is_over_is_deleted_and_its_memory_stays():
    existing = {kind: [child(kind, S), child(kind, C)] for kind in ("Deployment", "Service", "ControllerRevision")}
    doomed = prune(made(state(S, failed=C), snapshots={S: snapshot(1), C: snapshot(2)}), existing)
    assert [(item.kind, item.name, item.uid, item.resource_version) for item in doomed] == [
        ("Deployment", f"digits-{C}", "child", "7"),
        ("Service", f"digits-{C}", "child", "7"),
    ]


FOREIGN = {
    "another ModelDeployment's": child("Deployment", C, Owner("ml", "other", "uid-2")),
    "an earlier ModelDeployment of that name's": child("Deployment", C, Owner("ml", "digits", "uid-0")),
    "only labelled like ours": {"metadata": {**child("Deployment", C)["metadata"], "ownerReferences": []}},
    "ours, but controlled by somebody else": {
        "metadata": {
            **child("Deployment", C)["metadata"],
            "ownerReferences": [{"uid": "uid-1", "controller": False}, {"uid": "x", "controller": True}],
        }
    },
    "going already": {"metadata": {**child("Deployment", C)["metadata"], "deletionTimestamp": "2026-11-20T12:00:00Z"}},
    "in another namespace": {"metadata": {**child("Deployment", C)["metadata"], "namespace": "elsewhere"}},
}


@pytest.mark.parametrize("obj", FOREIGN.values(), ids=FOREIGN)
def test_objects_of_others_are_never_deleted(obj):
    assert prune(made(state(S)), {"Deployment": [obj]}) == ()


def test_the_newest_revisions_are_remembered_up_to_the_limit_and_those_in_use_always():
    known = {f"{letter * 10}": snapshot(number) for number, letter in enumerate("bcdfghjk", start=1)}
    limited = target(C, rollout={"revisionHistoryLimit": 4})
    wanted = made(state("bbbbbbbbbb", C, previous="dddddddddd"), target=limited, snapshots=known)
    existing = {"ControllerRevision": [child("ControllerRevision", revision) for revision in known]}
    left = known.keys() - {item.name.rpartition("-")[2] for item in prune(wanted, existing)}
    assert left == {"bbbbbbbbbb", C, "dddddddddd", "kkkkkkkkkk"}


def test_what_failed_and_what_is_wanted_is_remembered_beyond_the_limit():
    known = {S: snapshot(4), D: snapshot(3), "ffffffffff": snapshot(1), C: snapshot(2), "gggggggggg": snapshot(5)}
    limited = target(C, rollout={"revisionHistoryLimit": 2})
    wanted = made(state(S, failed="ffffffffff"), target=limited, snapshots=known)
    existing = {"ControllerRevision": [child("ControllerRevision", revision) for revision in known]}
    assert {item.name.rpartition("-")[2] for item in prune(wanted, existing)} == {D, "gggggggggg"}


# name: (numbers that are remembered, state, number of the wanted revision afterwards)
NUMBERS = {
    "a new revision is the newest": ({S: 4}, state(S, C), 5),
    "the newest keeps its number": ({S: 4, C: 5}, state(S, C), 5),
    "a revision that is tried again becomes the newest": ({C: 3, S: 4}, state(S, C), 5),
    "what serves keeps its number": ({C: 3, S: 4}, state(C, failed=S), 3),
}


@pytest.mark.parametrize(("numbers", "before", "number"), NUMBERS.values(), ids=NUMBERS)
def test_revisions_are_numbered_in_the_order_in_which_they_were_tried(numbers, before, number):
    wanted = made(before, snapshots={revision: snapshot(n) for revision, n in numbers.items()})
    assert of_kind(wanted, "ControllerRevision")[f"digits-{C}"]["revision"] == number


def test_a_new_version_that_listens_elsewhere_does_not_take_the_port_from_the_one_that_serves():
    known = {S: snapshot(1, target_port=8080)}
    wanted = made(state(S, C), target=target(service={"targetPort": 9000}), snapshots=known)
    ports = {name: obj["spec"]["ports"][0]["targetPort"] for name, obj in of_kind(wanted, "Service").items()}
    assert ports == {f"digits-{S}": 8080, f"digits-{C}": 9000}


def test_the_wanted_version_follows_the_spec_to_another_port_without_a_rollout():
    known = {C: snapshot(1, image="digits:2", target_port=8080)}
    wanted = made(state(stable=C), target=target(service={"targetPort": 9000}), snapshots=known)
    assert of_kind(wanted, "Service")[f"digits-{C}"]["spec"]["ports"][0]["targetPort"] == 9000
    note = of_kind(wanted, "ControllerRevision")[f"digits-{C}"]["metadata"]["annotations"]
    assert note == {"modelramp.io/target-port": "9000"}


def test_a_changed_service_port_keeps_the_old_one_until_the_route_has_followed():
    moved = target(C, service={"port": 8080})
    before = made(state(stable=C), target=moved, seen=seen(C), route=route_naming(**{C: 100}))
    assert [port["port"] for port in of_kind(before, "Service")[f"digits-{C}"]["spec"]["ports"]] == [8080, 80]
    assert before.routes[0]["spec"]["rules"][0]["backendRefs"][0]["port"] == 8080
    after = made(state(stable=C), target=moved, seen=seen(C), route=before.routes[0])
    assert [port["port"] for port in of_kind(after, "Service")[f"digits-{C}"]["spec"]["ports"]] == [8080]


def test_a_route_that_stays_keeps_the_port_at_which_its_services_answer():
    moved = target(C, service={"port": 8080})
    wanted = made(state(stable=C), target=moved, route=route_naming(**{C: 100}))
    assert weights(wanted.routes[0]) == {C: 100}
    assert wanted.routes[0]["spec"]["rules"][0]["backendRefs"][0]["port"] == 80
