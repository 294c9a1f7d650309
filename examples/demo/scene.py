"""What the view shows at one moment: plain values made from the journal and the load's counts, without any drawing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from examples.demo.cast import Cast
from examples.demo.journal import Journal
from examples.demo.rollbacks import SCRAPE_DELAY_SECONDS
from modelramp.api.names import Phase
from modelramp.api.status import CheckStatus, Status, VersionStatus
from modelramp.api.times import to_seconds

if TYPE_CHECKING:  # only the names: the load generator's libraries take seconds to load
    from examples.load import Snapshot, VersionCount


@dataclass(frozen=True, slots=True)
class Row:
    """One version.

    place: from 0, in order of appearance. wanted: percent by the status. routed: percent on the route.
    share: of the answers in the last seconds, 0 to 1. right: of all its answers, 0 to 1; None without any.
    """

    place: int
    version: str
    revision: str
    role: str
    pods: str
    wanted: int
    routed: int
    share: float
    right: float | None
    answered: int


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment of the demo.

    step: index of the step that runs; None without one. step_left, step_done: seconds to its end at the earliest, and
    the share of it that has passed. next_check: in seconds. elapsed: seconds since the first request.
    """

    act: int
    acts: int
    title: str
    rows: tuple[Row, ...]
    steps: tuple[int, ...]
    step: int | None
    step_left: float
    step_done: float
    checks: tuple[CheckStatus, ...]
    checked_at: str
    next_check: float
    strip: str
    breaches: int
    threshold: int
    phase: str
    message: str
    rps: float
    sent: int
    failed: int
    elapsed: float


def scene(act: int, title: str, cast: Cast, journal: Journal, load: Snapshot | None, now: float) -> Scene:
    """The scene at the instant ``now``; ``load`` is None before the first request."""
    status = journal.status
    running = status.candidate if status.candidate and status.candidate.step >= 0 else None
    seconds = cast.rules.step_seconds[running.step] if running else 0
    begun = to_seconds(running.step_entered) if running and running.step_entered else None
    ends = step_end(begun, seconds, cast.rules.interval) if begun is not None else now
    left = max(0.0, ends - now)
    return Scene(
        act=act,
        acts=len(cast.versions),
        title=title,
        rows=tuple(_rows(cast, journal, load)),
        steps=cast.rules.steps,
        step=running.step if running else None,
        step_left=left,
        step_done=min(1.0, max(0.0, (now - begun) / (ends - begun))) if begun is not None else 0.0,
        checks=status.checks,
        checked_at=status.last_tick or "",
        next_check=next_check(now, cast.rules.interval),
        strip=status.ticks,
        breaches=_breaches(status),
        threshold=cast.rules.threshold,
        phase=status.phase or "",
        message=status.message,
        rps=load.recent_rps if load else 0.0,
        sent=load.sent if load else 0,
        failed=load.all_failed if load else 0,
        elapsed=load.elapsed if load else 0.0,
    )


def next_check(now: float, interval: int) -> float:
    """Seconds until the next tick is evaluated: ticks lie on a grid, so no status is needed to know.

    >>> next_check(1003.0, 10), next_check(1005.0, 10)
    (2.0, 10.0)
    """
    return interval - (now - SCRAPE_DELAY_SECONDS) % interval


def step_end(begun: int, seconds: int, interval: int) -> int:
    """When a step that began at ``begun`` may end: by the first tick after its time, once that has been evaluated.

    >>> step_end(1000, 30, 10), step_end(1001, 30, 10)
    (1035, 1045)
    """
    return -(-(begun + seconds) // interval) * interval + SCRAPE_DELAY_SECONDS


def _rows(cast: Cast, journal: Journal, load: Snapshot | None) -> list[Row]:
    """A row for each version that is known, in order of appearance; one that is gone keeps its counts."""
    counts: dict[str, VersionCount] = {count.version: count for count in load.versions} if load else {}
    routed: Mapping[str, int] = journal.routes[-1].weights if journal.routes else {}
    rows = []
    for place, version in enumerate(cast.versions):
        revision = journal.revision(version)
        if revision is None:
            continue
        role, pods, wanted = _role(journal, version, revision)
        count = counts.get(version)
        rows.append(
            Row(
                place=place,
                version=version,
                revision=revision,
                role=role,
                pods=pods,
                wanted=wanted,
                routed=routed.get(revision, 0),
                share=count.recent_share if count else 0.0,
                right=count.accuracy if count else None,
                answered=count.answered if count else 0,
            )
        )
    return rows


def _role(journal: Journal, version: str, revision: str) -> tuple[str, str, int]:
    """What a revision is at present, its pods, and the percent that it should have."""
    status = journal.status
    candidate, stable = status.candidate, status.stable
    weight = candidate.weight if candidate else 0
    if candidate is not None and candidate.revision == revision:
        return ("candidate" if candidate.step >= 0 else "starting"), candidate.pods, weight
    if stable is not None and stable.revision == revision:
        return "stable", stable.pods, 100 - weight
    if status.failed_revision == revision or journal.ending(version, "RolledBack") is not None:
        return "failed", _pods(status.previous, revision), 0
    return "previous", _pods(status.previous, revision), 0


def _pods(version: VersionStatus | None, revision: str) -> str:
    return version.pods if version is not None and version.revision == revision else ""


def _breaches(status: Status) -> int:
    """Breaches in a row; after a rollback, those that led to it."""
    if status.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK) and not status.breaches:
        marks = status.ticks.replace("?", "")
        return len(marks) - len(marks.rstrip("-"))
    return status.breaches
