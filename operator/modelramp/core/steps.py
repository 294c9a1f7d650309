"""When a step may end: its time, a healthy tick, and nothing that blocks."""

from modelramp.api.check import Role
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import CheckOutcome, Verdict
from modelramp.core.capacity import needed
from modelramp.core.schedule import last_words
from modelramp.core.state import Candidate, Observed, RolloutEvent, RolloutInput, State


def step_ends(target: RolloutInput, candidate: Candidate) -> int:
    """The earliest instant at which the candidate's step may end, seconds since the epoch.

    A test whose split was raised under way lasts from the new weight on; below it the candidate only passes through.
    """
    rollout = target.spec.rollout
    if rollout.ab_test is not None and candidate.weight < rollout.ab_test.split:
        return candidate.step_entered + rollout.step_duration
    return candidate.step_entered + target.spec.rollout.duration_of(place(target, candidate))


def next_step(target: RolloutInput, candidate: Candidate) -> int | None:
    """The index of the first step above the candidate's weight; None when it has everything.

    Found by weight, not by counting: the steps may be edited while a rollout is under way.
    """
    above = (index for index, step in enumerate(target.spec.rollout.stages) if step.weight > candidate.weight)
    return next(above, None)


def place(target: RolloutInput, candidate: Candidate) -> int:
    """The index of the step that the candidate is in: the last one that is not above its weight."""
    following = next_step(target, candidate)
    return max(0, len(target.spec.rollout.stages) - 1 if following is None else following - 1)


def next_weight(target: RolloutInput, candidate: Candidate) -> int:
    """The weight after the present step; 100 when the step is the last one."""
    following = next_step(target, candidate)
    return 100 if following is None else target.spec.rollout.stages[following].weight


def blockers(
    target: RolloutInput, state: State, seen: Observed, checks: tuple[CheckOutcome, ...]
) -> tuple[RolloutEvent, ...]:
    """What keeps the candidate from its next step, beside time and the tick's verdict; empty when nothing does."""
    candidate = state.candidate
    if candidate is None:
        return ()
    found = [*_held_by_checks(target.spec.health.during(rolling=True), checks), *held_by_route(candidate, seen)]
    pods = seen.pods.get(candidate.version.revision)
    wanted = needed(target.spec.replicas, next_weight(target, candidate))
    if pods is None or pods.available < wanted:
        have = pods.available if pods else 0
        found.append(RolloutEvent(Reason.HELD_BY_PODS, f"the next step needs {wanted} available pods, {have} are"))
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


def held_by_route(candidate: Candidate, seen: Observed) -> list[RolloutEvent]:
    """Why the candidate does not have its weight on the route yet; empty when it has."""
    if seen.routed is not True:
        return [RolloutEvent(Reason.HELD_BY_ROUTE, seen.route_detail or "the gateway has not taken the route yet")]
    shown = seen.served.get(candidate.version.revision, 0)
    if shown != candidate.weight:
        return [RolloutEvent(Reason.HELD_BY_ROUTE, f"the route gives it {shown} %, {candidate.weight} % are wanted")]
    return []
