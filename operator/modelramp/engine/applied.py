"""What was applied to each child and became of it: a vain apply is not repeated, and an edit is noticed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from modelramp.api.names import Reason
from modelramp.core.events import RolloutEvent
from modelramp.desired.differences import differs, where_differs

AGAIN_SECONDS_MAX = 300.0
"""The longest time between two tries to put back what is rewritten in another way each time."""
_NOT_OURS = frozenset({"apiVersion", "kind", "status"})
_METADATA = ("labels", "annotations", "ownerReferences")


@dataclass(frozen=True, slots=True)
class Applied:
    """One child after our last apply; marks stand for whole objects.

    wanted: what was applied. left: the object as the API server left it, where that is not what was applied; else "".
    tries: how often that has happened in another way each time. again_at: the earliest next try, seconds.
    differs: where, for people; "" while it is as asked.
    """

    wanted: str
    left: str = ""
    tries: int = 0
    again_at: float = 0.0
    differs: str = ""

    def in_vain(self, current: Mapping[str, Any], wanted: str, now: float) -> bool:
        """Whether applying the same again would change nothing, or only what is changed back at once."""
        if not self.left or self.wanted != wanted:
            return False
        return self.left == mark(current) or now < self.again_at

    def is_drift(self, current: Mapping[str, Any] | None, wanted: str) -> bool:
        """Whether a child that is not as wanted was changed, or deleted, since we last applied what we want still."""
        if self.wanted != wanted or self.tries:
            return False
        return current is None or not self.left or self.left != mark(current)


_CONTESTED = 3
"""What somebody puts back so often within its window is contested, until it was left alone for as long."""


@dataclass(frozen=True, slots=True)
class Contest:
    """Fields of another owner's object after our last write.

    window: how long a change is remembered, seconds. left: the fields as they were left. set_back: when somebody has
    changed them since, newest last, seconds. written_at: when they were written last. open: whether somebody else keeps
    changing them.
    """

    window: float
    left: str = ""
    set_back: tuple[float, ...] = ()
    written_at: float = 0.0
    open: bool = False

    def seen(self, found: str, now: float) -> "Contest":
        """After a look at the fields: whether somebody has changed them is noted once for each write of ours."""
        recent = tuple(at for at in self.set_back if at > now - self.window)
        left = self.left
        if left and found != left:
            left, recent = "", (*recent, now)
        return replace(self, left=left, set_back=recent, open=bool(recent) and (self.open or len(recent) >= _CONTESTED))

    def written(self, fields: str, now: float) -> "Contest":
        """After a write of ours."""
        return replace(self, left=fields, written_at=now)

    def rests(self, now: float) -> bool:
        """Whether the next write should wait: they are contested, and were written not long ago."""
        return self.open and now < self.written_at + self.window / 2


def after(before: Applied | None, wanted: Mapping[str, Any], answer: Mapping[str, Any], now: float) -> Applied:
    """What is known of a child once the API server has answered an apply."""
    asked = mark(wanted)
    if not differs(answer, wanted):
        return Applied(asked)
    tries = before.tries + 1 if before is not None and before.left and before.wanted == asked else 0
    pause = min(2.0**tries, AGAIN_SECONDS_MAX) if tries else 0.0
    return Applied(asked, mark(answer), tries, now + pause, where_differs(answer, wanted))


def mark(obj: Mapping[str, Any]) -> str:
    """Stands for all of an object that people and controllers mean by it: not its status, nor its version."""
    metadata = obj.get("metadata") or {}
    kept = {name: value for name, value in obj.items() if name not in {*_NOT_OURS, "metadata"}}
    kept["metadata"] = {name: metadata[name] for name in _METADATA if metadata.get(name)}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]


def drift(kind: str, name: str, where: str) -> RolloutEvent:
    """Somebody changed a child, or deleted it (where is ""), and it was put back."""
    if not where:
        return RolloutEvent(
            Reason.DRIFT_CORRECTED, f"{kind} {name} was deleted by another client; it is created again", warning=True
        )
    return RolloutEvent(
        Reason.DRIFT_CORRECTED, f"{kind} {name} was changed by another client; {where} is put back", warning=True
    )


def rewritten(kind: str, name: str, where: str) -> RolloutEvent:
    """The API server takes a child, and changes it: an admission does."""
    text = f"{kind} {name} is not as asked: something on the API server, such as an admission policy, changes {where}"
    return RolloutEvent(Reason.CHILD_REWRITTEN, text, warning=True)
