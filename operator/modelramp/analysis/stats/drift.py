"""Drift between two histograms of inputs, outputs or scores.

Every measure has two conditions for a breach. The distance must be above its limit (large enough to matter), and the
p-value at or below alpha (too large for chance, at this number of samples). Alone, the first alarms on every small
sample and the second on every large one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from modelramp.analysis.evidence import (
    Proportion,
    Result,
    Unusable,
    count_text,
    no_data,
    p_text,
    too_few,
)
from modelramp.analysis.stats.compare import rates_p_value
from modelramp.analysis.stats.distributions import chi_square_quantile, chi_square_tail, kolmogorov_tail
from modelramp.analysis.stats.histograms import EDGES_DIFFER, Buckets, mean_and_deviation, on_same_edges
from modelramp.analysis.stats.intervals import normal_tail
from modelramp.analysis.wording import apart, shown
from modelramp.api.names import Reason
from modelramp.api.quantity import above
from modelramp.api.verdict import Verdict

EMPTY_SHARE = 1e-4
"""Replaces a share of 0 in PSI, whose logarithm is undefined (as in Evidently)."""
MIN_EXPECTED = 5
"""Least expected count of a bin in the chi-square test; sparser neighbours are joined (Cochran 1954)."""


class Measure(StrEnum):
    """How two distributions are compared."""

    PSI = "psi"
    KOLMOGOROV_SMIRNOV = "ks"
    JENSEN_SHANNON = "js"
    CHI_SQUARE = "chi-square"
    MEAN_SHIFT = "mean-shift"


@dataclass(frozen=True, slots=True)
class Rule:
    """When two distributions count as different. limit: None takes the measure's own (LIMITS).

    cluster_size: how many observations come together and are nearly equal, as those of one user. So many count as one:
    the effective sample size of L. Kish, Survey Sampling (1965), 8.2, for an intraclass correlation of 1.
    """

    measure: Measure = Measure.PSI
    limit: float | None = None
    alpha: float = 0.01
    min_samples: float = 100
    cluster_size: float = 1.0


LIMITS = {
    Measure.PSI: 0.2,  # the credit-scoring rule of thumb: above 0.2 is a significant shift
    Measure.KOLMOGOROV_SMIRNOV: 0.1,
    Measure.JENSEN_SHANNON: 0.1,  # Evidently's threshold for the distance
    Measure.CHI_SQUARE: 0.1,  # Cramer's V: Cohen's small effect
    Measure.MEAN_SHIFT: 0.1,  # in standard deviations of the reference
}


def drift(candidate: Buckets, reference: Buckets, rule: Rule | None = None, name: str = "reference") -> Result:
    """Whether the candidate's histogram has drifted from the reference's (the stable version's, or a stored one).

    name: what people call the reference.
    """
    rule = rule or Rule()
    for title, arm in (("candidate", candidate), (name, reference)):
        if problem := arm.problem():
            return no_data(problem, candidate.total, arm=title)
        if arm.total < rule.min_samples:
            return no_data(too_few(arm.total, rule.min_samples), candidate.total, arm=title)
    same = on_same_edges(candidate, reference)
    if same is None:
        return no_data(EDGES_DIFFER, candidate.total)
    wished = LIMITS[rule.measure] if rule.limit is None else rule.limit
    weighed = [arm.scaled(1 / rule.cluster_size) for arm in same] if rule.cluster_size > 1 else same
    found = _MEASURES[rule.measure](weighed[0], weighed[1], wished, rule.alpha)
    if found is None:
        whose = f" of the {name}" if rule.measure is Measure.MEAN_SHIFT else ""
        flat = f"all observations{whose} lie in one bucket: no spread to compare; add edges"
        return no_data(Unusable(Reason.NOT_EVALUATED, flat), candidate.total)
    value, limit, p_value = found
    far = above(value, limit, scale=1.0)
    drifted = far and p_value <= rule.alpha
    verdict, reason = (Verdict.BREACH, Reason.ABOVE_MAXIMUM) if drifted else (Verdict.HEALTHY, Reason.WITHIN_LIMIT)
    held = " is above" if far else ", limit"
    raised = f" ({shown(wished)}, raised for so few samples)" if limit > wished else ""
    chance = ", which chance may explain" if far and not drifted else ""
    detail = (
        f"{_found(rule.measure, same, apart(value, limit))}{held} {shown(limit)}{raised}{chance}, "
        f"{p_text(p_value, rule.alpha)}, n = {count_text(candidate.total)} against {count_text(reference.total)}"
    )
    if rule.cluster_size > 1:
        detail += f", {rule.cluster_size:g} of which count as one"
    return Result(verdict, reason, detail, value, limit, None, p_value, candidate.total)


def psi(candidate: Sequence[float], reference: Sequence[float]) -> float:
    """Population stability index of two lists of counts: sum of (p - q) ln(p / q), empty bins as EMPTY_SHARE.

    Source: N. Siddiqi, Credit Risk Scorecards (2006).
    >>> round(psi([20, 30, 50], [30, 30, 40]), 4)
    0.0629
    """
    return math.fsum((p - q) * math.log(p / q) for p, q in zip(_floored(candidate), _floored(reference), strict=True))


def jensen_shannon(candidate: Sequence[float], reference: Sequence[float]) -> float:
    """Jensen-Shannon distance of two lists of counts: the root of the divergence in nats, 0 to 0.8326.

    Source: J. Lin, IEEE Trans. Inf. Theory 37 (1991), 145-151; the same as scipy's jensenshannon().
    >>> round(jensen_shannon([20, 30, 50], [30, 30, 40]), 4)
    0.0884
    """
    divergence = 0.0
    for p, q in zip(_shares(candidate), _shares(reference), strict=True):
        middle = (p + q) / 2
        divergence += (p * math.log(p / middle) if p else 0.0) + (q * math.log(q / middle) if q else 0.0)
    return math.sqrt(max(0.0, divergence / 2))


def chi_square(candidate: Sequence[float], reference: Sequence[float]) -> tuple[float, int]:
    """Pearson's statistic for two lists of counts from one distribution, and its degrees of freedom.

    Bins that are empty in both count for nothing. Source: K. Pearson, Biometrika 8 (1911), 250-254.
    >>> statistic, freedom = chi_square([10, 20, 30], [20, 20, 20])
    >>> round(statistic, 3), freedom
    (5.333, 2)
    """
    n, m = math.fsum(candidate), math.fsum(reference)
    statistic, bins = 0.0, 0
    for c, r in zip(candidate, reference, strict=True):
        if c + r > 0:
            bins += 1
            statistic += (c * m - r * n) ** 2 / ((c + r) * n * m)
    return statistic, bins - 1


def cramers_v(candidate: Sequence[float], reference: Sequence[float]) -> float:
    """Cramer's V of two lists of counts as if both had as many: the root of the sum of (p - q)**2 / (2 (p + q)).

    Over the counts as they are, V would shrink with the smaller one's share of all observations: the same shift would
    be a third as large at 1 : 99 as at 50 : 50. Source: H. Cramer, Mathematical Methods of Statistics (1946), 21.9.
    >>> round(cramers_v([20, 30, 50], [30, 30, 40]), 4), round(cramers_v([20, 30, 50], [3000, 3000, 4000]), 4)
    (0.1247, 0.1247)
    """
    pairs = zip(_shares(candidate), _shares(reference), strict=True)
    return math.sqrt(math.fsum((p - q) ** 2 / (2 * (p + q)) for p, q in pairs if p + q > 0))


def ks_distance(candidate: Sequence[float], reference: Sequence[float]) -> float:
    """Largest distance of the two cumulative shares at the edges: a lower bound of the distance of the raw values.

    >>> ks_distance([1, 2, 1], [2, 1, 1])
    0.25
    """
    highest = one = other = 0.0
    for p, q in zip(_shares(candidate), _shares(reference), strict=True):
        one, other = one + p, other + q
        highest = max(highest, abs(one - other))
    return highest


def joined(candidate: Sequence[float], reference: Sequence[float]) -> tuple[list[float], list[float]]:
    """The same counts with sparse neighbours joined, until each bin expects at least MIN_EXPECTED in both."""
    n, m = math.fsum(candidate), math.fsum(reference)
    smaller = min(n, m) / (n + m)
    bins: list[list[float]] = [[0.0, 0.0]]
    for c, r in zip(candidate, reference, strict=True):
        if (bins[-1][0] + bins[-1][1]) * smaller >= MIN_EXPECTED:
            bins.append([0.0, 0.0])
        bins[-1][0] += c
        bins[-1][1] += r
    if len(bins) > 1 and (bins[-1][0] + bins[-1][1]) * smaller < MIN_EXPECTED:
        c, r = bins.pop()
        bins[-1][0] += c
        bins[-1][1] += r
    return [c for c, _ in bins], [r for _, r in bins]


def homogeneity(candidate: Sequence[float], reference: Sequence[float]) -> float | None:
    """p-value for one distribution behind both lists of counts; None when all lies in one bin.

    Pearson's chi-square with sparse neighbours joined. What appears where the other has nothing would vanish in the
    joining, so the rarest bins are looked at by themselves too: Fisher's exact test of the one that differs most,
    corrected (Bonferroni) for how many such bins there are and for looking twice.
    """
    n, m = math.fsum(candidate), math.fsum(reference)
    bins = [(c, r) for c, r in zip(candidate, reference, strict=True) if c + r > 0]
    if len(bins) < 2:
        return None
    statistic, freedom = chi_square(*joined(candidate, reference))
    dense = chi_square_tail(statistic, freedom) if freedom >= 1 else 1.0
    rare = [(c, r) for c, r in bins if (c + r) * min(n, m) / (n + m) < MIN_EXPECTED]
    if not rare:
        return dense
    c, r = max(rare, key=lambda both: abs(both[0] * m - both[1] * n) / math.sqrt(both[0] + both[1]))
    alone = rates_p_value(Proportion(c, n), Proportion(r, m)) * len(rare)
    return min(1.0, alone) if freedom < 1 else min(1.0, 2 * dense, 2 * alone)


Found = tuple[float, float, float] | None
"""Value, limit and p-value of a measure; None when there is nothing to compare."""


def _by_psi(candidate: Buckets, reference: Buckets, limit: float, alpha: float) -> Found:
    """PSI is about (1/n + 1/m) chi-square when nothing has drifted: its limit rises on small samples.

    Source: B. Yurdakul, J. Naranjo, Journal of Risk Model Validation 14 (2020), 89-100.
    """
    return _with_chance(psi(candidate.counts, reference.counts), candidate, reference, limit, alpha, lambda null: null)


def _by_jensen_shannon(candidate: Buckets, reference: Buckets, limit: float, alpha: float) -> Found:
    """The divergence is about an eighth of (1/n + 1/m) chi-square when nothing has drifted."""
    value = jensen_shannon(candidate.counts, reference.counts)
    return _with_chance(value, candidate, reference, limit, alpha, lambda null: math.sqrt(null / 8))


def _with_chance(
    value: float, candidate: Buckets, reference: Buckets, limit: float, alpha: float, scaled: Callable[[float], float]
) -> Found:
    p_value = homogeneity(candidate.counts, reference.counts)
    if p_value is None:
        return None
    used = sum(1 for c, r in zip(candidate.counts, reference.counts, strict=True) if c + r > 0)
    null = (1 / candidate.total + 1 / reference.total) * chi_square_quantile(alpha, used - 1)
    return value, max(limit, scaled(null)), p_value


def _by_chi_square(candidate: Buckets, reference: Buckets, limit: float, alpha: float) -> Found:  # noqa: ARG001 - one shape for all
    p_value = homogeneity(candidate.counts, reference.counts)
    if p_value is None:
        return None
    return cramers_v(candidate.counts, reference.counts), limit, p_value


def _by_ks(candidate: Buckets, reference: Buckets, limit: float, alpha: float) -> Found:  # noqa: ARG001 - one shape for all
    """The p-value with Stephens' correction for small samples; on binned values it errs on the quiet side.

    Source: M. A. Stephens, J. R. Stat. Soc. B 32 (1970), 115-122.
    """
    if sum(1 for c, r in zip(candidate.counts, reference.counts, strict=True) if c + r > 0) < 2:
        return None
    distance = ks_distance(candidate.counts, reference.counts)
    root = math.sqrt(candidate.total * reference.total / (candidate.total + reference.total))
    return distance, limit, kolmogorov_tail((root + 0.12 + 0.11 / root) * distance)


def _by_mean_shift(candidate: Buckets, reference: Buckets, limit: float, alpha: float) -> Found:  # noqa: ARG001 - one shape for all
    """The noise of the difference is the larger of two estimates: each side by its own spread, and both by all of it.

    The spread of a small sample of a skewed distribution is small when its mean is: by itself it alarms too often.
    """
    (now, spread), (before, scale) = mean_and_deviation(candidate), mean_and_deviation(reference)
    if scale == 0 or not math.isfinite(now + spread + scale):
        return None
    n, m = candidate.total, reference.total
    together = (n * spread * spread + m * scale * scale) / (n + m) + n * m * ((now - before) / (n + m)) ** 2
    noise = math.sqrt(max(spread * spread / n + scale * scale / m, together * (1 / n + 1 / m)))
    if noise == 0:  # the edges are so small that their squares are nothing
        return None
    return abs(now - before) / scale, limit, normal_tail((now - before) / noise)


_MEASURES: dict[Measure, Callable[[Buckets, Buckets, float, float], Found]] = {
    Measure.PSI: _by_psi,
    Measure.KOLMOGOROV_SMIRNOV: _by_ks,
    Measure.JENSEN_SHANNON: _by_jensen_shannon,
    Measure.CHI_SQUARE: _by_chi_square,
    Measure.MEAN_SHIFT: _by_mean_shift,
}
_NAMES = {
    Measure.PSI: "PSI",
    Measure.KOLMOGOROV_SMIRNOV: "Kolmogorov-Smirnov distance",
    Measure.JENSEN_SHANNON: "Jensen-Shannon distance",
    Measure.CHI_SQUARE: "Cramer's V",
}


def _found(measure: Measure, arms: tuple[Buckets, Buckets], value: str) -> str:
    """The measure's name and value; of a shift the means too, for they say which way it went."""
    if measure is not Measure.MEAN_SHIFT:
        return f"{_NAMES[measure]} {value}"
    now, before = (shown(mean_and_deviation(arm)[0]) for arm in arms)
    return f"mean {now} against {before}, a shift of {value} standard deviations"


def _shares(counts: Sequence[float]) -> list[float]:
    total = math.fsum(counts)
    return [count / total for count in counts]


def _floored(counts: Sequence[float]) -> list[float]:
    return [share or EMPTY_SHARE for share in _shares(counts)]
