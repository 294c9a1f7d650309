"""Check kind `sequential`: rates or means, with evidence that adds up from tick to tick."""

from collections.abc import Iterator

from modelramp.analysis.accumulated import Window, memory_of, remembered
from modelramp.analysis.counting import CountingKind, wrong_shape
from modelramp.analysis.counts import STABLE, VersionCounts
from modelramp.analysis.evidence import Mean, Proportion, Result, Unusable, can_add_up, finite, no_data
from modelramp.analysis.kind import CheckKind
from modelramp.analysis.stats.change import (
    LIMIT_ALPHA,
    STABLE_ALPHA,
    Bound,
    ChangeLooks,
    change_over_limit,
    change_over_stable,
)
from modelramp.analysis.stats.sequential import (
    Design,
    MeanLooks,
    RateLooks,
    Spread,
    look_at_limit,
    look_at_means,
    look_at_rates,
)
from modelramp.analysis.wording import Limits
from modelramp.api.advice import Advice, Level
from modelramp.api.check import Check, Role
from modelramp.api.checks.sequential import Detect, Sequential
from modelramp.api.health import Health
from modelramp.api.names import Reason

MEAN_EFFECT = 0.1
"""The difference of means that a check expects, in standard deviations (Cohen: 0.2 is small)."""


class SequentialKind(CountingKind):
    """One more look at each tick, which is wrong no more often than the check says, over all looks together."""

    def baseline(self, check: Check) -> str | None:
        """The stable version, unless the check has a limit."""
        return STABLE if check.max is None else None

    def limits(self, check: Check) -> Limits:
        """max, or no difference from the stable version."""
        return Limits(max=0.0, unit=check.unit) if check.max is None else super().limits(check)

    def notices_late_changes(self, check: Check) -> bool:
        """With detect: difference, healthy hours outweigh a bad one."""
        return check.settings.detect is not Detect.DIFFERENCE

    def weigh(
        self, check: Check, candidate: VersionCounts, other: VersionCounts | None, window: Window
    ) -> tuple[Result, str]:
        """One more look, unless the tick's window reaches back to before the present weight."""
        settings: Sequential = check.settings
        if not window.whole:
            young = "its window still reaches back before this step; the evidence begins with the step"
            return no_data(Unusable(Reason.WARMING_UP, young)), window.memory
        if settings.detect is Detect.CHANGE:
            return _change(check, candidate, other, window)
        effect = settings.effect or (MEAN_EFFECT if settings.sum is not None else Design().effect)
        design = Design(settings.alpha or 0.05, effect, check.min_samples or 1)
        if isinstance(candidate, Mean) and isinstance(other, Mean):
            looks, result = look_at_means(mean_looks(check, window), candidate, other, design, check.unit)
            return result, looks_text(check, window, looks)
        if isinstance(candidate, Proportion) and check.max is not None:
            found, result = look_at_limit(rate_looks(check, window), candidate, check.max, design)
            return result, looks_text(check, window, found)
        if isinstance(candidate, Proportion) and isinstance(other, Proportion):
            found, result = look_at_rates(rate_looks(check, window), candidate, other, design)
            return result, looks_text(check, window, found)
        raise wrong_shape(check)

    def lint(self, check: Check, health: Health, path: str) -> Iterator[Advice]:
        """About failureThreshold too: what has already added up need not be confirmed."""
        in_a_row = check.failure_threshold or health.failure_threshold
        if check.role is Role.ROLLBACK and in_a_row > 1:
            message = (
                f"evidence that suffices has already added up over the ticks; {in_a_row} breaches in a row only come "
            )
            yield Advice(Level.WARNING, f"{path}.failureThreshold", f"{message}{in_a_row - 1} later: set it to 1 here")
        yield from super().lint(check, health, path)


def _change(check: Check, candidate: VersionCounts, other: VersionCounts | None, window: Window) -> tuple[Result, str]:
    """One more look for a change of a rate."""
    alpha, least = check.settings.alpha, check.min_samples or 1
    looks = change_looks(check, window)
    if isinstance(candidate, Proportion) and check.max is not None:
        looks, result = change_over_limit(looks, candidate, check.max, Bound(alpha or LIMIT_ALPHA, least))
    elif isinstance(candidate, Proportion) and isinstance(other, Proportion):
        looks, result = change_over_stable(looks, candidate, other, Bound(alpha or STABLE_ALPHA, least))
    else:
        raise wrong_shape(check)
    return result, change_text(check, window, looks)


def rate_looks(check: Check, window: Window) -> RateLooks:
    """What a sequential check of rates has seen so far."""
    try:
        bad, total, stable_bad, stable_total, p_value = finite(remembered(check, window, "looks"))
    except (TypeError, ValueError):
        return RateLooks()
    found = RateLooks(Proportion(bad, total), Proportion(stable_bad, stable_total), p_value)
    return found if can_add_up(found.candidate, found.stable) else RateLooks()


def mean_looks(check: Check, window: Window) -> MeanLooks:
    """What a sequential check of means has seen so far."""
    try:
        *numbers, p_value = finite(remembered(check, window, "looks"))
        one, other = (
            Spread(Mean(sum_, count), int(ticks), squares) for sum_, count, ticks, squares in (numbers[:4], numbers[4:])
        )
    except (TypeError, ValueError):
        return MeanLooks()
    return MeanLooks(one, other, p_value) if can_add_up(one.total, other.total) else MeanLooks()


def change_looks(check: Check, window: Window) -> ChangeLooks:
    """What a sequential check that detects a change has seen so far."""
    try:
        seen, looks, bad, total, stable_bad, stable_total, *evidence = finite(remembered(check, window, "change"))
        counts = Proportion(bad, total), Proportion(stable_bad, stable_total)
        found = ChangeLooks(tuple(evidence), *counts, int(looks), seen)
    except (TypeError, ValueError):
        return ChangeLooks()
    sound = len(evidence) == len(ChangeLooks().evidence) and can_add_up(*counts)
    return found if sound else ChangeLooks()


def looks_text(check: Check, window: Window, looks: RateLooks | MeanLooks) -> str:
    """The text that carries a sequential check's evidence."""
    if isinstance(looks, RateLooks):
        one, other = looks.candidate, looks.stable
        return memory_of(check, window, "looks", [one.bad, one.total, other.bad, other.total, looks.p_value])
    numbers: list[float] = []
    for arm in (looks.candidate, looks.stable):
        numbers += [arm.total.sum, arm.total.count, arm.ticks, arm.squares]
    return memory_of(check, window, "looks", [*numbers, looks.p_value])


def change_text(check: Check, window: Window, looks: ChangeLooks) -> str:
    """The text that carries the evidence of a change."""
    one, other = looks.candidate, looks.stable
    counts = [looks.seen, looks.looks, one.bad, one.total, other.bad, other.total]
    return memory_of(check, window, "change", [*counts, *looks.evidence])


KIND: CheckKind = SequentialKind()
