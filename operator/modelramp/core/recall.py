"""The status as a state again: what is written there is all that a restarted operator knows."""

from pydantic import ValidationError

from modelramp.api.names import Phase, Reason
from modelramp.api.status import CandidateStatus, CheckStatus, HistoryEntry, Status, VersionStatus, WatchStatus
from modelramp.api.times import to_seconds
from modelramp.api.verdict import CheckOutcome, Verdict
from modelramp.core.conditions import OBSTACLES
from modelramp.core.evaluation_record import evaluation_of
from modelramp.core.experiment_status import recall_experiment
from modelramp.core.hook_record import episodes_of
from modelramp.core.state import Candidate, Ended, Retiring, State, Version, Watch


def read_status(raw: object) -> Status:
    """The status of an object; an unreadable one counts as none: everything in it can be found out again."""
    try:
        return Status.model_validate(raw or {})
    except ValidationError:
        return Status()


def state_of(status: Status) -> State:
    """The state that a status carries; the initial state for an empty one."""
    return State(
        phase=status.phase or Phase.PENDING,
        reason=_reason(status),
        detail=status.detail,
        stable=_version(status.stable),
        previous=_version(status.previous),
        candidate=_candidate(status.candidate),
        failed=status.failed_revision,
        restored=status.restored,
        paused=status.paused,
        watch=_watch(status.watch),
        last_tick=_seconds(status.last_tick),
        strip=status.ticks,
        checks=tuple(_check(check) for check in status.checks),
        retiring=tuple(
            Retiring(item.revision, _seconds(item.at) if item.at is not None else None) for item in status.retiring
        ),
        history=tuple(_entry(entry) for entry in status.history),
        request=status.request,
        hooks=episodes_of(status.hooks),
        experiment=recall_experiment(status.experiment),
    )


def _reason(status: Status) -> Reason:
    """The state's own reason: while something stood in the way, the status said that instead.

    The cause of an end is then read from the history; everything else is said again at the next tick.
    """
    if status.reason in frozenset(Reason) - OBSTACLES:
        return Reason(status.reason)
    match status.phase:
        case Phase.ROLLED_BACK | Phase.ROLLING_BACK if status.history:
            return _entry(status.history[0]).reason
        case Phase.DEGRADED:
            return Reason.NOTHING_TO_RESTORE if status.stable else Reason.PROGRESS_DEADLINE_EXCEEDED
        case Phase.HEALTHY | Phase.PROMOTING:
            return Reason.PROMOTED
        case _:
            return Reason.WAITING_FOR_PODS


def _seconds(text: str | None) -> int:
    return to_seconds(text) if text else 0


def _version(status: VersionStatus | None) -> Version | None:
    if status is None:
        return None
    return Version(status.revision, status.model_version, _seconds(status.since), _seconds(status.traffic_since))


def _candidate(status: CandidateStatus | None) -> Candidate | None:
    version = _version(status)
    if status is None or version is None:
        return None
    entered, evaluation = _seconds(status.step_entered), evaluation_of(status.evaluation)
    return Candidate(version, status.weight, status.step, entered, status.shown, evaluation)


def _watch(status: WatchStatus | None) -> Watch | None:
    if status is None:
        return None
    counted = tuple(sorted(status.checks.items()))
    return Watch(status.revision, to_seconds(status.since), status.breaches, status.shared, counted)


def _check(status: CheckStatus) -> CheckOutcome:
    reason = Reason(status.reason) if status.reason in set(Reason) else Reason.NOT_EVALUATED
    value = float(status.value) if status.value is not None else None
    verdict = Verdict(status.verdict)
    return CheckOutcome(
        status.name,
        verdict,
        reason,
        status.message,
        value,
        status.limit,
        memory=status.memory,
        dimension=status.dimension,
        at=_seconds(status.at),
        question=status.question,
    )


def _entry(status: HistoryEntry) -> Ended:
    return Ended(
        status.revision,
        status.model_version,
        _seconds(status.started_at),
        _seconds(status.ended_at),
        status.outcome,
        Reason(status.reason) if status.reason in set(Reason) else Reason.NOT_EVALUATED,
        status.message,
        status.weight,
    )
