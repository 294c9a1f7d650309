"""What the checks of a policy would have said at every tick of a stretch of history, asked in pieces."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from modelramp.analysis.checks import Ask
from modelramp.api.check import Check
from modelramp.api.errors import NoAnswer, PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.api.verdict import CheckOutcome, TickOutcome, Verdict
from modelramp.cli.backtest.replay import Given, History, Said
from modelramp.engine.ports import SHARED, Asker, Endpoint, Metrics, Sample, Telemetry
from modelramp.engine.queries import CheckRequest, QueryResult, asked
from modelramp.engine.replay import Missed, missed_ticks

PIECE = 1440
"""Ticks of one range query: a day of minutes, well below the 11,000 points that Prometheus gives at most."""
LEAST = 45
"""A piece that is still refused at this size is not refused for its size."""
_TOO_MUCH = frozenset({Reason.PROMETHEUS_TIMEOUT, Reason.QUERY_FAILED, Reason.ANSWER_TOO_LARGE})
_ALL_DUE = (0,)
"""Ticks at which every check is due."""
_HOPELESS = frozenset({Reason.QUERY_INVALID})


AB_TEST = "ab.test"
"""Names the A/B test among the checks in what people read."""


class NoHistory(Exception):
    """History cannot be read, or says nothing; the message is for people."""


def unaskable(due: CheckRequest) -> list[str]:
    """Checks that cannot be asked at all, each with the reason; empty when all can."""
    found = asked(due, _ALL_DUE)
    told = [f"{check.name}: {each.detail}" for check, each in found.checks if not isinstance(each, Ask)]
    return (
        told
        if found.ab_test is None or isinstance(found.ab_test, Ask)
        else [*told, f"the A/B test: {found.ab_test.detail}"]
    )


async def read_history(
    due: CheckRequest, ticks: Sequence[int], metrics: Metrics, telemetry: Telemetry, progress: Callable[[int], None]
) -> list[tuple[int, Said]]:
    """The outcome at every tick, by the operator's own queries and judge.

    progress: called with the number of ticks read. A piece that Prometheus does not manage (time-out, too many
    samples) is asked again in quarters. Raises NoHistory when nobody answers, when not even a small piece is answered
    in time, or when a query is no PromQL.
    """
    found: list[tuple[int, Said]] = []
    every = asked(due, _ALL_DUE)
    asks = [(check, each) for check, each in every.checks if isinstance(each, Ask) and check.accumulates]
    test = every.ab_test if isinstance(every.ab_test, Ask) else None
    size = PIECE
    while len(found) < len(ticks):
        piece = tuple(ticks[len(found) : len(found) + size])
        kept = _Kept(metrics)
        outcomes = (await missed_ticks([Missed(due, piece)], kept, telemetry))[due.key]
        said = []
        for tick in piece:
            due_asks = [(check, each) for check, each in asks if due.health.is_due(check, tick)]
            answered = (
                kept.test(test, tick - due.ab_test.test.delay) if test is not None and due.ab_test is not None else None
            )
            outcome = outcomes[tick]
            said.append(Said(outcome.checks, kept.answers(due_asks, tick), answered, _test_as_check(outcome)))
        newest = tuple({check.name: check for each in said for check in each.asked}.values())
        _raise_if_hopeless(newest)
        if len(piece) > LEAST and any(check.reason in _TOO_MUCH for check in newest):
            size = max(LEAST, len(piece) // 4)
            continue
        _raise_if_slow(newest, len(piece))
        found += zip(piece, said, strict=True)
        progress(len(found))
    return found


def as_after_promotion(due: CheckRequest) -> CheckRequest | None:
    """The same when the version serves alone and is its own stable version; None when it asks for the same."""
    own = replace(due.subject, stable=due.subject.revision, stable_service=due.subject.service)
    before = replace(due, ab_test=None)
    after = replace(before, subject=own)
    (tick,) = _ALL_DUE
    return after if asked(after, _ALL_DUE).queries(tick) != asked(before, _ALL_DUE).queries(tick) else None


class _Kept:
    """Fulfils Metrics; keeps every answer, so that evidence can be added up again from another step on."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._found: dict[tuple[str, int], QueryResult] = {}
        self._answered: set[str] = set()
        self._silent: dict[str, NoAnswer] = {}

    async def instant(self, endpoint: Endpoint, query: str, at: int, asker: Asker = SHARED) -> tuple[Sample, ...]:
        """As Metrics."""
        with self._noting(query):
            samples = await self._metrics.instant(endpoint, query, at, asker)
        self._keep(query, {at: samples})
        return samples

    async def range(
        self, endpoint: Endpoint, query: str, start: int, end: int, step: int, asker: Asker = SHARED
    ) -> Mapping[int, tuple[Sample, ...]]:
        """As Metrics."""
        with self._noting(query):
            found = await self._metrics.range(endpoint, query, start, end, step, asker)
        self._keep(query, found)
        return found

    @contextmanager
    def _noting(self, query: str) -> Iterator[None]:
        try:
            yield
        except NoAnswer as error:
            self._silent[query] = error
            raise

    def _keep(self, query: str, found: Mapping[int, tuple[Sample, ...]]) -> None:
        self._answered.add(query)
        self._found |= {(query, at): QueryResult(samples) for at, samples in found.items()}

    def answers(self, asks: Sequence[tuple[Check, Ask]], tick: int) -> Given:
        """The subject's series for each of these checks that was answered."""
        return {
            check.name: self._series(ask, tick - check.delay)
            for check, ask in asks
            if all(question.text in self._answered for question in ask.questions)
        }

    def test(self, ask: Ask, at: int) -> Mapping[str, Sequence[Sample]] | NoAnswer:
        """The series of an A/B test's questions at an instant; or why there are none, if one was not answered."""
        for question in ask.questions:
            if question.text in self._silent:
                return self._silent[question.text]
        return self._series(ask, at)

    def _series(self, ask: Ask, at: int) -> Mapping[str, Sequence[Sample]]:
        return {
            question.name: self._found.get((question.text, at), _NOTHING).pick(question.pick)
            for question in ask.questions
        }


