"""The status as a state again: what is written there is all that a restarted operator knows."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from modelramp.api.errors import NewerStatus, UnreadableStatus
from modelramp.api.names import Phase, Reason
from modelramp.api.quantity import number_in
from modelramp.api.status import (
    FORMAT,
    AnswerStatus,
    CandidateStatus,
    CheckStatus,
    HistoryEntry,
    Status,
    VersionStatus,
    WatchStatus,
)
from modelramp.api.times import to_seconds
from modelramp.api.verdict import CheckOutcome, Verdict
from modelramp.core.conditions import HINDRANCES, OBSTACLES
from modelramp.core.events import RolloutEvent
from modelramp.core.state import (
    ABTestState,
    BreachCounter,
    Candidate,
    Deferred,
    HeldReplicas,
    HistoryRecord,
    RequestAnswer,
    Retiring,
    State,
    Version,
)
from modelramp.core.status.parts import (
    ab_test_of,
    capacity_wait_of,
    deferred_of,
    episodes_of,
    evaluation_of,
    held_replicas_of,
    scaled_to_zero_of,
)

_NEEDED = frozenset(
    {
        "candidate",
        "failedRevision",
        "heard",
        "hooks",
        "lastTick",
        "paused",
        "phase",
        "previous",
        "request",
        "restored",
        "retiring",
        "scaledToZero",
        "stable",
        "watch",
    }
)
"""Fields without which a decision could break a promise; of the others what cannot be read is found out again."""


def recall(raw: object) -> State:
    """The state that the status of an object carries, as JSON; the initial state for none.

    Raises UnreadableStatus when a field that decisions need cannot be read: a failed revision that is forgotten would
    get traffic again, and a count that is forgotten would delay a rollback.
    """
    if raw is not None and not isinstance(raw, Mapping):
        raise UnreadableStatus("status is not a mapping")
    if raw and isinstance(raw.get("format"), int) and raw["format"] > FORMAT:
        raise NewerStatus(f"a newer version of the operator wrote it (format {raw['format']}); this one knows {FORMAT}")
    lost = sorted(_NEEDED & _invalid(raw or {}))
    if lost:
        raise UnreadableStatus(f"{', '.join(f'status.{name}' for name in lost)}: has the wrong type")
    try:
        return state_of(read_status(raw))
    except ValueError as error:
        raise UnreadableStatus(str(error)) from error


def hindrance(raw: object) -> RolloutEvent | None:
    """What kept the operator from making the children when the status was written; None when nothing did."""
    status = read_status(raw)
    if status.reason not in HINDRANCES:
        return None
    return RolloutEvent(Reason(status.reason), status.message, warning=True)


def read_status(raw: object) -> Status:
    """The status of an object, without the fields that cannot be read."""
    if not isinstance(raw, Mapping):
        return Status()
    try:
        return Status.model_validate(raw)
    except ValidationError:
        lost = _invalid(raw)
        return Status.model_validate({name: value for name, value in raw.items() if name not in lost})


def _invalid(raw: Mapping[str, Any]) -> set[str]:
    try:
        Status.model_validate(raw)
    except ValidationError as error:
        return {str(problem["loc"][0]) for problem in error.errors(include_url=False, include_input=False)}
    return set()


def state_of(status: Status) -> State:
    """The state that a status carries; the initial state for an empty one.

    Raises ValueError with a sentence when a field that decisions need has no meaning.
    """
    return State(
        phase=status.phase or Phase.PENDING,
        reason=_reason(status),
        detail=status.detail,
        stable=_version("stable", status.stable),
        previous=_version("previous", status.previous),
        candidate=_candidate(status.candidate),
        failed=status.failed_revision,
        restored=status.restored,
        paused=status.paused,
        watch=_watch(status.watch),
        last_tick=_seconds("lastTick", status.last_tick),
        recent_ticks=status.ticks,
        checks=tuple(_check(check) for check in status.checks),
        retiring=tuple(
            Retiring(item.revision, _seconds("retiring[].at", item.at) if item.at is not None else None)
            for item in status.retiring
        ),
        history=tuple(_entry(entry) for entry in status.history),
        request=status.request,
        answer=_answer(status.answer),
        heard=tuple(status.heard.items()),
        hooks=episodes_of(status.hooks),
        ab_test=_ab_test(status),
        deferred=_deferred(status),
        held=_held(status),
        zero=scaled_to_zero_of(status.scaled_to_zero),
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


def _seconds(field: str, text: str | None) -> int:
    if not text:
        return 0
    try:
        return to_seconds(text)
    except ValueError as error:
        raise ValueError(f"status.{field}: {error}") from error


def _time(text: str | None) -> int:
    """A time that nothing is decided by; 0 when it cannot be read."""
    try:
        return to_seconds(text) if text else 0
    except ValueError:
        return 0


def _version(field: str, status: VersionStatus | None) -> Version | None:
    if status is None:
        return None
    since = _seconds(f"{field}.since", status.since)
    return Version(
        status.revision, status.model_version, since, _seconds(f"{field}.trafficSince", status.traffic_since)
    )


def _candidate(status: CandidateStatus | None) -> Candidate | None:
    version = _version("candidate", status)
    if status is None or version is None:
        return None
    if not 0 <= status.weight <= 100:
        raise ValueError(f"status.candidate.weight: {status.weight} is not a percentage")
    entered = _seconds("candidate.stepEntered", status.step_entered)
    try:
        evaluation = evaluation_of(status.evaluation)
    except ValueError as error:
        raise ValueError(f"status.candidate.evaluation: {error}") from error
    try:
        wait = capacity_wait_of(status.capacity_wait)
    except ValueError:
        wait = None  # it begins again with the next look at the pods
    stopped = _seconds("candidate.stableStopped", status.stable_stopped)
    return Candidate(version, status.weight, status.step, entered, status.shown, evaluation, wait, stopped)


def _watch(status: WatchStatus | None) -> BreachCounter | None:
    if status is None:
        return None
    if min((status.breaches, status.shared, *status.checks.values())) < 0:
        raise ValueError("status.watch: counts less than no breach")
    counted = tuple(sorted(status.checks.items()))
    return BreachCounter(
        status.revision, _seconds("watch.since", status.since), status.breaches, status.shared, counted
    )


def _answer(status: AnswerStatus | None) -> RequestAnswer | None:
    return RequestAnswer(_time(status.at), status.outcome == "Done", status.message) if status is not None else None


def _deferred(status: Status) -> Deferred | None:
    """The deferred revision; one that cannot be read is tried again at once."""
    try:
        return deferred_of(status.deferred)
    except ValueError:
        return None


def _held(status: Status) -> HeldReplicas | None:
    """The held replicas; those that cannot be read hold nothing."""
    try:
        return held_replicas_of(status.held_replicas)
    except ValueError:
        return None


def _ab_test(status: Status) -> ABTestState | None:
    """The A/B test; one that cannot be read starts again, without evidence."""
    try:
        return ab_test_of(status.experiment)
    except ValueError:
        return None


def _check(status: CheckStatus) -> CheckOutcome:
    reason = Reason(status.reason) if status.reason in set(Reason) else Reason.NOT_EVALUATED
    return CheckOutcome(
        status.name,
        Verdict(status.verdict),
        reason,
        status.message,
        number_in(status.value),
        status.limit,
        memory=status.memory,
        dimension=status.dimension,
        at=_time(status.at),
        question=status.question,
    )


def _entry(status: HistoryEntry) -> HistoryRecord:
    return HistoryRecord(
        status.revision,
        status.model_version,
        _time(status.started_at),
        _time(status.ended_at),
        status.outcome,
        Reason(status.reason) if status.reason in set(Reason) else Reason.NOT_EVALUATED,
        status.message,
        status.weight,
    )
