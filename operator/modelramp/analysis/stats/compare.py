"""Compares the candidate with the stable version in the same window: rates, means and quantiles."""

import math
import sys
from dataclasses import dataclass, replace

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
from modelramp.analysis.stats.distributions import binomial_ends
from modelramp.analysis.stats.histograms import EDGES_DIFFER, Buckets, on_same_edges, quantile, quantile_interval
from modelramp.analysis.stats.intervals import Interval, newcombe, normal_tail, wilson
from modelramp.analysis.wording import RATIO, points, shown
from modelramp.api.names import Reason
from modelramp.api.quantity import above
from modelramp.api.verdict import Verdict

FISHER_BELOW = 5
"""Least expected count for which the normal approximation is good (Cochran 1954)."""
NEGLIGIBLE = 1e-16
"""Tables so much rarer than the one seen are left out: the sum of floats would not change."""
APPROXIMATE_FROM = 10
"""Failures that both versions must be expected to have before an approximation decides on a tolerance."""
NO_SPREAD = (
    "a sum and a count hold no spread, so this may be chance; export a histogram and compare its buckets, or use "
    "sequential"
)
"""Why a mean cannot breach, and what to do."""
EXACT_SPREAD = 100.0
"""Tables spread further are not summed up: there the normal approximation is off by about 1 % of the p-value."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The tolerated difference, and the significance that a larger one needs.

    absolute: in the measure's own unit. relative: share of the stable version's value, 0.05 is 5 %. The larger counts.
    alpha: a difference as large comes up by chance in this share of comparisons when there is none (two-sided).
    min_samples: observations that each of the two versions needs.
    """

    absolute: float = 0.0
    relative: float = 0.0
    alpha: float = 0.05
    min_samples: float = 1

    def allowed(self, stable: float) -> float:
        """The tolerated increase over the stable version's value."""
        return max(self.absolute, self.relative * abs(stable))

    @property
    def contrasts(self) -> tuple[tuple[float, float], ...]:
        """Pairs (factor, shift): more than is tolerated is candidate - factor * stable - shift > 0 for each of them.

        A relative tolerance is one contrast, not a limit that moves with the stable version's sample.
        """
        found = ((1 + self.relative, 0.0), (1.0, self.absolute))
        return tuple(pair for pair in found if pair != (1.0, 0.0)) or ((1.0, 0.0),)


def rates(candidate: Proportion, stable: Proportion, tolerance: Tolerance | None = None) -> Result:
    """Compares failure rates.

    Without a tolerance: pooled two-proportion z test, Fisher's exact test for small counts; a breach needs p < alpha.
    With one, a breach needs the whole interval of the excess beyond it (`least_excess`). The value is the difference of
    the rates, the interval Newcombe's, the p-value two-sided and about equal rates.
    """
    tolerance = tolerance or Tolerance()
    if problem := first_problem(candidate, stable):
        return problem
    if few := _too_few(candidate.total, stable.total, tolerance.min_samples):
        return few
    p_value = rates_p_value(candidate, stable)
    difference, allowed = candidate.rate - stable.rate, tolerance.allowed(stable.rate)
    words = (
        f"{shown(candidate.rate, RATIO)} of {count_text(candidate.total)} against {shown(stable.rate, RATIO)} of "
        f"{count_text(stable.total)} with the stable version"
    )
    interval = newcombe(candidate, stable, 1 - tolerance.alpha)
    more = above(difference, allowed, max(candidate.rate, stable.rate))
    if tolerance.contrasts == ((1.0, 0.0),):
        words += f", {p_text(p_value, tolerance.alpha)} ({rates_test(candidate, stable)})"
        return _compared(difference, allowed, interval, p_value, tolerance.alpha, words, candidate.total, more)
    least = min(least_excess(candidate, stable, *pair, tolerance.alpha) for pair in tolerance.contrasts)
    words += f"; {points(allowed)} more tolerated"
    sure = more and least > 0
    words += f", at least {points(least)} more than that ({100 * (1 - tolerance.alpha):g} % CI)" if sure else ""
    found = _compared(
        difference, allowed, interval, 0.0 if sure else 1.0, tolerance.alpha, words, candidate.total, more
    )
    return replace(found, p_value=p_value)


