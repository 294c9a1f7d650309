"""The sentence that a person reads in status.message: what serves, what is tried, what is wrong, what happens next.

All times are absolute, so that a sentence never has to be written again just because time passes.
"""

from modelramp.api.check import Role
from modelramp.api.names import REQUEST_ANNOTATION, Phase, Reason
from modelramp.api.rollout import OnBreach
from modelramp.api.times import to_clock
from modelramp.api.verdict import TICK_MARK, Verdict
from modelramp.core.breaches import breaching, by_detail, tally, told
from modelramp.core.capacity import by_share, enough_available, given, shows, sized, unanswered, waiting_decrease
from modelramp.core.gates import registry as gates
from modelramp.core.scaled_to_zero import resting_words
from modelramp.core.scores import judged
from modelramp.core.state import Candidate, Observed, Pods, RolloutInput, State, Version, held_by_people
from modelramp.core.steps import blockers, waits_for_capacity
from modelramp.core.strategies.registry import judged_by, strategy_of
from modelramp.core.transitions import label, name_of, unserved


def sentence(target: RolloutInput, state: State, seen: Observed) -> str:
    """The message for a state."""
    wanted, target = target, sized(target, state)
    rests = resting_words(target, state, seen)
    parts = (*_unanswered(target, state, seen), _of_state(target, state, seen), *_decrease(wanted, state))
    text = rests or "; ".join(parts)
    if target.missing:
        lacks = "promotion waits for" if state.candidate is not None else "some checks are missing, for want of"
        text = f"{text}; {lacks} {target.missing}"
    return "; ".join((text, *filter(None, (seen.remark,)), *_unheeded(state)))


def _decrease(target: RolloutInput, state: State) -> tuple[str, ...]:
    """That a smaller spec.replicas waits, and for what. target: with spec.replicas as written."""
    held = state.held
    if held is None or not waiting_decrease(target, state):
        return ()
    ends = f"until {to_clock(held.until)}" if held.until else "until the rollout ends"
    return (f"spec.replicas {target.spec.replicas} waits {ends}: {held.count} pods stay",)


def _unheeded(state: State) -> tuple[str, ...]:
    """Why a request was ignored, until the next tick or the next thing that happens."""
    answer, candidate = state.answer, state.candidate
    if answer is None or answer.done:
        return ()
    times = [state.last_tick, *(entry.ended_at for entry in state.history[:1])]
    times += [candidate.version.since, candidate.step_entered] if candidate is not None else []
    return (answer.message,) if max(times) <= answer.at else ()


def _of_state(target: RolloutInput, state: State, seen: Observed) -> str:
    candidate = state.candidate
    if candidate is not None:
        before = _outage(target, state, seen, candidate) or _without_capacity(target, state, seen, candidate)
        before = before or _waiting(target, state, seen, candidate)
        text = before if candidate.step < 0 else _stepping(target, state, seen)
        text = "; ".join((text, *(_counted(target, state, seen) if not state.interrupted else ())))
        held = _held(target, state, candidate)
        return f"{held}: {text}" if held else text
    serving = label(state.stable) if state.stable else "nothing"
    match state.phase:
        case Phase.PROMOTING:
            head = f"{serving} is promoted" if not unserved(state) else f"{serving} is to serve all traffic"
            return f"{head}; {'; '.join(_off_route(seen)) or 'waiting for the route to show it alone'}"
        case Phase.ROLLING_BACK:
            return f"{state.detail}; {_returning(target, state, seen)}"
        case Phase.ROLLED_BACK:
            found = (*_short_of_pods(target, state, seen), *_counted(target, state, seen))
            return "; ".join((state.detail, _again(target, state), *found))
        case Phase.DEGRADED:
            return state.detail
        case _:
            return "; ".join((f"{serving} serves all traffic", *_off_route(seen), *_counted(target, state, seen)))


def _again(target: RolloutInput, state: State) -> str:
    """What brings a version back that was taken off."""
    if state.deferred is not None and state.deferred.revision == target.revision:
        asked = _request("retry", state.deferred.revision)
        return f"it is tried again at {to_clock(state.deferred.until)}, or when the spec changes or {asked}"
    return f"{state.failed} gets no traffic until the spec changes or {_request('retry', state.failed)}"


def _request(verb: str, revision: str | None) -> str:
    return f"a person sets the annotation {REQUEST_ANNOTATION}={verb}/{revision}/<any new word>"


