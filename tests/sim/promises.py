"""One checker for each promise of the design, asked after every write and every change of what the gateway serves."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelramp.api.names import FIELD_MANAGER, LABEL_DEPLOYMENT, LABEL_REVISION
from modelramp.desired.names import child_name
from tests.rules import kstatus
from tests.sim.abtests import Tests
from tests.sim.apiserver import Change
from tests.sim.checker import DISTURBED_SECONDS, Checker, Json, asked, readable
from tests.sim.episodes import Episodes
from tests.sim.evidence import Evidence
from tests.sim.gate import Gate
from tests.sim.gateway import Served, backends, is_preview
from tests.sim.kubelet import GPU, gpus_of
from tests.sim.oracle import Oracle
from tests.sim.policies import PoliciesOverTime
from tests.sim.standing import Standing
from tests.sim.steps import Steps

if TYPE_CHECKING:
    from tests.sim.member import Member

UNLIST_SECONDS = 10.0
"""A route may name a candidate that has lost its last endpoint for so long."""
REACTION_SECONDS = 2.0
"""The operator may take so long to act on what has just become so."""
SEEN_SECONDS = 3.0
"""How old the operator's view of ready pods may be beside what it is blind for."""
STALE_SECONDS = 15.0
"""How old the operator's view of an endpoint may be when it writes a route (without faults it is milliseconds)."""


class Promises:
    """All checkers of one ModelDeployment; what they find goes to `member.broke`."""

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._checkers = (
            Steps(member),
            Counting(member),
            Failed(member),
            Capacity(member),
            Shares(member),
            Endpoints(member),
            Traces(),
            Told(),
            Tests(),
            Gate(member),
            Episodes(member.world),
            Evidence(member),
            Standing(),
        )

    def changed(self, change: Change) -> None:
        """Something was written."""
        for checker in self._checkers:
            for finding in checker.changed(change):
                self._member.broke(checker.promise, finding)

    def served(self, served: Served) -> None:
        """The gateway carries another share, or to other endpoints."""
        for checker in self._checkers:
            for finding in checker.served(served):
                self._member.broke(checker.promise, finding)


class Counting(Checker):
    """Rollback exactly on the third consecutive breach; no data is neither (the oracle's opinion)."""

    promise = "2, 3 (three consecutive breaches; no data is neither)"

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._oracle = Oracle(member)
        self._policies = PoliciesOverTime(member.world)

    def changed(self, change: Change) -> Iterator[str]:
        self._policies.changed(change)
        if change.kind != "ModelDeployment" or change.actor != FIELD_MANAGER or change.type != "MODIFIED":
            return
        old = (change.before or {}).get("status", {})
        spec = readable(change.obj["spec"])
        spec["health"]["variants"] = self._policies.variants(change.obj["spec"])
        yield from self._oracle.judge(spec, old, change.obj["status"], self._member.told())


class Failed(Checker):
    """A version that failed gets no traffic until the spec names another revision."""

    promise = "4 (what failed stays out)"

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._failed: str | None = None
        self._route: dict[str, int] = {}

    def changed(self, change: Change) -> Iterator[str]:
        if change.kind == "ModelDeployment" and change.type == "MODIFIED":
            if (change.before or {}).get("spec") != change.obj["spec"]:
                self._failed = None
            old, new = (change.before or {}).get("status", {}), change.obj.get("status", {})
            if new.get("failedRevision") and new.get("failedRevision") != old.get("failedRevision"):
                self._failed = new["failedRevision"]
            if asked(old, new, "retry"):
                self._failed = None
            candidate = (new.get("candidate") or {}).get("revision")
            if self._failed is not None and candidate == self._failed:
                yield f"{candidate} failed and is a candidate again"
        if change.kind == "HTTPRoute" and change.type != "DELETED" and not is_preview(change.obj):
            before, self._route = self._route, backends(change.obj)
            for name, weight in self._route.items():
                revision = self._member.gateway.revisions.get(name)
                if revision is not None and revision == self._failed and weight > before.get(name, 0):
                    yield f"{revision} failed and gets {weight} % again"


