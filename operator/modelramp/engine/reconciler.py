"""One object at a time: decide on what is known, write, and when somebody was faster, read again and decide again."""

import math
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any

from modelramp.api.errors import ApiServerUnavailable, Gone, NameTaken, NoAnswer, NotLeading, Refused, StaleRead
from modelramp.api.kinds import MODEL_DEPLOYMENT, Ref
from modelramp.api.names import LABEL_DEPLOYMENT, Phase, Reason
from modelramp.api.verdict import TickOutcome
from modelramp.core.capacity import enough_available, standby_until, takeover_at, with_pods
from modelramp.core.conditions import availability_findings, routing_findings
from modelramp.core.decide import decide
from modelramp.core.events import ObjectRef, RolloutEvent, complete
from modelramp.core.gates.registry import pods_due
from modelramp.core.policies import policy_findings
from modelramp.core.scaled_to_zero import starts_again_by
from modelramp.core.standing import standing
from modelramp.core.state import Decision, Observed, RolloutInput, State
from modelramp.core.status.read import read_status
from modelramp.core.status.write import status_of
from modelramp.desired.kinds import dispensable, owned
from modelramp.desired.routers import router_of
from modelramp.desired.traffic import of_router
from modelramp.engine.applied import rewritten
from modelramp.engine.foreign_routes import FRESH_SECONDS, TAKEN_SECONDS, ForeignRoutes
from modelramp.engine.hooks import HookRunner, next_looks
from modelramp.engine.inspection import INSPECT_SECONDS, Inspector
from modelramp.engine.limiter import Priority
from modelramp.engine.notices import Announced, Notifier
from modelramp.engine.observe import observe, pods_of
from modelramp.engine.ports import Clock, Cluster, Object, Telemetry
from modelramp.engine.references import References
from modelramp.engine.reporting import Reporting
from modelramp.engine.rollout_metrics import Reporter
from modelramp.engine.store import Key, Record, Store
from modelramp.engine.writes import RouteRefused, StatusRefused, Writer, is_calm, spoken_of, worth_writing

