"""One question for many objects; and when it fails, one for each namespace, so that only the guilty has no data.

Queries that differ in nothing but the names of their objects are put as one as well; and when that fails, one by one.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from modelramp.analysis.joint import JointQuery
from modelramp.analysis.matchers import MOST_WRITTEN, NotNarrowed, narrowed, only
from modelramp.analysis.presets import Labels
from modelramp.api.errors import NoAnswer, PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.engine.ports import Asker, Clock, Endpoint, Metrics, Telemetry
from modelramp.engine.queries import Query, settled, spread
from modelramp.engine.replay import Journal, read_journal

Heard = Callable[[str | None, Journal | NoAnswer], None]
"""Called with an answer and the namespace that it is for; None: for all that asked."""

Askers = Mapping[str, Sequence[Iterable[Labels]]]
"""Who asks: by namespace, for each object the series that it picks from the answer."""

REMEMBERED_SECONDS = 600.0
"""How long a shared question that failed is asked by namespace at once."""
LATE_SECONDS = 180.0
"""The same for a joint question without an answer in time: a server that is busy is not kept busy."""
_MOST_REMEMBERED = 1024
_NOT_ANYBODYS = frozenset({Reason.PROMETHEUS_UNREACHABLE, Reason.QUERY_INVALID, Reason.ADDRESS_REFUSED})
"""Failures that asking by namespace cannot help against."""
_EVERYBODYS = frozenset({Reason.PROMETHEUS_UNREACHABLE, Reason.ADDRESS_REFUSED})
"""Failures that asking one by one cannot help against."""
MOST_JOINT = 250
"""Questions put as one: up to 256 values of a label Prometheus looks up, instead of trying a regular expression."""
_LONGEST_JOINT = 131_072
"""Characters of a joint question."""
_LABELS_OF_PODS = {"namespace", "modeldeployment", "revision"}
_SHARE_OF_TIME = 0.5
"""Of the time until the deadline, how much a shared question may take, so that there is time to ask by namespace."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A query and the ticks about which it is asked, rising, seconds since the epoch."""

    query: Query
    ticks: tuple[int, ...]


Asked = tuple[Wanted, Askers]
"""A question, and who asks it."""

HeardOf = Callable[[Wanted, str | None, Journal | NoAnswer], None]
"""The same as Heard, of one of several questions."""

_Form = tuple[JointQuery, Endpoint, int, tuple[int, ...]]
"""What questions that are put as one have in common."""


