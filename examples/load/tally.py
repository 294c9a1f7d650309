"""Counting what came back. No clock, no network: every call says when it happened, in seconds since the start."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np

FAILURES_KEPT = 1_000
WINDOW_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without a good answer.

    at: seconds since the start.
    what: predict or feedback.
    kind: status, timeout, connect, answer (200, but not what was asked for) or the name of the transport's error.
    """

    at: float
    what: str
    kind: str
    status: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class VersionCount:
    """What one revision answered; latencies in seconds, shares from 0 to 1, ``recent`` in the snapshot's window."""

    version: str
    revision: str
    answered: int
    correct: int
    accuracy: float
    recent: int
    recent_share: float
    latency_p50: float
    latency_p95: float
    first_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class FeedbackCount:
    """Labels: sent and answered with 200, waiting for their time, failed, dropped by an early stop, and their fates."""

    sent: int
    pending: int
    failed: int
    dropped: int
    fates: dict[str, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything counted so far. ``sent`` = ``answered`` + ``failed`` + ``in_flight``; ``skipped`` were never sent.

    elapsed, window: seconds.
    recent_rps: answers per second in the window.
    failures: the first 1,000, of predictions and of feedback.
    """

    elapsed: float
    sent: int
    answered: int
    correct: int
    failed: int
    skipped: int
    in_flight: int
    window: float
    recent_rps: float
    statuses: dict[str, int]
    versions: tuple[VersionCount, ...]
    feedback: FeedbackCount
    failures: tuple[Failure, ...]

    @property
    def all_failed(self) -> int:
        """Failed predictions and failed feedback together."""
        return self.failed + self.feedback.failed


@dataclass(slots=True)
class _Version:
    first_at: float
    last_at: float
    correct: int = 0
    latencies: array[float] = field(default_factory=lambda: array("f"))


@dataclass(slots=True)
class Tally:
    """The counts of one run."""

    sent: int = 0
    skipped: int = 0
    failed: int = 0
    feedback_sent: int = 0
    feedback_failed: int = 0
    feedback_dropped: int = 0
    feedback_pending: int = 0
    _statuses: Counter[str] = field(default_factory=Counter)
    _fates: Counter[str] = field(default_factory=Counter)
    _versions: dict[tuple[str, str], _Version] = field(default_factory=dict)
    _recent: deque[tuple[float, tuple[str, str]]] = field(default_factory=deque)
    _failures: list[Failure] = field(default_factory=list)

    def answer(self, at: float, version: str, revision: str, *, seconds: float, hit: bool) -> None:
        """Count a good answer to a prediction."""
        key = version, revision
        seen = self._versions.setdefault(key, _Version(at, at))
        seen.last_at = at
        seen.correct += hit
        seen.latencies.append(seconds)
        self._statuses["200"] += 1
        self._recent.append((at, key))
        while self._recent[0][0] < at - WINDOW_MAX:
            self._recent.popleft()

    def feedback_answer(self, fate: str) -> None:
        """Count a good answer to a label."""
        self.feedback_sent += 1
        self._fates[fate] += 1

    def failure(self, failure: Failure) -> None:
        """Count a failed prediction or label."""
        if failure.what == "feedback":
            self.feedback_failed += 1
        else:
            self.failed += 1
            self._statuses[str(failure.status or failure.kind)] += 1
        if len(self._failures) < FAILURES_KEPT:
            self._failures.append(failure)

    def snapshot(self, at: float, window: float) -> Snapshot:
        """The counts at this moment, shares of traffic over the last ``window`` seconds (at most 60)."""
        window = min(window, WINDOW_MAX)
        recent = Counter(key for when, key in self._recent if when > at - window)
        total = recent.total()
        versions = tuple(self._count(key, recent[key], total) for key in self._versions)
        answered = sum(version.answered for version in versions)
        return Snapshot(
            elapsed=round(at, 3),
            sent=self.sent,
            answered=answered,
            correct=sum(version.correct for version in versions),
            failed=self.failed,
            skipped=self.skipped,
            in_flight=self.sent - answered - self.failed,
            window=window,
            recent_rps=round(total / max(min(window, at), 1e-9), 2),
            statuses=dict(self._statuses),
            versions=versions,
            feedback=FeedbackCount(
                sent=self.feedback_sent,
                pending=self.feedback_pending,
                failed=self.feedback_failed,
                dropped=self.feedback_dropped,
                fates=dict(self._fates),
            ),
            failures=tuple(self._failures),
        )

    def _count(self, key: tuple[str, str], recent: int, total: int) -> VersionCount:
        seen = self._versions[key]
        answered = len(seen.latencies)
        p50, p95 = np.percentile(seen.latencies, (50, 95))
        return VersionCount(
            version=key[0],
            revision=key[1],
            answered=answered,
            correct=seen.correct,
            accuracy=round(seen.correct / answered, 4),
            recent=recent,
            recent_share=round(recent / total, 4) if total else 0.0,
            latency_p50=round(float(p50), 5),
            latency_p95=round(float(p95), 5),
            first_at=round(seen.first_at, 3),
            last_at=round(seen.last_at, 3),
        )
