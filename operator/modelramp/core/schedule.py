"""When a check is asked, from when on its answer counts, and which answer stands in between."""

from collections.abc import Iterable
from dataclasses import replace

from modelramp.api.check import Check, Role
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.times import to_clock, to_near
from modelramp.api.verdict import CheckOutcome, TickOutcome, Verdict


def finalize(
    health: Health,
    outcome: TickOutcome,
    traffic_since: int,
    step_entered: int,
    standing: Iterable[CheckOutcome] = (),
) -> TickOutcome:
    """The tick with one outcome per declared check; what cannot count yet or was not asked has no data.

    A rollback check counts when its window lies wholly in the step; the others when it lies wholly in the
    revision's own traffic: nobody is blamed for what was before.
    standing: the outcomes after the tick before. A check that is not due keeps its own, if it was asked the same
    question of the same revision.
    """
    given = {check.name: check for check in outcome.checks}
    before = {check.name: check for check in standing}
    settled = []
    for check in health.checks:
        start = step_entered if check.role is Role.ROLLBACK else traffic_since
        found = (
            _asked(health, check, outcome, given.get(check.name))
            if health.is_due(check, outcome.tick)
            else _standing(check, outcome, before.get(check.name))
        )
        if found is None:
            found = _unanswered(health, check, outcome.tick, start)
        elif found.at - health.reach_of(check) < start:
            detail = _warming_up(health, check, found.at, start)
            found = replace(found, verdict=Verdict.NO_DATA, reason=Reason.WARMING_UP, detail=detail)
        settled.append(found)
    return replace(outcome, checks=tuple(settled))


def first_counted(health: Health, check: Check, start: int) -> int:
    """The first tick at which the check is asked and looks back to `start` at most, seconds since the epoch."""
    interval = health.interval_of(check)
    return -(-(start + health.reach_of(check)) // interval) * interval


def next_asked(health: Health, check: Check, tick: int) -> int:
    """The first tick after `tick` at which the check is asked, seconds since the epoch."""
    interval = health.interval_of(check)
    return tick - tick % interval + interval


def last_words(health: Health, check: Check, outcome: CheckOutcome) -> str:
    """What a check said, with the times of this and the next asking if it is not asked at every tick."""
    if not health.is_slow(check) or not outcome.at or outcome.reason is Reason.WARMING_UP:
        return outcome.detail
    following = to_near(next_asked(health, check, outcome.at), outcome.at)
    return f"{outcome.detail} (asked at {to_clock(outcome.at)}, next at {following})"


def _asked(health: Health, check: Check, outcome: TickOutcome, found: CheckOutcome | None) -> CheckOutcome | None:
    if found is None:
        return None
    question = _question(check, outcome.revision) if health.is_slow(check) else ""
    return replace(found, at=outcome.tick, question=question, dimension=found.dimension or check.dimension.value)


def _standing(check: Check, outcome: TickOutcome, found: CheckOutcome | None) -> CheckOutcome | None:
    """The last answer, if it stands; one of another revision or to a check that was edited does not."""
    if found is None or not found.question or found.question != _question(check, outcome.revision):
        return None
    return found


def _question(check: Check, revision: str) -> str:
    return f"{revision}/{check.identity():08x}"


def _unanswered(health: Health, check: Check, tick: int, start: int) -> CheckOutcome:
    detail = "was not asked at this tick"
    if not health.is_due(check, tick):
        counted = max(first_counted(health, check, start), next_asked(health, check, tick))
        detail = f"{_waits(check)}is asked at {to_near(counted, tick)}"
    # Which dimension a preset has, its first answer says.
    chosen = check.preset is None or "dimension" in check.model_fields_set
    dimension = check.dimension.value if chosen else ""
    return CheckOutcome(check.name, Verdict.NO_DATA, Reason.NOT_EVALUATED, detail, dimension=dimension)


def _warming_up(health: Health, check: Check, at: int, start: int) -> str:
    before = "this step" if check.role is Role.ROLLBACK else "this revision had traffic"
    detail = f"{_waits(check)}its window still reaches back before {before}"
    if not check.delay and not health.is_slow(check):
        return detail
    counted = max(first_counted(health, check, start), next_asked(health, check, at))
    return f"{detail}, the first whole one is asked for at {to_near(counted, at)}"


def _waits(check: Check) -> str:
    return "waits for labels; " if check.delay else ""
