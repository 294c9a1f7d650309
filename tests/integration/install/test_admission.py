"""The shipped ValidatingAdmissionPolicies on a real API server: what authors need, and what the operator may do."""

import base64
import json
import ssl
import time

import httpx
import pytest
import yaml

from localplane.testing import eventually
from modelramp.api.hooks import MOST_HOOKS
from tests.integration.install.conftest import ROOT, documents

OPERATOR = "system:serviceaccount:modelramp-system:modelramp"
NAMESPACE = "authors"
MODEL_DEPLOYMENTS = {"apiGroups": ["modelramp.io"], "resources": ["modeldeployments"], "verbs": ["*"]}
SCALE = {"apiGroups": ["modelramp.io"], "resources": ["modeldeployments/scale"], "verbs": ["*"]}
ROUTES = {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"], "verbs": ["create"]}
PODS = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create"]}
JOBS = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}
NAMED = [
    {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["deployer"], "verbs": ["impersonate"]},
    {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["token"], "verbs": ["get"]},
]
NAMES = [f"name-{number}" for number in range(10)]
RIGHTS = {
    "md-only": [MODEL_DEPLOYMENTS, SCALE],
    "no-routes": [MODEL_DEPLOYMENTS, PODS],
    "no-pods": [MODEL_DEPLOYMENTS, ROUTES, JOBS],
    "plain": [MODEL_DEPLOYMENTS, PODS, ROUTES],
    "jobs": [MODEL_DEPLOYMENTS, PODS, ROUTES, JOBS],
    "named": [MODEL_DEPLOYMENTS, PODS, ROUTES, JOBS, *NAMED],
    "all-but-the-last": [
        *(MODEL_DEPLOYMENTS, PODS, ROUTES, JOBS),
        {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": NAMES[:-1], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": NAMES[:-1], "verbs": ["get"]},
    ],
    "editor": [ROUTES],  # and the stock role edit
}


def user(name):
    return f"system:serviceaccount:{NAMESPACE}:{name}"


def pod(**spec):
    return {"spec": {"containers": [{"name": "server", "image": "localplane/httpd:v1"}], **spec}}


def evaluation(**spec):
    return {"template": pod(**spec), "metrics": [{"name": "accuracy", "min": 0.9}]}


def job_hook(name="retrain", **spec):
    return {"name": name, "job": {"template": pod(**spec)}}


def web_hook(name="call", secret=None):
    secret = {"secretRef": {"name": secret}} if secret else {}
    return {"name": name, "webhook": {"url": "https://hooks.example.com/retrain", **secret}}


CHECK = {"name": "errors", "query": 'up{revision="{{revision}}"}', "min": 1}
PRIVATE = {"address": "http://prometheus.ml:9090", "secretRef": {"name": "token"}}


def model_deployment(name="digits", **parts):
    spec = {
        "model": {"name": "digits", "version": "1"},
        "template": pod(),
        "routing": {"gateway": {"parentRefs": [{"name": "public"}], "hostnames": ["digits.example.com"]}},
        "health": {"checks": [CHECK]},
    }
    for path, value in parts.items():
        *folders, last = path.split("__")
        into = spec
        for folder in folders:
            into = into.setdefault(folder, {})
        into[last] = value
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "modelramp.io/v1alpha1", "kind": "ModelDeployment", "metadata": metadata, "spec": spec}


PATHS = {
    "ModelDeployment": "/apis/modelramp.io/v1alpha1/namespaces/{namespace}/modeldeployments",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "ControllerRevision": "/apis/apps/v1/namespaces/{namespace}/controllerrevisions",
    "Job": "/apis/batch/v1/namespaces/{namespace}/jobs",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes",
}


