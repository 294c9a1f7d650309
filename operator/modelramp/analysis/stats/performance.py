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
from modelramp.analysis.stats.compare import rates_p_value, rates_test
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
) -> Result:
    """Whether a measure of quality has moved off its baseline by more than `limit` (0.05 is 5 %, the field's default).

    Of a proportion the share that is right must not fall, with a two-proportion test; of a mean (an error, a cost)
    the mean must not rise, without one: a sum and a count hold no spread. unit: of a mean.
    """
    n = candidate.observed
    if problem := first_problem(candidate, baseline, "baseline"):
        return problem
    if n is not None and n < min_samples:
        return no_data(too_few(n, min_samples), n, "candidate")
    chance = ""
    if isinstance(candidate, Proportion) and isinstance(baseline, Proportion):
        p_value: float | None = rates_p_value(candidate, baseline)
        chance = f", {p_text(p_value or 0.0, alpha)} ({rates_test(candidate, baseline)})"
        now, before, sign, unit = 1 - candidate.rate, 1 - baseline.rate, -1, RATIO
    elif isinstance(candidate, Mean) and isinstance(baseline, Mean):
        p_value, now, before, sign = None, candidate.mean, baseline.mean, 1
    else:
        return no_data(Unusable(Reason.NOT_EVALUATED, "candidate and baseline are of different kinds"))
    if before == 0 or math.isinf((now - before) / abs(before)):
        return no_data(Unusable(Reason.NOT_EVALUATED, "the baseline is 0: no share of it can be taken; use compare"), n)
    change = (now - before) / abs(before)
    off = above(sign * change, limit, scale=1.0)
    worse = off and (p_value is None or p_value <= alpha)
    beyond = Reason.ABOVE_MAXIMUM if sign > 0 else Reason.BELOW_MINIMUM
    verdict, reason = (Verdict.BREACH, beyond) if worse else (Verdict.HEALTHY, Reason.WITHIN_LIMIT)
    what = f"{shown(now, unit)} right" if sign < 0 else f"mean {shown(now, unit)}"
    most = sign * limit
    moved = f"{_signed(change, most)} from the baseline of {shown(before, unit)}, limit {_signed(most, change)}"
    doubt = ", which chance may explain" if off and not worse else ""
    detail = f"{what}, {moved}{doubt}{chance}, n = {count_text(n or 0.0)}"
    return Result(verdict, reason, detail, change, most, None, p_value, n)


def _signed(share: float, beside: float) -> str:
    """A change in percent, with enough digits to distinguish it from another one."""
    alike = not math.isclose(share, beside, rel_tol=ROUNDING) and percents(share, 3) == percents(beside, 3)
    return f"{'' if share < 0 else '+'}{percents(share, 8 if alike else 3)} %"
