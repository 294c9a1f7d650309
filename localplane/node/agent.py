"""The node itself: registered, kept alive by its Lease, and given the pods that are bound to it."""

import asyncio
import ipaddress
from collections.abc import Iterator
from typing import Any

from localplane import addresses as at
from localplane.binaries import KUBERNETES_VERSION
from localplane.configs import NODE_NAME
from localplane.node.api import ApiError, ApiSilentError, retried
from localplane.node.containers import Container
from localplane.node.context import Services
from localplane.node.events import now
from localplane.node.pods import Pod, finished

Object = dict[str, Any]

LEASE_INTERVAL_S = 10
WATCH_RETRY_S = 0.5
STOP_GRACE_S = 2.0
NODE_PATH = f"/api/v1/nodes/{NODE_NAME}"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
# Generous, because nothing is limited: a pod's requests are for the cluster it is meant for, not for this machine.
CAPACITY = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "256Gi", "pods": "1000"}


def pod_addresses() -> Iterator[str]:
    """Yield pod addresses for ever, in turn, so that one given back is not used again soon."""
    network = ipaddress.IPv4Network(at.POD_NETWORK)
    # The first 256 belong to the plane's components.
    first, last = int(network.network_address) + 256, int(network.broadcast_address)
    while True:
        yield from (str(ipaddress.IPv4Address(number)) for number in range(first + 1, last))


class Agent:
    """Runs every pod that is bound to the node."""

    def __init__(self, services: Services) -> None:
        """Prepare; `run` does the work."""
        self._services = services
        self._api = services.api
        self._pods: dict[str, tuple[Pod, asyncio.Task[None]]] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._in_use: set[str] = set()
        self._reserved: set[str] = set()
        self._addresses = pod_addresses()
        self._started = now()

    async def run(self) -> None:
        """Register, then renew the Lease, report the node and follow the pods until cancelled."""
        await self._register()
        await asyncio.gather(self._renew(), self._follow())

    async def stop(self) -> None:
        """End every pod's processes, politely but soon; the API server is not told."""
        for pod, _ in self._pods.values():
            pod.vanish()
        if self._pods:
            await asyncio.wait([task for _, task in self._pods.values()], timeout=STOP_GRACE_S)

    def find(self, namespace: str, pod: str, container: str) -> Container | None:
        """Return a container by its names."""
        entry = self._pods.get(self._names.get((namespace, pod), ""))
        return entry[0].container(container) if entry else None

    async def _register(self) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": NODE_NAME,
                "labels": {"kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": "linux"},
            },
        }
        try:
            await retried("register the node", lambda: self._create_node(body))
        except ApiError as error:
            if error.code != 409:
                raise
        await self._report()

    async def _report(self) -> None:
        status = _node_status(self._started)
        await retried("report the node", lambda: self._api.patch(f"{NODE_PATH}/status", {"status": status}))

    async def _create_node(self, body: Object) -> Object:
        try:
            return await self._api.create("/api/v1/nodes", body)
        except ApiError as error:
            if error.code == 409:
                return {}
            raise

    async def _renew(self) -> None:
        spec = {"holderIdentity": NODE_NAME, "leaseDurationSeconds": 4 * LEASE_INTERVAL_S}
        lease = {"metadata": {"name": NODE_NAME}, "spec": spec}
        while True:
            spec["renewTime"] = now("%Y-%m-%dT%H:%M:%S.%fZ")
            if (
                await retried("renew the lease", lambda: self._api.patch(f"{LEASES}/{NODE_NAME}", {"spec": spec}))
                is None
            ):
                await retried("make the lease", lambda: self._api.create(LEASES, lease))
            # The node controller calls a silent node Unknown and taints it; only the node itself can say Ready again.
            await self._report()
            await asyncio.sleep(LEASE_INTERVAL_S)

    async def _follow(self) -> None:
        """List and watch, again and again: a watch may end at any time, and what it missed is in the next list."""
        ours = {"fieldSelector": f"spec.nodeName={NODE_NAME}"}
        while True:
            try:
                listed = await self._api.get("/api/v1/pods", **ours)
                self._reconcile(listed["items"])
                version = listed["metadata"]["resourceVersion"]
                async for event in self._api.watch("/api/v1/pods", version, **ours):
                    self._hear(event)
            except (ApiError, ApiSilentError) as error:
                print(f"watching pods: {error}; listing again", flush=True)
            await asyncio.sleep(WATCH_RETRY_S)

    def _reconcile(self, listed: list[Object]) -> None:
        present = {pod["metadata"]["uid"] for pod in listed}
        # After a restart: what running pods already have is given to nobody else.
        self._reserved = {address for pod in listed if (address := pod.get("status", {}).get("podIP"))}
        for pod in listed:
            self._take(pod)
        for uid in set(self._pods) - present:
            self._pods[uid][0].vanish()

    def _hear(self, event: Object) -> None:
        pod = event["object"]
        match event["type"]:
            case "ADDED" | "MODIFIED":
                self._take(pod)
            case "DELETED" if pod["metadata"]["uid"] in self._pods:
                self._pods[pod["metadata"]["uid"]][0].vanish()

    def _take(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self._pods:
            self._pods[uid][0].update(pod)
            return
        if finished(pod) and not pod["metadata"].get("deletionTimestamp"):
            return
        address = pod.get("status", {}).get("podIP") or self._free_address()
        self._in_use.add(address)
        taken = Pod(pod, address, self._services)
        task = asyncio.create_task(taken.run())
        self._pods[uid] = (taken, task)
        self._names[(pod["metadata"]["namespace"], pod["metadata"]["name"])] = uid
        task.add_done_callback(lambda done: self._forget(uid, address, done))

    def _free_address(self) -> str:
        return next(one for one in self._addresses if one not in self._in_use | self._reserved)

    def _forget(self, uid: str, address: str, done: asyncio.Task[None]) -> None:
        del self._pods[uid]
        self._in_use.discard(address)
        self._names = {name: held for name, held in self._names.items() if held != uid}
        if not done.cancelled() and (error := done.exception()):
            print(f"pod {uid}: {error!r}", flush=True)


def _node_status(since: str) -> Object:
    quiet = {"status": "False", "lastHeartbeatTime": now(), "lastTransitionTime": since}
    pressures = [
        {"type": kind, "reason": "NothingIsLimited", "message": "the process node limits nothing", **quiet}
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")
    ]
    ready = {**quiet, "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "runs pods as processes"}
    return {
        "capacity": CAPACITY,
        "allocatable": CAPACITY,
        "addresses": [
            {"type": "InternalIP", "address": at.NODE_HOST},
            {"type": "Hostname", "address": NODE_NAME},
        ],
        "conditions": [*pressures, ready],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": at.NODE_PORT}},
        "nodeInfo": {
            **dict.fromkeys(("bootID", "machineID", "systemUUID", "kernelVersion", "osImage"), "process-node"),
            "architecture": "amd64",
            "operatingSystem": "linux",
            "containerRuntimeVersion": "process://1",
            "kubeletVersion": f"v{KUBERNETES_VERSION}",
            "kubeProxyVersion": "",
        },
    }
