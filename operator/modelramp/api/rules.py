"""A rule that a schema cannot say, once: as CEL for the API server and as a predicate for `modelramp lint`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a model.

    cel: the expression that the API server evaluates with the object as `self`.
    message: what a person reads; names the field and the fix.
    holds: the same rule in Python; takes the parsed model.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool]


class ApiModel(BaseModel):
    """Base of all models of the resource: frozen, camelCase in YAML, unknown fields refused, RULES checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)
    RULES: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _follow_rules(self) -> Self:
        for rule in self.RULES:
            if not rule.holds(self):
                raise ValueError(rule.message)
        return self
