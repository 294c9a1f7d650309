"""What follows from the pods and the route as they were last seen: no tick is needed for these moves."""

from dataclasses import replace

from modelramp.api.names import Phase, Reason
from modelramp.api.times import to_clock
from modelramp.core import transitions
from modelramp.core.capacity import all_available, by_share, first_pods, given, to_come
from modelramp.core.events import RolloutEvent
from modelramp.core.gates import registry as gates
from modelramp.core.need import beyond_quota
from modelramp.core.room import bounds_in_words, unusable
from modelramp.core.state import (
    CapacityWait,
    Decision,
    Observed,
    Pods,
    Retiring,
    RolloutInput,
    State,
    Version,
    held_by_people,
)
from modelramp.core.steps import first_step, held_by_route
from modelramp.core.strategies.registry import strategy_of


def follow_world(decision: Decision, target: RolloutInput, seen: Observed, now: int) -> Decision:
    """Start traffic when pods are there, give up when they are too late, confirm what the route shows by now."""
    decision = _await_capacity(decision, target, seen, now)
    decision = gates.follow_gates(decision, target, seen)
    decision = _make_way(decision, target, seen, now)
    decision = _await_pods(decision, target, seen, now)
    decision = _confirm(decision, target, seen, now)
    return decision.then(retiring=_retired(decision.state, target, seen, now))


def follow_route(decision: Decision, target: RolloutInput, seen: Observed, now: int) -> Decision:
    """What follows from the route alone, while spec.replicas is 0: what was withdrawn leaves it and is done with."""
    if decision.state.phase is Phase.ROLLING_BACK:
        decision = _confirm(decision, target, seen, now)
    return decision.then(retiring=_retired(decision.state, target, seen, now))


PROMPT_SECONDS = 15
"""From a decision to traffic at its weight when nothing is slow: the delay of the tick, the writes, the gateway."""


def begin_step(decision: Decision, target: RolloutInput, seen: Observed, now: int) -> Decision:
    """A step lasts from when the gateway has taken its weight; soon after the decision that is the same.

    Later than that (the operator, the API server or the gateway was away) the time without the traffic proves nothing.
    """
    candidate = decision.state.running
    if candidate is None or candidate.shown or held_by_route(target, candidate, seen):
        return decision
    late = now - candidate.step_entered >= min(target.spec.health.interval, PROMPT_SECONDS)
    entered = now if late else candidate.step_entered
    return decision.then(candidate=replace(candidate, shown=True, step_entered=entered))


def adopt(decision: Decision, target: RolloutInput, seen: Observed, now: int) -> Decision:
    """Without a status, believe the route: the revision with most of the traffic is what serves.

    A backup restores no status, and an object made again finds the children of its orphaned namesake. Taking the wanted
    revision for the first one ever would hand it all traffic at once. What else was left behind goes: nobody knows
    whether it ever worked.
    """
    state = decision.state
    shares = {revision: share for revision, share in seen.served.items() if revision in seen.pods}
    if not shares or state.stable or state.candidate or state.last_tick or state.history:
        return decision
    most = max(shares, key=lambda revision: (shares[revision], revision != target.revision))
    recorded = target.spec.model.version if most == target.revision else seen.versions.get(most)
    version = recorded or "unknown version"
    stable = Version(most, version, since=now, traffic_since=now)
    text = f"there was no status; the route gives {transitions.label(stable)} most of the traffic, so it is what serves"
    left = [revision for revision in seen.pods if revision in shares or revision != target.revision]
    others = tuple(Retiring(revision) for revision in left if revision != most)
    finding = RolloutEvent(Reason.RECOVERED, text, warning=True)
    changes = {"stable": stable, "retiring": others, "reason": Reason.RECOVERED, "detail": text}
    return transitions.enter(decision, Phase.PROMOTING, finding, **changes)


_HELD = frozenset(
    {
        Reason.ROLLOUT_STARTED,
        Reason.WAITING_FOR_PODS,
        Reason.STEP_RUNNING,
        Reason.HELD_BY_ROUTE,
        Reason.HELD_BY_PODS,
        Reason.PODS_LOST,
    }
)
"""Reasons that say less than a wait for capacity."""


