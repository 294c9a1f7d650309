"""Lint of evaluations: missing limits, and dangling names in the pod."""

from collections.abc import Iterator

from modelramp.api.advice import Advice, Level
from modelramp.api.evaluation import EvaluationSpec
from modelramp.cli.lint.pods import of_references
from modelramp.cli.lint.refused_pods import of_refused

EVALUATION = "spec.rollout.evaluation"


def of_evaluation(evaluation: EvaluationSpec | None) -> Iterator[Advice]:
    """Everything about spec.rollout.evaluation."""
    if evaluation is None:
        return
    for index, metric in enumerate(evaluation.metrics):
        if metric.min is None and metric.max is None:
            message = (
                f"{metric.name} is only compared with the stable version's recorded result: while there is none, every "
                "result passes; add min or max"
            )
            yield Advice(Level.WARNING, f"{EVALUATION}.metrics[{index}]", message)
    yield from of_references(evaluation.template.get("spec", {}), f"{EVALUATION}.template.spec")
    yield from of_refused(evaluation.template.get("spec", {}), f"{EVALUATION}.template.spec")
