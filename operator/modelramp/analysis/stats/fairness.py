"""Differences of failure rates between groups of people."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from modelramp.analysis.evidence import Groups, Proportion, Result, Unusable, count_text, no_data, p_text
from modelramp.analysis.stats.compare import FISHER_BELOW, pooled_z, rates_p_value, rates_test
from modelramp.analysis.stats.distributions import chi_square_tail, holm
from modelramp.analysis.stats.drift import chi_square
from modelramp.analysis.stats.intervals import newcombe, normal_tail
from modelramp.analysis.wording import RATIO, apart, points, shown
from modelramp.api.names import Reason
from modelramp.api.quantity import above
from modelramp.api.verdict import Verdict

NOTHING = Proportion(0.0, 0.0)
MOST_GROUPS = 100
"""Maximum number of groups; a label with more values does not name groups of people."""
FOUR_FIFTHS = 0.8
"""The least share of the best group's rate: U.S. Uniform Guidelines on Employee Selection, 29 CFR 1607.4 D (1978)."""


@dataclass(frozen=True, slots=True)
class FairnessRule:
    """When groups count as treated differently.

    alpha: of the chi-square test over all groups. difference: of error rates, below which it does not matter (0: any).
    four_fifths: with a number, a breach needs a group that gets less than this share of the best group's success.
    min_samples: answers that a group needs to be looked at.
    """

    alpha: float = 0.05
    difference: float = 0.0
    four_fifths: float | None = None
    min_samples: float = 30


def fairness(groups: Groups, rule: FairnessRule | None = None) -> Result:
    """Whether error rates differ between groups: chi-square over all, and Holm's correction to say which.

    value: the largest difference of error rates, between the worst and the best group. p_value: for all groups alike
    (see homogeneity). Groups too small for it are left out; with fewer than two left there is no verdict.
    """
    rule = rule or FairnessRule()
    if problem := _problem(groups):
        return no_data(problem)
    looked = {name: arm for name, arm in groups.by_name.items() if arm.total >= max(1.0, rule.min_samples)}
    n = sum(arm.total for arm in looked.values())
    if len(looked) < 2:
        few = f"{len(looked)} of {len(groups.by_name)} groups with at least {count_text(rule.min_samples)} answers"
        return no_data(Unusable(Reason.TOO_FEW_SAMPLES, f"{few}; two are needed"), n)
    p_value, test = homogeneity(looked)
    best = min(looked, key=lambda g: looked[g].rate)
    worst = max((name for name in looked if name != best), key=lambda g: looked[g].rate)
    difference = looked[worst].rate - looked[best].rate
    success = (1 - looked[worst].rate) / (1 - looked[best].rate) if looked[best].good else 1.0
    unfair = (
        p_value < rule.alpha
        and above(difference, rule.difference, looked[worst].rate)
        and (rule.four_fifths is None or above(rule.four_fifths, success, scale=1.0))
    )
    verdict, reason = (Verdict.BREACH, Reason.ABOVE_MAXIMUM) if unfair else (Verdict.HEALTHY, Reason.WITHIN_LIMIT)
    errors = f"errors {_rate(looked[worst])} in group {worst}, {_rate(looked[best])} in {best}"
    detail = f"{errors}{_wished(rule, success)}, {p_text(p_value, rule.alpha)} ({test})"
    if p_value >= rule.alpha and above(difference, rule.difference, looked[worst].rate):
        detail += ": may be chance"
    if p_value < rule.alpha and len(looked) > 2:
        detail += _those_worse(looked, rule.alpha)
    if left_out := len(groups.by_name) - len(looked):
        detail += f"; {left_out} left out with fewer than {count_text(rule.min_samples)} answers"
    interval = newcombe(looked[worst], looked[best], 1 - rule.alpha)
    return Result(verdict, reason, detail, difference, rule.difference, interval, p_value, n)


