"""Check kind `fairness`: error rates of groups of people."""

from typing import Annotated, Any

from pydantic import Field

from modelramp.api.checks.counted import Alpha, NotNegative, Probability, query_field
from modelramp.api.checks.schema import CheckSchema
from modelramp.api.rules import ApiModel, Rule


class Fairness(ApiModel):
    """Compares the failure rate of each group of people with that of all others.

    Breaches if the whole interval of one group is beyond a limit, with Holm's correction; without limits, by a
    chi-square test. Ignores groups with fewer than minSamples (defaults to 30) requests.
    """

    bad: Annotated[
        str, query_field("the number of failures in {{window}} by group, as in sum by (group) (increase(...))")
    ]
    total: Annotated[str, query_field("the number of requests in {{window}} by group")]
    group_label: Annotated[
        str, Field(min_length=1, max_length=128, description="Label of the series that names the group.")
    ] = "group"
    alpha: Alpha = None
    max_difference: Annotated[
        NotNegative | None,
        Field(description="Tolerated difference of error rates. Defaults to 0 if minSuccessRatio is not set either."),
    ] = None
    min_success_ratio: Annotated[
        Probability | None,
        Field(description="Least ratio of success rates, the smaller by the larger: 0.8 is the four-fifths rule."),
    ] = None


def _gap_within_reach(check: Any) -> bool:
    fairness = check.fairness
    return fairness is None or fairness.max_difference is None or bool(fairness.max_difference < 1)


SCHEMA = CheckSchema(
    "fairness",
    Annotated[Fairness | None, Field(description="Failure rates of groups of people, compared with each other.")],
    own_limit=True,
    takes=(),
    instead=("fairness.maxDifference",),
    rules=(
        Rule(
            "!has(self.fairness) || !has(self.fairness.maxDifference) || double(self.fairness.maxDifference) < 1.0",
            "must be below 1: no two error rates differ by more; write 5 percentage points as 0.05",
            _gap_within_reach,
            reads_numbers=True,
            field=".fairness.maxDifference",
        ),
    ),
)
