"""One query for many objects: what all due objects ask is merged, asked once, and handed out again."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from modelramp.analysis.accumulated import Window
from modelramp.analysis.checks import Ask, Question, ask, judge, no_answer
from modelramp.analysis.experiment import ask_of_test, judge_test, silent_test
from modelramp.analysis.joint import AsOneOfMany, JointQuery, Values
from modelramp.analysis.presets import Labels
from modelramp.analysis.query_context import QueryContext
from modelramp.api.abtest import ABTestRun
from modelramp.api.check import Check
from modelramp.api.errors import NoAnswer, PrometheusUnavailable
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import ABTestOutcome, CheckOutcome, TickOutcome
from modelramp.engine.ports import Endpoint, Metrics, Sample, Telemetry

Found = TypeVar("Found")
Item = TypeVar("Item")

AT_ONCE = 4
"""Queries in flight to one Prometheus."""

BREATH = 500
"""Objects judged before other tasks of the loop get their turn (some 10 ms)."""


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """One object whose checks are due.

    key: names the object in the result. since: start of the revision's present weight, seconds since the epoch: checks
    that add up evidence start again there. memory: what each of them left at the last tick, by name of the check.
    ab_test: the A/B test that is under way. alone: that no other version has traffic at this weight.
    resting: checks that are not evaluated, since they raised an error lately, with what it was.
    namesakes: labels of gateways that another object's Service has as well, each with that object.
    """

    key: str
    endpoint: Endpoint
    health: Health
    subject: QueryContext
    since: int = 0
    memory: Mapping[str, str] = field(default_factory=dict, hash=False)
    ab_test: ABTestRun | None = None
    alone: bool = False
    resting: Mapping[str, str] = field(default_factory=dict, hash=False)
    namesakes: Mapping[str, str] = field(default_factory=dict, hash=False)

    def after(self, outcomes: Iterable[CheckOutcome], ab_test: ABTestOutcome | None = None) -> "CheckRequest":
        """The same with what the checks, and an A/B test, left at a tick."""
        left = {found.name: found.memory for found in outcomes if found.memory}
        run = self.ab_test
        if run is not None and ab_test is not None and ab_test.memory:
            run = replace(run, memory=ab_test.memory)
        return replace(self, memory={**self.memory, **left}, ab_test=run)

    def window(self, check: Check, tick: int) -> Window:
        """The period over which the check accumulates evidence, at a tick."""
        return Window(
            revision=self.subject.revision,
            since=self.since,
            whole=tick - self.health.reach_of(check) >= self.since,
            trial=self.subject.revision != self.subject.stable,
            alone=self.alone,
            memory=self.memory.get(check.name, ""),
        )


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked once, however many objects want it.

    delay: seconds before the tick for which it is asked. labels: names of the labels by which objects pick their series
    from the answer; empty when the whole answer is theirs. joint: see Question.
    """

    endpoint: Endpoint
    text: str
    delay: int = 0
    labels: tuple[str, ...] = ()
    joint: AsOneOfMany | None = field(default=None, compare=False, repr=False)


class QueryResult:
    """All series of one answer; finding one object's series costs the same however many there are."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples
        self._found: dict[tuple[str, ...], dict[tuple[str | None, ...], list[Sample]]] = {}

    async def prepare(self, names: tuple[str, ...]) -> None:
        """Do ahead what the first `pick` by these labels would do in one go; other tasks get turns in between."""
        index: dict[tuple[str | None, ...], list[Sample]] = {}
        async for sample in spread(self._samples if names else ()):
            index.setdefault(_values(sample, names), []).append(sample)
        self._found[names] = index

    def pick(self, labels: Labels) -> Sequence[Sample]:
        """The series with these label values; all of them when no label is named."""
        if not labels:
            return self._samples
        names = tuple(name for name, _ in labels)
        if names not in self._found:
            self._found[names] = defaultdict(list)
            for sample in self._samples:
                self._found[names][_values(sample, names)].append(sample)
        return self._found[names].get(tuple(value for _, value in labels), ())

    def own(self, joint: JointQuery, values: Values) -> "QueryResult":
        """What the answer to a joint query says for one object, as the object's own query would have been answered."""
        picked = self.pick(tuple(zip(joint.keys, values, strict=True)))
        return QueryResult([replace(sample, labels=_less(sample.labels, joint.added)) for sample in picked])


def _less(labels: Mapping[str, str], names: frozenset[str]) -> Mapping[str, str]:
    return {name: value for name, value in labels.items() if name not in names}


