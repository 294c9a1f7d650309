"""The commands of the page on backups, as they stand there: a version that failed stays out of the other cluster.

The other cluster is the same one after its models were deleted. Run by `make nightly`.
"""

import os
import re
import subprocess
import time

import httpx
import pytest

from tests.e2e.conftest import HERE, NAMESPACE
from tests.e2e.stories import serving, wait_for_route

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not os.environ.get("MODELRAMP_NIGHTLY"), reason="takes a minute: make nightly"),
]
PAGE = HERE.parents[1] / "docs/how-to/upgrade-backup-restore.md"
CHILDREN = ("controllerrevision", "deployment", "service")


def commands(heading):
    """The last shell block of a section."""
    section = PAGE.read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[-1]


@pytest.fixture
def terminal(operator, tmp_path):
    """A person's shell in a folder of its own, where kubectl means the plane."""
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(f'#!/bin/sh\nexec {" ".join(operator.kubectl_command())} "$@"\n')
    kubectl.chmod(0o755)
    environment = {**os.environ, "PATH": f"{kubectl.parent}:{os.environ['PATH']}"}

    def run(script):
        shell = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_what_was_live_serves_again_and_what_failed_stays_out(operator, terminal):
    rollout = serving(operator, NAMESPACE, "restored")
    rollout.apply("v2")
    rollout.until_step(10)
    assert rollout.ask("abort")[0] == 0
    before = rollout.until_phase("RolledBack")
    terminal(commands("Back up"))
    live = terminal(commands("Which version was live?")).split()
    assert live == [NAMESPACE, "restored", "RolledBack", "v1", before["stable"]["revision"]]
    rollout.delete()
    until(lambda: not any(rollout.children(kind) for kind in CHILDREN))

    terminal(commands("Restore in another cluster"))
    until(lambda: answers(operator, rollout) == "v1")
    wait_for_route(operator, rollout)
    after = rollout.until(lambda status: status.get("observedGeneration") == 1)

    assert (after["phase"], after["failedRevision"]) == ("RolledBack", before["failedRevision"])
    assert [entry["outcome"] for entry in after["history"]] == [entry["outcome"] for entry in before["history"]]
    assert {name for weights in rollout.by_revision[-1:] for name in weights} == {before["stable"]["revision"]}


def until(look, timeout_s=60.0):
    deadline = time.monotonic() + timeout_s
    while not look():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.5)


def answers(plane, rollout):
    """Which version answers at the gateway; empty while none does."""
    found = httpx.get(plane.gateway_url, headers={"Host": rollout.hostname}, timeout=5.0)
    return found.json()["tag"] if found.status_code == 200 else ""
