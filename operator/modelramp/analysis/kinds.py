"""Each kind of check on the counts of its arms: which statistic speaks, with which settings."""

from dataclasses import replace

from modelramp.analysis.accumulated import (
    Window,
    change_looks,
    change_text,
    looks_text,
    mean_looks,
    rate_looks,
    spent,
    spent_text,
)
from modelramp.analysis.counts import REFERENCE, STABLE, VersionCounts, other_arm
from modelramp.analysis.evidence import LEAST_COUNT, Groups, Mean, Proportion, Result, Unusable, count_text, no_data
from modelramp.analysis.stats import drift as drifting
from modelramp.analysis.stats import fairness as fair
from modelramp.analysis.stats.change import (
    LIMIT_ALPHA,
    STABLE_ALPHA,
    Bound,
    change_over_limit,
    change_over_stable,
)
from modelramp.analysis.stats.compare import Tolerance, means, quantiles, rates
from modelramp.analysis.stats.cost import budget, cost
from modelramp.analysis.stats.histograms import Buckets
from modelramp.analysis.stats.intervals import ratio
from modelramp.analysis.stats.performance import performance
from modelramp.analysis.stats.sequential import Design, look_at_limit, look_at_means, look_at_rates
from modelramp.analysis.wording import Limits
from modelramp.api.check import Check
from modelramp.api.checks.drift import DriftMeasure
from modelramp.api.checks.sequential import Detect
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict

MEAN_EFFECT = 0.1
"""The difference of means that a sequential check expects, in standard deviations (Cohen: 0.2 is small)."""
PERFORMANCE_LIMIT = 0.05
"""The field's default: 5 % from the baseline."""
_WITHOUT = frozenset({DriftMeasure.MEAN_SHIFT, DriftMeasure.PERFORMANCE})
_NAMES = {STABLE: "stable version", REFERENCE: "reference"}
_WRONG_SHAPE = Unusable(Reason.NOT_EVALUATED, "the numbers are of another kind than the check counts")


def weigh(
    check: Check, candidate: VersionCounts | Unusable, other: VersionCounts | Unusable | None, episode: Window
) -> tuple[Result, str]:
    """What a check says of its arms, and what it will remember ("" when nothing).

    other: whom the candidate is held against (see arms.other_arm); None when that is a limit. An arm that could not
    be read is Unusable and gives NO_DATA in its name; what was remembered then stays as it was.
    """
    name = other_arm(check)
    for title, arm in (("candidate", candidate), (_NAMES.get(name or "", ""), other)):
        if isinstance(arm, Unusable):
            return no_data(arm, arm=title if name else ""), episode.memory
    assert not isinstance(candidate, Unusable)  # noqa: S101 - handled above
    assert not isinstance(other, Unusable)  # noqa: S101 - handled above
    if check.sequential is not None:
        result, memory = _sequential(check, candidate, other, episode)
    elif check.cost is not None:
        result, memory = _cost(check, candidate, episode)
    else:
        result, memory = _at_once(check, candidate, other), ""
    if isinstance(candidate, Proportion) and candidate.beyond and result.verdict is not Verdict.NO_DATA:
        counts = f"{count_text(candidate.bad + candidate.beyond)} of {count_text(candidate.total)}"
        result = replace(result, detail=f"{result.detail} (bad counts {counts}, which is all of them)")
    if name == STABLE and (episode.alone or not episode.trial) and result.verdict is not Verdict.NO_DATA:
        result = replace(result, detail=f"{result.detail} (no other version serves: it is compared with itself)")
    return result, memory


def limits_of_kind(check: Check) -> Limits:
    """The limits as far as they stand in the check, without numbers of the stable version."""
    if check.drift is not None:
        if check.drift.measure is DriftMeasure.PERFORMANCE:
            most = PERFORMANCE_LIMIT if check.max is None else check.max
            return Limits(min=-most) if check.drift.bad is not None else Limits(max=most)
        return Limits(max=drifting.LIMITS[_measure(check)] if check.max is None else check.max, unit=check.unit)
    if check.fairness is not None:
        return Limits(max=check.fairness.max_difference or 0.0, unit=check.unit)
    if check.compare is not None:
        return Limits(max=check.compare.max_increase or 0.0, unit=check.unit)
    if check.sequential is not None and check.max is None:
        return Limits(max=0.0, unit=check.unit)
    if check.cost is not None and check.min is None and check.max is None:
        return Limits(max=check.cost.budget, unit=check.unit)
    return Limits(check.min, check.max, check.unit)


def needs_distributions(check: Check) -> bool:
    """Whether judging a check may need a distribution of analysis.stats.distributions, and with it scipy."""
    return check.fairness is not None or (check.drift is not None and check.drift.measure not in _WITHOUT)


def _at_once(check: Check, candidate: VersionCounts, other: VersionCounts | None) -> Result:
    """The kinds that remember nothing."""
    least = check.min_samples
    if check.ratio is not None and isinstance(candidate, Proportion):
        return ratio(candidate, Limits(check.min, check.max), check.ratio.confidence or 0.95, least or 1)
    if check.fairness is not None and isinstance(candidate, Groups):
        settings = fair.Fairness(
            alpha=check.fairness.alpha or 0.05,
            difference=check.fairness.max_difference or 0.0,
            four_fifths=check.fairness.min_success_ratio,
            min_samples=least or 30,
        )
        return fair.fairness(candidate, settings)
    if check.drift is not None:
        return _drift(check, candidate, other)
    return _compare(check, candidate, other)


