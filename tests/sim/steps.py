"""Promise 1: weights go up one declared step at a time, or back to a version that worked."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelramp.api.names import FIELD_MANAGER
from tests.sim.apiserver import Change
from tests.sim.checker import DISTURBED_SECONDS, Checker, Json, asked, readable, seconds_of, weights_of
from tests.sim.gateway import Served, backends, is_preview
from tests.sim.oracle import seconds

if TYPE_CHECKING:
    from tests.sim.member import Member

ROUTE_SECONDS = 10.0
"""From a tick to traffic at the weight that it decided: the delay of the evaluation, two writes, the gateway."""


class Steps(Checker):
    """Weights go up one declared step at a time, or back to a version that worked."""

    promise = "1 (one step at a time)"

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._world = member.world
        self._worked: set[str] = set()
        self._highest: dict[str, int] = {}
        self._since: dict[tuple[str, int], float] = {}
        self._route: dict[str, int] = {}

    def changed(self, change: Change) -> Iterator[str]:
        if change.kind == "ModelDeployment" and change.type == "MODIFIED" and change.actor == FIELD_MANAGER:
            yield from self._status(change.obj["spec"], (change.before or {}).get("status", {}), change.obj["status"])
        if change.kind == "HTTPRoute" and is_preview(change.obj):
            yield from self._previewed(change)
            return
        if change.kind == "HTTPRoute" and change.actor == FIELD_MANAGER and not self._given_back():
            yield from self._written(self._by_revision(backends(change.obj)))
        if change.kind == "HTTPRoute":
            self._route = self._by_revision(backends(change.obj)) if change.type != "DELETED" else {}

    def _given_back(self) -> bool:
        """Whether the ModelDeployment is being deleted: its owner's weights are then those of the route."""
        return "deletionTimestamp" in self._member.obj.get("metadata", {})

    def served(self, served: Served) -> Iterator[str]:
        weights = self._by_revision(served.weights)
        steps = [weight for weight in _steps(self._member.obj) if weight]
        for revision, weight in weights.items():
            self._since.setdefault((revision, weight), served.at)
            if revision in self._worked or not steps or weight not in steps:
                continue
            index = steps.index(weight)
            if index > self._highest.get(revision, -1) + 1:
                yield f"the gateway skipped a step: {revision} got {weight} %"
            self._highest[revision] = max(index, self._highest.get(revision, -1))

    def _status(self, spec: Json, old: Json, new: Json) -> Iterator[str]:
        before, after = old.get("candidate") or {}, new.get("candidate") or {}
        steps = weights_of(spec)
        if after:
            same = before.get("revision") == after["revision"]
            was, now = before.get("step", -1) if same else -1, after["step"]
            if not same:
                self._forget(after["revision"], steps)
            if now not in (was, was + 1):
                yield f"step went from {was} to {now} in one write"
            if after["weight"] != (steps[now] if now >= 0 else 0):
                yield f"weight {after['weight']} does not belong to step {now} of {steps}"
            if now == was + 1 and was >= 0 and not asked(old, new, "promote"):
                tested = (new.get("experiment") or {}).get("startedAt") if was == 0 and _tests(spec) else None
                began = tested or before.get("stepEntered")
                yield from _too_early(spec, {**before, "stepEntered": began}, seconds(after["stepEntered"]))
                yield from self._unproven(spec, before, seconds(after["stepEntered"]))
        stable, was_stable = new.get("stable") or {}, old.get("stable") or {}
        if stable.get("revision") not in (None, was_stable.get("revision")):
            verb = next((verb for verb in ("promote", "rollback") if asked(old, new, verb)), "")
            yield from self._new_stable(spec, old, stable["revision"], seconds(stable["since"]), verb)

    def _new_stable(self, spec: Json, old: Json, revision: str, since: int, by_request: str) -> Iterator[str]:
        candidate = old.get("candidate") or {}
        back = by_request == "rollback" or (old.get("previous") or {}).get("revision") == revision
        if revision in self._worked and back:
            return
        if old.get("stable") and candidate.get("revision") == revision:
            if candidate["step"] != len(weights_of(spec)) - 1:
                yield f"{revision} was promoted from step {candidate['step']}"
            if by_request != "promote":
                yield from _too_early(spec, candidate, since)
                yield from self._unproven(spec, candidate, since)
        elif old.get("stable"):
            yield f"{revision} became stable without a rollout"
        self._worked.add(revision)
        if revision in self._member.timelines:
            self._member.timelines[revision].promoted(self._world.now())

    def _forget(self, revision: str, steps: list[int]) -> None:
        """Another attempt begins at the bottom; only what the gateway has not yet taken away is still there."""
        weight = self._member.gateway.weights.get(revision)
        self._highest[revision] = steps.index(weight) if weight in steps else -1
        self._since = {key: at for key, at in self._since.items() if key[0] != revision}
        if weight:
            self._since[revision, weight] = self._world.now()

    def _unproven(self, spec: Json, candidate: Json, at: int) -> Iterator[str]:
        """A step may end only after a whole window of traffic at its weight: else nothing was measured of it."""
        if not self._world.blame_late_routes and self._world.now() - self._world.disturbed_at < DISTURBED_SECONDS:
            return
        if not candidate["weight"]:
            return  # a preview has no traffic to wait for
        since = self._since.get((candidate["revision"], candidate["weight"]))
        interval = seconds_of(spec["health"]["interval"])
        if since is None or at - since < interval - ROUTE_SECONDS:
            spent = "no time" if since is None else f"{at - since:.0f} s"
            yield f"{candidate['revision']} moved up after {spent} of traffic at {candidate['weight']} %"

    def _written(self, weights: dict[str, int]) -> Iterator[str]:
        """What the operator writes: as declared, or less for a candidate that lacks pods, in its pods : the others."""
        status = self._member.status
        candidate, stable = status.get("candidate") or {}, (status.get("stable") or {}).get("revision")
        total, ramps = sum(weights.values()), set(weights) == {candidate.get("revision"), stable}
        if weights and total != 100 and not ramps:
            yield f"the weights do not add up to 100: {weights}"
        now = self._route
        if ramps and weights[candidate["revision"]] * 100 > candidate["weight"] * total:
            yield f"the route gives {weights}, the persisted status says {candidate['weight']} %"
        untried = set(weights) - self._worked
        if len(untried) > 1:
            yield f"the route names two versions that never worked: {sorted(untried)}"
        for revision, weight in weights.items():
            if weight * max(1, sum(now.values())) <= now.get(revision, 0) * total:
                continue
            if ramps or (candidate.get("revision"), candidate.get("weight")) == (revision, weight):
                continue
            if revision not in self._worked:
                yield f"the route gives {weight} % to {revision}, the persisted status says {candidate}"
            elif stable != revision:
                yield f"the route gives more to {revision}, which is not stable ({stable})"

    def _previewed(self, change: Change) -> Iterator[str]:
        """A preview names the candidate that the persisted status has in a step, and nothing else."""
        candidate = self._member.status.get("candidate") or {}
        named = set(self._by_revision(backends(change.obj)))
        ours = change.type != "DELETED" and change.actor == FIELD_MANAGER
        if ours and (candidate.get("step", -1) < 0 or named != {candidate.get("revision")}):
            yield f"the preview names {sorted(named)}, the persisted status says {candidate}"

    def _by_revision(self, services: dict[str, int]) -> dict[str, int]:
        known = self._member.gateway.revisions
        return {known.get(name, name): weight for name, weight in services.items() if weight}


def _steps(digits: Json) -> list[int]:
    return weights_of(digits["spec"]) if digits else []


def _tests(spec: Json) -> bool:
    return "abTest" in spec["rollout"]


def _too_early(spec: Json, candidate: Json, at: int) -> Iterator[str]:
    duration = readable(spec)["rollout"]["durations"][candidate["step"]]
    spent = at - seconds(candidate.get("stepEntered"))
    if spent < duration:
        yield f"step {candidate['step']} ended after {spent} s, declared are {duration} s"
