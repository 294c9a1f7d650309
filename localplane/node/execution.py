"""Starting a process in a container's view of the files, and ending it."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import IO, Any

from localplane.node import launch
from localplane.node.context import PodContext
from localplane.node.volumes import Volumes

Object = dict[str, Any]

DEFAULT_LAST_WORDS = "/dev/termination-log"
# kubelet's limits: bytes of the message file; bytes and lines of the log where that takes its place.
LAST_WORDS_BYTES = 4096
LOG_END_BYTES, LOG_END_LINES = 2048, 80


class StartFailure(Exception):
    """The container's command cannot be run: kubelet's StartError."""


class Execution:
    """What every process of one container has in common: its mounts, environment and folder."""

    def __init__(self, context: PodContext, container: Object, volumes: Volumes) -> None:
        """Prepare; the container's folder is made by the first `start`."""
        self._context = context
        self._container = container
        self._volumes = volumes
        self.environment: dict[str, str] = {}
        self.workdir = "/"

    @property
    def folder(self) -> Path:
        """Where plans and the last words are kept."""
        return self._context.folder / "launch" / str(self._container["name"])

    @property
    def last_words(self) -> Path:
        """The file behind `terminationMessagePath`."""
        return self.folder / "last-words"

    def log(self, run: int) -> Path:
        """The log of the container's n-th run, counting from 0."""
        return self._context.folder / "logs" / str(self._container["name"]) / f"{run}.log"

    async def start(self, command: list[str], output: IO[bytes] | int, plan_name: str) -> asyncio.subprocess.Process:
        """Start a command in the container's view of the files and return once it runs.

        output: a file, or PIPE for the caller to read. Raises StartFailure when there is no such command or folder.
        """
        root = self.folder / f"{plan_name}-root"
        root.mkdir(parents=True, exist_ok=True)
        self.last_words.touch()
        steps = launch.plan(
            root, self._mounts(), list(self._context.services.keep), command, self.environment, self.workdir
        )
        plan = self.folder / f"{plan_name}.json"
        plan.write_text(json.dumps(steps))
        told, telling = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "localplane.node.launch", str(plan), str(telling)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(telling,),
            )
        finally:
            os.close(telling)
        problem = await _read_all(told)
        if problem:
            await process.wait()
            raise StartFailure(problem)
        return process

    async def run(self, command: list[str]) -> tuple[int, str]:
        """Run a command in the container to its end, as an exec probe or a hook does."""
        name = f"exec-{os.urandom(4).hex()}"
        process = None
        try:
            process = await self.start(command, asyncio.subprocess.PIPE, name)
            output, _ = await process.communicate()
            return process.returncode or 0, output.decode(errors="replace")
        except StartFailure as failure:
            return 126, str(failure)
        finally:
            if process is not None and process.returncode is None:
                end_group(process.pid)
            (self.folder / f"{name}.json").unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                (self.folder / f"{name}-root").rmdir()

    def message(self, run: int, *, failed: bool) -> str:
        """Return a container's last words, or, where its spec asks for that and it failed, the end of its log."""
        words = self.last_words.read_bytes()[:LAST_WORDS_BYTES].decode(errors="replace")
        if words or not failed or self._container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return words
        end = self.log(run).read_bytes()[-LOG_END_BYTES:].decode(errors="replace")
        return "\n".join(end.splitlines()[-LOG_END_LINES:])

    def _mounts(self) -> list[tuple[Path, str, bool]]:
        """Return (source, target, read-only), parents before what lies in them."""
        emptied = {v["name"] for v in self._context.pod["spec"].get("volumes", []) if "emptyDir" in v}
        found = []
        for entry in self._container.get("volumeMounts", []):
            source = self._volumes.path(entry["name"]) / entry.get("subPath", "")
            if entry["name"] in emptied:
                source.mkdir(parents=True, exist_ok=True)
            readonly = bool(entry.get("readOnly")) or entry["name"] not in emptied
            found.append((source, str(entry["mountPath"]), readonly))
        found.append((self.last_words, self._container.get("terminationMessagePath", DEFAULT_LAST_WORDS), False))
        return sorted(found, key=lambda one: one[1].count("/"))


async def _read_all(descriptor: int) -> str:
    reader = asyncio.StreamReader()
    pipe = os.fdopen(descriptor, "rb")
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        return (await reader.read()).decode(errors="replace")
    finally:
        transport.close()


def end_group(pid: int) -> None:
    """Kill whatever is left of the session that a container's process began."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