def _held(target: RolloutInput, state: State, candidate: Candidate) -> str:
    """Who holds the rollout, and what ends that."""
    found = [target.frozen] if target.frozen else []
    if target.spec.rollout.paused:
        found.append("paused by spec.rollout.paused")
    if state.paused:
        found.append(f"paused until {_request('resume', candidate.version.revision)}")
    return ", ".join(found)


def _without_capacity(target: RolloutInput, state: State, seen: Observed, candidate: Candidate) -> str:
    """What is said of a candidate that waits for capacity before its first traffic; empty when it does not."""
    if candidate.waiting is None or state.phase is Phase.DEGRADED:
        return ""
    pods = seen.pods.get(candidate.version.revision, Pods())
    head = f"{label(candidate.version)}: {pods.available} of {given(target, pods)} pods available"
    serves = label(state.stable) if state.stable is not None else "nothing"
    return f"{head}; it {waits_for_capacity(target, candidate.waiting)}; {serves} serves"


def _outage(target: RolloutInput, state: State, seen: Observed, candidate: Candidate) -> str:
    """What is said while the stable version is stopped for a candidate that does not serve yet."""
    if not state.interrupted or state.stable is None:
        return ""
    pods, stable = seen.pods.get(candidate.version.revision, Pods()), label(state.stable)
    why = candidate.waiting.message if candidate.waiting is not None else pods.trouble
    head = f"{stable} was stopped at {to_clock(candidate.stopped)} for {label(candidate.version)}, and nothing serves"
    have = f"{pods.available} of {target.spec.replicas} pods available{f' ({why})' if why else ''}"
    due = gates.pods_due(target, state, seen) or 0
    return f"{head}: {have}; {stable} is brought back at {to_clock(due)} unless all are"


def _waiting(target: RolloutInput, state: State, seen: Observed, candidate: Candidate) -> str:
    pods = seen.pods.get(candidate.version.revision, Pods())
    wanted = given(target, seen.pods.get(candidate.version.revision))
    head = f"waiting for {label(candidate.version)}: {pods.available} of {wanted} pods available"
    # What was in the way of the last pod is no news once all are there.
    head += f" ({pods.trouble})" if pods.trouble and pods.available < wanted else ""
    due = gates.pods_due(target, state, seen)
    gated = gates.describe(target, state, seen)
    if state.stable is None:
        if state.phase is Phase.DEGRADED:
            then = "" if gated else "; it gets all traffic as soon as its pods are available"
            news = pods.trouble and pods.available < wanted and pods.trouble not in state.detail
            return f"{state.detail}{f'; now {pods.trouble}' if news else ''}{then}"
        if gated and (due is None or pods.available >= wanted):
            return f"{gated}; nothing serves"
        expected = f"; expected by {to_clock(due)}" if due is not None else ""
        return f"{head}; as the first version it gets all traffic then{expected}"
    stable = label(state.stable)
    serves = f"{stable} serves" if state.stable.revision in seen.served else f"traffic goes back to {stable} first"
    if gated and (due is None or (pods.available >= wanted and not gates.all_open(target, state, seen))):
        return f"{gated}; {serves}"
    if pods.available < wanted:
        late = (
            "" if held_by_people(target, state) or due is None else f", rolled back at {to_clock(due)} unless all are"
        )
        return f"{head}{late}; {serves}"
    if not pods.endpoints:
        return f"{head}, but its Service has no ready endpoint yet{_why(pods) if pods.portless else ''}; {serves}"
    if set(seen.served) - {state.stable.revision}:
        return f"{head}; the route still names a version that was withdrawn; {serves}"
    return "; ".join((head, *_off_route(seen), serves))


def _stepping(target: RolloutInput, state: State, seen: Observed) -> str:
    candidate = state.running
    if candidate is None:
        return ""
    text = strategy_of(target.spec.rollout).describe(target, state, label(candidate.version))
    pods = seen.pods.get(candidate.version.revision, Pods())
    if pods.trouble and pods.available < given(target, pods) and not _lost(target, state, seen):
        text += f"; {pods.available} of {given(target, pods)} pods available ({pods.trouble})"
    held = held_by_people(target, state)
    found = [finding for finding in blockers(target, state, seen, state.checks) if finding not in held]
    told = state.last_tick > candidate.step_entered or state.reason is Reason.HELD_BY_ROUTE
    shown = shows(seen, candidate.version.revision, candidate.weight)
    waits = _off_route(seen) if shown and not told else ()  # the route shows it; the gateway has yet to take it
    return "; ".join((text, *waits, *(finding.message for finding in found if told)))


