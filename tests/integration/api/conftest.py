from pathlib import Path

import pytest

from localplane.errors import KubectlError
from localplane.testing import eventually

CRDS = Path(__file__).parents[3] / "crds"
REFUSED = Path(__file__).parents[2] / "refused"


@pytest.fixture(scope="session")
def resource(plane):
    """A plane on which the resources exist, installed as people do it: plain `kubectl apply`."""
    plane.kubectl("apply", "-k", str(CRDS))
    for kind in ("modeldeployments", "healthpolicies", "clusterhealthpolicies"):
        eventually(lambda kind=kind: plane.kubectl("get", kind, "--all-namespaces", "-o", "name") is not None)
    eventually(lambda: _refused(plane, REFUSED / "check-without-limit.yaml"))
    eventually(lambda: _refused(plane, REFUSED / "policies" / "check-without-limit.yaml"))
    return plane


def _refused(plane, path):
    """Whether a new admission policy counts; the API server takes a moment to see it."""
    try:
        plane.kubectl("apply", "--dry-run=server", "-f", str(path))
    except KubectlError:
        return True
    return False


@pytest.fixture
def refusal(resource):
    """What `kubectl apply` says when it refuses a file (or the text of one), in one line; None when it accepts it."""

    def apply(*args, **kwargs):
        try:
            resource.kubectl("apply", "--dry-run=server", "-f", *args, **kwargs)
        except KubectlError as error:
            return " ".join(error.stderr.split())
        return None

    return apply