def _values(sample: Sample, names: tuple[str, ...]) -> tuple[str | None, ...]:
    return tuple(map(sample.labels.get, names))


Answers = Mapping[Query, QueryResult | NoAnswer]


@dataclass(frozen=True, slots=True)
class BoundQueries:
    """One object's checks that are due, each with its questions or, when it cannot be asked, with its outcome."""

    due: CheckRequest
    checks: tuple[tuple[Check, Ask | CheckOutcome], ...]
    ab_test: Ask | ABTestOutcome | None = None

    def queries(self, tick: int) -> list[Query]:
        """What has to be asked for this object at a tick."""
        return [query for query, _ in self.questions(tick)]

    def questions(self, tick: int) -> list[tuple[Query, Labels]]:
        """The same, each with the labels of the series that are the object's own."""
        due = [(check.delay, asked) for check, asked in self.checks if self.due.health.is_due(check, tick)]
        later = self.due.ab_test.test.delay if self.due.ab_test is not None else 0
        return [
            (_query(self.due, question, delay), question.pick)
            for delay, asked in (*due, (later, self.ab_test))
            if isinstance(asked, Ask)
            for question in asked.questions
        ]


def _query(due: CheckRequest, question: Question, delay: int) -> Query:
    return Query(due.endpoint, question.text, delay, tuple(label for label, _ in question.pick), question.joint)


def asked(due: CheckRequest, ticks: Sequence[int]) -> BoundQueries:
    """The object's checks that are due at any of the ticks, as questions."""
    health = due.health
    wanted = (check for check in health.checks if any(health.is_due(check, tick) for tick in ticks))
    return BoundQueries(due, tuple((check, _put(due, check)) for check in wanted), _put_test(due))


def _put(due: CheckRequest, check: Check) -> Ask | CheckOutcome:
    """The check's questions. An exception counts against this check only."""
    if check.name in due.resting:
        return no_answer(check, PrometheusUnavailable(Reason.CHECK_FAILED, due.resting[check.name]))
    try:
        put = ask(check, due.subject, due.health.window_of(check))
        shared = _shared(due, put)
        return no_answer(check, PrometheusUnavailable(Reason.SEVERAL_SERIES, shared)) if shared else put
    except Exception as error:  # noqa: BLE001 - a bug that one check meets must not stop the others
        return no_answer(check, check_failed(error))


def _shared(due: CheckRequest, put: Ask | CheckOutcome) -> str:
    """Why series that a check asks for are of another object as well; empty when they are its own."""
    if not due.namesakes or not isinstance(put, Ask):
        return ""
    alone = (question.pick[0][1] for question in put.questions if len(question.pick) == 1)
    other = next((due.namesakes[label] for label in alone if label in due.namesakes), None)
    if other is None:
        return ""
    return (
        f"the gateway's metrics do not tell {due.key} from ModelDeployment {other}: rename one of the two, or query "
        "metrics of the pods"
    )


def _put_test(due: CheckRequest) -> Ask | ABTestOutcome | None:
    if due.ab_test is None:
        return None
    try:
        return ask_of_test(due.ab_test, due.subject, due.health.interval)
    except Exception as error:  # noqa: BLE001 - as above
        return silent_test(due.ab_test, check_failed(error))


def check_failed(error: Exception) -> PrometheusUnavailable:
    """What an exception while asking or judging becomes: no data, with what was raised."""
    what = f"{type(error).__name__}: {error}".rstrip(": ")[:128]
    return PrometheusUnavailable(Reason.CHECK_FAILED, f"the check cannot be evaluated on this data ({what})")


def merged(objects: Sequence[BoundQueries], ticks: Sequence[int]) -> dict[Query, tuple[int, ...]]:
    """Every different query once, with the ticks at which it is due, rising.

    Those that most objects wait for come first, so that no single object delays them.
    """
    wanted: Counter[Query] = Counter()
    due: dict[Query, list[int]] = {}
    for tick in ticks:
        found = Counter(query for each in objects for query in each.queries(tick))
        wanted.update(found)
        for query in found:
            due.setdefault(query, []).append(tick)
    return {query: tuple(due[query]) for query, _ in wanted.most_common()}


