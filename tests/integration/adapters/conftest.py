from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from localplane.testing import eventually
from modelramp.adapters.cluster import KubernetesCluster
from modelramp.adapters.telemetry import OperatorTelemetry

CRD = Path(__file__).parents[3] / "crds" / "modelramp.io_modeldeployments.yaml"


@pytest.fixture
def telemetry(tmp_path):
    """The operator's own; its lines go to a file."""
    with (tmp_path / "log").open("w") as stream:
        yield OperatorTelemetry(stream=stream)


@pytest.fixture
async def cluster(plane, telemetry):
    async with await KubernetesCluster.connect(telemetry, kubeconfig=str(plane.kubeconfig)) as connected:
        yield connected


@pytest.fixture
def connected_as(plane, telemetry, tmp_path):
    """Connects with a ServiceAccount's token, as a pod does: `async with connected_as(namespace, name) as cluster`."""

    @asynccontextmanager
    async def connect(namespace, name):
        token = plane.kubectl("create", "token", name, "-n", namespace).strip()
        kubeconfig = tmp_path / name
        kubeconfig.write_text(plane.kubeconfig.read_text())
        kubectl = ("config", f"--kubeconfig={kubeconfig}")
        plane.kubectl(*kubectl, "set-credentials", "pod", f"--token={token}")
        plane.kubectl(*kubectl, "set-context", "--current", "--user=pod")
        async with await KubernetesCluster.connect(telemetry, kubeconfig=str(kubeconfig)) as made:
            yield made

    return connect


@pytest.fixture(scope="session")
def resource(plane):
    """A plane on which ModelDeployments can be made."""
    plane.kubectl("apply", "-f", str(CRD))
    # Not `kubectl wait --for=condition`: it fails on a CRD that is too young to have conditions.
    eventually(lambda: plane.kubectl("get", "modeldeployments", "-A") or True)
    return plane
