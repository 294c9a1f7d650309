"""Check kind `fairness`: whether one group of people is failed more often than another."""

from dataclasses import replace

from modelramp.analysis.accumulated import Window
from modelramp.analysis.counting import CountingKind, wrong_shape
from modelramp.analysis.counts import Answers, Shape, VersionCounts, groups_of
from modelramp.analysis.evidence import Groups, Result, Unusable
from modelramp.analysis.kind import CheckKind
from modelramp.analysis.stats.fairness import FairnessRule, fairness
from modelramp.analysis.wording import Limits, shown
from modelramp.api.check import Check
from modelramp.api.checks.fairness import Fairness
from modelramp.api.verdict import CheckOutcome


class FairnessKind(CountingKind):
    """Each group of one version against all others."""

    def limits(self, check: Check) -> Limits:
        """The tolerated difference of error rates: 0 only if no other limit is set."""
        settings: Fairness = check.settings
        none = 0.0 if settings.min_success_ratio is None else None
        return Limits(max=none if settings.max_difference is None else settings.max_difference, unit=check.unit)

    def outcome(self, check: Check, result: Result, memory: str) -> CheckOutcome:
        """With the least success ratio among its limits."""
        found = super().outcome(check, result, memory)
        settings: Fairness = check.settings
        if settings.min_success_ratio is None:
            return found
        ratio = f"success ratio >= {shown(settings.min_success_ratio)}"
        return replace(found, limit=ratio if settings.max_difference is None else f"{found.limit}, {ratio}")

    def needs_scipy(self, check: Check) -> bool:
        """Its chi-square does."""
        del check
        return True

    def shapes(self, check: Check) -> tuple[Shape, ...]:
        """Counts by group."""
        del check
        return (Shape.GROUPS,)

    def read(self, check: Check, answers: Answers, version: str) -> VersionCounts | Unusable:
        """The counts by group, which a label of the series names."""
        settings: Fairness = check.settings
        return groups_of(answers[f"{version}.bad"], answers[f"{version}.total"], settings.group_label)

    def weigh(
        self, check: Check, candidate: VersionCounts, other: VersionCounts | None, window: Window
    ) -> tuple[Result, str]:
        """The difference between the group that stands out most and all others."""
        del other, window
        settings: Fairness = check.settings
        if not isinstance(candidate, Groups):
            raise wrong_shape(check)
        rule = FairnessRule(
            alpha=settings.alpha or 0.05,
            difference=settings.max_difference,
            four_fifths=settings.min_success_ratio,
            min_samples=check.min_samples or 30,
        )
        return fairness(candidate, rule), ""


KIND: CheckKind = FairnessKind()
