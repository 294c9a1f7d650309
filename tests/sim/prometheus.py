"""A Prometheus with scripted answers: one letter per revision, check and minute; asking again gives the same answer.

A script such as "hhb?" starts at the first tick after the version first had traffic; its last letter goes on for ever.
What stands after a bar ("h|hhb") starts at the first tick after the version's promotion.
h: within the limit. b: beyond it. w: better than usual, for the metric of an A/B test. ?: nothing was measured (an
empty result, or NaN). While a revision has no traffic nothing is measured either.
"""

import math
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from modelramp.api.errors import PrometheusSilent
from modelramp.engine.ports import Sample

Scripts = Mapping[str, Mapping[str, str]]
"""By model version, then by check: the script."""

CHECKS = {
    "errors": "prediction_requests_total",
    "accuracy": "sim_accuracy",
    "conversions": "sim_conversions",
    "visits": "sim_visits",
    "labels": "sim_labels",
    "answers": "sim_answers",
    "tokens": "sim_tokens",
}
"""Checks by name, with a metric that only their query has. The first is a preset (one query for all revisions)."""
VISITS = 1000
"""Of each version in each minute of an A/B test."""
VALUES = {
    ("errors", "h"): 0.001,
    ("errors", "b"): 0.2,
    ("accuracy", "h"): 0.95,
    ("accuracy", "b"): 0.4,
    ("conversions", "w"): 300,
    ("conversions", "h"): 200,
    ("conversions", "b"): 100,
    ("visits", "h"): VISITS,
}
_USUAL = {"h": 0.001, "b": 0.2}

_REVISION = re.compile(r'revision="([^"]+)"')


def value_of(check: str, letter: str) -> float:
    """The number behind a letter."""
    return VALUES.get((check, letter), _USUAL.get(letter, math.nan))


@dataclass(frozen=True, slots=True)
class Period:
    """A time, seconds of wall time, in which Prometheus is "down" or "slow"."""

    start: float
    end: float
    how: str


@dataclass(slots=True)
class Timeline:
    """What the world knows of one revision: its version, and when it first had traffic and was promoted."""

    version: str
    traffic: list[tuple[float, int]] = field(default_factory=list)
    promoted_at: float | None = None

    def share(self, start: float, end: float) -> int:
        """The highest weight in the time from start to end."""
        highest = 0
        for index, (since, weight) in enumerate(self.traffic):
            until = self.traffic[index + 1][0] if index + 1 < len(self.traffic) else math.inf
            if since < end and until > start:
                highest = max(highest, weight)
        return highest


class ScriptedPrometheus:
    """Answers queries from scripts and from what the gateway really served."""

    def __init__(self, now: Callable[[], float], scripts: Scripts, interval: int, seed: float) -> None:
        self._now = now
        self._scripts = scripts
        self._interval = interval
        self._seed = seed
        self.revisions: dict[str, Timeline] = {}
        self.periods: list[Period] = []
        self.unknown: list[str] = []

    def learn(self, revision: str, version: str) -> None:
        """Which model version a revision stands for."""
        self.revisions.setdefault(revision, Timeline(version))

    def served(self, weights: Mapping[str, int]) -> None:
        """The gateway gives these shares from now on."""
        for revision, timeline in self.revisions.items():
            weight = weights.get(revision, 0)
            if (timeline.traffic[-1][1] if timeline.traffic else 0) != weight:
                timeline.traffic.append((self._now(), weight))

    def promoted(self, revision: str) -> None:
        """The operator has declared this revision stable."""
        timeline = self.revisions.get(revision)
        if timeline is not None and timeline.promoted_at is None:
            timeline.promoted_at = self._now()

    def subjects(self, query: str) -> list[tuple[str, str]]:
        """The (check, revision) pairs that a query asks about."""
        check = self._check(query)
        found = _REVISION.search(query)
        return [(check, revision) for revision in ([found[1]] if found else sorted(self.revisions)) if check]

    def letter(self, check: str, revision: str, tick: int) -> str:
        """What the script says of a revision at a tick."""
        timeline = self.revisions.get(revision)
        if timeline is None or tick > self._now() or timeline.share(tick - self._interval, tick) == 0:
            return "?"
        script = self._scripts.get(timeline.version, {}).get(check, "h")
        before, bar, after = script.partition("|")
        start = timeline.traffic[0][0]
        if bar and timeline.promoted_at is not None and tick > timeline.promoted_at:
            before, start = after, timeline.promoted_at
        index = int((tick - start) // self._interval)
        return before[min(index, len(before) - 1)]

    def slowness(self) -> float:
        """Seconds that an answer takes now, beyond the network."""
        return 30.0 if self._period("slow") else 0.0

    def answer(self, address: str, query: str, instants: tuple[int, ...]) -> dict[int, tuple[Sample, ...]]:
        """The query's value at each instant; PrometheusSilent while Prometheus is down or too slow."""
        if self._period("down"):
            raise PrometheusSilent("PrometheusUnreachable", f"{address}: connection refused")
        if self._period("slow"):
            raise PrometheusSilent("PrometheusTimeout", f"{address}: no answer within 10 s")
        if not self._check(query):
            self.unknown.append(query)
        grouped = _REVISION.search(query) is None
        found = {}
        for instant in instants:
            samples = (self._sample(check, revision, instant, grouped) for check, revision in self.subjects(query))
            found[instant] = tuple(sample for sample in samples if sample is not None)
        return found

    def _sample(self, check: str, revision: str, tick: int, grouped: bool) -> Sample | None:
        letter = self.letter(check, revision, tick)
        labels = {"namespace": "ml", "modeldeployment": "digits", "revision": revision} if grouped else {}
        if letter == "?":
            silent = random.Random(f"{self._seed} {revision} {tick}").random() < 0.5  # noqa: S311
            return None if silent else Sample(labels, math.nan)
        return Sample(labels, value_of(check, letter))

    def _check(self, query: str) -> str:
        return next((name for name, metric in CHECKS.items() if metric in query), "")

    def _period(self, how: str) -> bool:
        return any(period.how == how and period.start <= self._now() < period.end for period in self.periods)
