"""Sequential checks that detect a change: healthy hours weigh nothing, and false alarms stay rare in the long run.

A test whose alpha holds over all looks together has to eat up the good evidence of the hours before it can alarm
(stats.sequential). Here the change may have come at any look: R, the sum over all of them of the likelihood of what
was counted since, grows when something is wrong now, and forgets while nothing is.

R := (1 + R) L at every look, L its likelihood ratio. While nothing is wrong the expectation of L is at most 1, so that
R gains at most 1 a look. Hence looks until R reaches 1 / alpha: at least 1 / alpha on average, and the chance that it
happens within n looks is at most n alpha. Sources: A. N. Shiryaev, Theory Probab. Appl. 8 (1963), 22-46; S. W. Roberts,
Technometrics 8 (1966), 411-430; M. Pollak, Ann. Statist. 13 (1985), 206-227; for composite hypotheses J. Shin,
A. Ramdas, A. Rinaldo, doi:10.51387/23-nejsds51.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from modelramp.analysis.evidence import Proportion, Result, count_text, first_problem, no_data, too_few
from modelramp.analysis.stats.sequential import NOTHING, ODDS, bad_limit, gains_over_limit
from modelramp.analysis.wording import RATIO, shown
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict

LIMIT_ALPHA = 0.01
"""Against a limit: one false alarm in 100 looks at most, for a rate that lies exactly at the limit; far fewer below."""
STABLE_ALPHA = 0.00002
"""Against the stable version: equal versions are the rule there, so one in 50,000 looks, a month of minutes."""
MOST = 10.0
"""Evidence is kept up to so many times what a breach needs, so that a version that has recovered is soon healthy."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Parameters that are fixed before the first look. alpha: maximum long-run rate of false alarms per look."""

    alpha: float
    min_samples: float = 1


@dataclass(frozen=True, slots=True)
class ChangeLooks:
    """The memory of a check.

    evidence: R for each of ODDS. candidate, stable: counts of the last `looks` ticks, those since the counts last
    looked healthy, for people to read. seen: observations of the candidate in all.
    """

    evidence: tuple[float, ...] = (0.0,) * len(ODDS)
    candidate: Proportion = NOTHING
    stable: Proportion = NOTHING
    looks: int = 0
    seen: float = 0.0


def change_over_limit(
    looks: ChangeLooks, candidate: Proportion, limit: float, bound: Bound
) -> tuple[ChangeLooks, Result]:
    """One more tick of one rate against a fixed limit (a ratio strictly between 0 and 1), exact for any count."""
    if problem := bad_limit(limit) or first_problem(candidate, None):
        return looks, problem
    healthy = looks.candidate.bad <= limit * looks.candidate.total
    now = _grown(looks, gains_over_limit(candidate, limit), (candidate, NOTHING), bound, healthy=healthy)
    rate = now.candidate.rate
    return now, _result(now, bound, f"against a limit of {shown(limit, RATIO)}", rate, limit)


def change_over_stable(
    looks: ChangeLooks, candidate: Proportion, stable: Proportion, bound: Bound
) -> tuple[ChangeLooks, Result]:
    """One more tick of two rates, exact for any count, also while both move with the hour.

    Given how many failed in both versions together, L compares where they fell: in the candidate with chance q, its
    share of the requests, if it is no worse, and more often, by ODDS, if it is. With k times the odds
    L = k**bad / (1 - q + k q)**all. With equal rates the candidate's failures are hypergeometric, whose expectation of
    a convex function such as k**bad is at most the binomial's: that of L is at most 1. Source: W. Hoeffding, J. Am.
    Stat. Assoc. 58 (1963), 13-30, theorem 4.
    """
    if problem := first_problem(candidate, stable):
        return looks, problem
    before, beside = looks.candidate, looks.stable
    healthy = before.bad * beside.total <= beside.bad * before.total
    now = _grown(looks, _gains_over_stable(candidate, stable), (candidate, stable), bound, healthy=healthy)
    difference = now.candidate.rate - now.stable.rate
    return now, _result(now, bound, f"against {shown(now.stable.rate, RATIO)} with the stable version", difference, 0.0)


def _gains_over_stable(candidate: Proportion, stable: Proportion) -> list[float]:
    """Logarithm of L for each of ODDS."""
    share = candidate.total / (candidate.total + stable.total)
    failed = candidate.bad + stable.bad
    return [candidate.bad * math.log(odds) - failed * math.log1p((odds - 1) * share) for odds in ODDS]


def _grown(
    looks: ChangeLooks, gains: Sequence[float], arms: tuple[Proportion, Proportion], bound: Bound, *, healthy: bool
) -> ChangeLooks:
    """With one more tick. healthy: whether the counts so far are; then those to read start again."""
    most = MOST * len(ODDS) / bound.alpha
    evidence = tuple(
        min((1 + before) * math.exp(min(gain, 600.0)), most) for before, gain in zip(looks.evidence, gains, strict=True)
    )
    candidate, stable = arms
    seen = looks.seen + candidate.total
    if healthy:
        return ChangeLooks(evidence, candidate, stable, 1, seen)
    return ChangeLooks(evidence, looks.candidate.plus(candidate), looks.stable.plus(stable), looks.looks + 1, seen)


def _result(now: ChangeLooks, bound: Bound, against: str, value: float, limit: float) -> Result:
    n, evidence, needed = now.candidate.total, math.fsum(now.evidence) / len(ODDS), 1 / bound.alpha
    if now.seen < bound.min_samples:
        return no_data(too_few(now.seen, bound.min_samples), n)
    breach = evidence >= needed
    verdict, reason = (Verdict.BREACH, Reason.ABOVE_MAXIMUM) if breach else (Verdict.HEALTHY, Reason.WITHIN_LIMIT)
    when = "this tick" if now.looks == 1 else f"the last {now.looks} ticks"
    detail = (
        f"{shown(now.candidate.rate, RATIO)} in {when} {against}, evidence {count_text(evidence)}, a breach from "
        f"{needed:,.0f} (at most one false alarm in {needed:,.0f} ticks on average), n = {count_text(n)}"
    )
    return Result(verdict, reason, detail, value, limit, n=n)