async def answered(
    queries: Collection[Query], put: Callable[[Query], Awaitable[Found]], telemetry: Telemetry, at_once: int = AT_ONCE
) -> dict[Query, Found | NoAnswer]:
    """Each query's answer, or why there is none; at most `at_once` at a time to each Prometheus.

    A query that fails, whatever the failure, says nothing about the others: an unexpected error becomes NoAnswer and
    a warning in the log.
    """
    gates = {address: asyncio.Semaphore(at_once) for address in {query.endpoint.address for query in queries}}

    async def one(query: Query) -> Found:
        async with gates[query.endpoint.address]:
            return await put(query)

    results = await asyncio.gather(*map(one, queries), return_exceptions=True)
    return {query: settled(query, result, telemetry) for query, result in zip(queries, results, strict=True)}


def settled(query: Query, result: Found | BaseException, telemetry: Telemetry) -> Found | NoAnswer:
    """The result of asking, or why there is none; an unexpected error is logged with the query."""
    if isinstance(result, NoAnswer) or not isinstance(result, BaseException):
        return result
    if not isinstance(result, Exception):
        raise result
    telemetry.warn("query-broke", address=query.endpoint.address, query=query.text[:256], error=repr(result)[:256])
    return PrometheusUnavailable(Reason.QUERY_FAILED, "the query could not be sent; the operator's log says why")


def judged(each: BoundQueries, answers: Answers, tick: int) -> TickOutcome:
    """The outcomes of one object's checks that are due at a tick, and of its A/B test.

    What was remembered survives a tick that says nothing. Availability is left open: only the present can be seen, and
    not from here.
    """
    checks = tuple(
        _judged(each.due, check, asked, answers, tick)
        for check, asked in each.checks
        if each.due.health.is_due(check, tick)
    )
    return TickOutcome(tick, each.due.subject.revision, checks, available=None, ab_test=_tested(each, answers, tick))


def _tested(each: BoundQueries, answers: Answers, tick: int) -> ABTestOutcome | None:
    """What the A/B test has found: of its questions, when they could be put."""
    due, run, asked = each.due, each.due.ab_test, each.ab_test
    if run is None or not isinstance(asked, Ask):
        return asked if isinstance(asked, ABTestOutcome) else None
    try:
        picked = _picked(due, asked, answers, run.test.delay)
        if isinstance(picked, NoAnswer):
            return silent_test(run, picked)
        return judge_test(run, picked, whole=run.covers(tick, due.health.interval))
    except Exception as error:  # noqa: BLE001 - as for a check
        return silent_test(run, check_failed(error))


def _judged(due: CheckRequest, check: Check, asked: Ask | CheckOutcome, answers: Answers, tick: int) -> CheckOutcome:
    outcome = _said(due, check, asked, answers, tick) if isinstance(asked, Ask) else asked
    if check.accumulates and not outcome.memory:
        return replace(outcome, memory=due.memory.get(check.name, ""))
    return outcome


def _said(due: CheckRequest, check: Check, asked: Ask, answers: Answers, tick: int) -> CheckOutcome:
    try:
        found = _picked(due, asked, answers, check.delay)
        return no_answer(check, found) if isinstance(found, NoAnswer) else judge(check, found, due.window(check, tick))
    except Exception as error:  # noqa: BLE001 - a bug that one check meets must not stop the others
        return no_answer(check, check_failed(error))


def _picked(due: CheckRequest, asked: Ask, answers: Answers, delay: int = 0) -> dict[str, Sequence[Sample]] | NoAnswer:
    """The series of each question, or why there are none."""
    found: dict[str, Sequence[Sample]] = {}
    for question in asked.questions:
        answer = answers[_query(due, question, delay)]
        if isinstance(answer, NoAnswer):
            return answer
        found[question.name] = answer.pick(question.pick)
    return found


async def outcomes(
    due: Sequence[CheckRequest], tick: int, metrics: Metrics, telemetry: Telemetry
) -> dict[str, tuple[CheckOutcome, ...]]:
    """What every due object's checks say at a tick (seconds since the epoch), by key. Raises nothing of Prometheus'."""

    async def put(query: Query) -> QueryResult:
        return QueryResult(await metrics.instant(query.endpoint, query.text, tick - query.delay))

    objects = [asked(each, (tick,)) async for each in spread(due)]
    answers = await answered(merged(objects, (tick,)), put, telemetry)
    return {each.due.key: judged(each, answers, tick).checks async for each in spread(objects)}


async def spread(items: Iterable[Item]) -> AsyncIterator[Item]:
    """The items one by one; between some of them other tasks of the loop (probes, the lease) get their turn."""
    for count, item in enumerate(items, start=1):
        yield item
        if count % BREATH == 0:
            await asyncio.sleep(0)
