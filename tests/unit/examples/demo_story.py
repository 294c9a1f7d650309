"""A demo as it would be recorded, told in a few words, so that a test can change one of them."""

from dataclasses import dataclass, field

from examples.demo.cast import Cast, Failing, read_cast
from examples.demo.findings import Load
from examples.demo.journal import Journal
from modelramp.api.status import CandidateStatus, CheckStatus, HistoryEntry, Status, VersionStatus
from modelramp.api.times import to_text

CAST: Cast = read_cast()
START = 1_795_176_000
REVISIONS = {"1.0.0": "aaa", "2.0.0": "bbb", "3.0.0": "ccc", "4.0.0": "ddd", "5.0.0": "eee"}
CHECKS = ("error-rate", "accuracy", "confidence", "fairness")
RATE = 40
VERDICTS = {"+": "healthy", "-": "breach", "?": "no-data"}


@dataclass
class Story:
    """What may differ from the promised course of things.

    weights: of 2.0.0 on the route. step: seconds at each. climb: weights of 5.0.0.
    odd: the bad version that the following speak of; the others go as promised. marks: its ticks at its last weight.
    guilty: the checks that breach; its own one if not set. stray: one that breaches as well, at the ticks (counted from
    the last, -1) of stray_at; alone: instead of the others there. silent: a check without data. back: seconds from the
    rolling-back tick to the change of the route. straggler: seconds after that change at which it answers for the last
    time. outcome: its own.
    share_error: of the real traffic.
    """

    weights: tuple[int, ...] = (10, 50, 100)
    step: float = 30
    climb: tuple[int, ...] = (10, 50)
    odd: str = "3.0.0"
    marks: str = "?---"
    guilty: tuple[str, ...] | None = None
    stray: str = ""
    stray_at: tuple[int, ...] = ()
    alone: bool = False
    silent: str = ""
    back: float = 5.4
    share_error: float = 0.0
    straggler: float = 0.2
    outcome: str = "RolledBack"
    failed: int = 0
    labels_failed: int = 0
    skipped: int = 0
    length: float = 400
    journal: Journal = field(default_factory=lambda: Journal(CAST.rules.interval))
    _answered: dict = field(default_factory=dict)
    _history: tuple = ()
    _strip: str = ""
    _last: dict = field(default_factory=dict)

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
        for bad in CAST.failing:
            at = self._trial(bad, (int(at) // 10 + 1) * 10)
        return self.journal, self._load()

    def _trial(self, bad: Failing, entered: int) -> float:
        """All ticks of a bad version; returns when it was over."""
        odd = bad.version == self.odd
        self._strip += "+"
        self._status(entered, stable="2.0.0", phase="RolledBack", last=to_text(entered))
        marks, back = (self.marks, self.back) if odd else ("?---", 5.4)
        for weight in self.climb[:-1] if bad.steps > 1 else ():
            self._route(entered, {"2.0.0": 100 - weight, bad.version: weight}, self.step)
            for tick in range(entered + 10, entered + int(self.step) + 1, 10):
                self._tick(bad, tick, "+")
            entered += int(self.step)
        weight = self.climb[-1] if bad.steps > 1 else 10
        ticks = [entered + 10 * (index + 1) for index in range(len(marks))]
        self._route(entered, _split(bad.version, weight), ticks[-1] + back - entered)
        for tick, mark in zip(ticks, marks, strict=True):
            last = tick == ticks[-1]
            if last:
                self._end(bad.version, tick, self.outcome if odd else "RolledBack", weight=weight)
            self._tick(bad, tick, mark, over=last, stray=odd and (tick - ticks[-1]) // 10 - 1 in self.stray_at)
        gone = ticks[-1] + back
        self._status(gone, stable="2.0.0", phase="RolledBack")
        self._route(gone, {"2.0.0": 100}, 10)
        self._last[REVISIONS[bad.version]] = gone + (self.straggler if odd else 0.2)
        return gone + 10

    def _tick(self, bad: Failing, tick: int, mark: str, *, over: bool = False, stray: bool = False) -> None:
        self._strip += mark
        odd = bad.version == self.odd
        guilty = self.guilty if odd and self.guilty is not None else (bad.check,)
        if stray:
            guilty = (self.stray,) if self.alone else (*guilty, self.stray)
        verdicts = {name: VERDICTS[mark] if name in guilty else "healthy" for name in CHECKS}
        if odd and self.silent:
            verdicts[self.silent] = "no-data"
        checks = tuple(
            CheckStatus(
                name=name,
                verdict=verdict,
                reason="BelowMinimum",
                value="0.13",
                limit=">= 0.8",
                message=f"{name} is off",
            )
            for name, verdict in verdicts.items()
        )
        candidate = CandidateStatus(revision=REVISIONS[bad.version], model_version=bad.version, weight=10, step=0)
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

    def _status(self, at: float, stable: str, phase: str = "Healthy", last: str | None = None) -> None:
        version = VersionStatus(revision=REVISIONS[stable], model_version=stable)
        last = last or self.journal.status.last_tick
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

    def _load(self) -> Load:
        sent = round(sum(self._answered.values()))
        return Load(
            sent=sent,
            failed=self.failed,
            skipped=self.skipped,
            labels_sent=sent,
            labels_failed=self.labels_failed,
            answered={revision: round(count) for revision, count in self._answered.items()},
            last_answers=self._last,
            began=START,
            ended=START + self.length,
        )


def _split(version: str, weight: int) -> dict[str, int]:
    return {"2.0.0": 100 - weight, version: weight} if weight < 100 else {version: 100}
