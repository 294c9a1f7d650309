"""Check kind `sequential`: evidence that adds up from tick to tick."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from modelramp.api.checks.counted import CEL_PAIRS, Bad, Count, Positive, Probability, Sum, Total, pairs
from modelramp.api.checks.schema import CheckSchema
from modelramp.api.rules import ApiModel, Rule


class Detect(StrEnum):
    """What a sequential check looks for, and which promise it keeps in doing so."""

    DIFFERENCE = "difference"
    CHANGE = "change"


class Sequential(ApiModel):
    """Evidence that adds up from tick to tick, and may be looked at every time.

    Without the check's max the candidate is compared with the stable version; with max (a rate between 0 and 1) its
    rate is held against that limit. A new weight or a new revision begins anew.
    """

    bad: Bad | None = None
    total: Total | None = None
    sum: Sum | None = None
    count: Count | None = None
    detect: Annotated[
        Detect,
        Field(
            description="difference: all evidence since the step began, wrong with chance alpha over all looks "
            "together. change: found as soon after healthy hours as before, with a false alarm at most every 1/alpha "
            "looks on average; for the watch after promotion, and for limits."
        ),
    ] = Detect.DIFFERENCE
    alpha: Annotated[
        Probability | None,
        Field(
            description="How often chance alone may look like a breach. With difference in all, 0.05 if not set; "
            "with change a look, 0.01 against max and 0.00002 against the stable version if not set."
        ),
    ] = None
    effect: Annotated[
        Positive | None,
        Field(
            description="The difference to expect when something is wrong: of rates absolute, 0.02 if not set; "
            "of means in standard deviations of one observation, 0.1 if not set. A wrong guess costs only time."
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
    Annotated[Sequential | None, Field(description="Rates or means, with evidence that adds up from tick to tick.")],
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
