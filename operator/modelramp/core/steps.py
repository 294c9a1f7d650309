"""When a step may end: its time, a healthy tick, and nothing that blocks."""

from modelramp.api.check import Role
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import CheckOutcome, Verdict
from modelramp.core.capacity import needed
from modelramp.core.events import RolloutEvent
from modelramp.core.schedule import last_words
from modelramp.core.state import Candidate, Observed, RolloutInput, State
from modelramp.core.strategies.registry import stages_of, strategy_of
from modelramp.core.strategies.strategy import following, place


def step_ends(target: RolloutInput, candidate: Candidate) -> int:
    """The earliest instant at which the candidate's step may end, seconds since the epoch."""
    return strategy_of(target.spec.rollout).ends(target, candidate)


def next_step(target: RolloutInput, candidate: Candidate) -> int | None:
    """The index of the first step above the candidate's weight; None when it has everything."""
    return following(stages_of(target.spec.rollout), candidate)


def step_of(target: RolloutInput, candidate: Candidate) -> int:
    """The index of the step that the candidate is in."""
    return place(stages_of(target.spec.rollout), candidate)


def next_weight(target: RolloutInput, candidate: Candidate) -> int:
    """The weight after the present step; 100 when the step is the last one."""
    step = next_step(target, candidate)
    return 100 if step is None else stages_of(target.spec.rollout)[step].weight


def blockers(
    target: RolloutInput, state: State, seen: Observed, checks: tuple[CheckOutcome, ...]
) -> tuple[RolloutEvent, ...]:
    """What keeps the candidate from its next step, beside time and the tick's verdict; empty when nothing does."""
    candidate = state.candidate
    if candidate is None:
        return ()
    strategy = strategy_of(target.spec.rollout)
    found = [*_held_by_checks(strategy.health(target, candidate), checks)]
    found += strategy.held_by_route(target, candidate, seen)
    pods = seen.pods.get(candidate.version.revision)
    wanted = needed(target.spec.replicas, next_weight(target, candidate))
    if pods is None or pods.available < wanted:
        have = pods.available if pods else 0
        found.append(RolloutEvent(Reason.HELD_BY_PODS, f"the next step needs {wanted} available pods, {have} are"))
    found += strategy.blockers(target, state, seen)
    if state.paused:
        found.append(RolloutEvent(Reason.PAUSED, "a person has paused the rollout"))
    return tuple(found)


def _held_by_checks(health: Health, checks: tuple[CheckOutcome, ...]) -> list[RolloutEvent]:
    """Hold checks, and rollback checks whose last answer the tick itself does not speak of."""
    given = {check.name: check for check in checks}
    found = []
    for check in health.checks:
        outcome = given.get(check.name)
        holds = check.role is Role.HOLD or (check.role is Role.ROLLBACK and health.is_slow(check))
        if not holds or (outcome is not None and outcome.verdict is Verdict.HEALTHY):
            continue
        detail = last_words(health, check, outcome) if outcome else "was not asked yet"
        found.append(RolloutEvent(Reason.HELD_BY_CHECK, f"{check.name} holds promotion: {detail}"))
    return found


def held_by_route(target: RolloutInput, candidate: Candidate, seen: Observed) -> tuple[RolloutEvent, ...]:
    """Why the candidate does not have the traffic of its step yet; empty when it has."""
    return strategy_of(target.spec.rollout).held_by_route(target, candidate, seen)
