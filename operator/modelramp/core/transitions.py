"""The moves of a rollout: each takes a decision and returns the next one, with the finding that people read."""

from dataclasses import replace

from modelramp.api.names import Phase, Reason
from modelramp.api.text import visible
from modelramp.api.times import to_clock
from modelramp.core.events import RolloutEvent
from modelramp.core.phases import check_move
from modelramp.core.state import (
    BreachCounter,
    Candidate,
    CapacityWait,
    Decision,
    Deferred,
    HistoryRecord,
    Retiring,
    RolloutInput,
    State,
    Version,
    held_by_people,
)
from modelramp.core.strategies.registry import STRATEGIES, strategy_of

OUTCOMES = (
    "Promoted",
    "RolledBack",
    "Superseded",
    "Withdrawn",
    *(outcome for strategy in STRATEGIES.values() for outcome in strategy.outcomes),
)
"""How a rollout may end, as the history calls it."""
ROLLED_BACK = frozenset(
    {
        Reason.THRESHOLD_REACHED,
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        Reason.EVALUATION_FAILED,
        Reason.ABORTED,
        Reason.ROLLED_BACK_BY_REQUEST,
    }
)
"""Why a revision may be rolled back."""
HISTORY_LIMIT = 20
"""Entries that the status keeps; ControllerRevisions have a limit of their own."""


def label(version: Version) -> str:
    """How people read a version: 2.0.0 (7c9fxwq2kd)."""
    return f"{visible(version.model_version)} ({version.revision})"


def name_of(state: State, revision: str) -> str:
    """How people read a revision; only its hash when its version is not known."""
    candidate = state.candidate.version if state.candidate is not None else None
    known = (version for version in (state.stable, candidate, state.previous) if version is not None)
    return next((label(version) for version in known if version.revision == revision), revision)


def share(candidate: Candidate) -> str:
    """How much of the traffic a candidate has, for people: at 10 %, or in its preview."""
    return "in its preview" if candidate.step >= 0 and not candidate.weight else f"at {candidate.weight} %"


def enter(decision: Decision, phase: Phase, *findings: RolloutEvent, **changes: object) -> Decision:
    """The decision with a new phase; Broken if the transition table does not know the move."""
    check_move(decision.state.phase, phase)
    return decision.then(*findings, phase=phase, **changes)


def begin(decision: Decision, target: RolloutInput, now: int) -> Decision:
    """Make the target the candidate, at weight 0; an older candidate loses its traffic first (superseded).

    A person's pause goes over to it.
    """
    state = decision.state
    version = Version(target.revision, target.spec.model.version, since=now)
    message = f"rollout of {label(version)} begins; its pods start without traffic"
    retiring = tuple(item for item in state.retiring if item.revision != version.revision)
    history = state.history
    if state.candidate is not None and state.candidate.version.revision != version.revision:
        old = state.candidate
        retiring = (*retiring, Retiring(old.version.revision))
        text = f"{label(old.version)} was superseded by {label(version)} {share(old)}"
        history = _ended(state, old, now, "Superseded", reason=Reason.SUPERSEDED, message=text)
        message = f"{text}; {message}"
    phase = Phase.PENDING if state.stable is None else Phase.PROGRESSING
    return enter(
        decision,
        phase,
        RolloutEvent(Reason.ROLLOUT_STARTED, message),
        stable=_left_alone(state),
        watch=_own_watch(state),
        candidate=Candidate(version),
        ab_test=None,
        failed=None,
        deferred=None,
        retiring=retiring,
        history=history,
        reason=Reason.ROLLOUT_STARTED,
        detail="",
    )


def pause(decision: Decision, reason: Reason, why: str = "", **changes: object) -> Decision:
    """Hold the candidate where it is. why: what does that, if not a person's request."""
    candidate = _candidate(decision.state)
    where = f"{share(candidate)}: {why}" if why else share(candidate)
    text = f"{label(candidate.version)} is paused {where}; checks go on and can roll it back"
    return enter(decision, Phase.PAUSED, RolloutEvent(reason, text), **changes)


