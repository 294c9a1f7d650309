"""Kinds of check beside a query with a limit: what is counted, and what it is held against."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from modelramp.api.counted import (
    CEL_PAIRS,
    Alpha,
    Bad,
    Buckets,
    Count,
    NotNegative,
    Positive,
    Probability,
    Sum,
    Total,
    pairs,
    query_field,
)
from modelramp.api.quantity import Number
from modelramp.api.rules import ApiModel, Rule

MOST_EDGES = 256
MOST_PRICES = 16


class Ratio(ApiModel):
    """What went wrong out of all, with its Wilson interval: a breach needs the whole interval beyond min or max."""

    bad: Bad
    total: Total
    confidence: Annotated[
        Probability | None, Field(description="Confidence of the two-sided interval; 0.95 if not set.")
    ] = None


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


class DriftMeasure(StrEnum):
    """How two distributions, or two measures of quality, are held against each other."""

    PSI = "psi"
    KOLMOGOROV_SMIRNOV = "ks"
    JENSEN_SHANNON = "js"
    CHI_SQUARE = "chi-square"
    MEAN_SHIFT = "mean-shift"
    PERFORMANCE = "performance"


class Reference(ApiModel):
    """What the candidate is held against instead of the stable version: numbers written here, or a query."""

    query: Buckets | None = None
    buckets: Annotated[
        dict[str, NotNegative] | None,
        Field(
            max_length=MOST_EDGES,
            description='Cumulative counts by upper edge, as Prometheus has them: {"0.5": 10, "+Inf": 12}.',
        ),
    ] = None
    bad: Annotated[NotNegative | None, Field(description="What went wrong, of total; for measure performance.")] = None
    total: Annotated[NotNegative | None, Field(description="All that happened; for measure performance.")] = None
    sum: Annotated[Number | None, Field(description="Sum of what is averaged; for measure performance.")] = None
    count: Annotated[NotNegative | None, Field(description="How many were summed up.")] = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"{CEL_PAIRS} && [has(self.query), has(self.buckets), has(self.bad), has(self.sum)].exists_one(x, x)",
            "reference needs one of query, buckets, bad and total, or sum and count",
            lambda self: pairs(self) and [self.query, self.buckets, self.bad, self.sum].count(None) == 3,
            reads_numbers=True,
        ),
    )


def _same_kind(drift: "Drift") -> bool:
    reference = drift.reference
    if reference is None:
        return True
    of_buckets = reference.query is not None or reference.buckets is not None
    return (
        of_buckets == (drift.buckets is not None)
        and (reference.bad is not None) == (drift.bad is not None)
        and (reference.sum is not None) == (drift.sum is not None)
    )


class Drift(ApiModel):
    """Whether a distribution (inputs, outputs, scores), or a measure of quality, is still what it was.

    A breach needs a distance above max and a p-value at or below alpha. Held against the stable version's numbers of
    the same window, or against reference.
    """

    measure: Annotated[
        DriftMeasure,
        Field(
            description="psi, ks (Kolmogorov-Smirnov), js (Jensen-Shannon distance), chi-square (Cramer's V), "
            "mean-shift (in standard deviations), or performance (share of the baseline)."
        ),
    ] = DriftMeasure.PSI
    buckets: Buckets | None = None
    bad: Bad | None = None
    total: Total | None = None
    sum: Sum | None = None
    count: Count | None = None
    reference: Annotated[Reference | None, Field(description="Held against instead of the stable version.")] = None
    alpha: Annotated[
        Probability | None,
        Field(description="How often chance alone may look like drift; 0.01 if not set, 0.05 for performance."),
    ] = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"{CEL_PAIRS} && [has(self.bad), has(self.sum), has(self.buckets)].exists_one(x, x) && "
            "has(self.buckets) == (self.measure != 'performance')",
            "drift needs buckets; with measure performance it needs bad and total, or sum and count",
            lambda self: (
                pairs(self)
                and [self.bad, self.sum, self.buckets].count(None) == 2
                and (self.buckets is not None) == (self.measure is not DriftMeasure.PERFORMANCE)
            ),
        ),
        Rule(
            "!has(self.reference) || ((has(self.reference.query) || has(self.reference.buckets)) == has(self.buckets) "
            "&& has(self.reference.bad) == has(self.bad) && has(self.reference.sum) == has(self.sum))",
            "reference must hold what the check measures: buckets or a query for buckets, bad and total for bad and "
            "total, sum and count for sum and count",
            _same_kind,
            reads_numbers=True,
        ),
    )


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
