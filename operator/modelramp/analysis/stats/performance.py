"""Drift of performance: whether a measure of quality has moved off its baseline."""

import math

from modelramp.analysis.evidence import (
    Mean,
    Proportion,
    Result,
    Unusable,
    count_text,
    first_problem,
    no_data,
    p_text,
    too_few,
)
from modelramp.analysis.stats.compare import least_excess, rates_p_value, rates_test, ratio_interval
from modelramp.analysis.wording import RATIO, percents, shown
from modelramp.api.names import Reason
from modelramp.api.quantity import ROUNDING, above
from modelramp.api.verdict import Verdict


def performance(
    candidate: Proportion | Mean,
    baseline: Proportion | Mean,
    limit: float = 0.05,
    alpha: float = 0.05,
    min_samples: float = 1,
    unit: str = "",
    cluster_size: float = 1.0,
) -> Result:
    """Whether a measure of quality has moved off its baseline by more than `limit` (0.05 is 5 %, the field's default).

    Of a proportion the share that is right must not fall: a breach needs the whole interval of baseline * (1 - limit) -
    candidate above 0, as one contrast (least_excess). Of a mean (an error, a cost) the mean must not rise, without a
    test: a sum and a count hold no spread. The p-value is that of no change. unit: of a mean. cluster_size: how many
    nearly equal observations count as one.
    """
    n = candidate.observed
    if problem := first_problem(candidate, baseline, "baseline"):
        return problem
    if n is not None and n < min_samples:
        return no_data(too_few(n, min_samples), n, "candidate")
    if isinstance(candidate, Proportion) and isinstance(baseline, Proportion):
        now, before, sign, unit = 1 - candidate.rate, 1 - baseline.rate, -1, RATIO
    elif isinstance(candidate, Mean) and isinstance(baseline, Mean):
        now, before, sign = candidate.mean, baseline.mean, 1
    else:
        return no_data(Unusable(Reason.NOT_EVALUATED, "candidate and baseline are of different kinds"))
    if before == 0 or math.isinf((now - before) / abs(before)):
        return no_data(Unusable(Reason.NOT_EVALUATED, "the baseline is 0: no share of it can be taken; use compare"), n)
    change = (now - before) / abs(before)
    worse = off = above(sign * change, limit, scale=1.0)
    interval = p_value = None
    chance = ""
    if isinstance(candidate, Proportion) and isinstance(baseline, Proportion):
        one, other = (Proportion(arm.good / cluster_size, arm.total / cluster_size) for arm in (candidate, baseline))
        p_value = rates_p_value(one, other)
        chance = f", {p_text(p_value, alpha)} ({rates_test(one, other)})"
        low, high = ratio_interval(one, other, alpha)
        interval = (low - 1, high - 1)
        worse = off and limit < 1 and least_excess(other, one, 1 / (1 - limit), 0.0, alpha) > 0
    beyond = Reason.ABOVE_MAXIMUM if sign > 0 else Reason.BELOW_MINIMUM
    verdict, reason = (Verdict.BREACH, beyond) if worse else (Verdict.HEALTHY, Reason.WITHIN_LIMIT)
    what = f"{shown(now, unit)} right" if sign < 0 else f"mean {shown(now, unit)}"
    most = sign * limit
    moved = f"{_signed(change, most)} from the baseline of {shown(before, unit)}, limit {_signed(most, change)}"
    if interval is not None and off:
        moved += f" ({100 * (1 - alpha):g} % CI {_signed(interval[0], most)} to {_signed(interval[1], most)})"
    doubt = ": the interval reaches the limit, not evidence enough" if off and not worse else ""
    counted = f", n = {count_text(n or 0.0)}" + (
        f", {cluster_size:g} of which count as one" if cluster_size > 1 else ""
    )
    return Result(verdict, reason, f"{what}, {moved}{chance}{counted}{doubt}", change, most, interval, p_value, n)


def _signed(share: float, beside: float) -> str:
    """A change in percent, with enough digits to distinguish it from another one."""
    alike = not math.isclose(share, beside, rel_tol=ROUNDING) and percents(share, 3) == percents(beside, 3)
    return f"{'' if share < 0 else '+'}{percents(share, 8 if alike else 3)} %"
