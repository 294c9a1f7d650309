"""When a step may end: its time, a healthy tick, and nothing that blocks."""

from modelramp.api.check import Role
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.times import to_clock
from modelramp.api.verdict import CheckOutcome, Verdict
from modelramp.core.capacity import by_share, needed_now
from modelramp.core.events import RolloutEvent
from modelramp.core.schedule import last_words
from modelramp.core.state import Candidate, CapacityWait, Observed, RolloutInput, State, Version, held_by_people
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


def first_step(target: RolloutInput, state: State) -> int:
    """The index of the step that gives the candidate its first traffic: the last one if it served lately."""
    if state.candidate is None or not served_lately(target, state, state.candidate.version):
        return 0
    return next(index for index, stage in enumerate(stages_of(target.spec.rollout)) if stage.weight == 100)


def weight_to_carry(target: RolloutInput, state: State) -> int:
    """The share of the traffic that the candidate's pods have to carry, percent: of its stage, or its first traffic."""
    running = state.running
    if running is not None and running.weight:
        return running.weight
    step = step_of(target, running) if running is not None else first_step(target, state)
    return next(stage.weight for stage in stages_of(target.spec.rollout)[step:] if stage.weight)


def served_lately(target: RolloutInput, state: State, version: Version) -> bool:
    """Whether spec.rollout.rollbackWindow lets a version skip the steps, by what the history says of it."""
    window = target.spec.rollout.rollback_window
    if window is None or state.stable is None:
        return False
    served, ended = _served_before(state)
    if version.revision not in served[: window.revisions]:
        return False
    return version.since - ended[version.revision] <= window.within


def _served_before(state: State) -> tuple[list[str], dict[str, int]]:
    """What served before the stable version, the latest first, and when each was last seen to end serving.

    What was rolled back when it was last tried is left out.
    """
    ended: dict[str, int] = {}
    serving = None
    for entry in reversed(state.history):
        if entry.outcome == "Promoted":
            if serving is not None:
                ended[serving] = entry.ended_at
            serving = entry.revision
        elif entry.outcome not in {"Superseded", "Withdrawn"}:
            ended.pop(entry.revision, None)
            serving = None if serving == entry.revision else serving  # to which version it went back, no entry says
    if state.previous is not None and state.stable is not None:
        ended[state.previous.revision] = state.stable.since
    stable = state.stable.revision if state.stable is not None else ""
    latest = sorted(ended, key=lambda revision: ended[revision], reverse=True)
    return [revision for revision in latest if revision != stable], ended


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
    # Where pods follow traffic, those of the next step come with it.
    following = candidate.weight if by_share(target) and candidate.weight else next_weight(target, candidate)
    wanted = needed_now(target, pods, following)
    if pods is None or pods.available < wanted:
        have = pods.available if pods else 0
        found.append(RolloutEvent(Reason.HELD_BY_PODS, f"the next step needs {wanted} available pods, {have} are"))
    if candidate.waiting is not None:
        found.append(
            RolloutEvent(Reason.WAITING_FOR_CAPACITY, f"the candidate {waits_for_capacity(target, candidate.waiting)}")
        )
    found += strategy.blockers(target, state, seen)
    found += held_by_people(target, state)
    return tuple(found)


def waits_for_capacity(target: RolloutInput, wait: CapacityWait) -> str:
    """What people read of a wait for nodes or quota, and how it ends."""
    limit = target.spec.rollout.capacity_deadline
    ends = f"; withdrawn at {to_clock(wait.since + limit)} unless it ends" if limit is not None else ""
    return f"waits for capacity since {to_clock(wait.since)}: {wait.message}{ends}"


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
        found.append(
            RolloutEvent(Reason.HELD_BY_CHECK, f"{check.name} holds promotion: {detail}", checks=(check.name,))
        )
    return found


def held_by_route(target: RolloutInput, candidate: Candidate, seen: Observed) -> tuple[RolloutEvent, ...]:
    """Why the candidate does not have the traffic of its step yet; empty when it has."""
    return strategy_of(target.spec.rollout).held_by_route(target, candidate, seen)
