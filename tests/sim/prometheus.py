"""A Prometheus with scripted answers: one letter per revision, check and minute; asking again gives the same answer.

A script such as "hhb?" starts at the first tick after the version first had traffic; its last letter goes on for ever.
What stands after a bar ("h|hhb") starts at the first tick after the version's promotion.
h: within the limit. b: beyond it. w: better than usual, for the metric of an A/B test. ?: nothing was measured (an
empty result, or NaN). While a revision has no traffic nothing is measured either.

Every address is a Prometheus of its own, which knows the objects that name it. What a hostile one says instead, and how
late, is a Strange.
"""

import math
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelramp.api.errors import PrometheusUnavailable
from modelramp.engine.ports import Sample
from tests.sim.streams import DIGITS, Key

if TYPE_CHECKING:
    from tests.sim.member import Member

Scripts = Mapping[str, Mapping[str, str]]
"""By model version, then by check: the script."""

SHARED_ADDRESS = "http://prometheus.monitoring:9090"
"""The operator's own Prometheus: asked about every object that names no other."""
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
_NAMESPACE = re.compile(r'\bnamespace=~?"([^"]+)"')
_BY_REVISION = re.compile(r"\bby \([^)]*\brevision\b")
SLOW_SECONDS = 30.0

Subject = tuple[Key, str, str]
"""A ModelDeployment, a check, and a revision."""


def value_of(check: str, letter: str) -> float:
    """The number behind a letter."""
    return VALUES.get((check, letter), _USUAL.get(letter, math.nan))


@dataclass(frozen=True, slots=True)
class Period:
    """A time, seconds of wall time, in which Prometheus is "down" or "slow"."""

    start: float
    end: float
    how: str


@dataclass(frozen=True, slots=True)
class Strange:
    """A Prometheus, or some questions to it, with answers of its own.

    about: of the address and the query. seconds: until it answers. say: the series at an instant; it may raise.
    """

    about: Callable[[str, str], bool]
    seconds: float = 0.0
    say: Callable[[str, int], tuple[Sample, ...]] = lambda _query, _tick: ()


@dataclass(slots=True)
class Timeline:
    """What the world knows of one revision: its version, and when it first had traffic and was promoted."""

    version: str
    traffic: list[tuple[float, int]] = field(default_factory=list)
    promoted_at: float | None = None
    previews: list[tuple[float, bool]] = field(default_factory=list)

    @property
    def begun(self) -> float:
        """When its first request came, from testers of a preview or from the gateway."""
        return min(self.traffic[:1] + self.previews[:1])[0]

    def previewed(self, at: float, *, testers: bool) -> None:
        """Whether testers send requests to its preview from now on."""
        if (self.previews[-1][1] if self.previews else False) != testers:
            self.previews.append((at, testers))

    def served(self, at: float, weight: int) -> None:
        """The gateway gives this share from now on."""
        if (self.traffic[-1][1] if self.traffic else 0) != weight:
            self.traffic.append((at, weight))

    def promoted(self, at: float) -> None:
        """The operator has declared this revision stable."""
        if self.promoted_at is None:
            self.promoted_at = at

    def share(self, start: float, end: float) -> int:
        """The highest weight in the time from start to end; a preview with testers counts as one percent."""
        return max(_most(self.traffic, start, end), int(_most(self.previews, start, end)))


def _most(changes: list[tuple[float, int]], start: float, end: float) -> int:
    highest = 0
    for index, (since, value) in enumerate(changes):
        until = changes[index + 1][0] if index + 1 < len(changes) else math.inf
        if since < end and until > start:
            highest = max(highest, value)
    return highest