class Api:
    """The API server under anybody's name; nothing is kept (dryRun). Answers: whether it was done, and what was said.

    What is said are the warnings, or the words of the refusal.
    """

    def __init__(self, plane):
        cluster = yaml.safe_load(plane.kubeconfig.read_text())
        server = cluster["clusters"][0]["cluster"]
        trust = ssl.create_default_context(cadata=base64.b64decode(server["certificate-authority-data"]).decode())
        token = {"Authorization": f"Bearer {cluster['users'][0]['user']['token']}"}
        self.http = httpx.Client(base_url=server["server"], verify=trust, headers=token, timeout=10.0)

    def ask(self, who, method, path, body=None, content_type="application/json"):
        headers = {"Impersonate-User": who, "Content-Type": content_type}
        text = json.dumps(body) if body is not None else None
        answer = self.http.request(method, path, params={"dryRun": "All"}, content=text, headers=headers)
        said = answer.headers.get_list("Warning")
        return answer.is_success, "\n".join(said) if answer.is_success else answer.json()["message"]

    def create(self, who, obj):
        return self.ask(who, "POST", PATHS[obj["kind"]].format(namespace=obj["metadata"]["namespace"]), obj)

    def patch(self, who, change, kind="ModelDeployment", name="standing"):
        path = f"{PATHS[kind].format(namespace=NAMESPACE)}/{name}"
        return self.ask(who, "PATCH", path, change, "application/merge-patch+json")

    def delete(self, who, kind, name):
        return self.ask(who, "DELETE", f"{PATHS[kind].format(namespace=NAMESPACE)}/{name}")


@pytest.fixture(scope="module")
def api(plane, installed):
    client = Api(plane)
    yield client
    client.http.close()


def rights():
    for name, rules in RIGHTS.items():
        metadata = {"name": name, "namespace": NAMESPACE}
        subjects = [{"kind": "ServiceAccount", **metadata}]
        rbac = {"apiVersion": "rbac.authorization.k8s.io/v1"}
        yield {**rbac, "kind": "Role", "metadata": metadata, "rules": rules}
        for role in [("Role", name)] + [("ClusterRole", "edit")] * (name == "editor"):
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role[0], "name": role[1]}
            binding = {"kind": "RoleBinding", "metadata": {**metadata, "name": f"{name}-{role[1]}"}}
            yield {**rbac, **binding, "roleRef": reference, "subjects": subjects}


@pytest.fixture(scope="module")
def warned(plane, api, kustomize):
    """The policies are in force as they are shipped: the authors' one warns, the operator's one denies."""
    everything = [one for one in kustomize("manifests") if one["kind"].startswith(("ClusterRole", "ValidatingAdm"))]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    plane.kubectl("apply", "-f", "-", input=yaml.dump_all([namespace, *rights(), *everything]))
    eventually(lambda: "may not create" in api.create(user("md-only"), model_deployment())[1])
    eventually(lambda: api.create(user("editor"), model_deployment())[0])  # edit is an aggregated role
    eventually(lambda: "modelramp writes" in api.create(OPERATOR, service(labels={}))[1])
    yield api
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        plane.kubectl("delete", kind, "modelramp-authors", "modelramp-operator")
    plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def denied(plane, warned):
    """As with admission.authors=Deny; the ModelDeployment `standing` exists, made by an administrator."""
    parts = {
        "template": pod(serviceAccountName="deployer"),
        "rollout__evaluation": evaluation(),
        "health__prometheus": PRIVATE,
        "health__onBreach": [job_hook(), web_hook(secret="token")],
    }
    plane.kubectl("apply", "-f", "-", input=json.dumps(model_deployment("standing", **parts)))
    change = {"spec": {"validationActions": ["Deny", "Audit"]}}
    binding = ("validatingadmissionpolicybinding", "modelramp-authors")
    plane.kubectl("patch", *binding, "--type=merge", "-p", json.dumps(change))
    eventually(lambda: not warned.create(user("md-only"), model_deployment())[0])
    return warned


def test_the_api_server_finds_no_fault_with_the_types(plane, warned):
    for name in ("modelramp-authors", "modelramp-operator"):
        status = eventually(
            lambda name=name: json.loads(
                plane.kubectl("get", "validatingadmissionpolicy", name, "-o", "jsonpath={.status}") or "{}"
            ),
            lambda found: "typeChecking" in found,
        )
        assert status["typeChecking"] == {}, name


def test_as_shipped_an_author_without_the_rights_is_warned_of_each_of_them(warned):
    parts = {"template": pod(serviceAccountName="deployer"), "health__prometheus": PRIVATE}
    done, said = warned.create(user("md-only"), model_deployment(**parts))
    assert done
    wanted = (
        "create deployments.apps",
        "create httproutes",
        "impersonate the ServiceAccount deployer",
        "get the Secret",
    )
    for right in wanted:
        assert f"{user('md-only')} may not {right}" in said


