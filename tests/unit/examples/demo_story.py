"""A demo as it would be recorded, told in a few words, so that a test can change one of them."""

from dataclasses import dataclass, field

from examples.demo.cast import Cast, read_cast
from examples.demo.journal import Journal
from examples.demo.promises import Load
from modelramp.api.status import CandidateStatus, CheckStatus, HistoryEntry, Status, VersionStatus
from modelramp.api.times import to_text

CAST: Cast = read_cast()
START = 1_795_176_000
REVISIONS = {"1.0.0": "aaa", "2.0.0": "bbb", "3.0.0": "ccc"}
RATE = 40
VERDICTS = {"+": "healthy", "-": "breach", "?": "no-data"}


@dataclass
class Story:
    """What may differ from the promised course of things.

    weights: of 2.0.0 on the route. step: seconds at each. marks: ticks of 3.0.0. guilty: the checks that breach.
    back: seconds from the rolling-back tick to the change of the route. share_error: of the real traffic.
    straggler: seconds after that change at which 3.0.0 answers for the last time. outcome: of 3.0.0.
    """

    weights: tuple[int, ...] = (10, 50, 100)
    step: float = 30
    marks: str = "?---"
    guilty: tuple[str, ...] = ("accuracy",)
    back: float = 5.4
    share_error: float = 0.0
    straggler: float = 0.2
    outcome: str = "RolledBack"
    failed: int = 0
    labels_failed: int = 0
    skipped: int = 0
    length: float = 200
    journal: Journal = field(default_factory=lambda: Journal(CAST.rules.interval))
    _answered: dict = field(default_factory=dict)
    _history: tuple = ()
    _strip: str = ""

    def played(self) -> tuple[Journal, Load]:
        at = float(START)
        self._route(at, {"1.0.0": 100}, 10)
        at += 10
        self._status(at, stable="1.0.0")
        for weight in self.weights:
            self._route(at, {"1.0.0": 100 - weight, "2.0.0": weight}, self.step)
            at += self.step
        self._end("2.0.0", at, "Promoted", weight=self.weights[-1])
        self._status(at, stable="2.0.0")
        self._route(at, {"2.0.0": 100}, 10)
        last = self._trial((int(at) // 10 + 1) * 10)
        return self.journal, self._load(last)

    def _trial(self, entered: int) -> float:
        ticks = [entered + 10 * (index + 1) for index in range(len(self.marks))]
        self._route(entered, {"2.0.0": 90, "3.0.0": 10}, ticks[-1] + self.back - entered)
        for tick, mark in zip(ticks, self.marks, strict=True):
            self._strip += mark
            if tick == ticks[-1]:
                self._end("3.0.0", tick, self.outcome, weight=10)
            self._tick(tick, mark, over=tick == ticks[-1])
        back = ticks[-1] + self.back
        self._status(back, stable="2.0.0", phase="RolledBack")
        self._route(back, {"2.0.0": 100}, 10)
        return back + self.straggler

    def _tick(self, tick: int, mark: str, *, over: bool) -> None:
        verdicts = {name: VERDICTS[mark] if name in self.guilty else "healthy" for name in ("error-rate", "accuracy")}
        checks = tuple(
            CheckStatus(name=name, verdict=verdict, reason="BelowMinimum", value="0.13", limit=">= 0.85")
            for name, verdict in verdicts.items()
        )
        candidate = CandidateStatus(revision="ccc", model_version="3.0.0", weight=10, step=0)
        self.journal.saw_status(
            tick + 5.0,
            Status(
                phase="RollingBack" if over else "Progressing",
                stable=VersionStatus(revision="bbb", model_version="2.0.0"),
                candidate=None if over else candidate,
                last_tick=to_text(tick),
                ticks=self._strip[-10:],
                breaches=0 if over else len(self._strip) - len(self._strip.rstrip("-")),
                checks=checks,
                history=self._history,
            ),
        )

    def _status(self, at: float, stable: str, phase: str = "Healthy") -> None:
        version = VersionStatus(revision=REVISIONS[stable], model_version=stable)
        last = self.journal.status.last_tick
        history, strip = self._history, self._strip[-10:]
        self.journal.saw_status(at, Status(phase=phase, stable=version, history=history, last_tick=last, ticks=strip))

    def _end(self, version: str, at: float, outcome: str, weight: int) -> None:
        ended = HistoryEntry(
            revision=REVISIONS[version],
            model_version=version,
            ended_at=to_text(int(at)),
            outcome=outcome,
            weight=weight,
        )
        self._history = (ended, *self._history)

    def _route(self, at: float, weights: dict[str, int], seconds: float) -> None:
        self.journal.saw_route(at, {REVISIONS[version]: weight for version, weight in weights.items()})
        self.journal.saw_traffic(at, self._answered)
        for second in range(1, int(seconds) + 1):
            for version, weight in weights.items():
                candidate = len(weights) > 1 and version == list(weights)[-1] and 0 < weight < 100
                share = weight / 100 + (self.share_error if candidate else 0.0)
                self._answered[REVISIONS[version]] = self._answered.get(REVISIONS[version], 0) + RATE * share
            self.journal.saw_traffic(at + second - 0.001, self._answered)

    def _load(self, last_third: float) -> Load:
        sent = round(sum(self._answered.values()))
        return Load(
            sent=sent,
            failed=self.failed,
            skipped=self.skipped,
            labels_sent=sent,
            labels_failed=self.labels_failed,
            answered={revision: round(count) for revision, count in self._answered.items()},
            last_answers={"ccc": last_third},
            began=START,
            ended=START + self.length,
        )
