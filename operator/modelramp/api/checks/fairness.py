"""Check kind `fairness`: error rates of groups of people."""

from typing import Annotated, Any

from pydantic import Field

from modelramp.api.checks.counted import Alpha, NotNegative, Probability, query_field
from modelramp.api.checks.schema import CheckSchema
from modelramp.api.rules import ApiModel, Rule


class Fairness(ApiModel):
    """Whether one group of people is failed more often than another: chi-square over all groups.

    Groups with fewer than minSamples answers (30 if not set) are left out; with fewer than two left there is no data.
    """

    bad: Annotated[str, query_field("what went wrong in {{window}} by group, as in sum by (group) (increase(...))")]
    total: Annotated[str, query_field("all answers in {{window}} by group")]
    group_label: Annotated[str, Field(min_length=1, max_length=128, description="The label that names the group.")] = (
        "group"
    )
    alpha: Alpha = None
    max_difference: Annotated[
        NotNegative | None,
        Field(description="Difference of error rates, worst against best group, that is tolerated; 0 if not set."),
    ] = None
    min_success_ratio: Annotated[
        Probability | None,
        Field(
            description="If set, a breach also needs a worst group with less than this share of the best group's "
            "success: 0.8 is the four-fifths rule."
        ),
    ] = None


def _gap_within_reach(check: Any) -> bool:
    fairness = check.fairness
    return fairness is None or fairness.max_difference is None or bool(fairness.max_difference < 1)


SCHEMA = CheckSchema(
    "fairness",
    Annotated[Fairness | None, Field(description="Error rates of groups of people.")],
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
