"""Objects whose own queries differ in nothing but names cost one question; when it fails, each is asked alone."""

import asyncio
import re

import pytest

from modelramp.analysis.query_context import QueryContext
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict
from modelramp.engine import questions as module
from modelramp.engine.ports import Endpoint, Sample
from modelramp.engine.queries import CheckRequest
from modelramp.engine.questions import LATE_SECONDS, MOST_JOINT, REMEMBERED_SECONDS, Questions
from modelramp.engine.rounds import DueTicks, Loading, Rounds
from tests.sim.clock import EPOCH, VirtualLoop, run_virtually
from tests.unit.engine.turns_of_ticks import LoopClock, Silent

TICK = EPOCH
HERE = Endpoint("http://prometheus:9090")
OWN = {"name": "own", "query": 'sum(errors{revision="{{revision}}"})', "max": 1}


class Prometheus:
    """Has one series of each revision, whose value is the number in its name. fail: what a query meets, or None."""

    def __init__(self, fail=lambda query: None):
        self.fail = fail
        self.asked = []

    async def instant(self, endpoint, query, at, asker=None):
        self.asked.append((query, at, asker))
        failure = self.fail(query)
        if isinstance(failure, BaseException):
            raise failure
        await asyncio.sleep(failure or 0.0)
        names = re.search(r'revision=~?"([^"]*)"', query)[1].split("|")
        keyed = "by (revision)" in query
        return tuple(Sample({"revision": name} if keyed else {}, float(name[1:])) for name in names if name != "r9")

    async def range(self, endpoint, query, start, end, step, asker=None):
        return {at: await self.instant(endpoint, query, at, asker) for at in range(start, end + 1, step)}


def turn(number, *checks, namespace="ml", endpoint=HERE, missed=0):
    subject = QueryContext(namespace, f"m{number}", f"r{number}", "", "stable", "")
    due = CheckRequest(subject.name, endpoint, Health(checks=checks or (OWN,)), subject)
    ticks = range(TICK - 60 * missed, TICK + 60, 60)
    return DueTicks((namespace, subject.name), subject.revision, ticks, due, TICK + 20, TICK)


def told(prometheus, *turns, again=0.0):
    """What each object heard at last: seconds, and the verdict and value of each check at the newest tick."""
    loop, heard = VirtualLoop(), {}

    async def main():
        clock = LoopClock(loop)
        deliver = lambda turn, outcomes: heard.update({turn.key[1]: (loop.time(), outcomes[TICK].checks)})  # noqa: E731
        rounds = Rounds(Questions(prometheus, Silent(), clock), Silent(), clock, Loading(None), deliver)
        rounds.begin(TICK, turns)
        await asyncio.gather(*rounds._deadlines)
        if again:
            await asyncio.sleep(again)
            rounds.begin(TICK, [DueTicks(t.key, t.revision, t.ticks, t.due, clock.now() + 20, TICK) for t in turns])
            await asyncio.gather(*rounds._deadlines)

    run_virtually(main(), loop)
    return {name: (at, [(check.verdict, check.value) for check in checks]) for name, (at, checks) in heard.items()}


def test_each_object_hears_its_own_value_from_one_question():
    prometheus = Prometheus()
    found = told(prometheus, turn(0), turn(1, namespace="other"), turn(2), turn(9))
    assert [found[f"m{number}"][1] for number in (0, 1, 2, 9)] == [
        [(Verdict.HEALTHY, 0.0)],
        [(Verdict.HEALTHY, 1.0)],
        [(Verdict.BREACH, 2.0)],
        [(Verdict.NO_DATA, None)],
    ]
    ((query, at, asker),) = prometheus.asked
    assert query == 'sum by (revision) (errors{revision=~"r0|r1|r2|r9"})'
    assert (at, asker.namespace, asker.objects) == (TICK, "", 4)


def test_objects_of_one_namespace_ask_in_its_name():
    prometheus = Prometheus()
    told(prometheus, turn(0), turn(1))
    assert [asker.namespace for *_, asker in prometheus.asked] == ["ml"]


