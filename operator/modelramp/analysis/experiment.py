"""An A/B test as questions to Prometheus, and their answers as evidence that adds up from tick to tick.

What is remembered is a short text of exact sums, as in analysis.accumulated: a restart goes on where it was, and a
replay of missed ticks ends in the same state.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from modelramp.analysis.abtest import (
    BATCH,
    LEAST_TAU,
    Batch,
    Difference,
    Paired,
    chi_square,
    difference_of_means,
    difference_of_rates,
    difference_of_users,
    imbalance,
    mismatched,
)
from modelramp.analysis.counts import CANDIDATE, STABLE, Answers, number_of
from modelramp.analysis.evidence import (
    Mean,
    Proportion,
    Unusable,
    can_add_up,
    count_problem,
    count_text,
    counted,
    finite,
    p_text,
)
from modelramp.analysis.promql import NoStableVersion
from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.questions import Ask, count_questions
from modelramp.analysis.wording import RATIO, shown
from modelramp.api.abtest import ABTest, ABTestRun, Unit
from modelramp.api.errors import NoAnswer, PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.api.quantity import format_number
from modelramp.api.text import visible
from modelramp.api.verdict import ABTestOutcome, Verdict

ASSIGNED = "assigned"
"""Name of the part that counts the assignment, when it has a query of its own."""
_NOTHING = "nothing was counted yet: is there traffic, and does the interval span a scrape?"
NO_PAIRS = Paired()
NO_BATCH = Batch()
_RARE = (
    "returned nothing; while none was counted its series may be missing: add `or vector(0)`, or in a grouped query "
    "`or total * 0`"
)


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick counted: a version's events (or sums) and observations, and how many were assigned to each.

    squares: of users, the growth of the sum of their squares; None when requests were counted. Events of users are
    a Mean too: who came earlier may buy in a minute in which nobody comes.
    """

    candidate: Proportion | Mean
    stable: Proportion | Mean
    assigned: tuple[float, float]
    squares: tuple[float, float] | None = None

    def problem(self) -> Unusable | None:
        """Why the tick adds nothing; None when it does. A version without traffic is no problem: it adds nothing."""
        for arm in (self.candidate, self.stable):
            found = arm.problem()
            if found is not None and found.reason is not Reason.EMPTY_RESULT:
                return found
        problems = [count_problem("assignment", count) for count in self.assigned]
        problems += [count_problem("squares", count) for count in self.squares or ()]
        return next(filter(None, problems), None)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything counted so far.

    candidate, stable: events (or sums) and observations of each version. assigned: how many each version got.
    suspicion: the largest logarithm so far of the evidence against the split. paired, batch: of means, the full batches
    and the one that is not full yet. squares: of users, the sum of the squares of what each one has.
    """

    candidate: tuple[float, float] = (0.0, 0.0)
    stable: tuple[float, float] = (0.0, 0.0)
    paired: Paired = NO_PAIRS
    assigned: tuple[float, float] = (0.0, 0.0)
    suspicion: float = 0.0
    batch: Batch = NO_BATCH
    squares: tuple[float, float] = (0.0, 0.0)

    def plus(self, tick: Tick, share: float) -> "Evidence":
        """With one more tick. share: the candidate's, 0 to 1."""
        pairs = [_pair(arm) for arm in (tick.candidate, tick.stable)]
        paired, batch = self.paired, self.batch
        if tick.squares is None and isinstance(tick.candidate, Mean) and isinstance(tick.stable, Mean):
            batch = batch.plus(tick.candidate, tick.stable)
        if batch.ticks >= BATCH:
            paired, batch = paired.plus(batch.candidate, batch.stable), NO_BATCH
        assigned = _add(self.assigned, tick.assigned)
        suspicion = imbalance(assigned[0], sum(assigned), share)
        return Evidence(
            _add(self.candidate, pairs[0]),
            _add(self.stable, pairs[1]),
            paired,
            assigned,
            max(self.suspicion, suspicion),
            batch,
            _add(self.squares, tick.squares or (0.0, 0.0)),
        )


def ask_of_test(run: ABTestRun, subject: QueryContext, window: int) -> Ask | ABTestOutcome:
    """The test's questions; or, when they cannot be asked, the outcome (NO_DATA) that says why. window: seconds."""
    if subject.stable is None:
        return _nothing(run, Unusable(Reason.NOT_EVALUATED, "there is no stable version to compare with"))
    beside = replace(subject, revision=subject.stable, service=subject.stable_service or "")
    parts = parts_of_test(run.test)
    arms = ((CANDIDATE, subject), (STABLE, beside))
    try:
        return Ask(tuple(found for arm, of in arms for found in count_questions(arm, parts, of, window)))
    except (NoStableVersion, ValueError) as error:
        return _nothing(run, Unusable(Reason.QUERY_INVALID, str(error)))


