"""Differences of failure rates between groups of people."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelramp.analysis.evidence import (
    LEAST_COUNT,
    MOST_COUNT,
    TOLERATED,
    Groups,
    Proportion,
    Result,
    Unusable,
    count_text,
    no_data,
    p_text,
)
from modelramp.analysis.stats.compare import APPROXIMATE_FROM, FISHER_BELOW, least_excess, rates_p_value, rates_test
from modelramp.analysis.stats.distributions import binomial_ends, chi_square_tail
from modelramp.analysis.stats.intervals import newcombe, normal_tail
from modelramp.analysis.wording import RATIO, apart, points, shown
from modelramp.api.names import Reason
from modelramp.api.quantity import above
from modelramp.api.verdict import Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MOST_GROUPS = 100
"""Maximum number of groups; a label with more values does not name groups of people."""
FOUR_FIFTHS = 0.8
"""The least share of the best group's rate: U.S. Uniform Guidelines on Employee Selection, 29 CFR 1607.4 D (1978)."""
_WILSON_FROM = 0.01
"""One-sided significance below which exact intervals take the place of Wilson's."""
_ODDEST = 5
"""Groups with an exact test or interval. Those that differ most suffice: leaving others out can only hide a breach."""


@dataclass(frozen=True, slots=True)
class FairnessRule:
    """When groups count as treated differently.

    alpha: of all groups and limits together. difference: tolerated between the error rates of a group and of all
    others. four_fifths: least ratio of their success rates. Each that is set breaches by itself; without both, any
    difference does. min_samples: answers that a group needs to be looked at.
    """

    alpha: float = 0.05
    difference: float | None = None
    four_fifths: float | None = None
    min_samples: float = 30

    @property
    def limits(self) -> tuple[tuple[float, float], ...]:
        """Pairs (factor, shift): too far apart is better - factor * worse - shift > 0, of success rates."""
        found = [] if self.difference is None else [(1.0, self.difference)]
        return tuple(found if self.four_fifths is None else [*found, (1 / self.four_fifths, 0.0)])


@dataclass(frozen=True, slots=True)
class _Table:
    """The groups that are looked at, and all others of each, as arrays.

    all: of all groups together. exact: p-values of groups that were tested exactly, which takes its time.
    """

    names: list[str]
    bad: "Array"
    total: "Array"
    rest_bad: "Array"
    rest_total: "Array"
    all: Proportion
    exact: dict[int, float] = field(default_factory=dict)

    def pair(self, place: int) -> tuple[Proportion, Proportion]:
        """The counts of one group and of all others."""
        own = Proportion(float(self.bad[place]), float(self.total[place]))
        return own, Proportion(float(self.rest_bad[place]), float(self.rest_total[place]))

    @property
    def hypotheses(self) -> int:
        """How many comparisons there are: of two groups, one."""
        return 1 if len(self.names) == 2 else len(self.names)


