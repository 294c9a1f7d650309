"""What `modelramp adopt` makes of what runs, and how `modelramp release` waits until it has been given back."""

import copy
import json

import pytest
import yaml

from modelramp.api.spec import parse_spec

DEPLOYMENT = {
    "metadata": {"name": "legacy", "namespace": "ml", "labels": {}},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "legacy"}},
        "template": {
            "metadata": {"labels": {"app": "legacy", "team": "vision"}},
            "spec": {"containers": [{"name": "server", "image": "registry:5000/digits-server:1.4.0"}]},
        },
    },
}
SERVICE = {
    "metadata": {"name": "legacy", "namespace": "ml"},
    "spec": {"selector": {"app": "legacy"}, "ports": [{"port": 9000}, {"port": 80, "targetPort": "http"}]},
}
OTHER = {"metadata": {"name": "other", "namespace": "ml"}, "spec": {"selector": {"app": "other"}}}
ROUTE = {
    "metadata": {"name": "front", "namespace": "ml"},
    "spec": {
        "rules": [
            {"name": "predict", "backendRefs": [{"name": "legacy", "port": 80}]},
            {"name": "admin", "backendRefs": [{"name": "other", "port": 80}]},
        ]
    },
}
SCALER = {
    "metadata": {"name": "legacy", "namespace": "ml"},
    "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "legacy"}},
}
OWNER = {
    "metadata": {
        "name": "digits",
        "namespace": "ml",
        "uid": "u-1",
        "finalizers": ["modelramp.io/give-back"],
        "annotations": {"modelramp.io/original-replicas": '{"legacy": 3}'},
    }
}


class Namespace:
    """Answers with lists of objects. gone_after: GETs of the ModelDeployment after its deletion that still find it."""

    def __init__(self, *, deployment=DEPLOYMENT, services=(SERVICE, OTHER), routes=(ROUTE,), scalers=(), gone_after=2):
        self.deployment, self.owner, self.deleted, self.gone_after = deployment, OWNER, [], gone_after
        self.lists = {"services": services, "httproutes": routes, "horizontalpodautoscalers": scalers}

    def answer(self, method, path, query, body):
        del body
        plural = path.rpartition("/")[2]
        if plural in self.lists:
            found = self.lists[plural]
            return (200, {"items": list(found)}) if found is not None else (403, {"message": "forbidden"})
        if path.endswith("/deployments/legacy"):
            return (200, self.deployment) if self.deployment else (404, {})
        if method == "DELETE":
            self.deleted.append(query)
            return 200, {}
        self.gone_after -= bool(self.deleted)
        return (200, self.owner) if self.gone_after >= 0 else (404, {})


def written(output):
    return yaml.safe_load(output[output.index("apiVersion:") :])


def test_adopt_writes_what_takes_the_place_of_a_deployment_behind_its_route(run):
    code, output = run(Namespace(), "adopt", "deploy/legacy", "--name", "digits")

    assert code == 0, output
    found = written(output)
    assert found["metadata"] == {"name": "digits", "namespace": "ml"}
    assert found["spec"] == {
        "replicas": 3,
        "model": {"name": "digits", "version": "1.4.0"},
        "workloadRef": {"name": "legacy"},
        "service": {"port": 80, "targetPort": "http"},
        "routing": {"gateway": {"routeRef": {"name": "front", "rule": "predict"}}},
    }
    parse_spec(found["spec"])
    assert "spec.health has no checks" in output
    assert "one pod of Deployment legacy stays for callers of Service legacy" in output


def test_adopt_names_the_autoscaler_that_would_fight(run):
    code, output = run(Namespace(scalers=(SCALER,)), "adopt", "deploy/legacy")
    assert (code, "HorizontalPodAutoscaler legacy scales the Deployment" in output) == (0, True), output


def test_adopt_needs_no_right_to_autoscalers(run):
    code, output = run(Namespace(scalers=None), "adopt", "legacy", "-o", "json")
    assert code == 0, output
    assert json.loads(output[output.index("{") :])["spec"]["workloadRef"] == {"name": "legacy"}


