"""The verdict of a tick and the count of consecutive breaches (promises 2 and 3)."""

from dataclasses import replace
from typing import assert_never

from modelramp.api.check import Check, Role
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import CheckOutcome, TickOutcome, Verdict
from modelramp.core.state import Watch

BUILT_IN = "pods.available"
"""Name of the built-in check; the dot keeps it apart from every name that a spec can give."""


def settle(health: Health, outcome: TickOutcome, traffic_since: int, step_entered: int) -> TickOutcome:
    """The tick with one outcome per declared check; what cannot count yet or was not asked has no data.

    A rollback check counts when its window lies wholly in the step; the others when it lies wholly in the
    revision's own traffic: nobody is blamed for what was before.
    """
    given = {check.name: check for check in outcome.checks}
    settled = []
    for check in health.checks:
        start = step_entered if check.role is Role.ROLLBACK else traffic_since
        found = given.get(check.name)
        if found is None:
            found = CheckOutcome(check.name, Verdict.NO_DATA, Reason.NOT_EVALUATED, "was not asked at this tick")
        elif outcome.tick - health.window_of(check) < start:
            detail = "its window still reaches back before this step" if check.role is Role.ROLLBACK else _YOUNG
            found = replace(found, verdict=Verdict.NO_DATA, reason=Reason.WARMING_UP, detail=detail)
        settled.append(found)
    return replace(outcome, checks=tuple(settled))


_YOUNG = "its window still reaches back before this revision had traffic"


def tick_verdict(health: Health, outcome: TickOutcome, missing: str = "") -> tuple[Verdict, Reason, str]:
    """The verdict of a settled tick with its reason and a sentence.

    BREACH if pods are missing or any rollback check breached, NO_DATA if none breached and one had no data (or
    nothing at all is known), else HEALTHY. missing: which policies' checks are not among them; that is no data too.
    """
    if outcome.available is False:
        return Verdict.BREACH, Reason.PODS_UNAVAILABLE, f"pods available: {outcome.pods or 'too few'}"
    rollback = [(check, found) for check, found in _pairs(health, outcome) if check.role is Role.ROLLBACK]
    for wanted in (Verdict.BREACH, Verdict.NO_DATA):
        hits = [found for _, found in rollback if found.verdict is wanted]
        if hits:
            return wanted, hits[0].reason, "; ".join(f"{found.name}: {found.detail}" for found in hits)
        if wanted is Verdict.BREACH and missing:
            return Verdict.NO_DATA, Reason.POLICY_UNRESOLVED, missing
    if not rollback and outcome.available is None:
        return Verdict.NO_DATA, Reason.NOT_EVALUATED, "nothing is known of this tick"
    return Verdict.HEALTHY, Reason.WITHIN_LIMIT, "all checks within their limits"


def count(watch: Watch, health: Health, outcome: TickOutcome, missing: str = "") -> Watch:
    """The watch after one more settled tick. What was counted for checks of a missing policy is kept."""
    verdict, _, _ = tick_verdict(health, outcome, missing)
    own = dict(watch.checks)
    shared = Verdict.BREACH if outcome.available is False else Verdict.HEALTHY
    for check, found in _pairs(health, outcome):
        if check.role is not Role.ROLLBACK:
            continue
        if check.failure_threshold is not None:
            own[check.name] = _next(own.get(check.name, 0), found.verdict)
        elif shared is not Verdict.BREACH and found.verdict is not Verdict.HEALTHY:
            shared = found.verdict
    if verdict is Verdict.NO_DATA and shared is Verdict.HEALTHY:
        shared = Verdict.NO_DATA
    known = {check.name for check in health.checks if check.failure_threshold is not None}
    return replace(
        watch,
        breaches=_next(watch.breaches, verdict),
        shared=_next(watch.shared, shared),
        checks=tuple(sorted((name, number) for name, number in own.items() if number and (missing or name in known))),
    )


def tripped(before: Watch, watch: Watch, health: Health) -> str | None:
    """Which count this tick has brought to its threshold (or further beyond), in words; None while none.

    Only a tick that breaches can: a threshold that is lowered takes effect at the next breach, not in silence.
    """
    own, own_before = dict(watch.checks), dict(before.checks)
    for check in health.checks:
        threshold = check.failure_threshold
        if threshold is not None and own.get(check.name, 0) >= max(threshold, own_before.get(check.name, 0) + 1):
            return f"{check.name} breached {threshold} times in a row" if threshold > 1 else f"{check.name} breached"
    if watch.shared >= max(health.failure_threshold, before.shared + 1):
        return f"{_ordinal(watch.shared)} breach in a row"
    return None


def tally(watch: Watch, health: Health) -> str:
    """The breaches in a row against their thresholds, in words; "" when there are none.

    A count stands above its threshold when nothing could be rolled back.
    """
    own = {check.name: check.failure_threshold for check in health.checks}
    counted = [("", watch.shared, health.failure_threshold)] if watch.shared else []
    counted += [(f"{name}: ", number, own.get(name) or 0) for name, number in watch.checks]
    return ", ".join(
        f"{name}breach {number} of {most}" if number <= most else f"{name}breach {number} in a row"
        for name, number, most in counted
    )


def _next(counted: int, verdict: Verdict) -> int:
    match verdict:
        case Verdict.HEALTHY:
            return 0
        case Verdict.NO_DATA:
            return counted
        case Verdict.BREACH:
            return counted + 1
        case _ as unknown:
            assert_never(unknown)


def _pairs(health: Health, outcome: TickOutcome) -> list[tuple[Check, CheckOutcome]]:
    return list(zip(health.checks, outcome.checks, strict=True))


def _ordinal(number: int) -> str:
    names = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
    return names[number - 1] if 1 <= number <= len(names) else f"{number}th"