class ScriptedPrometheus:
    """Answers queries from scripts and from what the gateway really served."""

    def __init__(self, now: Callable[[], float], members: "Mapping[Key, Member]", interval: int, seed: float) -> None:
        self._now = now
        self._members = members
        self._interval = interval
        self._seed = seed
        self.periods: list[Period] = []
        self.strange: list[Strange] = []
        self.overgrown: set[str] = set()
        """Namespaces with so many series that no answer with them can be had."""
        self.alien: list[Callable[[str, int], tuple[Sample, ...]]] = []
        """Series that hostile namespaces add to the answers of grouped questions."""
        self.unknown: list[str] = []

    @property
    def revisions(self) -> dict[str, Timeline]:
        """Every revision of the usual object."""
        return self._members[DIGITS].timelines if DIGITS in self._members else {}

    def subjects(self, address: str, query: str) -> list[Subject]:
        """What a query asks about. A revision without a namespace means the first object that has it."""
        check, found = self._check(query), _REVISION.search(query)
        if not check:
            return []
        known = [
            (member.key, check, revision)
            for member in self._asked(address, query)
            for revision in ([found[1]] if found else sorted(member.timelines))
            if revision in member.timelines
        ]
        return known if _grouped(query) else known[:1]

    def letter(self, subject: Subject, tick: int) -> str:
        """What the script says of a revision at a tick."""
        key, check, revision = subject
        timeline = self._members[key].timelines.get(revision)
        if timeline is None or tick > self._now() or timeline.share(tick - self._interval, tick) == 0:
            return "?"
        script = self._members[key].scripts.get(timeline.version, {}).get(check, "h")
        before, bar, after = script.partition("|")
        start = timeline.begun
        if bar and timeline.promoted_at is not None and tick > timeline.promoted_at:
            before, start = after, timeline.promoted_at
        index = int((tick - start) // self._interval)
        return before[min(index, len(before) - 1)]

    def slowness(self, address: str, query: str) -> float:
        """Seconds that an answer takes now, beyond the network."""
        strange = self._strange(address, query)
        if strange is not None:
            return strange.seconds
        return SLOW_SECONDS if self._period("slow") else 0.0

    def answer(self, address: str, query: str, instants: tuple[int, ...]) -> dict[int, tuple[Sample, ...]]:
        """The query's value at each instant; PrometheusUnavailable while Prometheus is down or too slow."""
        strange = self._strange(address, query)
        if strange is not None:
            return {instant: strange.say(query, instant) for instant in instants}
        if self._period("down"):
            raise PrometheusUnavailable("PrometheusUnreachable", f"{address}: connection refused")
        if self._period("slow"):
            raise PrometheusUnavailable("PrometheusTimeout", f"{address}: no answer within 10 s")
        if not self._check(query):
            self.unknown.append(query)
        grouped = _grouped(query)
        if grouped and any(_within(query, namespace) for namespace in self.overgrown):
            raise PrometheusUnavailable("AnswerTooLarge", f"{address}: more than 10000 series")
        found = {}
        for instant in instants:
            samples = (self._sample(subject, instant, grouped) for subject in self.subjects(address, query))
            found[instant] = tuple(sample for sample in samples if sample is not None)
            if grouped:
                found[instant] += _readable(tuple(self._aliens(query, instant)))
        return found

    def _asked(self, address: str, query: str) -> Iterator["Member"]:
        for member in self._members.values():
            if member.address == address and _within(query, member.namespace):
                yield member

    def _sample(self, subject: Subject, tick: int, grouped: bool) -> Sample | None:
        (namespace, name), check, revision = subject
        letter = self.letter(subject, tick)
        labels = {"namespace": namespace, "modeldeployment": name, "revision": revision} if grouped else {}
        if letter == "?":
            silent = random.Random(f"{self._seed} {revision} {tick}").random() < 0.5  # noqa: S311
            return None if silent else Sample(labels, math.nan)
        return Sample(labels, value_of(check, letter))

    def _aliens(self, query: str, instant: int) -> Iterator[Sample]:
        for alien in self.alien:
            for sample in alien(query, instant):
                if _within(query, str(sample.labels.get("namespace"))):
                    yield sample

    def _strange(self, address: str, query: str) -> Strange | None:
        return next((strange for strange in self.strange if strange.about(address, query)), None)

    def _check(self, query: str) -> str:
        return next((name for name, metric in CHECKS.items() if metric in query), "")

    def _period(self, how: str) -> bool:
        return any(period.how == how and period.start <= self._now() < period.end for period in self.periods)


def _readable(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """As the adapter has it: an answer with labels that are no text is none."""
    if any(not isinstance(value, str) for sample in samples for value in sample.labels.values()):
        raise PrometheusUnavailable("QueryFailed", "the answer has labels that are no text")
    return samples


def _grouped(query: str) -> bool:
    """Whether a query is answered with a series for each revision: it names none, or is put for several objects."""
    return _REVISION.search(query) is None or _BY_REVISION.search(query) is not None


def _within(query: str, namespace: str) -> bool:
    """Whether a query may be about objects of a namespace: it names that one, or none."""
    wanted = _NAMESPACE.search(query)
    return wanted is None or namespace in wanted[1].split("|")
