"""Missed ticks, read back from Prometheus: it is the journal, so a restart loses no minute and invents none."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import gcd

from modelramp.api.errors import NoAnswer
from modelramp.api.verdict import CheckOutcome, TickOutcome
from modelramp.engine.ports import SHARED, Asker, Metrics, Sample, Telemetry
from modelramp.engine.queries import (
    BoundQueries,
    CheckRequest,
    Query,
    QueryResult,
    answered,
    asked,
    judged,
    merged,
    spread,
)

Journal = Mapping[int, QueryResult]
"""One query's answers by tick."""

# In a range query these mean its ends, not the instant that is evaluated: the answers would differ from the ticks'.
_RANGE_BOUND = re.compile(r"@\s*(start|end)\s*\(")


@dataclass(frozen=True, slots=True)
class Missed:
    """An object and the ticks (seconds since the epoch, rising) at which it was not evaluated."""

    due: CheckRequest
    ticks: tuple[int, ...]


async def missed_outcomes(
    missed: Sequence[Missed], metrics: Metrics, telemetry: Telemetry
) -> dict[str, dict[int, tuple[CheckOutcome, ...]]]:
    """What the checks would have said at every missed tick, by key and tick: the same that `outcomes` gives."""
    found = await missed_ticks(missed, metrics, telemetry)
    return {key: {tick: outcome.checks for tick, outcome in ticks.items()} for key, ticks in found.items()}


async def missed_ticks(
    missed: Sequence[Missed], metrics: Metrics, telemetry: Telemetry
) -> dict[str, dict[int, TickOutcome]]:
    """The outcome of every missed tick, by key and tick: of the checks, and of the A/B test if there is one.

    Objects that missed the same ticks share their queries, so a restart costs as many range queries as a tick costs
    instant ones. How many ticks are worth replaying is the caller's decision; the newest tick is then to be asked with
    what the last of them left (CheckRequest.after).
    """
    result: dict[str, dict[int, TickOutcome]] = {}
    by_ticks: dict[tuple[int, ...], list[CheckRequest]] = {}
    for each in missed:
        by_ticks.setdefault(each.ticks, []).append(each.due)
    for ticks, due in by_ticks.items():
        objects = [asked(each, ticks) async for each in spread(due)]
        wanted = merged(objects, ticks)
        journals = await answered(wanted, _reader(metrics, wanted), telemetry)
        async for each_asked in spread(objects):
            result[each_asked.due.key] = told(each_asked, ticks, journals)
    return result


def _reader(metrics: Metrics, wanted: Mapping[Query, tuple[int, ...]]) -> Callable[[Query], Awaitable[Journal]]:
    return lambda query: read_journal(metrics, query, wanted[query], SHARED)


async def read_journal(metrics: Metrics, query: Query, ticks: tuple[int, ...], asker: Asker) -> Journal:
    """One query's answers at these ticks (rising), with as few calls as possible. Raises what Metrics raises."""
    if len(ticks) < 2 or _RANGE_BOUND.search(query.text):
        return {
            tick: await _ready(query, await metrics.instant(query.endpoint, query.text, tick - query.delay, asker))
            for tick in ticks
        }
    step = gcd(*(later - earlier for earlier, later in pairwise(ticks)))
    found = await metrics.range(
        query.endpoint, query.text, ticks[0] - query.delay, ticks[-1] - query.delay, step, asker
    )
    return {tick: await _ready(query, found.get(tick - query.delay, ())) for tick in ticks}


async def _ready(query: Query, samples: Sequence[Sample]) -> QueryResult:
    result = QueryResult(samples)
    await result.prepare(query.labels)
    return result


def told(
    each: BoundQueries, ticks: tuple[int, ...], journals: Mapping[Query, Journal | NoAnswer]
) -> dict[int, TickOutcome]:
    """The outcomes tick by tick: what a check remembers of one tick is there at the next."""
    found: dict[int, TickOutcome] = {}
    for tick in ticks:
        found[tick] = _at(each, tick, journals)
        each = replace(each, due=each.due.after(found[tick].checks, found[tick].ab_test))
    return found


def _at(each: BoundQueries, tick: int, journals: Mapping[Query, Journal | NoAnswer]) -> TickOutcome:
    answers: dict[Query, QueryResult | NoAnswer] = {}
    for query in each.queries(tick):
        journal = journals[query]
        answers[query] = journal if isinstance(journal, NoAnswer) else journal[tick]
    return judged(each, answers, tick)