def _counted(target: RolloutInput, state: State, seen: Observed) -> tuple[str, ...]:
    """The breaches in a row and what they lead to; what has no data, and that nothing follows from it."""
    watch, health = state.watch, judged_by(target, state)
    lost = _lost(target, state, seen)
    if watch is None or watch.revision != state.subject:
        return lost
    counting = [pair for pair in judged(health, state.checks) if pair[0].role is Role.ROLLBACK]
    if state.recent_ticks.endswith(TICK_MARK[Verdict.NO_DATA]):
        waits = "promotion waits, " if state.running else ""
        silent = (
            found
            for check, found in counting
            if found.verdict is Verdict.NO_DATA
            and health.is_due(check, state.last_tick)
            and not (lost and found.reason is Reason.PODS_LOST)
        )
        missing = (
            f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} no data ({detail})"
            for detail, names in by_detail(silent).items()
        )
        return (*lost, *missing, f"{waits}the breach count stays at {watch.breaches}")
    if not watch.breaches:
        return lost
    breached = breaching(health, counting)
    at = max((found.at for found in breached), default=0) or state.last_tick
    found = told(health, counting, breached) or "pods are missing"
    return (
        *lost,
        f"{tally(watch, health)} at {to_clock(at)} ({found}); reaching the threshold {_consequence(target, state)}",
    )


def _unanswered(target: RolloutInput, state: State, seen: Observed) -> tuple[str, ...]:
    """Which share of the traffic fails, and the way out: that comes before everything else."""
    found = [f"no request arrives here: {seen.shadowed}"] if seen.shadowed else []
    total, candidate = sum(seen.served.values()), state.running
    for revision, weight in unanswered(seen).items():
        if revision not in seen.pods:
            continue  # a Service of somebody else, which the next write of the route removes
        share = f"{weight * 100 // total} % of the traffic fails: {name_of(state, revision)} has no ready endpoint"
        found.append(f"{share}{_why(seen.pods[revision])}")
        if candidate is not None and revision != candidate.version.revision and not held_by_people(target, state):
            asked = _request("promote", candidate.version.revision)
            found.append(f"to go on with {label(candidate.version)} now {asked}")
    return tuple(found)


def _why(pods: Pods) -> str:
    if pods.excuse:
        return f", by no fault of its own ({pods.excuse})"
    if pods.portless:
        return " (its pods have no such port: does a container name the one of spec.service.targetPort?)"
    return f" ({pods.trouble})" if pods.trouble else ""


def _lost(target: RolloutInput, state: State, seen: Observed) -> tuple[str, ...]:
    """Pods that are missing by no fault of the version."""
    pods = seen.pods.get(state.subject or "", Pods())
    told = state.subject in unanswered(seen)  # that is said already
    if not pods.excuse or state.subject is None or told or enough_available(target, state, seen):
        return ()
    wanted = given(target, pods)
    return (f"{pods.available} of {wanted} pods available, by no fault of the version: {pods.excuse}",)


def _consequence(target: RolloutInput, state: State) -> str:
    if state.running is not None:
        return "rolls it back"
    if target.spec.after_promotion.on_breach is OnBreach.REPORT:
        return "is only reported (spec.afterPromotion.onBreach is Report)"
    if state.previous is None:
        return "is only reported (no earlier version is at hand)"
    return f"brings {label(state.previous)} back"


def _returning(target: RolloutInput, state: State, seen: Observed) -> str:
    stable = state.stable
    if stable is None:
        return "nothing else to serve"
    pods = seen.pods.get(stable.revision, Pods())
    if not pods.endpoints:
        return f"waiting for the pods of {label(stable)}"
    return "; ".join((*_short_of_pods(target, state, seen), _returning_route(stable, seen)))


def _short_of_pods(target: RolloutInput, state: State, seen: Observed) -> tuple[str, ...]:
    """How many pods carry everything, when the version that traffic went back to had given up some."""
    pods = seen.pods.get(state.stable.revision) if state.stable is not None else None
    if pods is None or state.stable is None or not by_share(target) or pods.endpoints >= target.spec.replicas:
        return ()
    return (f"{pods.endpoints} of {target.spec.replicas} pods of {label(state.stable)} are ready",)


def _returning_route(stable: Version, seen: Observed) -> str:
    if set(seen.served) == {stable.revision} and seen.routed is not True:
        return f"the route gives {label(stable)} everything; {'; '.join(_off_route(seen))}"
    return f"waiting for the route to show {label(stable)} alone"


def _off_route(seen: Observed) -> tuple[str, ...]:
    return () if seen.routed is True else (seen.route_detail or "the gateway has not accepted the route yet",)
