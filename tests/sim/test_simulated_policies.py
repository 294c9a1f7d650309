"""Policies in the simulated world: what is missing blocks promotion and rolls nothing back, under every fault."""

import copy

import pytest

from modelramp.api.errors import Forbidden, Refused
from modelramp.api.kinds import CLUSTER_HEALTH_POLICY, HEALTH_POLICY, JOB, Ref
from tests.sim import watch
from tests.sim.faults import Fault
from tests.sim.ports import SimCluster
from tests.sim.scenarios import ROLLOUT_AT, manifest
from tests.sim.world import USER, World

WEB = Ref(HEALTH_POLICY, "ml", "web")
ERRORS = {"name": "errors", "dimension": "operational", "preset": "reference-error-rate", "max": "{{params.most}}"}


def policy(checks=(ERRORS,), name="web", kind="HealthPolicy", **metadata):
    return {
        "apiVersion": "modelramp.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "ml", **metadata},
        "spec": {"parameters": [{"name": "most"}], "checks": copy.deepcopy(list(checks))},
    }


def using(version, *, kind="HealthPolicy"):
    """The usual ModelDeployment, its rollback check in a policy."""
    body = manifest(version)
    checks = [one for one in body["spec"]["health"]["checks"] if one["name"] != "errors"]
    body["spec"]["health"]["checks"] = checks
    body["spec"]["health"]["policies"] = [{"kind": kind, "name": "web", "parameters": {"most": "0.01"}}]
    return body


def write(body):
    return lambda world: world.api.apply(body, USER)


def delete(world):
    world.api.delete(WEB, USER)


def story(*plans, seed=1, scripts=None, with_policy=True, body=None, **options):
    """Version 1, then version 2, with what people do to policies: (seconds after the second version, action)."""
    world = World(seed, scripts=scripts or {}, **options)
    if with_policy:
        world.at(0.0, write(body or policy()))
    world.at(0.0, lambda world: world.apply(using("1.0.0", kind=(body or policy())["kind"])))
    rollout = lambda world: world.apply(using("2.0.0", kind=(body or policy())["kind"]))  # noqa: E731
    world.at(ROLLOUT_AT, rollout, when=lambda world: bool(world.status.get("stable")))
    for seconds, action in plans:
        world.at(ROLLOUT_AT + seconds, action)
    return world


def told(world):
    (found,) = world.status["policies"]
    return found


def test_the_checks_of_a_policy_promote_and_roll_back():
    promoted = story().run(minutes=12)
    promoted.check_promises()
    assert promoted.serving() == {"2.0.0": 100}

    world = story(scripts={"2.0.0": {"errors": "hhb"}}).run(minutes=12)
    world.check_promises()
    assert world.serving() == {"1.0.0": 100}
    assert world.status["reason"] == "ThresholdReached"


def test_a_policy_of_the_cluster_counts_in_every_namespace():
    body = policy(kind="ClusterHealthPolicy")
    del body["metadata"]["namespace"]
    world = story(body=body, scripts={"2.0.0": {"errors": "hhb"}}).run(minutes=12)
    world.check_promises()
    assert told(world)["kind"] == CLUSTER_HEALTH_POLICY.kind
    assert world.serving() == {"1.0.0": 100}


def test_a_policy_deleted_in_the_middle_holds_the_rollout_until_it_is_back():
    world = story((70.0, delete)).run(minutes=25)
    world.check_promises()
    assert world.serving() == {"1.0.0": 90, "2.0.0": 10}
    assert (world.status["reason"], world.status["breaches"]) == ("PolicyUnresolved", 0)
    assert "HealthPolicy web: it does not exist in namespace ml" in world.status["message"]
    assert told(world)["problem"]
    assert {one["type"]: one["reason"] for one in world.status["conditions"]}["Ready"] == "PolicyUnresolved"

    back = story((70.0, delete), (1500.0, write(policy()))).run(minutes=40)
    back.check_promises()
    assert back.serving() == {"2.0.0": 100}
    assert told(back).get("problem", "") == ""
    assert [reason for _, reason, _, _ in back.events].count("PolicyUnresolved") == 1
    assert [reason for _, reason, _, _ in back.events].count("PolicyResolved") == 1


def test_a_missing_policy_keeps_a_new_version_without_traffic_and_meets_no_deadline():
    world = story((0.0, lambda _: None), with_policy=False).run(minutes=20)
    world.check_promises()
    assert world.serving() == {"1.0.0": 100}
    assert world.status["candidate"]["step"] == -1
    assert world.status["reason"] == "PolicyUnresolved"
    assert "failedRevision" not in world.status

    late = story((900.0, write(policy())), with_policy=False).run(minutes=35)
    late.check_promises()
    assert late.serving() == {"2.0.0": 100}


@pytest.mark.parametrize(
    "broken", [None, policy(checks=[{**ERRORS, "max": "{{params.gone}}"}])], ids=["deleted", "invalid"]
)
def test_after_promotion_a_broken_policy_rolls_nothing_back(broken):
    action = delete if broken is None else write(broken)
    world = story((700.0, action), scripts={"2.0.0": {"errors": "h|hhhhhhb"}}).run(minutes=45)
    world.check_promises()
    assert world.serving() == {"2.0.0": 100}
    assert world.status["phase"] == "Healthy"
    assert told(world)["problem"]