def fairness(groups: Groups, rule: FairnessRule | None = None) -> Result:
    """Whether error rates differ between groups of people.

    Each group is compared with all others together. With limits a breach needs the whole interval of one comparison
    beyond one of them, with Holm's correction for how many groups there are and half of alpha for each of two limits.
    Without limits it needs a small p-value of one rate in all groups (homogeneity). Groups too small for it are left
    out; with fewer than two left there is no verdict. value: the difference of error rates between the group that
    stands out most and all others. p_value: of that comparison, without limits of all groups alike.
    """
    rule = rule or FairnessRule()
    found = _table(groups, max(1.0, rule.min_samples))
    if isinstance(found, Unusable):
        return no_data(found)
    if len(found.names) < 2:
        few = f"{len(found.names)} of {len(groups.by_name)} groups with at least {count_text(rule.min_samples)} answers"
        return no_data(Unusable(Reason.TOO_FEW_SAMPLES, f"{few}; two are needed"), found.all.total)
    z = _pooled_z(found)
    beyond = [place for pair in rule.limits for place in _beyond(found, *pair, rule.alpha / len(rule.limits))]
    named = beyond[0] if beyond else int(abs(z).argmax())
    own, rest = found.pair(named)
    worse, better = (own, rest) if own.rate >= rest.rate else (rest, own)
    p_value, test = _said_by(found, z, named, rule)
    unfair = bool(beyond) if rule.limits else p_value < rule.alpha
    difference, success = worse.rate - better.rate, worse.good / worse.total / (better.good / better.total or 1.0)
    success = success if better.good else 1.0
    detail = f"{_errors(found, named)}{_wished(rule, success)}, {p_text(p_value, rule.alpha)} ({test})"
    if not unfair:
        detail += _doubt(rule, difference, success, worse.rate)
    elif len(found.names) > 2:
        detail += _those(found, z, beyond, rule)
    if left_out := len(groups.by_name) - len(found.names):
        detail += f"; {left_out} left out with fewer than {count_text(rule.min_samples)} answers"
    verdict, reason = (Verdict.BREACH, Reason.ABOVE_MAXIMUM) if unfair else (Verdict.HEALTHY, Reason.WITHIN_LIMIT)
    interval = newcombe(worse, better, 1 - rule.alpha)
    return Result(verdict, reason, detail, difference, rule.difference or 0.0, interval, p_value, found.all.total)


def homogeneity(groups: Mapping[str, Proportion]) -> tuple[float, str]:
    """p-value and test for one error rate in all groups: Pearson's chi-square, exact tests where that is too rough.

    Of two groups Fisher's test, where an expected count is below 5. Of more each group against all others, corrected
    for how many there are (Bonferroni), where one is below 1 or more than a fifth are below 5 (Cochran 1954): beside a
    large group, many small ones would else be called different up to three times as often as alpha says.
    1 when everything or nothing went wrong: the groups are alike then.
    """
    table = _table(Groups(groups), 0.0)
    assert isinstance(table, _Table)  # noqa: S101 - groups without problems
    return _homogeneity(table, _pooled_z(table))


def worse_groups(groups: Mapping[str, Proportion], alpha: float) -> list[str]:
    """The groups with a higher error rate than all others together, each corrected for how many there are (Holm)."""
    table = _table(Groups(groups), 0.0)
    assert isinstance(table, _Table)  # noqa: S101 - groups without problems
    return _worse(table, _pooled_z(table), alpha, MOST_GROUPS)


def _table(groups: Groups, least: float) -> _Table | Unusable:
    """The groups with enough answers, or why they cannot be judged."""
    import numpy as np

    if not groups.by_name:
        return Unusable(Reason.EMPTY_RESULT, "no group was counted; has the metric the group's label?")
    if len(groups.by_name) > MOST_GROUPS:
        found = count_text(len(groups.by_name))
        sentence = f"{found} groups, at most {MOST_GROUPS}: the label names no groups of people"
        return Unusable(Reason.SEVERAL_SERIES, sentence)
    arms = groups.by_name.values()
    bad, total = np.array([arm.bad for arm in arms], dtype=float), np.array([arm.total for arm in arms], dtype=float)
    with np.errstate(invalid="ignore", over="ignore"):
        possible = (bad >= 0) & (total >= LEAST_COUNT) & (total <= MOST_COUNT) & (bad <= total * (1 + TOLERATED))
    if not possible.all():
        for name, arm in groups.by_name.items():
            problem = arm.problem()
            if problem and problem.reason is not Reason.EMPTY_RESULT:
                return Unusable(problem.reason, f"group {name}: {problem.message}")
    looked = total >= max(least, LEAST_COUNT)
    bad, total = np.minimum(bad, total)[looked], total[looked]
    names = [name for name, here in zip(groups.by_name, looked.tolist(), strict=True) if here]
    together = Proportion(math.fsum(bad.tolist()), math.fsum(total.tolist()))
    return _Table(names, bad, total, _rest(bad), _rest(total), together)


