import copy

import pytest

from modelramp.desired.differences import differs
from modelramp.desired.objects import service
from modelramp.desired.workloads.deployment import deployment
from tests.unit.desired.world import CANDIDATE, OWNER, STABLE, made, seen, state

TEMPLATE = {
    "metadata": {"labels": {"app": "digits"}},
    "spec": {
        "nodeSelector": {"gpu": "yes"},
        "volumes": [],
        "securityContext": None,
        "terminationGracePeriodSeconds": None,
        "containers": [
            {
                "name": "model",
                "image": "digits:1",
                "args": ["--port", "8080"],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": ""}],
                "ports": [{"name": "http", "containerPort": 8080}],
                "resources": {"requests": {"cpu": 0.5, "memory": "1024Mi"}, "limits": {"cpu": "1000m"}},
            }
        ],
    },
}
WORKLOAD = deployment(OWNER, STABLE, TEMPLATE, replicas=3, progress_deadline=600)
SERVICE = service(OWNER, STABLE, 80, "http")
ROUTE = made(state(STABLE, CANDIDATE, 10), seen=seen(STABLE, CANDIDATE)).routes[0]


def as_the_server_shows_it(obj):
    shown = copy.deepcopy(obj)
    del shown["apiVersion"], shown["kind"]
    shown["metadata"] |= {"uid": "u", "resourceVersion": "5", "generation": 2, "annotations": {"by": "the controller"}}
    shown["metadata"]["labels"]["team"] = "added by somebody"
    shown["status"] = {"replicas": 3}
    return shown


def the_workload():
    shown = as_the_server_shows_it(WORKLOAD)
    shown["spec"]["strategy"]["rollingUpdate"]["maxSurge"] = "25%"
    pod = shown["spec"]["template"]["spec"]
    pod |= {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "terminationGracePeriodSeconds": 30,
        "securityContext": {},
    }
    del pod["volumes"]
    (container,) = pod["containers"]
    container |= {"imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log"}
    container["ports"][0]["protocol"] = "TCP"
    container["env"][1] = {"name": "B"}
    container["resources"] = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1"}}
    return shown


def the_service():
    shown = as_the_server_shows_it(SERVICE)
    shown["spec"] |= {"clusterIP": "10.96.0.7", "sessionAffinity": "None"}
    shown["spec"]["ports"][0]["nodePort"] = 0
    return shown


def container(shown):
    return shown["spec"]["template"]["spec"]["containers"][0]


def rule(shown):
    return shown["spec"]["rules"][0]


def test_what_the_server_and_others_add_is_no_difference():
    assert not differs(the_workload(), WORKLOAD)
    assert not differs(the_service(), SERVICE)
    assert not differs(as_the_server_shows_it(ROUTE), ROUTE)


def test_what_does_not_exist_differs():
    assert differs(None, SERVICE)


WORKLOAD_EDITS = {
    "replicas": lambda o: o["spec"].update(replicas=2),
    "scaled to nothing": lambda o: o["spec"].update(replicas=0),
    "image": lambda o: container(o).update(image="digits:9"),
    "an argument more": lambda o: container(o)["args"].append("--debug"),
    "a variable changed": lambda o: container(o)["env"][0].update(value="2"),
    "a variable gone": lambda o: container(o)["env"].pop(0),
    "a variable no longer empty": lambda o: container(o)["env"][1].update(value="x"),
    "less memory": lambda o: container(o)["resources"]["requests"].update(memory="1023Mi"),
    "more cpu": lambda o: container(o)["resources"]["requests"].update(cpu="501m"),
    "a limit gone": lambda o: container(o)["resources"].pop("limits"),
    "another port": lambda o: container(o)["ports"][0].update(containerPort=9090),
    "a node selector more": lambda o: o["spec"]["template"]["spec"]["nodeSelector"].update(zone="a"),
    "our label gone": lambda o: o["metadata"]["labels"].pop("modelramp.io/revision"),
    "a pod label changed": lambda o: o["spec"]["template"]["metadata"]["labels"].update(app="other"),
    "no owner": lambda o: o["metadata"].pop("ownerReferences"),
    "another owner": lambda o: o["metadata"]["ownerReferences"][0].update(uid="uid-0"),
    "strategy": lambda o: o["spec"]["strategy"].update(type="Recreate", rollingUpdate=None),
}


