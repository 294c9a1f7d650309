"""Check kind `drift`: a distribution, or a measure of quality, against that of the stable version or a reference."""

from collections.abc import Iterator

from modelramp.analysis.accumulated import ONCE, Window
from modelramp.analysis.counting import CountingKind, wrong_shape
from modelramp.analysis.counts import REFERENCE, STABLE, VersionCounts
from modelramp.analysis.evidence import Mean, Proportion, Result, Unusable
from modelramp.analysis.kind import CheckKind
from modelramp.analysis.query_advice import of_count
from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.questions import Question, question
from modelramp.analysis.stats.drift import LIMITS, Measure, Rule, drift
from modelramp.analysis.stats.histograms import Buckets, from_classic
from modelramp.analysis.stats.performance import performance
from modelramp.analysis.wording import Limits
from modelramp.api.advice import Advice, Level
from modelramp.api.check import Check, Role
from modelramp.api.checks.drift import Drift, DriftMeasure
from modelramp.api.health import Health
from modelramp.api.verdict import Verdict

PERFORMANCE_LIMIT = 0.05
"""The field's default: 5 % from the baseline."""
_NO_SPREAD = (
    "a sum and a count hold no spread, so chance alone can breach; use role: hold, or export a histogram for mean-shift"
)


class DriftKind(CountingKind):
    """A breach needs a distance above the limit and a small p-value."""

    def baseline(self, check: Check) -> str:
        """The reference if the check has one, else the stable version."""
        settings: Drift = check.settings
        return STABLE if settings.reference is None else REFERENCE

    def limits(self, check: Check) -> Limits:
        """The limit of the check, else that of the measure; a performance may fall by it, or a mean rise."""
        settings: Drift = check.settings
        if settings.measure is not DriftMeasure.PERFORMANCE:
            most = LIMITS[Measure(settings.measure.value)] if check.max is None else check.max
            return Limits(max=most, unit=check.unit)
        most = PERFORMANCE_LIMIT if check.max is None else check.max
        return Limits(min=-most) if settings.bad is not None else Limits(max=most)

    def needs_scipy(self, check: Check) -> bool:
        """Most measures have a p-value of a chi-square or Kolmogorov distribution, or exact intervals."""
        settings: Drift = check.settings
        return settings.measure is not DriftMeasure.MEAN_SHIFT and settings.sum is None

    def stored(self, check: Check) -> VersionCounts | Unusable | None:
        """The counts that are written as reference."""
        reference = check.settings.reference
        if reference is None or reference.query is not None:
            return None
        if reference.buckets is not None:
            return from_classic(reference.buckets)
        if reference.bad is not None and reference.total is not None:
            return Proportion(reference.bad, reference.total)
        return Mean(reference.sum or 0.0, reference.count or 0.0)

    def queries(self, check: Check, context: QueryContext, window: int) -> Iterator[Question]:
        """The parts, and the query of the reference."""
        yield from super().queries(check, context, window)
        reference = check.settings.reference
        if reference is not None and reference.query is not None:
            yield question(f"{REFERENCE}.buckets", reference.query, context, window)

    def weigh(
        self, check: Check, candidate: VersionCounts, other: VersionCounts | None, window: Window
    ) -> tuple[Result, str]:
        """The distance of two histograms, or of two measures of quality."""
        del window
        settings: Drift = check.settings
        if isinstance(candidate, Buckets) and isinstance(other, Buckets):
            measure = Measure(settings.measure.value)
            rule = Rule(
                measure, check.max, settings.alpha or 0.01, check.min_samples or 100, settings.cluster_size or 1.0
            )
            name = "stable version" if settings.reference is None else "reference"
            return drift(candidate, other, rule, name), ""
        if isinstance(candidate, (Proportion, Mean)) and isinstance(other, (Proportion, Mean)):
            most = PERFORMANCE_LIMIT if check.max is None else check.max
            alpha, least, size = settings.alpha or 0.05, check.min_samples or 1, settings.cluster_size or 1.0
            return performance(candidate, other, most, alpha, least, check.unit, size), ""
        raise wrong_shape(check)

    def lint(self, check: Check, health: Health, path: str) -> Iterator[Advice]:
        """About the reference too: numbers that no version could be compared with, or its query."""
        arm = self.stored(check)
        if arm is not None:
            result, _ = self.result(check, arm, arm, ONCE)
            if result.verdict is Verdict.NO_DATA:
                why = result.detail.removeprefix("candidate: ")
                yield Advice(Level.WARNING, f"{path}.drift.reference", f"this check can only give no data: {why}")
        if check.settings.sum is not None and check.role is Role.ROLLBACK:
            yield Advice(Level.WARNING, f"{path}.drift.sum", _NO_SPREAD)
        yield from super().lint(check, health, path)
        reference = check.settings.reference
        if reference is not None and reference.query is not None:
            yield from of_count(reference.query, f"{path}.drift.reference.query", both=False, any_version=True)


KIND: CheckKind = DriftKind()