class Capacity(Checker):
    """The stable version, and whatever has traffic, keeps its pods."""

    promise = "5 (stable keeps its capacity)"

    def __init__(self, member: "Member") -> None:
        self._member = member

    def changed(self, change: Change) -> Iterator[str]:
        if change.kind != "Deployment" or change.actor != FIELD_MANAGER or not self._member.obj:
            return
        if LABEL_DEPLOYMENT not in change.obj["metadata"].get("labels", {}):
            return  # somebody else's, which a ModelDeployment has taken over
        revision = change.obj["metadata"]["labels"][LABEL_REVISION]
        if change.obj["metadata"]["name"] != child_name(change.obj["metadata"]["labels"][LABEL_DEPLOYMENT], revision):
            return  # a copy that somebody made; the version's pods are those of its own Deployment
        if self._member.obj["spec"]["rollout"].get("strategy") == "Replace":
            yield from self._one_at_a_time()
            return
        before = change.before["spec"]["replicas"] if change.before else 0
        after = 0 if change.type == "DELETED" else change.obj["spec"]["replicas"]
        if after >= min(before, self._member.obj["spec"]["replicas"]):
            return
        if self._member.obj["spec"]["rollout"].get("capacity"):
            return  # `Shares` has the bounds of a spec that sets some
        if revision == (self._member.status.get("stable") or {}).get("revision"):
            yield f"stable {revision} was scaled from {before} to {after}"
        if self._member.gateway.weights.get(revision):
            yield f"{revision} was scaled from {before} to {after} while the gateway gave it traffic"
        if revision in {self._member.gateway.revisions.get(name) for name in self._named()}:
            yield f"{revision} was scaled from {before} to {after} while the route named it"

    def _one_at_a_time(self) -> Iterator[str]:
        """Strategy Replace: one version has pods, and it is the candidate only once stable was stopped."""
        own = self._member.world.api.all(
            "Deployment", self._member.namespace, f"{LABEL_DEPLOYMENT}={self._member.name}"
        )
        running = {obj["metadata"]["labels"][LABEL_REVISION] for obj in own if obj["spec"]["replicas"]}
        candidate = self._member.status.get("candidate") or {}
        if len(running) > 1:
            yield f"two versions have pods: {sorted(running)}"
        early = candidate.get("step", -1) < 0 and not candidate.get("stableStopped")
        if self._member.status.get("stable") and early and candidate.get("revision") in running:
            yield f"{candidate['revision']} has pods although nobody has stopped what serves"

    def _named(self) -> set[str]:
        return set(backends(self._member.route)) if self._member.route else set()


class Endpoints(Checker):
    """No route names a Service without ready endpoints."""

    promise = "section 6 (no route names an empty Service)"

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._world = member.world
        self._ready_at: dict[str, float] = {}

    def changed(self, change: Change) -> Iterator[str]:
        if change.kind == "EndpointSlice":
            service = change.obj["metadata"]["labels"]["kubernetes.io/service-name"]
            if change.before is not None and change.before.get("endpoints"):
                self._ready_at[service] = self._world.now()
        name = change.obj["metadata"]["name"]
        gone = change.kind == "Service" and change.type == "DELETED" and change.actor == FIELD_MANAGER
        if gone and self._member.gateway.services.get(name):
            yield f"Service {name} was deleted while the gateway used it"
        if change.kind == "HTTPRoute" and change.actor == FIELD_MANAGER and change.type != "DELETED":
            before = backends(change.before) if change.before else {}
            for service in backends(change.obj).keys() - before.keys():
                stale = self._world.now() - self._ready_at.get(service, 0.0)
                rests = not self._member.obj or not self._member.obj["spec"]["replicas"]
                if rests:
                    continue
                if not self._member.gateway.ready(service) and stale > self._world.blindness() + STALE_SECONDS:
                    yield f"the route names {service}, which has no ready endpoint"

    def served(self, served: Served) -> Iterator[str]:
        for service in served.empty:
            self._world.later(
                UNLIST_SECONDS, lambda service=service, since=served.at: self._still_empty(service, since)
            )
        return iter(())

    def _still_empty(self, service: str, since: float, *, again: bool = False) -> None:
        """A candidate without endpoints is taken off the route; while stable is empty as well, the route stays.

        again: whether it was so a moment ago, too; a stable version that has just come back is not named at once.
        """
        world, gateway = self._world, self._member.gateway
        stable = (self._member.status.get("stable") or {}).get("revision")
        revision = gateway.revisions.get(service)
        stable_ready = any(gateway.ready(name) for name, of in gateway.revisions.items() if of == stable)
        quiet = world.now() - world.disturbed_at > DISTURBED_SECONDS
        all_the_time = gateway.empty_since(service) == since
        if not (quiet and all_the_time and revision != stable and stable_ready):
            return
        if not again:
            world.later(REACTION_SECONDS, lambda: self._still_empty(service, since, again=True))
        else:
            self._member.broke(
                self.promise, f"{service} has been empty for {UNLIST_SECONDS:.0f} s and still gets traffic"
            )


