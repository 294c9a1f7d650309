"""What happens to a rollout: the one value behind Kubernetes Events, log lines, metrics and notifications. Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from modelramp.api.names import API_VERSION, KIND, Phase, Reason

if TYPE_CHECKING:
    from modelramp.core.state import State, Version


class EventType(StrEnum):
    """What kind of thing happened, for those who want to hear of some only."""

    ROLLOUT = "Rollout"
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    DEGRADED = "Degraded"
    HEALTH = "Health"
    GATE = "Gate"
    HOOK = "Hook"
    REQUEST = "Request"
    ROUTE = "Route"
    OBSTACLE = "Obstacle"


_TYPES: Final = {
    EventType.ROLLOUT: (
        Reason.FIRST_REVISION,
        Reason.ROLLOUT_STARTED,
        Reason.STEP_ENTERED,
        Reason.SUPERSEDED,
        Reason.REVERTED,
        Reason.AB_TEST_WON,
    ),
    EventType.PROMOTED: (Reason.PROMOTED,),
    EventType.ROLLED_BACK: (
        Reason.THRESHOLD_REACHED,
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        Reason.EVALUATION_FAILED,
        Reason.ABORTED,
        Reason.ROLLED_BACK_BY_REQUEST,
        Reason.AB_TEST_HARM,
        Reason.AB_TEST_NO_DIFFERENCE,
        Reason.AB_TEST_INCONCLUSIVE,
        Reason.AB_TEST_INVALID,
        Reason.RESTORED,
        Reason.ROLLED_BACK,
    ),
    EventType.DEGRADED: (Reason.NOTHING_TO_RESTORE,),
    EventType.HEALTH: (Reason.BREACHED, Reason.BREACHES_CLEARED, Reason.RECOVERED),
    EventType.GATE: (Reason.EVALUATING, Reason.EVALUATION_PASSED, Reason.HELD_BY_EVALUATION),
    EventType.HOOK: (
        Reason.HOOK_DUE,
        Reason.HOOK_COOLING_DOWN,
        Reason.HOOK_STARTED,
        Reason.HOOK_SUCCEEDED,
        Reason.HOOK_FAILED,
        Reason.HOOK_UNKNOWN,
    ),
    EventType.REQUEST: (
        Reason.PAUSED,
        Reason.FROZEN,
        Reason.RESUMED,
        Reason.RETRIED,
        Reason.PROMOTED_BY_REQUEST,
        Reason.REQUEST_IGNORED,
    ),
    EventType.ROUTE: (
        Reason.ROUTE_ACCEPTED,
        Reason.ROUTE_NOT_ACCEPTED,
        Reason.ROUTE_SHADOWED,
        Reason.ROUTE_UNCONFIRMED,
        Reason.SERVING,
        Reason.NOTHING_SERVES,
    ),
}
_TYPE_OF: Final = {reason: kind for kind, reasons in _TYPES.items() for reason in reasons}
_ID_LENGTH = 20


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """The object that an event is about, as it was when it happened."""

    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: str = ""
    kind: str = KIND
    api_version: str = API_VERSION


@dataclass(frozen=True, slots=True)
class Position:
    """Where a rollout stands: its phase, and the share of the traffic that the revision has, percent."""

    phase: Phase = Phase.PENDING
    weight: int = 0


@dataclass(frozen=True, slots=True)
class RolloutEvent:
    """Something that happened and that people may want to know.

    The decisions say reason and message, whether it is a warning, and where it matters the checks that caused it and
    the tick (seconds since the epoch); `complete` adds the rest. logged: whether the log has a line of it.

    id: the same for the same event, also when it is decided once more after a restart. revision, model_version: what
    it speaks of. origin, to: where that stood before and after.
    """

    reason: Reason
    message: str
    warning: bool = False
    checks: tuple[str, ...] = ()
    tick: int = 0
    logged: bool = True
    id: str = ""
    object: ObjectRef = ObjectRef()
    revision: str = ""
    model_version: str = ""
    origin: Position = Position()
    to: Position = Position()

    @property
    def type(self) -> EventType:
        """What kind of thing happened."""
        if self.to.phase is Phase.DEGRADED and self.warning and _TYPE_OF.get(self.reason) is EventType.ROLLED_BACK:
            return EventType.DEGRADED
        return _TYPE_OF.get(self.reason, EventType.OBSTACLE)


_Event = TypeVar("_Event", bound=RolloutEvent)


def stamped(events: Iterable[RolloutEvent], *, tick: int = 0, checks: tuple[str, ...] = ()) -> tuple[RolloutEvent, ...]:
    """The events, with this tick and these checks where they have none."""
    return tuple(replace(event, tick=event.tick or tick, checks=event.checks or checks) for event in events)


def complete(event: _Event, about: ObjectRef, before: "State", after: "State") -> _Event:
    """The event with all that a channel needs; before, after: the states of the decision that it comes from.

    It is about the version that the decision was about, unless it names one itself.
    """
    version = _subject(before, after)
    revision, model_version = (version.revision, version.model_version) if version is not None else ("", "")
    if event.revision:
        revision, model_version = event.revision, event.model_version
    whole = replace(
        event,
        tick=event.tick or after.last_tick,
        object=about,
        revision=revision,
        model_version=model_version,
        origin=Position(before.phase, before.weights.get(revision, 0)),
        to=Position(after.phase, after.weights.get(revision, 0)),
    )
    return replace(whole, id=_id(whole))


def _subject(before: "State", after: "State") -> "Version | None":
    """What is brought in, what has just ended, or what serves."""
    candidate = after.candidate or before.candidate
    return candidate.version if candidate is not None else before.stable or after.stable


def _id(event: RolloutEvent) -> str:
    parts = (event.object.uid, event.revision, event.reason, ",".join(event.checks), str(event.tick), event.message)
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:_ID_LENGTH]
