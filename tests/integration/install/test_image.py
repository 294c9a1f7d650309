"""The image, built and run without a registry: by buildah, on a base that stands in for python:slim.

The base is made by mmdebstrap, once: buildah keeps it. MODELRAMP_TEST_IMAGE_BASE names another one that buildah knows.
Both programs are Debian packages of their names; .ci/run installs them.
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

BASE = "localhost/python-base:bookworm"
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
IMAGE = "localhost/modelramp-operator:test"
LOCK = ROOT / "operator/requirements.lock"
BUILD_LOCK = ROOT / "operator/build-requirements.lock"
PINNED = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)(?P<hashes>( --hash=sha256:[0-9a-f]{64})+)")


def entries(lock):
    """The lock's lines as pip reads them."""
    text = re.sub(r"(?m)^#.*\n", "", lock.read_text())
    return [" ".join(line.split()) for line in text.replace("\\\n", "").splitlines()]


def locked(lock=LOCK):
    return {found["name"]: found["version"] for found in map(PINNED.fullmatch, entries(lock)) if found}


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_fits_the_projects_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in project["dependencies"]:
        requirement = Requirement(text)
        assert canonical(requirement.name) in locked(), text
        assert requirement.specifier.contains(locked()[canonical(requirement.name)]), text


@pytest.mark.parametrize("lock", [LOCK, BUILD_LOCK], ids=lambda lock: lock.name)
def test_every_line_of_a_lock_is_a_version_with_its_hashes(lock):
    # No options, no addresses, no markers: what is installed is the same everywhere, wherever it comes from.
    assert [line for line in entries(lock) if not PINNED.fullmatch(line)] == []
    assert len(locked(lock)) == len(entries(lock))


def test_the_build_backend_is_pinned_with_all_that_it_needs():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    for requirement in map(Requirement, wanted):
        assert str(requirement.specifier) == f"=={locked(BUILD_LOCK)[canonical(requirement.name)]}"


def test_the_image_fetches_nothing_that_has_no_hash():
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    calls = re.findall(r"-m pip --python \S+ (?:install|wheel)[^&\n]*", text)
    assert len(calls) == text.count("-m pip") == 4
    for call in calls:
        assert "--require-hashes" in call or ("--no-index" in call and "--no-deps" in call), call


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
    if missing := [program for program in ("buildah", "mmdebstrap") if shutil.which(program) is None]:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian packages of that name)")
    environment = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}

    def run(*arguments, check=True):
        done = subprocess.run(
            ["buildah", *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == 0 or not check, done.stderr[-3000:]
        return done

    return run


@pytest.fixture(scope="module")
def base(buildah, tmp_path_factory):
    """The name of an image with Python, as docs/how-to/install.md makes it."""
    if named := os.environ.get("MODELRAMP_TEST_IMAGE_BASE"):
        return named
    if not buildah("images", "--quiet", BASE, check=False).stdout.strip():
        archive = tmp_path_factory.mktemp("base") / "base.tar"
        made = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(archive)]
        done = subprocess.run(made, capture_output=True, text=True, check=False, timeout=900)
        assert done.returncode == 0, done.stderr[-3000:]
        scratch = buildah("from", "scratch").stdout.strip()
        buildah("add", "--quiet", scratch, str(archive), "/")
        buildah("commit", "--quiet", "--rm", scratch, BASE)
        archive.unlink()
    return BASE


@pytest.fixture(scope="module")
def container(buildah, base):
    pip = [f"--volume={path}:{path}:ro" for path in ("/etc/pip.conf", "/etc/ssl/certs") if Path(path).exists()]
    buildah("bud", *pip, f"--build-arg=BASE={base}", "-t", IMAGE, ".")
    name = buildah("from", IMAGE).stdout.strip()
    yield name
    buildah("rm", name)
    buildah("rmi", IMAGE)


@pytest.mark.timeout(1800)
def test_the_operator_starts_in_the_image_as_nobody_and_says_what_is_missing(buildah, container):
    user = buildah("run", container, "--", "python", "-c", "import os; print(os.getuid(), os.getgid())")
    assert user.stdout.split() == ["65532", "65532"]
    probe = "import modelramp.operator, modelramp.settings, pathlib, sys; print(sys.prefix)"
    assert buildah("run", container, "--", "python", "-c", probe).stdout.strip() == "/opt/modelramp"
    started = buildah("run", container, "--", "python", "-m", "modelramp", check=False)
    assert started.returncode != 0
    assert "no way to log in to a cluster" in started.stdout + started.stderr


@pytest.mark.timeout(1800)
def test_the_operator_writes_no_file(buildah, container):
    buildah("run", container, "--", "python", "-c", "import modelramp.operator")
    writable = "import os; print([p for p in ('/', '/opt/modelramp', '/usr', '/etc') if os.access(p, os.W_OK)])"
    assert buildah("run", container, "--", "python", "-c", writable).stdout.strip() == "[]"
