"""One container of a pod: started, probed, restarted with back-off, ended."""

import asyncio
import contextlib
import hashlib
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from localplane.node import probes
from localplane.node.backoff import Backoff
from localplane.node.context import PodContext
from localplane.node.environment import ConfigError, expand, standard, variables
from localplane.node.events import now
from localplane.node.execution import Execution, StartFailure, end_group
from localplane.node.images import Image, find_image
from localplane.node.status import ContainerState
from localplane.node.volumes import Volumes

Object = dict[str, Any]

PULL_RETRY_S = 5.0
CONFIG_RETRY_S = 2.0
DEFAULT_GRACE_S = 30


class Container:
    """Keeps `state` true while `run` goes on."""

    def __init__(self, context: PodContext, spec: Object, volumes: Volumes, *, init: bool = False) -> None:
        """Prepare a container; nothing runs before `run`.

        init: it runs to success once, whatever a pod's policy of Always says.
        """
        self.spec = spec
        self.state = ContainerState(spec["name"], spec["image"], restarts=_restarts_before(context.pod, spec["name"]))
        self._context = context
        policy = context.pod["spec"].get("restartPolicy", "Always")
        self._policy = "OnFailure" if init and policy == "Always" else policy
        self._execution = Execution(context, spec, volumes)
        self._backoff = Backoff()
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    async def run(self) -> int:
        """Run until the restart policy says that it is over; returns the last exit code."""
        try:
            while True:
                image = await self._pull()
                await self._configure(image)
                started = time.monotonic()
                code = await self._once(image)
                if self._stopping or not _again(self._policy, code):
                    return code
                await self._back_off(time.monotonic() - started)
        finally:
            if self._process is not None and self._process.returncode is None:
                end_group(self._process.pid)

    async def stop(self, grace_s: float) -> None:
        """End the process: the preStop hook, SIGTERM, and when the grace is over SIGKILL."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._before_stop()
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
                await process.wait()
                return
        end_group(process.pid)
        await process.wait()

    def log(self, *, previous: bool = False) -> Path:
        """The log file of the present run, or of the one before."""
        return self._execution.log(self.state.restarts - (1 if previous else 0))

    def _show(self, state: Object) -> None:
        self.state.state = state
        self._context.changed()

    async def _pull(self) -> Image:
        name, reason = self.spec["image"], "ErrImagePull"
        while True:
            image = find_image(name, self._context.services.catalogues)
            if image is not None:
                self.state.image_id = "catalogue://" + hashlib.sha256(repr(image).encode()).hexdigest()
                return image
            message = f'failed to pull image "{name}": no entry of the image catalogue matches it'
            if reason == "ImagePullBackOff":
                message = f'Back-off pulling image "{name}": no entry of the image catalogue matches it'
            self._context.tell("Failed", message, warning=True)
            self._show({"waiting": {"reason": reason, "message": message}})
            await asyncio.sleep(1.0 if reason == "ErrImagePull" else PULL_RETRY_S)
            reason = "ImagePullBackOff"

    async def _configure(self, image: Image) -> None:
        context = self._context
        while True:
            try:
                own = await variables(context.pod, self.spec, context.address, context.source)
                break
            except (ConfigError, UnicodeDecodeError) as error:
                self._context.tell("Failed", f"Error: {error}", warning=True)
                self._show({"waiting": {"reason": "CreateContainerConfigError", "message": str(error)}})
                await asyncio.sleep(CONFIG_RETRY_S)
        basis = standard(context.pod, context.address, str(Path(sys.executable).parent))
        self._execution.environment = basis | image.environment | own
        self._execution.workdir = self.spec.get("workingDir") or image.workdir

    async def _once(self, image: Image) -> int:
        known = self._execution.environment
        command = [expand(word, known) for word in image.command(self.spec)]
        run = self.state.restarts
        log = self._execution.log(run)
        log.parent.mkdir(parents=True, exist_ok=True)
        self._execution.folder.mkdir(parents=True, exist_ok=True)
        self._execution.last_words.write_bytes(b"")
        # The pid alone repeats from run to run; the API knows a run by its containerID.
        self.state.identity = f"process://{self._context.pod['metadata']['uid']}-{self.spec['name']}-{run}"
        began = now()
        try:
            with log.open("wb") as output:
                self._process = await self._execution.start(command, output, "main")
        except StartFailure as failure:
            self._context.tell("Failed", f"Error: {failure}", warning=True)
            return self._ended(128, "StartError", str(failure), began)
        code = await self._attend(self._process, began)
        message = self._execution.message(run, failed=code != 0)
        return self._ended(code, "Completed" if code == 0 else "Error", message, began)

    async def _attend(self, process: asyncio.subprocess.Process, began: str) -> int:
        """Probe a running process until it ends; returns its exit code as a shell gives it."""
        self.state.started = "startupProbe" not in self.spec
        self.state.passing = "readinessProbe" not in self.spec
        self._show({"running": {"startedAt": began}})
        self._context.tell("Started", f"Started container {self.spec['name']}")
        watching = asyncio.create_task(self._watch())
        try:
            status = await process.wait()
        finally:
            watching.cancel()
            end_group(process.pid)
        return status if status >= 0 else 128 - status

    def _ended(self, code: int, reason: str, message: str, began: str) -> int:
        self.state.started = self.state.passing = False
        times = {"startedAt": began, "finishedAt": now()}
        ended = {"exitCode": code, "reason": reason, "message": message, "containerID": self.state.identity}
        self._show({"terminated": ended | times})
        return code

    async def _back_off(self, ran_s: float) -> None:
        delay_s = self._backoff.delay_s(ran_s)
        self.state.previous = self.state.state
        if delay_s > 0:
            meta = self._context.pod["metadata"]
            message = f"back-off {delay_s:g}s restarting failed container={self.spec['name']} pod={meta['name']}"
            self._context.tell("BackOff", message, warning=True)
            self._show({"waiting": {"reason": "CrashLoopBackOff", "message": message}})
        await asyncio.sleep(delay_s)
        self.state.restarts += 1

    async def _watch(self) -> None:
        """Ask the probes: startup first, then the other two side by side."""
        if "startupProbe" in self.spec:
            passed = asyncio.Event()
            asking = asyncio.create_task(self._probe("startupProbe", lambda ok, m: self._on_startup(passed, m, ok=ok)))
            try:
                await passed.wait()
            finally:
                asking.cancel()
        hearing: dict[str, probes.Heard] = {"readinessProbe": self._on_readiness, "livenessProbe": self._on_liveness}
        asks = [self._probe(kind, heard) for kind, heard in hearing.items() if kind in self.spec]
        if asks:
            await asyncio.gather(*asks)

    def _probe(self, kind: str, heard: probes.Heard) -> Coroutine[Any, Any, None]:
        return probes.watch(self.spec[kind], self.spec, self._context.address, self._execution.run, heard)

    def _on_startup(self, passed: asyncio.Event, message: str, *, ok: bool) -> None:
        if ok:
            self.state.started = True
            passed.set()
            self._context.changed()
        else:
            self._kill("startup", message)

    def _on_readiness(self, passed: bool, message: str) -> None:
        self.state.passing = passed
        if not passed:
            self._context.tell("Unhealthy", f"Readiness probe failed: {message}", warning=True)
        self._context.changed()

    def _on_liveness(self, passed: bool, message: str) -> None:
        if not passed and not self._stopping:
            self._kill("liveness", message)

    def _kill(self, kind: str, message: str) -> None:
        self._context.tell("Unhealthy", f"{kind.capitalize()} probe failed: {message}", warning=True)
        self._context.tell("Killing", f"Container {self.spec['name']} failed {kind} probe, will be restarted")
        process = self._process
        if process is None or process.returncode is not None:
            return
        grace_s = self._context.pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_S)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(grace_s, _kill_if_alive, process)

    async def _before_stop(self) -> None:
        hook = self.spec.get("lifecycle", {}).get("preStop")
        if hook is None:
            return
        if "sleep" in hook:
            await asyncio.sleep(hook["sleep"]["seconds"])
            return
        passed, message = await probes.ask_once(hook, self.spec, self._context.address, self._execution.run)
        if not passed:
            self._context.tell("FailedPreStopHook", message, warning=True)


def _again(policy: str, code: int) -> bool:
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def _kill_if_alive(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        end_group(process.pid)


def _restarts_before(pod: Object, name: str) -> int:
    """A container whose pod ran here before this node was restarted goes on counting."""
    statuses = pod.get("status", {})
    for one in [*statuses.get("containerStatuses", []), *statuses.get("initContainerStatuses", [])]:
        if one["name"] == name and one.get("containerID"):
            return int(one["restartCount"]) + 1
    return 0
