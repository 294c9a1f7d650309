"""How other thresholds and windows would have decided on the same history. No I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from modelramp.api.check import Check, Role
from modelramp.api.health import Health
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.api.verdict import Verdict
from modelramp.cli.backtest.options import with_interval
from modelramp.cli.backtest.replay import PROMOTED, ROLLED_BACK, History, replay

THRESHOLDS = range(1, 6)
FACTORS = (0.5, 1.0, 2.0, 5.0)
"""Windows that are tried, in intervals."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One row: a window (and the interval that it needs), a threshold, and what they would have done.

    rollbacks: incidents that would have brought the version back, each counted once. first_rollback, promoted: seconds
    since the epoch, None when it would not have happened.
    """

    window: int
    interval: int
    failure_threshold: int
    ticks: int
    breaches: int
    no_data: int
    rollbacks: int
    first_rollback: int | None
    promoted: int | None


def windows_of(health: Health) -> tuple[int, ...]:
    """The windows that are tried when none are given: those of the rollback checks, and FACTORS times the interval."""
    own = {health.window_of(check) for check in health.checks if _follows(check, health)}
    tried = {max(1, round(health.interval * factor)) for factor in FACTORS}
    return tuple(sorted(window for window in own | tried if window <= 3600))


def with_window(spec: ModelDeploymentSpec, window: int) -> ModelDeploymentSpec:
    """The policy with another window for its rollback checks.

    A window longer than the interval takes the interval with it: the API server accepts no other (one burst would be
    counted several times). Checks of other roles, and those with an interval of their own, keep what they have.
    """
    health = spec.health
    checks = tuple(
        check.model_copy(update={"window": window if _follows(check, health) else health.window_of(check)})
        for check in health.checks
    )
    changed = with_interval(health.model_copy(update={"checks": checks}), max(window, health.interval))
    return spec.model_copy(update={"health": changed})


def _follows(check: Check, health: Health) -> bool:
    return check.role is Role.ROLLBACK and not health.is_slow(check)


def with_threshold(spec: ModelDeploymentSpec, threshold: int) -> ModelDeploymentSpec:
    """The policy with another spec.health.failureThreshold; checks with a threshold of their own keep it."""
    return spec.model_copy(update={"health": spec.health.model_copy(update={"failure_threshold": threshold})})


def variants(
    spec: ModelDeploymentSpec, revision: str, stable: str, histories: Mapping[int, History]
) -> Iterator[Variant]:
    """One row for each window, with its own history, and each threshold of THRESHOLDS."""
    for window, history in histories.items():
        changed = with_window(spec, window)
        for threshold in THRESHOLDS:
            told = replay(with_threshold(changed, threshold), revision, stable, history, again=True)
            rollbacks, promotions = told.having(ROLLED_BACK), told.having(PROMOTED)
            yield Variant(
                window=window,
                interval=changed.health.interval,
                failure_threshold=threshold,
                ticks=len(history),
                breaches=len(told.of(Verdict.BREACH)),
                no_data=len(told.of(Verdict.NO_DATA)),
                rollbacks=len(rollbacks),
                first_rollback=rollbacks[0].at if rollbacks else None,
                promoted=promotions[0].at if promotions else None,
            )
