"""What the kinds of check count: the fields that several of them share."""

from typing import Annotated, Any

from pydantic import Field

from modelramp.api.quantity import Number, cel_number
from modelramp.api.rules import Rule

Probability = Annotated[
    Number,
    Rule(
        f"{cel_number('self')} > 0.0 && {cel_number('self')} < 1.0",
        'must lie between 0 and 1, both excluded, as in "0.05"',
        lambda value: 0 < value < 1,
    ),
]
NotNegative = Annotated[Number, Rule(f"{cel_number('self')} >= 0.0", "must not be negative", lambda value: value >= 0)]
Positive = Annotated[Number, Rule(f"{cel_number('self')} > 0.0", "must be above 0", lambda value: value > 0)]


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
    Field(description='How often chance alone may look like a breach; "0.05" if not set.'),
]


CEL_PAIRS = "has(self.bad) == has(self.total) && has(self.sum) == has(self.count)"


def pairs(measure: Any) -> bool:
    """CEL_PAIRS in Python: what is counted comes in pairs."""
    return (measure.bad is None) == (measure.total is None) and (measure.sum is None) == (measure.count is None)
