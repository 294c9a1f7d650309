"""The decision: an idempotent fold over ticks, after the spec and people were heard, before the world is looked at."""

from collections.abc import Sequence
from dataclasses import replace

from modelramp.api.health import Health
from modelramp.api.names import Phase, Reason
from modelramp.api.rollout import OnBreach, Watching
from modelramp.api.times import to_text
from modelramp.api.verdict import TICK_MARK, TickOutcome, Verdict
from modelramp.core import transitions
from modelramp.core.breaches import breached_checks, count, tally, tick_verdict, tripped
from modelramp.core.capacity import held_replicas, sized
from modelramp.core.events import RolloutEvent, stamped
from modelramp.core.follow_cluster import adopt, begin_step, follow_route, follow_world
from modelramp.core.hooks import count_for_hooks, follow_hooks
from modelramp.core.requests import follow_request
from modelramp.core.scaled_to_zero import follow_zero
from modelramp.core.schedule import finalize
from modelramp.core.state import BreachCounter, Decision, Observed, RolloutInput, State, held_by_people
from modelramp.core.steps import blockers, held_by_route, next_step, step_of
from modelramp.core.strategies.registry import judged_by, strategy_of
from modelramp.core.ticks import without_future

RECENT_TICKS = 10


def decide(target: RolloutInput, state: State, seen: Observed, ticks: Sequence[TickOutcome], now: int) -> Decision:
    """The next state, and the events on the way to it.

    target: what is wanted. seen: the world as last seen. ticks: outcomes in any order; ticks at or before
    `state.last_tick`, or of a revision that is no longer the subject, change nothing. now: seconds since the epoch.
    Only the newest tick may move traffic up; older ones are replayed and can only count or roll back.
    """
    seen = seen if seen.now == now else replace(seen, now=now)
    wanted, target = target, sized(target, state)
    decision = adopt(_from_now(state, target, ticks, now), target, seen, now)
    decision = follow_target(decision, target, now)
    decision = follow_request(decision, target, seen, now)
    decision = _follow_holds(decision, target, now)
    decision = follow_zero(decision, target, seen, now)
    if decision.state.zero is not None or state.zero is not None:
        passed = (one.tick for one in ticks if one.revision == decision.state.subject)
        decision = decision.then(held=None, last_tick=max((decision.state.last_tick, *passed)))
        return follow_hooks(follow_route(decision, target, seen, now), target, seen, now)
    decision = begin_step(decision, target, seen, now)
    ordered = sorted(ticks, key=lambda outcome: outcome.tick)
    for outcome in ordered:
        before, newest = decision, outcome.tick == ordered[-1].tick
        decision = fold(decision, target, seen, outcome, newest=newest).since(before, tick=outcome.tick)
    decision = follow_hooks(follow_world(decision, target, seen, now), target, seen, now)
    return decision.then(held=held_replicas(wanted, decision.state, now))


def _from_now(state: State, target: RolloutInput, ticks: Sequence[TickOutcome], now: int) -> Decision:
    """Begin with a state that speaks of no time to come, and say so if it did."""
    newest = max((outcome.tick for outcome in ticks), default=None)
    interval, delay = target.spec.health.interval, target.spec.rollout.scale_down_delay
    found = without_future(state, now, interval, delay, newest)
    if found == state:
        return Decision(state)
    text = f"the status had times later than {to_text(now)}: the clock that wrote it was ahead"
    if found.last_tick != state.last_tick:
        text += f"; ticks continue from {to_text(found.last_tick + interval)} and the breach count starts again at 0"
    return Decision(found, (RolloutEvent(Reason.CLOCK_WAS_AHEAD, text, warning=True),))


