"""Limits from history for a stated rate of false alarms of the whole rule: so many breaches in a row. No I/O.

All checks of a rule are moved together, each to the same share q of its own history that lies beyond its limit: the
rule then has one number to choose. A higher q means tighter limits. Counting is that of core.breaches: a tick with any
breach counts (or, with scores, one at which the core says so), one without data neither counts nor ends a row.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, isfinite, log10, sqrt

from modelramp.cli.backtest.scores import Scored

MONTH = 30.4375 * 86_400
"""Seconds of a month: a twelfth of 365.25 days."""
LEAST_TICKS = 60
MOST_BEYOND = 0.25
"""A limit that more than a quarter of a good history breaches is none, whatever the rate."""
ENOUGH = 3.0
"""False alarms that the history should have held, for their count alone to be trusted (the rule of three)."""

CAUTION = 1.2816
"""Standard errors above an estimate: 90 % of a normal distribution lie below."""


@dataclass(frozen=True, slots=True)
class Side:
    """One limit of one check over history. upward: too high is bad (a maximum). None: no data at that tick."""

    check: str
    upward: bool
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """Sides that feed one count of breaches in a row, and how many of them are an alarm.

    judge: says which ticks breach when scores decide; None when any side beyond its limit does.
    """

    sides: tuple[Side, ...]
    threshold: int
    judge: Scored | None = None

    @property
    def ticks(self) -> range:
        """All ticks of the history, as indices."""
        return range(len(self.sides[0].values))

    def silent(self, tick: int) -> bool:
        """Whether anything that feeds the count had no data at a tick."""
        if self.judge is not None and self.judge.silent(tick):
            return True
        return any(side.values[tick] is None for side in self.sides)

    def breaches(self, tick: int, beyond: Collection[str]) -> bool:
        """Whether a tick breaches when these checks lie beyond their limits."""
        return bool(beyond) if self.judge is None else self.judge.breaches(tick, beyond)


@dataclass(frozen=True, slots=True)
class Proposal:
    """limits: by check and direction. beyond: the share q. alarms: in this history; expected: for a month."""

    limits: dict[tuple[str, bool], float]
    beyond: float
    alarms: int
    allowed: int
    expected: float
    counted: bool


class TooThin(Exception):
    """The history cannot show the rate that is asked for; the message says what would."""


def propose(rules: Sequence[Rule], interval: int, per_month: float) -> Proposal:
    """The tightest limits under which the rules raise at most `per_month` alarms a month.

    The count in the history itself is kept at every looser setting, too. Where the history is too short to have held
    ENOUGH such alarms, the rate is also reckoned from its runs, see `expected_rate`. Raises TooThin.
    """
    informed = min(_informed(rule) for rule in rules)
    months = informed * interval / MONTH
    allowed = floor(per_month * months + 1e-9)
    if informed < LEAST_TICKS:
        raise TooThin(f"{informed} ticks with data are too few; at least {LEAST_TICKS} are needed for anything")
    best: tuple[float, int, float] | None = None
    for level, alarms, expected in _levels(rules, interval):
        if alarms > allowed or level > MOST_BEYOND:
            break
        if expected <= per_month or per_month * months >= ENOUGH:
            best = level, alarms, expected
    if best is None:
        raise TooThin(_needed(rules, interval, per_month, informed))
    limits = _limits(rules, best[0], allowed)
    return Proposal(limits, best[0], count_alarms(rules, limits), allowed, best[2], per_month * months >= ENOUGH)


def expected_rate(breaches: float, runs: float, ticks: float, threshold: int, interval: int) -> float:
    """Alarms a month, cautiously, when runs go on as in the history: a Markov chain of first order.

    A run begins at a share b of all ticks and goes on with probability p: alarms are b p^(threshold-1) of all ticks.
    Both are Jeffreys estimates, raised by CAUTION standard errors (Poisson for b, binomial for p): that nothing was
    seen does not mean never, and the best of many settings looks better than it is.
    """
    begins = (runs + 0.5 + CAUTION * sqrt(runs + 0.5)) / ticks
    goes_on = (breaches - runs + 0.5) / (breaches + 1)
    goes_on = min(1.0, goes_on + CAUTION * sqrt(goes_on * (1 - goes_on) / (breaches + 1)))
    return float(MONTH / interval * begins * goes_on ** (threshold - 1))


def count_alarms(rules: Sequence[Rule], limits: dict[tuple[str, bool], float]) -> int:
    """How often the rules would have raised an alarm in the history, each run of breaches once."""
    total = 0
    for rule in rules:
        row = 0
        for tick in rule.ticks:
            found = [(side, side.values[tick]) for side in rule.sides]
            beyond = {side.check for side, value in found if value is not None and _beyond(side, value, limits)}
            if rule.breaches(tick, beyond):
                row += 1
                total += row == rule.threshold
            elif not rule.silent(tick):
                row = 0
    return total


def autocorrelation(values: Sequence[float | None]) -> float:
    """Correlation of each value with the next one; 0 where nothing varies.

    >>> round(autocorrelation([1, 2, 1, 2, 1, 2, 1, 2]), 2)
    -0.88
    """
    known = [value for value in values if value is not None and isfinite(value)]
    mean = sum(known) / len(known) if known else 0.0
    spread = sum((value - mean) ** 2 for value in known)
    pairs = pairwise(values)
    both = [(a, b) for a, b in pairs if a is not None and b is not None and isfinite(a) and isfinite(b)]
    return sum((a - mean) * (b - mean) for a, b in both) / spread if spread else 0.0


def quantile(values: Sequence[float | None], share: float) -> float:
    """The value below which a share of the known values lies (the nearest one, none is made up)."""
    known = sorted(value for value in values if value is not None)
    return known[min(len(known) - 1, max(0, round(share * (len(known) - 1))))]


def _informed(rule: Rule) -> int:
    return sum(not rule.silent(tick) for tick in rule.ticks)


def _beyond(side: Side, value: float, limits: dict[tuple[str, bool], float]) -> bool:
    limit = limits[side.check, side.upward]
    return value > limit if side.upward else value < limit


def _scores(side: Side) -> list[float | None]:
    """For each tick the share of the known values that are at least as bad; infinitely bad ones have 0."""
    known = [value for value in side.values if value is not None]
    order = sorted(known, reverse=side.upward)
    at_least = {value: place for place, value in enumerate(order, start=1)}
    bad = float("inf") if side.upward else float("-inf")
    return [None if value is None else 0.0 if value == bad else at_least[value] / len(known) for value in side.values]


def _levels(rules: Sequence[Rule], interval: int) -> Iterator[tuple[float, int, float]]:
    """Every share q that makes a difference, rising, with the alarms in the history and the rate to expect."""
    scores = [[_scores(side) for side in rule.sides] for rule in rules]
    runs = []
    events: list[tuple[float, int, int]] = [(0.0, -1, -1)]
    for number, (rule, sides) in enumerate(zip(rules, scores, strict=True)):
        runs.append(Runs([rule.silent(tick) for tick in rule.ticks], rule.threshold))
        for at, tick in enumerate(zip(*sides, strict=True)):
            level = _breached_from(rule, at, tick)
            events += [(level, number, at)] if level is not None else []
    informed = [_informed(rule) for rule in rules]
    events.sort()
    for place, (level, number, at) in enumerate(events):
        if at >= 0:
            runs[number].add(at)
        if place + 1 < len(events) and events[place + 1][0] == level:
            continue
        expected = sum(
            expected_rate(each.breaches, each.runs, ticks, rule.threshold, interval)
            for each, ticks, rule in zip(runs, informed, rules, strict=True)
        )
        yield level, sum(each.alarms for each in runs), expected


def _breached_from(rule: Rule, tick: int, scores: Sequence[float | None]) -> float | None:
    """The least share at which a tick breaches; None when it never does. scores: of each side."""
    if rule.breaches(tick, ()):
        return 0.0
    beyond: set[str] = set()
    known = ((score, side.check) for score, side in zip(scores, rule.sides, strict=True) if score is not None)
    for level, check in sorted(known):
        beyond.add(check)
        if rule.breaches(tick, beyond):
            return level
    return None


def _limits(rules: Sequence[Rule], level: float, allowed: int) -> dict[tuple[str, bool], float]:
    """The worst value of each side that is still healthy, rounded away from the others where the count allows it."""
    exact: dict[tuple[str, bool], float] = {}
    for rule in rules:
        for side in rule.sides:
            scored = zip(side.values, _scores(side), strict=True)
            healthy = [value for value, score in scored if value is not None and score is not None and score > level]
            exact[side.check, side.upward] = max(healthy) if side.upward else min(healthy)
    for digits in (3, 4, 6):
        rounded = {key: _outwards(value, digits, up=key[1]) for key, value in exact.items()}
        if count_alarms(rules, rounded) <= allowed:
            return rounded
    return exact


def _outwards(value: float, digits: int, *, up: bool) -> float:
    """The next number with so many significant digits that is not below (up) or not above the value.

    >>> _outwards(0.012341, 3, up=True), _outwards(0.98765, 3, up=False), _outwards(0.5, 3, up=True)
    (0.0124, 0.987, 0.5)
    """
    near = float(f"{value:.{digits}g}")
    if value == 0 or (near >= value if up else near <= value):
        return near
    unit = 10.0 ** (floor(log10(abs(value))) - digits + 1)
    return float(f"{near + (unit if up else -unit):.{digits}g}")


def _needed(rules: Sequence[Rule], interval: int, per_month: float, informed: int) -> str:
    least = max(LEAST_TICKS, _least_ticks(rules, interval, per_month))
    return (
        f"{informed:,} ticks ({_long(informed * interval)}) cannot show that the rule fires at most "
        f"{per_month:g} times a month, whatever the limits: some {least:,} ticks ({_long(least * interval)}) "
        "would do if each tick were independent of the one before, more if not; give more history, a higher "
        "failureThreshold, or allow more false alarms"
    )


def _least_ticks(rules: Sequence[Rule], interval: int, per_month: float) -> int:
    """Ticks from which some setting shows the rate, when breaches fall independently; to a tenth."""
    ticks = float(LEAST_TICKS)
    while True:
        shares = (share / 1000 for share in range(1, round(MOST_BEYOND * 1000)))
        rates = (
            sum(
                expected_rate(share * ticks, share * (1 - share) * ticks, ticks, rule.threshold, interval)
                for rule in rules
            )
            for share in shares
        )
        if min(rates) <= per_month or per_month * ticks * interval / MONTH >= ENOUGH:
            return round(ticks)
        ticks *= 1.1


def _long(seconds: float) -> str:
    """How long that is, in the unit in which people would say it."""
    for unit, size in (("days", 86_400), ("hours", 3_600)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds / 60:.0f} minutes"


class Runs:
    """Breached ticks join into runs across ticks without data (a disjoint-set forest).

    breaches: ticks that breach. runs: rows of them. alarms: rows of at least `threshold`.
    """

    def __init__(self, silent: Sequence[bool], threshold: int) -> None:
        """silent: the ticks at which something had no data; those end no row."""
        self._parent: list[int] = list(range(len(silent)))
        self._within = [False] * len(silent)
        self._count = [0] * len(silent)
        self._threshold = threshold
        self.breaches = self.runs = self.alarms = 0
        for tick, is_silent in enumerate(silent):
            if is_silent:
                self._take(tick)

    def add(self, tick: int) -> None:
        """The tick breaches from now on. Each tick is added once."""
        if not self._within[tick]:
            self._take(tick)
        root = self._root(tick)
        self._tell(root, -1)
        self._count[root] += 1
        self.breaches += 1
        self._tell(root, 1)

    def _take(self, tick: int) -> None:
        self._within[tick] = True
        for other in (tick - 1, tick + 1):
            if 0 <= other < len(self._within) and self._within[other]:
                self._join(self._root(tick), self._root(other))

    def _join(self, one: int, other: int) -> None:
        self._tell(one, -1)
        self._tell(other, -1)
        self._parent[other] = one
        self._count[one] += self._count[other]
        self._tell(one, 1)

    def _tell(self, root: int, sign: int) -> None:
        self.runs += sign * (self._count[root] > 0)
        self.alarms += sign * (self._count[root] >= self._threshold)

    def _root(self, tick: int) -> int:
        while self._parent[tick] != tick:
            self._parent[tick] = self._parent[self._parent[tick]]
            tick = self._parent[tick]
        return tick
