"""The rules of a check that follow from its kind, made from the registry."""

from collections.abc import Iterable
from typing import Any

from modelramp.api.checks import SCHEMAS
from modelramp.api.checks.schema import CheckSchema, cel, holds
from modelramp.api.rules import Rule


def kinds_of(check: Any) -> list[CheckSchema]:
    """The kinds that are set in a check: one, once it is validated."""
    return [schema for field, schema in SCHEMAS.items() if getattr(check, field) is not None]


def kind_rules() -> tuple[Rule, ...]:
    """Exactly one kind, with the limits that it takes; then each kind's own rules."""
    own = tuple(rule for schema in SCHEMAS.values() for rule in schema.rules)
    return (_exactly_one(), _limited(), _without("min", "max"), _without("min"), *own, _samples())


def accumulates_cel(check: str) -> str:
    """Whether a check adds up evidence from tick to tick, as CEL; `check`: the expression that is the check."""
    conditions = [cel(each, each.accumulates, check) for each in SCHEMAS.values() if each.accumulates]
    return " || ".join(conditions)


def _exactly_one() -> Rule:
    return Rule(
        f"[{', '.join(f'has(self.{kind})' for kind in SCHEMAS)}].exists_one(x, x)",
        f"set exactly one of {_listed(SCHEMAS)}",
        lambda self: len(kinds_of(self)) == 1,
    )


def _limited() -> Rule:
    always = [cel(each, True) for each in SCHEMAS.values() if each.own_limit is True]
    sometimes = [cel(each, each.own_limit) for each in SCHEMAS.values() if isinstance(each.own_limit, str)]
    return Rule(
        " || ".join([*always, "has(self.min)", "has(self.max)", *sometimes]),
        "set min, max or both: without a limit this check could never breach",
        lambda self: (
            self.min is not None
            or self.max is not None
            or all(holds(each.own_limit, getattr(self, each.field)) for each in kinds_of(self)[:1])
        ),
        reads_numbers=True,
    )


def _without(*limits: str) -> Rule:
    """Kinds that take none of these limits, and all others."""
    concerned = [each for each in SCHEMAS.values() if {"min", "max"} - set(each.takes) == set(limits)]
    fields = [each.field for each in concerned]
    instead = [field for each in concerned for field in each.instead] or [
        limit for limit in ("min", "max") if limit not in limits
    ]
    other = " && ".join(f"!has(self.{field})" for field in fields)
    unset = " && ".join(f"!has(self.{limit})" for limit in limits)
    return Rule(
        f"({other}) || {unset}" if len(limits) == 1 else f"({other}) || ({unset})",
        f"{_listed(fields)} take no {' or '.join(limits)}; use {_listed(instead, 'or')}",
        lambda self: all(
            getattr(self, limit) is None
            for each in kinds_of(self)
            if {"min", "max"} - set(each.takes) == set(limits)
            for limit in limits
        ),
        reads_numbers=True,
    )


def _samples() -> Rule:
    needed = [each.field for each in SCHEMAS.values() if each.needs_samples]
    return Rule(
        f"({' || '.join(f'has(self.{field})' for field in needed)}) ? has(self.minSamples) == has(self.samples) : "
        "!has(self.samples)",
        f"minSamples of a {_listed(needed, 'or')} needs samples, the query that counts them, and samples needs "
        "minSamples; the other kinds count by themselves and take no samples",
        lambda self: (
            (self.min_samples is None) == (self.samples is None)
            if any(each.needs_samples for each in kinds_of(self))
            else self.samples is None
        ),
    )


def _listed(words: Iterable[str], last: str = "and") -> str:
    """The words as a list in a sentence."""
    *first, end = words
    return f"{', '.join(first)} {last} {end}" if first else end
