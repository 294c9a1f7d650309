"""What lint says about the Jobs that modelramp starts: their templates, and what an evaluation's metrics leave open."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from modelramp.api.evaluation import EvaluationSpec
from modelramp.api.pod_schema import Schema, pod_template_schema
from modelramp.api.structural import problems
from modelramp.cli.output import Advice, Level

EVALUATION = "spec.rollout.evaluation"


def of_evaluation(evaluation: EvaluationSpec | None) -> Iterator[Advice]:
    """Everything about spec.rollout.evaluation."""
    if evaluation is None:
        return
    yield from of_job_template(evaluation.template, f"{EVALUATION}.template")
    for index, metric in enumerate(evaluation.metrics):
        if metric.min is None and metric.max is None:
            message = (
                f"{metric.name} is only compared with the stable version's recorded result: while there is none, every "
                "result passes; add min or max"
            )
            yield Advice(Level.WARNING, f"{EVALUATION}.metrics[{index}]", message)


def of_job_template(template: Mapping[str, Any], path: str) -> Iterator[Advice]:
    """What the API server would refuse when the Job is made: the definition of the resource does not know all of it."""
    for problem in problems(_schema(), dict(template), path):
        message = f"{problem.message}; the API server would refuse the Job"
        yield Advice(Level.ERROR, problem.field, message)


@cache
def _schema() -> Schema:
    schema = deepcopy(pod_template_schema())
    schema["properties"]["spec"]["properties"]["restartPolicy"]["enum"] = ["Never", "OnFailure"]
    return schema