_ATTEMPTS = 5
_RETRY_SECONDS_MAX = 60.0
_ROLLBACK_RETRY_SECONDS = 5.0
"""Time between two tries of a rollback that something keeps from taking effect."""
_UNANSWERED = 3
"""Writes of children in a row without an answer after which the status says so."""
_TICKS_MAX = 30
"""Outcomes that are kept for an object while the API server does not answer; older ones are asked for again."""
_ADVICE = "grant the right (manifests/operator/rbac.yaml), or apply this version's CRDs; until then nothing moves"


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided about one object, and is to be written.

    obj: the object as it was decided on. status: None when it is not worth a write. routes: what routers have made, as
    it was known at the decision: its resourceVersions fence the writes. ticks: the outcomes that the decision took in.
    obstacle: what keeps the state from being followed.
    """

    key: Key
    obj: Object
    decision: Decision
    seen: Observed
    status: dict[str, Any] | None
    routes: tuple[Object, ...]
    ticks: tuple[TickOutcome, ...]
    priority: Priority
    now: int
    obstacle: RolloutEvent | None = None
    blocked: bool = False


@dataclass(slots=True)
class Reconciler:
    """Brings one object's status, children and route in line with a decision."""

    store: Store
    cluster: Cluster
    writer: Writer
    hooks: HookRunner
    inspector: Inspector
    references: References
    foreign: ForeignRoutes
    notifier: Notifier
    telemetry: Telemetry
    reporter: Reporter
    reporting: Reporting
    clock: Clock
    scrape_delay: float
    """Seconds from a tick to its evaluation."""

    def stir(self, key: Key) -> None:
        """Something about this object is new, so that its children have to be looked at again."""
        record = self.store.records.get(key)
        if record is not None:
            record.quiet = False

    def take_in(self, key: Key, revision: str, since: int, ticks: Sequence[TickOutcome]) -> bool:
        """Keep outcomes for the next decision; False when they speak of what is no longer looked at.

        That is another revision, or a weight that has begun at another time than they were asked with: evidence from
        before it would count. They are asked again.
        """
        record = self.store.records.get(key)
        if record is None:
            return False
        if record.target is None or (record.state.subject, record.state.weight_since) != (revision, since):
            record.asked = None
            return False
        seen = Observed(pods=pods_of(self.store, key, record))
        record.ticks = (*record.ticks, *with_pods(record.target, record.state, seen, ticks))
        if len(record.ticks) > _TICKS_MAX:
            record.ticks, record.asked = (), None  # Prometheus has them all
            return False
        return True

    def prepare(self, key: Key) -> Plan | None:
        """Decide on everything that is known now; None when nothing is to be written."""
        record = self.store.records.get(key)
        if record is not None and record.deleting:
            self.references.release(key, record)
        if record is None or record.deleting:
            return None
        if self.references.unknown(record):
            _wake(record, self.references.follow(key, record))
            return None
        now, ticks = int(self.clock.now()), record.ticks
        target = record.target
        if target is None:
            if record.spec is not None and record.unmet is None:
                return None  # the content of its ConfigMaps is being read
            obstacle = record.unmet or RolloutEvent(Reason.INVALID_SPEC, record.problem, warning=True)
            return self._plan(
                key,
                record,
                Decision(record.state),
                observe(self.store, key, record, self.clock.now()),
                obstacle,
                (),
                now,
            )
        seen = replace(
            observe(self.store, key, record, self.clock.now()),
            hooks=self.hooks.news(key, record),
            now=now,
            **_causes(record),
        )
        if ticks and _begins_step(target, record.state, seen, now):
            ticks = ()  # the route's news first, by itself: the ticks are judged by the step that is written then
        decision = decide(target, record.state, seen, ticks, now)
        decision = decision.then(*policy_findings(record.obj.get("status") or {}, target))
        before = read_status(record.obj.get("status"))
        decision = decision.then(*routing_findings(before.conditions, seen))
        decision = decision.then(*availability_findings(before, decision.state, seen))
        rival = self._rival(key)
        plan = self._plan(key, record, decision, seen, rival or record.unmet or record.obstacle, ticks, now)
        asks = self.store.hosts.asks_for_more(key)
        listed = not asks or self.foreign.listed_for(key, FRESH_SECONDS if rival is None else TAKEN_SECONDS)
        plan = replace(plan, blocked=rival is not None or not listed or self._gateway_unknown(record, plan.routes))
        if plan.status is None and ticks and record.quiet and _rests(record.state, decision.state):
            state, record.state = record.state, decision.state
            self._took(key, record, plan, state)
            return None
        return plan

    async def carry_out(self, plan: Plan) -> bool:
        """Write the plan: status, route, children. True when there is something that the next decision should see.

        Never raises for an outside failure: that leaves a time at which to try again.
        """
        key, urgent = plan.key, plan.priority is Priority.ROLLBACK
        for attempt in range(_ATTEMPTS):
            record = self.store.records.get(key)
            if record is None or record.deleting:
                return False
            try:
                return await self._write(plan, record)
            except StaleRead as error:
                if not isinstance(error, Gone):
                    self.telemetry.count("modelramp_conflicts_total")
                if not await self._reread(key):
                    return False
                if attempt == _ATTEMPTS - 1:  # somebody writes all the time, and would win again
                    self._later(record, error, urgent=urgent)
                    return False
            except NotLeading:
                return False  # whoever leads decides
            except (ApiServerUnavailable, Refused) as error:
                self._later(record, error, urgent=urgent)
                return False
            again = self.prepare(key)
            if again is None:
                return False
            plan = again
        return False

    def put_off(self, key: Key, error: Exception) -> None:
        """Leave this object as it is for a while: deciding on it failed unexpectedly."""
        record = self.store.records.get(key)
        if record is not None:
            record.ticks, record.asked = (), None
            record.wake_at = self.clock.now() + _RETRY_SECONDS_MAX
        self.telemetry.warn("decision failed", namespace=key[0], name=key[1], error=repr(error)[:256])

    def _plan(
        self,
        key: Key,
        record: Record,
        decision: Decision,
        seen: Observed,
        obstacle: RolloutEvent | None,
        ticks: tuple[TickOutcome, ...],
        now: int,
    ) -> Plan:
        due, status = self._is_due(record, decision.state, ticks), None
        calm = bool(ticks) and record.quiet and obstacle is None and is_calm(record.state, decision)
        if due or not calm:
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
        return Plan(
            key=key,
            obj=record.obj,
            decision=decision,
            seen=seen,
            status=status if status is not None and worth_writing(record, status, decision, now, due=due) else None,
            routes=self.store.routes(key),
            ticks=ticks,
            priority=_priority(record.state, decision.state, seen),
            now=now,
            obstacle=obstacle,
        )

    def _is_due(self, record: Record, after: State, ticks: Sequence[TickOutcome]) -> bool:
        """Whether the newest tick is written though it may have changed nothing.

        What excuses a tick cannot be found by a replay, so that is written each time.
        """
        if record.target is None or any(outcome.excuse for outcome in ticks):
            return True
        return self.reporting.is_due(record.uid, record.state, after, record.target.spec.health.interval)

    async def _write(self, plan: Plan, record: Record) -> bool:
        """One pass; True when it changed something that the next decision should see."""
        key, before = plan.key, record.state
        unwritten: StatusRefused | None = None
        try:
            await self.writer.status(record, plan.obj, plan.status, plan.decision, plan.priority)
        except StatusRefused as error:
            if plan.priority is not Priority.ROLLBACK:
                raise
            record.state, unwritten = plan.decision.state, error  # nothing keeps the bad version on the route
        self._took(key, record, plan, before)
        self._observe_lag(plan)
        if record.target is None:
            self._tell(record, before, plan.decision.findings)
            self._announce(plan, record)
            return False
        try:
            changed = await self._make_children(key, record, plan)
        finally:  # the status stands, so nobody will find this out again
            self._tell(record, before, (*plan.decision.findings, *self._noticed(plan, record)))
            self._announce(plan, record)
        if unwritten is not None:
            self._later(record, unwritten, urgent=True)
        again = self.hooks.follow(key, record)
        return changed or again or bool(record.ticks)

    def _observe_lag(self, plan: Plan) -> None:
        """How late the API server has what the newest tick decided; nothing for a tick that is not written."""
        if plan.ticks and plan.status is not None:
            lag = self.clock.now() - max(outcome.tick for outcome in plan.ticks) - self.scrape_delay
            self.telemetry.observe("modelramp_tick_write_lag_seconds", max(0.0, lag), priority=plan.priority.label)

    def _took(self, key: Key, record: Record, plan: Plan, before: State) -> None:
        """The decision counts: its ticks are used up."""
        used = {(outcome.revision, outcome.tick) for outcome in plan.ticks}
        record.ticks = tuple(item for item in record.ticks if (item.revision, item.tick) not in used)
        if key in self.store.records:  # else its gauges are gone already, and would stay for ever
            self.reporter.decided(key, before, record, plan.now)
        record.failures = 0
        if plan.status is not None:
            record.sayings = record.sayings.after(spoken_of(record.state), plan.status.get("message", ""), plan.now)
        if record.target is not None:
            record.wake_at = _next_look(record.target, record.state, plan.seen, plan.now)
            if plan.blocked:
                _wake(record, plan.now + INSPECT_SECONDS)
            if record.announced is not None:
                _wake(record, record.announced.again_at)
            self.inspector.follow(key, record, plan.seen)
        _wake(record, self.references.follow(key, record, plan.seen.routed))

    async def _make_children(self, key: Key, record: Record, plan: Plan) -> bool:
        hindered = record.obstacle
        try:
            changed = await self.writer.children(
                key, record, plan.seen, plan.routes, plan.now, plan.priority, blocked=plan.blocked
            )
        except Refused as error:
            record.quiet = False
            record.obstacle = RolloutEvent(_reason_of(error), str(error), warning=True)
            retry = _ROLLBACK_RETRY_SECONDS if isinstance(error, RouteRefused) else _RETRY_SECONDS_MAX
            _wake(record, plan.now + retry)
            self.writer.show_refused_route(key, refused=isinstance(error, RouteRefused))
            return hindered != record.obstacle  # the status says it next, and then people hear of it
        except ApiServerUnavailable as error:
            record.unanswered += 1
            known = record.obstacle is not None and record.obstacle.reason is Reason.API_SERVER_UNAVAILABLE
            if record.unanswered >= _UNANSWERED and not known:  # which call it is today is no news
                text = f"children cannot be written: {error}; it is tried again"
                record.obstacle = RolloutEvent(Reason.API_SERVER_UNAVAILABLE, text, warning=True)
            raise
        self.writer.show_refused_route(key, refused=False)
        record.obstacle, record.unanswered = None, 0
        candidate = record.state.candidate
        if hindered is not None and hindered.reason is Reason.CHILD_REFUSED and candidate is not None:
            record.last_words = (candidate.version.revision, hindered.message)  # its pods have had no time to say more
        record.quiet = not changed
        return changed or hindered is not None

    def _announce(self, plan: Plan, record: Record) -> None:
        """Tell of obstacles that begin or end; the status, which was written, says the same."""
        now, state = self.clock.now(), record.state
        announced = self._announced(plan, record)
        told = announced.follow(
            standing(record.target, state, plan.seen, plan.obstacle),
            now,
            candidate=state.candidate.version.revision if state.candidate is not None else None,
            stable=state.stable.revision if state.stable is not None else None,
            told={finding.reason for finding in plan.decision.findings},
        )
        _wake(record, announced.again_at)
        self._tell(record, state, told)

    def _noticed(self, plan: Plan, record: Record) -> tuple[RolloutEvent, ...]:
        """What was found out about children and is news to people."""
        noticed, record.noticed = record.noticed, []
        return self._announced(plan, record).news(noticed, record.obj.get("status"), self.clock.now())

    def _announced(self, plan: Plan, record: Record) -> Announced:
        if record.announced is None:
            record.announced = Announced.after_start(plan.obj.get("status"), self.clock.now())
        return record.announced

    def _tell(self, record: Record, before: State, events: tuple[RolloutEvent, ...]) -> None:
        metadata = record.obj["metadata"]
        version = metadata.get("resourceVersion", "")
        about = ObjectRef(metadata["namespace"], metadata["name"], record.uid, version)
        self.notifier.tell(complete(event, about, before, record.state) for event in events)

    @staticmethod
    def _gateway_unknown(record: Record, routes: Sequence[Object]) -> bool:
        """Whether the spec moves a route to Gateways that are not known to exist: until then it stays where it is."""
        wanted = record.target.spec.routing if record.target is not None else None
        router = router_of(wanted) if wanted is not None else None
        if wanted is None or router is None or not router.moves(wanted, of_router(router, routes)):
            return False
        return record.gateway is not None or record.looked_for != wanted

    def _rival(self, key: Key) -> RolloutEvent | None:
        why = self.store.turned_down(key)
        return RolloutEvent(Reason.HOSTNAME_TAKEN, why, warning=True) if why else None

    async def _reread(self, key: Key) -> bool:
        """Read the object and its children again; False when it is gone or the API server does not answer."""
        try:
            self.store.observe(MODEL_DEPLOYMENT, "MODIFIED", await self.cluster.get(Ref(MODEL_DEPLOYMENT, *key)))
            record = self.store.records.get(key)
            if record is not None and record.borrowed is not None:
                await self.references.read(key, record)
            for kind in owned():
                with suppress(Refused) if dispensable(kind) else nullcontext():
                    found = await self.cluster.list(kind, key[0], f"{LABEL_DEPLOYMENT}={key[1]}")
                    self.store.replace_children(key, kind, found)
        except Gone:
            self.store.forget(key)
            return False
        except (NoAnswer, Refused) as error:
            record = self.store.records.get(key)
            if record is not None:
                self._later(record, error, urgent=False)
            return False
        return True

    def _later(self, record: Record, error: Exception, *, urgent: bool) -> None:
        delay = min(2.0**record.failures, _ROLLBACK_RETRY_SECONDS if urgent else _RETRY_SECONDS_MAX)
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


