"""The image, built and run without a registry: by buildah, on a base that stands in for python:slim.

Slow (a minute, and it downloads), so it only runs when MODELRAMP_TEST_IMAGE_BASE names a base image that buildah knows.
docs/how-to/install.md says how to make one.
"""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.integration.install.conftest import ROOT

BASE = os.environ.get("MODELRAMP_TEST_IMAGE_BASE")
IMAGE = "localhost/modelramp-operator:test"
LOCK = ROOT / "operator/requirements.lock"


def locked():
    lines = [line for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_fits_the_projects_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in project["dependencies"]:
        requirement = Requirement(text)
        assert canonical(requirement.name) in locked(), text
        assert requirement.specifier.contains(locked()[canonical(requirement.name)]), text


def test_the_build_sees_only_what_the_image_is_made_of():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sources = {source.split("/")[0] for line in copied for source in line.split()}
    assert sources == allowed


def test_the_image_runs_as_nobody_and_pins_its_base_by_argument():
    text = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE}", "${BASE}"]
    assert "\nUSER 65532:65532\n" in text
    assert text.rstrip().endswith('ENTRYPOINT ["python", "-m", "modelramp"]')


@pytest.fixture(scope="module")
def buildah():
    if not BASE:
        pytest.skip("MODELRAMP_TEST_IMAGE_BASE is not set")
    assert shutil.which("buildah"), "the package buildah is not installed"
    environment = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}

    def run(*arguments, check=True):
        done = subprocess.run(
            ["buildah", *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == 0 or not check, done.stderr[-3000:]
        return done

    return run


@pytest.fixture(scope="module")
def container(buildah):
    pip = [f"--volume={path}:{path}:ro" for path in ("/etc/pip.conf", "/etc/ssl/certs") if Path(path).exists()]
    buildah("bud", *pip, f"--build-arg=BASE={BASE}", "-t", IMAGE, ".")
    name = buildah("from", IMAGE).stdout.strip()
    yield name
    buildah("rm", name)
    buildah("rmi", IMAGE)


@pytest.mark.timeout(900)
def test_the_operator_starts_in_the_image_as_nobody_and_says_what_is_missing(buildah, container):
    user = buildah("run", container, "--", "python", "-c", "import os; print(os.getuid(), os.getgid())")
    assert user.stdout.split() == ["65532", "65532"]
    probe = "import modelramp.operator, modelramp.settings, pathlib, sys; print(sys.prefix)"
    assert buildah("run", container, "--", "python", "-c", probe).stdout.strip() == "/opt/modelramp"
    started = buildah("run", container, "--", "python", "-m", "modelramp", check=False)
    assert started.returncode != 0
    assert "no way to log in to a cluster" in started.stdout + started.stderr


@pytest.mark.timeout(900)
def test_the_operator_writes_no_file(buildah, container):
    buildah("run", container, "--", "python", "-c", "import modelramp.operator")
    writable = "import os; print([p for p in ('/', '/opt/modelramp', '/usr', '/etc') if os.access(p, os.W_OK)])"
    assert buildah("run", container, "--", "python", "-c", writable).stdout.strip() == "[]"
