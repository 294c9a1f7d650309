"""Pods, as far as the operator can see them: Deployments become available, EndpointSlices follow, models crash."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION
from modelramp.api.times import to_text
from tests.sim.apiserver import Change, matches
from tests.sim.streams import Key, Streams, key_of

if TYPE_CHECKING:
    from tests.sim.world import World

ACTOR = "kube-controller-manager"
GPU = "nvidia.com/gpu"
_PENDING = float("inf")
"""When a pod is ready that has no node."""


@dataclass(frozen=True, slots=True)
class Pods:
    """How the pods of one model version behave.

    start: seconds until a pod is available, at least and at most; None: never. crash_after: seconds after the version's
    first pod became available at which all its pods become unavailable for good.
    """

    start: tuple[float, float] | None = (2.0, 12.0)
    crash_after: float | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """A version's pods went with their nodes.

    at: when. placed: when new ones have a node. back: when those are available. Wall time. fault: instead, they were
    evicted for their own use of memory.
    """

    at: float
    placed: float
    back: float
    fault: bool = False


class Kubelet:
    """Deployment controller, scheduler, kubelet and EndpointSlice controller in one.

    room: pods that the nodes can run, or GPUs where pods ask for some; None for all. The others wait for a node.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._api = world.api
        first = random.Random(world.random.random())  # noqa: S311 - a simulation, not a secret
        self._streams = Streams(f"{world.seed} kubelet", first)
        self._pods: dict[str, list[float]] = {}
        self._first: dict[tuple[str, str], float] = {}
        self._losses: dict[str, list[Loss]] = {}
        self.room: int | None = None
        self._waited: dict[str, float] = {}
        world.api.listeners.append(self._changed)

    def drain(self, version: str, *, waits: float = 5.0, starts: float = 25.0, fault: bool = False) -> None:
        """All pods of a version are evicted; new ones wait for a node, then start. See Loss."""
        now = self._world.now()
        for deployment in self._api.all("Deployment"):
            namespace, name, uid = (deployment["metadata"][part] for part in ("namespace", "name", "uid"))
            if not _image(deployment).endswith(f":{version}"):
                continue
            key, back = key_of(deployment), now + waits + starts
            self._losses.setdefault(uid, []).append(Loss(now, now + waits, back, fault))
            self._pods[uid] = [back] * len(self._pods.get(uid, ()))
            again = partial(self._again, namespace, name, key)
            again()
            self._world.later(waits + starts + 0.01, again)

    def resize(self, room: int) -> None:
        """Nodes come or go: with less room some pods end, the newest first, and others wait in their place."""
        self.room = room
        running = [pods for pods in self._pods.values() if any(at < _PENDING for at in pods)]
        while self._placed() > room and running:
            pods = max(running, key=lambda pods: max(at for at in pods if at < _PENDING))
            pods[pods.index(max(at for at in pods if at < _PENDING))] = _PENDING
            pods.sort()
            running = [pods for pods in running if any(at < _PENDING for at in pods)]
        self._look_at_all()

    def _look_at_all(self) -> None:
        for deployment in list(self._api.all("Deployment")):
            metadata = deployment["metadata"]
            self._again(metadata["namespace"], metadata["name"], key_of(deployment))

    def _placed(self) -> int:
        """Pods that have a node; what belongs to a deleted Deployment has none."""
        living = {deployment["metadata"]["uid"]: gpus_of(deployment) or 1 for deployment in self._api.all("Deployment")}
        return sum(living[uid] for uid, pods in self._pods.items() if uid in living for at in pods if at < _PENDING)

    def _again(self, namespace: str, name: str, key: Key) -> None:
        self._run_pods(namespace, name)
        self._endpoints(key)

    def lost(self, namespace: str, revision: str, since: float) -> bool:
        """Whether pods of a revision were missing at some time since then by no fault of their own."""
        return any(
            self._waited.get(deployment["metadata"]["uid"], -_PENDING) >= since
            for deployment in self._api.all("Deployment", namespace)
            if deployment["metadata"]["labels"].get(LABEL_REVISION) == revision
        ) or any(
            loss.back >= since and not loss.fault
            for deployment in self._api.all("Deployment", namespace)
            if deployment["metadata"]["labels"].get(LABEL_REVISION) == revision
            for loss in self._losses.get(deployment["metadata"]["uid"], ())
        )

    def pods(self, namespace: str | None, selector: str) -> list[dict[str, Any]]:
        """The pods that a list of them finds: those of each Deployment, as its controller would name them."""
        return [
            pod
            for deployment in self._api.all("Deployment", namespace)
            if matches(selector, deployment["spec"]["template"]["metadata"]["labels"])
            for pod in self._pods_of(deployment)
        ]

    def _pods_of(self, deployment: dict[str, Any]) -> Iterator[dict[str, Any]]:
        metadata, now = deployment["metadata"], self._world.now()
        crash, first = self._of(deployment).crash_after, self._first.get((metadata["namespace"], metadata["name"]), now)
        loss = next(reversed(self._losses.get(metadata["uid"], [])), None)
        for number, ready in enumerate(self._pods.get(metadata["uid"], ())[: deployment["spec"]["replicas"]]):
            pod = Pod(f"{metadata['name']}-{number}", metadata["namespace"], deployment["spec"]["template"]["metadata"])
            if ready == _PENDING and self.room is not None:
                yield pod.unscheduled(now - 1)
            elif crash is not None and now >= first + crash:
                yield pod.crashing(first + crash)
            elif loss is not None and loss.at <= ready and now < loss.placed:
                yield pod.unscheduled(loss.at)
            else:
                made = loss.at if loss is not None and loss.at <= ready else first - 1
                yield pod.started(made, ready, now)
            if loss is not None and loss.fault and loss.at <= ready:
                yield pod.evicted_for_memory(loss.at)

    def _changed(self, change: Change) -> None:
        if change.kind not in {"Deployment", "Service", "EndpointSlice"}:
            return
        namespace, name = change.obj["metadata"].get("namespace", ""), change.obj["metadata"]["name"]
        key = key_of(change.obj)
        if change.kind == "Deployment" and change.actor != ACTOR:
            self._soon(change.obj, 0.05, 0.4, lambda: self._run_pods(namespace, name))
            self._soon(change.obj, 0.3, 1.5, lambda: self._endpoints(key))
        if change.kind == "Service" or (change.kind == "EndpointSlice" and change.type == "DELETED"):
            self._soon(change.obj, 0.1, 1.0, lambda: self._endpoints(key))

    def _soon(self, obj: dict[str, Any], least: float, most: float, action: Callable[[], None]) -> None:
        self._world.later(self._streams.of_object(obj).uniform(least, most), action)

    def _run_pods(self, namespace: str, name: str) -> None:
        deployment = self._api.find("Deployment", namespace, name)
        if deployment is None:
            return
        uid, wanted = deployment["metadata"]["uid"], deployment["spec"]["replicas"]
        pods = self._pods.setdefault(uid, [])
        freed = len(pods) > wanted and self.room is not None
        del pods[wanted:]
        if self.room is not None:
            pods[:] = [at for at in pods if at < _PENDING]
        while len(pods) < wanted:
            full = self.room is not None and self._placed() + (gpus_of(deployment) or 1) > self.room
            pods.append(_PENDING if full else self._start_of_pod(deployment, namespace, name))
        if self.room is not None and any(at > self._world.now() for at in pods):
            self._waited[uid] = max(pods)
        available = self._available(deployment)
        status = {"observedGeneration": deployment["metadata"]["generation"], "replicas": wanted}
        if available:
            status |= {"availableReplicas": available, "readyReplicas": available}
        status["conditions"] = [self._enough(deployment, available >= wanted - wanted // 4)]
        self._api.update_status({**_named(deployment), "status": status}, ACTOR)
        if freed:
            self._world.later(1.0, self._look_at_all)

    def _start_of_pod(self, deployment: dict[str, Any], namespace: str, name: str) -> float:
        behaviour = self._of(deployment)
        if behaviour.start is None:
            return float("inf")
        key = key_of(deployment)
        delay = self._streams.of_object(deployment).uniform(*behaviour.start)
        again = partial(self._again, namespace, name, key)
        self._world.later(delay + 0.01, again)
        at = self._world.now() + delay
        if (namespace, name) not in self._first:
            self._first[namespace, name] = at
            if behaviour.crash_after is not None:
                self._world.later(delay + behaviour.crash_after + 0.02, again)
        elif self._world.now() > self._first[namespace, name]:  # somebody took the Deployment or its pods away
            now = self._world.now()
            self._losses.setdefault(deployment["metadata"]["uid"], []).append(Loss(now, now, at))
        return at

    def _enough(self, deployment: dict[str, Any], enough: bool) -> dict[str, Any]:
        before = next(iter(deployment.get("status", {}).get("conditions", ())), {})
        found = {"type": "Available", "status": str(enough), "reason": "x", "message": "x"}
        same = before.get("status") == found["status"]
        return found | {"lastTransitionTime": before["lastTransitionTime"] if same else _text(self._world.now())}

    def _available(self, deployment: dict[str, Any]) -> int:
        now = self._world.now()
        name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
        crash = self._of(deployment).crash_after
        if crash is not None and now >= self._first.get(name, now) + crash:
            return 0
        pods = self._pods.get(deployment["metadata"]["uid"], [])
        return sum(at <= now for at in pods[: deployment["spec"]["replicas"]])

    def _of(self, deployment: dict[str, Any]) -> Pods:
        image = _image(deployment)
        member = self._world.members.get(key_of(deployment))
        return member.pods.get(image.rpartition(":")[2], Pods()) if member else Pods()

    def _endpoints(self, key: Key) -> None:
        namespace, name = key
        ours = f"{LABEL_DEPLOYMENT}={name}" if name else ""
        for service in list(self._api.all("Service", namespace, ours)):
            if "selector" not in service["spec"]:
                continue  # its endpoints are somebody else's
            selector = ",".join(f"{key}={value}" for key, value in service["spec"]["selector"].items())
            ready = sum(
                self._available(deployment)
                for deployment in self._api.all("Deployment", namespace)
                if matches(selector, deployment["spec"]["template"]["metadata"]["labels"])
            )
            self._write_slice(service, ready)

    def _write_slice(self, service: dict[str, Any], ready: int) -> None:
        namespace, name = service["metadata"]["namespace"], f"{service['metadata']['name']}-eps"
        current = self._api.find("EndpointSlice", namespace, name)
        endpoints = [{"addresses": [f"10.1.0.{index}"], "conditions": {"ready": True}} for index in range(1, ready + 1)]
        if current is None:
            reference = {"kind": "Service", "name": service["metadata"]["name"], "uid": service["metadata"]["uid"]}
            labels = {
                **service["metadata"].get("labels", {}),
                "kubernetes.io/service-name": service["metadata"]["name"],
            }
            metadata = {"namespace": namespace, "name": name, "labels": labels, "ownerReferences": [reference]}
            self._api.create({"kind": "EndpointSlice", "metadata": metadata, "endpoints": endpoints}, ACTOR)
        else:
            self._api.update({**current, "endpoints": endpoints}, ACTOR)


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod, as its kubelet and the scheduler write it."""

    name: str
    namespace: str
    template: dict[str, Any]

    def unscheduled(self, made: float) -> dict[str, Any]:
        full = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes available"}
        return self._made(made, {"phase": "Pending", "conditions": [full]}, node="")

    def started(self, made: float, ready: float, now: float) -> dict[str, Any]:
        """It became ready at that time, or will."""
        running = {"running": {"startedAt": _text(made + 1)}}
        container = {"name": "model", "ready": ready <= now, "restartCount": 0, "state": running}
        return self._made(made, self._status(ready <= now, ready if ready <= now else made, made, container))

    def crashing(self, at: float) -> dict[str, Any]:
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}
        ended = {"terminated": {"reason": "Error", "exitCode": 1, "finishedAt": _text(at)}}
        container = {"name": "model", "ready": False, "restartCount": 3, "state": waiting, "lastState": ended}
        return self._made(at - 60, self._status(False, at, at - 60, container))

    def evicted_for_memory(self, at: float) -> dict[str, Any]:
        message = "The node was low on resource: memory. Container model was using 9Gi, request is 1Gi, has larger"
        told = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message}
        status = {"phase": "Failed", "reason": "Evicted", "message": message}
        gone = replace(self, name=f"{self.name}-evicted")
        return gone._made(at - 60, {**status, "conditions": [told | {"lastTransitionTime": _text(at)}]})

    def _status(self, ready: bool, since: float, placed: float, container: dict[str, Any]) -> dict[str, Any]:
        conditions = [
            {"type": kind, "status": str(ready), "lastTransitionTime": _text(since)}
            for kind in ("Ready", "ContainersReady")
        ]
        conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": _text(placed)})
        return {"phase": "Running", "conditions": conditions, "containerStatuses": [container]}

    def _made(self, at: float, status: dict[str, Any], node: str = "n1") -> dict[str, Any]:
        metadata = {"name": self.name, "namespace": self.namespace, "creationTimestamp": _text(at)}
        spec = {"nodeName": node} if node else {}
        return {
            "kind": "Pod",
            "metadata": metadata | {"labels": self.template["labels"]},
            "spec": spec,
            "status": status,
        }


def _text(at: float) -> str:
    return to_text(int(at))


def gpus_of(deployment: dict[str, Any]) -> int:
    """What a pod of a Deployment asks for."""
    resources = deployment["spec"]["template"]["spec"]["containers"][0].get("resources") or {}
    return int((resources.get("limits") or {}).get(GPU, 0))


def _image(deployment: dict[str, Any]) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def _named(obj: dict[str, Any]) -> dict[str, Any]:
    metadata = obj["metadata"]
    return {"kind": obj["kind"], "metadata": {"namespace": metadata["namespace"], "name": metadata["name"]}}
