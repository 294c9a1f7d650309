"""Hooks: at most once in an episode, and never lost in silence."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelramp.api.names import FIELD_MANAGER
from modelramp.desired.jobs import HOOK, role_of
from tests.sim.apiserver import Change
from tests.sim.checker import Checker, Json
from tests.sim.ports import ALWAYS_TAKEN

if TYPE_CHECKING:
    from tests.sim.world import World

AFTER = {
    "Counting": {"Counting", "CoolingDown", "Due"},
    "CoolingDown": {"CoolingDown", "Skipped", "Due"},
    "Skipped": {"Skipped"},
    "Due": {"Due", "Running", "Done", "Failed", "Unknown"},
    "Running": {"Running", "Done", "Failed", "Unknown"},
    "Unknown": {"Unknown", "Done", "Failed", "Running"},
    "Done": {"Done"},
    "Failed": {"Failed"},
}
"""What may become of a hook in one write. Nothing leads back to Due: it would act again."""
LIVE = {"CoolingDown", "Due", "Running"}


class Episodes(Checker):
    """What the status says of hooks, against each other, against what was called, and against the rollbacks."""

    promise = "a hook acts at most once in an episode, and is never lost in silence"

    def __init__(self, world: "World") -> None:
        self._world = world
        self._made: set[str] = set()

    def changed(self, change: Change) -> Iterator[str]:
        if change.kind == "Job" and change.type == "ADDED" and role_of(change.obj) == HOOK:
            name = change.obj["metadata"]["name"]
            if name in self._made:
                yield f"Job {name} was made twice"
            self._made.add(name)
        if change.kind == "ModelDeployment" and change.type == "MODIFIED" and change.actor == FIELD_MANAGER:
            yield from self._followed((change.before or {}).get("status", {}), change.obj["status"])
            yield from _fired(change.obj["spec"], (change.before or {}).get("status", {}), change.obj["status"])
            yield from self._called(change.obj["status"])

    def _followed(self, old: Json, new: Json) -> Iterator[str]:
        before = {hook["id"]: hook for hook in old.get("hooks", ())}
        after = {hook["id"]: hook for hook in new.get("hooks", ())}
        for name, hook in before.items():
            if name not in after and hook["state"] in LIVE:
                yield f"hook {hook['name']} was {hook['state']} and is forgotten"
            if name in after and after[name]["state"] not in AFTER[hook["state"]]:
                yield f"hook {hook['name']} went from {hook['state']} to {after[name]['state']}"
        going_on: set[tuple[str, str]] = set()
        for hook in (hook for hook in after.values() if "until" not in hook):
            about = (hook["on"], hook["name"])
            if about in going_on:
                yield f"hook {hook['name']} has two episodes at once: {list(after.values())}"
            going_on.add(about)

    def _called(self, status: Json) -> Iterator[str]:
        keys = [call.body["id"] for call in self._world.called]
        for hook in status.get("hooks", ()):
            if keys.count(hook["id"]) > 1 and self._world.receiver is ALWAYS_TAKEN:
                yield f"the webhook of {hook['name']} was called twice in one episode"
            if hook["state"] == "Done" and hook.get("message", "").startswith("POST") and hook["id"] not in keys:
                yield f"the status says that {hook['name']} was told, and nobody was"


def _fired(spec: Json, old: Json, new: Json) -> Iterator[str]:
    """Whatever rolls back has started every hook that waits for breaches, or that had fired before."""
    history = new.get("history", ())
    if not history or history == old.get("history", ()) or history[0]["reason"] != "ThresholdReached":
        return
    known = {hook["name"] for hook in new.get("hooks", ()) if hook["revision"] == history[0]["revision"]}
    counting = {hook["name"] for hook in new.get("hooks", ()) if hook["state"] == "Counting"}
    for hook in spec["health"].get("onBreach", ()):
        if "after" not in hook and "checks" not in hook and (hook["name"] not in known or hook["name"] in counting):
            yield f"{history[0]['revision']} was rolled back and hook {hook['name']} was not started"
