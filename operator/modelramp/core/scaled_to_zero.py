"""spec.replicas 0: nothing serves on purpose, and nothing is judged until the pods are back."""

from dataclasses import replace

from modelramp.api.names import Phase, Reason
from modelramp.api.times import to_clock
from modelramp.core.capacity import all_available, given
from modelramp.core.events import RolloutEvent
from modelramp.core.state import Decision, Observed, Pods, RolloutInput, ScaledToZero, State, Version
from modelramp.core.transitions import label, share


def follow_zero(decision: Decision, target: RolloutInput, seen: Observed, now: int) -> Decision:
    """Begin a rest when spec.replicas is 0, and end it when it is more and the pods of all versions are back.

    Pods that do not come within progressDeadline end it as well: from then on they are judged as always.
    """
    zero = decision.state.zero
    if not target.spec.replicas:
        if zero is not None:
            return decision if not zero.ended else decision.then(zero=replace(zero, ended=0))
        text = "spec.replicas is 0: nothing serves and nothing is judged until it is 1 or more"
        return decision.then(RolloutEvent(Reason.SCALED_TO_ZERO, text), zero=ScaledToZero(now))
    if zero is None:
        return decision
    zero = replace(zero, ended=zero.ended or now)
    late = now >= zero.ended + target.spec.rollout.progress_deadline
    if not late and not all(all_available(target, seen, version.revision) for version in _serving(decision.state)):
        return decision.then(zero=zero)
    return _resumed(decision, target, zero, now)


def starts_again_by(target: RolloutInput, state: State) -> int | None:
    """Until when pods may be missing after a rest, seconds since the epoch; None without one, and during it."""
    if state.zero is None or not state.zero.ended:
        return None
    return state.zero.ended + target.spec.rollout.progress_deadline


def _resumed(decision: Decision, target: RolloutInput, zero: ScaledToZero, now: int) -> Decision:
    """What came before proves nothing: windows and the step begin now. Counts of breaches stay as they are."""
    state = decision.state
    stable, candidate, watch = state.stable, state.candidate, state.watch
    if stable is not None and stable.traffic_since:
        stable = replace(stable, traffic_since=now)
    if candidate is not None and candidate.step < 0:
        candidate = replace(candidate, version=replace(candidate.version, since=now))
    elif candidate is not None:
        version = replace(candidate.version, traffic_since=now)
        candidate = replace(candidate, version=version, step_entered=now, shown=False)
    text = f"spec.replicas is {target.spec.replicas} after it was 0 since {to_clock(zero.since)}: checks go on"
    return decision.then(
        RolloutEvent(Reason.RESUMED, text),
        zero=None,
        stable=stable,
        candidate=candidate,
        watch=replace(watch, since=now) if watch is not None else None,
    )


def _serving(state: State) -> tuple[Version, ...]:
    """The versions whose pods have to be back; none before the first one has served."""
    found = (state.stable, state.running.version if state.running is not None else None)
    return tuple(version for version in found if version is not None) if state.stable is not None else ()


def resting_words(target: RolloutInput, state: State, seen: Observed) -> str:
    """What people read in place of what serves; empty without a rest."""
    if state.zero is None:
        return ""
    ended = state.phase in {Phase.ROLLED_BACK, Phase.DEGRADED}
    more = [state.detail] if ended and state.detail else []
    if state.candidate is not None:
        where = share(state.candidate) if state.candidate.step >= 0 else "before its first traffic"
        more = [f"the rollout of {label(state.candidate.version)} waits {where}"]
    if not state.zero.ended:
        head = f"spec.replicas is 0 since {to_clock(state.zero.since)}: nothing serves and nothing is judged"
        return "; ".join((head, *more))
    pods = [
        f"{seen.pods.get(version.revision, Pods()).available} of "
        f"{given(target, seen.pods.get(version.revision))} pods of {label(version)} are available"
        for version in _serving(state)
    ]
    troubles = {seen.pods.get(version.revision, Pods()).trouble for version in _serving(state)} - {""}
    until = f"checks go on when they are, or at {to_clock(starts_again_by(target, state) or 0)}"
    return "; ".join((f"spec.replicas is {target.spec.replicas} again", *pods, *sorted(troubles), until, *more))