def _priority(before: State, after: State, seen: Observed) -> Priority:
    """How urgent it is to write: a version that should have less of the traffic than it has comes first."""
    stable = after.stable.revision if after.stable else None
    was, will = before.weights, after.weights
    falls = any(weight > will.get(revision, 0) for revision, weight in seen.served.items() if revision != stable)
    failed = after.failed is not None and after.failed != before.failed
    if failed or after.phase is Phase.ROLLING_BACK or (falls and after.phase is not Phase.PROMOTING):
        return Priority.ROLLBACK
    if will != was or after.phase is Phase.PROMOTING or after.stable != before.stable:
        return Priority.PROMOTION
    return Priority.CREATION if after.candidate is not None and after.running is None else Priority.REPORT


def _wake(record: Record, at: float) -> None:
    """Look again then at the latest; infinite: never because of this."""
    if at < math.inf:
        record.wake_at = min(record.wake_at or math.inf, at)


def _causes(record: Record) -> dict[str, Any]:
    """What is known of why the candidate's pods are not there: what was refused, or their own last words."""
    candidate = record.state.candidate
    revision, words = record.last_words
    said = words if candidate is not None and candidate.version.revision == revision else ""
    refused = record.obstacle.message if record.obstacle is not None else ""
    odd = (rewritten(kind.kind, name, found.differs) for (kind, name), found in record.applied.items() if found.differs)
    remark = next((finding.message for finding in odd), "")
    return {"cause": refused or said, "examined": record.examined or bool(refused), "remark": remark}


