"""One object at a time: decide on what is known, write, and when somebody was faster, read again and decide again."""

import asyncio
import math
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace

from modelramp.api.errors import ClusterSilent, Conflict, Gone, NameTaken, NoAnswer, Refused
from modelramp.api.names import LABEL_DEPLOYMENT, Phase, Reason
from modelramp.api.verdict import TickOutcome
from modelramp.core.capacity import enough_available
from modelramp.core.decide import decide
from modelramp.core.gate import pods_due
from modelramp.core.hostnames import taken_by
from modelramp.core.policies import policy_findings
from modelramp.core.recall import read_status
from modelramp.core.record import status_of
from modelramp.core.state import Decision, Finding, Pods, Seen, State, Target
from modelramp.engine.evaluation import look_at_job
from modelramp.engine.hooks import HookRunner, next_looks
from modelramp.engine.obstacles import inspect_gateway, inspect_pods
from modelramp.engine.ports import DISPENSABLE, MODEL_DEPLOYMENT, OWNED, Clock, Cluster, Object, Ref, Telemetry
from modelramp.engine.report import report
from modelramp.engine.store import Key, Record, Store
from modelramp.engine.view import see
from modelramp.engine.writes import Writer

_ATTEMPTS = 5
_RETRY_SECONDS_MAX = 60.0
_INSPECT_SECONDS = 10.0
_ADVICE = "grant the right (manifests/operator/rbac.yaml), or apply this version's CRDs; until then nothing moves"


