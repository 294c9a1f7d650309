"""Evaluation Jobs in a simulated world, and stories in which versions are evaluated."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelramp.api.names import LABEL_ROLE
from tests.sim.apiserver import Change
from tests.sim.gate import MINIMUM
from tests.sim.scenarios import Scenario, manifest
from tests.sim.world import World

if TYPE_CHECKING:
    from tests.sim.faults import Fault

ACTOR = "job-controller"
SPEC = {
    "template": {"spec": {"containers": [{"name": "golden-set", "image": "evaluate:1"}]}},
    "timeout": "5m",
    "metrics": [{"name": "accuracy", "min": str(MINIMUM), "maxDecrease": "0.05"}],
}
GOOD, BAD, BROKEN = '{"accuracy": 0.95}', '{"accuracy": 0.5}', "Traceback (most recent call last):"
HANGS, CRASHES = "hangs", "crashes"
Outputs = Mapping[str, tuple[str, ...]]
"""By model version: what its Jobs write, one after the other; the last goes on for ever. The default is GOOD."""


def evaluations(world: World) -> list[dict[str, Any]]:
    """The evaluation Jobs that there are."""
    return [obj for obj in world.api.all("Job") if obj["metadata"]["labels"].get(LABEL_ROLE) == "evaluation"]


def retry(world: World) -> None:
    """A person asks for another attempt."""
    command = f"retry/{world.status['candidate']['revision']}/{world.api.version}"
    annotations = world.digits["metadata"].get("annotations", {}) | {"modelramp.io/request": command}
    world.api.update({**world.digits, "metadata": {**world.digits["metadata"], "annotations": annotations}}, "cli")


class Evaluator:
    """Job controller and kubelet for evaluation Jobs: each runs for some seconds and leaves a pod with last words."""

    def __init__(self, world: World, outputs: Outputs) -> None:
        self._world = world
        self._outputs = outputs
        self._begun: dict[str, int] = {}
        self._random = random.Random(world.seed)  # noqa: S311 - a simulation, not a secret
        world.api.listeners.append(self._changed)

    def _changed(self, change: Change) -> None:
        if (
            change.kind != "Job"
            or change.type != "ADDED"
            or change.obj["metadata"]["labels"][LABEL_ROLE] != "evaluation"
        ):
            return
        container = change.obj["spec"]["template"]["spec"]["containers"][0]
        version = next(entry["value"] for entry in container["env"] if entry["name"] == "MODELRAMP_MODEL_VERSION")
        outputs = self._outputs.get(version, (GOOD,))
        output = outputs[min(self._begun.get(version, 0), len(outputs) - 1)]
        self._begun[version] = self._begun.get(version, 0) + 1
        least = change.obj["spec"]["activeDeadlineSeconds"] if output == HANGS else 5
        self._world.later(self._random.uniform(least, least + 35), lambda: self._end(change.obj, output))

    def _end(self, job: dict[str, Any], output: str) -> None:
        metadata = job["metadata"]
        current = self._world.api.find("Job", metadata["namespace"], metadata["name"])
        if current is None or current["metadata"]["uid"] != metadata["uid"]:
            return
        if output == HANGS:
            condition = {"type": "Failed", "reason": "DeadlineExceeded"}
        elif output == CRASHES:
            condition = {"type": "Failed", "reason": "BackoffLimitExceeded"}
            self._pod(current, "Failed", {"exitCode": 1, "reason": "Error", "message": "no data set"})
        else:
            condition = {"type": "Complete"}
            self._pod(current, "Succeeded", {"exitCode": 0, "reason": "Completed", "message": output})
        status = {"conditions": [{**condition, "status": "True"}]}
        self._world.api.update_status({**current, "status": status}, ACTOR)

    def _pod(self, job: dict[str, Any], phase: str, terminated: dict[str, Any]) -> None:
        name = job["metadata"]["name"]
        metadata = {
            "namespace": job["metadata"]["namespace"],
            "name": f"{name}-x2x",
            "labels": {"batch.kubernetes.io/job-name": name},
            "ownerReferences": [{"kind": "Job", "name": name, "uid": job["metadata"]["uid"], "controller": True}],
        }
        statuses = [{"name": "golden-set", "state": {"terminated": terminated}}]
        status = {"phase": phase, "containerStatuses": statuses}
        self._world.api.create({"kind": "Pod", "metadata": metadata, "status": status}, ACTOR)


@dataclass(frozen=True, slots=True)
class Evaluated(Scenario):
    """A story in which every version is evaluated. helped: a person asks for another attempt after no result.

    operators: how many run side by side.
    """

    outputs: Outputs = field(default_factory=dict)
    helped: bool = False
    operators: int = 1

    def world(
        self, seed: int, fault: "Fault | None" = None, at_call: int = 0, faults: "Mapping[int, Fault] | None" = None
    ) -> World:
        plan = {"fault": fault, "at_call": at_call, "faults": faults, "operators": self.operators}
        world = World(seed, scripts=self.scripts, pods=self.pods, **plan)
        Evaluator(world, self.outputs)
        for index, (at, version) in enumerate(self.versions):
            wanted, phase = manifest(version, evaluation=SPEC), self.phases[index]
            world.at(at, lambda w, m=wanted: w.apply(m), when=lambda w, p=phase: not p or w.status.get("phase") == p)
        if self.helped:
            world.at(self.versions[-1][0], retry, when=lambda w: state(w) == "NoData")
        return world


def state(world: World) -> str | None:
    """Where the evaluation of the candidate stands."""
    return ((world.status.get("candidate") or {}).get("evaluation") or {}).get("state")


SCENARIOS = {
    "passed": Evaluated(serves="2.0.0"),
    "failed": Evaluated(serves="1.0.0", failed="2.0.0", outputs={"2.0.0": (BAD,)}),
    "worse than stable": Evaluated(
        serves="1.0.0", failed="2.0.0", outputs={"1.0.0": ('{"accuracy": 0.99}',), "2.0.0": ('{"accuracy": 0.91}',)}
    ),
    "crashes, then passes": Evaluated(serves="2.0.0", outputs={"2.0.0": (CRASHES, GOOD)}, helped=True),
    "hangs, then passes": Evaluated(serves="2.0.0", outputs={"2.0.0": (HANGS, GOOD)}, helped=True),
    "broken, then fails": Evaluated(serves="1.0.0", failed="2.0.0", outputs={"2.0.0": (BROKEN, BAD)}, helped=True),
    "superseded": Evaluated(
        serves="3.0.0", versions=((0.0, "1.0.0"), (95.0, "2.0.0"), (110.0, "3.0.0")), outputs={"2.0.0": (HANGS,)}
    ),
}
