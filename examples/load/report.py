"""What the load generator writes: a live line for people, JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from examples.load.tally import Failure, Snapshot


def live_line(snapshot: Snapshot) -> str:
    """One line: pace, who answers which share and how well, failures."""
    parts = [f"{snapshot.elapsed:5.0f} s", f"{snapshot.recent_rps:5.1f}/s"]
    parts += [
        f"{seen.version} ({seen.revision}) {seen.recent_share:4.0%}, {seen.accuracy:.1%} right"
        for seen in snapshot.versions
        if seen.recent
    ]
    parts.append(f"failed {snapshot.all_failed}")
    if snapshot.skipped:
        parts.append(f"skipped {snapshot.skipped}")
    return "  ".join(parts)


def second(snapshot: Snapshot) -> str:
    """A JSON line with the counts so far, without the list of failures."""
    return _line("second", {key: value for key, value in asdict(snapshot).items() if key != "failures"})


def failure(failed: Failure) -> str:
    """A JSON line for one failure."""
    return _line("failure", asdict(failed))


def summary(snapshot: Snapshot, started_at: str) -> str:
    """The last JSON line: everything, with the wall time at which second 0 was."""
    return _line("summary", {"startedAt": started_at, **asdict(snapshot)})


def _line(kind: str, fields: dict[str, Any]) -> str:
    return json.dumps({"type": kind, **fields})
