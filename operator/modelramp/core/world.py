"""What follows from the pods and the route as they were last seen: no tick is needed for these moves."""

from dataclasses import replace

from modelramp.api.names import Phase, Reason
from modelramp.core import gate, moves
from modelramp.core.capacity import all_available
from modelramp.core.state import Decision, Finding, Pods, Retiring, Seen, State, Target, Version
from modelramp.core.steps import held_by_route


def follow_world(decision: Decision, target: Target, seen: Seen, now: int) -> Decision:
    """Start traffic when pods are there, give up when they are too late, confirm what the route shows by now."""
    decision = gate.follow_evaluation(decision, target, seen, now)
    decision = _await_pods(decision, target, seen, now)
    decision = _confirm(decision, target, seen, now)
    return decision.then(retiring=_retired(decision.state, target, seen, now))


def begin_step(decision: Decision, target: Target, seen: Seen, now: int) -> Decision:
    """A step lasts from when the route shows its weight; within one interval of the decision that is the same.

    Later than that (the operator or the API server was away) the time without the traffic proves nothing.
    """
    candidate = decision.state.running
    if candidate is None or candidate.shown or held_by_route(candidate, seen):
        return decision
    late = now - candidate.step_entered >= target.spec.health.interval
    entered = now if late else candidate.step_entered
    return decision.then(candidate=replace(candidate, shown=True, step_entered=entered))


def adopt(decision: Decision, target: Target, seen: Seen, now: int) -> Decision:
    """Without a status, believe the route: the revision with most of the traffic is what serves.

    A backup restores no status, and an object made anew finds the children of its orphaned namesake. Taking the wanted
    revision for the first one ever would hand it all traffic at once.
    """
    state = decision.state
    shares = {revision: share for revision, share in seen.served.items() if revision in seen.pods}
    if not shares or state.stable or state.candidate or state.last_tick or state.history:
        return decision
    most = max(shares, key=lambda revision: (shares[revision], revision != target.revision))
    version = target.spec.model.version if most == target.revision else "unknown version"
    stable = Version(most, version, since=now, traffic_since=now)
    text = f"there was no status; the route gives {moves.label(stable)} most of the traffic, so it is what serves"
    others = tuple(Retiring(revision) for revision in shares if revision != most)
    finding = Finding(Reason.RECOVERED, text, warning=True)
    changes = {"stable": stable, "retiring": others, "reason": Reason.RECOVERED, "detail": text}
    return moves.enter(decision, Phase.PROMOTING, finding, **changes)


def _await_pods(decision: Decision, target: Target, seen: Seen, now: int) -> Decision:
    state = decision.state
    candidate = state.candidate
    if candidate is None or candidate.step >= 0 or state.paused:
        return decision
    revision = candidate.version.revision
    if all_available(target, seen, revision) and gate.is_open(target, candidate, seen):
        if state.stable is None:
            return moves.serve_first(decision, now)
        if target.missing:
            return decision.then(reason=Reason.POLICY_UNRESOLVED)  # nobody could be blamed for what users would see
        if seen.routed is True and set(seen.served) == {state.stable.revision}:
            return moves.enter_step(decision, target, 0, now)
    pods = seen.pods.get(revision)
    due = gate.pods_due(target, candidate)
    if due is None or now < due or (pods is not None and _not_late(target, pods, seen)):
        return decision
    cause = _late(target, seen, revision)
    if state.stable is not None:
        return moves.withdraw(decision, Reason.PROGRESS_DEADLINE_EXCEEDED, cause, now)
    if state.phase is Phase.DEGRADED:
        return decision
    text = f"{moves.label(candidate.version)}, the first revision, cannot serve: {cause}"
    return moves.degrade(decision, Reason.PROGRESS_DEADLINE_EXCEEDED, text)


def _not_late(target: Target, pods: Pods, seen: Seen) -> bool:
    """All pods are there; or the operator has just started, and its first look will tell in a moment why not."""
    return pods.available >= target.spec.replicas or not seen.examined


def _late(target: Target, seen: Seen, revision: str) -> str:
    pods = seen.pods.get(revision)
    have = pods.available if pods else 0
    found = (pods.trouble if pods else "") or seen.cause
    trouble = f" ({found})" if found else ""
    deadline = target.spec.rollout.progress_deadline
    return f"{have} of {target.spec.replicas} pods became available within {deadline} s{trouble}"


def _confirm(decision: Decision, target: Target, seen: Seen, now: int) -> Decision:
    """Say that traffic has moved only once the route shows it."""
    state = decision.state
    if state.stable is None or set(seen.served) != {state.stable.revision}:
        return decision
    if not state.stable.traffic_since:
        decision = decision.then(stable=replace(state.stable, traffic_since=now))
    if state.phase is Phase.PROMOTING:
        return moves.enter(decision, Phase.HEALTHY)
    if state.phase is not Phase.ROLLING_BACK:
        return decision
    finding = Finding(Reason.RESTORED, f"all traffic is back on {moves.label(state.stable)}")
    return moves.enter(decision, Phase.ROLLED_BACK if state.failed == target.revision else Phase.HEALTHY, finding)


def _retired(state: State, target: Target, seen: Seen, now: int) -> tuple[Retiring, ...]:
    delay = target.spec.rollout.scale_down_delay
    stamped = (
        item if item.at is not None or item.revision in seen.served else replace(item, at=now + delay)
        for item in state.retiring
    )
    return tuple(item for item in stamped if item.at is None or item.at > now or item.revision in seen.served)
