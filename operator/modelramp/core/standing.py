"""What blocks an object now: reported once when it begins and once when it ends."""

from collections.abc import Iterator
from dataclasses import dataclass

from modelramp.api.names import UNANSWERED, Phase, Reason
from modelramp.api.verdict import Verdict
from modelramp.core.breaches import by_detail
from modelramp.core.capacity import given
from modelramp.core.conditions import OBSTACLES
from modelramp.core.events import RolloutEvent
from modelramp.core.gates import registry as gates
from modelramp.core.phases import IN_FLIGHT
from modelramp.core.state import Candidate, Observed, Pods, RolloutInput, State, held_by_people
from modelramp.core.steps import blockers, waits_for_capacity
from modelramp.core.strategies.registry import judged_by
from modelramp.core.transitions import label

PODS_SECONDS, SILENT_PODS_SECONDS = 15, 30
"""How long pods may take to start before people are told that they are waited for: with their words, and without."""
ROUTE_SECONDS = 60
"""How long a gateway may take to follow the route."""
_BLIND = UNANSWERED | {Reason.NOT_A_NUMBER, Reason.SEVERAL_SERIES, Reason.CHECK_FAILED, Reason.EMPTY_RESULT}
"""Why a check has no data though it was asked; too few samples and too short a time pass by themselves."""
TOLD_AT_ONCE = OBSTACLES | (_BLIND - {Reason.EMPTY_RESULT}) | {Reason.GATEWAY_NOT_FOUND, Reason.ROUTE_NOT_ACCEPTED}
"""Reasons that people have surely heard of once they stand in a status."""
_HOLDS = frozenset({Reason.HELD_BY_CHECK, Reason.HELD_BY_ROUTE, Reason.HELD_BY_PODS, Reason.HELD_BY_APPROVAL})


@dataclass(frozen=True, slots=True)
class Standing:
    """One obstacle or hold.

    after: seconds that it has to last before it is reported. of_candidate: whether it is over when the candidate is
    given up. told_again: whether other words of the same reason are worth telling. logged: whether the log has a line
    of it; what concerns Prometheus would be a line for each object.
    """

    reason: Reason
    message: str
    warning: bool = True
    after: int = 0
    of_candidate: bool = False
    told_again: bool = False
    logged: bool = True


def standing(
    target: RolloutInput | None, state: State, seen: Observed, obstacle: RolloutEvent | None
) -> tuple[Standing, ...]:
    """All that blocks an object; obstacle: what keeps the operator from doing what the state wants."""
    found = [Standing(obstacle.reason, obstacle.message, told_again=True)] if obstacle is not None else []
    if target is None:
        return tuple(found)
    if state.zero is not None:
        return (*found, *_route(state, seen))
    found += [*_route(state, seen), *_checks(target, state)]
    if state.candidate is not None:
        wait = state.candidate.waiting
        if wait is not None:
            text = f"{label(state.candidate.version)} {waits_for_capacity(target, wait)}"
            found.append(Standing(Reason.WAITING_FOR_CAPACITY, text, after=PODS_SECONDS, of_candidate=True))
        held = bool(held_by_people(target, state)) or gates.pods_due(target, state, seen) is None
        hindered = obstacle is not None or held
        found += _pods(target, state.candidate, seen, hindered=hindered)
        found += _holds(target, state, seen)
        for waits in gates.unannounced(target, state, seen):
            found.append(Standing(waits.reason, waits.message, warning=False, of_candidate=True))
    return tuple({one.reason: one for one in reversed(found)}.values())


def _route(state: State, seen: Observed) -> Iterator[Standing]:
    if seen.routed is False:
        yield Standing(seen.route_reason, seen.route_detail or "the gateway refuses the route", told_again=True)
    elif seen.routed is None and seen.served and state.phase is not Phase.PENDING:
        text = seen.route_detail or "the gateway has not accepted the route yet"
        yield Standing(seen.route_reason, text, after=ROUTE_SECONDS)


def _checks(target: RolloutInput, state: State) -> Iterator[Standing]:
    health = judged_by(target, state)
    asked = {check.name for check in health.checks}
    silent = [one for one in state.checks if one.name in asked and one.verdict is Verdict.NO_DATA]
    for reason in dict.fromkeys(one.reason for one in silent if one.reason in _BLIND):
        words = by_detail(one for one in silent if one.reason is reason)
        text = "; ".join(f"{', '.join(names)}: {detail}" for detail, names in words.items())
        # A revision has no series before it was scraped for the first time.
        after = max(ROUTE_SECONDS, health.interval + 10) if reason is Reason.EMPTY_RESULT else 0
        yield Standing(reason, text, after=after, logged=False)


def _pods(target: RolloutInput, candidate: Candidate, seen: Observed, *, hindered: bool) -> Iterator[Standing]:
    pods = seen.pods.get(candidate.version.revision, Pods())
    wanted = given(target, seen.pods.get(candidate.version.revision))
    if candidate.step >= 0 or hindered or pods.available >= wanted:
        return
    words = f" ({pods.trouble})" if pods.trouble else ""
    text = f"{label(candidate.version)} waits for its pods: {pods.available} of {wanted} available{words}"
    after = PODS_SECONDS if words else SILENT_PODS_SECONDS
    yield Standing(Reason.WAITING_FOR_PODS, text, warning=bool(words), after=after, of_candidate=True)


def _holds(target: RolloutInput, state: State, seen: Observed) -> Iterator[Standing]:
    if state.reason not in _HOLDS or state.phase not in IN_FLIGHT:
        return
    for finding in blockers(target, state, seen, state.checks):
        if finding.reason is state.reason:
            after = ROUTE_SECONDS if finding.reason is Reason.HELD_BY_ROUTE else 0
            yield Standing(finding.reason, finding.message, warning=False, after=after, of_candidate=True)
