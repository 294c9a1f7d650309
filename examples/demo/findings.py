"""One promise beside what was seen of it, and the load's counts that it is judged by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """What the load generator counted; ``last_answers`` by revision, seconds since the epoch.

    skipped: requests not sent, since 200 were still on their way. labels_failed: true labels that were not taken.
    """

    sent: int
    failed: int
    skipped: int
    labels_sent: int
    labels_failed: int
    answered: dict[str, int]
    last_answers: dict[str, float]
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise, what was seen of it, and whether it was kept."""

    promise: str
    seen: str
    kept: bool