def go_on(decision: Decision, now: int) -> Decision:
    """The candidate is held no longer; a deadline for its pods starts again."""
    candidate = _candidate(decision.state)
    since = now if candidate.step < 0 else candidate.version.since
    again = replace(candidate, version=replace(candidate.version, since=since))
    finding = RolloutEvent(Reason.RESUMED, f"{label(candidate.version)} goes on")
    return enter(decision, Phase.PROGRESSING, finding, candidate=again)


def enter_step(decision: Decision, target: RolloutInput, step: int, at: int) -> Decision:
    """Give the candidate the weight of `step`, entered at the instant `at`."""
    state = decision.state
    candidate = _candidate(state)
    strategy = strategy_of(target.spec.rollout)
    weight = strategy.stages(target.spec.rollout)[step].weight
    version, watch = candidate.version, state.watch
    if candidate.step < 0 or watch is None:
        version = replace(version, traffic_since=at)
        watch = BreachCounter(version.revision, since=at)
    elif not candidate.weight:  # what a preview's own requests said is no evidence of live traffic
        version, watch = replace(version, traffic_since=at), replace(watch, since=at)
    entered = replace(candidate, version=version, weight=weight, step=step, step_entered=at, shown=False)
    finding = RolloutEvent(Reason.STEP_ENTERED, strategy.entered(target, step, label(version)))
    changes = {"candidate": entered, "watch": watch, "reason": Reason.STEP_RUNNING, "detail": ""}
    return enter(decision, Phase.PAUSED if held_by_people(target, state) else Phase.PROGRESSING, finding, **changes)


def stop_stable(decision: Decision, target: RolloutInput, now: int) -> Decision:
    """The stable version makes way for the candidate: nothing serves, and nothing is judged, until one of them does."""
    state = decision.state
    candidate, stable = _candidate(state), state.stable
    if stable is None:
        return decision
    back = to_clock(now + target.spec.rollout.progress_deadline)
    text = f"{label(stable)} is stopped for {label(candidate.version)}: nothing serves until its pods are available; "
    text += f"{label(stable)} is brought back at {back} unless they are"
    return decision.then(
        RolloutEvent(Reason.STABLE_STOPPED, text, warning=True),
        stable=replace(stable, traffic_since=0),
        candidate=replace(candidate, stopped=now),
    )


def promote(decision: Decision, target: RolloutInput, now: int) -> Decision:
    """Make the candidate the stable version; the old one keeps its pods until the route is without it."""
    state = decision.state
    candidate = _candidate(state)
    version = replace(candidate.version, since=now)
    text = f"{label(version)} serves all traffic"
    outcome = RolloutEvent(
        Reason.PROMOTED, f"{text}; {label(state.stable)} can be brought back" if state.stable else text
    )
    conclusion = strategy_of(target.spec.rollout).conclusion(state)
    if conclusion:
        outcome = replace(outcome, message=f"{outcome.message}; {conclusion}")
    retiring = state.retiring
    if state.stable is not None:
        retiring = (*retiring, Retiring(state.stable.revision))
    return enter(
        decision,
        Phase.PROMOTING,
        outcome,
        stable=version,
        previous=state.stable,
        candidate=None,
        failed=None,
        restored=False,
        paused=False,
        retiring=retiring,
        history=_ended(state, candidate, now, "Promoted", reason=Reason.PROMOTED, message=outcome.message),
        reason=Reason.PROMOTED,
        detail=outcome.message,
    )


def serve_first(decision: Decision, now: int) -> Decision:
    """The first revision ever has nothing to be compared with: it gets all traffic when its pods are available.

    It is promoted when the gateway has accepted the route: `serve_all`.
    """
    version = replace(_candidate(decision.state).version, traffic_since=now)
    text = f"{label(version)} is the first revision: nothing to compare it with"
    return enter(
        decision,
        Phase.PROMOTING,
        RolloutEvent(Reason.FIRST_REVISION, text),
        stable=version,
        candidate=None,
        failed=None,
        restored=False,
        paused=False,
        watch=BreachCounter(version.revision, since=now),
        reason=Reason.FIRST_REVISION,
        detail=text,
    )


