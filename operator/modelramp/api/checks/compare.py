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
    """The candidate against the stable version that serves at the same time.

    Each query is asked twice: with {{revision}} and {{service}} of the candidate, and with those of the stable version.
    """

    bad: Bad | None = None
    total: Total | None = None
    sum: Sum | None = None
    count: Count | None = None
    buckets: Buckets | None = None
    quantile: Annotated[
        Probability | None, Field(description="Which quantile of buckets is compared; 0.95 if not set.")
    ] = None
    max_increase: Annotated[
        NotNegative | None,
        Field(
            description="How much more than the stable version is tolerated, in the measure's own unit; 0 if not set."
        ),
    ] = None
    max_relative_increase: Annotated[
        NotNegative | None,
        Field(description="As a share of the stable version's value, 0.1 is 10 %. The larger of the two counts."),
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
    Annotated[Compare | None, Field(description="Rates, means or quantiles against those of the stable version.")],
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
