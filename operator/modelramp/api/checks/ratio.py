"""Check kind `ratio`: a rate of two counters, judged by its interval."""

from typing import Annotated, Any

from pydantic import Field

from modelramp.api.checks.counted import Bad, Probability, Total
from modelramp.api.checks.schema import CheckSchema
from modelramp.api.rules import ApiModel, Rule


class Ratio(ApiModel):
    """Failure rate from two counters. Breaches only if its whole Wilson interval is beyond min or max."""

    bad: Bad
    total: Total
    confidence: Annotated[
        Probability | None, Field(description="Confidence level of the two-sided interval. Defaults to 0.95.")
    ] = None


def _share(check: Any) -> bool:
    if check.ratio is None:
        return True
    given = [limit for limit in (check.min, check.max) if limit is not None]
    crossed = (check.max is not None and check.max < 1) or (check.min is not None and check.min > 0)
    return not given or (crossed and all(0 <= limit <= 1 for limit in given))


SCHEMA = CheckSchema(
    "ratio",
    Annotated[Ratio | None, Field(description="Failure rate from two counters, judged by its confidence interval.")],
    rules=(
        Rule(
            "!has(self.ratio) || (!has(self.min) && !has(self.max)) || ("
            "(!has(self.min) || (double(self.min) >= 0.0 && double(self.min) <= 1.0)) && "
            "(!has(self.max) || (double(self.max) >= 0.0 && double(self.max) <= 1.0)) && "
            "((has(self.max) && double(self.max) < 1.0) || (has(self.min) && double(self.min) > 0.0)))",
            "min and max of a ratio are shares from 0 to 1, and no share is below 0 or above 1; write 5 % as 0.05",
            _share,
            reads_numbers=True,
        ),
    ),
)
