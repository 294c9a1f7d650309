"""One checker for each promise of the design, asked after every write and every change of what the gateway serves."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from modelramp.api.names import FIELD_MANAGER, LABEL_REVISION
from tests.sim.apiserver import Change
from tests.sim.gateway import Served, backends
from tests.sim.oracle import Oracle, seconds

if TYPE_CHECKING:
    from tests.sim.world import World

Json = dict[str, Any]
UNLIST_SECONDS = 10.0
"""A route may name a candidate that has lost its last endpoint for so long."""
DISTURBED_SECONDS = 400.0
"""So long after a fault began nobody is blamed for being slow."""
ROUTE_SECONDS = 10.0
"""From a tick to traffic at the weight that it decided: the delay of the evaluation, two writes, the gateway."""
STALE_SECONDS = 15.0
"""How old the operator's view of an endpoint may be when it writes a route (without faults it is milliseconds)."""


class Promises:
    """All checkers; what they find goes to `world.broke`."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._checkers = (Steps(world), Counting(world), Failed(world), Capacity(world), Endpoints(world), Traces())

    def changed(self, change: Change) -> None:
        """Something was written."""
        for checker in self._checkers:
            for finding in checker.changed(change):
                self._world.broke(checker.promise, finding)

    def served(self, served: Served) -> None:
        """The gateway carries another share, or to other endpoints."""
        for checker in self._checkers:
            for finding in checker.served(served):
                self._world.broke(checker.promise, finding)


class Checker:
    """A promise: what it says against a change or a share is yielded as a sentence."""

    promise = ""

    def changed(self, change: Change) -> Iterator[str]:
        """What a write breaks."""
        return iter(())

    def served(self, served: Served) -> Iterator[str]:
        """What a change at the gateway breaks."""
        return iter(())


class Steps(Checker):
    """Weights go up one declared step at a time, or back to a version that worked."""

    promise = "1 (one step at a time)"

    def __init__(self, world: "World") -> None:
        self._world = world
        self._worked: set[str] = set()
        self._highest: dict[str, int] = {}
        self._since: dict[tuple[str, int], float] = {}
        self._route: dict[str, int] = {}

    def changed(self, change: Change) -> Iterator[str]:
        if change.kind == "ModelDeployment" and change.type == "MODIFIED" and change.actor == FIELD_MANAGER:
            yield from self._status(change.obj["spec"], (change.before or {}).get("status", {}), change.obj["status"])
        if change.kind == "HTTPRoute" and change.actor == FIELD_MANAGER:
            yield from self._written(self._by_revision(backends(change.obj)))
        if change.kind == "HTTPRoute":
            self._route = self._by_revision(backends(change.obj)) if change.type != "DELETED" else {}

    def served(self, served: Served) -> Iterator[str]:
        weights = self._by_revision(served.weights)
        steps = _steps(self._world.digits)
        for revision, weight in weights.items():
            if revision in self._worked or not steps or weight not in steps:
                continue
            index = steps.index(weight)
            if index > self._highest.get(revision, -1) + 1:
                yield f"the gateway skipped a step: {revision} got {weight} %"
            self._highest[revision] = max(index, self._highest.get(revision, -1))
            self._since.setdefault((revision, weight), served.at)

    def _status(self, spec: Json, old: Json, new: Json) -> Iterator[str]:
        before, after = old.get("candidate") or {}, new.get("candidate") or {}
        steps = [step["weight"] for step in spec["rollout"]["steps"]]
        if after:
            same = before.get("revision") == after["revision"]
            was, now = before.get("step", -1) if same else -1, after["step"]
            if not same:
                self._highest.pop(after["revision"], None)
                self._since = {key: at for key, at in self._since.items() if key[0] != after["revision"]}
            if now not in (was, was + 1):
                yield f"step went from {was} to {now} in one write"
            if after["weight"] != (steps[now] if now >= 0 else 0):
                yield f"weight {after['weight']} does not belong to step {now} of {steps}"
            if now == was + 1 and was >= 0:
                yield from _too_early(spec, before, seconds(after["stepEntered"]))
                yield from self._unproven(spec, before, seconds(after["stepEntered"]))
        stable, was_stable = new.get("stable") or {}, old.get("stable") or {}
        if stable.get("revision") not in (None, was_stable.get("revision")):
            yield from self._new_stable(spec, old, stable["revision"], seconds(stable["since"]))

    def _new_stable(self, spec: Json, old: Json, revision: str, since: int) -> Iterator[str]:
        candidate = old.get("candidate") or {}
        if revision in self._worked and (old.get("previous") or {}).get("revision") == revision:
            return
        if old.get("stable") and candidate.get("revision") == revision:
            if candidate["step"] != len(spec["rollout"]["steps"]) - 1:
                yield f"{revision} was promoted from step {candidate['step']}"
            yield from _too_early(spec, candidate, since)
            yield from self._unproven(spec, candidate, since)
        elif old.get("stable"):
            yield f"{revision} became stable without a rollout"
        self._worked.add(revision)
        self._world.prometheus.promoted(revision)

    def _unproven(self, spec: Json, candidate: Json, at: int) -> Iterator[str]:
        """A step may end only after a whole window of traffic at its weight: else nothing was measured of it."""
        since = self._since.get((candidate["revision"], candidate["weight"]))
        interval = _seconds_of(spec["health"]["interval"])
        if since is None or at - since < interval - ROUTE_SECONDS:
            spent = "no time" if since is None else f"{at - since:.0f} s"
            yield f"{candidate['revision']} moved up after {spent} of traffic at {candidate['weight']} %"

    def _written(self, weights: dict[str, int]) -> Iterator[str]:
        status = self._world.status
        candidate, stable = status.get("candidate") or {}, (status.get("stable") or {}).get("revision")
        if weights and sum(weights.values()) != 100:
            yield f"the weights do not add up to 100: {weights}"
        untried = set(weights) - self._worked
        if len(untried) > 1:
            yield f"the route names two versions that never worked: {sorted(untried)}"
        for revision, weight in weights.items():
            if weight <= self._route.get(revision, 0):
                continue
            if revision in self._worked:
                if stable != revision:
                    yield f"the route gives more to {revision}, which is not stable ({stable})"
            elif (candidate.get("revision"), candidate.get("weight")) != (revision, weight):
                yield f"the route gives {weight} % to {revision}, the persisted status says {candidate}"

    def _by_revision(self, services: dict[str, int]) -> dict[str, int]:
        known = self._world.gateway.revisions
        return {known.get(name, name): weight for name, weight in services.items() if weight}


class Counting(Checker):
    """Rollback exactly on the third consecutive breach; no data is neither (the oracle's opinion)."""

    promise = "2, 3 (three consecutive breaches; no data is neither)"

    def __init__(self, world: "World") -> None:
        self._world = world
        self._oracle = Oracle(world)

    def changed(self, change: Change) -> Iterator[str]:
        if change.kind != "ModelDeployment" or change.actor != FIELD_MANAGER or change.type != "MODIFIED":
            return
        old = (change.before or {}).get("status", {})
        yield from self._oracle.judge(_with_defaults(change.obj["spec"]), old, change.obj["status"], self._world.told())


class Failed(Checker):
    """A version that failed gets no traffic until the spec names another revision."""

    promise = "4 (what failed stays out)"

    def __init__(self, world: "World") -> None:
        self._world = world
        self._failed: str | None = None
        self._route: dict[str, int] = {}

    def changed(self, change: Change) -> Iterator[str]:
        if change.kind == "ModelDeployment" and change.type == "MODIFIED":
            if (change.before or {}).get("spec") != change.obj["spec"]:
                self._failed = None
            old, new = (change.before or {}).get("status", {}), change.obj.get("status", {})
            if new.get("failedRevision") and new.get("failedRevision") != old.get("failedRevision"):
                self._failed = new["failedRevision"]
            candidate = (new.get("candidate") or {}).get("revision")
            if self._failed is not None and candidate == self._failed:
                yield f"{candidate} failed and is a candidate again"
        if change.kind == "HTTPRoute" and change.type != "DELETED":
            before, self._route = self._route, backends(change.obj)
            for name, weight in self._route.items():
                revision = self._world.gateway.revisions.get(name)
                if revision is not None and revision == self._failed and weight > before.get(name, 0):
                    yield f"{revision} failed and gets {weight} % again"


class Capacity(Checker):
    """The stable version, and whatever has traffic, keeps its pods."""

    promise = "5 (stable keeps its capacity)"

    def __init__(self, world: "World") -> None:
        self._world = world

    def changed(self, change: Change) -> Iterator[str]:
        if change.kind != "Deployment" or change.actor != FIELD_MANAGER or not self._world.digits:
            return
        revision = change.obj["metadata"]["labels"][LABEL_REVISION]
        before = change.before["spec"]["replicas"] if change.before else 0
        after = 0 if change.type == "DELETED" else change.obj["spec"]["replicas"]
        if after >= min(before, self._world.digits["spec"]["replicas"]):
            return
        if revision == (self._world.status.get("stable") or {}).get("revision"):
            yield f"stable {revision} was scaled from {before} to {after}"
        if self._world.gateway.weights.get(revision) and not self._world.clock_jumped:
            yield f"{revision} was scaled from {before} to {after} while the gateway gave it traffic"
        if revision in {self._world.gateway.revisions.get(name) for name in self._named()}:
            yield f"{revision} was scaled from {before} to {after} while the route named it"

    def _named(self) -> set[str]:
        route = self._world.api.find("HTTPRoute", "ml", "digits")
        return set(backends(route)) if route else set()


class Endpoints(Checker):
    """No route names a Service without ready endpoints."""

    promise = "section 6 (no route names an empty Service)"

    def __init__(self, world: "World") -> None:
        self._world = world
        self._ready_at: dict[str, float] = {}

    def changed(self, change: Change) -> Iterator[str]:
        if change.kind == "EndpointSlice":
            service = change.obj["metadata"]["labels"]["kubernetes.io/service-name"]
            if change.before is not None and change.before.get("endpoints"):
                self._ready_at[service] = self._world.now()
        name = change.obj["metadata"]["name"]
        gone = change.kind == "Service" and change.type == "DELETED" and change.actor == FIELD_MANAGER
        if gone and self._world.gateway.services.get(name) and not self._world.clock_jumped:
            yield f"Service {name} was deleted while the gateway used it"
        if change.kind == "HTTPRoute" and change.actor == FIELD_MANAGER and change.type != "DELETED":
            before = backends(change.before) if change.before else {}
            for service in backends(change.obj).keys() - before.keys():
                stale = self._world.now() - self._ready_at.get(service, 0.0)
                if not self._world.gateway.ready(service) and stale > self._world.blindness() + STALE_SECONDS:
                    yield f"the route names {service}, which has no ready endpoint"

    def served(self, served: Served) -> Iterator[str]:
        for service in served.empty:
            self._world.later(
                UNLIST_SECONDS, lambda service=service, since=served.at: self._still_empty(service, since)
            )
        return iter(())

    def _still_empty(self, service: str, since: float) -> None:
        """A candidate without endpoints is taken off the route; while stable is empty as well, the route stays."""
        world = self._world
        stable = (world.status.get("stable") or {}).get("revision")
        revision = world.gateway.revisions.get(service)
        stable_ready = any(world.gateway.ready(name) for name, of in world.gateway.revisions.items() if of == stable)
        quiet = world.now() - world.disturbed_at > DISTURBED_SECONDS
        all_the_time = world.gateway.empty_since(service) == since
        if quiet and all_the_time and revision != stable and stable_ready:
            world.broke(self.promise, f"{service} has been empty for {UNLIST_SECONDS:.0f} s and still gets traffic")


class Traces(Checker):
    """Deletion leaves nothing behind: there is never a finalizer. (What is left in the end, the tests look at.)"""

    promise = "9 (no finalizer)"

    def changed(self, change: Change) -> Iterator[str]:
        if change.obj["metadata"].get("finalizers"):
            yield f"{change.kind} has finalizers {change.obj['metadata']['finalizers']}"


def _steps(digits: Json) -> list[int]:
    return [step["weight"] for step in digits["spec"]["rollout"]["steps"]] if digits else []


def _too_early(spec: Json, candidate: Json, at: int) -> Iterator[str]:
    duration = _with_defaults(spec)["rollout"]["durations"][candidate["step"]]
    spent = at - seconds(candidate.get("stepEntered"))
    if spent < duration:
        yield f"step {candidate['step']} ended after {spent} s, declared are {duration} s"


def _with_defaults(spec: Json) -> Json:
    """The spec with durations in seconds, as the checkers need it."""
    health, rollout = spec["health"], spec["rollout"]
    least = _seconds_of(rollout["stepDuration"])
    checks = [
        {**check, **({"window": _seconds_of(check["window"])} if "window" in check else {})}
        for check in health["checks"]
    ]
    return {
        "replicas": spec["replicas"],
        "health": {**health, "interval": _seconds_of(health["interval"]), "checks": checks},
        "rollout": {
            "durations": [_seconds_of(s["duration"]) if "duration" in s else least for s in rollout["steps"]],
        },
    }


def _seconds_of(text: str) -> int:
    units = {"s": 1, "m": 60, "h": 3600}
    return int(text[:-1]) * units[text[-1]]
