"""Intervals for rates, and the `ratio` check: a breach needs evidence, not just a number beyond the limit."""

import math
import sys
from functools import lru_cache
from statistics import NormalDist

from modelramp.analysis.evidence import Proportion, Result, Unusable, count_text, no_data, too_few
from modelramp.analysis.wording import RATIO, Limits, percents, shown
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict

Interval = tuple[float, float]

LEAST_FAILURES = 5
"""Failures that a breach of a ratio needs while nobody has said how many samples are enough."""


@lru_cache(maxsize=256)
def normal_quantile(probability: float) -> float:
    """The standard normal quantile, such as 1.96 for 0.975; of 0 and 1 that of the numbers next to them."""
    return NormalDist().inv_cdf(min(max(probability, sys.float_info.min), 1 - sys.float_info.epsilon / 2))


def normal_tail(z: float) -> float:
    """The two-sided p-value of a standard normal statistic; exact far into the tail, where 1 - cdf is 0."""
    return math.erfc(abs(z) / math.sqrt(2))


def wilson(arm: Proportion, confidence: float = 0.95) -> Interval:
    """The Wilson score interval of a rate: both ends are ratios, 0.01 is one percent.

    confidence: of the two-sided interval; total must not be 0.
    Source: E. B. Wilson, J. Amer. Stat. Assoc. 22 (1927), 209-212.
    >>> [round(end, 4) for end in wilson(Proportion(1, 40))]
    [0.0044, 0.1288]
    """
    z = normal_quantile((1 + confidence) / 2)
    n, rate = arm.total, arm.rate
    shrunk = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / shrunk
    half = z / shrunk * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # At 0 and 1 the ends are exact; floating point would leave them a hair off, on the wrong side of a limit of 0.
    return (0.0 if arm.bad == 0 else max(0.0, centre - half), 1.0 if arm.good == 0 else min(1.0, centre + half))


def newcombe(first: Proportion, second: Proportion, confidence: float = 0.95) -> Interval:
    """The interval of the difference of two rates, first - second (Newcombe's hybrid score interval, his method 10).

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890.
    >>> [round(end, 4) for end in newcombe(Proportion(56, 70), Proportion(48, 80))]
    [0.0524, 0.3339]
    """
    (low1, high1), (low2, high2) = wilson(first, confidence), wilson(second, confidence)
    difference = first.rate - second.rate
    return (
        difference - math.hypot(first.rate - low1, high2 - second.rate),
        difference + math.hypot(high1 - first.rate, second.rate - low2),
    )


def ratio(arm: Proportion, limits: Limits, confidence: float = 0.95, min_samples: float | None = None) -> Result:
    """A rate against its limits: a breach only when the whole Wilson interval lies beyond one.

    One failed request among 40 is a rate of 2.5 %, yet no evidence against a limit of 1 %. When the true rate lies at
    the limit, a breach comes up by chance in about (1 - confidence) / 2 of the windows. Without min_samples a breach
    also needs LEAST_FAILURES events on its side, bad ones above a maximum and others below a minimum; with fewer the
    whole interval beyond a limit is NO_DATA: one failure of three is no evidence, and not healthy either.
    """
    if problem := arm.problem():
        return no_data(problem, arm.observed)
    least = 1 if min_samples is None else min_samples
    if arm.total < least:
        return no_data(too_few(arm.total, least), arm.total)
    interval = wilson(arm, confidence)
    verdict, reason, limit = beyond(interval, limits)
    if verdict is Verdict.BREACH and min_samples is None and (few := _few_events(arm, reason)):
        return no_data(few, arm.total)
    words = f"{rate_text(arm, confidence, limit)} {_relation(arm.rate, limits, limit, verdict)}"
    detail = f"{words}, n = {count_text(arm.total)}"
    return Result(verdict, reason, detail, arm.rate, limit, interval, n=arm.total)


def _few_events(arm: Proportion, beyond_what: Reason) -> Unusable | None:
    """Why a breach rests on too few events; None when there are enough."""
    above = beyond_what is Reason.ABOVE_MAXIMUM
    events, side = (arm.bad, "in bad") if above else (arm.good, "outside of bad")
    if round(events) >= LEAST_FAILURES:
        return None
    found = f"{count_text(events)} of {count_text(arm.total)} {side}, beyond the limit"
    enough = f"a breach needs {LEAST_FAILURES}; choose a longer interval, or set minSamples"
    return Unusable(Reason.NOT_ENOUGH_EVIDENCE, f"not enough evidence: {found}; {enough}")


def beyond(interval: Interval, limits: Limits) -> tuple[Verdict, Reason, float | None]:
    """The verdict on an interval, and the limit that it was compared with: a breach if all of it lies beyond."""
    low, high = interval
    if limits.max is not None and low > limits.max:
        return Verdict.BREACH, Reason.ABOVE_MAXIMUM, limits.max
    if limits.min is not None and high < limits.min:
        return Verdict.BREACH, Reason.BELOW_MINIMUM, limits.min
    return Verdict.HEALTHY, Reason.WITHIN_LIMIT, limits.max if limits.max is not None else limits.min


def rate_text(arm: Proportion, confidence: float = 0.95, limit: float | None = None) -> str:
    """A rate with its interval, for people; beside a limit with as many digits as tell all three from it.

    >>> rate_text(Proportion(37, 1204))
    '3.07 % (95 % CI 2.24 to 4.21 %)'
    >>> rate_text(Proportion(100_900, 10_000_000), limit=0.01)
    '1.009 % (95 % CI 1.003 to 1.015 %)'
    """
    low, high = wilson(arm, confidence)
    numbers, digits = (arm.rate, low, high), 3
    while limit is not None and digits < 10 and any(_alike(number, limit, digits) for number in numbers):
        digits += 1
    rate, lower, upper = (percents(number, digits) for number in numbers)
    return f"{rate} % ({confidence * 100:g} % CI {lower} to {upper} %)"


def _alike(number: float, limit: float, digits: int) -> bool:
    return number != limit and percents(number, digits) == percents(limit, digits)


def _relation(rate: float, limits: Limits, limit: float | None, verdict: Verdict) -> str:
    if limit is None:
        return "has no limit"
    side = "above" if rate > limit else "below"
    if verdict is Verdict.BREACH:
        return f"is {side} {shown(limit, RATIO)}"
    if (limits.max is not None and rate > limits.max) or (limits.min is not None and rate < limits.min):
        crossed = limits.max if limits.max is not None and rate > limits.max else limits.min or 0.0
        side = "above" if rate > crossed else "below"
        return f"is {side} {shown(crossed, RATIO)}, but the interval reaches it: not evidence enough"
    return f"keeps the limit of {shown(limit, RATIO)}"
