"""An A/B test in the status, and back."""

from modelramp.api.status import ABTestStatus
from modelramp.api.times import to_seconds, to_text
from modelramp.core.state import ABTestState, Ending, RolloutInput


def ab_test_status(target: RolloutInput | None, state: ABTestState | None) -> ABTestStatus | None:
    """The test as it stands in the status; its ends are those of the present spec."""
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
