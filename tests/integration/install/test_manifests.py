import pytest
import yaml

from modelramp.api.kinds import EVENT, MODEL_DEPLOYMENT, POD
from modelramp.desired.kinds import owned, watched
from modelramp.desired.routers.gateway_api import GATEWAY

OPERATOR = "system:serviceaccount:modelramp-system:modelramp"


def only(objects, kind, name="modelramp"):
    (found,) = [obj for obj in objects if obj["kind"] == kind and obj["metadata"]["name"] == name]
    return found


def test_the_api_server_takes_the_whole_installation(plane, installed):
    said = plane.kubectl("apply", "--dry-run=server", "-k", "manifests")
    assert "deployment.apps/modelramp" in said
    assert "clusterrole.rbac.authorization.k8s.io/modelramp" in said


def test_the_pod_is_one_that_the_restricted_standard_admits(plane, installed, kustomize):
    deployment = only(kustomize("manifests"), "Deployment")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "restricted", "namespace": "modelramp-system"},
        "spec": {**deployment["spec"]["template"]["spec"], "serviceAccountName": "default"},
    }
    assert "pod/restricted created" in plane.kubectl("apply", "--dry-run=server", "-f", "-", input=yaml.dump(pod))


def test_the_namespaced_overlay_needs_no_cluster_right(plane, installed, kustomize):
    objects = kustomize("manifests/overlays/namespaced")
    kinds = {"ServiceAccount", "Role", "RoleBinding", "Deployment", "PodDisruptionBudget", "Service", "NetworkPolicy"}
    assert {obj["kind"] for obj in objects} == kinds
    assert all(obj["metadata"]["namespace"] == "modelramp-system" for obj in objects)
    assert only(objects, "Role")["rules"] == only(kustomize("manifests"), "ClusterRole")["rules"]
    plane.kubectl("apply", "--dry-run=server", "-k", "manifests/overlays/namespaced")


def test_the_namespaced_operator_works_in_its_own_namespace(kustomize):
    (container,) = only(kustomize("manifests/overlays/namespaced"), "Deployment")["spec"]["template"]["spec"][
        "containers"
    ]
    (scope,) = [variable for variable in container["env"] if variable["name"] == "MODELRAMP_NAMESPACES"]
    assert scope == {"name": "MODELRAMP_NAMESPACES", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}


ALLOWED = [
    *((verb, kind) for kind in watched() for verb in ("list", "watch")),
    *((verb, kind) for kind in owned() for verb in ("get", "create", "patch", "delete")),
    ("get", MODEL_DEPLOYMENT),
    ("get", GATEWAY),
    ("list", POD),
    ("list", EVENT),
]


def may(plane, verb, resource, *, subresource="", user=OPERATOR, namespace="default"):
    arguments = ["auth", "can-i", verb, resource, f"--as={user}", "-n", namespace, "-q"]
    if subresource:
        arguments.append(f"--subresource={subresource}")
    from localplane.errors import KubectlError

    try:
        plane.kubectl(*arguments)
    except KubectlError:
        return False
    return True


@pytest.fixture(scope="module")
def granted(plane, installed, kustomize):
    """The shipped rights are in force; the operator does not run."""
    objects = [obj for obj in kustomize("manifests") if obj["kind"].startswith(("Cluster", "ServiceAccount", "Role"))]
    plane.kubectl("apply", "-f", "-", input=yaml.dump_all(objects))


def test_the_operator_may_do_all_that_the_engine_does(plane, granted):
    refused = [
        f"{verb} {kind.plural}"
        for verb, kind in ALLOWED
        if not may(plane, verb, f"{kind.plural}.{kind.api_version.rpartition('/')[0]}".rstrip("."))
    ]
    assert refused == []
    assert may(plane, "update", MODEL_DEPLOYMENT.plural, subresource="status")
    assert may(plane, "create", "events.events.k8s.io")
    for verb, name in (("create", ""), ("get", "/modelramp"), ("patch", "/modelramp")):
        assert may(plane, verb, f"leases.coordination.k8s.io{name}", namespace="modelramp-system")


FORBIDDEN = [
    ("update", "modeldeployments", ""),
    ("patch", "modeldeployments", "status"),
    ("get", "healthpolicies", ""),
    ("delete", "modeldeployments", ""),
    ("create", "pods", ""),
    ("delete", "pods", ""),
    ("get", "pods", "log"),
    ("create", "pods", "exec"),
    ("get", "secrets", ""),
    ("list", "secrets", ""),
    ("update", "configmaps", ""),
    ("patch", "gateways.gateway.networking.k8s.io", ""),
    ("list", "gateways.gateway.networking.k8s.io", ""),
    ("get", "pods", ""),
    ("get", "namespaces", ""),
    ("patch", "namespaces", ""),
    ("delete", "namespaces", ""),
    ("get", "leases.coordination.k8s.io", ""),
    ("patch", "leases.coordination.k8s.io/other", ""),
    ("delete", "leases.coordination.k8s.io/modelramp", ""),
    ("impersonate", "users", ""),
    ("create", "rolebindings.rbac.authorization.k8s.io", ""),
    ("escalate", "roles.rbac.authorization.k8s.io", ""),
]


@pytest.mark.parametrize(("verb", "resource", "subresource"), FORBIDDEN, ids=lambda word: word or "-")
def test_the_operator_may_do_no_more(plane, granted, verb, resource, subresource):
    assert not may(plane, verb, resource, subresource=subresource)


def test_view_and_edit_reach_model_deployments(plane, granted, namespace):
    for role in ("view", "edit"):
        plane.kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}er", "-n", namespace)
    for role, verb, allowed in [
        ("viewer", "list", True),
        ("viewer", "patch", False),
        ("editer", "patch", True),
        ("editer", "delete", True),
    ]:
        found = eventually(plane, verb, role, namespace, allowed=allowed)
        assert found is allowed, (role, verb)
    assert not may(plane, "patch", "modeldeployments", subresource="status", user="editer", namespace=namespace)


def eventually(plane, verb, user, namespace, *, allowed):
    """What is allowed once the aggregation controller has followed: it runs beside us, so it is given ten seconds."""
    import time

    deadline = time.monotonic() + 10
    while (found := may(plane, verb, "modeldeployments", user=user, namespace=namespace)) is not allowed:
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return found
