"""Judging a true label that arrives after the answer."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from examples.server import tokens

if TYPE_CHECKING:
    from examples.server.tokens import Answered


class Fate(StrEnum):
    """What became of one piece of feedback."""

    COUNTED = "counted"
    UNKNOWN = "unknown"  # not an id that this deployment gave out
    EXPIRED = "expired"  # older than FEEDBACK_MAX_AGE_SECONDS
    DUPLICATE = "duplicate"  # this pod has counted it already
    MISMATCHED = "mismatched"  # another number of labels than of answers


@dataclass(slots=True)
class SeenIds:
    """The last ids that this pod counted; the oldest are forgotten, so memory stays bounded.

    Each pod has its own: an id sent again to another pod, or after ``capacity`` others, is counted again.
    """

    capacity: int = 100_000
    _ids: OrderedDict[bytes, None] = field(default_factory=OrderedDict)

    def first_time(self, nonce: bytes) -> bool:
        """Remember the id and say whether it was new."""
        if nonce in self._ids:
            return False
        self._ids[nonce] = None
        if len(self._ids) > self.capacity:
            self._ids.popitem(last=False)
        return True


@dataclass(frozen=True, slots=True)
class Judgement:
    """The fate of one piece of feedback, and the answers that it judges when it counts.

    hits: for each answer whether it was correct; empty unless counted.
    """

    fate: Fate
    answered: Answered | None = None
    hits: tuple[bool, ...] = ()


def judge(token: str, labels: tuple[int, ...], key: bytes, *, now: float, max_age: float, seen: SeenIds) -> Judgement:
    """Compare the true labels with what was answered under this id.

    now, max_age: seconds; the age is taken by the clock of the pod that answered.
    """
    answered = tokens.unseal(token, key)
    if answered is None:
        return Judgement(Fate.UNKNOWN)
    if now - answered.issued_at > max_age:
        return Judgement(Fate.EXPIRED)
    if len(labels) != len(answered.classes):
        return Judgement(Fate.MISMATCHED)
    if not seen.first_time(answered.nonce):
        return Judgement(Fate.DUPLICATE)
    return Judgement(Fate.COUNTED, answered, tuple(a == b for a, b in zip(labels, answered.classes, strict=True)))