ADOPTS = {"template": None, "workloadRef": {"name": "legacy"}}
CREATES = {
    "md-only, nothing special": ("md-only", {}, "create deployments.apps in namespace authors"),
    "no right to routes": ("no-routes", {}, "create httproutes.gateway.networking.k8s.io in namespace authors"),
    "no right to Deployments": ("no-pods", {}, "create deployments.apps in namespace authors"),
    "an evaluation": ("plain", {"rollout__evaluation": evaluation()}, "create jobs.batch in namespace authors"),
    "a hook with a Job": ("plain", {"health__onDrift": [job_hook()]}, "create jobs.batch in namespace authors"),
    "the other hooks too": ("plain", {"health__onBreach": [web_hook(), job_hook()]}, "create jobs.batch"),
    "a ServiceAccount": ("jobs", {"template": pod(serviceAccountName="deployer")}, "impersonate the ServiceAccount"),
    "by its old name": (
        "jobs",
        {"template": pod(serviceAccount="deployer")},
        "impersonate the ServiceAccount deployer",
    ),
    "of an evaluation": (
        "jobs",
        {"rollout__evaluation": evaluation(serviceAccountName="deployer")},
        "impersonate the ServiceAccount deployer in namespace authors",
    ),
    "of a hook, old name": (
        "jobs",
        {"health__onBreach": [job_hook(serviceAccount="deployer")]},
        "impersonate the ServiceAccount deployer in namespace authors",
    ),
    "of the second hook": (
        "named",
        {"health__onBreach": [job_hook(serviceAccountName="deployer"), job_hook("b", serviceAccountName="admin")]},
        "impersonate the ServiceAccount admin in namespace authors",
    ),
    "credentials for Prometheus": (
        "jobs",
        {"health__prometheus": PRIVATE},
        "get the Secret token in namespace authors",
    ),
    "credentials for a webhook": ("jobs", {"health__onDrift": [web_hook(secret="token")]}, "get the Secret token"),
    "another Secret": ("named", {"health__onBreach": [web_hook(secret="other")]}, "get the Secret other"),
    "a Deployment of somebody else": ("plain", ADOPTS, "patch the Deployment legacy in namespace authors"),
}


@pytest.mark.parametrize(("who", "parts", "right"), CREATES.values(), ids=CREATES)
def test_an_author_who_may_not_do_it_cannot_have_it_done(denied, who, parts, right):
    done, said = denied.create(user(who), model_deployment(**parts))
    assert not done
    assert f"{user(who)} may not {right}" in said


MOST_ACCOUNTS = {
    "template": pod(serviceAccountName=NAMES[9]),
    "rollout__evaluation": evaluation(serviceAccountName=NAMES[8]),
    "health__onDrift": [job_hook(f"a{i}", serviceAccountName=NAMES[i]) for i in range(MOST_HOOKS)],
    "health__onBreach": [job_hook(f"b{i}", serviceAccountName=NAMES[i + 4]) for i in range(MOST_HOOKS)],
}
MOST_SECRETS = {
    "health__prometheus": {**PRIVATE, "secretRef": {"name": NAMES[0]}},
    "health__onDrift": [web_hook(f"a{i}", NAMES[i + 1]) for i in range(MOST_HOOKS)],
    "health__onBreach": [web_hook(f"b{i}", NAMES[(5, 6, 7, 9)[i]]) for i in range(MOST_HOOKS)],
}
PASSES = {
    "nothing special": ("plain", {}),
    "a Deployment of somebody else": ("editor", ADOPTS),
    "the default account": ("plain", {"template": pod(serviceAccountName="default", serviceAccount="default")}),
    "a Secret that only the pod reads": (
        "plain",
        {"template": pod(volumes=[{"name": "s", "secret": {"secretName": "other"}}])},
    ),
    "a webhook without credentials": ("plain", {"health__onBreach": [web_hook()]}),
    "Jobs": ("jobs", {"rollout__evaluation": evaluation(), "health__onDrift": [job_hook()]}),
    "an empty account in a Job": ("jobs", {"rollout__evaluation": evaluation(serviceAccountName=None)}),
    "names that were granted": (
        "named",
        {"template": pod(serviceAccountName="deployer"), "health__onDrift": [web_hook(secret="token")]},
    ),
    "edit and httproutes": ("editor", {"template": pod(serviceAccountName="deployer"), "health__prometheus": PRIVATE}),
    "as many accounts as a spec can name": ("editor", MOST_ACCOUNTS),
    "as many Secrets as a spec can name": ("editor", MOST_SECRETS),
}


