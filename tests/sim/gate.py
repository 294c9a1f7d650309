"""A second opinion on the gate before a version's first traffic."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from modelramp.api.names import FIELD_MANAGER, LABEL_REVISION
from modelramp.desired.jobs import role_of
from tests.sim.apiserver import Change
from tests.sim.checker import Checker
from tests.sim.gateway import backends

if TYPE_CHECKING:
    from tests.sim.member import Member

MINIMUM = 0.9
"""Accuracy that a version of the simulated stories needs."""


class Gate(Checker):
    """Where an evaluation is wanted, no version is named by the route before one of its Jobs has written good results.

    A second opinion: it reads the pods itself and knows nothing of what the operator made of them.
    """

    promise = "1 (no traffic before the evaluation is passed)"

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._passed: set[str] = set()
        self._attempts: dict[str, tuple[str, object]] = {}
        self._made: set[str] = set()

    def changed(self, change: Change) -> Iterator[str]:
        yield from self._once(change)
        if change.kind == "Pod" and change.type == "ADDED":
            self._note(change.obj)
        wanted = self._member.obj.get("spec", {}).get("rollout", {}).get("evaluation")
        if wanted and change.kind == "HTTPRoute" and change.type != "DELETED" and change.actor == FIELD_MANAGER:
            for service in backends(change.obj):
                if self._member.gateway.revisions.get(service, service) not in self._passed:
                    yield f"the route names {service}, which no evaluation has passed"

    def _once(self, change: Change) -> Iterator[str]:
        """One attempt for each wish of a person, and one Job for each attempt, unless somebody deletes it."""
        if change.kind == "Job" and role_of(change.obj) == "evaluation":
            name = change.obj["metadata"]["name"]
            if change.type == "ADDED" and name in self._made:
                yield f"Job {name} was made twice"
            if change.type == "ADDED":
                self._made.add(name)
            if change.type == "DELETED":
                self._made.discard(name)
        if change.kind != "ModelDeployment" or change.type == "DELETED":
            return
        candidate = change.obj.get("status", {}).get("candidate") or {}
        attempt = (candidate.get("evaluation") or {}).get("attempt")
        if attempt:
            wish = change.obj["metadata"].get("generation"), change.obj["status"].get("request", "")
            known = self._attempts.get(candidate["revision"], (attempt, None))
            if known[0] != attempt and known[1] == wish:
                yield f"{candidate['revision']} is evaluated again ({attempt}, was {known[0]}), nobody asked for it"
            self._attempts[candidate["revision"]] = (attempt, wish)

    def _note(self, pod: dict[str, Any]) -> None:
        name = pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-name")
        job = self._member.world.api.find("Job", pod["metadata"]["namespace"], name) if name else None
        if job is None or pod["status"]["phase"] != "Succeeded":
            return
        message = pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
        if message.startswith("{") and json.loads(message)["accuracy"] >= MINIMUM:
            self._passed.add(job["metadata"]["labels"][LABEL_REVISION])