def unserved(state: State) -> bool:
    """Whether the stable version was never seen to have all traffic: it is the first one, or was found on a route."""
    stable = state.stable
    if stable is None or state.previous is not None:
        return False
    return not any((entry.revision, entry.outcome) == (stable.revision, "Promoted") for entry in state.history)


def serve_all(decision: Decision, now: int) -> Decision:
    """The gateway gives a version all traffic that was never seen to have it: see `unserved`."""
    state = decision.state
    if state.stable is None:
        return decision
    version = replace(state.stable, since=now, traffic_since=now)
    text = f"{label(version)} serves all traffic"
    history = _entered(state, state.stable, 100, now, "Promoted", reason=Reason.PROMOTED, message=text)
    told = decision.then(RolloutEvent(Reason.PROMOTED, text), stable=version, history=history)
    if state.phase is not Phase.PROMOTING:
        return told  # the next version waits for its pods already
    watch = BreachCounter(version.revision, since=now)
    return enter(told, Phase.HEALTHY, watch=watch, reason=Reason.PROMOTED, detail=text)


def roll_back(decision: Decision, reason: Reason, cause: str, now: int, outcome: str = "RolledBack") -> Decision:
    """Take all traffic from the candidate; it gets none again until the spec changes or a person says retry.

    outcome: how the history calls it.
    """
    state = decision.state
    candidate = _candidate(state)
    kept = state.previous is not None and state.previous.revision != candidate.version.revision
    origin = f"from {candidate.weight} %" if candidate.weight else "before it had traffic"
    if candidate.step >= 0 and not candidate.weight:
        origin = "from its preview"
    back = f"; {label(state.stable)} serves" if state.stable else ""
    text = f"{label(candidate.version)} was rolled back at {to_clock(now)} {origin}: {cause}{back}"
    return enter(
        decision,
        Phase.ROLLING_BACK,
        RolloutEvent(reason, text, warning=True),
        stable=_left_alone(state),
        candidate=None,
        previous=state.previous if kept else None,  # what has just failed is nothing to bring back
        failed=candidate.version.revision,
        paused=False,
        retiring=(*state.retiring, Retiring(candidate.version.revision)),
        history=_ended(state, candidate, now, outcome, reason=reason, message=text),
        reason=reason,
        detail=text,
    )


def abandon(decision: Decision, now: int) -> Decision:
    """The spec went back to what is stable: the candidate loses its traffic at once, and nothing has failed."""
    state = decision.state
    candidate = _candidate(state)
    text = f"{label(candidate.version)} was withdrawn {share(candidate)}: the spec went back to the stable version"
    return enter(
        decision,
        Phase.ROLLING_BACK,
        RolloutEvent(Reason.REVERTED, text),
        stable=_left_alone(state),
        watch=_own_watch(state),
        candidate=None,
        ab_test=None,
        failed=None,
        paused=False,
        retiring=(*state.retiring, Retiring(candidate.version.revision)),
        history=_ended(state, candidate, now, "Withdrawn", reason=Reason.REVERTED, message=text),
        reason=Reason.REVERTED,
        detail=text,
    )


def defer(decision: Decision, target: RolloutInput, wait: CapacityWait, now: int) -> Decision:
    """The candidate waited for capacity as long as it may: it is withdrawn, and tried again after the same time.

    Nothing has failed. Several attempts of one revision in a row are one entry of the history.
    """
    state = decision.state
    candidate = _candidate(state)
    until = now + (target.spec.rollout.capacity_deadline or 0)
    text = f"{label(candidate.version)} was withdrawn {share(candidate)} for lack of capacity"
    text += f", after it had waited since {to_clock(wait.since)}: {wait.message}"
    reason, history = Reason.CAPACITY_DEADLINE_EXCEEDED, state.history
    if history and (history[0].revision, history[0].reason) == (candidate.version.revision, reason):
        state = replace(state, history=history[1:])
    return enter(
        decision,
        Phase.ROLLING_BACK,
        RolloutEvent(reason, text, warning=True),
        stable=_left_alone(state),
        watch=_own_watch(state),
        candidate=None,
        ab_test=None,
        failed=None,
        deferred=Deferred(candidate.version.revision, until, target.generation),
        paused=False,
        retiring=(*state.retiring, Retiring(candidate.version.revision)),
        history=_ended(state, candidate, now, "Withdrawn", reason=reason, message=text),
        reason=reason,
        detail=text,
    )