def follow_target(decision: Decision, target: RolloutInput, now: int) -> Decision:
    """Begin, supersede or withdraw a rollout when the wanted revision is another one than before."""
    state = decision.state
    candidate = state.candidate.version.revision if state.candidate else None
    stable = state.stable.revision if state.stable else None
    if target.revision == stable:
        if candidate is not None:
            return transitions.abandon(decision, now)
        if state.failed is not None or state.deferred is not None:
            cleared = decision.then(failed=None, deferred=None)
            if state.phase is Phase.ROLLED_BACK:
                return transitions.enter(cleared, Phase.HEALTHY, reason=Reason.REVERTED, detail="")
            return cleared
        return decision
    if target.revision == candidate:
        return _follow_steps(decision, target)
    out = target.revision == state.failed or transitions.is_deferred(state, target, now)
    return decision if out else transitions.begin(decision, target, now)


def _follow_holds(decision: Decision, target: RolloutInput, now: int) -> Decision:
    """Stop and go on as the spec and a freeze say; what a person's request does is known by then."""
    state = decision.state
    held = held_by_people(target, state)
    if state.candidate is None or bool(held) == (state.phase is Phase.PAUSED):
        return decision
    if held:
        return (
            transitions.pause(decision, held[0].reason, held[0].message)
            if state.phase is Phase.PROGRESSING
            else decision
        )
    return transitions.go_on(decision, now)


def _follow_steps(decision: Decision, target: RolloutInput) -> Decision:
    """The candidate keeps its weight when the steps are edited; which step that is may be another one now."""
    candidate = decision.state.running
    if candidate is None or candidate.step == step_of(target, candidate):
        return decision
    return decision.then(candidate=replace(candidate, step=step_of(target, candidate)))


def fold(decision: Decision, target: RolloutInput, seen: Observed, outcome: TickOutcome, *, newest: bool) -> Decision:
    """The decision after one more tick."""
    state = decision.state
    if outcome.tick <= state.last_tick or outcome.revision != state.subject:
        return decision
    if state.phase is Phase.ROLLING_BACK or _unwatched(target, state):
        return decision.then(last_tick=outcome.tick)
    watch = state.watch
    if watch is None or watch.revision != outcome.revision:
        subject = state.running.version if state.running else state.stable
        watch = BreachCounter(outcome.revision, since=subject.traffic_since if subject else outcome.tick)
    entered = state.running.step_entered if state.running else watch.since
    health = judged_by(target, state)
    settled = finalize(health, outcome, watch.since, entered, state.checks)
    verdict, reason, detail = tick_verdict(health, settled, target.missing)
    counted = count(watch, health, settled, target.missing)
    breached = breached_checks(health, settled) if verdict is Verdict.BREACH else ()
    after = decision.then(
        *stamped(_told(watch, counted, health, verdict, detail), checks=breached),
        watch=counted,
        last_tick=outcome.tick,
        recent_ticks=(state.recent_ticks + TICK_MARK[verdict])[-RECENT_TICKS:],
        checks=settled.checks,
        reason=_running(state, verdict, reason),
    )
    cause = tripped(watch, counted, health)
    after = count_for_hooks(after, state, health, settled, (verdict, detail), tripped=cause is not None)
    if cause is not None:
        return _give_up(after, target, f"{detail}, {cause}", outcome.tick).since(after, checks=breached)
    after = _observe(after, target, seen, outcome, newest=newest)
    if newest:
        after = _await_route(after, target, seen, outcome.tick)
    if after.state.subject != outcome.revision or verdict is not Verdict.HEALTHY:
        return after
    if state.phase is Phase.DEGRADED:
        return after if counted.breaches else _recover(after, target, seen)
    return _advance(after, target, seen, settled) if newest else after


def _observe(
    decision: Decision, target: RolloutInput, seen: Observed, outcome: TickOutcome, *, newest: bool
) -> Decision:
    """The decision after what the strategy reads from the tick; it may withdraw the candidate."""
    found = strategy_of(target.spec.rollout).observe(target, decision.state, seen, outcome, newest=newest)
    after = decision.then(**found.changes)
    if found.failure is None:
        return after
    failure = found.failure
    return transitions.roll_back(after, failure.reason, failure.cause, outcome.tick, failure.outcome)