def _compare(check: Check, candidate: VersionCounts, other: VersionCounts | None) -> Result:
    wanted = check.compare
    if wanted is None:
        return no_data(_WRONG_SHAPE)
    tolerance = Tolerance(
        absolute=wanted.max_increase or 0.0,
        relative=wanted.max_relative_increase or 0.0,
        alpha=wanted.alpha or 0.05,
        min_samples=check.min_samples or 1,
    )
    if wanted.bad is not None and isinstance(candidate, Proportion) and isinstance(other, Proportion):
        return rates(candidate, other, tolerance)
    if wanted.sum is not None and isinstance(candidate, Mean) and isinstance(other, Mean):
        return means(candidate, other, tolerance, check.unit)
    if wanted.buckets is not None and isinstance(candidate, Buckets) and isinstance(other, Buckets):
        return quantiles(candidate, other, wanted.quantile or 0.95, tolerance, check.unit)
    return no_data(_WRONG_SHAPE)


def _measure(check: Check) -> drifting.Measure:
    return drifting.Measure(check.drift.measure.value) if check.drift is not None else drifting.Measure.PSI


def _drift(check: Check, candidate: VersionCounts, other: VersionCounts | None) -> Result:
    wanted = check.drift
    if wanted is None:
        return no_data(_WRONG_SHAPE)
    if wanted.measure is not DriftMeasure.PERFORMANCE:
        if not isinstance(candidate, Buckets) or not isinstance(other, Buckets):
            return no_data(_WRONG_SHAPE)
        rule = drifting.Rule(_measure(check), check.max, wanted.alpha or 0.01, check.min_samples or 100)
        return drifting.drift(candidate, other, rule, _NAMES[other_arm(check) or REFERENCE])
    if isinstance(candidate, (Buckets, Groups)) or isinstance(other, (Buckets, Groups)) or other is None:
        return no_data(_WRONG_SHAPE)
    most = PERFORMANCE_LIMIT if check.max is None else check.max
    return performance(candidate, other, most, wanted.alpha or 0.05, check.min_samples or 1, check.unit)


def _sequential(
    check: Check, candidate: VersionCounts, other: VersionCounts | None, episode: Window
) -> tuple[Result, str]:
    """One more look, unless the tick's window reaches back to before the present weight."""
    wanted = check.sequential
    if wanted is None:
        return no_data(_WRONG_SHAPE), episode.memory
    if not episode.whole:
        young = "its window still reaches back before this step; the evidence begins with the step"
        return no_data(Unusable(Reason.WARMING_UP, young)), episode.memory
    if wanted.detect is Detect.CHANGE:
        return _change(check, candidate, other, episode)
    of_means = wanted.sum is not None
    effect = wanted.effect or (MEAN_EFFECT if of_means else Design().effect)
    design = Design(wanted.alpha or 0.05, effect, check.min_samples or 1)
    if of_means and isinstance(candidate, Mean) and isinstance(other, Mean):
        looks, result = look_at_means(mean_looks(check, episode), candidate, other, design, check.unit)
        return result, looks_text(check, episode, looks)
    if not of_means and isinstance(candidate, Proportion):
        if check.max is not None:
            found, result = look_at_limit(rate_looks(check, episode), candidate, check.max, design)
            return result, looks_text(check, episode, found)
        if isinstance(other, Proportion):
            found, result = look_at_rates(rate_looks(check, episode), candidate, other, design)
            return result, looks_text(check, episode, found)
    return no_data(_WRONG_SHAPE), episode.memory


def _change(check: Check, candidate: VersionCounts, other: VersionCounts | None, episode: Window) -> tuple[Result, str]:
    """One more look for a change of a rate."""
    alpha = check.sequential.alpha if check.sequential is not None else None
    looks, least = change_looks(check, episode), check.min_samples or 1
    if isinstance(candidate, Proportion) and check.max is not None:
        looks, result = change_over_limit(looks, candidate, check.max, Bound(alpha or LIMIT_ALPHA, least))
    elif isinstance(candidate, Proportion) and isinstance(other, Proportion):
        looks, result = change_over_stable(looks, candidate, other, Bound(alpha or STABLE_ALPHA, least))
    else:
        return no_data(_WRONG_SHAPE), episode.memory
    return result, change_text(check, episode, looks)


def _cost(check: Check, candidate: VersionCounts, episode: Window) -> tuple[Result, str]:
    """The cost of one, and of the whole rollout; the worse of the two speaks."""
    if check.cost is None or not isinstance(candidate, Mean):
        return no_data(_WRONG_SHAPE), episode.memory
    each = cost(candidate, Limits(check.min, check.max, check.unit), check.min_samples or 1)
    if check.cost.budget is None:
        return each, ""
    so_far = spent(check, episode)
    if episode.trial:
        problem = candidate.problem()
        if candidate.sum < 0 or (problem is not None and problem.reason is not Reason.EMPTY_RESULT):
            return each, episode.memory
        so_far += candidate.sum
    if candidate.count < LEAST_COUNT and episode.trial and so_far <= check.cost.budget:
        return each, spent_text(check, episode, so_far)
    whole = replace(budget(so_far, check.cost.budget, check.unit), n=candidate.count)
    limited = check.min is not None or check.max is not None
    worse = each if limited and _RANK[each.verdict] > _RANK[whole.verdict] else whole
    return worse, spent_text(check, episode, so_far)


_RANK = {Verdict.HEALTHY: 0, Verdict.NO_DATA: 1, Verdict.BREACH: 2}
