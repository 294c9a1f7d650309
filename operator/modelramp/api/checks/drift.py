"""Check kind `drift`: a distribution, or a measure of quality, against what it was."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from modelramp.api.checks.counted import (
    CEL_PAIRS,
    AtLeastOne,
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
from modelramp.api.quantity import Number
from modelramp.api.rules import ApiModel, Rule

MOST_EDGES = 256
_MOST_JENSEN_SHANNON = 0.8326
"""No Jensen-Shannon distance is above it: the root of ln 2, rounded up."""


class DriftMeasure(StrEnum):
    """How two distributions, or two measures of quality, are compared."""

    PSI = "psi"
    KOLMOGOROV_SMIRNOV = "ks"
    JENSEN_SHANNON = "js"
    CHI_SQUARE = "chi-square"
    MEAN_SHIFT = "mean-shift"
    PERFORMANCE = "performance"


class Reference(ApiModel):
    """Baseline for the candidate instead of the stable version: numbers, or a query."""

    query: Buckets | None = None
    buckets: Annotated[
        dict[str, NotNegative] | None,
        Field(
            max_length=MOST_EDGES,
            description='Cumulative counts by upper bound, as in Prometheus: {"0.5": 10, "+Inf": 12}.',
        ),
    ] = None
    bad: Annotated[NotNegative | None, Field(description="Failures out of total, for measure performance.")] = None
    total: Annotated[NotNegative | None, Field(description="All events, for measure performance.")] = None
    sum: Annotated[Number | None, Field(description="Sum of the observations, for measure performance.")] = None
    count: Annotated[NotNegative | None, Field(description="Number of observations in sum.")] = None

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
    """Detects drift of a distribution (inputs, outputs, scores) or of a measure of quality.

    Breaches if the distance is above max and the p-value at most alpha; performance of bad and total, if its whole
    interval is beyond max. The baseline is the stable version in the
    same window, or reference.
    """

    measure: Annotated[
        DriftMeasure,
        Field(
            description="psi, ks (Kolmogorov-Smirnov), js (Jensen-Shannon distance), chi-square (Cramer's V), "
            "mean-shift (in standard deviations), or performance (relative to the baseline)."
        ),
    ] = DriftMeasure.PSI
    buckets: Buckets | None = None
    bad: Bad | None = None
    total: Total | None = None
    sum: Sum | None = None
    count: Count | None = None
    reference: Annotated[Reference | None, Field(description="Baseline to use instead of the stable version.")] = None
    alpha: Annotated[
        Probability | None,
        Field(description="Probability of a false alarm. Defaults to 0.01, and to 0.05 for performance."),
    ] = None
    cluster_size: Annotated[
        AtLeastOne | None,
        Field(
            description="Number of nearly equal observations in a cluster, such as the inputs of one user. A cluster "
            "counts as one observation. Defaults to 1: all are independent."
        ),
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


def _distance_within_reach(check: Any) -> bool:
    drift = check.drift
    if drift is None or check.max is None:
        return True
    most = _MOST_JENSEN_SHANNON if drift.measure == "js" else 1
    bounded = drift.measure in ("ks", "chi-square", "js") or drift.bad is not None
    return not bounded or bool(check.max < most)


SCHEMA = CheckSchema(
    "drift",
    Annotated[Drift | None, Field(description="Distribution or quality, compared with a baseline.")],
    own_limit=True,
    takes=("max",),
    starts_drift_hooks=True,
    rules=(
        Rule(
            "!has(self.drift) || !has(self.max) || ((!(self.drift.measure in ['ks', 'chi-square']) && "
            "!has(self.drift.bad)) || double(self.max) < 1.0) && (self.drift.measure != 'js' || "
            f"double(self.max) < {_MOST_JENSEN_SHANNON})",
            "must be below 1 for measure ks, chi-square and performance of bad and total, and below 0.8326 for js: "
            "none can be more; write 5 % as 0.05",
            _distance_within_reach,
            reads_numbers=True,
            field=".max",
        ),
    ),
)
