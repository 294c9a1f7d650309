from dataclasses import dataclass, field

from modelramp.analysis.query_context import QueryContext
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.engine.ports import Endpoint, Sample
from modelramp.engine.queries import CheckRequest, outcomes
from modelramp.engine.replay import Missed, missed_outcomes

HERE = Endpoint("http://prometheus:9090")
START = 1_800_000_000


@dataclass
class Journal:
    """A Prometheus that remembers a value for each instant and query; gaps are instants without a sample."""

    values: dict
    error: Exception | None = None
    ranges: list = field(default_factory=list)
    instants: list = field(default_factory=list)

    async def instant(self, endpoint, query, at, asker=None):
        self.instants.append((query, at))
        return (Sample({}, self.values[at]),) if at in self.values else ()

    async def range(self, endpoint, query, start, end, step, asker=None):
        self.ranges.append((query, start, end, step))
        if self.error:
            raise self.error
        found = {at: await self.instant(endpoint, query, at) for at in range(start, end + 1, step)}
        return {at: samples for at, samples in found.items() if samples}


class Log:
    def warn(self, event, **fields):
        raise AssertionError(event)


def due(name="a", query="q"):
    check = {"name": "x", "query": query, "max": 1}
    return CheckRequest(f"ml/{name}", HERE, Health(checks=(check,)), QueryContext("ml", name, "r1", f"{name}-r1"))


def ticks(*minutes):
    return tuple(START + 60 * m for m in minutes)


async def replayed(missing, at, prometheus):
    return (await missed_outcomes([Missed(missing, at)], prometheus, Log()))[missing.key]


async def test_missed_ticks_are_read_with_one_range_query_and_judged_as_if_they_had_not_been_missed():
    prometheus = Journal({START: 0.5, START + 60: 7.0, START + 180: float("nan")})
    missed = await replayed(due(), ticks(0, 1, 2, 3), prometheus)
    assert prometheus.ranges == [("q", START, START + 180, 60)]
    for tick in ticks(0, 1, 2, 3):
        now = await outcomes([due()], tick, prometheus, Log())
        assert repr(missed[tick]) == repr(now["ml/a"])
    reasons = [o.reason for (o,) in missed.values()]
    assert reasons == [Reason.WITHIN_LIMIT, Reason.ABOVE_MAXIMUM, Reason.EMPTY_RESULT, Reason.NOT_A_NUMBER]


async def test_ticks_with_gaps_between_them_are_read_in_one_go():
    prometheus = Journal(dict.fromkeys(ticks(*range(10)), 0.0))
    missed = await replayed(due(), ticks(0, 4, 6), prometheus)
    assert list(missed) == list(ticks(0, 4, 6))
    assert prometheus.ranges == [("q", START, START + 360, 120)]


async def test_one_missed_tick_is_asked_as_an_instant():
    prometheus = Journal({START: 0.0})
    await replayed(due(), ticks(0), prometheus)
    assert (prometheus.ranges, prometheus.instants) == ([], [("q", START)])


async def test_a_query_that_speaks_of_the_range_itself_is_asked_instant_by_instant():
    prometheus = Journal(dict.fromkeys(ticks(0, 1), 0.0))
    await replayed(due(query="x @ end()"), ticks(0, 1), prometheus)
    assert prometheus.ranges == []
    assert [at for _, at in prometheus.instants] == list(ticks(0, 1))


async def test_objects_that_missed_the_same_ticks_share_their_queries():
    prometheus = Journal({})
    missed = [Missed(due(f"m{n}"), ticks(0, 1)) for n in range(100)] + [Missed(due("late"), ticks(1, 2))]
    result = await missed_outcomes(missed, prometheus, Log())
    assert len(prometheus.ranges) == 2
    assert len(result) == 101


async def test_a_silent_prometheus_gives_no_data_for_every_missed_tick():
    prometheus = Journal({}, error=PrometheusUnavailable("PrometheusUnreachable", "connection refused"))
    missed = await replayed(due(), ticks(0, 1), prometheus)
    assert [o.reason for (o,) in missed.values()] == [Reason.PROMETHEUS_UNREACHABLE] * 2


async def test_no_missed_tick_asks_nothing():
    prometheus = Journal({})
    assert await replayed(due(), (), prometheus) == {}
    assert prometheus.instants == prometheus.ranges == []
