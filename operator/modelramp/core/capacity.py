"""How many pods are enough, and what a tick says when they are not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from modelramp.api.names import Reason
from modelramp.api.verdict import TickOutcome, Verdict
from modelramp.core.state import Observed, Pods, RolloutInput, State


def needed(replicas: int, weight: int) -> int:
    """Pods that must be available for a share of the traffic: at least three quarters of that share, at least one.

    The quarter is what a Deployment tolerates by default (maxUnavailable 25 %).
    >>> needed(1, 10), needed(4, 100), needed(10, 50)
    (1, 3, 3)
    """
    return max(1, replicas * weight * 3 // 400)


def all_available(target: RolloutInput, seen: Observed, revision: str) -> bool:
    """Whether a revision is ready for its first traffic: every pod available, and an endpoint to name in a route."""
    pods = seen.pods.get(revision)
    return pods is not None and pods.available >= target.spec.replicas and pods.endpoints > 0


def enough_available(target: RolloutInput, state: State, seen: Observed) -> bool:
    """The built-in check: the subject has enough available pods for its share of the traffic.

    After promotion one pod is enough: more is the autoscaler's matter, not the model's.
    """
    pods = seen.pods.get(state.subject or "")
    if pods is None:
        return False
    running = state.running
    return pods.available >= (needed(target.spec.replicas, running.weight) if running else 1)


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
