"""The shipped operator as a pod of the local plane, and stories that run side by side."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localplane.testing import eventually, make_namespace, plane, pytest_runtest_makereport
from tests.e2e import quiet_failures  # registers its stories
from tests.e2e.rollout import Rollout, end_watches
from tests.e2e.stories import STORIES

__all__ = ["plane", "pytest_runtest_makereport", "quiet_failures"]

HERE = Path(__file__).parent
NAMESPACE = "e2e"
AT_ONCE = 6


@pytest.fixture(scope="session")
def operator(plane):
    """The operator with the shipped manifests and RBAC, ready."""
    install(plane)
    make_namespace(plane, NAMESPACE)
    yield plane
    end_watches(plane.kubeconfig)


@pytest.fixture(scope="module")
def shared_folder():
    """A folder that containers see, too; /tmp is private to each of them."""
    with tempfile.TemporaryDirectory(prefix="modelramp-", dir="/var/tmp") as folder:
        yield Path(folder)


def install(plane):
    """Install the definitions and the shipped manifests and wait until the operator is ready."""
    plane.kubectl("apply", "-k", str(HERE.parents[1] / "crds"))
    eventually(lambda: plane.kubectl("get", "modeldeployments", "--all-namespaces", "-o", "name") is not None)
    plane.kubectl("apply", "-k", str(HERE / "operator"))
    plane.kubectl("rollout", "status", "deployment/modelramp", "-n", "modelramp-system", "--timeout=60s")
    eventually(lambda: leader(plane), timeout_s=30)


def leader(plane):
    """Name of the pod that holds the operator's Lease; "" while none does."""
    holder = ["get", "lease", "modelramp", "-n", "modelramp-system", "-o", "jsonpath={.spec.holderIdentity}"]
    return plane.kubectl(*holder, "--ignore-not-found").rpartition("_")[0]


@pytest.fixture(scope="session")
def stories(operator):
    """All stories, six at a time; a test waits for its own. They share the plane and nothing else."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        yield {name: pool.submit(story, operator, NAMESPACE) for name, story in STORIES.items()}


@pytest.fixture
def rollout(operator, request):
    """A ModelDeployment of the test's own, deleted at the end."""
    made = []

    def make(name, **options):
        made.append(Rollout(operator, NAMESPACE, name, **options))
        return made[-1]

    yield make
    for each in made:
        each.delete("--ignore-not-found", "--wait=false")


def operator_pod(plane):
    """Name of the operator's pod."""
    selector = "app.kubernetes.io/component=operator"
    return plane.kubectl("get", "pods", "-n", "modelramp-system", "-l", selector, "-o", "name").strip()


def kill_operator(plane):
    """SIGKILL: no grace, no goodbye. The Deployment makes a new pod."""
    plane.kubectl("delete", operator_pod(plane), "-n", "modelramp-system", "--grace-period=0", "--force")


def wait_until(look, timeout_s=30.0):
    """Return when `look()` is true; fail otherwise."""
    deadline = time.monotonic() + timeout_s
    while not look():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.2)
