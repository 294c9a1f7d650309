"""What the kinds of check count: the fields that several of them share."""

from typing import Annotated, Any

from pydantic import Field

from modelramp.api.quantity import Number
from modelramp.api.rules import Rule

# The quoted forms, for which a schema has no bounds: of a mantissa below 10 only, where an exponent is written.
_EXPONENT = "[eE][-+]?[0-9]{1,2}"
_NOT_NEGATIVE = rf"[0-9]+(\.[0-9]+)?({_EXPONENT})?"
_POSITIVE = rf"(0*[1-9][0-9]*(\.[0-9]+)?|0+\.0*[1-9][0-9]*)({_EXPONENT})?"
_BETWEEN_0_AND_1 = r"0+\.0*[1-9][0-9]*|0*[1-9](\.[0-9]+)?[eE]-0?[1-9][0-9]?"
_ABOVE_0 = (("minimum", 0), ("exclusiveMinimum", True))
_BELOW_1 = (("maximum", 1), ("exclusiveMaximum", True))


def _quoted(form: str) -> tuple[str, str]:
    return "pattern", f"^({form})$"


Probability = Annotated[
    Number,
    Rule(
        "",
        "must lie between 0 and 1, both excluded, as in 0.05",
        lambda value: 0 < value < 1,
        keywords=(*_ABOVE_0, *_BELOW_1, _quoted(_BETWEEN_0_AND_1)),
    ),
]
NotNegative = Annotated[
    Number,
    Rule(
        "",
        "must not be negative",
        lambda value: value >= 0,
        keywords=(("minimum", 0), _quoted(_NOT_NEGATIVE)),
    ),
]
Positive = Annotated[
    Number,
    Rule(
        "",
        "must be above 0",
        lambda value: value > 0,
        keywords=(*_ABOVE_0, _quoted(_POSITIVE)),
    ),
]


def query_field(what: str) -> Any:
    """The field of a query that counts something."""
    return Field(min_length=1, max_length=4096, description=f"PromQL that counts {what}.")


Bad = Annotated[str, query_field("what went wrong in {{window}}; over increase(), not rate()")]
Total = Annotated[str, query_field("all that happened in {{window}}, right or wrong")]
Sum = Annotated[str, query_field("the sum of what is averaged, such as seconds, in {{window}}; larger is worse")]
Count = Annotated[str, query_field("how many were summed up in {{window}}")]
Buckets = Annotated[
    str,
    query_field(
        "a histogram, by its label le, as in sum by (le) (increase(x_bucket{...}[{{window}}])), or a native one, as in "
        "sum(increase(x{...}[{{window}}]))"
    ),
]
Alpha = Annotated[
    Probability | None,
    Field(description="How often chance alone may look like a breach; 0.05 if not set."),
]


CEL_PAIRS = "has(self.bad) == has(self.total) && has(self.sum) == has(self.count)"


def pairs(measure: Any) -> bool:
    """CEL_PAIRS in Python: what is counted comes in pairs."""
    return (measure.bad is None) == (measure.total is None) and (measure.sum is None) == (measure.count is None)
