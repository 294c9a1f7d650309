"""Sequential tests: evaluated at every tick, with a bounded probability of a false alarm over all ticks.

A test that is repeated at every tick until it alarms is bound to alarm. These statistics are bounded over *all* looks
together: with no difference, the chance that they ever call a breach is at most alpha (Ville's inequality). Their
state is a handful of sums, carried in the status, so that a restart goes on where it was.
"""

import math
from dataclasses import dataclass, replace

from modelramp.analysis.evidence import (
    LEAST_COUNT,
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
from modelramp.analysis.wording import RATIO, shown
from modelramp.api.names import Reason
from modelramp.api.quantity import ROUNDING
from modelramp.api.verdict import Verdict

NOTHING = Proportion(0.0, 0.0)
NO_SUM = Mean(0.0, 0.0)
MIN_EVENTS = 10
"""Minimum number of failures, in both versions together, for the normal approximation of a rate."""
MIN_EXPECTED = 2
"""Minimum number of these to expect in the version with less traffic if both are alike."""
MIN_SPREADS = 10
"""Degrees of freedom, ticks less versions, from which on the spread of a mean is believed."""


@dataclass(frozen=True, slots=True)
class Design:
    """Parameters that are fixed before the first look.

    alpha: chance of ever calling a breach when the candidate is no worse.
    effect: the difference that the mixture expects (its standard deviation tau): for rates absolute, 0.02 is two
    percentage points; for means in standard deviations of one observation. A wrong guess costs time, never alpha.
    """

    alpha: float = 0.05
    effect: float = 0.02
    min_samples: float = 1


@dataclass(frozen=True, slots=True)
class RateLooks:
    """All counts so far, and the smallest p-value of any look."""

    candidate: Proportion = NOTHING
    stable: Proportion = NOTHING
    p_value: float = 1.0


@dataclass(frozen=True, slots=True)
class Spread:
    """One version's mean over the ticks: sum, count, ticks, and the sum over ticks of sum**2 / count."""

    total: Mean = NO_SUM
    ticks: int = 0
    squares: float = 0.0

    def plus(self, tick: Mean) -> "Spread":
        """With one more tick."""
        return Spread(self.total.plus(tick), self.ticks + 1, self.squares + tick.sum * tick.sum / tick.count)

    def deviation(self) -> float:
        """Sum of the squared deviations of the ticks' means, each weighed by its observations.

        What rounding alone leaves of equal means is 0: taken for a spread it would be certainty.
        """
        found = self.squares - self.total.sum * self.total.sum / self.total.count if self.ticks else 0.0
        return 0.0 if found <= ROUNDING * self.squares else found


@dataclass(frozen=True, slots=True)
class MeanLooks:
    """Both versions over the ticks so far, and the smallest p-value of any look."""

    candidate: Spread = Spread()
    stable: Spread = Spread()
    p_value: float = 1.0


def likelihood_ratio(difference: float, variance: float, effect: float) -> float:
    """The mixture likelihood ratio for a normal difference: how much likelier it is under N(0, effect**2) than under 0.

    L = sqrt(V / (V + t2)) * exp(t2 * D**2 / (2 * V * (V + t2))), D the difference, V its variance, t2 = effect**2.
    Source: R. Johari, P. Koomen, L. Pekelis, D. Walsh, Operations Research 70 (2022), 1806-1821.
    >>> round(likelihood_ratio(0.05, 0.0004, 0.02), 3)
    3.373
    """
    tau = effect * effect
    exponent = tau * difference * difference / (2 * variance * (variance + tau))
    return math.sqrt(variance / (variance + tau)) * math.exp(min(exponent, 700.0))


def look_at_rates(
    looks: RateLooks, candidate: Proportion, stable: Proportion, design: Design
) -> tuple[RateLooks, Result]:
    """One more tick of two rates: the mixture sequential probability ratio test (mSPRT), one-sided.

    V = p (1 - p) (1/n_c + 1/n_s), p pooled. By symmetry the chance of ever reaching L >= 1 / (2 alpha) with the
    candidate worse is at most alpha, so the p-value of a look is 1 / (2 L), and the smallest one so far stands.
    Start again whenever the traffic weights change: rates that move with the hour would otherwise look like a
    difference between the versions. Source: Johari et al. 2022 (see likelihood_ratio).
    """
    if (problem := first_problem(candidate, stable)) and not _idle(candidate, stable):
        return looks, problem
    now = replace(looks, candidate=looks.candidate.plus(candidate), stable=looks.stable.plus(stable))
    if min(now.candidate.total, now.stable.total) < LEAST_COUNT:
        return now, first_problem(now.candidate, now.stable) or no_data(Unusable(Reason.EMPTY_RESULT, "no traffic"))
    if now.candidate.total < design.min_samples:
        return now, no_data(too_few(now.candidate.total, design.min_samples), now.candidate.total)
    both = now.candidate.plus(now.stable)
    difference = now.candidate.rate - now.stable.rate
    variance = both.rate * (1 - both.rate) * (1 / now.candidate.total + 1 / now.stable.total)
    events = min(both.bad, both.good)
    smaller = min(now.candidate.total, now.stable.total) / both.total
    words = f"{shown(now.candidate.rate, RATIO)} against {shown(now.stable.rate, RATIO)} with the stable version"
    enough = events >= MIN_EVENTS and events * smaller >= MIN_EXPECTED
    if difference > 0 and variance > 0 and enough:
        ratio = likelihood_ratio(difference, variance, design.effect)
        now = replace(now, p_value=min(now.p_value, 1 / (2 * ratio)))
    elif difference > 0 and not enough:
        words += ", too few failures yet to test"
    return now, _result(difference, now.p_value, design.alpha, words, now.candidate.total)


def look_at_limit(looks: RateLooks, candidate: Proportion, limit: float, design: Design) -> tuple[RateLooks, Result]:
    """One more tick of one rate against a fixed limit (a ratio strictly between 0 and 1), exact for any count.

    The likelihood of the counts at rates above the limit, averaged over ODDS, against that at the limit. At or below
    the limit its expectation never exceeds 1, so the chance of ever reaching 1 / alpha is at most alpha: no
    approximation, no least number of events. Source: H. Robbins, Ann. Math. Statist. 41 (1970), 1397-1409.
    """
    if problem := bad_limit(limit):
        return looks, problem
    if (problem := first_problem(candidate, None)) and problem.reason is not Reason.EMPTY_RESULT:
        return looks, problem
    arm = looks.candidate.plus(candidate)
    now = replace(looks, candidate=arm)
    if problem := first_problem(arm, None):
        return now, problem
    if arm.total < design.min_samples:
        return now, no_data(too_few(arm.total, design.min_samples), arm.total)
    now = replace(now, p_value=min(now.p_value, 1 / max(1.0, _mixture(arm, limit))))
    words = f"{shown(arm.rate, RATIO)} against a limit of {shown(limit, RATIO)}"
    result = _result(arm.rate - limit, now.p_value, design.alpha, words, arm.total)
    return now, replace(result, value=arm.rate, limit=limit)


ODDS = (1.5, 2.0, 3.0, 5.0, 10.0)
"""How many times the odds at the limit the mixture expects, each equally likely."""


def bad_limit(limit: float) -> Result | None:
    """NO_DATA for a limit that no rate can cross or keep; None when it lies between 0 and 1."""
    if 0 < limit < 1:
        return None
    return no_data(Unusable(Reason.NOT_EVALUATED, f"a sequential check needs a limit between 0 and 1, not {limit:g}"))


def gains_over_limit(arm: Proportion, limit: float) -> list[float]:
    """Logarithm of the likelihood ratio against the limit, for each of ODDS.

    A rate whose odds are k times the limit's is k limit / (1 - limit + k limit).
    """
    rates = [odds * limit / (1 - limit + odds * limit) for odds in ODDS]
    return [arm.bad * math.log(rate / limit) + arm.good * math.log((1 - rate) / (1 - limit)) for rate in rates]


def _mixture(arm: Proportion, limit: float) -> float:
    """The average likelihood ratio against the limit."""
    return math.fsum(math.exp(min(gain, 700.0)) for gain in gains_over_limit(arm, limit)) / len(ODDS)


def look_at_means(
    looks: MeanLooks, candidate: Mean, stable: Mean, design: Design, unit: str = ""
) -> tuple[MeanLooks, Result]:
    """One more tick of two means, such as latency or cost: the same test, with the spread learnt from tick to tick.

    The variance of one observation is the pooled weighted variance of the ticks' means about their version's mean,
    which is unbiased whatever the ticks' sizes. It is an estimate, so alpha holds only approximately; nothing is
    called before MIN_SPREADS degrees of freedom. Start again whenever the traffic weights change.
    """
    if (problem := first_problem(candidate, stable)) and not _idle(candidate, stable):
        return looks, problem
    now = MeanLooks(_grown(looks.candidate, candidate), _grown(looks.stable, stable), looks.p_value)
    if 0 in (now.candidate.ticks, now.stable.ticks):
        return now, first_problem(candidate, stable) or no_data(Unusable(Reason.EMPTY_RESULT, "no traffic"))
    one, other = now.candidate.total, now.stable.total
    freedom = now.candidate.ticks + now.stable.ticks - 2
    if freedom < MIN_SPREADS or one.count < design.min_samples:
        few = too_few(freedom + 2, MIN_SPREADS + 2, "ticks with traffic in both versions together")
        return now, no_data(few if freedom < MIN_SPREADS else too_few(one.count, design.min_samples), one.count)
    variance = (now.candidate.deviation() + now.stable.deviation()) / freedom
    if not math.isfinite(variance):
        return looks, no_data(
            Unusable(Reason.NOT_A_NUMBER, "the sums are too large to reckon with; count in a larger unit")
        )
    if variance <= 0:
        return now, no_data(
            Unusable(Reason.NOT_EVALUATED, "every tick has the same mean: there is no spread to judge by")
        )
    difference = one.mean - other.mean
    if difference > 0:
        noise = variance * (1 / one.count + 1 / other.count)
        ratio = likelihood_ratio(difference, noise, design.effect * math.sqrt(variance))
        now = replace(now, p_value=min(now.p_value, 1 / (2 * ratio)))
    words = f"mean {shown(one.mean, unit)} against {shown(other.mean, unit)} with the stable version"
    return now, _result(difference, now.p_value, design.alpha, words, one.count)


def _grown(spread: Spread, tick: Mean) -> Spread:
    return spread.plus(tick) if tick.count >= LEAST_COUNT else spread


def _idle(candidate: Proportion | Mean, stable: Proportion | Mean) -> bool:
    """Whether the only problem is a version without traffic in this tick: the evidence so far remains valid."""
    problems = [problem for arm in (candidate, stable) if (problem := arm.problem())]
    return all(problem.reason is Reason.EMPTY_RESULT for problem in problems)


def _result(difference: float, p_value: float, alpha: float, words: str, n: float) -> Result:
    worse = p_value <= alpha
    verdict, reason = (Verdict.BREACH, Reason.ABOVE_MAXIMUM) if worse else (Verdict.HEALTHY, Reason.WITHIN_LIMIT)
    detail = f"{words}, {p_text(p_value, alpha)} over all looks (alpha {alpha:g}), n = {count_text(n)}"
    return Result(verdict, reason, detail, difference, 0.0, None, p_value, n)