def parts_of_test(test: ABTest) -> dict[str, str]:
    """The queries of one version, by part."""
    metric = test.metric
    found = {
        "good": metric.good,
        "bad": metric.bad,
        "total": metric.total,
        "sum": metric.sum,
        "count": metric.count,
        "users": metric.users,
        "squares": metric.squares,
        ASSIGNED: test.assignment,
    }
    return {part: query for part, query in found.items() if query is not None}


def silent_test(run: ABTestRun, error: NoAnswer) -> ABTestOutcome:
    """The outcome when Prometheus could not be asked."""
    code = error.reason if isinstance(error, PrometheusUnavailable) else ""
    reason = Reason(code) if code in frozenset(Reason) else Reason.QUERY_FAILED
    return _nothing(run, Unusable(reason, str(error) or "Prometheus gave no usable answer"))


def judge_test(run: ABTestRun, answers: Answers, whole: bool) -> ABTestOutcome:
    """What the test has found with this tick's answers. whole: see ABTestRun.covers."""
    if not whole:
        return _nothing(
            run, Unusable(Reason.WARMING_UP, "the window still reaches back before the versions were split")
        )
    read = {}
    for name, series in answers.items():
        value = number_of(series, name)
        if not isinstance(value, float):
            rare = not series and name.endswith((".good", ".bad"))
            return _nothing(run, Unusable(value.reason, f"{name} {_RARE}") if rare else value)
        read[name] = value
    return judge_tick(run, _tick(read))


def judge_tick(run: ABTestRun, tick: Tick) -> ABTestOutcome:
    """What the test has found with one more tick."""
    if problem := tick.problem():
        why = problem.message
        named = why.replace("bad ", "good ", 1) if run.test.metric.good is not None else why
        return _nothing(run, Unusable(problem.reason, named))
    return _said(run, evidence_of(run).plus(tick, run.weight / 100), None)


def evidence_of(run: ABTestRun) -> Evidence:
    """What was counted up to the last tick; nothing when that was another test."""
    try:
        found = json.loads(run.memory) if run.memory else {}
        if not isinstance(found, dict) or found.get("test") != _identity(run):
            return Evidence()
        one, two, three, four, ticks, weight, first, second, five, six, suspicion = finite(found["sums"])
        batch = _batch(finite(found.get("batch", ())))
        squares, more = finite(found.get("squares", (0.0, 0.0)))
    except (ValueError, TypeError, KeyError, RecursionError):
        return Evidence()
    of_means = run.test.metric.sum is not None or run.test.unit is Unit.USER
    counted = [Mean(*pair) if of_means else Proportion(*pair) for pair in ((one, two), (three, four))]
    if not can_add_up(*counted, batch.candidate, batch.stable) or any(
        count_problem(ASSIGNED, count) for count in (five, six, squares, more)
    ):
        return Evidence()
    paired = Paired(int(ticks), weight, first, second)
    return Evidence((one, two), (three, four), paired, (five, six), suspicion, batch, (squares, more))


def _batch(kept: list[float]) -> Batch:
    """The batch that is not full, from five numbers; none of them means none. Raises ValueError for others."""
    if not kept:
        return NO_BATCH
    ticks, *sums = kept
    one, two, three, four = sums
    return Batch(int(ticks), Mean(one, two), Mean(three, four))


def difference_in(test: ABTest, evidence: Evidence) -> Difference | None:
    """Candidate less stable with its interval; None while it cannot be bounded."""
    if test.metric.squares is not None:
        sums = zip((evidence.candidate, evidence.stable), evidence.squares, strict=True)
        one, other = ((users, total, squares) for (total, users), squares in sums)
        return difference_of_users(one, other, test.level, test.min_effect)
    if test.metric.sum is not None:
        return difference_of_means(evidence.paired, test.level)
    arms = Proportion(*evidence.candidate), Proportion(*evidence.stable)
    return difference_of_rates(*arms, test.level, max(test.min_effect, LEAST_TAU))


def sample_ratio(evidence: Evidence, weight: int) -> str:
    """The assignment against the split, for people; "" while nothing was assigned."""
    one, other = evidence.assigned
    if one + other <= 0:
        return ""
    statistic, p_value = chi_square(one, one + other, weight / 100)
    found = f"{_whole(one)} : {_whole(other)} against {weight} : {100 - weight}"
    return f"{found}, chi-square {format_number(statistic)}, {p_text(p_value)}"