def _rest(counts: "Array") -> "Array":
    """For each group the sum of all others: from both ends, as that of a very large group is lost in a difference."""
    import numpy as np

    before, after = np.zeros_like(counts), np.zeros_like(counts)
    before[1:] = np.cumsum(counts[:-1])
    after[:-1] = np.cumsum(counts[:0:-1])[::-1]
    return before + after


def _pooled_z(table: _Table) -> "Array":
    """The two-proportion z statistic of each group against all others; 0 when all or nothing went wrong."""
    import numpy as np

    pooled = table.all.rate if table.all.total else 0.0
    if table.all.bad <= 0 or table.all.good <= 0 or len(table.names) < 2:
        return np.zeros_like(table.bad)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / table.total + 1 / table.rest_total))
    return np.asarray((table.bad / table.total - table.rest_bad / table.rest_total) / spread)


def _homogeneity(table: _Table, z: "Array") -> tuple[float, str]:
    both, groups = table.all, len(table.names)
    if groups < 2 or both.bad <= 0 or both.good <= 0:
        return 1.0, "chi-square"
    smaller, larger = sorted((both.bad / both.total, both.good / both.total))
    sparse = int((table.total * smaller < FISHER_BELOW).sum() + (table.total * larger < FISHER_BELOW).sum())
    if groups == 2 and sparse:
        return rates_p_value(*table.pair(0)), rates_test(*table.pair(0))
    if float(table.total.min()) * smaller < 1 or sparse > 2 * groups / 5:
        least = 1.0
        for place in abs(z).argsort()[::-1][:_ODDEST].tolist():
            least = min(least, _p_value(table, z, place, least))
        return min(1.0, groups * least), "exact tests by group"
    # Pearson's statistic: the squares of z, each weighed by the share of the others.
    statistic = float((z * z * (table.rest_total / both.total)).sum())
    return chi_square_tail(statistic, groups - 1), "chi-square"


def _worse(table: _Table, z: "Array", alpha: float, most: int) -> list[str]:
    """Holm's procedure, from the group that stands out most on; it ends with the first one that may be chance."""
    found: list[int] = []
    for step, place in enumerate(abs(z).argsort(kind="stable")[::-1].tolist()):
        if _p_value(table, z, place, alpha) * (len(table.names) - step) >= alpha or len(found) > most:
            break
        if z[place] > 0:
            found.append(place)
    return [table.names[place] for place in sorted(found)]


def _p_value(table: _Table, z: "Array", place: int, below: float) -> float:
    """Of a group against all others; 1 where it is so plainly not `below` that the exact test is spared."""
    plain = normal_tail(float(z[place]))
    if plain > 4 * below:  # a two-sided exact p-value is hardly ever below half of the normal one
        return 1.0
    smaller = min(float(table.total[place]), float(table.rest_total[place])) / table.all.total
    if smaller * min(table.all.bad, table.all.good) >= FISHER_BELOW:
        return plain
    if place not in table.exact:
        table.exact[place] = rates_p_value(*table.pair(place))
    return table.exact[place]


def _beyond(table: _Table, factor: float, shift: float, alpha: float) -> list[int]:
    """The groups that are surely beyond a limit, those furthest beyond it first.

    Holm's procedure on the intervals of better - factor * worse - shift, in success rates and on both sides: the
    group that stands out most at alpha over the number of groups, the next one at alpha over one less.
    """
    import numpy as np

    good, rest_good = table.total - table.bad, table.rest_total - table.rest_bad
    favoured = good * table.rest_total > rest_good * table.total
    n1, n2 = np.where(favoured, table.total, table.rest_total), np.where(favoured, table.rest_total, table.total)
    good1, good2 = np.where(favoured, good, rest_good), np.where(favoured, rest_good, good)
    excess = good1 / n1 - factor * (good2 / n2) - shift
    variance = sum(
        f * f * (x + 1) * (n - x + 1) / ((n + 2) ** 2 * n) for f, x, n in ((1, good1, n1), (factor, good2, n2))
    )
    found: list[int] = []
    order = (-excess / np.sqrt(variance)).argsort()[: min(_ODDEST, table.hypotheses)]
    for step, place in enumerate(order.tolist()):
        first, second = ((good1, n1), (good2, n2))
        if excess[place] <= 0:
            break
        better = Proportion(float(first[0][place]), float(first[1][place]))
        worse = Proportion(float(second[0][place]), float(second[1][place]))
        if _least(better, worse, factor, shift, alpha / (2 * (table.hypotheses - step))) <= 0:
            break
        found.append(place)
    return found


