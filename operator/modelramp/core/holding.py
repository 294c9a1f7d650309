"""What keeps an object from going on, and since when nobody can say how its version is. For metrics and alerts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelramp.api.names import UNANSWERED, ConditionType, Phase, Reason
from modelramp.api.rollout import Watching
from modelramp.api.times import to_seconds
from modelramp.api.verdict import TICK_MARK, Verdict
from modelramp.core.gates import registry as gates
from modelramp.core.state import RolloutInput, State, held_by_people
from modelramp.core.steps import step_ends

_TICKS = 2
"""Ticks in a row without an answer from which on it is told: a single lost question is none of anybody's night."""


@dataclass(frozen=True, slots=True)
class Since:
    """Why something is so, and since when, seconds since the epoch; None when that is not recorded."""

    reason: str
    since: int | None = None


def condition(status: Mapping[str, Any], kind: ConditionType) -> Mapping[str, Any]:
    """A condition of a status as JSON; empty when it is not there."""
    return next((found for found in status.get("conditions") or () if found.get("type") == kind), {})


def holding(target: RolloutInput | None, state: State, status: Mapping[str, Any]) -> Since | None:
    """What an object waits for that does not come by itself in time; None when it goes on, rests, or has failed.

    A step whose time is not over, and pods that may still become available, hold nothing.
    status: as written for this state, as JSON.
    """
    ready, stalled = condition(status, ConditionType.READY), condition(status, ConditionType.STALLED)
    if ready.get("status") != "False" or state.zero is not None:
        return None
    ended = state.phase in {Phase.ROLLED_BACK, Phase.DEGRADED}
    if stalled and not (ended and stalled["reason"] == state.reason):
        return Since(stalled["reason"], to_seconds(stalled["lastTransitionTime"]))
    if ended:
        return None
    held = held_by_people(target, state) if target is not None else ()
    if held:
        return Since(held[0].reason)
    if state.candidate is not None and state.candidate.waiting is not None:
        return Since(Reason.WAITING_FOR_CAPACITY, state.candidate.waiting.since)
    if target is not None and state.running is not None:
        return _running(target, state)
    if state.candidate is not None:
        return Since(ready["reason"]) if gates.for_a_person(ready["reason"]) else None
    return None if state.phase is Phase.PENDING else Since(ready["reason"])


def _running(target: RolloutInput, state: State) -> Since | None:
    candidate = state.running
    if candidate is None:
        return None
    if state.reason is Reason.HELD_BY_ROUTE:
        return Since(state.reason)  # its step begins anew with every tick
    ends = step_ends(target, candidate)
    return Since(state.reason, ends) if state.last_tick >= ends else None


def unanswered(target: RolloutInput | None, state: State) -> Since | None:
    """Since which tick the questions about an object have had no usable answer; None while they have.

    Only from the second tick in a row on.
    """
    if (
        target is None
        or state.zero is not None
        or (state.running is None and target.spec.after_promotion.watch is Watching.NEVER)
    ):
        return None
    ticks = len(state.recent_ticks) - len(state.recent_ticks.rstrip(TICK_MARK[Verdict.NO_DATA]))
    if ticks < _TICKS:
        return None
    reasons = (found.reason for found in state.checks if found.verdict is Verdict.NO_DATA)
    reason = next((reason for reason in reasons if reason in UNANSWERED), None)
    interval = target.spec.health.interval
    return Since(reason, state.last_tick - (ticks - 1) * interval) if reason is not None else None