def _await_capacity(decision: Decision, target: RolloutInput, seen: Observed, now: int) -> Decision:
    """Note when a candidate begins or ends to wait for nodes or quota, and withdraw it when that takes too long."""
    state = decision.state
    candidate = state.candidate
    if candidate is None:
        return decision
    pods, lasts = seen.pods.get(candidate.version.revision, Pods()), candidate.waiting
    gap = beyond_quota(pods.waits, to_come(target, state, seen))
    words = f"{gap}: {pods.waits}" if gap else pods.waits or _no_room(target, state, seen)
    if not words:
        if lasts is None or not seen.examined:
            return decision
        after = Reason.STEP_RUNNING if state.running is not None else Reason.WAITING_FOR_PODS
        waits = state.reason is Reason.WAITING_FOR_CAPACITY
        return decision.then(
            candidate=replace(candidate, wait=replace(lasts, ended=now)), reason=after if waits else state.reason
        )
    since = lasts.since if lasts is not None else min(now, max(pods.waits_since or now, candidate.version.since))
    wait = CapacityWait(since, words)
    before_traffic = candidate.step < 0 and state.phase is not Phase.DEGRADED  # ticks then judge the stable version
    reason = Reason.WAITING_FOR_CAPACITY if before_traffic or state.reason in _HELD else state.reason
    decision = decision.then(candidate=replace(candidate, wait=wait), reason=reason)
    limit = target.spec.rollout.capacity_deadline if not candidate.stopped else None
    if limit is None or now < since + limit or held_by_people(target, state) or state.phase is Phase.DEGRADED:
        return decision
    if state.stable is not None:
        return transitions.defer(decision, target, wait, now)
    text = (
        f"{transitions.label(candidate.version)}, the first revision, has waited for capacity since {to_clock(since)}"
    )
    return transitions.degrade(decision, Reason.CAPACITY_DEADLINE_EXCEEDED, f"{text}: {wait.message}")


def _no_room(target: RolloutInput, state: State, seen: Observed) -> str:
    """Why a candidate was given no pod at all; empty when it was given some."""
    candidate, stable = state.candidate, state.stable
    if candidate is None or not by_share(target) or strategy_of(target.spec.rollout).one_at_a_time:
        return ""
    never = unusable(target, seen, candidate.version.revision, stable.revision if stable is not None else None)
    pods = seen.pods.get(candidate.version.revision)
    if never or pods is None or pods.wanted:
        return never
    bound = bounds_in_words(target)
    if stable is None:
        if first_pods(target, seen) or seen.adopted is None or not target.spec.replicas:
            return ""
        found = f"Deployment {seen.adopted.name} has {seen.adopted.pods} pods"
        return f"{found}, and spec.replicas and {bound} leave no room for {target.spec.replicas} more"
    others = sum(found.existing for found in seen.pods.values())
    return f"the other versions have {others} pods, and {bound} and maxUnavailable leave no room for one more"


def _make_way(decision: Decision, target: RolloutInput, seen: Observed, now: int) -> Decision:
    """Stop the stable version where one version runs at a time, once nothing else holds the candidate back."""
    state = decision.state
    candidate, stable = state.candidate, state.stable
    if not strategy_of(target.spec.rollout).one_at_a_time or candidate is None or stable is None:
        return decision
    if candidate.step >= 0 or candidate.stopped or target.missing or held_by_people(target, state):
        return decision
    served = seen.routed is True and set(seen.served) == {stable.revision}
    if not served or not gates.all_open(target, state, seen):
        return decision
    return transitions.stop_stable(decision, target, now)


def _away(target: RolloutInput, state: State, seen: Observed) -> bool:
    """Whether the stable version has no pod because another version has had its turn, or has it."""
    if not strategy_of(target.spec.rollout).one_at_a_time or state.stable is None:
        return False
    return state.interrupted or not seen.pods.get(state.stable.revision, Pods()).endpoints


