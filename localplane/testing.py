"""pytest fixtures for tests that need a real control plane. A conftest.py imports what it wants from here.

One plane serves all tests of a run; it ends with the run, however that ends. To save its start while working on
tests, let them use one that is up already: MODELRAMP_PLANE=<name> pytest tests/integration
"""

import atexit
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

from localplane.errors import KubectlError
from localplane.plane import Plane

SCRAPE_INTERVAL_S = 1.0
POLL_S = 0.3
LOG_TAIL = 40

T = TypeVar("T")

__all__ = ["eventually", "make_namespace", "namespace", "plane", "pytest_runtest_makereport"]


@cache
def shared_plane() -> Plane:
    """Return the one plane of this test run, starting it on first use."""
    name = os.environ.get("MODELRAMP_PLANE")
    if name:
        return Plane.attach(name)
    folder = Path(tempfile.mkdtemp(prefix="modelramp-plane-"))
    started = Plane.start(f"test-{os.getpid()}", folder, scrape_interval=SCRAPE_INTERVAL_S, tied=True)
    atexit.register(started.stop)
    return started


@pytest.fixture(scope="session")
def plane() -> Plane:
    """A running plane, shared by all tests: each keeps to its own namespace."""
    return shared_plane()


def make_namespace(plane: Plane, name: str) -> None:
    """Make a namespace, ready for pods."""
    plane.kubectl("create", "namespace", name)
    # The ServiceAccount controller makes it; before that no pod is admitted.
    plane.kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={name}", "--timeout=30s")


@pytest.fixture
def namespace(plane: Plane, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace, ready for pods; deleted at the end without waiting for it."""
    slug = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:30].strip("-")
    name = f"{slug}-{secrets.token_hex(3)}"
    make_namespace(plane, name)
    yield name
    plane.kubectl("delete", "namespace", name, "--wait=false")


def eventually(look: Callable[[], T], wished: Callable[[T], bool] = bool, timeout_s: float = 30.0) -> T:
    """Return what `look` finds once it is as wished; fail with what was found last when the time is over.

    A KubectlError counts as not found yet.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            result = look()
            if wished(result):
                return result
            found: object = result
        except KubectlError as error:
            found = error
        if time.monotonic() > deadline:
            pytest.fail(f"not as wished after {timeout_s:g} s; last found: {found}")
        time.sleep(POLL_S)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failed test what the pods in its namespace wrote."""
    report = yield
    name = getattr(item, "funcargs", {}).get("namespace")
    if report.when == "call" and report.failed and isinstance(name, str):
        for key, path in shared_plane().pod_logs().items():
            if key.startswith(f"{name}/"):
                tail = path.read_text(errors="replace").splitlines()[-LOG_TAIL:]
                report.sections.append((f"log of {key}", "\n".join(tail)))
    return report