def homogeneity(groups: Mapping[str, Proportion]) -> tuple[float, str]:
    """p-value and test for one error rate in all groups: Pearson's chi-square, exact tests where that is too rough.

    Of two groups Fisher's test, where an expected count is below 5. Of more each group against all others, corrected
    for how many there are (Bonferroni), where one is below 1 or more than a fifth are below 5 (Cochran 1954): beside a
    large group, many small ones would else be called different up to three times as often as alpha says.
    1 when everything or nothing went wrong: the groups are alike then.
    """
    arms = list(groups.values())
    both = _together(arms)
    if both.bad <= 0 or both.good <= 0:
        return 1.0, "chi-square"
    expected = [arm.total * side / both.total for arm in arms for side in (both.bad, both.good)]
    sparse = sum(1 for count in expected if count < FISHER_BELOW)
    if len(arms) == 2 and sparse:
        return rates_p_value(arms[0], arms[1]), rates_test(arms[0], arms[1])
    if min(expected) < 1 or sparse > len(expected) / 5:
        # Those that differ most suffice: leaving the others out can only raise the smallest p-value.
        oddest = sorted(_against_the_rest(arms), key=lambda pair: -abs(pooled_z(*pair)))[:5]
        least = 1.0
        for pair in oddest:
            least = min(least, _p_value(pair, least))
        return min(1.0, len(arms) * least), "exact tests by group"
    statistic, freedom = chi_square([arm.bad for arm in arms], [arm.good for arm in arms])
    return chi_square_tail(statistic, freedom), "chi-square"


def worse_groups(groups: Mapping[str, Proportion], alpha: float) -> list[str]:
    """The groups with a higher error rate than all others together, each corrected for how many there are (Holm)."""
    pairs = _against_the_rest(list(groups.values()))
    corrected = holm([_p_value(pair, alpha) for pair in pairs])
    found = zip(groups, pairs, corrected, strict=True)
    return [name for name, (arm, rest), p_value in found if p_value < alpha and arm.rate > rest.rate]


def _p_value(pair: tuple[Proportion, Proportion], below: float) -> float:
    """Of two rates; 1 where it is so plainly not `below` that the exact test, which takes its time, is spared."""
    plain = 4 * below  # a two-sided exact p-value is hardly ever below half of the normal one
    return 1.0 if normal_tail(pooled_z(*pair)) > plain else rates_p_value(*pair)


def _together(arms: Sequence[Proportion]) -> Proportion:
    return Proportion(math.fsum(arm.bad for arm in arms), math.fsum(arm.total for arm in arms))


def _against_the_rest(arms: Sequence[Proportion]) -> list[tuple[Proportion, Proportion]]:
    # Added up from both ends: the rest of a very large group is lost when that is taken away from all.
    before = list(accumulate(arms, Proportion.plus, initial=NOTHING))
    after = list(accumulate(reversed(arms), Proportion.plus, initial=NOTHING))[::-1]
    return [(arm, before[place].plus(after[place + 1])) for place, arm in enumerate(arms)]


def _problem(groups: Groups) -> Unusable | None:
    if not groups.by_name:
        return Unusable(Reason.EMPTY_RESULT, "no group was counted; has the metric the group's label?")
    if len(groups.by_name) > MOST_GROUPS:
        found = count_text(len(groups.by_name))
        return Unusable(
            Reason.SEVERAL_SERIES, f"{found} groups, at most {MOST_GROUPS}: the label names no groups of people"
        )
    for name, arm in groups.by_name.items():
        problem = arm.problem()
        if problem and problem.reason is not Reason.EMPTY_RESULT:
            return Unusable(problem.reason, f"group {name}: {problem.message}")
    return None


def _wished(rule: FairnessRule, success: float) -> str:
    """The success ratio and the tolerance, as text."""
    tolerated = f"; {points(rule.difference)} tolerated" if rule.difference else ""
    least = rule.four_fifths
    ratio = apart(success, FOUR_FIFTHS if least is None else least)
    bound = f"four-fifths rule: {FOUR_FIFTHS:g}" if least is None else f"at least {shown(least)} wished"
    return f"{tolerated}; success ratio {ratio} ({bound})"


def _those_worse(groups: Mapping[str, Proportion], alpha: float) -> str:
    named = worse_groups(groups, alpha)
    return f"; worse than the rest: {', '.join(named[:5]) or 'none by itself'}{' ...' if len(named) > 5 else ''}"


def _rate(group: Proportion) -> str:
    return f"{shown(group.rate, RATIO)} of {count_text(group.total)}"