def _whole(count: float) -> str:
    return count_text(float(round(count)))


def _identity(run: ABTestRun) -> str:
    return f"{run.revision} {run.test.question(run.weight)}"


def _memory(run: ABTestRun, evidence: Evidence) -> str:
    paired = evidence.paired
    sums = (*evidence.candidate, *evidence.stable, paired.ticks, paired.weight, paired.first, paired.second)
    found: dict[str, Any] = {"test": _identity(run), "sums": [*sums, *evidence.assigned, evidence.suspicion]}
    if any(evidence.squares):
        found["squares"] = evidence.squares
    if (batch := evidence.batch).ticks:
        found["batch"] = [batch.ticks, *_pair(batch.candidate), *_pair(batch.stable)]
    return json.dumps(found, separators=(",", ":"))


def _nothing(run: ABTestRun, problem: Unusable) -> ABTestOutcome:
    """A tick that adds nothing: what was counted before still stands."""
    return _said(run, evidence_of(run), problem)


def _said(run: ABTestRun, evidence: Evidence, problem: Unusable | None) -> ABTestOutcome:
    test, found = run.test, difference_in(run.test, evidence)
    sign = 1 if test.metric.rises else -1
    ends = sorted((sign * found.low, sign * found.high)) if found else (None, None)
    words = _words(test, evidence, found)
    if problem is None and found is None:
        problem = Unusable(
            Reason.TOO_FEW_SAMPLES, "too little was counted to bound the difference" if words else _NOTHING
        )
    detail = visible("; ".join(filter(None, (words, problem.message if problem else ""))))
    return ABTestOutcome(
        Verdict.NO_DATA if problem else Verdict.HEALTHY,
        problem.reason if problem else Reason.WITHIN_LIMIT,
        detail,
        samples=evidence.candidate[1],
        memory=_memory(run, evidence),
        estimate=sign * found.estimate if found else None,
        low=ends[0],
        high=ends[1],
        mismatch=mismatched(evidence.suspicion, *evidence.assigned, run.weight / 100),
        candidate=_arm_text(test, evidence.candidate),
        stable=_arm_text(test, evidence.stable),
        difference=_signed(test, found.estimate) if found else "",
        interval=f"{_signed(test, found.low)} to {_signed(test, found.high)}" if found else "",
        sample_ratio=sample_ratio(evidence, run.weight),
    )


def _words(test: ABTest, evidence: Evidence, found: Difference | None) -> str:
    if not evidence.candidate[1] and not evidence.stable[1]:
        return ""
    one, other = _arm_text(test, evidence.candidate), _arm_text(test, evidence.stable)
    text = f"{test.metric.name} {one} against {other} with the stable version"
    if found is None:
        return text
    level = format_number(100 * (1 - test.level))
    ends = f"{_signed(test, found.low)} to {_signed(test, found.high)}"
    return f"{text}, difference {_signed(test, found.estimate)} ({level} % interval over all looks: {ends})"


def _arm_text(test: ABTest, arm: tuple[float, float]) -> str:
    amount, count = arm
    if not count:
        return "nothing counted yet"
    return f"{shown(amount / count, '' if test.metric.sum is not None else RATIO)} of {_whole(count)}"


def _signed(test: ABTest, value: float) -> str:
    """A difference for people; of rates in percentage points."""
    if test.metric.sum is not None:
        return f"{'+' if value > 0 else ''}{shown(value)}"
    return f"{'+' if value > 0 else ''}{format_number(100 * value)} points"


def _pair(arm: Proportion | Mean) -> tuple[float, float]:
    return (arm.bad, arm.total) if isinstance(arm, Proportion) else (arm.sum, arm.count)


def _add(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return one[0] + other[0], one[1] + other[1]


def _tick(read: dict[str, float]) -> Tick:
    arms: list[Proportion | Mean] = []
    assigned, squares = [], []
    for arm in (CANDIDATE, STABLE):
        part = {name.removeprefix(f"{arm}."): value for name, value in read.items() if name.startswith(f"{arm}.")}
        if "users" in part:
            total = part["users"]
            counts: Proportion | Mean = Mean(next(part[name] for name in ("sum", "good", "bad") if name in part), total)
            squares.append(part.get("squares", 0.0))
        elif "sum" in part:
            counts = Mean(part["sum"], part["count"])
            total = part["count"]
        else:
            total = part["total"]
            counts = Proportion(part["good"], total) if "good" in part else counted(part.get("bad", 0.0), total)
        arms.append(counts)
        assigned.append(part.get(ASSIGNED, total))
    return Tick(arms[0], arms[1], (assigned[0], assigned[1]), (squares[0], squares[1]) if squares else None)
