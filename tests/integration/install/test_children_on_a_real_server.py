"""What desired/ makes, applied to the real API server: nothing differs afterwards, and outside edits are put back."""

import json

import pytest

from modelramp.api.spec import parse_spec
from modelramp.core.revisions import revision_of
from modelramp.core.state import Observed, Pods, RolloutInput, State, Version
from modelramp.desired.differences import differs
from modelramp.desired.objects import desired
from modelramp.desired.ownership import owned_by, owner_of
from modelramp.desired.revision import snapshots_of

# A template with everything that the API server writes in its own way: quantities, defaults, empty values.
TEMPLATE = {
    "metadata": {"labels": {"app": "digits"}, "annotations": {"prometheus.io/scrape": "true"}},
    "spec": {
        "serviceAccountName": "default",
        "hostNetwork": False,
        "nodeSelector": {},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app": "digits"}},
            }
        ],
        "volumes": [
            {"name": "scratch", "emptyDir": {"sizeLimit": "2048Mi"}},
            {
                "name": "about",
                "projected": {
                    "sources": [
                        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                        {"serviceAccountToken": {"path": "token"}},
                    ]
                },
            },
        ],
        "containers": [
            {
                "name": "server",
                "image": "localplane/httpd:1",
                "args": [],
                "env": [{"name": "EMPTY", "value": ""}, {"name": "ONE", "value": "1"}],
                "ports": [{"name": "http", "containerPort": 8080}],
                "resources": {"requests": {"cpu": 0.01, "memory": "1024Ki"}, "limits": {"cpu": "1500m"}},
                "securityContext": {"privileged": False},
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
            }
        ],
    },
}
SPEC = {
    "replicas": 2,
    "model": {"name": "digits", "version": "1.0.0"},
    "template": TEMPLATE,
    "routing": {
        "gateway": {"parentRefs": [{"name": "public", "namespace": "gateway"}], "hostnames": ["d.example.com"]}
    },
}


class Children:
    """The children of one real ModelDeployment, read and written as the operator does."""

    def __init__(self, plane, namespace):
        self.plane, self.namespace = plane, namespace
        body = {"apiVersion": "modelramp.io/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": "digits"}}
        plane.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps({**body, "spec": SPEC}))
        self.parent = self.read("ModelDeployment", "digits")
        spec = parse_spec(self.parent["spec"])
        self.owner, revision = owner_of(self.parent), revision_of(spec)
        wanted = desired(
            self.owner,
            RolloutInput(spec, revision),
            State(stable=Version(revision, "1.0.0")),
            Observed(pods={revision: Pods(2, 2, 2)}),
            snapshots={},
            current_routes=(),
            now=0,
        )
        self.spec, self.revision = spec, revision
        self.wanted = {obj["kind"]: obj for obj in (*wanted.apply, *wanted.routes)}
        for obj in self.wanted.values():
            self.apply(obj)

    def apply(self, obj):
        how = ["--server-side", "--force-conflicts", "--field-manager=modelramp"]
        self.plane.kubectl("apply", *how, "-f", "-", input=json.dumps(obj))

    def read(self, kind, name=None):
        name = name or self.wanted[kind]["metadata"]["name"]
        return json.loads(self.plane.kubectl("get", kind, name, "-n", self.namespace, "-o", "json"))


@pytest.fixture(scope="module")
def children(plane, installed):
    plane.kubectl("create", "namespace", "children")
    yield Children(plane, "children")
    plane.kubectl("delete", "namespace", "children", "--wait=false")


def test_nothing_differs_after_it_was_applied(children):
    for kind, obj in children.wanted.items():
        found = children.read(kind)
        assert owned_by(found, children.owner), kind
        assert not differs(found, obj), kind


def test_a_revision_is_remembered_exactly(children):
    known = snapshots_of(children.owner, [children.read("ControllerRevision")])[children.revision]
    assert known.template == children.spec.template
    assert known.target_port == "http"
    assert known.number == 1


EDITS = {
    "scaled to nothing": ("Deployment", {"spec": {"replicas": 0}}),
    "another image": (
        "Deployment",
        {"spec": {"template": {"spec": {"containers": [{"name": "server", "image": "localplane/httpd:9"}]}}}},
    ),
    "a Service that selects nobody": ("Service", {"spec": {"selector": {"nobody": "this"}}}),
    "another port": ("Service", {"spec": {"ports": [{"port": 80, "protocol": "TCP", "targetPort": 9999}]}}),
    "another host": ("HTTPRoute", {"spec": {"hostnames": ["other.example.com"]}}),
    "no backends": ("HTTPRoute", {"spec": {"rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}]}}),
    "no label": ("Service", {"metadata": {"labels": {"modelramp.io/revision": None}}}),
}


@pytest.mark.parametrize(("kind", "edit"), EDITS.values(), ids=EDITS)
def test_an_outside_edit_is_seen_and_put_back(children, kind, edit):
    name, how = children.wanted[kind]["metadata"]["name"], "merge" if kind == "HTTPRoute" else "strategic"
    children.plane.kubectl(
        "patch", kind, name, "-n", children.namespace, "--type", how, "-p", json.dumps(edit), "--field-manager=somebody"
    )
    assert differs(children.read(kind), children.wanted[kind])
    children.apply(children.wanted[kind])
    assert not differs(children.read(kind), children.wanted[kind])
