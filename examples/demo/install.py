"""What the demo puts into a cluster, and takes away again: the CRD, the operator, a namespace, a key, a version."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import yaml

from examples.demo.cast import Cast
from examples.demo.errors import DemoError
from examples.demo.kubectl import Kubectl

REPOSITORY = Path(__file__).parent.parent.parent
OPERATOR_NAMESPACE = "modelramp-system"
ACCOUNT = f"system:serviceaccount:{OPERATOR_NAMESPACE}:modelramp"
OURS = {"app.kubernetes.io/part-of": "modelramp-demo"}
"""Label of the namespaces that the demo made; it never removes one without it."""
CRD = "crd/modeldeployments.modelramp.io"
OPERATOR_SECONDS = 90
READY_SECONDS = 150
REMOVAL_SECONDS = 90
LOG_LINES = 12


def operator_objects(kubectl: Kubectl, prometheus: str) -> list[Any]:
    """The shipped manifests, with the address of Prometheus: nothing else is changed."""
    documents = list(yaml.safe_load_all(kubectl("kustomize", str(REPOSITORY / "manifests"))))
    return for_the_demo(documents, prometheus)


def for_the_demo(documents: list[Any], prometheus: str) -> list[Any]:
    """Set the address of Prometheus in the operator's environment, and mark the namespace as the demo's."""
    found = False
    for document in documents:
        if document["kind"] == "Namespace":
            document["metadata"].setdefault("labels", {}).update(OURS)
        if document["kind"] != "Deployment":
            continue
        for entry in document["spec"]["template"]["spec"]["containers"][0]["env"]:
            if entry["name"] == "MODELRAMP_PROMETHEUS_ADDRESS":
                entry["value"] = prometheus
                found = True
    if not found:
        raise DemoError("manifests/: no Deployment with MODELRAMP_PROMETHEUS_ADDRESS in its environment")
    return documents


def install_operator(kubectl: Kubectl, prometheus: str) -> None:
    """Install CRD and operator and wait until it is ready; raises DemoError with what stands in its way."""
    documents = operator_objects(kubectl, prometheus)
    first = [one for one in documents if one["kind"] in ("CustomResourceDefinition", "Namespace")]
    kubectl.apply(first)
    kubectl.wait(CRD, "condition=Established", seconds=30)
    kubectl.apply([one for one in documents if one not in first])
    try:
        deployment = "deployment/modelramp"
        kubectl.wait(deployment, "condition=Available", seconds=OPERATOR_SECONDS, namespace=OPERATOR_NAMESPACE)
    except DemoError as error:
        raise DemoError(f"the operator does not become ready: {error}\n{operator_state(kubectl)}") from error


def enforced_rights(kubectl: Kubectl) -> str:
    """Say as whom the operator works; raises DemoError when it is not its own account or may do what it must not."""
    asked = ("get", "pods", "--namespace", OPERATOR_NAMESPACE, "-o", "jsonpath={.items[*].spec.serviceAccountName}")
    accounts = set(kubectl(*asked).split())
    may = {
        verb: kubectl.run("auth", "can-i", *verb.split(), f"--as={ACCOUNT}", "--all-namespaces").stdout.strip()
        for verb in ("list modeldeployments.modelramp.io", "patch modeldeployments.modelramp.io", "list secrets")
    }
    if accounts != {"modelramp"} or list(may.values()) != ["yes", "no", "no"]:
        raise DemoError(f"the operator's rights are not the shipped ones: accounts {sorted(accounts)}, {may}")
    return "as its own ServiceAccount, which may write neither to a spec nor read a Secret"


def open_stage(kubectl: Kubectl, cast: Cast) -> None:
    """Make the namespace and the key that all model pods share."""
    kubectl.apply(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cast.namespace, "labels": OURS}},
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "digits-feedback", "namespace": cast.namespace},
                "stringData": {"key": secrets.token_hex(32)},
            },
        ]
    )


def put_on(kubectl: Kubectl, cast: Cast, act: int) -> None:
    """Apply the manifest of a version, exactly as it lies in the repository."""
    kubectl("apply", "--server-side", "--field-manager=modelramp-demo", "-f", str(cast.files[act]))


def await_first(kubectl: Kubectl, cast: Cast) -> None:
    """Wait until the first version serves; raises DemoError with what the object and its pods say."""
    try:
        kubectl.wait(f"mdep/{cast.name}", "condition=Ready", seconds=READY_SECONDS, namespace=cast.namespace)
    except DemoError as error:
        raise DemoError(f"{cast.versions[0]} does not become ready: {error}\n{state(kubectl, cast)}") from error


def state(kubectl: Kubectl, cast: Cast) -> str:
    """What a person would look at first, as kubectl prints it."""
    shown = kubectl.run("get", "mdep,pods,httproutes", "--namespace", cast.namespace, "-o", "wide")
    return f"{shown.stdout}{shown.stderr}{operator_state(kubectl)}"


def operator_state(kubectl: Kubectl) -> str:
    """The operator's pods and the end of its log, as kubectl prints them."""
    pods = kubectl.run("get", "pods", "--namespace", OPERATOR_NAMESPACE, "-o", "wide")
    logs = kubectl.run("logs", "deployment/modelramp", "--namespace", OPERATOR_NAMESPACE, f"--tail={LOG_LINES}")
    return f"{pods.stdout}{pods.stderr}{logs.stdout}{logs.stderr}".strip()


def refuse_strangers(kubectl: Kubectl, cast: Cast) -> None:
    """Raise DemoError when the cluster has a namespace or an operator of that name which the demo did not make."""
    spaces = {name: _labels(kubectl, name) for name in (cast.namespace, OPERATOR_NAMESPACE)}
    for name, labels in spaces.items():
        if labels is not None and not OURS.items() <= labels.items():
            raise DemoError(f"namespace {name} exists and is not the demo's: use a cluster without it, or delete it")
    if kubectl.exists(CRD) and spaces[OPERATOR_NAMESPACE] is None:
        raise DemoError(f"the cluster has {CRD} already, of another installation of modelramp: use another cluster")


def clear_stage(kubectl: Kubectl, cast: Cast) -> None:
    """Take away everything that the demo made; the ModelDeployment first, while its operator is there."""
    gone = ("--ignore-not-found", f"--timeout={REMOVAL_SECONDS}s")
    seconds = REMOVAL_SECONDS + 15
    if kubectl.exists(CRD):
        kubectl("delete", "mdep", "--all", "--namespace", cast.namespace, *gone, seconds=seconds)
    kubectl("delete", "namespace", cast.namespace, *gone, seconds=seconds)
    documents = kubectl("kustomize", str(REPOSITORY / "manifests"))
    kubectl("delete", *gone, "-f", "-", given=documents, seconds=seconds)


def _labels(kubectl: Kubectl, namespace: str) -> dict[str, str] | None:
    """The labels of a namespace; None when there is no such namespace."""
    found = kubectl("get", "namespace", namespace, "--ignore-not-found", "-o", "json")
    return dict(json.loads(found)["metadata"].get("labels") or {}) if found.strip() else None
