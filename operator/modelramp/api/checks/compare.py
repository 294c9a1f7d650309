"""Check kind `compare`: the candidate against the stable version, tick by tick."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from modelramp.api.checks.counted import (
    CEL_PAIRS,
    Alpha,
    Bad,
    Buckets,
    Count,
    NotNegative,
    Probability,
    Sum,
    Total,
    pairs,
)
from modelramp.api.checks.schema import CheckSchema
from modelramp.api.rules import ApiModel, Rule


class Compare(ApiModel):
    """Compares the candidate with the stable version in the same window.

    Each query runs twice: with {{revision}} and {{service}} of the candidate, and with those of the stable version.
    """

    bad: Bad | None = None
    total: Total | None = None
    sum: Sum | None = None
    count: Count | None = None
    buckets: Buckets | None = None
    quantile: Annotated[Probability | None, Field(description="Quantile of buckets to compare. Defaults to 0.95.")] = (
        None
    )
    max_increase: Annotated[
        NotNegative | None,
        Field(description="Tolerated increase over the stable version, in the unit of the measure. Defaults to 0."),
    ] = None
    max_relative_increase: Annotated[
        NotNegative | None,
        Field(
            description="Tolerated increase as a fraction of the stable version's value: 0.1 is 10 %. If both "
            "are set, the larger one applies."
        ),
    ] = None
    alpha: Alpha = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"{CEL_PAIRS} && [has(self.bad), has(self.sum), has(self.buckets)].exists_one(x, x)",
            "compare needs bad and total, or sum and count, or buckets",
            lambda self: pairs(self) and [self.bad, self.sum, self.buckets].count(None) == 2,
        ),
        Rule(
            "!has(self.quantile) || has(self.buckets)",
            "quantile needs buckets",
            lambda self: self.quantile is None or self.buckets is not None,
            reads_numbers=True,
        ),
    )


def _rise_within_reach(check: Any) -> bool:
    compare = check.compare
    return compare is None or None in (compare.bad, compare.max_increase) or bool(compare.max_increase < 1)


SCHEMA = CheckSchema(
    "compare",
    Annotated[
        Compare | None, Field(description="Rates, means or quantiles, compared with those of the stable version.")
    ],
    own_limit=True,
    takes=(),
    instead=("compare.maxIncrease", "compare.maxRelativeIncrease"),
    rules=(
        Rule(
            "!has(self.compare) || !has(self.compare.bad) || !has(self.compare.maxIncrease) || "
            "double(self.compare.maxIncrease) < 1.0",
            "must be below 1 for bad and total: no rate can rise by more; write 5 percentage points as 0.05, and 5 % "
            "of the stable version's rate as maxRelativeIncrease: 0.05",
            _rise_within_reach,
            reads_numbers=True,
            field=".compare.maxIncrease",
        ),
    ),
)
