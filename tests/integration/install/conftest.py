"""What installs modelramp: Helm and kustomize, both run for real."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
KUBERNETES = "1.36.3"


@pytest.fixture(scope="session")
def helm():
    """Run Helm 3, the one on PATH or the one that the local plane builds, and return how it ended."""
    from localplane import binaries

    program = shutil.which("helm") or str(binaries.helm(print))

    def run(*arguments):
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)

    return run


@pytest.fixture(scope="session")
def render(helm):
    """The objects that the chart makes with the given `--set` values, for a release in modelramp-system."""

    def objects(*values, name="modelramp"):
        settings = [word for value in values for word in ("--set", value)]
        command = ["template", name, "charts/modelramp", "-n", "modelramp-system", "--kube-version", KUBERNETES]
        done = helm(*command, *settings)
        assert done.returncode == 0, done.stderr
        return documents(done.stdout)

    return objects


@pytest.fixture(scope="session")
def kustomize(plane):
    """The objects that a kustomization makes."""

    def objects(folder):
        return documents(plane.kubectl("kustomize", str(ROOT / folder)))

    return objects


@pytest.fixture(scope="session")
def installed(plane):
    """modelramp's own namespace and resource exist; the operator itself does not run."""
    plane.kubectl("apply", "-k", str(ROOT / "crds"))
    deadline = time.monotonic() + 30
    while "modeldeployments" not in plane.kubectl("api-resources", "--api-group=modelramp.io", "--cached=false"):
        assert time.monotonic() < deadline, "the API server does not serve the new resource"
        time.sleep(0.2)  # it follows in its own time
    plane.kubectl("apply", "-f", str(ROOT / "manifests/namespace.yaml"))


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]