def _least(first: Proportion, second: Proportion, factor: float, shift: float, tail: float) -> float:
    """The lower end of the interval of first - factor * second - shift at a one-sided significance.

    As in compare (least_excess), but with exact intervals where the tail is smaller than _WILSON_FROM: there Wilson's
    are too narrow.
    """
    both = first.plus(second)
    few = min(first.total, second.total) / both.total * min(both.bad, both.good) < APPROXIMATE_FROM
    if few or tail >= _WILSON_FROM:
        return least_excess(first, second, factor, shift, 2 * tail)
    low, high = binomial_ends(first, second, tail)
    return first.rate - factor * second.rate - shift - math.hypot(first.rate - low, factor * (high - second.rate))


def _said_by(table: _Table, z: "Array", named: int, rule: FairnessRule) -> tuple[float, str]:
    """The p-value of the sentence and its test: of the named group where there are limits, else of all groups."""
    if not rule.limits or len(table.names) == 2:
        return _homogeneity(table, z)
    pair = table.pair(named)
    return min(1.0, len(table.names) * rates_p_value(*pair)), f"{rates_test(*pair)}, Holm"


def _errors(table: _Table, named: int) -> str:
    """The two rates that are compared, the named group first; of two groups the worse one."""
    if len(table.names) > 2:
        own, rest = table.pair(named)
        return f"errors {_rate(own)} in group {table.names[named]}, {_rate(rest)} in all others"
    named = 0 if table.pair(0)[0].rate > table.pair(1)[0].rate else 1
    own, rest = table.pair(named)
    return f"errors {_rate(own)} in group {table.names[named]}, {_rate(rest)} in {table.names[1 - named]}"


def _wished(rule: FairnessRule, success: float) -> str:
    """The success ratio and the tolerance, as text."""
    tolerated = f"; {points(rule.difference)} tolerated" if rule.difference else ""
    least = rule.four_fifths
    ratio = apart(success, FOUR_FIFTHS if least is None else least)
    bound = f"four-fifths rule: {FOUR_FIFTHS:g}" if least is None else f"at least {shown(least)} wished"
    return f"{tolerated}; success ratio {ratio} ({bound})"


def _doubt(rule: FairnessRule, difference: float, success: float, scale: float) -> str:
    """What a healthy verdict says of numbers beyond a limit."""
    far = rule.difference is not None and above(difference, rule.difference, scale)
    low = rule.four_fifths is not None and above(rule.four_fifths, success, scale=1.0)
    if far or low:
        return ": the interval reaches the limit, not evidence enough"
    return ": may be chance" if not rule.limits and above(difference, 0.0, scale) else ""


def _those(table: _Table, z: "Array", beyond: list[int], rule: FairnessRule) -> str:
    """Which groups a breach is about."""
    if rule.limits:
        others = list(dict.fromkeys(table.names[place] for place in beyond[1:] if place != beyond[0]))
        return f"; beyond the limit too: {', '.join(others)}" if others else ""
    named = _worse(table, z, rule.alpha, _ODDEST)
    return f"; worse than the rest: {', '.join(named[:_ODDEST]) or 'none by itself'}{' ...' if named[_ODDEST:] else ''}"


def _rate(group: Proportion) -> str:
    return f"{shown(group.rate, RATIO)} of {count_text(group.total)}"
