"""The statistics of an A/B test: always-valid intervals for a difference, and whether the split was kept.

The test is looked at every minute and may end at any of them. So the intervals form a confidence sequence: the chance
that the true difference lies outside of *any* of them, over all looks together, is at most alpha.
"""

import math
from dataclasses import dataclass

from modelramp.analysis.evidence import LEAST_COUNT, Mean, Proportion
from modelramp.analysis.stats.intervals import normal_quantile

MIN_EVENTS = 10
"""Events and non-events to be expected in the smaller version (by the rate of both together) from which on the normal
approximation of rates is used."""
MIN_USERS = 100
"""Users of each version from which on a mean of theirs is taken to be normal."""
LEAST_TAU = 0.01
"""Minimum spread of the differences of rates that the mixture expects, so that great harm is detected soon even if the
test looks for a small difference."""
POWER = 0.72
"""The chance of a winner at samples_to_win: 70 to 75 % in simulations (60 and 300 looks, rates of 2 to 30 %, splits
from 10 : 90, minDuration up to a third of the time that the sample takes)."""
BATCH = 10
"""Ticks whose counts make one difference of means. Neighbouring minutes resemble each other, as when a slow quarter of
an hour is slow in all of them, and the interval would take each for evidence of its own; batches of ten hardly do."""
MEAN_TAU = 0.1
"""The same for means, in standard deviations of one observation (Cohen: 0.2 is small)."""
IMBALANCE_ALPHA = 0.001
"""The chance, over all looks together, of calling a sample ratio mismatch where there is none; and, of a chi-square,
the chance at one look (Fabijan et al., KDD 2019)."""
MIN_ASSIGNED = 5
"""Least expected assignment of either version from which on chi-square is a good approximation (Cochran 1954)."""
PRIOR_REQUESTS = 1000.0
"""How sharply the alternative of the sample ratio lies about the split: as after so many requests."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Candidate less stable, the interval at level 1 - alpha, and the always-valid p-value of no difference."""

    estimate: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Paired:
    """The differences of two means batch by batch, each weighed by 1 / (1/n_candidate + 1/n_stable).

    ticks: how many batches. weight, first, second: the sums of w, w * d and w * d**2.
    """

    ticks: int = 0
    weight: float = 0.0
    first: float = 0.0
    second: float = 0.0

    def plus(self, candidate: Mean, stable: Mean) -> "Paired":
        """With one more batch; one in which a version has no traffic has no difference and changes nothing."""
        if min(candidate.count, stable.count) < LEAST_COUNT:
            return self
        weight = 1 / (1 / candidate.count + 1 / stable.count)
        found = candidate.mean - stable.mean
        return Paired(
            self.ticks + 1,
            self.weight + weight,
            self.first + weight * found,
            self.second + weight * found * found,
        )


