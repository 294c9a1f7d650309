"""Numbers and durations as people write them in YAML: 0.01, and for durations "5m"."""

import math
import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from modelramp.api.rules import Rule
from modelramp.api.times import DURATION, format_duration, parse_duration

# Six digits and two for the exponent keep every text that matches within what the API server can compute with.
NUMBER = r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?"
LONGEST = 720 * 3600
"""No duration may be longer, seconds (30 days)."""
AMOUNT_MAPS = frozenset({"limits", "requests", "overhead"})
"""Fields of a pod template that hold quantities by the name of the resource."""
AMOUNT_FIELDS = frozenset({"sizeLimit", "divisor"})
"""Fields of a pod template that hold one quantity."""
_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse_number(text: str) -> float:
    """The finite number in a decimal text such as "0.01" or "1e-3".

    Raises ValueError when the text is not a finite decimal.
    """
    if re.fullmatch(NUMBER, text) is None or not math.isfinite(float(text)):
        raise ValueError(f"{text!r} is not a decimal number; write it as in 5, 0.01 or 1e-3")
    return float(text)


def parse_quantity(text: str) -> Decimal:
    """The number in a Kubernetes quantity such as 500m, 1.5Gi or 1e3.

    Raises ValueError when the text is none.
    >>> parse_quantity("500m"), parse_quantity("1.5Gi")
    (Decimal('0.500'), Decimal('1610612736.0'))
    """
    try:
        if text[-2:] in _BINARY:
            return Decimal(text[:-2]) * Decimal(2) ** _BINARY[text[-2:]]
        if text[-1:] in _SUFFIXES:
            return Decimal(text[:-1]).scaleb(_SUFFIXES[text[-1]])
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a quantity") from None


def number_in(text: str | None) -> float | None:
    """The number in a text of a status, which may be infinite or NaN; None when there is none."""
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def format_number(value: float, digits: int = 4) -> str:
    """A number as a person would write it: to so many significant digits, but whole before the point; no trailing ".0".

    >>> format_number(0.031), format_number(12345.67), format_number(0.0000033), format_number(2.0)
    ('0.031', '12346', '0.0000033', '2')
    """
    if abs(value) < 1e15 and (value == int(value) or abs(value) >= 10 ** (digits - 1)):
        return f"{value:.0f}"
    text = f"{value:.{digits}g}"
    return f"{Decimal(text):f}" if "e-" in text and abs(value) >= 1e-12 else text


def _duration(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not true or false")  # noqa: TRY004 - pydantic wants ValueError
    return parse_number(value) if isinstance(value, str) else value


def as_text(value: Any) -> Any:
    """A number as the text that a person would write for it; anything else as it is.

    >>> as_text(0.01), as_text(30), as_text(1.0), as_text("a")
    ('0.01', '30', '1', 'a')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def cel_duration(field: str) -> str:
    """CEL for a field's duration; 0s when the text is none, so that only the field's own rule speaks then."""
    return f"({field}.matches('^{DURATION}$') && {field} != '' ? duration({field}) : duration('0s'))"


def cel_seconds(field: str) -> str:
    """CEL for a field's duration in whole seconds; 0 when the text is none."""
    return f"{cel_duration(field)}.getSeconds()"


def between(low: int, high: int = LONGEST) -> Rule:
    """The rule that a text is a duration from `low` to `high` seconds."""
    return Rule(
        f"self.matches('^{DURATION}$') && self != '' && "
        f"duration(self) >= duration('{low}s') && duration(self) <= duration('{high}s')",
        f"must be a duration from {format_duration(low)} to {format_duration(high)}, written as in 90s, 5m or 1h30m",
        lambda seconds: low <= seconds <= high,
    )


def number_or_text(longest: int, text: str | None = None) -> dict[str, Any]:
    """The schema of a field that holds a number or a text.

    A structural schema has no type for that, so the field has none, and what is neither is shut out keyword by keyword.
    A bound such as `minimum` holds for numbers only, and an expression of the CustomResourceDefinition can't name it.

    longest: characters that the text may have. text: regular expression that the whole text matches.
    """
    return {
        "x-kubernetes-preserve-unknown-fields": True,
        **({"pattern": f"^({text})$"} if text else {}),
        "maxLength": longest,
        "not": {"enum": [True, False]},
        "minProperties": 1,
        "maxProperties": 0,
        "minItems": 1,
        "maxItems": 0,
    }


Seconds = Annotated[
    int,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "maxLength": 16}),
]
"""Whole seconds; "5m" in YAML. Annotate it with `between(low, high)`."""

Duration = Annotated[Seconds, between(0)]
"""Whole seconds from 0 to 30 days; "5m" in YAML."""

Number = Annotated[
    float,
    BeforeValidator(_number),
    Field(allow_inf_nan=False),
    PlainSerializer(repr, return_type=str),
    WithJsonSchema(number_or_text(32, NUMBER)),
]
"""A finite decimal: 0.01 in YAML. In quotes ("0.01") it is deprecated: earlier releases took nothing else."""


ROUNDING = 1e-12
"""Relative size of what floating point may add to a sum or a difference."""


def above(value: float, limit: float, scale: float) -> bool:
    """Whether a reckoned value lies above its limit by more than rounding: a value equal to a limit keeps it.

    scale: size of the numbers that the value was reckoned from; a difference of theirs is rounded like them.
    >>> 0.4 - 0.3 > 0.1, above(0.4 - 0.3, 0.1, scale=0.4), above(0.11, 0.1, scale=0.4)
    (True, False, True)
    """
    return value - limit > ROUNDING * max(abs(value), abs(limit), scale)
