"""Check kind `ratio`: a rate of two counters, with its interval, against min and max."""

from modelramp.analysis.accumulated import Window
from modelramp.analysis.counting import CountingKind, wrong_shape
from modelramp.analysis.counts import VersionCounts
from modelramp.analysis.evidence import Proportion, Result
from modelramp.analysis.kind import CheckKind
from modelramp.analysis.stats.intervals import ratio
from modelramp.analysis.wording import Limits
from modelramp.api.check import Check
from modelramp.api.checks.ratio import Ratio


class RatioKind(CountingKind):
    """A breach needs the whole interval beyond the limit."""

    def weigh(
        self, check: Check, candidate: VersionCounts, other: VersionCounts | None, window: Window
    ) -> tuple[Result, str]:
        """The rate and its interval."""
        del other, window
        settings: Ratio = check.settings
        if not isinstance(candidate, Proportion):
            raise wrong_shape(check)
        limits = Limits(check.min, check.max)
        return ratio(candidate, limits, settings.confidence or 0.95, check.min_samples), ""


KIND: CheckKind = RatioKind()
