"""The sentence that a person reads in status.message: what serves, what is tried, what is wrong, what happens next.

All times are absolute, so that a sentence never has to be written again just because time passes.
"""

from modelramp.api.names import Phase
from modelramp.api.times import to_clock
from modelramp.core.moves import label
from modelramp.core.state import Candidate, Pods, Seen, State, Target
from modelramp.core.steps import blockers, step_ends


def sentence(target: Target, state: State, seen: Seen) -> str:
    """The message for a state."""
    candidate = state.candidate
    if candidate is not None:
        text = _waiting(target, state, seen, candidate) if candidate.step < 0 else _stepping(target, state, seen)
        return f"paused: {text}" if state.paused else text
    serving = label(state.stable) if state.stable else "nothing"
    match state.phase:
        case Phase.PROMOTING:
            return f"{serving} is promoted; waiting for the route to show it alone"
        case Phase.ROLLING_BACK:
            return f"{state.detail}; {_returning(state, seen)}"
        case Phase.ROLLED_BACK:
            retry = f"retry/{state.failed}/<nonce>"
            return f"{state.detail}; it gets no traffic until the spec changes or a person asks ({retry})"
        case Phase.DEGRADED:
            return state.detail
        case _:
            return _serving(target, state, seen, serving)


def _waiting(target: Target, state: State, seen: Seen, candidate: Candidate) -> str:
    pods = seen.pods.get(candidate.version.revision, Pods())
    have = f"{pods.available} of {target.spec.replicas} pods available"
    trouble = f" ({pods.trouble})" if pods.trouble else ""
    deadline = to_clock(candidate.version.since + target.spec.rollout.progress_deadline)
    head = f"waiting for {label(candidate.version)}: {have}{trouble}"
    if state.stable is None:
        return f"{head}; it is the first revision and gets all traffic then, deadline {deadline}"
    if pods.available >= target.spec.replicas and seen.routed is not True:
        return f"{head}; {seen.route_detail or 'the gateway has not taken the route yet'}; {label(state.stable)} serves"
    return f"{head}, rolled back at {deadline} unless all are; {label(state.stable)} serves"


def _stepping(target: Target, state: State, seen: Seen) -> str:
    candidate = state.running
    if candidate is None:
        return ""
    steps = len(target.spec.rollout.steps)
    ends = to_clock(step_ends(target, candidate))
    text = f"step {candidate.step + 1}/{steps}: {candidate.weight} % on {label(candidate.version)}"
    text += f" since {to_clock(candidate.step_entered)}, step ends {ends} at the earliest"
    found = [finding.message for finding in blockers(target, state, seen, state.checks)]
    return "; ".join((text, *_counted(target, state), *(found if state.last_tick > candidate.step_entered else ())))


def _counted(target: Target, state: State) -> tuple[str, ...]:
    if state.watch is None or not state.watch.breaches:
        return ()
    threshold = target.spec.health.failure_threshold
    at = to_clock(state.last_tick)
    return (f"breach {state.watch.breaches} in a row at {at}, {threshold} roll back",)


def _returning(state: State, seen: Seen) -> str:
    stable = state.stable
    if stable is None:
        return "nothing else to serve"
    pods = seen.pods.get(stable.revision, Pods())
    if not pods.endpoints:
        return f"waiting for the pods of {label(stable)}"
    return f"waiting for the route to show {label(stable)} alone"


def _serving(target: Target, state: State, seen: Seen, serving: str) -> str:
    text = f"{serving} serves all traffic"
    if seen.routed is not True and state.stable is not None:
        text += f"; {seen.route_detail or 'the gateway has not taken the route yet'}"
    return "; ".join((text, *_counted(target, state)))
