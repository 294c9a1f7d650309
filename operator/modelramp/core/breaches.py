"""The verdict of a tick and the count of consecutive breaches (promises 2 and 3)."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from typing import assert_never

from modelramp.api.check import Role
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import CheckOutcome, TickOutcome, Verdict
from modelramp.core.scores import Judged, scores
from modelramp.core.state import BreachCounter

BUILT_IN = "pods.available"
"""Name of the built-in check; the dot keeps it apart from every name that a spec can give."""


def tick_verdict(health: Health, outcome: TickOutcome, missing: str = "") -> tuple[Verdict, Reason, str]:
    """The verdict of a settled tick with its reason and a sentence.

    BREACH if pods are missing or any rollback check breached that is due at this tick, NO_DATA if none breached and one
    had no data (or pods were missing by no fault of the version, or nothing at all is known), else HEALTHY.
    With spec.health.minScore a check of the common count breaches the tick if it is critical, or if the score of its
    dimension is too low.
    missing: which policies' checks are not among them; that is no data too.
    """
    if outcome.available is False:
        return Verdict.BREACH, Reason.PODS_UNAVAILABLE, f"pods available: {outcome.pods or 'too few'}"
    rollback = _counting(health, outcome)
    breached = breaching(health, rollback)
    if breached:
        return Verdict.BREACH, breached[0].reason, told(health, rollback, breached)
    if outcome.excuse:
        return Verdict.NO_DATA, Reason.PODS_LOST, f"pods available: {outcome.pods} ({outcome.excuse})"
    if missing:
        return Verdict.NO_DATA, Reason.POLICY_UNRESOLVED, missing
    silent = [found for _, found in rollback if found.verdict is Verdict.NO_DATA]
    if silent:
        return Verdict.NO_DATA, silent[0].reason, _listed(silent)
    if not rollback and outcome.available is None:
        return Verdict.NO_DATA, Reason.NOT_EVALUATED, "nothing is known of this tick"
    tolerated = [found for _, found in rollback if found.verdict is Verdict.BREACH]
    if tolerated:
        return Verdict.HEALTHY, Reason.WITHIN_LIMIT, f"no score is below {health.min_score}: {_listed(tolerated)}"
    return Verdict.HEALTHY, Reason.WITHIN_LIMIT, "all checks within their limits"


def count(watch: BreachCounter, health: Health, outcome: TickOutcome, missing: str = "") -> BreachCounter:
    """The watch after one more settled tick.

    A check that is not due at this tick keeps its own count, and while that stands the tick does not clear `breaches`.
    What was counted for checks of a missing policy is kept.
    """
    verdict, _, _ = tick_verdict(health, outcome, missing)
    known = {check.name for check in health.checks if check.failure_threshold is not None}
    own = {name: number for name, number in watch.checks if missing or name in known}
    rollback = _counting(health, outcome)
    for check, found in rollback:
        if check.failure_threshold is not None:
            own[check.name] = _next(own.get(check.name, 0), found.verdict)
    return replace(
        watch,
        breaches=_next(watch.breaches, verdict) or max(own.values(), default=0),
        shared=_next(watch.shared, _shared(health, outcome, rollback, verdict)),
        checks=tuple(sorted((name, number) for name, number in own.items() if number)),
    )


def breached_checks(health: Health, settled: TickOutcome) -> tuple[str, ...]:
    """The names of the rollback checks that breached at this very tick, the built-in one first."""
    counting = {check.name for check in health.checks if check.role is Role.ROLLBACK}
    breached = (found for found in settled.checks if found.verdict is Verdict.BREACH and found.at == settled.tick)
    found = (found.name for found in breached if found.name in counting)
    return (*((BUILT_IN,) if settled.available is False else ()), *found)


def _counting(health: Health, outcome: TickOutcome) -> list[Judged]:
    """The checks that this tick is judged by."""
    pairs = zip(health.checks, outcome.checks, strict=True)
    return [
        (check, found) for check, found in pairs if check.role is Role.ROLLBACK and health.is_due(check, outcome.tick)
    ]


def breaching(health: Health, rollback: Sequence[Judged]) -> list[CheckOutcome]:
    """The outcomes of rollback checks that breach a tick."""
    low = _too_low(health, rollback)
    return [
        found
        for check, found in rollback
        if found.verdict is Verdict.BREACH
        and (
            health.min_score is None or check.failure_threshold is not None or check.critical or found.dimension in low
        )
    ]


def _too_low(health: Health, rollback: Sequence[Judged]) -> dict[str, int]:
    """The scores below the least one; what has a threshold of its own has no part in them."""
    if health.min_score is None:
        return {}
    found = scores((check, found) for check, found in rollback if check.failure_threshold is None)
    return {dimension: score for dimension, score in found.items() if score < health.min_score}


def told(health: Health, rollback: Sequence[Judged], breached: Sequence[CheckOutcome]) -> str:
    """What breached, and the scores that made it count; "" when nothing did."""
    low = ", ".join(
        f"{dimension} scores {score}, below {health.min_score}"
        for dimension, score in _too_low(health, rollback).items()
    )
    critical = {check.name for check, _ in rollback if check.critical and health.min_score is not None}
    return f"{low}: {_listed(breached, critical)}" if low else _listed(breached, critical)


def _listed(outcomes: Iterable[CheckOutcome], critical: Container[str] = ()) -> str:
    """What each said; "critical" explains why one of many checks was enough."""
    return "; ".join(f"{', '.join(names)}: {detail}" for detail, names in by_detail(outcomes, critical).items())


def by_detail(outcomes: Iterable[CheckOutcome], critical: Container[str] = ()) -> dict[str, list[str]]:
    """Which checks said the same, by what they said, so that a message says it once."""
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        name = f"{outcome.name} (critical)" if outcome.name in critical else outcome.name
        found.setdefault(outcome.detail, []).append(name)
    return found


def _shared(health: Health, outcome: TickOutcome, rollback: Sequence[Judged], verdict: Verdict) -> Verdict:
    """What the tick says of the checks without a threshold of their own."""
    common = [(check, found) for check, found in rollback if check.failure_threshold is None]
    if outcome.available is False or breaching(health, common):
        return Verdict.BREACH
    if verdict is Verdict.NO_DATA or any(found.verdict is Verdict.NO_DATA for _, found in common):
        return Verdict.NO_DATA
    return Verdict.HEALTHY


def tripped(before: BreachCounter, watch: BreachCounter, health: Health) -> str | None:
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


def tally(watch: BreachCounter, health: Health) -> str:
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


def _ordinal(number: int) -> str:
    names = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
    return names[number - 1] if 1 <= number <= len(names) else f"{number}th"