class Questions:
    """Puts questions to Prometheus. Raises nothing: what cannot be answered is an answer that says why."""

    def __init__(self, metrics: Metrics, telemetry: Telemetry, clock: Clock) -> None:
        self._metrics = metrics
        self._telemetry = telemetry
        self._clock = clock
        self._apart: OrderedDict[Query | JointQuery, float] = OrderedDict()

    async def ask(self, wanted: Wanted, askers: Askers, until: float, heard: Heard) -> None:
        """Query Prometheus for these objects, until a deadline at the latest."""
        parts = divided(wanted.query, askers)
        if parts and self._is_apart(wanted.query):
            await self._by_namespace(wanted, parts, askers, until, heard)
            return
        now = self._clock.now()
        limit = until if not parts else now + (until - now) * _SHARE_OF_TIME
        asker = Asker(next(iter(askers)) if len(askers) == 1 else "", sum(map(len, askers.values())))
        answer = await self._put(wanted, asker, limit)
        if not parts or not isinstance(answer, NoAnswer) or _is_one_of(answer, _NOT_ANYBODYS):
            heard(None, answer)
            return
        self._telemetry.warn(
            "a shared query failed; asking by namespace", query=wanted.query.text[:256], reason=str(answer)[:256]
        )
        await self._by_namespace(wanted, parts, askers, until, heard)

    async def ask_all(self, group: Sequence[Asked], until: float, heard: HeardOf) -> None:
        """Put a group of `gathered` as one question; where that fails, each by itself."""
        (first, askers), joint = group[0], group[0][0].query.joint
        if len(group) == 1 or joint is None:
            await self.ask(first, askers, until, partial(heard, first))
            return
        if not self._is_apart(joint[0]):
            answer = await self._put_as_one(joint[0], group, until)
            if not isinstance(answer, NoAnswer) or _is_one_of(answer, _EVERYBODYS):
                async for wanted, _ in spread(group):
                    heard(wanted, None, _own(wanted, answer))
                return
            late = _is_one_of(answer, frozenset({Reason.PROMETHEUS_TIMEOUT}))
            self._remember(joint[0], LATE_SECONDS if late else REMEMBERED_SECONDS)
            self._telemetry.warn(
                "a joint query failed; asking one by one", query=first.query.text[:256], reason=str(answer)[:256]
            )
        async with asyncio.TaskGroup() as tasks:
            for wanted, askers in group:
                tasks.create_task(self.ask(wanted, askers, until, partial(heard, wanted)))

    async def _put_as_one(self, joint: JointQuery, group: Sequence[Asked], until: float) -> Journal | NoAnswer:
        namespaces = {namespace for _, askers in group for namespace in askers}
        asker = Asker(namespaces.pop() if len(namespaces) == 1 else "", len(group))
        text = joint.text([wanted.query.joint[1] for wanted, _ in group if wanted.query.joint is not None])
        first, now = group[0][0], self._clock.now()
        query = replace(first.query, text=text, labels=joint.keys, joint=None)
        return await self._put(Wanted(query, first.ticks), asker, now + (until - now) * _SHARE_OF_TIME)

    async def _by_namespace(
        self, wanted: Wanted, parts: Mapping[str, Query], askers: Askers, until: float, heard: Heard
    ) -> None:
        """Ask for each namespace by itself; where that helps one, it is done at once for a while."""

        async def one(namespace: str) -> None:
            part = Wanted(parts[namespace], wanted.ticks)
            answer = await self._put(part, Asker(namespace, len(askers[namespace])), until)
            if not isinstance(answer, NoAnswer) and wanted.query not in self._apart:
                self._remember(wanted.query)
            heard(namespace, answer)

        async with asyncio.TaskGroup() as tasks:
            for namespace in parts:
                tasks.create_task(one(namespace))

    def _is_apart(self, query: Query | JointQuery) -> bool:
        """Whether the question failed lately when it was put for many."""
        if self._apart.get(query, math.inf) <= self._clock.now():
            del self._apart[query]
        return query in self._apart

    def _remember(self, query: Query | JointQuery, seconds: float = REMEMBERED_SECONDS) -> None:
        self._apart[query] = self._clock.now() + seconds
        if len(self._apart) > _MOST_REMEMBERED:
            self._apart.popitem(last=False)

    async def _put(self, wanted: Wanted, asker: Asker, until: float) -> Journal | NoAnswer:
        """The answer. An unexpected error becomes NoAnswer and a warning in the log: it says nothing about others."""
        try:
            async with asyncio.timeout(max(0.0, until - self._clock.now())):
                return await read_journal(self._metrics, wanted.query, wanted.ticks, asker)
        except TimeoutError:
            return PrometheusUnavailable(Reason.PROMETHEUS_TIMEOUT, "no answer in time for this tick")
        except Exception as error:  # noqa: BLE001 - as the sentence above says
            return settled(wanted.query, error, self._telemetry)


def gathered(questions: Iterable[Asked]) -> list[list[Asked]]:
    """The questions in groups that can be put as one, in the order in which they came; most stand alone."""
    groups: list[list[Asked]] = []
    open_groups: dict[_Form, tuple[list[Asked], int]] = {}
    for asked in questions:
        wanted, _ = asked
        query = wanted.query
        if query.joint is None:
            groups.append([asked])
            continue
        joint, values = query.joint
        form, more = (joint, query.endpoint, query.delay, wanted.ticks), joint.length(values)
        group, length = open_groups.get(form, ([], 0))
        if not group or len(group) == MOST_JOINT or length + more > _LONGEST_JOINT:
            group, length = [], 0
            groups.append(group)
        group.append(asked)
        open_groups[form] = (group, length + more)
    return groups


def _own(wanted: Wanted, answer: Journal | NoAnswer) -> Journal | NoAnswer:
    """What the answer to a joint question says to one of those that were put."""
    if isinstance(answer, NoAnswer) or wanted.query.joint is None:
        return answer
    joint, values = wanted.query.joint
    return {tick: result.own(joint, values) for tick, result in answer.items()}


def divided(query: Query, askers: Askers) -> dict[str, Query]:
    """The query for each namespace alone; empty when there is only one, or when the query cannot be divided."""
    if len(askers) < 2 or not query.labels:
        return {}
    try:
        return {
            namespace: replace(query, text=_part(query, namespace, objects)) for namespace, objects in askers.items()
        }
    except NotNarrowed:
        return {}


def _part(query: Query, namespace: str, objects: Sequence[Iterable[Labels]]) -> str:
    """The query for one namespace: limited by what is fetched where series carry the namespace, else by its result.

    Labels that the query itself makes, such as a gateway's backend, say nothing of the series that are fetched.
    """
    if set(query.labels) == _LABELS_OF_PODS:
        return narrowed(query.text, namespace, MOST_WRITTEN)
    return only(query.text, tuple(dict.fromkeys(labels for own in objects for labels in own)))


def _is_one_of(answer: NoAnswer, reasons: frozenset[Reason]) -> bool:
    return isinstance(answer, PrometheusUnavailable) and answer.reason in reasons
