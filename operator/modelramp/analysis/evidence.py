"""Counts of one version, and the result of a statistical test on counts."""

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict

TOLERATED = 1e-6
"""Relative rounding error of sums in Prometheus: if everything fails, bad may exceed total by this much."""

MOST_COUNT = 2.0**53
"""Maximum count: above it, a float does not distinguish n from n + 1, and products overflow."""
NOISE = 0.001
"""How far below 0, as a part of the total, failures may lie that were counted as a difference of two counters.

`increase()` extrapolates each counter by itself, which leaves parts of an event, and requests that are under way at an
end of the window are in one of them only. So less than one event, or of very many one in a thousand, is nothing; a
whole event below 0 among a hundred is no noise: then a query is wrong.
"""
LEAST_COUNT = 1e-9
"""Less than this is nothing: `increase()` extrapolates, but not a single event to a billionth of one."""
MOST_SUM = 1e100
"""A sum of larger size can't be squared and added up."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why numbers cannot be judged: the reason, and a sentence for people."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Proportion:
    """`bad` failures out of `total` requests. Increases of counters, so not always whole numbers.

    beyond: the excess of bad over total that `counted` removed.
    """

    bad: float
    total: float
    beyond: float = 0.0

    @property
    def rate(self) -> float:
        """Failure rate, 0 to 1. total must not be 0."""
        return min(1.0, self.bad / self.total)

    @property
    def observed(self) -> float | None:
        """Number of requests; None when it is not a valid count."""
        return self.total if 0 <= self.total <= MOST_COUNT else None

    @property
    def good(self) -> float:
        """Number of successes."""
        return max(0.0, self.total - self.bad)

    def problem(self) -> Unusable | None:
        """Why these counts cannot be used; None when they can."""
        if problem := _impossible({"bad": self.bad, "total": self.total}):
            return problem
        if self.bad > self.total * (1 + TOLERATED):
            return Unusable(
                Reason.NOT_A_NUMBER, f"bad ({self.bad:g}) is more than total ({self.total:g}); check both queries"
            )
        return nothing_counted() if self.total < LEAST_COUNT else None

    def plus(self, other: "Proportion") -> "Proportion":
        """The sum of both counts."""
        return Proportion(self.bad + other.bad, self.total + other.total)


def counted(bad: float, total: float) -> Proportion:
    """Counts as a source gives them, where what is counted as bad need not be a part of the total.

    Retries and attempts are counted once more than the request: more bad than all is all, also where the total leaves
    out what failed and nothing else happened. A difference of two counters may come out a little below 0: that is 0
    (NOISE). Anything else that cannot be stays as it is, for `problem`.

    >>> counted(180, 60), counted(-0.6, 60), counted(-6, 60)
    (Proportion(bad=60, total=60, beyond=120), Proportion(bad=0.0, total=60, beyond=0.0), Proportion(bad=-6, total=60, beyond=0.0))
    """  # noqa: E501 - what Python prints is one line
    if total < bad <= MOST_COUNT and total >= LEAST_COUNT:
        return Proportion(total, total, bad - total)
    if 0 <= total < LEAST_COUNT and 1 <= bad <= MOST_COUNT:
        return Proportion(bad, bad)
    if total > 0 and (-1 < bad < 0 or -NOISE * total <= bad < 0):
        return Proportion(0.0, total)
    return Proportion(bad, total)


@dataclass(frozen=True, slots=True)
class Mean:
    """A sum and its number of observations, as in `_sum` and `_count`. The sum may be negative."""

    sum: float
    count: float

    @property
    def observed(self) -> float | None:
        """Number of observations; None when it is not a valid count."""
        return self.count if 0 <= self.count <= MOST_COUNT else None

    @property
    def mean(self) -> float:
        """Sum by count; count must not be 0."""
        return self.sum / self.count

    def problem(self) -> Unusable | None:
        """Why these numbers cannot be used; None when they can."""
        if not math.isfinite(self.sum):
            return Unusable(
                Reason.NOT_A_NUMBER, "sum is not a finite number; add up with increase(), and do not divide"
            )
        if abs(self.sum) > MOST_SUM:
            return Unusable(
                Reason.NOT_A_NUMBER, f"sum is too large to calculate with ({self.sum:g}); use a larger unit"
            )
        if problem := _impossible({"count": self.count}):
            return problem
        return nothing_counted() if self.count < LEAST_COUNT else None

    def plus(self, other: "Mean") -> "Mean":
        """The sum of both."""
        return Mean(self.sum + other.sum, self.count + other.count)


@dataclass(frozen=True, slots=True)
class Groups:
    """Proportions by group of people."""

    by_name: Mapping[str, Proportion]


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict of a check, with its numbers; None for those that do not apply.

    value: the measured value. limit: the limit that it was compared with. interval: confidence interval of the value.
    p_value: of the hypothesis that nothing is wrong. n: observations of the candidate. detail: a sentence for people.
    """

    verdict: Verdict
    reason: Reason
    detail: str
    value: float | None = None
    limit: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    n: float | None = None


