"""Check kind `compare`: rates, means or quantiles of the candidate against those of the stable version."""

import re
from collections.abc import Iterator
from dataclasses import replace

from modelramp.analysis.accumulated import Window
from modelramp.analysis.counting import CountingKind, wrong_shape
from modelramp.analysis.counts import STABLE, Answers, VersionCounts
from modelramp.analysis.evidence import Mean, Proportion, Result, Unusable
from modelramp.analysis.kind import CheckKind, outcome_of
from modelramp.analysis.stats.compare import NO_SPREAD, Tolerance, means, quantiles, rates
from modelramp.analysis.stats.histograms import Buckets
from modelramp.analysis.wording import Limits
from modelramp.api.advice import Advice, Level
from modelramp.api.check import Check, Role
from modelramp.api.checks.compare import Compare
from modelramp.api.health import Health
from modelramp.api.verdict import CheckOutcome

DEFAULT_QUANTILE = 0.95
"""The field's default."""
_QUANTILE = "quantile"
"""Name of the question for the quantile itself."""
_LE = re.compile(r"\ble\b")
"""What a query of a classic histogram groups by."""


class CompareKind(CountingKind):
    """Both versions in the same window; each tick stands for itself."""

    def baseline(self, check: Check) -> str:
        """The stable version."""
        del check
        return STABLE

    def asked(self, check: Check) -> dict[str, str]:
        """The parts; and the quantile of a native histogram, whose buckets do not say how Prometheus interpolates."""
        settings: Compare = check.settings
        if settings.buckets is None or _LE.search(settings.buckets):
            return self.parts(check)
        q = settings.quantile or DEFAULT_QUANTILE
        return self.parts(check) | {_QUANTILE: f"histogram_quantile({q!r}, {settings.buckets})"}

    def read(self, check: Check, answers: Answers, version: str) -> VersionCounts | Unusable:
        """The counts of one version; a histogram with the quantile that Prometheus gave beside it."""
        found = super().read(check, answers, version)
        series = answers.get(f"{version}.{_QUANTILE}", ())
        if not isinstance(found, Buckets) or len(series) != 1 or series[0].histogram is not None:
            return found
        settings: Compare = check.settings
        return found.beside(settings.quantile or DEFAULT_QUANTILE, series[0].value)

    def limits(self, check: Check) -> Limits:
        """The absolute tolerance: a relative one depends on the stable version's value."""
        settings: Compare = check.settings
        return Limits(max=settings.max_increase or 0.0, unit=check.unit)

    def needs_scipy(self, check: Check) -> bool:
        """A tolerance of rates has exact intervals."""
        settings: Compare = check.settings
        return settings.bad is not None and bool(settings.max_increase or settings.max_relative_increase)

    def outcome(self, check: Check, result: Result, memory: str) -> CheckOutcome:
        """With the limit that follows from the stable version's value."""
        limits = self.limits(check)
        if result.limit is not None:
            limits = replace(limits, max=result.limit)
        return outcome_of(self, check, result, memory, limits)

    def weigh(
        self, check: Check, candidate: VersionCounts, other: VersionCounts | None, window: Window
    ) -> tuple[Result, str]:
        """The difference of rates, means or quantiles, as the check counts."""
        del window
        settings: Compare = check.settings
        tolerance = Tolerance(
            absolute=settings.max_increase or 0.0,
            relative=settings.max_relative_increase or 0.0,
            alpha=settings.alpha or 0.05,
            min_samples=check.min_samples or 1,
        )
        if isinstance(candidate, Proportion) and isinstance(other, Proportion):
            return rates(candidate, other, tolerance), ""
        if isinstance(candidate, Mean) and isinstance(other, Mean):
            return means(candidate, other, tolerance, check.unit), ""
        if isinstance(candidate, Buckets) and isinstance(other, Buckets):
            return quantiles(candidate, other, settings.quantile or DEFAULT_QUANTILE, tolerance, check.unit), ""
        raise wrong_shape(check)

    def lint(self, check: Check, health: Health, path: str) -> Iterator[Advice]:
        """About means too, which can hold a rollout and never roll it back."""
        if check.settings.sum is not None and check.role is Role.ROLLBACK:
            yield Advice(Level.WARNING, f"{path}.compare.sum", f"this check never breaches: {NO_SPREAD}")
        yield from super().lint(check, health, path)


KIND: CheckKind = CompareKind()
