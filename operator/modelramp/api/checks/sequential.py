"""Check kind `sequential`: evidence that adds up from tick to tick."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from modelramp.api.checks.counted import CEL_PAIRS, Bad, Count, Positive, Probability, Sum, Total, pairs
from modelramp.api.checks.schema import CheckSchema
from modelramp.api.rules import ApiModel, Rule


class Detect(StrEnum):
    """What a sequential check looks for, and the error that it bounds."""

    DIFFERENCE = "difference"
    CHANGE = "change"


class Sequential(ApiModel):
    """Accumulates evidence from tick to tick, and may be evaluated at every tick.

    Without max, compares the candidate with the stable version. With max, a rate between 0 and 1, compares the
    candidate's rate with that limit. The evidence is reset when the weight or the revision changes.
    """

    bad: Bad | None = None
    total: Total | None = None
    sum: Sum | None = None
    count: Count | None = None
    detect: Annotated[
        Detect,
        Field(
            description="difference: uses all evidence since the step began; the probability of a false alarm is "
            "alpha over all ticks together. change: detects a change as fast after hours of healthy traffic as at the "
            "start, with on average at least 1/alpha ticks between false alarms; use it after promotion, and with max."
        ),
    ] = Detect.DIFFERENCE
    alpha: Annotated[
        Probability | None,
        Field(
            description="Probability of a false alarm: over all ticks with difference (defaults to 0.05), at each "
            "tick with change (defaults to 0.01 with max, else to 0.00002)."
        ),
    ] = None
    effect: Annotated[
        Positive | None,
        Field(
            description="Expected difference of a bad version: absolute for rates (defaults to 0.02), in standard "
            "deviations of one observation for means (defaults to 0.1). A wrong value delays detection; it does not "
            "cause false alarms."
        ),
    ] = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"{CEL_PAIRS} && has(self.bad) != has(self.sum)",
            "sequential needs bad and total, or sum and count",
            lambda self: pairs(self) and (self.bad is None) != (self.sum is None),
        ),
        Rule(
            "self.detect != 'change' || !has(self.sum)",
            "detect: change needs bad and total; how often a mean jumps by chance depends on tails that sum and count "
            "do not show",
            lambda self: self.detect is not Detect.CHANGE or self.sum is None,
        ),
        Rule(
            "self.detect != 'change' || !has(self.effect)",
            "detect: change takes no effect, it looks for small and large ones at once; leave it out",
            lambda self: self.detect is not Detect.CHANGE or self.effect is None,
            reads_numbers=True,
        ),
    )


def _rate_between(check: Any) -> bool:
    if check.sequential is None or check.max is None:
        return True
    return check.sequential.bad is not None and 0 < check.max < 1


SCHEMA = CheckSchema(
    "sequential",
    Annotated[
        Sequential | None, Field(description="Rates or means, with evidence that accumulates from tick to tick.")
    ],
    own_limit=True,
    takes=("max",),
    accumulates=True,
    rules=(
        Rule(
            "!has(self.sequential) || !has(self.max) || "
            "(has(self.sequential.bad) && double(self.max) > 0.0 && double(self.max) < 1.0)",
            "max of a sequential check is a rate between 0 and 1, and needs bad and total",
            _rate_between,
            reads_numbers=True,
        ),
    ),
)