def no_data(problem: Unusable, n: float | None = None, arm: str = "") -> Result:
    """The result for unusable numbers. arm: the version whose numbers they are, for the sentence."""
    message = f"{arm}: {problem.message}" if arm else problem.message
    return Result(Verdict.NO_DATA, problem.reason, message, n=n)


def first_problem(
    candidate: Proportion | Mean, other: Proportion | Mean | None, other_name: str = "stable version"
) -> Result | None:
    """NO_DATA for the first version with unusable numbers; None when there is none."""
    if problem := candidate.problem():
        return no_data(problem, candidate.observed, arm="candidate")
    if other is not None and (problem := other.problem()):
        return no_data(problem, candidate.observed, arm=other_name)
    return None


def too_few(n: float, least: float, what: str = "observations") -> Unusable:
    """The problem of a sample that is too small. what: what was counted, in the plural.

    >>> too_few(1, 30).message, too_few(29.7, 30, "samples").message
    ('1 observation, at least 30 are needed', '29.7 samples, at least 30 are needed')
    """
    found = count_text(n) if round(n) < least else f"{math.floor(n * 10) / 10:,}"
    noun, _, rest = what.partition(" ")
    named = " ".join(filter(None, (noun.removesuffix("s") if n == 1 else noun, rest)))
    verb = "is" if least == 1 else "are"
    return Unusable(Reason.TOO_FEW_SAMPLES, f"{found} {named}, at least {count_text(least)} {verb} needed")


def nothing_counted() -> Unusable:
    """The problem of a version without traffic."""
    return Unusable(Reason.EMPTY_RESULT, "nothing was counted in the window; is there traffic?")


def count_text(n: float) -> str:
    """A count for people.

    >>> count_text(1204.0), count_text(12.34)
    ('1,204', '12')
    """
    return f"{n:,.0f}" if n >= 10 or n == int(n) else f"{n:.3g}"


def p_text(p_value: float, alpha: float | None = None) -> str:
    """A p-value for people; beside alpha with as many digits as tell the two apart.

    >>> p_text(0.0312), p_text(1e-9), p_text(0.0496, 0.05)
    ('p = 0.031', 'p < 0.0001', 'p = 0.0496')
    """
    if p_value < 1e-4:
        return "p < 0.0001"
    alike = alpha not in (None, p_value) and f"{p_value:.2g}" == f"{alpha:.2g}"
    return f"p = {p_value:.4g}" if alike else f"p = {p_value:.2g}"


def count_problem(name: str, value: float) -> Unusable | None:
    """Why a number is not a valid count; None when it is."""
    if not math.isfinite(value):
        return Unusable(Reason.NOT_A_NUMBER, f"{name} is not a finite number; count with increase(), and do not divide")
    if value < 0:
        return Unusable(Reason.NOT_A_NUMBER, f"{name} is negative ({value:g}); a counter never falls: use increase()")
    if value > MOST_COUNT:
        return Unusable(
            Reason.NOT_A_NUMBER, f"{name} is too large for a count ({value:g}); at most 2^53 can be counted exactly"
        )
    return None


def finite(values: Iterable[object]) -> list[float]:
    """Numbers that were remembered, as floats. Raises ValueError when one of them is no number or not finite."""
    found = list(values)
    if not all(isinstance(value, (int, float)) and abs(value) < sys.float_info.max for value in found):
        raise ValueError("not a finite number")
    return [float(value) for value in found if isinstance(value, (int, float))]


def can_add_up(*arms: "Proportion | Mean") -> bool:
    """Whether counts can be added to: they are possible, or nothing was counted yet."""
    problems = (arm.problem() for arm in arms)
    return all(problem is None or problem.reason is Reason.EMPTY_RESULT for problem in problems)


def _impossible(counts: Mapping[str, float]) -> Unusable | None:
    return next((problem for name, value in counts.items() if (problem := count_problem(name, value))), None)