def least_excess(first: Proportion, second: Proportion, factor: float, shift: float, alpha: float) -> float:
    """The lower end of the interval of first - factor * second - shift, at one-sided significance alpha / 2.

    MOVER with Wilson intervals where both versions are expected to have ten failures and ten successes; below that the
    ends of exact intervals, each at half of the significance: wider, and never by approximation.
    Sources: G. Y. Zou, A. Donner, Statistics in Medicine 27 (2008), 1693-1702; C. J. Clopper, E. S. Pearson, Biometrika
    26 (1934), 404-413.
    """
    both = first.plus(second)
    if min(first.total, second.total) / both.total * min(both.bad, both.good) < APPROXIMATE_FROM:
        low, high = binomial_ends(first, second, alpha / 4)
        return low - factor * high - shift
    (low, _), (_, high) = wilson(first, 1 - alpha), wilson(second, 1 - alpha)
    spread = math.hypot(first.rate - low, factor * (high - second.rate))
    return first.rate - factor * second.rate - shift - spread


def ratio_interval(first: Proportion, second: Proportion, alpha: float) -> Interval:
    """The interval of first / second, of those factors that least_excess does not exclude on either side.

    Source: the same, eq. 9 (Fieller's form). The second must have events; +Inf where its rate may be 0.
    """
    both = first.plus(second)
    (a, b), (low1, high1), (low2, high2) = (
        (first.rate, second.rate),
        wilson(first, 1 - alpha),
        wilson(second, 1 - alpha),
    )
    few = min(first.total, second.total) / both.total * min(both.bad, both.good) < APPROXIMATE_FROM
    if few or high2 >= 2 * b:
        (low1, high2), (low2, high1) = binomial_ends(first, second, alpha / 4), binomial_ends(second, first, alpha / 4)
        return low1 / high2, high1 / low2 if low2 > 0 else math.inf
    root1 = math.sqrt(max(0.0, (a * b) ** 2 - low1 * high2 * (2 * a - low1) * (2 * b - high2)))
    root2 = math.sqrt(max(0.0, (a * b) ** 2 - high1 * low2 * (2 * a - high1) * (2 * b - low2)))
    return (a * b - root1) / (high2 * (2 * b - high2)), (a * b + root2) / (low2 * (2 * b - low2))


def rates_p_value(first: Proportion, second: Proportion) -> float:
    """Two-sided p-value for equal rates; Fisher's where an expected count is below 5, else the pooled z test's."""
    return fisher(first, second) if _small(first, second) else normal_tail(pooled_z(first, second))


def rates_test(first: Proportion, second: Proportion) -> str:
    """The name of the test behind rates_p_value."""
    return "Fisher's exact test" if _small(first, second) else "z test"


def _small(first: Proportion, second: Proportion) -> bool:
    both = first.plus(second)
    return min(first.total, second.total) * min(both.bad, both.good) / both.total < FISHER_BELOW


def pooled_z(first: Proportion, second: Proportion) -> float:
    """The two-proportion z statistic with pooled variance; 0 when all or nothing went wrong in both.

    Source: J. L. Fleiss, B. Levin, M. C. Paik, Statistical Methods for Rates and Proportions, 3rd ed. (2003), 3.2.
    """
    pooled = first.plus(second).rate
    variance = pooled * (1 - pooled) * (1 / first.total + 1 / second.total)
    return (first.rate - second.rate) / math.sqrt(variance) if variance > 0 else 0.0