def _unwatched(target: RolloutInput, state: State) -> bool:
    """Whether the tick speaks of a stable version that nobody asked to watch, or that has no traffic at present."""
    if state.running is not None or state.stable is None:
        return False
    return target.spec.after_promotion.watch is Watching.NEVER or not state.stable.traffic_since


def _await_route(decision: Decision, target: RolloutInput, seen: Observed, tick: int) -> Decision:
    """A step lasts from when the route shows its weight: time without that traffic proves nothing."""
    candidate = decision.state.running
    if candidate is None or not held_by_route(target, candidate, seen):
        return decision
    reason = Reason.HELD_BY_ROUTE if decision.state.reason is Reason.STEP_RUNNING else decision.state.reason
    return decision.then(candidate=replace(candidate, step_entered=tick), reason=reason)


def _running(state: State, verdict: Verdict, reason: Reason) -> Reason:
    """The short reason for the status: of the tick while things run, of the cause once they have ended."""
    if state.phase in {Phase.ROLLED_BACK, Phase.DEGRADED}:
        return state.reason
    if verdict is Verdict.HEALTHY:
        return Reason.STEP_RUNNING if state.running else state.reason if state.candidate else Reason.PROMOTED
    return reason


def _told(
    before: BreachCounter, after: BreachCounter, health: Health, verdict: Verdict, detail: str
) -> tuple[RolloutEvent, ...]:
    if verdict is Verdict.BREACH:
        return (RolloutEvent(Reason.BREACHED, f"{tally(after, health)}: {detail}", warning=True),)
    if before.breaches and not after.breaches:
        plural = "breach" if before.breaches == 1 else "breaches in a row"
        return (RolloutEvent(Reason.BREACHES_CLEARED, f"healthy again after {before.breaches} {plural}"),)
    return ()


def _give_up(decision: Decision, target: RolloutInput, cause: str, tick: int) -> Decision:
    state = decision.state
    if state.running is not None:
        return transitions.roll_back(decision, Reason.THRESHOLD_REACHED, cause, tick)
    if target.spec.after_promotion.on_breach is OnBreach.ROLLBACK and state.previous is not None:
        return transitions.roll_back_to(decision, state.previous, Reason.THRESHOLD_REACHED, cause, tick)
    if state.candidate is not None or state.phase is Phase.DEGRADED:
        return decision
    why = "no earlier version is at hand" if state.previous is None else "spec.afterPromotion.onBreach is Report"
    serving = transitions.label(state.stable) if state.stable else "nothing"
    return transitions.degrade(decision, Reason.NOTHING_TO_RESTORE, f"{serving} stays: {cause}, but {why}")


def _recover(decision: Decision, target: RolloutInput, seen: Observed) -> Decision:
    state = decision.state
    serving = transitions.label(state.stable) if state.stable else "nothing"
    finding = RolloutEvent(Reason.RECOVERED, f"{serving} is healthy again")
    if target.revision not in state.out:
        phase = Phase.PROMOTING if transitions.unserved(state) and seen.routed is not True else Phase.HEALTHY
        return transitions.enter(decision, phase, finding, reason=Reason.RECOVERED, detail=finding.message)
    ended = next((entry for entry in state.history if entry.revision == target.revision), None)
    reason, detail = (ended.reason, ended.message) if ended else (Reason.ROLLED_BACK, finding.message)
    return transitions.enter(decision, Phase.ROLLED_BACK, finding, reason=reason, detail=detail)


def _advance(decision: Decision, target: RolloutInput, seen: Observed, settled: TickOutcome) -> Decision:
    state = decision.state
    candidate = state.running
    advance = strategy_of(target.spec.rollout).advance(target, state, settled.tick)
    if candidate is None or not advance.due:
        return decision
    found = blockers(target, state, seen, settled.checks)
    if found:
        return decision.then(reason=found[0].reason)
    following = next_step(target, candidate)
    if following is None:
        return transitions.promote(decision, target, settled.tick)
    return transitions.enter_step(decision.then(*advance.findings), target, following, settled.tick)
