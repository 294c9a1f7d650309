"""Evaluations, A/B tests and hooks as they are stored in the status, and back."""

from collections.abc import Iterable

from modelramp.api.hooks import On
from modelramp.api.quantity import format_number, number_in
from modelramp.api.status import (
    ABTestStatus,
    CapacityWaitStatus,
    DeferredStatus,
    EvaluationStatus,
    HeldReplicasStatus,
    HookStatus,
    MetricStatus,
    ScaledToZeroStatus,
)
from modelramp.api.text import visible
from modelramp.api.times import to_seconds, to_text
from modelramp.api.verdict import Verdict
from modelramp.core.gates.evaluation_results import Evaluation, MetricOutcome
from modelramp.core.hook_runs import HookRun
from modelramp.core.state import ABTestState, CapacityWait, Deferred, Ending, HeldReplicas, RolloutInput, ScaledToZero

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


def capacity_wait_status(wait: CapacityWait | None) -> CapacityWaitStatus | None:
    """The status of a candidate's wait for capacity."""
    if wait is None:
        return None
    ended = to_text(wait.ended) if wait.ended else None
    return CapacityWaitStatus(since=to_text(wait.since), ended=ended, message=wait.message[:_MESSAGE_LIMIT])


def capacity_wait_of(status: CapacityWaitStatus | None) -> CapacityWait | None:
    """The wait that a status carries. Raises ValueError when one of its times cannot be read."""
    if status is None:
        return None
    return CapacityWait(to_seconds(status.since), status.message, to_seconds(status.ended) if status.ended else 0)


def deferred_status(deferred: Deferred | None) -> DeferredStatus | None:
    """The status of a revision that was withdrawn for lack of capacity."""
    if deferred is None:
        return None
    return DeferredStatus(revision=deferred.revision, until=to_text(deferred.until), generation=deferred.generation)


def deferred_of(status: DeferredStatus | None) -> Deferred | None:
    """The deferred revision that a status carries. Raises ValueError when its time cannot be read."""
    if status is None:
        return None
    return Deferred(status.revision, to_seconds(status.until), status.generation)


def scaled_to_zero_status(zero: ScaledToZero | None) -> ScaledToZeroStatus | None:
    """The status of the time without replicas."""
    if zero is None:
        return None
    return ScaledToZeroStatus(since=to_text(zero.since), ended=to_text(zero.ended) if zero.ended else None)


def scaled_to_zero_of(status: ScaledToZeroStatus | None) -> ScaledToZero | None:
    """The time without replicas that a status carries. Raises ValueError when it cannot be read."""
    if status is None:
        return None
    return ScaledToZero(to_seconds(status.since), to_seconds(status.ended) if status.ended else 0)


def held_replicas_status(held: HeldReplicas | None) -> HeldReplicasStatus | None:
    """The status of the replicas that a rollout keeps."""
    if held is None:
        return None
    until = to_text(held.until) if held.until else None
    return HeldReplicasStatus(count=held.count, revision=held.revision, until=until)


def held_replicas_of(status: HeldReplicasStatus | None) -> HeldReplicas | None:
    """The held replicas that a status carries. Raises ValueError when their time cannot be read."""
    if status is None:
        return None
    return HeldReplicas(status.count, status.revision, to_seconds(status.until) if status.until else 0)


def _metric_status(metric: MetricOutcome) -> MetricStatus:
    return MetricStatus(
        name=metric.name,
        verdict=metric.verdict.value,
        value=format_number(metric.value) if metric.value is not None else None,
        limit=metric.limit,
        message=metric.detail[:_METRIC_LIMIT],
    )


def ab_test_status(target: RolloutInput | None, state: ABTestState | None) -> ABTestStatus | None:
    """The test as it is stored in the status; its ends are those of the present spec."""
    if state is None:
        return None
    test = target.spec.rollout.ab_test if target is not None else None
    earliest, latest = map(to_text, test.ends(state.since)) if test is not None else (None, None)
    return ABTestStatus(
        revision=state.revision,
        question=state.question,
        metric=state.metric,
        verdict=state.ending.value,
        message=state.message,
        candidate=state.candidate,
        stable=state.stable,
        difference=state.difference,
        interval=state.interval,
        sample_ratio=state.sample_ratio,
        sticky=state.sticky,
        started_at=to_text(state.since),
        earliest_end=earliest,
        latest_end=latest,
        memory=state.memory,
    )


def ab_test_of(status: ABTestStatus | None) -> ABTestState | None:
    """The test that a status carries; a verdict that only a newer operator knows counts as none yet."""
    if status is None:
        return None
    known = {ending.value for ending in Ending}
    return ABTestState(
        revision=status.revision,
        question=status.question,
        since=to_seconds(status.started_at),
        ending=Ending(status.verdict) if status.verdict in known else Ending.UNDECIDED,
        message=status.message,
        memory=status.memory,
        metric=status.metric,
        candidate=status.candidate,
        stable=status.stable,
        difference=status.difference,
        interval=status.interval,
        sample_ratio=status.sample_ratio,
        sticky=status.sticky,
    )


def hook_statuses(episodes: Iterable[HookRun]) -> tuple[HookStatus, ...]:
    """The episodes as status.hooks."""
    return tuple(
        HookStatus(
            id=episode.id,
            on=episode.on.value,
            name=episode.name,
            revision=episode.revision,
            model_version=episode.model_version,
            since=to_text(episode.since),
            until=to_text(episode.until) if episode.until else None,
            breaches=episode.breaches,
            checks=episode.checks,
            cause=episode.cause,
            state=episode.state,
            at=to_text(episode.at) if episode.at else None,
            message=visible(episode.message),
            by=episode.by,
            due=to_text(episode.due) if episode.due else None,
        )
        for episode in episodes
    )


def episodes_of(statuses: Iterable[HookStatus]) -> tuple[HookRun, ...]:
    """status.hooks as episodes."""
    return tuple(
        HookRun(
            on=On(status.on),
            name=status.name,
            revision=status.revision,
            model_version=status.model_version,
            since=to_seconds(status.since),
            id=status.id,
            until=to_seconds(status.until) if status.until else 0,
            breaches=status.breaches,
            checks=status.checks,
            cause=status.cause,
            state=status.state,
            message=status.message,
            at=to_seconds(status.at) if status.at else 0,
            by=status.by,
            due=to_seconds(status.due) if status.due else 0,
        )
        for status in statuses
    )