def test_breaches_counted_before_the_policy_was_gone_still_count_when_it_is_back():
    world, seen = story(scripts={"2.0.0": {"errors": "hb"}}), []
    world.at(ROLLOUT_AT, delete, when=lambda world: world.status.get("breaches") == 2)
    world.at(800.0, lambda world: seen.append((world.status["breaches"], world.serving())))
    world.at(801.0, write(policy())).run(minutes=18)
    world.check_promises()
    assert seen == [(2, {"1.0.0": 90, "2.0.0": 10})], "neither raised nor cleared"
    assert world.serving() == {"1.0.0": 100}
    assert world.status["history"][0]["reason"] == "ThresholdReached"


def made(world):
    """What the operator made, with its version, and how often the gateway changed."""
    objects = {
        f"{obj['kind']} {obj['metadata']['name']}": obj["metadata"]["generation"]
        for kind in ("ControllerRevision", "Deployment", "Service", "HTTPRoute")
        for obj in world.api.all(kind)
    }
    return objects, len(world.gateway.history)


def test_a_change_is_seen_in_the_status_and_starts_no_rollout():
    world, seen = story(), []
    world.at(840.0, lambda world: seen.append((told(world), made(world))))
    world.at(841.0, write(policy(checks=[{**ERRORS, "max": "0.5"}])))
    world.at(871.0, lambda world: seen.append((told(world), made(world)))).run(minutes=25)
    world.check_promises()
    (before, things), (after, things_after) = seen
    assert (before["generation"], after["generation"]) == (1, 2)
    assert before["revision"] != after["revision"]
    assert things == things_after == made(world)
    assert world.status["history"][0]["outcome"] == "Promoted"


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name.lower())
def test_no_fault_makes_a_missing_policy_roll_back_or_promote(fault):
    for at_call in range(5 + list(Fault).index(fault) % 3, 95, 45):
        seen = []
        world = story((70.0, delete), seed=at_call, fault=fault, at_call=at_call)
        world.at(840.0, lambda world, seen=seen: seen.extend(world.status["history"]))
        world.at(1000.0, write(policy())).run(minutes=45)
        world.check_promises()
        assert "2.0.0" not in {entry["modelVersion"] for entry in seen}, world.story()
        assert world.serving() == {"2.0.0": 100}, world.story()


@pytest.fixture
def rights(monkeypatch):
    """Kinds that the operator has no right to read, nor to make: what an update of it without its RBAC lacks."""
    lacking = {HEALTH_POLICY, CLUSTER_HEALTH_POLICY, JOB}
    listed = SimCluster.list

    async def list_allowed(self, kind, namespace=None, selector="", **options):
        if kind in lacking:
            raise Refused(f"{kind.plural} is forbidden")
        return await listed(self, kind, namespace, selector, **options)

    monkeypatch.setattr(SimCluster, "list", list_allowed)
    known = tuple(kind for kind in watch.watched() if kind not in lacking)
    monkeypatch.setattr(watch, "watched", lambda: known)
    return lacking


def test_without_the_rights_to_policies_and_jobs_whoever_needs_none_is_served(rights):
    world = World(1, scripts={})
    world.at(0.0, lambda world: world.apply(manifest("1.0.0")))
    world.at(ROLLOUT_AT, lambda world: world.apply(manifest("2.0.0")))
    world.run(minutes=12)
    world.check_promises()
    assert world.serving() == {"2.0.0": 100}


def test_without_the_right_to_jobs_a_conflict_costs_no_more_than_with_it(rights):
    for at_call in range(40, 70):
        world = World(1, fault=Fault.CONFLICT, at_call=at_call)
        world.at(0.0, lambda world: world.apply(manifest("1.0.0")))
        world.at(ROLLOUT_AT, lambda world: world.apply(manifest("2.0.0")))
        world.run(minutes=4)
        assert not [line for line in world.history if "waiting for the API server" in line], world.story()


def refuse_statuses(world, since, until):
    """Nobody may write a status for a while."""
    update = world.api.update_status

    def refusing(obj, actor):
        if since <= world.loop.time() < until and obj["kind"] == "ModelDeployment":
            raise Forbidden("cannot update resource modeldeployments/status")
        return update(obj, actor)

    world.api.update_status = refusing


def test_without_the_right_to_write_statuses_nothing_moves_up_and_a_rollback_reaches_the_route_all_the_same():
    world, seen = story(scripts={"2.0.0": {"errors": "hhb"}}), []
    refuse_statuses(world, 200.0, 500.0)
    world.at(499.0, lambda world: seen.append(world.serving())).run(minutes=12)
    world.check_promises()

    assert seen == [{"1.0.0": 100}]
    assert any("modeldeployments/status" in line and "grant the right" in line for line in world.history)
    assert not any("decision failed" in line for line in world.history)
    assert world.serving() == {"1.0.0": 100}
    assert world.status["history"][0]["endedAt"] == "2025-11-20T12:06:00Z", "the third breach, though told later"


def test_without_the_right_to_policies_their_users_wait_and_go_on_when_it_is_granted(rights):
    seen = []
    look = (350.0, lambda world: seen.append((world.status["message"], world.serving())))
    world = story(look, (400.0, lambda _: rights.clear()), (400.0, write(policy())), with_policy=False)
    world.run(minutes=25)
    world.check_promises()
    ((message, serving),) = seen
    assert "healthpolicies is forbidden" in message
    assert serving == {"1.0.0": 100}
    assert world.serving() == {"2.0.0": 100}, "read now and then, though no watch tells of them"
