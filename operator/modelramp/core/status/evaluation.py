"""An evaluation as it stands in the status, and back."""

from modelramp.api.quantity import format_number, number_in
from modelramp.api.status import EvaluationStatus, MetricStatus
from modelramp.api.times import to_seconds, to_text
from modelramp.api.verdict import Verdict
from modelramp.core.gates.evaluation_results import Evaluation, MetricOutcome

_MESSAGE_LIMIT = 1024
_METRIC_LIMIT = 256


def evaluation_status(evaluation: Evaluation | None) -> EvaluationStatus | None:
    """The status of an evaluation. Results keep every digit: they are judged again after a restart."""
    if evaluation is None:
        return None
    return EvaluationStatus(
        state=evaluation.state,
        since=to_text(evaluation.since),
        ended=to_text(evaluation.ended) if evaluation.ended else None,
        attempt=evaluation.attempt,
        template=evaluation.template,
        job=evaluation.job,
        message=evaluation.message[:_MESSAGE_LIMIT],
        results={name: repr(value) for name, value in evaluation.results},
        metrics=tuple(_metric_status(metric) for metric in evaluation.metrics),
    )


def evaluation_of(status: EvaluationStatus | None) -> Evaluation | None:
    """The evaluation that a status carries; results that are no numbers are left out, so they count as missing.

    Raises ValueError when one of its times cannot be read.
    """
    if status is None:
        return None
    return Evaluation(
        attempt=status.attempt,
        template=status.template,
        since=to_seconds(status.since),
        state=status.state,
        ended=to_seconds(status.ended) if status.ended else 0,
        job=status.job,
        message=status.message,
        results=tuple(
            sorted((name, value) for name, text in status.results.items() if (value := number_in(text)) is not None)
        ),
        metrics=tuple(
            MetricOutcome(
                metric.name,
                Verdict(metric.verdict),
                metric.message,
                number_in(metric.value),
                metric.limit,
            )
            for metric in status.metrics
        ),
    )


def _metric_status(metric: MetricOutcome) -> MetricStatus:
    return MetricStatus(
        name=metric.name,
        verdict=metric.verdict.value,
        value=format_number(metric.value) if metric.value is not None else None,
        limit=metric.limit,
        message=metric.detail[:_METRIC_LIMIT],
    )