def _await_pods(decision: Decision, target: RolloutInput, seen: Observed, now: int) -> Decision:
    state = decision.state
    candidate = state.candidate
    if candidate is None or candidate.step >= 0 or (held_by_people(target, state) and not candidate.stopped):
        return decision  # once what served was stopped, a pause would hold the outage
    revision = candidate.version.revision
    if all_available(target, seen, revision) and gates.all_open(target, state, seen):
        if state.stable is None:
            return transitions.serve_first(decision, now)
        if target.missing:
            return decision.then(reason=Reason.POLICY_UNRESOLVED)  # nobody could be blamed for what users would see
        if seen.routed is True and set(seen.served) == {state.stable.revision}:
            return transitions.enter_step(decision, target, first_step(target, state), now)
    pods = seen.pods.get(revision)
    due = gates.pods_due(target, state, seen)
    late = candidate.stopped or pods is None or not _not_late(target, pods, seen)
    if due is None or now < due or not late:
        return decision
    cause = _late(target, seen, revision)
    if state.stable is not None:
        return transitions.roll_back(decision, Reason.PROGRESS_DEADLINE_EXCEEDED, cause, now)
    if state.phase is Phase.DEGRADED:
        return decision
    text = f"{transitions.label(candidate.version)}, the first revision, cannot serve: {cause}"
    return transitions.degrade(decision, Reason.PROGRESS_DEADLINE_EXCEEDED, text)


def _not_late(target: RolloutInput, pods: Pods, seen: Observed) -> bool:
    """All pods are there; or the operator has just started, and its first look will tell in a moment why not."""
    return pods.available >= given(target, pods) or not seen.examined


def _late(target: RolloutInput, seen: Observed, revision: str) -> str:
    pods = seen.pods.get(revision)
    have = pods.available if pods else 0
    found = (pods.trouble if pods else "") or seen.cause
    trouble = f" ({found})" if found else ""
    deadline = target.spec.rollout.progress_deadline
    if have >= given(target, pods) and seen.routed is not True:
        return f"it got no traffic within {deadline} s: {seen.route_detail or 'the gateway has not taken the route'}"
    return f"{have} of {given(target, pods)} pods became available within {deadline} s{trouble}"


def _confirm(decision: Decision, target: RolloutInput, seen: Observed, now: int) -> Decision:
    """Say that traffic has moved only once the gateway has taken a route that shows it.

    A gateway that refuses the route, or does not exist, has answered as well: a rollback does not wait for another one.
    """
    state = decision.state
    if state.stable is None or set(seen.served) != {state.stable.revision} or seen.routed is None:
        return decision
    if _away(target, state, seen):
        return decision
    if state.phase is Phase.ROLLING_BACK:
        moved = f"all traffic is back on {transitions.label(state.stable)}"
        text = (
            moved if seen.routed else f"the route is back on {transitions.label(state.stable)}, but {seen.route_detail}"
        )
        phase = Phase.ROLLED_BACK if target.revision in state.out else Phase.HEALTHY
        decision = transitions.enter(decision, phase, RolloutEvent(Reason.RESTORED, text, warning=not seen.routed))
    if not seen.routed:
        return decision
    # A first version has its traffic before its role; the next one may wait for pods before a gateway confirms that.
    waits = state.candidate is not None and state.running is None and state.stable.since < state.stable.traffic_since
    if transitions.unserved(state) and (state.phase is Phase.PROMOTING or waits):
        return transitions.serve_all(decision, now)
    if not state.stable.traffic_since:
        decision = decision.then(stable=replace(state.stable, traffic_since=now))
    return transitions.enter(decision, Phase.HEALTHY) if state.phase is Phase.PROMOTING else decision


def _retired(state: State, target: RolloutInput, seen: Observed, now: int) -> tuple[Retiring, ...]:
    """What still has pods although it lost its traffic: until the gateway has been without it for scaleDownDelay.

    The route says nothing of the gateway before the gateway has taken it; without a route nothing has traffic.
    """
    known = seen.routed is True or not seen.served
    delay = target.spec.rollout.scale_down_delay
    retiring = []
    for item in state.retiring:
        without = known and item.revision not in seen.served and item.revision != seen.previewed
        if without and item.at is None:
            retiring.append(replace(item, at=now + delay))
        elif item.at is None or item.at > now:
            retiring.append(item)
        elif not without:
            retiring.append(replace(item, at=None))
    return tuple(retiring)
