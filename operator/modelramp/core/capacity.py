"""How many pods are enough, and what a tick says when they are not."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from modelramp.api.names import Reason
from modelramp.api.rollout import CandidatePods
from modelramp.api.verdict import TickOutcome, Verdict
from modelramp.core.room import room_of
from modelramp.core.state import HeldReplicas, Observed, Pods, RolloutInput, State

SETTLE_SECONDS = 300
"""How long a decrease waits after a candidate has lost its traffic: an autoscaler that saw an idle, failing version has
to see what the stable one carries. An autoscaler of Kubernetes looks back as far before it asks for less."""
RELEASE_SECONDS = 30
"""Time between two parts of a decrease that has waited. An autoscaler that finds the load of the pods that stay right
keeps its number, however small: only the loss of some pods corrects it, within one or two of its rounds."""


def held_replicas(target: RolloutInput, state: State, now: int) -> HeldReplicas | None:
    """The pods that stay although spec.replicas may ask for fewer, after a decision; None when it is obeyed at once.

    When the wait is over a tenth of them goes at a time, at least one.
    target: with spec.replicas as written. now: seconds since the epoch.
    """
    replicas, held, running = target.spec.replicas, state.held, state.running
    if target.spec.rollout.scale_down_during_rollout or not replicas:
        return None
    if running is not None:
        return HeldReplicas(max(replicas, held.count if held is not None else 0), running.version.revision)
    if held is None:
        return None
    promoted = state.stable is not None and state.stable.revision == held.revision
    until = held.until or (now if promoted else now + SETTLE_SECONDS)
    if now < until:
        return replace(held, count=max(replicas, held.count), until=until)
    fewer = held.count - max(1, held.count // 10)
    return replace(held, count=fewer, until=now + RELEASE_SECONDS) if replicas < fewer else None


def sized(target: RolloutInput, state: State) -> RolloutInput:
    """What is wanted, with the pods that a rollout keeps in place of a smaller spec.replicas."""
    if not waiting_decrease(target, state) or state.held is None:
        return target
    return replace(target, spec=target.spec.model_copy(update={"replicas": state.held.count}))


def waiting_decrease(target: RolloutInput, state: State) -> bool:
    """Whether spec.replicas asks for fewer pods than a rollout keeps."""
    return state.held is not None and 0 < target.spec.replicas < state.held.count


def needed(replicas: int, weight: int) -> int:
    """Pods that must be available for a share of the traffic: at least three quarters of that share, at least one.

    The quarter is what a Deployment tolerates by default (maxUnavailable 25 %).
    >>> needed(1, 10), needed(4, 100), needed(10, 50)
    (1, 3, 3)
    """
    return max(1, replicas * weight * 3 // 400)


def by_share(target: RolloutInput) -> bool:
    """Whether a candidate has the pods that its share of the traffic needs, and no more."""
    return target.spec.rollout.capacity.candidate is CandidatePods.BY_SHARE


def given(target: RolloutInput, pods: Pods | None) -> int:
    """Pods that a revision has been given, at least one: where pods follow traffic, as many as its workload wants."""
    replicas = target.spec.replicas
    return max(1, min(replicas, pods.wanted)) if by_share(target) and pods is not None else replicas


def all_available(target: RolloutInput, seen: Observed, revision: str) -> bool:
    """Whether a revision is ready for its first traffic: every pod available, and an endpoint to name in a route."""
    pods = seen.pods.get(revision)
    return pods is not None and pods.available >= given(target, pods) and pods.endpoints > 0


def needed_now(target: RolloutInput, pods: Pods | None, weight: int) -> int:
    """Pods that must be available for a share of the traffic, percent, of those that the revision has been given."""
    found = needed(target.spec.replicas, weight)
    return min(found, max(1, given(target, pods) * 3 // 4)) if by_share(target) else found


def shows(seen: Observed, revision: str, weight: int) -> bool:
    """Whether the route gives a revision exactly this share, percent, of what it gives to revisions with pods."""
    total = sum(given for name, given in seen.served.items() if name in seen.pods or name == revision)
    return seen.served.get(revision, 0) * 100 == weight * total if total else not weight


def enough_available(target: RolloutInput, state: State, seen: Observed) -> bool:
    """The built-in check: the subject has enough available pods for its share of the traffic.

    After promotion one pod is enough: more is the autoscaler's matter, not the model's.
    """
    pods = seen.pods.get(state.subject or "")
    if pods is None:
        return False
    running = state.running
    return pods.available >= (needed_now(target, pods, running.weight) if running else 1)


def carried(target: RolloutInput, state: State, seen: Observed, weights: Mapping[str, int]) -> Mapping[str, int]:
    """The weights that the ready pods can carry, relative: as declared, or less for a candidate that lacks pods.

    Below its declared share a candidate gets its ready pods : what is left of spec.replicas without maxUnavailable.
    Percents where they are whole; elsewhere they would not do: 1 of 8 pods is more than 12 % and less than 13 %.
    weights: as declared. Where a version has no ready pod at all, the route decides what that means.
    """
    candidate, stable = state.running, state.stable
    if not by_share(target) or candidate is None or stable is None or not candidate.weight:
        return weights
    new, old = (_ready(seen, version.revision) for version in (candidate.version, stable))
    total = min(_least(target), new + old)
    if not new or not old or new * 100 >= candidate.weight * total:
        return weights
    scale = 1 if 100 % total else 100 // total
    return {candidate.version.revision: new * scale, stable.revision: (total - new) * scale}


def pods_by_share(
    target: RolloutInput, state: State, seen: Observed, weight: int, others: Mapping[str, int]
) -> dict[str, int]:
    """Pods of the stable version and the candidate, so that all versions keep both bounds of spec.rollout.capacity.

    weight: what the candidate has to carry, percent. others: pods of further versions, which are on their way out.
    One look decides one move: the stable version gives up pods that neither its share of the traffic nor the pods that
    are ready need; a candidate gets what then is free, and keeps what it has. A pod that serves never goes first.
    """
    replicas, candidate, stable = target.spec.replicas, state.candidate, state.stable
    if stable is None:
        if candidate is None:
            return {}
        has = seen.pods.get(candidate.version.revision, Pods()).wanted
        return {candidate.version.revision: min(replicas, max(has, first_pods(target, seen)))}
    comes = candidate.version.revision if candidate is not None else stable.revision
    room = room_of(target, seen, {stable.revision, comes, *others})
    for revision, pods in others.items():
        room = room.without(revision, pods)
    old = seen.pods.get(stable.revision, Pods())
    if candidate is None:
        return {stable.revision: min(replicas, max(1, old.wanted, room.fits(stable.revision)))}
    new = seen.pods.get(comes, Pods())
    wants = min(replicas, max(target.spec.rollout.capacity.minimum, -(-replicas * weight // 100)))
    keeps = _kept(target, state, seen)
    goal = min(replicas, max(keeps, room.without(comes, wants).fits(stable.revision)))
    if goal < old.wanted and (seen.routed is not True or old.endpoints < keeps):
        goal = old.wanted
    beside = room.without(comes, new.existing).fits(stable.revision)
    stays = max(1, min(replicas, goal, max(old.wanted, beside)))
    free = room.without(stable.revision, max(stays, old.existing)).fits(comes)
    gets = max(min(wants, free), new.wanted, 0)
    return {stable.revision: stays, comes: min(replicas, gets)}


def to_come(target: RolloutInput, state: State, seen: Observed) -> int:
    """Pods that a candidate may still get within its bounds before any other version ends one, at least one."""
    candidate, replicas = state.candidate, target.spec.replicas
    if candidate is None:
        return 1
    comes = candidate.version.revision
    rest = replicas - seen.pods.get(comes, Pods()).made
    if by_share(target) and state.stable is not None:
        room = room_of(target, seen, {comes, state.stable.revision, *seen.pods})
        for revision, pods in seen.pods.items():
            room = room.without(revision, pods.made if revision == comes else pods.existing)
        rest = min(rest, room.fits(comes))
    return max(1, rest)


def first_pods(target: RolloutInput, seen: Observed) -> int:
    """Pods of the first revision: all, or none while the Deployment that it takes over from leaves no room for all."""
    replicas = target.spec.replicas
    before = seen.adopted.pods if seen.adopted is not None else 0
    room = room_of(target, seen, [target.revision]).without(target.revision, before)
    return replicas if not before or room.fits(target.revision) >= replicas else 0


def takeover_at(target: RolloutInput, state: State, seen: Observed) -> float:
    """From when on an adopted Deployment may be scaled down, seconds since the epoch; infinite while nothing serves.

    Requests that were on their way to its pods have scaleDownDelay to end.
    """
    stable = state.stable
    serves = stable is not None and stable.traffic_since and seen.routed is True and not seen.shadowed
    if stable is None or not serves or not seen.served or unanswered(seen):
        return math.inf
    return float(stable.traffic_since + target.spec.rollout.scale_down_delay)


def standby_until(target: RolloutInput, state: State) -> int:
    """Until when pods of the previous version stand by, seconds since the epoch; 0 when none do.

    A new rollout needs their room, and after a rollback the previous version serves itself.
    """
    standby, stable = target.spec.rollout.capacity.standby, state.stable
    if not standby.replicas or stable is None or state.previous is None or state.candidate is not None:
        return 0
    return stable.since + standby.lasts


def standby_pods(target: RolloutInput, state: State, seen: Observed, now: int) -> int:
    """Pods of the previous version that stand by at `now`, seconds since the epoch, within the surge."""
    stable, previous, replicas = state.stable, state.previous, target.spec.replicas
    if now >= standby_until(target, state) or stable is None or previous is None:
        return 0
    room = room_of(target, seen, [stable.revision, previous.revision]).without(stable.revision, replicas)
    return max(0, min(target.spec.rollout.capacity.standby.replicas, replicas, room.fits(previous.revision)))


def _kept(target: RolloutInput, state: State, seen: Observed) -> int:
    """Pods that the stable version cannot give up: for its share, now and next, and for what has to be ready in all."""
    candidate, stable = state.candidate, state.stable
    if candidate is None or stable is None:
        return target.spec.replicas
    least = _least(target)
    keeps = max(1, least - _ready(seen, candidate.version.revision))
    for weights in (seen.served, carried(target, state, seen, state.weights)):
        keeps = max(keeps, -(-weights.get(stable.revision, 0) * least // max(1, sum(weights.values()))))
    return keeps


def _least(target: RolloutInput) -> int:
    """Pods of all versions that have to be ready, at least one."""
    replicas = target.spec.replicas
    return max(1, replicas - target.spec.rollout.capacity.unavailable(replicas))


def _ready(seen: Observed, revision: str) -> int:
    return seen.pods.get(revision, Pods()).endpoints


def unanswered(seen: Observed) -> dict[str, int]:
    """The weight of each version on the route that has no endpoint which can be reached."""
    alive = {revision for revision, pods in seen.pods.items() if pods.endpoints}
    return {revision: weight for revision, weight in seen.served.items() if revision not in alive}


def mostly_unanswered(seen: Observed) -> bool:
    """Whether versions with half of the traffic or more have no endpoint that can be reached."""
    return 2 * sum(unanswered(seen).values()) >= sum(seen.served.values()) > 0


def with_pods(
    target: RolloutInput, state: State, seen: Observed, ticks: Sequence[TickOutcome]
) -> tuple[TickOutcome, ...]:
    """The ticks, oldest first, with what can be seen of the pods of their revision.

    Whether enough are available is the present, so only the newest tick learns of it. What was lost by no fault of the
    version is no data at any tick whose window reaches into the loss.
    """
    if not ticks or ticks[-1].revision != state.subject:
        return tuple(ticks)
    target = sized(target, state)
    *older, newest = ticks
    pods = seen.pods.get(newest.revision, Pods())
    enough = enough_available(target, state, seen)
    trouble = f" ({pods.trouble})" if pods.trouble and not pods.excuse else ""
    newest = replace(newest, available=enough, pods=f"{pods}{trouble}")
    if not pods.excuse or (enough and pods.since <= state.traffic_since):
        return (*older, newest)  # pods that came before the traffic were missed by nobody
    if not enough:
        newest = replace(newest, available=None, excuse=pods.excuse)
    before = {found.name: found.memory for found in state.checks}
    evidence = state.ab_test.memory if state.ab_test is not None else ""
    partly = pods.kept or (not enough and pods.available > 0)
    until, interval = pods.since if enough else newest.tick + 1, target.spec.health.interval
    return tuple(
        _unblamed(outcome, pods, before, evidence)
        if not partly and pods.lost < outcome.tick < until + interval
        else outcome
        for outcome in (*older, newest)
    )


def _unblamed(outcome: TickOutcome, pods: Pods, memory: Mapping[str, str], evidence: str) -> TickOutcome:
    """A tick of a time without enough pods, by no fault of the version: what failed is no data, and no evidence.

    memory: what each check knew before. evidence: of an A/B test, the same.
    """
    words = f"pods were missing: {pods.excuse}"
    checks = (
        replace(found, verdict=Verdict.NO_DATA, reason=Reason.PODS_LOST, detail=words)
        if found.verdict is Verdict.BREACH
        else found
        for found in outcome.checks
    )
    ab_test = replace(outcome.ab_test, memory=evidence) if outcome.ab_test is not None else None
    kept = tuple(replace(found, memory=memory.get(found.name, "")) for found in checks)
    return replace(outcome, checks=kept, ab_test=ab_test)
