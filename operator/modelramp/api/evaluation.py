"""The offline evaluation of a new revision before its first traffic: spec.rollout.evaluation."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from modelramp.api.checks.counted import NotNegative
from modelramp.api.job_template import JobTemplate
from modelramp.api.quantity import Number, Seconds, between
from modelramp.api.rules import ApiModel, Rule, matches

RESULTS_KEY = "results.json"
"""Entry of the ConfigMap in which an evaluation may leave its results."""


class EvaluationState(StrEnum):
    """Where the evaluation of a candidate stands."""

    RUNNING = "Running"
    PASSED = "Passed"
    FAILED = "Failed"
    NO_DATA = "NoData"


class ResultsIn(StrEnum):
    """Where the Job leaves its results."""

    TERMINATION_MESSAGE = "TerminationMessage"
    CONFIG_MAP = "ConfigMap"


class EvaluationMetric(ApiModel):
    """A limit on one of the results."""

    name: Annotated[
        str,
        Field(min_length=1, max_length=63, description="Name of the metric in the results."),
        matches(
            "[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?",
            "must begin and end with a letter or digit; between them also - _ . and /",
        ),
    ]
    min: Annotated[Number | None, Field(description="Lowest allowed result.")] = None
    max: Annotated[Number | None, Field(description="Highest allowed result.")] = None
    max_decrease: Annotated[
        NotNegative | None,
        Field(description="How far the result may be below the recorded result of the stable version."),
    ] = None
    max_increase: Annotated[
        NotNegative | None,
        Field(description="How far the result may be above the recorded result of the stable version."),
    ] = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.min) || has(self.max) || has(self.maxDecrease) || has(self.maxIncrease)",
            "a metric needs min, max, maxDecrease or maxIncrease",
            lambda self: [self.min, self.max, self.max_decrease, self.max_increase].count(None) < 4,
            reads_numbers=True,
        ),
        Rule(
            "!has(self.min) || !has(self.max) || double(self.min) <= double(self.max)",
            "min of a metric must not be above its max",
            lambda self: self.min is None or self.max is None or self.min <= self.max,
            reads_numbers=True,
        ),
    )


class EvaluationSpec(ApiModel):
    """A Job that evaluates a new revision before it gets traffic, and the limits on its results."""

    template: JobTemplate
    timeout: Annotated[
        Seconds, between(5, 86_400), Field(description="Time limit for the Job, all attempts together.")
    ] = 1800
    backoff_limit: Annotated[int, Field(ge=0, le=20, description="Retries before the Job is marked failed.")] = 1
    results: Annotated[
        ResultsIn,
        Field(
            description="TerminationMessage: the first container writes them to /dev/termination-log (4 KiB). "
            f"ConfigMap: a pod makes the ConfigMap $MODELRAMP_RESULTS with the key {RESULTS_KEY}."
        ),
    ] = ResultsIn.TERMINATION_MESSAGE
    metrics: Annotated[
        tuple[EvaluationMetric, ...],
        Field(
            min_length=1,
            max_length=64,
            description="Limits on the results. Results without a limit are only recorded.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "",  # the list-map key says it to the API server
            "metrics[].name must be unique",
            lambda self: len({metric.name for metric in self.metrics}) == len(self.metrics),
            field=".metrics",
        ),
    )
