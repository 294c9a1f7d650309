"""API servers of older Kubernetes versions, each alone with its etcd: enough to ask what they accept.

The oldest one by default; MODELRAMP_KUBERNETES=all, or minor versions with commas between them, for the others.
"""

import os
import socket
import subprocess
import time

import httpx
import pytest
import yaml

from localplane import binaries
from localplane.plane import say
from tests.integration.install.conftest import ROOT

TOKEN = "administrator"
READY_TIMEOUT_S = 90.0
RESOURCES = {
    "ModelDeployment": "namespaces/default/modeldeployments",
    "HealthPolicy": "namespaces/default/healthpolicies",
    "ClusterHealthPolicy": "clusterhealthpolicies",
}
CHOSEN = os.environ.get("MODELRAMP_KUBERNETES", binaries.apiservers()[0])
VERSIONS = binaries.apiservers() if CHOSEN == "all" else tuple(CHOSEN.split(","))


class Cluster:
    """One API server and what people would ask it."""

    def __init__(self, url):
        self.http = httpx.Client(base_url=url, verify=False, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)  # noqa: S501 - a certificate made at its start

    def create(self, path, text, **params):
        """The answer to an object as YAML."""
        return self.http.post(path, content=text, params=params, headers={"Content-Type": "application/yaml"})

    def try_out(self, text):
        """The answer to an object of ours that is not to be stored; unknown fields are errors, as for kubectl."""
        resource = RESOURCES[yaml.safe_load(text)["kind"]]
        return self.create(f"/apis/modelramp.io/v1alpha1/{resource}", text, dryRun="All", fieldValidation="Strict")

    def ready(self):
        """Whether it serves."""
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def eventually(condition, timeout=READY_TIMEOUT_S):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.2)


@pytest.fixture(scope="session", params=VERSIONS)
def cluster(request, tmp_path_factory):
    """An API server of that version on which our definitions and their admission policies are installed."""
    folder = tmp_path_factory.mktemp(f"kubernetes-{request.param}")
    server, plane = binaries.apiserver(request.param, say), binaries.find_or_build(say)
    api, client, peer = (f"127.0.0.1:{port}" for port in free_ports(3))
    key = folder / "service-account.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    (folder / "tokens.csv").write_text(f"{TOKEN},admin,1,system:masters\n")
    etcd = [
        *(str(plane.controlplane), "etcd", "--unsafe-no-fsync", "--log-level=warn", f"--data-dir={folder / 'etcd'}"),
        *(f"--listen-client-urls=http://{client}", f"--advertise-client-urls=http://{client}"),
        *(f"--listen-peer-urls=http://{peer}", f"--initial-advertise-peer-urls=http://{peer}"),
        f"--initial-cluster=default=http://{peer}",
    ]
    apiserver = [
        *(str(server), f"--etcd-servers=http://{client}", "--bind-address=127.0.0.1"),
        *(f"--secure-port={api.rpartition(':')[2]}", f"--cert-dir={folder / 'certificates'}"),
        *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}"),
        *(f"--service-account-signing-key-file={key}", f"--token-auth-file={folder / 'tokens.csv'}"),
        *("--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16"),
        "--disable-admission-plugins=ServiceAccount",
    ]
    with (folder / "log").open("w") as log:
        processes = [subprocess.Popen(command, stdout=log, stderr=log) for command in (etcd, apiserver)]
    try:
        found = Cluster(f"https://{api}")
        eventually(found.ready)
        install(found)
        yield found
    finally:
        for process in reversed(processes):
            process.kill()  # an API server that is asked to end waits for its etcd, at the end of a long run too long
        for process in processes:
            process.wait(timeout=30)


def install(cluster):
    """What `kubectl apply -k crds` makes."""
    kinds = {
        "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        **{
            kind: f"/apis/admissionregistration.k8s.io/v1/{kind.lower().removesuffix('y')}{plural}"
            for kind, plural in (("ValidatingAdmissionPolicy", "ies"), ("ValidatingAdmissionPolicyBinding", "s"))
        },
    }
    names = yaml.safe_load((ROOT / "crds/kustomization.yaml").read_text())["resources"]
    for name in names:
        for one in yaml.safe_load_all((ROOT / "crds" / name).read_text()):
            answer = cluster.create(kinds[one["kind"]], yaml.safe_dump(one))
            assert answer.status_code == 201, answer.json()["message"][:2000]
    without_limit = (ROOT / "tests/refused/check-without-limit.yaml").read_text()
    of_policy = (ROOT / "tests/refused/policies/check-without-limit.yaml").read_text()
    for text in (without_limit, of_policy):
        eventually(lambda text=text: cluster.try_out(text).status_code == 422)
