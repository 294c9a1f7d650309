"""Check kind `cost`: the cost of one answer, and a budget for the rollout."""

from typing import Annotated, ClassVar

from pydantic import Field

from modelramp.api.checks.counted import NotNegative, Positive, query_field
from modelramp.api.checks.schema import CheckSchema
from modelramp.api.rules import ApiModel, Rule

MOST_PRICES = 16


class Cost(ApiModel):
    """Cost of one request, conversation or token, compared with min and max; and a budget for the rollout."""

    sum: Annotated[str | None, query_field("the money spent in {{window}}")] = None
    usage: Annotated[
        dict[str, Annotated[str, Field(min_length=1, max_length=4096)]] | None,
        Field(
            max_length=MOST_PRICES,
            description="Alternative to sum: PromQL for the usage in {{window}}, by unit of billing such as "
            "promptTokens.",
        ),
    ] = None
    prices: Annotated[
        dict[str, NotNegative] | None,
        Field(max_length=MOST_PRICES, description="Price of one unit of each kind of usage: {promptTokens: 0.000003}."),
    ] = None
    count: Annotated[str, query_field("the number of requests, conversations or tokens in {{window}}")]
    budget: Annotated[
        Positive | None,
        Field(description="Maximum total cost of the candidate from its first tick to its promotion."),
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
    Annotated[Cost | None, Field(description="Cost of one request, and a budget for the rollout.")],
    own_limit="budget",
    accumulates="budget",
)
