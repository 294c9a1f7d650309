"""kubectl, for everything that is applied, waited for and taken away."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from examples.demo.errors import DemoError

CALL_SECONDS = 60.0
"""For one command without waiting."""
WAIT_MARGIN_SECONDS = 15.0
NEWBORN_ATTEMPTS, NEWBORN_SECONDS = 40, 0.25
_NEWBORN = "accessor error"
"""What `kubectl wait` says of an object that is so new that nobody has written its conditions yet."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A kubectl that knows its cluster.

    command: the words that begin each command, such as kubectl --context staging.
    """

    command: tuple[str, ...]

    def __call__(self, *arguments: str, given: str | None = None, seconds: float = CALL_SECONDS) -> str:
        """Run a command and return what it printed; raises DemoError when it fails or takes too long."""
        done = self.run(*arguments, given=given, seconds=seconds)
        if done.returncode:
            raise DemoError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def run(
        self, *arguments: str, given: str | None = None, seconds: float = CALL_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and return how it ended; raises DemoError when there is no kubectl, or no end."""
        try:
            return subprocess.run(  # noqa: S603 - the words are the demo's own
                [*self.command, *arguments], input=given, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise DemoError(f"kubectl {' '.join(arguments)}: no end after {seconds:.0f} s") from error
        except OSError as error:
            raise DemoError(f"{self.command[0]} cannot be started: {error}; install kubectl") from error

    def apply(self, documents: Sequence[Any]) -> None:
        """Apply objects server-side; raises DemoError with what the API server said."""
        self("apply", "--server-side", "--field-manager=modelramp-demo", "-f", "-", given=yaml.safe_dump_all(documents))

    def wait(self, what: str, condition: str, *, seconds: int, namespace: str | None = None) -> None:
        """Wait for a condition; raises DemoError when it does not come true in time."""
        where = [f"--namespace={namespace}"] if namespace else []
        command = ("wait", *where, what, f"--for={condition}", f"--timeout={seconds}s")
        for _ in range(NEWBORN_ATTEMPTS):
            done = self.run(*command, seconds=seconds + WAIT_MARGIN_SECONDS)
            if _NEWBORN not in done.stderr:
                break
            time.sleep(NEWBORN_SECONDS)
        if done.returncode:
            raise DemoError(f"kubectl {' '.join(command)}: {done.stderr.strip()}")

    def exists(self, *words: str) -> bool:
        """Whether an object is there; raises DemoError when the cluster does not say."""
        done = self.run("get", *words, "--ignore-not-found", "-o", "name")
        if done.returncode and "doesn't have a resource type" not in done.stderr:
            raise DemoError(f"kubectl get {' '.join(words)}: {done.stderr.strip()}")
        return bool(done.stdout.strip())
