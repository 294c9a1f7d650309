"""A pod's status as kubelet would write it, from what is known of its containers. Pure: no clock, no I/O."""

from dataclasses import dataclass, field
from typing import Any

from localplane import addresses as at

Object = dict[str, Any]


@dataclass(slots=True)
class ContainerState:
    """What is known of one container.

    state: one of the three shapes of the API: {"waiting": ...}, {"running": ...}, {"terminated": ...}.
    previous: how the run before ended, or {}.
    started: whether the startup probe (if any) has passed. passing: what the readiness probe says.
    """

    name: str
    image: str
    image_id: str = ""
    identity: str = ""
    state: Object = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    previous: Object = field(default_factory=dict)
    started: bool = False
    passing: bool = False
    restarts: int = 0

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return "running" in self.state

    @property
    def ready(self) -> bool:
        """Whether it may get traffic."""
        return self.running and self.started and self.passing

    @property
    def exit_code(self) -> int | None:
        """How it ended, when it has ended and will not run again of its own."""
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    def report(self, *, init: bool = False) -> Object:
        """Return the entry of `containerStatuses` (or `initContainerStatuses`)."""
        done = init and self.exit_code == 0
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image_id,
            "containerID": self.identity,
            "state": self.state,
            "lastState": self.previous,
            "ready": done if init else self.ready,
            "started": self.running and self.started,
            "restartCount": self.restarts,
        }


def phase(restart_policy: str, init: list[ContainerState], main: list[ContainerState]) -> str:
    """Return Pending, Running, Succeeded or Failed by kubelet's rules."""
    if any(one.exit_code not in (None, 0) for one in init) and restart_policy == "Never":
        return "Failed"
    if any(one.exit_code != 0 for one in init):
        return "Pending"
    # A container that waits for its restart has run: its pod goes on being Running.
    if any("waiting" in one.state and not one.previous for one in main):
        return "Pending"
    if restart_policy == "Always":
        return "Running"
    ended = [one for one in main if one.exit_code is not None]
    if len(ended) < len(main):
        return "Running"
    if all(one.exit_code == 0 for one in ended):
        return "Succeeded"
    return "Failed" if restart_policy == "Never" else "Running"


def readiness(status: Object) -> str:
    """Return what a pod's status says of Ready: True, False, or nothing yet."""
    return next((str(one["status"]) for one in status.get("conditions", []) if one["type"] == "Ready"), "")


def pod_status(
    pod: Object, address: str, init: list[ContainerState], main: list[ContainerState], now: str, start: str
) -> Object:
    """Return the whole status of a pod.

    now: RFC 3339, for conditions that change; start: when the node took the pod on.
    The result is meant for a strategic merge patch: conditions of others (PodScheduled) are left alone.
    """
    current = phase(pod["spec"].get("restartPolicy", "Always"), init, main)
    return {
        "phase": current,
        "hostIP": at.NODE_HOST,
        "hostIPs": [{"ip": at.NODE_HOST}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": start,
        "conditions": _conditions(pod, current, init, main, now),
        "initContainerStatuses": [one.report(init=True) for one in init],
        "containerStatuses": [one.report() for one in main],
    }


def _conditions(
    pod: Object, current: str, init: list[ContainerState], main: list[ContainerState], now: str
) -> list[Object]:
    unready = [one.name for one in main if not one.ready]
    uninitialised = [one.name for one in init if one.exit_code != 0]
    initialised = _condition(
        "Initialized",
        not uninitialised,
        "ContainersNotInitialized",
        f"containers with incomplete status: {_list(uninitialised)}",
    )
    if current in ("Succeeded", "Failed"):
        finished = "PodCompleted" if current == "Succeeded" else "PodFailed"
        containers = _condition("ContainersReady", False, finished, "")
        ready = _condition("Ready", False, finished, "")
    else:
        message = f"containers with unready status: {_list(unready)}"
        containers = _condition("ContainersReady", not unready, "ContainersNotReady", message)
        gates = _closed_gates(pod)
        ready = _condition("Ready", not unready, "ContainersNotReady", message)
        if not unready and gates:
            ready = _condition("Ready", False, "ReadinessGatesNotReady", f"readiness gates not open: {_list(gates)}")
    sandbox = _condition("PodReadyToStartContainers", current not in ("Succeeded", "Failed"), "", "")
    before = {one["type"]: one for one in pod.get("status", {}).get("conditions", [])}
    return [_dated(one, before, now) for one in (sandbox, initialised, containers, ready)]


def _condition(kind: str, holds: bool, reason: str, message: str) -> Object:
    # A strategic merge patch keeps what it does not name; only null removes the reason of an earlier no.
    if holds:
        return {"type": kind, "status": "True", "reason": None, "message": None}
    return {"type": kind, "status": "False", "reason": reason or None, "message": message or None}


def _dated(condition: Object, before: dict[str, Object], now: str) -> Object:
    earlier = before.get(condition["type"], {})
    same = earlier.get("status") == condition["status"]
    return {**condition, "lastTransitionTime": earlier.get("lastTransitionTime", now) if same else now}


def _closed_gates(pod: Object) -> list[str]:
    wanted = [gate["conditionType"] for gate in pod["spec"].get("readinessGates", [])]
    conditions = pod.get("status", {}).get("conditions", [])
    opened = {one["type"] for one in conditions if one["status"] == "True"}
    return [name for name in wanted if name not in opened]


def _list(names: list[str]) -> str:
    return "[" + " ".join(names) + "]"
