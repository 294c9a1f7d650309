"""Lint of intervals, delays and weights with unexpected effects on a rollout."""

from collections.abc import Iterator

from modelramp.api.advice import Advice, Level
from modelramp.api.check import Check, Role, When
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.api.times import format_duration
from modelramp.core.strategies.registry import stages_of


def of_timing(spec: ModelDeploymentSpec, check: Check, path: str) -> Iterator[Advice]:
    """Warnings about one check of a spec; `path` is where the check stands."""
    health = spec.health
    asks_later = bool(check.delay) or health.is_slow(check)
    if asks_later and check.role is not Role.INFORM and check.when is not When.AFTER_PROMOTION:
        first = health.reach_of(check)
        latest = first + health.interval_of(check)
        stages = stages_of(spec.rollout)
        lasts = stages[0].duration if check.role is Role.HOLD else min(stage.duration for stage in stages)
        which, start = (
            ("the first step", "traffic") if check.role is Role.HOLD else ("every step", "the step's beginning")
        )
        if lasts < first:
            message = (
                f"its first whole window ends {format_duration(first)} after {start}, and it is asked then or up to "
                f"{format_duration(health.interval_of(check))} later: {which} ({format_duration(lasts)}) waits for it, "
                f"up to {format_duration(latest)}"
            )
            yield Advice(Level.WARNING, f"{path}.{'delay' if check.delay else 'interval'}", message)
    if health.min_score is None and check.critical:
        message = "changes only the score that is shown: without spec.health.minScore every breach breaches the tick"
        yield Advice(Level.WARNING, f"{path}.critical", message)
    if check.critical and check.role is not Role.ROLLBACK:
        message = f"changes only the score that is shown: a check with role {check.role.value} never breaches a tick"
        yield Advice(Level.WARNING, f"{path}.critical", message)
