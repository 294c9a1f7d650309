"""What was seen of the rollouts, in the order in which it was seen. No clock, no network: every call says when it was.

All times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelramp.api.names import Phase
from modelramp.api.status import CheckStatus, HistoryEntry, Status
from modelramp.api.times import to_seconds
from modelramp.desired.names import revision_in

MARKS = {"+": "healthy", "?": "no data", "-": "breach"}


@dataclass(frozen=True, slots=True)
class Route:
    """The route as it was from ``at`` on: percent by revision; revisions without any are left out."""

    at: float
    weights: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Tick:
    """One evaluated tick.

    at: when its result was seen in the status. tick: the instant that it speaks of. revision: whom it judges.
    mark: ``+`` healthy, ``?`` no data, ``-`` breach. breaches: in a row; 0 once a rollback has followed.
    checks: empty for a tick that was only seen together with a later one.
    """

    at: float
    tick: int
    revision: str
    mark: str
    breaches: int
    checks: tuple[CheckStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class Traffic:
    """How many requests each revision had answered by ``at``."""

    at: float
    answered: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ending:
    """How the trial of a revision ended; ``at`` is when that was seen."""

    at: float
    entry: HistoryEntry


@dataclass(slots=True)
class Journal:
    """Everything that was seen of one ModelDeployment.

    interval: seconds between ticks.
    """

    interval: int
    routes: list[Route] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)
    traffic: list[Traffic] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    status: Status = field(default_factory=Status)
    _versions: dict[str, str] = field(default_factory=dict)

    def version(self, revision: str) -> str:
        """The model version that a revision stands for; the revision itself as long as that is unknown."""
        return self._versions.get(revision, revision)

    def revision(self, version: str) -> str | None:
        """The revision that stands for a model version; None as long as it is unknown."""
        return next((revision for revision, found in self._versions.items() if found == version), None)

    def trial(self, version: str) -> list[Tick]:
        """The ticks that judged a version."""
        revision = self.revision(version)
        return [tick for tick in self.ticks if tick.revision == revision]

    def ending(self, version: str, outcome: str) -> Ending | None:
        """When and how the trial of a version ended with this outcome; None when it did not."""
        wished = self.revision(version), outcome
        return next((end for end in self.endings if (end.entry.revision, end.entry.outcome) == wished), None)

    def saw_route(self, at: float, weights: Mapping[str, int]) -> bool:
        """Note the route; returns whether it differs from the last one that was seen."""
        shown = {revision: weight for revision, weight in weights.items() if weight}
        if self.routes and self.routes[-1].weights == shown:
            return False
        self.routes.append(Route(at, shown))
        return True

    def saw_traffic(self, at: float, answered: Mapping[str, int]) -> None:
        """Note how many requests each revision has answered so far."""
        self.traffic.append(Traffic(at, dict(answered)))

    def saw_status(self, at: float, status: Status) -> tuple[Tick, ...]:
        """Note a status; returns the ticks that are new in it."""
        before, self.status = self.status, status
        for one in (status.stable, status.previous, status.candidate, *status.history):
            if one is not None and one.model_version:
                self._versions[one.revision] = one.model_version
        known = {_identity(ending.entry) for ending in self.endings}
        ended = [entry for entry in reversed(status.history) if _identity(entry) not in known]
        self.endings += [Ending(at, entry) for entry in ended]
        ticks = self._new_ticks(at, before, status)
        self.ticks += ticks
        return ticks

    def _new_ticks(self, at: float, before: Status, status: Status) -> tuple[Tick, ...]:
        revision = subject(status)
        if before.phase is Phase.ROLLING_BACK:
            return ()  # ticks that pass while traffic goes back judge nobody
        if status.last_tick is None or status.last_tick == before.last_tick or revision is None or not status.ticks:
            return ()
        newest = to_seconds(status.last_tick)
        passed = (newest - to_seconds(before.last_tick)) // self.interval if before.last_tick else 1
        marks = status.ticks[-passed:]
        earlier = (
            Tick(at, newest - back * self.interval, revision, marks[-1 - back], status.breaches)
            for back in range(len(marks) - 1, 0, -1)
        )
        return (*earlier, Tick(at, newest, revision, marks[-1], status.breaches, status.checks))


def subject(status: Status) -> str | None:
    """The revision that the newest tick of a status judged: also when it lost or got everything by that very tick."""
    if status.history and status.history[0].ended_at == status.last_tick:
        return status.history[0].revision
    if status.candidate is not None and status.candidate.step >= 0:
        return status.candidate.revision
    return status.stable.revision if status.stable is not None else None


def route_weights(route: Mapping[str, Any], name: str) -> dict[str, int]:
    """The weights of an HTTPRoute that modelramp made for the ModelDeployment ``name``, by revision."""
    weights: dict[str, int] = {}
    for rule in route.get("spec", {}).get("rules") or ():
        for backend in rule.get("backendRefs") or ():
            child = str(backend["name"])
            weights[revision_in(child, name) or child] = int(backend.get("weight", 1))
    return weights


def _identity(entry: HistoryEntry) -> tuple[str, str | None]:
    return entry.revision, entry.ended_at
