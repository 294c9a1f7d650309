"""Jobs, as far as the operator can see them: each runs for a while and succeeds, or fails with a pod that says why."""

import random
from typing import TYPE_CHECKING, Any

from modelramp.desired.jobs import HOOK, role_of
from tests.sim.apiserver import Change
from tests.sim.streams import Streams, key_of

if TYPE_CHECKING:
    from tests.sim.world import World

ACTOR = "job-controller"


class JobController:
    """Job controller, scheduler and kubelet of hooks. exit_code: of every Job; 0 succeeds, None never ends.

    Evaluations have one of their own (tests.sim.evaluations): what they write matters.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self.exit_code: int | None = 0
        first = random.Random(world.seed)  # noqa: S311 - a simulation, not a secret
        self._streams = Streams(f"{world.seed} jobs", first)
        world.api.listeners.append(self._changed)

    def _changed(self, change: Change) -> None:
        if change.kind == "Job" and change.type == "ADDED" and role_of(change.obj) == HOOK:
            uid = change.obj["metadata"]["uid"]
            seconds = self._streams.of(key_of(change.obj)).uniform(5.0, 40.0)
            self._world.later(seconds, lambda: self._complete(change.obj, uid))

    def _complete(self, job: dict[str, Any], uid: str) -> None:
        current = self._world.api.find("Job", job["metadata"]["namespace"], job["metadata"]["name"])
        if current is None or current["metadata"]["uid"] != uid or self.exit_code is None:
            return
        if self.exit_code:
            self._fail(current, self.exit_code)
        condition = {"type": "Failed", "reason": "BackoffLimitExceeded"} if self.exit_code else {"type": "Complete"}
        status = {"conditions": [{**condition, "status": "True"}]}
        self._world.api.update_status({**current, "status": status}, ACTOR)

    def _fail(self, job: dict[str, Any], exit_code: int) -> None:
        name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
        ended = {"terminated": {"reason": "Error", "exitCode": exit_code, "message": "no labels of last month"}}
        owner = {"kind": "Job", "name": name, "uid": job["metadata"]["uid"], "controller": True}
        labels = {"batch.kubernetes.io/job-name": name}
        metadata = {"name": f"{name}-x2x", "namespace": namespace, "labels": labels, "ownerReferences": [owner]}
        status = {"phase": "Failed", "containerStatuses": [{"name": "look", "ready": False, "state": ended}]}
        self._world.api.create({"kind": "Pod", "metadata": metadata, "status": status}, ACTOR)
