"""Pods, as far as the operator can see them: Deployments become available, EndpointSlices follow, models crash."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelramp.api.names import LABEL_DEPLOYMENT
from tests.sim.apiserver import Change, matches
from tests.sim.streams import Key, Streams, key_of

if TYPE_CHECKING:
    from tests.sim.world import World

ACTOR = "kube-controller-manager"


@dataclass(frozen=True, slots=True)
class Pods:
    """How the pods of one model version behave.

    start: seconds until a pod is available, at least and at most; None: never. crash_after: seconds after the version's
    first pod became available at which all its pods become unavailable for good.
    """

    start: tuple[float, float] | None = (2.0, 12.0)
    crash_after: float | None = None


class Kubelet:
    """Deployment controller, scheduler, kubelet and EndpointSlice controller in one."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._api = world.api
        first = random.Random(world.random.random())  # noqa: S311 - a simulation, not a secret
        self._streams = Streams(f"{world.seed} kubelet", first)
        self._pods: dict[str, list[float]] = {}
        self._first: dict[tuple[str, str], float] = {}
        world.api.listeners.append(self._changed)

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
        del pods[wanted:]
        while len(pods) < wanted:
            pods.append(self._start_of_pod(deployment, namespace, name))
        available = self._available(deployment)
        status = {"observedGeneration": deployment["metadata"]["generation"], "replicas": wanted}
        if available:
            status |= {"availableReplicas": available, "readyReplicas": available}
        self._api.update_status({**_named(deployment), "status": status}, ACTOR)

    def _start_of_pod(self, deployment: dict[str, Any], namespace: str, name: str) -> float:
        behaviour = self._of(deployment)
        if behaviour.start is None:
            return float("inf")
        key = key_of(deployment)
        delay = self._streams.of_object(deployment).uniform(*behaviour.start)
        again = lambda: (self._run_pods(namespace, name), self._endpoints(key))  # noqa: E731
        self._world.later(delay + 0.01, again)
        at = self._world.now() + delay
        if (namespace, name) not in self._first:
            self._first[namespace, name] = at
            if behaviour.crash_after is not None:
                self._world.later(delay + behaviour.crash_after + 0.02, again)
        return at

    def _available(self, deployment: dict[str, Any]) -> int:
        now = self._world.now()
        name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
        crash = self._of(deployment).crash_after
        if crash is not None and now >= self._first.get(name, now) + crash:
            return 0
        pods = self._pods.get(deployment["metadata"]["uid"], [])
        return sum(at <= now for at in pods[: deployment["spec"]["replicas"]])

    def _of(self, deployment: dict[str, Any]) -> Pods:
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        member = self._world.members.get(key_of(deployment))
        return member.pods.get(image.rpartition(":")[2], Pods()) if member else Pods()

    def _endpoints(self, key: Key) -> None:
        namespace, name = key
        ours = f"{LABEL_DEPLOYMENT}={name}" if name else ""
        for service in list(self._api.all("Service", namespace, ours)):
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


def _named(obj: dict[str, Any]) -> dict[str, Any]:
    metadata = obj["metadata"]
    return {"kind": obj["kind"], "metadata": {"namespace": metadata["namespace"], "name": metadata["name"]}}
