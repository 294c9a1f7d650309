"""Fairness: whether the model fails one group of people more often than another."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelramp.analysis.chances import chi_square_tail, holm
from modelramp.analysis.compare import rates_p_value
from modelramp.analysis.drift import chi_square
from modelramp.analysis.evidence import Groups, Problem, Proportion, Result, count_text, no_data, p_text
from modelramp.analysis.intervals import newcombe
from modelramp.analysis.wording import RATIO, shown
from modelramp.api.names import Reason
from modelramp.api.quantity import above
from modelramp.api.verdict import Verdict

MOST_GROUPS = 100
"""A label with more values than this names something else than groups of people."""
FOUR_FIFTHS = 0.8
"""The least share of the best group's rate: U.S. Uniform Guidelines on Employee Selection, 29 CFR 1607.4 D (1978)."""


@dataclass(frozen=True, slots=True)
class Fairness:
    """When groups count as treated differently.

    alpha: of the chi-square test over all groups. difference: of error rates, below which it does not matter (0: any).
    four_fifths: with a number, a breach needs a group that gets less than this share of the best group's success.
    min_samples: answers that a group needs to be looked at.
    """

    alpha: float = 0.05
    difference: float = 0.0
    four_fifths: float | None = None
    min_samples: float = 30


def fairness(groups: Groups, rule: Fairness | None = None) -> Result:
    """Whether error rates differ between groups: chi-square over all, and Holm's correction to say which.

    value: the largest difference of error rates, between the worst and the best group. p_value: of Pearson's
    chi-square for all groups alike. Groups too small for it are left out; with fewer than two left there is no verdict.
    """
    rule = rule or Fairness()
    if problem := _problem(groups):
        return no_data(problem)
    looked = {name: arm for name, arm in groups.by_name.items() if arm.total >= max(1.0, rule.min_samples)}
    n = sum(arm.total for arm in looked.values())
    if len(looked) < 2:
        few = f"{len(looked)} of {len(groups.by_name)} groups with at least {count_text(rule.min_samples)} answers"
        return no_data((Reason.TOO_FEW_SAMPLES, f"{few}; two are needed"), n)
    p_value = homogeneity(looked)
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
    detail = _sentence(looked, best, worst, success, p_value, rule.alpha)
    if left_out := len(groups.by_name) - len(looked):
        detail += f"; {left_out} left out with fewer than {count_text(rule.min_samples)} answers"
    interval = newcombe(looked[worst], looked[best], 1 - rule.alpha)
    return Result(verdict, reason, detail, difference, rule.difference, interval, p_value, n)


def homogeneity(groups: Mapping[str, Proportion]) -> float:
    """p-value of Pearson's chi-square for one error rate in all groups; Fisher's exact test for two small ones.

    1 when everything or nothing went wrong: the groups are alike then.
    """
    arms = list(groups.values())
    if len(arms) == 2:
        bad, total = arms[0].bad + arms[1].bad, arms[0].total + arms[1].total
        if min(arm.total for arm in arms) * min(bad, total - bad) / total < 5:
            return rates_p_value(arms[0], arms[1])
    failed, fine = [arm.bad for arm in arms], [arm.good for arm in arms]
    if not any(failed) or not any(fine):
        return 1.0
    statistic, freedom = chi_square(failed, fine)
    return chi_square_tail(statistic, freedom)


def worse_groups(groups: Mapping[str, Proportion], best: str, alpha: float) -> list[str]:
    """The groups with a higher error rate than the best one's, each test corrected for how many there are (Holm)."""
    others = [name for name in groups if name != best]
    corrected = holm([rates_p_value(groups[name], groups[best]) for name in others])
    return [name for name, p_value in zip(others, corrected, strict=True) if p_value < alpha]


def _problem(groups: Groups) -> Problem | None:
    if not groups.by_name:
        return Reason.EMPTY_RESULT, "no group was counted; has the metric the group's label?"
    if len(groups.by_name) > MOST_GROUPS:
        found = count_text(len(groups.by_name))
        return Reason.SEVERAL_SERIES, f"{found} groups, at most {MOST_GROUPS}: the label names no groups of people"
    for name, arm in groups.by_name.items():
        problem = arm.problem()
        if problem and problem[0] is not Reason.EMPTY_RESULT:
            return problem[0], f"group {name}: {problem[1]}"
    return None


def _sentence(
    groups: Mapping[str, Proportion], best: str, worst: str, success: float, p_value: float, alpha: float
) -> str:
    text = (
        f"errors {_rate(groups[worst])} in group {worst}, {_rate(groups[best])} in {best}; "
        f"success ratio {success:.2f} (four-fifths rule: {FOUR_FIFTHS:g}), {p_text(p_value)}"
    )
    if p_value >= alpha or len(groups) == 2:
        return text
    named = worse_groups(groups, best, alpha)
    return f"{text}; worse than {best}: {', '.join(named[:5]) or 'none by itself'}{' ...' if len(named) > 5 else ''}"


def _rate(group: Proportion) -> str:
    return f"{shown(group.rate, RATIO)} of {count_text(group.total)}"