def test_missed_ticks_are_asked_jointly_as_well():
    prometheus = Prometheus()
    told(prometheus, turn(0, missed=3), turn(1, missed=3))
    assert len({query for query, *_ in prometheus.asked}) == 1
    assert sorted(at for _, at, _ in prometheus.asked) == [TICK - 180, TICK - 120, TICK - 60, TICK]


def test_an_object_alone_asks_as_it_is_written():
    prometheus = Prometheus()
    told(prometheus, turn(0))
    assert [query for query, *_ in prometheus.asked] == ['sum(errors{revision="r0"})']


def test_queries_with_another_text_address_or_delay_are_not_put_with_it():
    other = {"name": "own", "query": 'max(errors{revision="{{revision}}"})', "max": 1}
    late = OWN | {"delay": "1m"}
    prometheus = Prometheus()
    told(prometheus, turn(0), turn(1, other), turn(2, late), turn(3, endpoint=Endpoint("http://other:9090")))
    assert len(prometheus.asked) == 4
    assert not any("=~" in query for query, *_ in prometheus.asked)


@pytest.mark.parametrize(
    "failure",
    [
        PrometheusUnavailable(Reason.ANSWER_TOO_LARGE, "the answer is larger than 2 MiB"),
        PrometheusUnavailable(Reason.QUERY_INVALID, "many-to-many matching not allowed"),
        PrometheusUnavailable(Reason.PROMETHEUS_TIMEOUT, "no answer"),
        100.0,
        RuntimeError("a label is a list"),
    ],
    ids=["too large", "invalid", "timed out", "hangs", "odd"],
)
def test_a_question_that_one_object_spoils_is_put_one_by_one_in_time(failure):
    prometheus = Prometheus(lambda query: failure if "r1" in query else None)
    found = told(prometheus, turn(0), turn(1), turn(2))
    assert [found[name][1][0][0] for name in ("m0", "m1", "m2")] == [Verdict.HEALTHY, Verdict.NO_DATA, Verdict.BREACH]
    assert max(found["m0"][0], found["m2"][0]) <= 10
    assert len(prometheus.asked) == 4


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (RuntimeError("odd"), REMEMBERED_SECONDS),
        (PrometheusUnavailable(Reason.PROMETHEUS_TIMEOUT, "no answer"), LATE_SECONDS),
    ],
    ids=["odd", "late"],
)
def test_after_a_failure_they_are_asked_alone_for_a_while_and_then_jointly_again(failure, seconds):
    spoilt = lambda query: failure if "r1" in query else None  # noqa: E731
    prometheus = Prometheus(spoilt)
    told(prometheus, turn(0), turn(1), again=seconds / 2)
    assert ["=~" in query for query, *_ in prometheus.asked] == [True, False, False, False, False]

    prometheus = Prometheus(spoilt)
    told(prometheus, turn(0), turn(1), again=seconds)
    assert ["=~" in query for query, *_ in prometheus.asked] == [True, False, False, True, False, False]


def test_a_server_that_is_not_there_is_not_asked_for_each():
    prometheus = Prometheus(lambda _: PrometheusUnavailable(Reason.PROMETHEUS_UNREACHABLE, "connection refused"))
    told(prometheus, turn(0), turn(1))
    assert len(prometheus.asked) == 1


def test_a_question_has_a_bounded_number_of_objects():
    prometheus = Prometheus()
    found = told(prometheus, *(turn(10 + number) for number in range(2 * MOST_JOINT + 1)))
    assert [asker.objects for *_, asker in prometheus.asked] == [MOST_JOINT, MOST_JOINT, 1]
    assert [found[f"m{number}"][1][0][1] for number in (10, 300, 510)] == [10.0, 300.0, 510.0]


def test_a_question_has_a_bounded_length(monkeypatch):
    monkeypatch.setattr(module, "_LONGEST_JOINT", 12)
    prometheus = Prometheus()
    told(prometheus, *(turn(10 + number) for number in range(4)))
    assert [query.count("|") for query, *_ in prometheus.asked] == [2, 0]
