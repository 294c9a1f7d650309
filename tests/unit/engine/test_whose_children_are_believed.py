"""A label makes nobody's child: what the decisions read is told by owner reference and name, in every kind."""

import pytest

from modelramp.api.kinds import CONTROLLER_REVISION, ENDPOINT_SLICE, JOB, MODEL_DEPLOYMENT, SERVICE
from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION
from modelramp.desired.ownership import SERVICE_NAME
from modelramp.desired.routers.gateway_api import HTTP_ROUTE
from modelramp.desired.workloads.deployment import DEPLOYMENT
from modelramp.engine.observe import observe
from modelramp.engine.store import Store
from tests.unit.engine.test_policies_and_their_users import deployment as model_deployment

KEY = ("ml", "digits")
REVISION = "bbbbbbbbbb"
CHILD = f"digits-{REVISION}"
NAMES = {HTTP_ROUTE: "digits"}
LABELLED = (CONTROLLER_REVISION, SERVICE, DEPLOYMENT, HTTP_ROUTE)
SERVED = {"rules": [{"backendRefs": [{"kind": "Service", "name": CHILD, "port": 80, "weight": 100}]}]}


def child(kind, name=None, *, owner="digits", version=1, uid="", revision=REVISION, **fields):
    """An object with the labels of a child; owner: the uid in its controller reference, None for none."""
    references = [{"kind": "ModelDeployment", "uid": owner, "controller": True}] if owner else []
    metadata = {
        "namespace": "ml",
        "name": name or NAMES.get(kind, CHILD),
        "uid": uid or f"{kind.kind}-{name}",
        "resourceVersion": str(version),
        "labels": {LABEL_DEPLOYMENT: "digits", LABEL_REVISION: revision},
        "ownerReferences": references,
    }
    return {"kind": kind.kind, "metadata": metadata, **fields}


def endpoints(name, service=CHILD, *, owner="Service-None", ready=1, revision=REVISION):
    labels = {LABEL_DEPLOYMENT: "digits", LABEL_REVISION: revision, SERVICE_NAME: service}
    references = [{"kind": "Service", "uid": owner, "controller": True}] if owner else []
    metadata = {"namespace": "ml", "name": name, "uid": name, "labels": labels, "ownerReferences": references}
    return {"metadata": metadata, "endpoints": [{"conditions": {"ready": True}}] * ready}


def store_with(*objects):
    store = Store()
    store.observe(MODEL_DEPLOYMENT, "ADDED", model_deployment("digits"))
    for kind, obj in objects:
        store.observe(kind, "ADDED", obj)
    return store


@pytest.mark.parametrize("kind", LABELLED, ids=lambda kind: kind.kind)
@pytest.mark.parametrize("owner", ["digits", None, "another"], ids=["owner kept", "no owner", "another owner"])
def test_a_copy_under_another_name_is_no_child(kind, owner):
    store = store_with((kind, child(kind, "aaa", owner=owner)), (kind, child(kind)))

    assert list(store.children(KEY, kind)) == [NAMES.get(kind, CHILD)]
    assert [*store_with((kind, child(kind, "aaa", owner=owner))).children(KEY, kind)] == []


@pytest.mark.parametrize("kind", [*LABELLED, JOB], ids=lambda kind: kind.kind)
def test_what_another_object_controls_is_no_child_whatever_its_name(kind):
    assert not store_with((kind, child(kind, owner="another"))).children(KEY, kind)


@pytest.mark.parametrize("kind", [*LABELLED, JOB], ids=lambda kind: kind.kind)
def test_what_was_left_behind_under_a_childs_name_is_still_adopted(kind):
    assert store_with((kind, child(kind, owner=None))).children(KEY, kind)


def test_a_revisions_child_has_the_name_of_that_revision_and_of_no_other():
    disguised = child(DEPLOYMENT, "digits-cccccccccc", spec={"replicas": 0})

    assert not store_with((DEPLOYMENT, disguised)).children(KEY, DEPLOYMENT)


def test_the_route_is_the_one_that_the_operator_makes():
    store = store_with((HTTP_ROUTE, child(HTTP_ROUTE, "aaa", owner=None, spec=SERVED)))
    assert store.routes(KEY) == ()

    store.observe(HTTP_ROUTE, "ADDED", child(HTTP_ROUTE, spec=SERVED, uid="real"))
    assert store.routes(KEY)[0]["metadata"]["uid"] == "real"


def test_pods_are_counted_by_the_deployment_and_the_service_that_the_operator_made():
    real = child(DEPLOYMENT, spec={"replicas": 2}, status={"availableReplicas": 2})
    store = store_with(
        (SERVICE, child(SERVICE)),
        (DEPLOYMENT, real),
        (DEPLOYMENT, child(DEPLOYMENT, "zzz", owner=None, spec={"replicas": 0})),
        (DEPLOYMENT, child(DEPLOYMENT, "zzzz", spec={"replicas": 0})),
        (ENDPOINT_SLICE, endpoints("slice", ready=2)),
        (ENDPOINT_SLICE, endpoints("of-another-service", "aaa", ready=5)),
        (ENDPOINT_SLICE, endpoints("of-a-former-service", owner="deleted", ready=7)),
        (ENDPOINT_SLICE, endpoints("of-another-revision", revision="cccccccccc", ready=9)),
    )

    pods = observe(store, KEY, store.records[KEY], 0.0).pods
    assert {name: (found.wanted, found.available, found.endpoints) for name, found in pods.items()} == {
        REVISION: (2, 2, 2)
    }


def test_endpoints_without_their_service_are_not_counted():
    store = store_with((ENDPOINT_SLICE, endpoints("slice")), (SERVICE, child(SERVICE, owner="another")))

    assert not store.children(KEY, ENDPOINT_SLICE)


def test_nothing_is_a_child_of_an_object_that_is_not_known():
    store = Store()
    store.observe(HTTP_ROUTE, "ADDED", child(HTTP_ROUTE))

    assert store.routes(KEY) == ()
    assert not store.strays(KEY, HTTP_ROUTE)


def test_children_of_a_former_object_of_that_name_are_not_those_of_its_successor():
    store = store_with((HTTP_ROUTE, child(HTTP_ROUTE, spec=SERVED)))
    successor = model_deployment("digits", version=9)
    successor["metadata"]["uid"] = "successor"
    store.observe(MODEL_DEPLOYMENT, "ADDED", successor)

    assert store.routes(KEY) == ()


def test_copies_that_carry_the_owner_reference_are_strays_and_others_are_nobodys_business():
    store = store_with(
        (HTTP_ROUTE, child(HTTP_ROUTE)),
        (HTTP_ROUTE, child(HTTP_ROUTE, "copy")),
        (HTTP_ROUTE, child(HTTP_ROUTE, "foreign", owner=None)),
    )

    assert list(store.strays(KEY, HTTP_ROUTE)) == ["copy"]


def test_a_list_of_one_objects_children_forgets_copies_that_are_gone_too():
    store = store_with((HTTP_ROUTE, child(HTTP_ROUTE, "copy")), (HTTP_ROUTE, child(HTTP_ROUTE)))
    store.replace_children(KEY, HTTP_ROUTE, [child(HTTP_ROUTE, version=2)])

    assert not store.strays(KEY, HTTP_ROUTE)
    assert store.routes(KEY)[0]["metadata"]["resourceVersion"] == "2"
