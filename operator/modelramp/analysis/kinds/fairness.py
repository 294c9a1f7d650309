"""Check kind `fairness`: whether one group of people is failed more often than another."""

from modelramp.analysis.accumulated import Window
from modelramp.analysis.counting import CountingKind, wrong_shape
from modelramp.analysis.counts import Answers, Shape, VersionCounts, groups_of
from modelramp.analysis.evidence import Groups, Result, Unusable
from modelramp.analysis.kind import CheckKind
from modelramp.analysis.stats.fairness import FairnessRule, fairness
from modelramp.analysis.wording import Limits
from modelramp.api.check import Check
from modelramp.api.checks.fairness import Fairness


class FairnessKind(CountingKind):
    """The groups of one version against each other."""

    def limits(self, check: Check) -> Limits:
        """The tolerated difference of error rates."""
        settings: Fairness = check.settings
        return Limits(max=settings.max_difference or 0.0, unit=check.unit)

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
        """The largest difference between two groups."""
        del other, window
        settings: Fairness = check.settings
        if not isinstance(candidate, Groups):
            raise wrong_shape(check)
        rule = FairnessRule(
            alpha=settings.alpha or 0.05,
            difference=settings.max_difference or 0.0,
            four_fifths=settings.min_success_ratio,
            min_samples=check.min_samples or 30,
        )
        return fairness(candidate, rule), ""


KIND: CheckKind = FairnessKind()
