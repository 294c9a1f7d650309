"""Which kind a check is, and what that kind allows beside it."""

from collections.abc import Callable
from typing import Any

from modelramp.api.rules import Rule

KINDS = ("query", "preset", "ratio", "compare", "sequential", "drift", "fairness", "cost")
"""Fields of a check of which exactly one is set; it names the check's kind."""


_MOST_JENSEN_SHANNON = 0.8326
"""No Jensen-Shannon distance is above it: the root of ln 2, rounded up."""


def _set(check: Any) -> list[str]:
    return [kind for kind in KINDS if getattr(check, kind) is not None]


def _limited(check: Any) -> bool:
    own = [kind for kind in _set(check) if kind in ("preset", "compare", "sequential", "drift", "fairness")]
    budget = check.cost is not None and check.cost.budget is not None
    return bool(own) or budget or check.min is not None or check.max is not None


def _rate_between(check: Any) -> bool:
    if check.sequential is None or check.max is None:
        return True
    return check.sequential.bad is not None and 0 < check.max < 1


def _share(check: Any) -> bool:
    if check.ratio is None:
        return True
    given = [limit for limit in (check.min, check.max) if limit is not None]
    crossed = (check.max is not None and check.max < 1) or (check.min is not None and check.min > 0)
    return not given or (crossed and all(0 <= limit <= 1 for limit in given))


def _rise_within_reach(check: Any) -> bool:
    compare = check.compare
    return compare is None or None in (compare.bad, compare.max_increase) or bool(compare.max_increase < 1)


def _gap_within_reach(check: Any) -> bool:
    fairness = check.fairness
    return fairness is None or fairness.max_difference is None or bool(fairness.max_difference < 1)


def _distance_within_reach(check: Any) -> bool:
    drift = check.drift
    if drift is None or check.max is None:
        return True
    most = _MOST_JENSEN_SHANNON if drift.measure == "js" else 1
    bounded = drift.measure in ("ks", "chi-square", "js") or drift.bad is not None
    return not bounded or bool(check.max < most)


def _without(*kinds: str) -> Callable[[Any], bool]:
    return lambda check: not set(kinds) & set(_set(check))


KIND_RULES: tuple[Rule, ...] = (
    Rule(
        f"[{', '.join(f'has(self.{kind})' for kind in KINDS)}].exists_one(x, x)",
        "set exactly one of query, preset, ratio, compare, sequential, drift, fairness and cost",
        lambda self: len(_set(self)) == 1,
    ),
    Rule(
        "has(self.preset) || has(self.compare) || has(self.sequential) || has(self.drift) || has(self.fairness) || "
        "has(self.min) || has(self.max) || (has(self.cost) && has(self.cost.budget))",
        "set min, max or both: without a limit this check could never breach",
        lambda self: not _set(self) or _limited(self),
        reads_numbers=True,
    ),
    Rule(
        "(!has(self.compare) && !has(self.fairness)) || (!has(self.min) && !has(self.max))",
        "compare and fairness take no min or max; use compare.maxIncrease, compare.maxRelativeIncrease or "
        "fairness.maxDifference",
        lambda self: _without("compare", "fairness")(self) or (self.min is None and self.max is None),
        reads_numbers=True,
    ),
    Rule(
        "(!has(self.sequential) && !has(self.drift)) || !has(self.min)",
        "sequential and drift take no min; use max",
        lambda self: _without("sequential", "drift")(self) or self.min is None,
        reads_numbers=True,
    ),
    Rule(
        "!has(self.ratio) || (!has(self.min) && !has(self.max)) || ("
        "(!has(self.min) || (double(self.min) >= 0.0 && double(self.min) <= 1.0)) && "
        "(!has(self.max) || (double(self.max) >= 0.0 && double(self.max) <= 1.0)) && "
        "((has(self.max) && double(self.max) < 1.0) || (has(self.min) && double(self.min) > 0.0)))",
        "min and max of a ratio are shares from 0 to 1, and no share is below 0 or above 1; write 5 % as 0.05",
        _share,
        reads_numbers=True,
    ),
    Rule(
        "!has(self.compare) || !has(self.compare.bad) || !has(self.compare.maxIncrease) || "
        "double(self.compare.maxIncrease) < 1.0",
        "must be below 1 for bad and total: no rate can rise by more; write 5 percentage points as 0.05, and 5 % of "
        "the stable version's rate as maxRelativeIncrease: 0.05",
        _rise_within_reach,
        reads_numbers=True,
        field=".compare.maxIncrease",
    ),
    Rule(
        "!has(self.sequential) || !has(self.max) || "
        "(has(self.sequential.bad) && double(self.max) > 0.0 && double(self.max) < 1.0)",
        "max of a sequential check is a rate between 0 and 1, and needs bad and total",
        _rate_between,
        reads_numbers=True,
    ),
    Rule(
        "!has(self.drift) || !has(self.max) || ((!(self.drift.measure in ['ks', 'chi-square']) && "
        "!has(self.drift.bad)) || double(self.max) < 1.0) && (self.drift.measure != 'js' || "
        f"double(self.max) < {_MOST_JENSEN_SHANNON})",
        "must be below 1 for measure ks, chi-square and performance of bad and total, and below 0.8326 for js: none "
        "can be more; write 5 % as 0.05",
        _distance_within_reach,
        reads_numbers=True,
        field=".max",
    ),
    Rule(
        "!has(self.fairness) || !has(self.fairness.maxDifference) || double(self.fairness.maxDifference) < 1.0",
        "must be below 1: no two error rates differ by more; write 5 percentage points as 0.05",
        _gap_within_reach,
        reads_numbers=True,
        field=".fairness.maxDifference",
    ),
    Rule(
        "(has(self.query) || has(self.preset)) ? has(self.minSamples) == has(self.samples) : !has(self.samples)",
        "minSamples of a query or preset needs samples, the query that counts them, and samples needs minSamples; the "
        "other kinds count by themselves and take no samples",
        lambda self: (
            (self.min_samples is None) == (self.samples is None)
            if self.query is not None or self.preset is not None
            else self.samples is None
        ),
    ),
)
"""Rules of a check about its kind."""