def _begins_step(target: RolloutInput, state: State, seen: Observed, now: int) -> bool:
    """Whether the route shows a step's weight now, which was not known before."""
    if state.running is None or state.running.shown:
        return False
    after = decide(target, state, seen, (), now).state.running
    return after is not None and after.shown


def _rests(before: State, after: State) -> bool:
    """Whether a tick changed nothing that the children or the route follow from."""
    same = ("phase", "stable", "previous", "failed", "retiring", "hooks", "held", "zero", "weights")
    return after.candidate == before.candidate and all(getattr(before, at) == getattr(after, at) for at in same)


def _reason_of(error: Refused) -> Reason:
    if isinstance(error, RouteRefused):
        return Reason.ROUTE_REFUSED
    return Reason.NAME_TAKEN if isinstance(error, NameTaken) else Reason.CHILD_REFUSED


def _capacity_looks(target: RolloutInput, state: State, now: int) -> list[float]:
    """When a wait for capacity or pods on standby may end, and when a revision that lacked room is tried again."""
    until = standby_until(target, state)
    times = [float(until)] if until > now else []
    times += [float(max(now + 1, state.deferred.until))] if state.deferred is not None else []
    times += [float(max(now + 1, state.held.until))] if state.held is not None and state.held.until else []
    wait = state.candidate.waiting if state.candidate is not None else None
    limit = target.spec.rollout.capacity_deadline
    if wait is not None:
        times += [now + INSPECT_SECONDS, *([float(max(now + 1, wait.since + limit))] if limit is not None else [])]
    return times


def _next_look(target: RolloutInput, state: State, seen: Observed, now: int) -> float | None:
    """When something is to be done though nobody calls: a deadline, pods that may end, a gateway that is silent."""
    times = [float(item.at) for item in state.retiring if item.at is not None]
    times.append(seen.look_at)
    times += next_looks(target, state, now)
    times += _capacity_looks(target, state, now)
    if state.candidate is not None and state.candidate.step < 0:
        due = pods_due(target, state, seen)
        times += [float(due)] if due is not None else []
        times.append(now + INSPECT_SECONDS)
    moving = state.phase in {Phase.PROMOTING, Phase.ROLLING_BACK}
    back_by = starts_again_by(target, state)
    times += [float(back_by)] if back_by is not None else []
    lacks_pods = state.zero is None and not enough_available(target, state, seen)
    if seen.adopted is not None and seen.adopted.original is None:
        due_at = takeover_at(target, state, seen)
        times.append(due_at if due_at > now else now + INSPECT_SECONDS)
    if moving or seen.routed is not True or lacks_pods or back_by is not None:
        times.append(now + INSPECT_SECONDS)
    soonest = min(times)
    return soonest if soonest < math.inf else None
