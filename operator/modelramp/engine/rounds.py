"""One round of questions: every object has its outcomes as soon as its own answers are there, or its deadline passed.

What many objects ask is asked once. An answer that is missing at an object's deadline is no data for that object; the
others do not wait for it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from modelramp.analysis.kinds import check_kind
from modelramp.analysis.presets import Labels
from modelramp.api.check import Check
from modelramp.api.errors import NoAnswer, PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.api.verdict import TickOutcome
from modelramp.engine.ports import Clock, Telemetry
from modelramp.engine.queries import BoundQueries, CheckRequest, Query, asked, spread
from modelramp.engine.questions import Asked, Questions, Wanted, gathered
from modelramp.engine.replay import Journal, told
from modelramp.engine.store import Key

Load = Callable[[], Awaitable[None]]
"""Loads the distributions that analysis.stats.distributions takes from scipy, without holding up the event loop."""


class Loading:
    """Loads once, when a check asks for it; only objects with such a check wait."""

    def __init__(self, load: Load | None) -> None:
        """load: None when the distributions may be imported where they are first used."""
        self._load = load
        self._under_way: asyncio.Task[None] | None = None

    def needed(self, checks: Iterable[Check]) -> bool:
        """Whether one of these checks cannot be judged before `done`."""
        return self._load is not None and any(check_kind(check).needs_scipy(check) for check in checks)

    async def done(self) -> None:
        """Return when everything is loaded, by whoever asked first."""
        if self._load is None:
            return
        if self._under_way is None:
            self._under_way = asyncio.ensure_future(self._load())
        await asyncio.shield(self._under_way)
        self._load = None


_LATE = PrometheusUnavailable(Reason.PROMETHEUS_TIMEOUT, "no answer in time for this tick")

Outcomes = Mapping[int, TickOutcome]
"""What an object's checks said, by tick, the oldest first."""


@dataclass(frozen=True, slots=True)
class DueTicks:
    """The ticks of one object that are due, oldest first, and the revision that they speak of.

    deadline: when it is judged without the answers that are missing, seconds since the epoch.
    possible: since when the first of its ticks could be asked about, seconds since the epoch.
    """

    key: Key
    revision: str
    ticks: range
    due: CheckRequest
    deadline: float
    possible: float


@dataclass(frozen=True, slots=True)
class _Part:
    """What an object asks about some of its ticks.

    wanted: the question that brings the answer to each of its queries. own: the series that it picks from each.
    """

    asked: BoundQueries
    ticks: tuple[int, ...]
    wanted: Mapping[Query, Wanted]
    own: Mapping[Query, tuple[Labels, ...]]


@dataclass(slots=True, eq=False)
class _Open:
    """An object that waits for answers; its parts are the missed ticks, if any, and the newest one."""

    turn: DueTicks
    parts: tuple[_Part, ...]
    needs: dict[Wanted, None] = field(default_factory=dict)

    def own(self, query: Query) -> tuple[Labels, ...]:
        """The series that the object picks from the answer to a query."""
        return tuple(labels for part in self.parts for labels in part.own.get(query, ()))


class _Waiting:
    """Which objects wait for which answers, in the order in which they came."""

    def __init__(self) -> None:
        self.objects: dict[_Open, None] = {}
        self._answers: dict[tuple[Wanted, str | None], Journal | NoAnswer] = {}
        self._by_need: dict[Wanted, list[_Open]] = {}

    def add(self, each: _Open) -> None:
        self.objects[each] = None
        for wanted in each.needs:
            self._by_need.setdefault(wanted, []).append(each)

    def questions(self) -> list[tuple[Wanted, list[_Open]]]:
        """All questions with who asks them: what most objects wait for comes first, so that nobody delays them."""
        return sorted(self._by_need.items(), key=lambda item: -len(item[1]))

    def complete(self) -> list[_Open]:
        """Objects that wait for nothing any more; each is handed out once."""
        return self._leave(each for each in self.objects if not each.needs)

    def answered(self, wanted: Wanted, namespace: str | None, answer: Journal | NoAnswer) -> list[_Open]:
        """Objects (of the namespace, or all) for which that was the last answer."""
        self._answers[wanted, namespace] = answer
        heard = [each for each in self._by_need[wanted] if namespace in {None, each.turn.key[0]}]
        for each in heard:
            each.needs.pop(wanted, None)
        return self._leave(each for each in heard if not each.needs and each in self.objects)

    def late(self, now: float) -> list[_Open]:
        """Objects whose deadline has passed."""
        return self._leave(each for each in self.objects if each.turn.deadline <= now)

    def answer(self, wanted: Wanted, namespace: str) -> Journal | NoAnswer:
        """What an object of a namespace heard; no answer in time, if nothing."""
        own = self._answers.get((wanted, namespace))
        return own if own is not None else self._answers.get((wanted, None), _LATE)

    def _leave(self, leaving: Iterable[_Open]) -> list[_Open]:
        found = list(leaving)
        for each in found:
            del self.objects[each]
        return found