_NOTHING = QueryResult(())


def _test_as_check(outcome: TickOutcome) -> CheckOutcome | None:
    """The A/B test of a tick in the form of a check, to be reported among them."""
    test = outcome.ab_test
    return None if test is None else CheckOutcome(AB_TEST, test.verdict, test.reason, test.detail)


def _raise_if_hopeless(outcomes: tuple[CheckOutcome, ...]) -> None:
    for check in outcomes:
        if check.reason is Reason.PROMETHEUS_UNREACHABLE:
            raise NoHistory(f"Prometheus gives no answer: {check.detail}")
        if check.reason in _HOPELESS:
            raise NoHistory(f"{check.name} can never be asked: {check.detail}")


def _raise_if_slow(outcomes: tuple[CheckOutcome, ...], ticks: int) -> None:
    """A run must not wait out one time-out after the other."""
    for check in outcomes:
        if check.reason is Reason.PROMETHEUS_TIMEOUT:
            raise NoHistory(
                f"Prometheus does not manage even {ticks} ticks of {check.name} in time: {check.detail}; "
                "give a longer --timeout, or a longer --step"
            )


def silent_checks(history: History) -> dict[str, CheckOutcome]:
    """Checks that had no data at any tick, by name, with what the newest one said of them."""
    silent = {check.name: check for recorded in history for check in recorded.said.asked}
    for recorded in history:
        for check in recorded.said.asked:
            if check.verdict is not Verdict.NO_DATA:
                silent.pop(check.name, None)
        if not silent:
            break
    return silent


async def known_revisions(due: CheckRequest, ticks: Sequence[int], metrics: Metrics) -> tuple[str, ...]:
    """Revisions of the same ModelDeployment that were recorded in that time; none when Prometheus will not say."""
    subject = due.subject
    seconds = max(60, ticks[-1] - ticks[0])
    of = f'namespace="{subject.namespace}",modeldeployment="{subject.name}"'
    query = f"group by (revision) (last_over_time({{{of}}}[{seconds}s]))"
    try:
        samples = await metrics.instant(due.endpoint, query, ticks[-1])
    except PrometheusUnavailable:
        return ()
    return tuple(sorted({sample.labels.get("revision", "") for sample in samples} - {""}))