def changed(obj, change):
    found = copy.deepcopy(obj)
    change(found["spec"])
    return found


UNNAMED = changed(ROUTE, lambda spec: spec["rules"][0].pop("name"))
TWICE = changed(ROUTE, lambda spec: spec["rules"].append({**spec["rules"][0], "name": "again"}))


@pytest.mark.parametrize(
    ("options", "words", "arguments"),
    [
        ({"deployment": None}, "Deployment ml/legacy does not exist", ()),
        ({"services": (OTHER,)}, "no Service selects the pods of Deployment legacy", ()),
        ({"routes": ()}, "no HTTPRoute of the namespace sends requests to Service legacy", ()),
        ({}, "no HTTPRoute back of the namespace sends requests to Service legacy", ("--route", "back")),
        ({"routes": (UNNAMED,)}, "the one that is meant has no name: give it one", ()),
        ({"routes": (TWICE,)}, "say which one with --route and --rule", ()),
        ({"services": None}, "you have no right to do that", ()),
        ({}, "the API server would refuse this ModelDeployment", ("--name", "Upper")),
    ],
    ids=["no deployment", "no service", "no route", "another route", "no name", "two rules", "no right", "bad name"],
)
def test_adopt_says_what_is_missing(run, options, words, arguments):
    code, output = run(Namespace(**options), "adopt", "deploy/legacy", *arguments)
    assert code != 0
    assert words in output
    assert "apiVersion:" not in output


def test_adopt_is_about_deployments(run):
    code, output = run(Namespace(), "adopt", "sts/legacy")
    assert (code, "is a Deployment, as in deploy/legacy" in output) == (2, True), output


def test_one_rule_of_several_can_be_chosen(run):
    code, output = run(Namespace(routes=(TWICE,)), "adopt", "deploy/legacy", "--rule", "again")
    assert code == 0, output
    assert written(output)["spec"]["routing"]["gateway"]["routeRef"] == {"name": "front", "rule": "again"}


def back(replicas):
    found = changed(DEPLOYMENT, lambda spec: spec.update(replicas=replicas))
    return {**found, "status": {"availableReplicas": replicas}}


def test_release_deletes_in_the_background_and_waits_until_everything_is_back(run):
    server = Namespace(deployment=back(3))
    code, output = run(server, "release", "digits")

    assert code == 0, output
    assert server.deleted == ["propagationPolicy=Background"]
    assert server.gone_after < 0
    assert output.splitlines() == ["Deployment legacy: 3 of 3 pods are available", "digits: is released"]


def test_release_ends_when_somebody_makes_the_model_deployment_again(run):
    server = Namespace(deployment=back(3), gone_after=10**6)
    server.answer, first = again(server), server.answer
    assert first
    code, output = run(server, "release", "digits")
    assert code == 0, output


def again(server):
    answer = server.answer

    def new(method, path, query, body):
        code, found = answer(method, path, query, body)
        if server.deleted and method == "GET" and path.endswith("/digits"):
            found = {"metadata": {**found["metadata"], "uid": "u-2"}}
        return code, found

    return new


def test_release_changes_nothing_where_nothing_is_left_that_could_serve(run):
    server = Namespace(deployment=None)
    code, output = run(server, "release", "digits")
    assert code != 0
    assert "Deployment ml/legacy does not exist" in output
    assert not server.deleted


def test_release_of_what_has_taken_over_nothing_names_the_ordinary_way(run):
    server = Namespace()
    server.owner = {"metadata": {"name": "digits", "namespace": "ml"}}
    code, output = run(server, "release", "digits")
    assert (code, "kubectl delete modeldeployment digits" in output) == (1, True), output
    assert not server.deleted


def test_release_says_when_it_lasts_longer_than_the_person_waits(run):
    server = Namespace(deployment=back(1), gone_after=10**6)
    code, output = run(server, "release", "digits", "--timeout", "1s")
    assert (code, "its versions serve until then" in output) == (4, True), output
