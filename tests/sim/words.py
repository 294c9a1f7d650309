"""Pods that say why they do not start, and how often the operator wrote."""

from typing import Any

from modelramp.api.errors import Refused
from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION
from modelramp.api.times import to_text
from tests.sim.clock import EPOCH
from tests.sim.kubelet import ACTOR
from tests.sim.world import World

DIGITS_POD = {"namespace": "ml", "name": "digits-pod"}


def say(world: World, reason: str, message: str = "") -> None:
    """The one pod of what is wanted waits with these words."""
    status = world.status
    version = status.get("candidate") or status.get("stable") or {}
    labels = {LABEL_DEPLOYMENT: "digits", LABEL_REVISION: version.get("revision", "")}
    waiting = {"name": "model", "ready": False, "state": {"waiting": {"reason": reason, "message": message}}}
    pod = {"kind": "Pod", "metadata": {**DIGITS_POD, "labels": labels}, "status": {"containerStatuses": [waiting]}}
    if world.api.find("Pod", DIGITS_POD["namespace"], DIGITS_POD["name"]) is None:
        world.api.create(pod, ACTOR)
    else:
        world.api.update(pod, ACTOR)


def warn_of(world: World, reason: str, note: str) -> None:
    """The one pod of what is wanted waits and does not say why; the kubelet's Event does, as it happens now."""
    say(world, "ContainerCreating")
    pod = world.api.find("Pod", DIGITS_POD["namespace"], DIGITS_POD["name"])
    assert pod is not None
    about = {"regarding": {"kind": "Pod", "name": DIGITS_POD["name"], "uid": pod["metadata"]["uid"]}}
    seen = {"type": "Warning", "reason": reason, "note": note, "deprecatedLastTimestamp": to_text(int(world.now()))}
    metadata = {"namespace": DIGITS_POD["namespace"], "name": f"{DIGITS_POD['name']}.{int(world.now())}"}
    world.api.create({"kind": "Event", "metadata": metadata, **about, **seen}, ACTOR)


def messages(world: World) -> list[tuple[float, str]]:
    """What status.message said whenever it changed, with the seconds since the beginning."""
    found: list[tuple[float, str]] = []
    for change in world.api.log:
        text = change.obj.get("status", {}).get("message", "") if change.kind == "ModelDeployment" else ""
        if text and (not found or found[-1][1] != text):
            found.append((change.at - EPOCH, text))
    return found


def writes(world: World, kind: str) -> list[float]:
    """When the operator changed an object of that kind, seconds since the beginning."""
    return [change.at - EPOCH for change in world.api.log if change.kind == kind and "operator" in change.actor]


def calls(world: World, words: str) -> list[float]:
    """When the operator made calls whose line in the trace has these words, seconds since the beginning."""
    return [float(line.split()[0]) for line in world.history if words in line]


def first_said(found: list[tuple[float, str]], words: str) -> float:
    """When the words were first there."""
    return next(at for at, text in found if words in text)


def events(world: World, reason: str) -> list[tuple[float, str]]:
    """When people were told with that reason, seconds since the beginning, and what."""
    return [(at - EPOCH, message) for at, found, message, _ in world.events if found == reason]


def refuse(world: World, kind: str, words: str, until: float = float("inf")) -> None:
    """Admission refuses objects of a kind from now on; until: seconds since the beginning."""

    def admit(verb: str, obj: dict[str, Any], _: str) -> None:
        if obj["kind"] == kind and verb in {"apply", "create"} and world.loop.time() < until:
            raise Refused(words)

    world.api.admission.append(admit)