def fisher(first: Proportion, second: Proportion) -> float:
    """Fisher's exact test, two-sided: the sum over all tables no likelier than the one seen. Counts are rounded.

    What lies around the most frequent table is summed up by ratios of neighbours until it counts for nothing: at most
    some 200 tables where a count below FISHER_BELOW is expected, however large the other counts are. Where tables are
    spread over more than EXACT_SPREAD (standard deviation) it is the normal approximation with continuity correction.
    Written out because scipy's takes milliseconds and half a second to import; the tests compare the two.
    Source: R. A. Fisher, J. R. Stat. Soc. 85 (1922), 87-94.
    >>> round(fisher(Proportion(8, 10), Proportion(1, 6)), 4)
    0.035
    """
    n1, n2 = round(first.total), round(second.total)
    bad1, bad2 = min(round(first.bad), n1), min(round(second.bad), n2)
    both, bad = n1 + n2, bad1 + bad2
    # The cell of the smaller row and the smaller column: its mean is the least, and so is the number of tables.
    row, seen, other = (n1, bad1, n1 - bad1) if n1 <= n2 else (n2, bad2, n2 - bad2)
    column, seen = (bad, seen) if 2 * bad <= both else (both - bad, other)
    if row == 0 or column == 0:
        return 1.0
    mean = row * column / both
    spread = math.sqrt(mean * (1 - row / both) * (1 - column / both) * both / (both - 1)) if both > 1 else 0.0
    if spread > EXACT_SPREAD:
        return normal_tail(max(0.0, abs(seen - mean) - 0.5) / spread)
    mode = min((row + 1) * (column + 1) // (both + 2), row, column)
    likely = _frequencies(row, column, both, mode, seen)
    # A hair above: equal tables come out of different products. The same slack as scipy's and R's.
    most = likely.get(seen, 0.0) * (1 + 1e-7)
    return min(1.0, math.fsum(each for each in likely.values() if each <= most) / math.fsum(likely.values()))


def _frequencies(row: int, column: int, both: int, mode: int, seen: int) -> dict[int, float]:
    """How often each count comes up in the cell of a row and a column, relative to the most frequent (mode).

    Left out is what is too rare to count beside the one seen.
    """
    found = {mode: 1.0}
    rest, most = both - row - column, min(row, column)  # rest is not negative: both are at most half of all
    least = NEGLIGIBLE if seen == mode else 0.0
    for upwards in (seen >= mode, seen < mode):  # first to the one seen
        here, k = 1.0, mode
        while here > least and (k < most if upwards else k > 0):
            if upwards:
                here *= (row - k) * (column - k) / ((k + 1) * (rest + k + 1))
                k += 1
            else:
                here *= k * (rest + k) / ((row - k + 1) * (column - k + 1))
                k -= 1
            found[k] = here
            if k == seen:
                least = here * NEGLIGIBLE
    return found


def means(candidate: Mean, stable: Mean, tolerance: Tolerance | None = None, unit: str = "") -> Result:
    """Whether the candidate's mean is within the tolerance.

    A sum and a count hold no spread: whether a higher mean is chance cannot be known, so it is NO_DATA and never a
    breach. A histogram has a spread, and a sequential check learns it from tick to tick.
    """
    tolerance = tolerance or Tolerance()
    if problem := first_problem(candidate, stable):
        return problem
    if few := _too_few(candidate.count, stable.count, tolerance.min_samples):
        return few
    words = f"mean {shown(candidate.mean, unit)} against {shown(stable.mean, unit)} with the stable version"
    difference, allowed = candidate.mean - stable.mean, tolerance.allowed(stable.mean)
    words += f"; {_allowance(allowed, unit)}, n = {count_text(candidate.count)}"
    if above(difference, allowed, max(abs(candidate.mean), abs(stable.mean))):
        unknown = Unusable(Reason.NOT_ENOUGH_EVIDENCE, f"{words}: {NO_SPREAD}")
        return replace(no_data(unknown, candidate.count), value=difference, limit=allowed)
    return Result(Verdict.HEALTHY, Reason.WITHIN_LIMIT, words, difference, allowed, n=candidate.count)


def quantiles(
    candidate: Buckets, stable: Buckets, q: float, tolerance: Tolerance | None = None, unit: str = ""
) -> Result:
    """Whether the candidate's q-quantile is higher by more than the tolerance.

    The interval of the excess joins both quantiles' intervals (MOVER). A breach needs all of it above the tolerance, a
    relative one as one contrast, and in both versions at least five observations expected beyond the quantile. The
    buckets' width adds an error that no test sees: choose edges near the limit.
    Source: G. Y. Zou, A. Donner, Statistics in Medicine 27 (2008), 1693-1702.
    """
    tolerance = tolerance or Tolerance()
    for name, arm in (("candidate", candidate), ("stable version", stable)):
        if problem := arm.problem():
            return no_data(problem, candidate.total, arm=name)
    # Below five observations beyond the quantile the normal interval of its rank is too narrow.
    least = max(tolerance.min_samples, 5 / min(q, 1 - q))
    if few := _too_few(candidate.total, stable.total, least):
        return few
    if on_same_edges(candidate, stable) is None:
        return no_data(EDGES_DIFFER, candidate.total)
    one, other = quantile(candidate, q), quantile(stable, q)
    if math.isinf(other):
        beyond = f"p{q * 100:g} lies beyond the largest bucket; add buckets"
        return no_data(Unusable(Reason.NOT_A_NUMBER, beyond), candidate.total, arm="stable version")
    interval = _mover(candidate, stable, q, one, other, 1 - tolerance.alpha)
    allowed = tolerance.allowed(other)
    excess = (
        _mover(candidate, stable, q, one, other, 1 - tolerance.alpha, factor)[0] - shift
        for factor, shift in tolerance.contrasts
    )
    words = f"p{q * 100:g} {_quantile_text(one, candidate, unit)} against {shown(other, unit)} with the stable version"
    sure = min(excess) > 0
    if one - other > allowed and not sure:
        words += ", which chance may explain"
    verdict, reason = (Verdict.BREACH, Reason.ABOVE_MAXIMUM) if sure else (Verdict.HEALTHY, Reason.WITHIN_LIMIT)
    detail = f"{words}; {_allowance(allowed, unit)}, n = {count_text(candidate.total)}"
    return Result(verdict, reason, detail, one - other, allowed, interval, n=candidate.total)


def _quantile_text(value: float, arm: Buckets, unit: str) -> str:
    """A quantile as text; of one beyond the last finite bucket, only its lower bound is known."""
    edge = arm.sides()[-1][0]
    known = math.isfinite(value) or not abs(edge) < sys.float_info.max
    return shown(value, unit) if known else f"above {shown(edge, unit)}, the largest edge,"


def _mover(
    first: Buckets, second: Buckets, q: float, one: float, other: float, confidence: float, factor: float = 1.0
) -> Interval:
    """The interval of the first quantile less `factor` times the second."""
    (low1, high1), (low2, high2) = quantile_interval(first, q, confidence), quantile_interval(second, q, confidence)
    if math.isinf(one):
        # All that is known of the candidate's quantile is where its interval begins.
        return ((low1 if math.isfinite(low1) else first.sides()[-1][0]) - factor * high2, math.inf)
    difference = one - factor * other
    below, above_it = (one - low1, factor * (high2 - other)), (high1 - one, factor * (other - low2))
    return difference - math.hypot(*below), difference + math.hypot(*above_it)


def _compared(
    difference: float,
    allowed: float,
    interval: Interval,
    p_value: float,
    alpha: float,
    words: str,
    n: float,
    more: bool,
) -> Result:
    worse = more and p_value < alpha
    verdict, reason = (Verdict.BREACH, Reason.ABOVE_MAXIMUM) if worse else (Verdict.HEALTHY, Reason.WITHIN_LIMIT)
    detail = f"{words}: may be chance" if more and not worse else words
    return Result(verdict, reason, detail, difference, allowed, interval, p_value, n)


def _too_few(candidate: float, stable: float, least: float) -> Result | None:
    for name, n in (("candidate", candidate), ("stable version", stable)):
        if n < least:
            return no_data(too_few(n, least), candidate, arm=name)
    return None


def _allowance(allowed: float, unit: str) -> str:
    return f"{shown(allowed, unit)} more is tolerated" if allowed else "no more is tolerated"
