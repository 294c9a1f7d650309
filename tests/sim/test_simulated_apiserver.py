"""The simulated API server behaves as a real one where the operator can tell the difference."""

import pytest

from modelramp.api.errors import Conflict, Gone, Refused
from modelramp.api.kinds import MODEL_DEPLOYMENT, SERVICE, Ref
from modelramp.desired.routers.gateway_api import HTTP_ROUTE
from modelramp.desired.workloads.deployment import DEPLOYMENT
from tests.sim.apiserver import ApiServer, matches

OURS = "modelramp"


def thing(name="a", **rest):
    return {"kind": "ConfigMap", "metadata": {"namespace": "ml", "name": name}, **rest}


def deployment(image="digits:1", *, env=(), replicas=2):
    container = {"name": "model", "image": image, "env": [{"name": key, "value": value} for key, value in env]}
    return {
        "kind": "Deployment",
        "metadata": {"namespace": "ml", "name": "a", "labels": {"x": "1"}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"x": "1"}},
            "template": {"metadata": {"labels": {"x": "1"}}, "spec": {"containers": [container]}},
        },
    }


def route(*weights):
    backends = [{"name": name, "port": 80, "weight": weight} for name, weight in weights]
    return {
        "kind": "HTTPRoute",
        "metadata": {"namespace": "ml", "name": "a"},
        "spec": {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": backends}]},
    }


@pytest.fixture
def api():
    return ApiServer(lambda: 1_763_640_000.0)


def version(obj):
    return int(obj["metadata"]["resourceVersion"])


def test_every_change_gets_a_higher_resource_version_and_every_object_its_own_uid(api):
    first, second = api.create(thing("a"), OURS), api.create(thing("b"), OURS)
    third = api.update({**first, "data": {"k": "v"}}, OURS)

    assert version(first) < version(second) < version(third)
    assert first["metadata"]["uid"] == third["metadata"]["uid"] != second["metadata"]["uid"]


def test_creating_an_existing_name_is_a_conflict(api):
    api.create(thing(), OURS)

    with pytest.raises(Conflict):
        api.create(thing(), OURS)


def test_a_stale_resource_version_is_a_conflict_and_changes_nothing(api):
    stale = api.create(thing(), OURS)
    api.update({**stale, "data": {"k": "theirs"}}, "kubectl")

    for write in (api.update, api.apply, api.update_status):
        with pytest.raises(Conflict):
            write({**stale, "data": {"k": "ours"}}, OURS)

    assert api.find("ConfigMap", "ml", "a")["data"] == {"k": "theirs"}


def test_an_apply_with_the_version_of_an_object_that_is_gone_is_a_conflict(api):
    old = api.create(route(("s", 100)), OURS)
    api.delete(Ref(HTTP_ROUTE, "ml", "a"), "kubectl")

    with pytest.raises(Conflict):
        api.apply(old, OURS)


def test_what_does_not_exist_is_gone(api):
    with pytest.raises(Gone):
        api.get(Ref(DEPLOYMENT, "ml", "nothing"))
    with pytest.raises(Gone):
        api.update_status(thing(), OURS)


def test_a_write_that_changes_nothing_leaves_the_version_as_it_is(api):
    before = api.apply(deployment(), OURS)
    after = api.apply(deployment(), OURS)

    assert version(before) == version(after)
    assert len(api.log) == 1


def test_generation_counts_changes_of_the_spec_only(api):
    made = api.apply(deployment(), OURS)
    status = api.update_status({**made, "status": {"availableReplicas": 1}}, "controller")
    changed = api.apply(deployment(replicas=3), OURS)

    assert [obj["metadata"]["generation"] for obj in (made, status, changed)] == [1, 1, 2]
    assert changed["status"] == {"availableReplicas": 1}


def test_status_is_written_only_through_its_subresource(api):
    made = api.create({**deployment(), "status": {"availableReplicas": 9}}, OURS)
    updated = api.update({**made, "status": {"availableReplicas": 9}}, OURS)
    through = api.update_status({**made, "spec": {}, "status": {"availableReplicas": 1}}, OURS)

    assert "status" not in made
    assert "status" not in updated
    assert through["spec"] == made["spec"]
    assert through["status"] == {"availableReplicas": 1}


def test_an_apply_removes_what_the_same_manager_no_longer_wants(api):
    api.apply(deployment(env=[("A", "1"), ("B", "2")]), OURS)
    after = api.apply(deployment(env=[("B", "3")]), OURS)

    assert after["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "B", "value": "3"}]


def test_an_apply_leaves_alone_what_others_own(api):
    made = api.apply(deployment(env=[("A", "1")]), OURS)
    container = made["spec"]["template"]["spec"]["containers"][0]
    injected = {**container, "env": [*container["env"], {"name": "INJECTED", "value": "x"}]}
    pod = {**made["spec"]["template"]["spec"], "containers": [injected], "nodeName": "n"}
    api.update({**made, "spec": {**made["spec"], "template": {**made["spec"]["template"], "spec": pod}}}, "injector")
    after = api.apply(deployment(env=[("A", "2")]), OURS)["spec"]["template"]["spec"]

    assert after["nodeName"] == "n"
    assert after["containers"][0]["env"] == [{"name": "A", "value": "2"}, {"name": "INJECTED", "value": "x"}]


def test_an_apply_puts_back_what_others_changed(api):
    made = api.apply(deployment(replicas=2), OURS)
    api.update({**made, "spec": {**made["spec"], "replicas": 7}}, "kubectl")

    assert api.apply(deployment(replicas=2), OURS)["spec"]["replicas"] == 2


def test_the_rules_of_a_route_are_one_value(api):
    api.apply(route(("old", 90), ("new", 10)), OURS)
    after = api.apply(route(("old", 100)), OURS)

    assert [backend["name"] for backend in after["spec"]["rules"][0]["backendRefs"]] == ["old"]


def test_the_server_fills_in_its_defaults(api):
    made = api.apply(route(("s", 100)), OURS)
    backend = made["spec"]["rules"][0]["backendRefs"][0]

    assert (backend["group"], backend["kind"]) == ("", "Service")
    assert made["spec"]["parentRefs"][0]["kind"] == "Gateway"
    assert api.apply(deployment(), OURS)["spec"]["strategy"]["type"] == "RollingUpdate"


def test_what_may_never_change_is_refused(api):
    api.apply({"kind": "ControllerRevision", "metadata": {"namespace": "ml", "name": "r"}, "data": {"a": 1}}, OURS)

    with pytest.raises(Refused):
        api.apply({"kind": "ControllerRevision", "metadata": {"namespace": "ml", "name": "r"}, "data": {"a": 2}}, OURS)


def test_a_delete_takes_only_the_object_that_was_meant(api):
    made = api.create(thing(), OURS)
    ref = Ref(SERVICE, "ml", "a")
    api.create({"kind": "Service", "metadata": {"namespace": "ml", "name": "a"}}, OURS)

    with pytest.raises(Conflict):
        api.delete(ref, OURS, uid=made["metadata"]["uid"])
    with pytest.raises(Conflict):
        api.delete(ref, OURS, version="1")


def test_the_log_tells_every_change_in_order_with_what_was_before(api):
    made = api.create(thing(), OURS)
    changed = api.update({**made, "data": {"k": "v"}}, "kubectl")

    assert [(change.type, change.actor) for change in api.log] == [("ADDED", OURS), ("MODIFIED", "kubectl")]
    assert api.log[1].before == made
    assert api.log[1].obj == changed


def test_what_a_reader_was_given_never_changes_afterwards(api):
    made = api.create({"kind": "ModelDeployment", "metadata": {"namespace": "ml", "name": "a"}, "spec": {"r": 1}}, OURS)
    read = api.get(Ref(MODEL_DEPLOYMENT, "ml", "a"))
    read["spec"]["r"] = 2
    api.update({**made, "spec": {"r": 3}}, OURS)

    assert read["spec"]["r"] == 2
    assert api.log[0].obj["spec"]["r"] == 1


SELECTORS = {
    "nothing selects all": ("", {}, True),
    "equal": ("a=1", {"a": "1"}, True),
    "another value": ("a=1", {"a": "2"}, False),
    "unequal also when absent": ("a!=1", {}, True),
    "exists": ("a", {"a": ""}, True),
    "does not exist": ("!a", {"a": ""}, False),
    "all terms hold": ("a=1,b", {"a": "1"}, False),
}


@pytest.mark.parametrize(("selector", "labels", "selected"), SELECTORS.values(), ids=SELECTORS)
def test_selectors_mean_what_kubectl_means(selector, labels, selected):
    assert matches(selector, labels) is selected
