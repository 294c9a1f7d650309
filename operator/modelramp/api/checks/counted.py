"""Fields that several check kinds share: the queries of counters, and numbers with bounds."""

from typing import Annotated, Any

from pydantic import Field

from modelramp.api.quantity import Number
from modelramp.api.rules import Rule

# A schema has no bounds for quoted numbers, so patterns check them; with an exponent, only for a mantissa below 10.
_EXPONENT = "[eE][-+]?[0-9]{1,2}"
_NOT_NEGATIVE = rf"[0-9]+(\.[0-9]+)?({_EXPONENT})?"
_POSITIVE = rf"(0*[1-9][0-9]*(\.[0-9]+)?|0+\.0*[1-9][0-9]*)({_EXPONENT})?"
_BETWEEN_0_AND_1 = r"0+\.0*[1-9][0-9]*|0*[1-9](\.[0-9]+)?[eE]-0?[1-9][0-9]?"
_AT_LEAST_1 = r"0*[1-9][0-9]*(\.[0-9]+)?"
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


AtLeastOne = Annotated[
    Number,
    Rule(
        "",
        "must be 1 or more",
        lambda value: value >= 1,
        keywords=(("minimum", 1), _quoted(_AT_LEAST_1)),
    ),
]


def query_field(what: str) -> Any:
    """The schema field of a PromQL query for `what`."""
    return Field(min_length=1, max_length=4096, description=f"PromQL for {what}.")


Bad = Annotated[str, query_field("the failures in {{window}}; use increase()")]
Total = Annotated[str, query_field("all events in {{window}}")]
Sum = Annotated[str, query_field("the sum of the observations in {{window}}; larger is worse")]
Count = Annotated[str, query_field("the number of observations in that sum")]
Buckets = Annotated[
    str,
    query_field("a histogram of {{window}}, native or classic: sum by (le) (increase(x_bucket{...}[{{window}}]))"),
]
Alpha = Annotated[
    Probability | None,
    Field(description="Probability of a false alarm, 0 to 1. Defaults to 0.05."),
]


CEL_PAIRS = "has(self.bad) == has(self.total) && has(self.sum) == has(self.count)"


def pairs(measure: Any) -> bool:
    """CEL_PAIRS in Python: bad needs total, and sum needs count."""
    return (measure.bad is None) == (measure.total is None) and (measure.sum is None) == (measure.count is None)
