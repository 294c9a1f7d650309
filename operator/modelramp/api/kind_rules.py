"""Which kind a check is, and what that kind allows beside it."""

from collections.abc import Callable
from typing import Any

from modelramp.api.quantity import cel_number
from modelramp.api.rules import Rule

KINDS = ("query", "preset", "ratio", "compare", "sequential", "drift", "fairness", "cost")
"""Fields of a check of which exactly one is set; it names the check's kind."""


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
    ),
    Rule(
        "(!has(self.compare) && !has(self.fairness)) || (!has(self.min) && !has(self.max))",
        "compare and fairness take no min or max; use compare.maxIncrease, compare.maxRelativeIncrease or "
        "fairness.maxDifference",
        lambda self: _without("compare", "fairness")(self) or (self.min is None and self.max is None),
    ),
    Rule(
        "(!has(self.sequential) && !has(self.drift)) || !has(self.min)",
        "sequential and drift take no min; use max",
        lambda self: _without("sequential", "drift")(self) or self.min is None,
    ),
    Rule(
        f"!has(self.sequential) || !has(self.max) || (has(self.sequential.bad) && {cel_number('self.max')} > 0.0 && "
        f"{cel_number('self.max')} < 1.0)",
        "max of a sequential check is a rate between 0 and 1, and needs bad and total",
        _rate_between,
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