@dataclass(slots=True)
class Settler:
    """Brings one object's status, children and route in line with a decision."""

    store: Store
    cluster: Cluster
    writer: Writer
    hooks: HookRunner
    telemetry: Telemetry
    clock: Clock
    _locks: dict[Key, asyncio.Lock] = field(default_factory=dict)

    def urgency(self, key: Key, ticks: Sequence[TickOutcome]) -> int:
        """0 when these ticks roll back, 1 when they move traffic up, 2 otherwise."""
        record = self.store.records.get(key)
        if record is None or record.target is None:
            return 2
        now = int(self.clock.now())
        try:
            after = decide(record.target, record.state, see(self.store, key, record), ticks, now).state
        except Exception:  # noqa: BLE001 - settling it meets the same, and says so
            return 2
        if after.failed != record.state.failed:
            return 0
        return 1 if after.weights != record.state.weights else 2

    async def settle(self, key: Key, ticks: Sequence[TickOutcome]) -> None:
        """Decide and write. Never raises for an outside failure: that leaves a time at which to try again."""
        async with self._locks.setdefault(key, asyncio.Lock()):
            for _ in range(_ATTEMPTS):
                record = self.store.records.get(key)
                if record is None or record.deleting:
                    return
                try:
                    again = await self._once(key, record, ticks)
                except Conflict:
                    self.telemetry.count("modelramp_conflicts_total")
                    if not await self._reread(key):
                        return
                except Gone:
                    if not await self._reread(key):
                        return
                except (ClusterSilent, Refused) as error:
                    self._later(record, error)
                    return
                else:
                    if not again:
                        return

    async def _once(self, key: Key, record: Record, ticks: Sequence[TickOutcome]) -> bool:
        """One pass; True when it changed something that the next decision should see."""
        now = int(self.clock.now())
        target = record.target
        if target is None:
            obstacle = Finding(Reason.INVALID_SPEC, record.problem, warning=True)
            await self._write_status(key, record, Decision(record.state), Seen(), obstacle, now)
            return False
        await self._look(key, record, target)
        with suppress(NoAnswer):
            await look_at_job(self.cluster, self.store, key, record, now)
        route = self.store.route(key)
        seen = replace(see(self.store, key, record), hooks=self.hooks.news(key, record))
        decision = decide(target, record.state, seen, _with_pods(record, target, seen, ticks), now)
        decision = decision.then(*policy_findings(record.obj.get("status") or {}, target))
        rival = self._rival(key)
        before = record.state
        await self._write_status(key, record, decision, seen, rival or record.obstacle, now)
        report(self.telemetry, key, before, record.state)
        again = self.hooks.follow(key, record)
        record.wake_at = _next_look(target, record.state, now)
        if rival is not None:
            record.wake_at = min(record.wake_at or math.inf, now + _INSPECT_SECONDS)
        record.failures = 0
        return await self._make_children(key, record, seen, route, now, blocked=rival is not None) or again

    async def _make_children(
        self, key: Key, record: Record, seen: Seen, route: Object | None, now: int, *, blocked: bool
    ) -> bool:
        hindered = record.obstacle
        try:
            changed = await self.writer.children(key, record, seen, route, now, blocked=blocked)
        except (Refused, NameTaken) as error:
            reason = Reason.NAME_TAKEN if isinstance(error, NameTaken) else Reason.CHILD_REFUSED
            record.obstacle = Finding(reason, str(error), warning=True)
            record.wake_at = min(record.wake_at or math.inf, now + _RETRY_SECONDS_MAX)
            if hindered == record.obstacle:
                return False
            self.telemetry.warn("a child was refused", namespace=key[0], name=key[1], reason=str(error))
            return True
        record.obstacle = None
        return changed or hindered is not None

    async def _write_status(
        self, key: Key, record: Record, decision: Decision, seen: Seen, obstacle: Finding | None, now: int
    ) -> None:
        status = status_of(
            key[1],
            record.target,
            decision.state,
            seen,
            generation=record.obj["metadata"].get("generation", 0),
            now=now,
            before=read_status(record.obj.get("status")),
            obstacle=obstacle,
        )
        await self.writer.status(key, record, status, decision)

    async def _look(self, key: Key, record: Record, target: Target) -> None:
        """Ask why things do not move, when they do not: the gateway, and the pods."""
        now = self.clock.now()
        if now < record.inspect_at:
            return
        seen = see(self.store, key, record)
        with suppress(NoAnswer, Refused):
            if seen.routed is not True:
                record.inspect_at = now + _INSPECT_SECONDS
                record.gateway = await inspect_gateway(self.cluster, key, target.spec.routing.gateway)
            revision = record.state.candidate.version.revision if record.state.candidate else record.state.subject
            pods = seen.pods.get(revision or "")
            if revision and pods and pods.available < target.spec.replicas:
                record.inspect_at = now + _INSPECT_SECONDS
                record.trouble = {revision: await inspect_pods(self.cluster, key, revision)}

    def _rival(self, key: Key) -> Finding | None:
        rival = self.store.rival(key)
        return Finding(Reason.HOSTNAME_TAKEN, taken_by(rival), warning=True) if rival is not None else None

    async def _reread(self, key: Key) -> bool:
        """Read the object and its children again; False when it is gone or the API server does not answer."""
        try:
            self.store.observe(MODEL_DEPLOYMENT, "MODIFIED", await self.cluster.get(Ref(MODEL_DEPLOYMENT, *key)))
            for kind in OWNED:
                with suppress(Refused) if kind in DISPENSABLE else nullcontext():
                    found = await self.cluster.list(kind, key[0], f"{LABEL_DEPLOYMENT}={key[1]}")
                    self.store.replace_children(key, kind, found)
        except Gone:
            self.store.forget(key)
            return False
        except (NoAnswer, Refused) as error:
            record = self.store.records.get(key)
            if record is not None:
                self._later(record, error)
            return False
        return True

    def put_off(self, key: Key, error: Exception) -> None:
        """Leave this object as it is for a while: deciding on it failed in a way that nobody foresaw."""
        record = self.store.records.get(key)
        if record is not None:
            record.wake_at = self.clock.now() + _RETRY_SECONDS_MAX
        self.telemetry.warn("decision failed", namespace=key[0], name=key[1], error=repr(error))

    def _later(self, record: Record, error: Exception) -> None:
        delay = min(2.0**record.failures, _RETRY_SECONDS_MAX)
        record.failures += 1
        record.wake_at = self.clock.now() + delay
        namespace, name = record.obj["metadata"]["namespace"], record.obj["metadata"]["name"]
        self.telemetry.warn(
            "waiting for the API server",
            namespace=namespace,
            name=name,
            reason=str(error),
            retry_seconds=delay,
            **({"advice": _ADVICE} if isinstance(error, Refused) else {}),
        )


def _with_pods(record: Record, target: Target, seen: Seen, ticks: Sequence[TickOutcome]) -> tuple[TickOutcome, ...]:
    """The ticks with what can be seen of the pods: that is the present, so only the newest tick learns of it."""
    if not ticks:
        return ()
    *older, newest = ticks
    if newest.revision != record.state.subject:
        return tuple(ticks)
    pods = seen.pods.get(newest.revision, Pods())
    trouble = f" ({pods.trouble})" if pods.trouble else ""
    enough = enough_available(target, record.state, seen)
    return (*older, replace(newest, available=enough, pods=f"{pods}{trouble}"))


def _next_look(target: Target, state: State, now: int) -> float | None:
    """When something is to be done though nobody calls: a deadline, pods that may end, a gateway that is silent."""
    times = [float(item.at) for item in state.retiring if item.at is not None]
    times += next_looks(target, state, now)
    if state.candidate is not None and state.candidate.step < 0:
        due = pods_due(target, state.candidate)
        times += [float(due)] if due is not None else []
        times.append(now + _INSPECT_SECONDS)
    if state.phase in {Phase.PROMOTING, Phase.ROLLING_BACK}:
        times.append(now + _INSPECT_SECONDS)
    return min((time for time in times), default=None)
