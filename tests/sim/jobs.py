"""Jobs, as far as the operator can see them: each runs for a while and succeeds."""

import random
from typing import TYPE_CHECKING, Any

from tests.sim.apiserver import Change

if TYPE_CHECKING:
    from tests.sim.world import World

ACTOR = "job-controller"


class JobController:
    """Job controller, scheduler and kubelet in one."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._random = random.Random(world.seed)  # noqa: S311 - a simulation, not a secret
        world.api.listeners.append(self._changed)

    def _changed(self, change: Change) -> None:
        if change.kind == "Job" and change.type == "ADDED":
            uid = change.obj["metadata"]["uid"]
            self._world.later(self._random.uniform(5.0, 40.0), lambda: self._complete(change.obj, uid))

    def _complete(self, job: dict[str, Any], uid: str) -> None:
        current = self._world.api.find("Job", job["metadata"]["namespace"], job["metadata"]["name"])
        if current is not None and current["metadata"]["uid"] == uid:
            status = {"conditions": [{"type": "Complete", "status": "True"}], "succeeded": 1}
            self._world.api.update_status({**current, "status": status}, ACTOR)