def is_deferred(state: State, target: RolloutInput, now: int) -> bool:
    """Whether what the spec wants was withdrawn for lack of capacity and is not yet to be tried again."""
    found = state.deferred
    known = found is not None and (found.revision, found.generation) == (target.revision, target.generation)
    return known and found is not None and now < found.until


def roll_back_to(decision: Decision, good: Version, reason: Reason, cause: str, now: int) -> Decision:
    """After promotion: bring back a version that worked; what it replaces has failed.

    Nothing is left to bring back after that, so one bad version follows another at most once.

    A candidate that still waits for its pods goes on waiting, behind the version that is brought back; unless it is
    that very version. A revision that failed before stays the failed one: it is what the spec still asks for.
    """
    state = decision.state
    bad = state.stable
    if bad is None:
        return decision
    waiting = state.candidate
    if waiting is not None and waiting.version.revision == good.revision:
        waiting = None
    text = f"{label(bad)} was rolled back at {to_clock(now)} after its promotion: {cause}; back to {label(good)}"
    ended = HistoryRecord(bad.revision, bad.model_version, bad.since, now, "RolledBack", reason, text, weight=100)
    return enter(
        decision,
        state.phase if waiting else Phase.ROLLING_BACK,
        RolloutEvent(reason, text, warning=True),
        stable=replace(good, since=now, traffic_since=0),
        previous=None,
        candidate=waiting,
        failed=None if state.candidate else state.failed or bad.revision,
        restored=True,
        paused=state.paused and waiting is not None,
        retiring=(*(item for item in state.retiring if item.revision != good.revision), Retiring(bad.revision)),
        history=(ended, *state.history)[:HISTORY_LIMIT],
        reason=reason,
        detail=text,
    )


def degrade(decision: Decision, reason: Reason, cause: str) -> Decision:
    """Nothing better is at hand: leave the traffic as it is and say so."""
    finding = RolloutEvent(reason, cause, warning=True)
    return enter(decision, Phase.DEGRADED, finding, reason=reason, detail=cause)


def _left_alone(state: State) -> Version | None:
    """The stable version when the candidate loses its traffic.

    One that was idle behind a candidate with everything has to be on the route again before it is judged.
    """
    if state.stable is None or state.candidate is None or state.candidate.weight < 100:
        return state.stable
    return replace(state.stable, traffic_since=0)


def _own_watch(state: State) -> BreachCounter | None:
    """The count of the stable version, if that is what is counted; nobody is blamed for a candidate's breaches."""
    stable, watch = state.stable, state.watch
    return watch if stable is not None and watch is not None and watch.revision == stable.revision else None


def _candidate(state: State) -> Candidate:
    if state.candidate is None:
        raise AssertionError("a move of the candidate without a candidate")
    return state.candidate


def _ended(
    state: State, candidate: Candidate, now: int, outcome: str, *, reason: Reason, message: str
) -> tuple[HistoryRecord, ...]:
    return _entered(state, candidate.version, candidate.weight, now, outcome, reason=reason, message=message)


def _entered(
    state: State, version: Version, weight: int, now: int, outcome: str, *, reason: Reason, message: str
) -> tuple[HistoryRecord, ...]:
    entry = HistoryRecord(version.revision, version.model_version, version.since, now, outcome, reason, message, weight)
    return (entry, *state.history)[:HISTORY_LIMIT]
