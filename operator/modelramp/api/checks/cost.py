"""Check kind `cost`: the cost of one answer, and a budget for the rollout."""

from typing import Annotated, ClassVar

from pydantic import Field

from modelramp.api.checks.counted import NotNegative, Positive, query_field
from modelramp.api.checks.schema import CheckSchema
from modelramp.api.rules import ApiModel, Rule

MOST_PRICES = 16


class Cost(ApiModel):
    """What one request, conversation or token costs, against min and max; and a budget for the whole rollout."""

    sum: Annotated[str | None, query_field("the money spent in {{window}}")] = None
    usage: Annotated[
        dict[str, Annotated[str, Field(min_length=1, max_length=4096)]] | None,
        Field(
            max_length=MOST_PRICES,
            description="Instead of sum: PromQL by kind of what is paid for, such as promptTokens, in {{window}}.",
        ),
    ] = None
    prices: Annotated[
        dict[str, NotNegative] | None,
        Field(max_length=MOST_PRICES, description="Price of one of each kind of usage: {promptTokens: 0.000003}."),
    ] = None
    count: Annotated[str, query_field("the requests, conversations or tokens that it bought in {{window}}")]
    budget: Annotated[
        Positive | None,
        Field(description="Most that the candidate may cost from its first tick to promotion; above it is a breach."),
    ] = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.sum) != has(self.usage) && has(self.usage) == has(self.prices)",
            "cost needs sum, or usage and prices",
            lambda self: (self.sum is None) != (self.usage is None) and (self.usage is None) == (self.prices is None),
            reads_numbers=True,
        ),
    )


SCHEMA = CheckSchema(
    "cost",
    Annotated[Cost | None, Field(description="Cost of one answer, and a budget.")],
    own_limit="budget",
    accumulates="budget",
)