class Traces(Checker):
    """Deletion leaves nothing behind: there is no finalizer but where something has to be given back first.

    (What is left in the end, the tests look at.)
    """

    promise = "9 (no finalizer)"

    def changed(self, change: Change) -> Iterator[str]:
        found = change.obj["metadata"].get("finalizers")
        spec = change.obj.get("spec") or {}
        gateway = spec.get("routing", {}).get("gateway", {})
        borrows = change.kind == "ModelDeployment" and ("routeRef" in gateway or "workloadRef" in spec)
        if found and not (borrows and found == ["modelramp.io/give-back"]):
            yield f"{change.kind} has finalizers {change.obj['metadata']['finalizers']}"


class Told(Checker):
    """Every status that is ever written can be trusted by programs (the rules of kstatus)."""

    promise = "10 (status by the rules of kstatus)"

    def changed(self, change: Change) -> Iterator[str]:
        written = change.kind == "ModelDeployment" and change.type == "MODIFIED" and change.actor == FIELD_MANAGER
        if written and change.obj.get("status", {}).get("conditions"):
            yield from kstatus.check(change.obj["status"])


class Shares(Checker):
    """All versions together keep both bounds of spec.rollout.capacity, and each has ready pods for its weight."""

    promise = "5 (ready pods for every weight)"

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._ready: dict[str, list[tuple[float, int]]] = {}

    def changed(self, change: Change) -> Iterator[str]:
        if change.kind == "EndpointSlice":
            service = change.obj["metadata"]["labels"]["kubernetes.io/service-name"]
            found = (self._member.world.now(), self._member.gateway.ready(service))
            self._ready.setdefault(service, []).append(found)
        if change.actor != FIELD_MANAGER or change.type == "DELETED" or not self._member.obj:
            return
        capacity = self._member.obj["spec"]["rollout"].get("capacity") or {}
        held = (self._member.status.get("heldReplicas") or {}).get("count", 0)
        replicas = max(self._member.obj["spec"]["replicas"], held)
        surge, unavailable = capacity.get("maxSurge", replicas), capacity.get("maxUnavailable", 0)
        if change.kind == "Deployment":
            wanted = sum(obj["spec"]["replicas"] for obj in self._deployments())
            fewer = change.before is not None and change.obj["spec"]["replicas"] < change.before["spec"]["replicas"]
            if not fewer and "maxSurgeResources" in capacity:
                yield from self._asked(replicas, capacity["maxSurgeResources"][GPU])
            elif wanted > replicas + surge and not fewer:
                yield f"{wanted} pods are wanted, {replicas} and {surge} more are allowed"
        if change.kind == "HTTPRoute" and not is_preview(change.obj) and change.before is not None:
            yield from self._carried(backends(change.obj), backends(change.before), max(1, replicas - unavailable))

    def _asked(self, replicas: int, surge: int) -> Iterator[str]:
        running = [(obj["spec"]["replicas"], gpus_of(obj)) for obj in self._deployments() if obj["spec"]["replicas"]]
        wanted, most = sum(pods * gpus for pods, gpus in running), max((gpus for _, gpus in running), default=0)
        if wanted > replicas * most + surge:
            yield f"{wanted} GPUs are wanted, {replicas} pods of {most} and {surge} more are allowed"

    def _deployments(self) -> list[Json]:
        """Those of the versions; copies that somebody made are left out."""
        own, name = f"{LABEL_DEPLOYMENT}={self._member.name}", self._member.name
        return [
            obj
            for obj in self._member.world.api.all("Deployment", self._member.namespace, own)
            if obj["metadata"]["name"] == child_name(name, obj["metadata"]["labels"].get(LABEL_REVISION, ""))
        ]

    def _carried(self, weights: dict[str, int], before: dict[str, int], least: int) -> Iterator[str]:
        """On the way up; on the way back everything goes to what is ready."""
        total = sum(weights.values())
        ready = {name: self._known(name) for name in weights}
        together = min(least, sum(min(counts) for counts in ready.values()))
        for name, weight in weights.items():
            rises = weight * max(1, sum(before.values())) > before.get(name, 0) * total
            if rises and len(weights) > 1 and max(ready[name]) * total < weight * together:
                yield f"{name} has {max(ready[name])} ready pods for {weight} of {total} of what {together} pods carry"

    def _known(self, service: str) -> set[int]:
        """Every number of ready pods that the operator may have seen last."""
        since = self._member.world.now() - self._member.world.blindness() - SEEN_SECONDS
        seen = self._ready.get(service, [(0.0, 0)])
        before = [count for at, count in seen if at < since][-1:]
        return {count for at, count in seen if at >= since} | set(before or [0])
