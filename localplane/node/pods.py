"""One pod on the node, from the moment the scheduler binds it to its deletion."""

import asyncio
import contextlib
import shutil
from typing import Any

from localplane.node.api import ApiError, retried
from localplane.node.containers import DEFAULT_GRACE_S, Container
from localplane.node.context import PodContext, Services
from localplane.node.environment import ConfigError
from localplane.node.events import now
from localplane.node.status import pod_status, readiness
from localplane.node.volumes import Volumes

Object = dict[str, Any]

MOUNT_RETRY_S = 2.0
VOLUME_REFRESH_S = 10.0
# Changes that come together (a container starts, its probe passes) are written together.
GATHER_S = 0.02


class Pod:
    """Runs a pod's containers and keeps its status written."""

    def __init__(self, pod: Object, address: str, services: Services) -> None:
        """Take on a pod that was bound to this node."""
        self._dirty = asyncio.Event()
        self._ending = asyncio.Event()
        self._gone = False
        self._grace_changed = asyncio.Event()
        self._context = PodContext(pod, address, services, self._dirty.set)
        self._volumes = Volumes(
            self._context.folder / "volumes", pod, address, self._context.source, self._context.token
        )
        spec = pod["spec"]
        self._init = [Container(self._context, one, self._volumes, init=True) for one in spec.get("initContainers", [])]
        self._main = [Container(self._context, one, self._volumes) for one in spec["containers"]]
        self._start = now()
        self._written: Object = {}
        self.update(pod)

    def update(self, pod: Object) -> None:
        """Take note of a newer version of the pod: deleted, given less time to end, or called unready by others.

        The node controller does the last when the node was silent for long.
        """
        self._context.pod = pod
        if self._written and readiness(pod["status"]) != readiness(self._written):
            self._written = {}
            self._dirty.set()
        if pod["metadata"].get("deletionTimestamp"):
            self._ending.set()
            self._grace_changed.set()

    def vanish(self) -> None:
        """Take note that the pod was removed by force: end at once and write nothing more."""
        self._gone = True
        self._ending.set()
        self._grace_changed.set()

    def container(self, name: str) -> Container | None:
        """Return the container of that name."""
        return next((one for one in [*self._init, *self._main] if one.spec["name"] == name), None)

    async def run(self) -> None:
        """Live the pod's life; returns once it is gone from the API server and from this machine."""
        self._context.folder.mkdir(parents=True, exist_ok=True)
        self._dirty.set()
        tasks = [asyncio.create_task(one()) for one in (self._live, self._keep_status, self._refresh_volumes)]
        for task in tasks:
            task.add_done_callback(self._complain)
        try:
            await self._ending.wait()
            await self._stop_containers()
            if not self._gone:
                await self._write_status()
            if not self._gone:
                await self._delete()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for part in ("volumes", "launch"):
                # Logs stay until the plane goes down: the pods one wants to read about are the ones that ended.
                shutil.rmtree(self._context.folder / part, ignore_errors=True)
            self._context.services.events.forget(self._context.pod)

    def _complain(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            print(f"{self._context.path}: {error!r}", flush=True)

    async def _live(self) -> None:
        await self._mount()
        for container in self._init:
            if await container.run() != 0 or self._ending.is_set():
                return
        await asyncio.gather(*(container.run() for container in self._main))

    async def _mount(self) -> None:
        while True:
            try:
                return await self._volumes.write(self._context.pod)
            except (ConfigError, ApiError) as error:
                self._context.tell("FailedMount", f"MountVolume.SetUp failed: {error}", warning=True)
                await asyncio.sleep(MOUNT_RETRY_S)

    async def _refresh_volumes(self) -> None:
        while True:
            await asyncio.sleep(VOLUME_REFRESH_S)
            with contextlib.suppress(ConfigError, ApiError):
                # A source that was deleted while the pod runs stays as it was last seen, as on a real node.
                await self._volumes.write(self._context.pod)

    async def _stop_containers(self) -> None:
        """End every container; a second deletion with less grace shortens the wait."""
        while True:
            self._grace_changed.clear()
            meta = self._context.pod["metadata"]
            grace_s = 0 if self._gone else meta.get("deletionGracePeriodSeconds", DEFAULT_GRACE_S)
            stopping = asyncio.create_task(self._stop_all(float(grace_s)))
            shorter = asyncio.create_task(self._grace_changed.wait())
            await asyncio.wait([stopping, shorter], return_when=asyncio.FIRST_COMPLETED)
            shorter.cancel()
            if stopping.done():
                return
            stopping.cancel()

    async def _stop_all(self, grace_s: float) -> None:
        await asyncio.gather(*(container.stop(grace_s) for container in (*self._init, *self._main)))

    async def _keep_status(self) -> None:
        while True:
            await self._dirty.wait()
            await asyncio.sleep(GATHER_S)
            self._dirty.clear()
            await self._write_status()

    async def _write_status(self) -> None:
        init, main = ([one.state for one in group] for group in (self._init, self._main))
        status = pod_status(self._context.pod, self._context.address, init, main, now(), self._start)
        if status == self._written or self._gone:
            return
        body = {"metadata": {"uid": self._context.pod["metadata"]["uid"]}, "status": status}
        path = f"{self._context.path}/status"
        try:
            answer = await retried(f"status of {path}", lambda: self._context.services.api.patch(path, body))
        except ApiError as error:
            # 409: the uid differs, so this pod is gone and another bears its name. Anything else is our mistake.
            answer = None if error.code == 409 else {"status": self._context.pod.get("status", {})}
            print(f"{path}: {error}", flush=True)
        if answer is None:
            self.vanish()
            return
        self._written = status
        self._context.pod["status"] = answer["status"]

    async def _delete(self) -> None:
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._context.pod["metadata"]["uid"]}}
        api, path = self._context.services.api, self._context.path
        with contextlib.suppress(ApiError):
            # A conflict says that another pod of that name is there already.
            await retried(f"delete {path}", lambda: api.delete(path, options))


def finished(pod: Object) -> bool:
    """Whether a pod has ended for good, so that a restarted node must not run it again."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