@pytest.mark.parametrize("edit", WORKLOAD_EDITS.values(), ids=WORKLOAD_EDITS)
def test_an_edit_of_a_deployment_is_seen(edit):
    shown = the_workload()
    edit(shown)
    assert differs(shown, WORKLOAD)


def test_a_container_that_somebody_injected_is_theirs():
    shown = the_workload()
    shown["spec"]["template"]["spec"]["containers"].insert(0, {"name": "sidecar", "image": "proxy"})
    assert not differs(shown, WORKLOAD)


SERVICE_EDITS = {
    "a label more in the selector": lambda o: o["spec"]["selector"].update(track="none"),
    "another target port": lambda o: o["spec"]["ports"][0].update(targetPort=9090),
    "another port": lambda o: o["spec"]["ports"][0].update(port=81),
    "type": lambda o: o["spec"].update(type="NodePort"),
}


@pytest.mark.parametrize("edit", SERVICE_EDITS.values(), ids=SERVICE_EDITS)
def test_an_edit_of_a_service_is_seen(edit):
    shown = the_service()
    edit(shown)
    assert differs(shown, SERVICE)


ROUTE_EDITS = {
    "weights": lambda o: rule(o)["backendRefs"][0].update(weight=50),
    "a backend more": lambda o: rule(o)["backendRefs"].append({"name": "x", "port": 80, "weight": 1}),
    "a backend less": lambda o: rule(o)["backendRefs"].pop(),
    "a filter on the rule": lambda o: rule(o).update(filters=[{"type": "RequestMirror"}]),
    "a filter on a backend": lambda o: rule(o)["backendRefs"][0].update(filters=[{"type": "URLRewrite"}]),
    "a rule more": lambda o: o["spec"]["rules"].append({"backendRefs": []}),
    "another host": lambda o: o["spec"].update(hostnames=["evil.example.com"]),
    "a listener": lambda o: o["spec"]["parentRefs"][0].update(sectionName="web"),
    "a header to match": lambda o: rule(o)["matches"][0].update(headers=[{"name": "a", "value": "b"}]),
}


@pytest.mark.parametrize("edit", ROUTE_EDITS.values(), ids=ROUTE_EDITS)
def test_an_edit_of_a_route_is_seen_also_where_something_was_added(edit):
    shown = as_the_server_shows_it(ROUTE)
    edit(shown)
    assert differs(shown, ROUTE)


def test_hostnames_that_the_spec_no_longer_has_are_taken_back():
    wanted = copy.deepcopy(ROUTE)
    wanted["spec"]["hostnames"] = []
    assert differs(as_the_server_shows_it(ROUTE), wanted)
    del (shown := as_the_server_shows_it(wanted))["spec"]["hostnames"]
    assert not differs(shown, wanted)


@pytest.mark.parametrize(
    ("shown", "wanted", "same"),
    [
        ("500m", "0.5", True),
        ("1Gi", "1024Mi", True),
        ("1500m", "1.5", True),
        ("2k", "2000", True),
        ("1e3", "1k", True),
        ("100u", "0.0001", True),
        ("1G", "1Gi", False),
        ("lots", "1", False),
    ],
)
def test_quantities_are_compared_as_numbers(shown, wanted, same):
    assert differs({"limits": {"cpu": shown}}, {"limits": {"cpu": wanted}}) is not same
    assert differs({"env": shown}, {"env": wanted}), "only where a quantity stands"
