"""Who refers to which policy, and what a change of one does to them, without a cluster."""

import pytest

from modelramp.api.kinds import CLUSTER_HEALTH_POLICY, HEALTH_POLICY, MODEL_DEPLOYMENT
from modelramp.engine.store import Store
from tests.unit.analysis.work import lines_run
from tests.unit.core.story import spec

ERRORS = {"name": "errors", "preset": "reference-error-rate", "max": "{{params.most}}"}


def deployment(name, *references, namespace="ml", version=1):
    written = spec(checks=()).model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {
        "apiVersion": "modelramp.io/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"namespace": namespace, "name": name, "uid": name, "resourceVersion": str(version)},
        "spec": {**written, "health": {"policies": list(references)}},
    }


def policy(most=1, *, name="web", namespace="ml", uid="1", version=1):
    place = {"namespace": namespace} if namespace else {}
    return {
        "metadata": {"name": name, "uid": uid, "resourceVersion": str(version), "generation": version, **place},
        "spec": {"parameters": [{"name": "most", "default": most}], "checks": [ERRORS]},
    }


def store_with(*deployments):
    store = Store()
    for one in deployments:
        store.observe(MODEL_DEPLOYMENT, "ADDED", one)
    return store


def tell(store, obj, event="MODIFIED", kind=HEALTH_POLICY):
    """What the engine does with a policy's news: the users that it looks at again."""
    return set(store.resolve(store.policies.observe(kind, event, obj)))


def limit(store, name="a", namespace="ml"):
    """The limit that counts for a ModelDeployment; None when the policy is missing."""
    checks = store.records[namespace, name].target.spec.health.checks
    return checks[0].max if checks else None


WEB = {"name": "web"}


def test_only_users_of_that_namespace_and_kind_are_concerned():
    cluster = {"kind": "ClusterHealthPolicy", "name": "web"}
    store = store_with(
        deployment("a", WEB), deployment("a", WEB, namespace="other"), deployment("b", cluster), deployment("c")
    )

    assert tell(store, policy(1)) == {("ml", "a")}
    assert tell(store, policy(2, namespace=""), kind=CLUSTER_HEALTH_POLICY) == {("ml", "b")}
    assert (limit(store), limit(store, namespace="other"), limit(store, "b")) == (1, None, 2)


def test_a_change_and_a_deletion_reach_the_users_and_no_revision():
    store = store_with(deployment("a", WEB))
    tell(store, policy(1))
    before = store.records["ml", "a"].target

    assert tell(store, policy(2, version=2)) == {("ml", "a")}
    assert limit(store) == 2
    assert tell(store, policy(2, version=3), "DELETED") == {("ml", "a")}
    after = store.records["ml", "a"].target
    assert after.missing.startswith("HealthPolicy web: it does not exist in namespace ml; create it")
    assert after.revision == before.revision
    assert store.records["ml", "a"].spec.health.checks == (), "what is written stays as it is"


@pytest.mark.parametrize(
    ("event", "late"),
    [("MODIFIED", policy(9, version=1)), ("DELETED", policy(9, version=1)), ("DELETED", policy(9, uid="0", version=9))],
    ids=["older", "older deletion", "deletion of a namesake"],
)
def test_old_news_change_nothing(event, late):
    store = store_with(deployment("a", WEB))
    tell(store, policy(2, version=2))

    assert tell(store, late, event) == set()
    assert limit(store) == 2


def test_a_namesake_made_anew_counts():
    store = store_with(deployment("a", WEB))
    tell(store, policy(2, version=7))

    assert tell(store, policy(3, uid="2", version=8)) == {("ml", "a")}
    assert limit(store) == 3


def test_the_same_again_concerns_nobody():
    store = store_with(deployment("a", WEB))
    tell(store, policy(2))

    assert tell(store, policy(2)) == set()


def test_a_complete_list_finds_what_no_watch_reported():
    store = store_with(deployment("a", WEB), deployment("b", {"name": "new"}))
    tell(store, policy(1))
    before = store.policies.names(HEALTH_POLICY, "ml")
    tell(store, policy(5, name="young"))

    assert tell(store, policy(4, name="new")) == {("ml", "b")}
    assert set(store.resolve(store.policies.lacking(before))) == {("ml", "a")}
    assert (limit(store), limit(store, "b")) == (None, 4)
    known = store.policies.names(HEALTH_POLICY, None)
    assert {name for _, _, name in known} == {"new", "young"}, "it came while the list was under way"
    assert store.policies.names(HEALTH_POLICY, "other") == frozenset()


def test_a_list_that_was_under_way_when_a_policy_was_deleted_does_not_bring_it_back():
    store = store_with(deployment("a", WEB))
    tell(store, policy(1))
    tell(store, policy(1, version=2), "DELETED")

    assert tell(store, policy(1)) == set()
    assert limit(store) is None
    assert tell(store, policy(7, uid="another", version=3)) == {("ml", "a")}


def test_checks_are_shared_by_those_who_give_the_same_parameters_and_forgotten_with_the_last_of_them():
    """A user whose parameters change every second would else keep all of them for ever."""
    store = store_with(deployment("a", WEB), deployment("b", WEB))
    tell(store, policy(1))
    made = next(iter(store.policies._known.values())).policy._made

    for number in range(2, 100):
        store.observe(
            MODEL_DEPLOYMENT, "MODIFIED", deployment("a", WEB | {"parameters": {"most": str(number)}}, version=number)
        )
        assert len(made) == 2
    assert limit(store) == 99
    store.observe(MODEL_DEPLOYMENT, "MODIFIED", deployment("a", WEB, version=100))
    assert len(made) == 1
    a, b = (store.records["ml", name].target.spec.health.checks[0] for name in "ab")
    assert a is b
    for name in "ab":
        store.forget(("ml", name))
    assert not made


def test_what_cannot_be_read_is_missing_and_says_why():
    store = store_with(deployment("a", WEB))
    tell(store, policy(1))

    assert set(store.resolve(store.policies.cannot_read(HEALTH_POLICY, "forbidden"))) == {("ml", "a")}
    assert store.records["ml", "a"].target.missing == "HealthPolicy web: forbidden"
    assert store.policies.cannot_read(HEALTH_POLICY, "forbidden") == frozenset()
    assert set(store.resolve(store.policies.cannot_read(HEALTH_POLICY, ""))) == {("ml", "a")}
    assert limit(store) == 1


def test_who_no_longer_refers_is_no_longer_concerned():
    store = store_with(deployment("a", WEB), deployment("b", WEB))
    store.observe(MODEL_DEPLOYMENT, "MODIFIED", deployment("a", version=2))
    store.observe(MODEL_DEPLOYMENT, "DELETED", deployment("b", WEB))

    assert tell(store, policy(1)) == set()


def test_a_change_costs_each_of_a_thousand_users_little():
    most = [{"name": "web", "parameters": {"most": number % 10}} for number in range(1000)]
    store = store_with(*(deployment(f"d-{number}", most[number]) for number in range(1000)))

    found = []
    assert lines_run(lambda: found.append(tell(store, policy(1))), most=10**7) < 1000 * 1_500
    assert len(found[0]) == 1000