class Rounds:
    """All rounds under way. deliver: called with each object's outcomes."""

    def __init__(
        self,
        questions: Questions,
        telemetry: Telemetry,
        clock: Clock,
        loading: Loading,
        deliver: Callable[[DueTicks, Outcomes], None],
    ) -> None:
        self._questions = questions
        self._telemetry = telemetry
        self._clock = clock
        self._loading = loading
        self._deliver = deliver
        self._deadlines: dict[asyncio.Task[None], float] = {}

    def begin(self, tick: int, turns: Sequence[DueTicks]) -> None:
        """Ask for these objects, whose newest tick is `tick`; returns at once."""
        task = asyncio.create_task(self._run(turns), name=f"round of {tick}")
        self._deadlines[task] = max(turn.deadline for turn in turns)
        task.add_done_callback(self._ended)

    def oldest_deadline(self) -> float | None:
        """The earliest time at which a round that is under way should have ended; None without any."""
        return min(self._deadlines.values(), default=None)

    async def stop(self) -> None:
        """Cancel what is under way."""
        rounds = tuple(self._deadlines)
        for task in rounds:
            task.cancel()
        await asyncio.gather(*rounds, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._deadlines[task]
        if not task.cancelled() and task.exception() is not None:
            self._telemetry.warn("a round of questions failed", error=repr(task.exception())[:256])

    async def _run(self, turns: Sequence[DueTicks]) -> None:
        waiting = _Waiting()
        async for turn in spread(turns):
            self._open(turn, waiting)
        async with asyncio.TaskGroup() as tasks, aclosing(self._completed(waiting)) as groups:
            async for group in groups:
                unloaded = [each for each in group if self._loading.needed(each.turn.due.health.checks)]
                if unloaded:
                    tasks.create_task(self._judge_loaded(unloaded, waiting))
                async for each in spread(each for each in group if each not in unloaded):
                    self._judge(each, waiting)

    def _open(self, turn: DueTicks, waiting: _Waiting) -> None:
        try:
            waiting.add(_opened(turn))
        except Exception as error:  # noqa: BLE001 - a bug that one object meets must not stop the others
            self._broke(turn, error)

    async def _completed(self, waiting: _Waiting) -> AsyncGenerator[list[_Open], None]:
        """Objects that can be judged, in groups, until none is left; then what is still being asked is given up."""
        yield waiting.complete()
        heard: asyncio.Queue[tuple[Wanted, str | None, Journal | NoAnswer]] = asyncio.Queue()
        asking = [
            asyncio.create_task(self._questions.ask_all(group, until, lambda *answer: heard.put_nowait(answer)))
            for group, until in _gathered(waiting)
        ]
        try:
            while waiting.objects:
                deadline = min(each.turn.deadline for each in waiting.objects)
                try:
                    async with asyncio.timeout(max(0.0, deadline - self._clock.now())):
                        found = waiting.answered(*await heard.get())
                except TimeoutError:
                    found = waiting.late(self._clock.now())
                if found:
                    yield found
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def _judge_loaded(self, group: Sequence[_Open], waiting: _Waiting) -> None:
        """Judge objects whose checks need a library that is not loaded yet; nobody else waits for it."""
        await self._loading.done()
        async for each in spread(group):
            self._judge(each, waiting)

    def _judge(self, each: _Open, waiting: _Waiting) -> None:
        """Judge the ticks in order: what a check remembers of one is there at the next."""
        found: dict[int, TickOutcome] = {}
        try:
            due = each.turn.due
            for part in each.parts:
                answers = {query: waiting.answer(wanted, each.turn.key[0]) for query, wanted in part.wanted.items()}
                found.update(told(BoundQueries(due, part.asked.checks, part.asked.ab_test), part.ticks, answers))
                last = found[part.ticks[-1]]
                due = due.after(last.checks, last.ab_test)
        except Exception as error:  # noqa: BLE001 - a bug that one object meets must not stop the others
            self._broke(each.turn, error)
        else:
            self._deliver(each.turn, found)

    def _broke(self, turn: DueTicks, error: Exception) -> None:
        namespace, name = turn.key
        self._telemetry.warn("object cannot be evaluated", namespace=namespace, name=name, error=repr(error)[:256])


def _gathered(waiting: _Waiting) -> Iterator[tuple[list[Asked], float]]:
    """All questions, in groups that can be put as one, each with the time until which it may be answered."""
    until: dict[Wanted, float] = {}
    questions: list[Asked] = []
    for wanted, users in waiting.questions():
        askers: dict[str, list[tuple[Labels, ...]]] = {}
        for each in users:
            askers.setdefault(each.turn.key[0], []).append(each.own(wanted.query))
        until[wanted] = max(each.turn.deadline for each in users)
        questions.append((wanted, askers))
    for group in gathered(questions):
        yield group, max(until[wanted] for wanted, _ in group)


def _opened(turn: DueTicks) -> _Open:
    """The object with everything that it has to ask."""
    *missed, newest = turn.ticks
    parts = tuple(_part(turn.due, ticks) for ticks in (tuple(missed), (newest,)) if ticks)
    return _Open(turn, parts, dict.fromkeys(wanted for part in parts for wanted in part.wanted.values()))


def _part(due: CheckRequest, ticks: tuple[int, ...]) -> _Part:
    asks, about, own = asked(due, ticks), dict[Query, dict[int, None]](), dict[Query, dict[Labels, None]]()
    for tick in ticks:
        for query, labels in asks.questions(tick):
            about.setdefault(query, {})[tick] = None
            own.setdefault(query, {})[labels] = None
    wanted = {query: Wanted(query, tuple(found)) for query, found in about.items()}
    return _Part(asks, ticks, wanted, {query: tuple(found) for query, found in own.items()})