@pytest.mark.parametrize(("who", "parts"), PASSES.values(), ids=PASSES)
def test_an_author_who_may_do_it_is_not_hindered(denied, who, parts):
    done, said = denied.create(user(who), model_deployment(**parts))
    assert done, said
    assert said == ""


@pytest.mark.parametrize(("names", "most"), [("accounts", 1 + 1 + 2 * MOST_HOOKS), ("secrets", 1 + 2 * MOST_HOOKS)])
def test_each_name_that_a_spec_can_hold_has_its_expression(names, most):
    policy, _binding = documents((ROOT / "manifests/admission/authors.yaml").read_text())
    looked_at = [
        one["expression"] for one in policy["spec"]["validations"] if f"variables.{names}[" in one["expression"]
    ]
    assert len(looked_at) == most
    for number, expression in enumerate(looked_at):
        assert f"size(variables.{names}) <= {number} ||" in expression
        assert f".name(variables.{names}[{number}])" in expression


@pytest.mark.parametrize(
    ("parts", "right"), [(MOST_ACCOUNTS, "impersonate the ServiceAccount"), (MOST_SECRETS, "get the Secret")]
)
def test_the_last_of_all_names_is_looked_at_as_the_first(denied, parts, right):
    done, said = denied.create(user("all-but-the-last"), model_deployment(**parts))
    assert not done
    assert f"may not {right} {NAMES[9]} in namespace" in said


