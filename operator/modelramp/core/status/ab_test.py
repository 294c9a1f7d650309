"""An A/B test in the status, and back."""

from modelramp.api.status import ExperimentStatus
from modelramp.api.times import to_seconds, to_text
from modelramp.core.state import Ending, Experiment, RolloutInput


def record_experiment(target: RolloutInput | None, experiment: Experiment | None) -> ExperimentStatus | None:
    """The test as it stands in the status; its ends are those of the present spec."""
    if experiment is None:
        return None
    test = target.spec.rollout.ab_test if target is not None else None
    earliest, latest = map(to_text, test.ends(experiment.since)) if test is not None else (None, None)
    return ExperimentStatus(
        revision=experiment.revision,
        question=experiment.question,
        metric=experiment.metric,
        verdict=experiment.ending.value,
        message=experiment.message,
        candidate=experiment.candidate,
        stable=experiment.stable,
        difference=experiment.difference,
        interval=experiment.interval,
        sample_ratio=experiment.sample_ratio,
        sticky=experiment.sticky,
        started_at=to_text(experiment.since),
        earliest_end=earliest,
        latest_end=latest,
        memory=experiment.memory,
    )


def recall_experiment(status: ExperimentStatus | None) -> Experiment | None:
    """The test that a status carries; a verdict that only a newer operator knows counts as none yet."""
    if status is None:
        return None
    known = {ending.value for ending in Ending}
    return Experiment(
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