NOTHING = Mean(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Batch:
    """The ticks of a batch that is not full: how many, and the sums and counts of both versions in them."""

    ticks: int = 0
    candidate: Mean = NOTHING
    stable: Mean = NOTHING

    def plus(self, candidate: Mean, stable: Mean) -> "Batch":
        """With one more tick; one in which a version has no traffic is left out."""
        if min(candidate.count, stable.count) < LEAST_COUNT:
            return self
        return Batch(self.ticks + 1, self.candidate.plus(candidate), self.stable.plus(stable))


def difference_of_rates(candidate: Proportion, stable: Proportion, alpha: float, tau: float) -> Difference | None:
    """The confidence sequence of the mixture SPRT for the difference D of two rates; None while events are too few.

    D +- sqrt(V (V + t2) / t2 * (2 log(1 / alpha) + log((V + t2) / V))), t2 = tau**2, from the theta that the mixture
    likelihood ratio L(theta) = sqrt(V / (V + t2)) * exp(t2 (D - theta)**2 / (2 V (V + t2))) does not refute, L < 1 /
    alpha. The p-value is 1 / L(0). V = p (1 - p) / n of either version, summed; each p with one event and one non-event
    added (Agresti and Caffo 2000), so that a version without events is not taken for one that cannot have any.
    Source: R. Johari, P. Koomen, L. Pekelis, D. Walsh, Operations Research 70 (2022), 1806-1821, section 5.
    """
    both = candidate.plus(stable)
    if not both.total or min(candidate.total, stable.total) / both.total * min(both.bad, both.good) < MIN_EVENTS:
        return None
    found = candidate.rate - stable.rate
    variance = sum((arm.bad + 1) * (arm.good + 1) / ((arm.total + 2) ** 2 * arm.total) for arm in (candidate, stable))
    half, log_ratio = _mixture(found, variance, alpha, tau)
    return Difference(found, max(-1.0, found - half), min(1.0, found + half), _p_value(log_ratio))


def difference_of_users(
    candidate: tuple[float, float, float], stable: tuple[float, float, float], alpha: float, tau: float
) -> Difference | None:
    """The confidence sequence for the difference of two means per user; None while there are too few users.

    candidate, stable: users, and the sums over them of what each one has and of its square. The interval is that of
    rates, with V = s**2 / users of either version, summed: valid by the central limit theorem, from MIN_USERS on.
    """
    if min(candidate[0], stable[0]) < MIN_USERS:
        return None
    means = [total / users for users, total, _ in (candidate, stable)]
    spreads = [
        squares / users - mean * mean for (users, _, squares), mean in zip((candidate, stable), means, strict=True)
    ]
    if min(spreads) <= 0:
        return None
    variance = sum(spread / (arm[0] - 1) for spread, arm in zip(spreads, (candidate, stable), strict=True))
    found = means[0] - means[1]
    half, log_ratio = _mixture(found, variance, alpha, tau)
    return Difference(found, found - half, found + half, _p_value(log_ratio))


def _mixture(found: float, variance: float, alpha: float, tau: float) -> tuple[float, float]:
    """Half the width of the interval of the mixture SPRT, and the logarithm of its likelihood ratio at 0."""
    t2 = tau * tau
    spread = math.log((variance + t2) / variance)
    half = math.sqrt(variance * (variance + t2) / t2 * (spread - 2 * math.log(alpha)))
    return half, t2 * found * found / (2 * variance * (variance + t2)) - spread / 2


def difference_of_means(paired: Paired, alpha: float) -> Difference | None:
    """The confidence sequence for the difference of two means; None while the batches are too few to bound it.

    Each batch gives a difference d with weight w; what moves both versions alike, such as the hour, cancels out. With
    D = sum(w d) / W, s2 = sum(w (d - D)**2) / v, v = batches - 1, F = (D - theta)**2 W / (s2 v), r = g / (g + W), the
    ratio sqrt(r) * ((1 + F) / (1 + r F))**((v + 1) / 2) is a martingale at the true theta whatever the variance, for
    normal d; g = 1 / MEAN_TAU**2 expects differences of MEAN_TAU standard deviations. Source: M. Lindon, D. Ham, M.
    Tingley, I. Bojinov, "Anytime-valid linear models and regression adjusted causal inference", arXiv:2210.08589.
    """
    freedom = paired.ticks - 1
    if freedom < 1 or paired.weight <= 0:
        return None
    found = paired.first / paired.weight
    square = max(0.0, paired.second - paired.first * found)
    if square <= 1e-12 * paired.second:  # no spread at all: rounding would be taken for certainty
        return None
    g = 1 / (MEAN_TAU * MEAN_TAU)
    r = g / (g + paired.weight)
    bound = math.exp(-(2 * math.log(alpha) + math.log(r)) / (freedom + 1))
    if bound * r >= 1:
        return None
    half = math.sqrt((bound - 1) / (1 - bound * r) * square / paired.weight)
    f = found * found * paired.weight / square
    log_ratio = math.log(r) / 2 + (freedom + 1) / 2 * (math.log1p(f) - math.log1p(r * f))
    return Difference(found, found - half, found + half, _p_value(log_ratio))


def chi_square(candidate: float, total: float, share: float) -> tuple[float, float]:
    """Pearson's chi-square of the assignment against the split, one degree of freedom, and its p-value for one look.

    candidate, total: how many were assigned to the candidate, and at all (above 0). share: the candidate's, 0 to 1.
    """
    expected = total * share
    if not 0 < expected < total:
        return 0.0, 1.0
    statistic = (candidate - expected) ** 2 * (1 / expected + 1 / (total - expected))
    return statistic, math.erfc(math.sqrt(statistic / 2))


def mismatched(suspicion: float, candidate: float, stable: float, share: float) -> bool:
    """Whether the split was not kept: for good by the sequential test, for this one look by chi-square.

    suspicion: the largest logarithm so far of the evidence against the split (see imbalance). candidate, stable: how
    many were assigned to each. share: the candidate's, 0 to 1.
    """
    total = candidate + stable
    if suspicion >= -math.log(IMBALANCE_ALPHA):
        return True
    return total * min(share, 1 - share) >= MIN_ASSIGNED and chi_square(candidate, total, share)[1] < IMBALANCE_ALPHA


def imbalance(candidate: float, total: float, share: float) -> float:
    """The logarithm of the evidence against the split: how much likelier the assignment is under another one.

    The beta-binomial mixture B(a + x, b + n - x) / B(a, b) / (q**x (1 - q)**(n - x)), a = q k, b = (1 - q) k, k =
    PRIOR_REQUESTS. It is a martingale while the split is kept, so it ever reaches 1 / alpha with a chance of at most
    alpha, however often one looks; a chi-square test that is looked at every minute does so almost surely.
    Source: M. Lindon, A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022.
    """
    if not 0 < share < 1:
        return 0.0
    a, b = share * PRIOR_REQUESTS, (1 - share) * PRIOR_REQUESTS
    rest = max(0.0, total - candidate)
    found = math.lgamma(a + candidate) + math.lgamma(b + rest) - math.lgamma(a + b + candidate + rest)
    prior = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return found - prior - candidate * math.log(share) - rest * math.log1p(-share)


def samples_to_win(deviation: float, effect: float, alpha: float, share: float) -> float:
    """Observations of both versions with which a candidate that is better by exactly `effect` wins, at POWER.

    Twice what a test with one look would need for a power of 80 %: 2 (z(1 - alpha / 2) + z(0.8))**2 deviation**2 /
    (effect**2 share (1 - share)). deviation: of one observation. A winner must be estimated at `effect` too, which a
    version that is so much better is only half of the time at any one look: no sample brings it far above 80 %.
    """
    z = normal_quantile(1 - alpha / 2) + normal_quantile(0.8)
    return 2 * z * z * deviation * deviation / (effect * effect * share * (1 - share))


def deviation_of_rates(rate: float, other: float, share: float) -> float:
    """The standard deviation of one observation of a rate. other, share: the candidate's rate and share of traffic."""
    other = min(1.0, max(0.0, other))
    return math.sqrt((1 - share) * other * (1 - other) + share * rate * (1 - rate))


def deviation_of(paired: Paired) -> float | None:
    """The standard deviation of one observation of a mean, from the spread of the batches; None before there is one."""
    if paired.ticks < 2 or paired.weight <= 0:
        return None
    square = paired.second - paired.first * paired.first / paired.weight
    return math.sqrt(square / (paired.ticks - 1)) if square > 0 else None


def _p_value(log_ratio: float) -> float:
    return min(1.0, math.exp(-min(log_ratio, 700.0)))