HARMLESS = {
    "a label": {"metadata": {"labels": {"team": "a"}}},
    "a person's request": {"metadata": {"annotations": {"modelramp.io/request": "pause/abc/1"}}},
    "replicas": {"spec": {"replicas": 3}},
    "a threshold": {"spec": {"health": {"failureThreshold": 5}}},
    "fewer hooks": {"spec": {"health": {"onBreach": [job_hook()]}}},
    "no hooks, no evaluation": {"spec": {"health": {"onBreach": None}, "rollout": {"evaluation": None}}},
    "the Gateway's steps": {"spec": {"rollout": {"steps": [{"weight": 20}, {"weight": 100}]}}},
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_a_change_that_makes_the_operator_do_nothing_new_needs_no_right(denied, change):
    done, said = denied.patch(user("md-only"), change)
    assert done, said


def test_autoscalers_and_people_scale(denied):
    done, said = denied.patch(user("md-only"), {"spec": {"replicas": 2}}, name="standing/scale")
    assert done, said


IMAGE = {"containers": [{"name": "server", "image": "localplane/httpd:v2"}]}
CHANGES = {
    "another image": ("md-only", {"template": {"spec": IMAGE}}, "create deployments.apps"),
    "another model": ("md-only", {"model": {"uri": "s3://elsewhere/model.pkl"}}, "create deployments.apps"),
    "another model, same account": ("jobs", {"model": {"version": "2"}}, "impersonate the ServiceAccount deployer"),
    "another model is evaluated": ("plain", {"model": {"version": "2"}}, "create jobs.batch"),
    "another host": (
        "no-routes",
        {"routing": {"gateway": {"hostnames": ["pay.example.com"]}}},
        "create httproutes.gateway.networking.k8s.io",
    ),
    "another Gateway": ("no-routes", {"routing": {"gateway": {"parentRefs": [{"name": "b"}]}}}, "create httproutes"),
    "another evaluation": ("plain", {"rollout": {"evaluation": {"backoffLimit": 3}}}, "create jobs.batch"),
    "an account for a hook": (
        "jobs",
        {"health": {"onBreach": [job_hook(serviceAccountName="admin")]}},
        "impersonate the ServiceAccount admin",
    ),
    "a Secret goes elsewhere": (
        "jobs",
        {"health": {"prometheus": {"address": "http://elsewhere:9090"}}},
        "get the Secret token",
    ),
    "a webhook goes elsewhere": (
        "jobs",
        {"health": {"onBreach": [{"name": "c", "webhook": {"url": "https://e.com", "secretRef": {"name": "token"}}}]}},
        "get the Secret token",
    ),
    "another question": ("jobs", {"health": {"checks": [{**CHECK, "query": "secret_metric"}]}}, "get the Secret token"),
    "a policy's questions": ("jobs", {"health": {"policies": [{"name": "p"}]}}, "get the Secret token"),
}


@pytest.mark.parametrize(("who", "spec", "right"), CHANGES.values(), ids=CHANGES)
def test_a_change_needs_the_right_to_what_it_makes_the_operator_do(denied, who, spec, right):
    done, said = denied.patch(user(who), {"spec": spec})
    assert not done
    assert f"may not {right}" in said


@pytest.fixture(scope="module")
def bound(plane, denied, render):
    """Hosts are bound to namespaces, some of them to the authors'; the rest as before."""
    hosts = {"shop": NAMESPACE, "*.wild": NAMESPACE, "eu.pay": NAMESPACE, "pay": "others", "not.shop": "others"}
    escaped = {f"{host}.example.com".replace(".", r"\."): owner for host, owner in hosts.items()}
    objects = render(*(f"hostBindings.{host}={{{owner}}}" for host, owner in escaped.items()), "admission.authors=Deny")
    policy = [one for one in objects if one["metadata"]["name"] == "modelramp-authors"]
    plane.kubectl("apply", "-f", "-", input=yaml.dump_all(policy))
    eventually(lambda: denied.create(user("no-routes"), hosted("shop.example.com"))[0])
    return denied


def hosted(*hosts):
    return model_deployment(routing__gateway__hostnames=list(hosts))


HOSTS = {
    "bound here": (["shop.example.com"], True),
    "below what is bound here": (["a.b.shop.example.com"], True),
    "a wildcard below": (["*.shop.example.com"], True),
    "below a bound wildcard": (["a.wild.example.com", "*.wild.example.com"], True),
    "not below a bound wildcard": (["wild.example.com"], False),
    "the longest counts, here": (["eu.pay.example.com"], True),
    "the longest counts, elsewhere": (["not.shop.example.com"], False),
    "bound elsewhere": (["pay.example.com"], False),
    "bound to nobody": (["digits.example.com"], False),
    "one of two": (["shop.example.com", "digits.example.com"], False),
    "ends in the same letters": (["workshop.example.com"], False),
    "no host": ([], False),
}


@pytest.mark.parametrize(("hosts", "allowed"), HOSTS.values(), ids=HOSTS)
def test_hosts_that_are_bound_to_the_namespace_need_no_right_to_routes(bound, hosts, allowed):
    done, said = bound.create(user("no-routes"), hosted(*hosts))
    assert done is allowed, said
    if not allowed:
        assert "may not create httproutes" in said


def metadata(name="child", *, labels=None, owner="digits", **more):
    reference = {"apiVersion": "modelramp.io/v1alpha1", "kind": "ModelDeployment", "name": owner, "uid": "1-2-3"}
    owners = [{**reference, "controller": True, **more}] if owner else []
    labels = {"modelramp.io/deployment": "digits"} if labels is None else labels
    return {"name": name, "namespace": NAMESPACE, "labels": labels, "ownerReferences": owners}


def service(namespace=NAMESPACE, **options):
    body = {"apiVersion": "v1", "kind": "Service", "metadata": metadata(**options), "spec": {"ports": [{"port": 80}]}}
    return {**body, "metadata": {**body["metadata"], "namespace": namespace}}


NOT_ITS_OWN = {
    "no label": {"labels": {}},
    "no owner": {"owner": None},
    "an owner that does not control it": {"controller": False},
    "a Deployment as owner": {"apiVersion": "apps/v1", "kind": "Deployment"},
    "a group with a similar name": {"apiVersion": "modelramp.io.example.com/v1alpha1"},
    "another owner than the label says": {"owner": "other"},
}


@pytest.mark.parametrize("options", NOT_ITS_OWN.values(), ids=NOT_ITS_OWN)
def test_the_operator_creates_only_what_belongs_to_a_model_deployment(warned, options):
    done, said = warned.create(OPERATOR, service(**options))
    assert not done
    assert "modelramp writes only objects with its label modelramp.io/deployment" in said


def test_the_operator_creates_what_it_is_there_for(warned):
    done, said = warned.create(OPERATOR, service())
    assert done, said


def test_the_operator_writes_nothing_in_the_clusters_own_namespaces(warned):
    done, said = warned.create(OPERATOR, service(namespace="kube-system"))
    assert not done
    assert "modelramp writes nothing in namespace kube-system" in said


KINDS = {
    "Deployment": {
        "apiVersion": "apps/v1",
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {**pod(), "metadata": {"labels": {"a": "b"}}},
        },
    },
    "ControllerRevision": {"apiVersion": "apps/v1", "revision": 1, "data": {"a": 1}},
    "Job": {"apiVersion": "batch/v1", "spec": {"template": pod(restartPolicy="Never")}},
    "HTTPRoute": {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "spec": {"rules": [{"backendRefs": [{"name": "a", "port": 80}]}]},
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_holds_for_every_kind_that_it_makes(warned, kind):
    own = {"kind": kind, "metadata": metadata(), **KINDS[kind]}
    done, said = warned.create(OPERATOR, own)
    assert done, said
    done, said = warned.create(OPERATOR, {**own, "metadata": metadata(labels={})})
    assert not done
    assert "modelramp writes only objects with its label" in said


STANDING = {
    "somebody's": ({"labels": {}, "owner": None}, False),
    "somebody's, controlled": ({"labels": {}, "uid": "7-7-7", "kind": "StatefulSet"}, False),
    "labelled, but controlled by another": ({"uid": "7-7-7", "kind": "StatefulSet"}, False),
    "of an earlier object of that name": ({"uid": "0-0-0"}, False),
    "left behind by --cascade=orphan": ({"owner": None}, True),
    "its own": ({}, True),
    "its own, without the label": ({"labels": {}}, True),
}


@pytest.fixture
def standing(plane):
    """Makes a Service as an administrator; it is gone after the test."""
    names = []

    def make(**options):
        names.append(f"standing-{time.monotonic_ns()}")
        obj = service(name=names[-1], **options)
        # An object whose owner does not exist is collected soon: the finalizer keeps it for the length of the test.
        obj["metadata"]["finalizers"] = ["modelramp.io/test"]
        plane.kubectl("create", "-f", "-", input=json.dumps(obj))
        return names[-1]

    yield make
    for name in names:
        free = ("--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        plane.kubectl("patch", "service", name, "-n", NAMESPACE, *free)
        plane.kubectl("delete", "service", name, "-n", NAMESPACE, "--ignore-not-found", "--wait=false")


@pytest.mark.parametrize(("options", "allowed"), STANDING.values(), ids=STANDING)
def test_the_operator_changes_and_takes_over_only_what_is_its_own_or_orphaned(warned, standing, options, allowed):
    name = standing(**options)
    done, said = warned.patch(OPERATOR, {"metadata": metadata(name=name)}, "Service", name)
    assert done is allowed, said
    if not allowed:
        assert "modelramp takes over only objects with its label" in said


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({"replicas": 0}, True),
        ({"paused": True}, False),
        ({"replicas": 0, "template": {"metadata": {"labels": {"x": "y"}}}}, False),
    ],
    ids=["replicas", "paused", "template"],
)
def test_the_operator_changes_only_the_replicas_of_a_deployment_of_somebody_else(plane, warned, change, allowed):
    name = f"theirs-{time.monotonic_ns()}"
    obj = {"kind": "Deployment", "metadata": {"name": name, "namespace": NAMESPACE}, **KINDS["Deployment"]}
    obj["spec"] = {**obj["spec"], "replicas": 1, "paused": False}
    plane.kubectl("create", "-f", "-", input=json.dumps(obj))
    done, said = warned.patch(OPERATOR, {"spec": change}, "Deployment", name)
    plane.kubectl("delete", "deployment", name, "-n", NAMESPACE, "--wait=false")
    assert done is allowed, said
    if not allowed:
        assert "and spec.replicas of Deployments" in said


@pytest.mark.parametrize("taken", [{"labels": {"modelramp.io/deployment": None}}, {"ownerReferences": None}])
def test_the_operator_cannot_give_away_what_is_its_own(warned, standing, taken):
    name = standing()
    done, said = warned.patch(OPERATOR, {"metadata": taken}, "Service", name)
    assert not done
    assert "modelramp writes only objects with its label" in said


@pytest.mark.parametrize(("options", "allowed"), [({}, True), ({"owner": None}, False), ({"labels": {}}, False)])
def test_the_operator_deletes_only_what_is_its_own(warned, standing, options, allowed):
    done, said = warned.delete(OPERATOR, "Service", standing(**options))
    assert done is allowed, said


def test_people_are_not_bound_by_the_operators_policy(plane, warned):
    plane.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(service(labels={}, owner=None)))
