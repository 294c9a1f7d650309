"""A rule that a schema cannot say well, once: as CEL for the API server and as a predicate for our own eyes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError, core_schema

from modelramp.api.errors import Problem

_PRESENCE = re.compile(r"has\([^()]*\)")
BROKEN_RULE: Final = "broken_rule"
"""Type of the errors that pydantic reports for a model's rule; `ctx` has the rule's field."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, of a model (in its RULES) or of one field (in the field's annotation, on the parsed value).

    cel: the expression that the API server evaluates with the object or value as `self`; empty when the schema
    already says it (a list-map's key is unique, for instance).
    message: what a person reads behind the field's path: what is wished, and the fix.
    holds: the same rule in Python; takes the parsed model or value.
    field: path of the field to blame, from the model on, such as ".steps"; empty means the model itself.
    reads_numbers: whether the expression mentions a field that is a Number. Those have no type in the schema, so a
    CustomResourceDefinition cannot evaluate the expression; the admission policy does (api.admission).
    keywords: what the schema of one field says instead of an expression.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool]
    field: str = ""
    reads_numbers: bool = False
    keywords: tuple[tuple[str, Any], ...] = ()

    def check(self, value: Any) -> Any:
        """The value itself. Raises ValueError with the rule's message when the rule does not hold."""
        if not self.holds(value):
            raise ValueError(self.message)
        return value

    @property
    def looks_at_presence_only(self) -> bool:
        """Whether the expression asks which fields are written, and nothing about their values."""
        return bool(self.cel) and "self." not in _PRESENCE.sub("", self.cel)

    def as_validation(self) -> dict[str, str]:
        """The rule as an entry of x-kubernetes-validations."""
        return {"rule": self.cel, "message": self.message} | ({"fieldPath": self.field} if self.field else {})

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, source: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler(source) | dict(self.keywords)
        if not self.cel:
            return schema
        validations = [*schema.get("x-kubernetes-validations", ()), self.as_validation()]
        return schema | {"x-kubernetes-validations": validations}


def matches(pattern: str, message: str) -> Rule:
    """The rule that a text matches a regular expression as a whole.

    A schema's own `pattern` would do, but the API server then shows people the expression instead of a sentence.
    """
    compiled = re.compile(pattern, re.ASCII)
    return Rule(f"self.matches(r'^(?:{pattern})$')", message, lambda text: compiled.fullmatch(text) is not None)


class ApiModel(BaseModel):
    """Base of all models of the resource: frozen, camelCase in YAML, unknown fields refused, RULES checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)
    RULES: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _follow_rules(self) -> Self:
        for rule in self.RULES:
            if not rule.holds(self):
                raise PydanticCustomError(BROKEN_RULE, rule.message, {"field": rule.field})
        return self


def problem_of(error: ErrorDetails, root: str = "spec") -> Problem:
    """An error of pydantic as a Problem; `root` is the path of what was parsed."""
    field = root
    for part in error["loc"]:
        field += f"[{part}]" if isinstance(part, int) else f".{part}"
    return Problem(field + error.get("ctx", {}).get("field", ""), error["msg"].removeprefix("Value error, "))


def problems_of(error: ValidationError, root: str = "spec") -> tuple[Problem, ...]:
    """All errors of pydantic as Problems. A list that is too short only for its refused entries is not one more."""
    found = error.errors()
    owners = {item["loc"][:length] for item in found for length in range(len(item["loc"]))}
    return tuple(problem_of(item, root) for item in found if item["type"] != "too_short" or item["loc"] not in owners)
