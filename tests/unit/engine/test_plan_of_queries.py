import asyncio
from dataclasses import dataclass, field

import pytest

from modelramp.analysis.query_context import QueryContext
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict
from modelramp.engine.ports import SHARED, Endpoint, Sample
from modelramp.engine.queries import BREATH, CheckRequest, Query, QueryResult, asked, merged, outcomes
from modelramp.engine.replay import read_journal

HERE = Endpoint("http://prometheus:9090")
TICK = 1_800_000_000


@dataclass
class Ledger:
    """A Prometheus with scripted answers; notes what it was asked and how many questions were open at once."""

    answer: object
    asked: list = field(default_factory=list)
    open: int = 0
    most_open: int = 0

    async def instant(self, endpoint, query, at, asker=None):
        self.asked.append((endpoint, query, at))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(0)
        self.open -= 1
        found = self.answer(endpoint, query)
        if isinstance(found, BaseException):
            raise found
        return found


class Log:
    def __init__(self):
        self.warnings = []

    def warn(self, event, **fields):
        self.warnings.append((event, fields))


def due(name, checks, endpoint=HERE, interval=60):
    health = Health(interval=interval, checks=tuple(checks))
    return CheckRequest(
        f"ml/{name}", endpoint, health, QueryContext("ml", name, "r1", f"{name}-r1", "r0", f"{name}-r0")
    )


def own(name, query, **fields):
    return {"name": name, "query": query, "max": 1, **fields}


def series(name, value, revision="r1"):
    return Sample({"namespace": "ml", "modeldeployment": name, "revision": revision}, value)


async def test_ten_thousand_objects_with_two_presets_cost_two_queries():
    presets = [
        {"name": "errors", "preset": "reference-error-rate"},
        {"name": "speed", "preset": "reference-p95-latency"},
    ]
    objects = [due(f"m{n}", presets) for n in range(10_000)]
    answer = [series(f"m{n}", n / 10_000, revision) for n in range(10_000) for revision in ("r0", "r1")]
    prometheus = Ledger(lambda *_: answer)
    result = await outcomes(objects, TICK, prometheus, Log())
    assert len(prometheus.asked) == 2
    assert len(result) == 10_000
    assert result["ml/m9999"][0].value == pytest.approx(0.9999)
    assert sum(o[0].verdict is Verdict.BREACH for o in result.values()) == 9_899


async def test_other_windows_and_other_prometheuses_are_other_queries():
    check = [{"name": "errors", "preset": "reference-error-rate"}]
    objects = [due("a", check), due("b", check, interval=30), due("c", check, endpoint=Endpoint("http://other:9090"))]
    prometheus = Ledger(lambda *_: [])
    await outcomes(objects, TICK, prometheus, Log())
    assert len(set(prometheus.asked)) == len(prometheus.asked) == 3
    assert {at for _, _, at in prometheus.asked} == {TICK}


async def test_each_object_gets_its_own_series_and_none_of_its_neighbours():
    check = [{"name": "errors", "preset": "reference-error-rate"}]
    prometheus = Ledger(lambda *_: [series("a", 0.0), series("b", 0.5), series("a", 0.9, "r0")])
    result = await outcomes([due("a", check), due("b", check), due("c", check)], TICK, prometheus, Log())
    assert {key: o.value for key, (o,) in result.items()} == {"ml/a": 0.0, "ml/b": 0.5, "ml/c": None}
    assert result["ml/c"][0].reason is Reason.EMPTY_RESULT


async def test_one_objects_broken_query_leaves_the_others_alone():
    def answer(_, query):
        return {
            "refused": PrometheusUnavailable("QueryInvalid", "parse error"),
            "bug": ZeroDivisionError("oh"),
        }.get(query, [Sample({}, 0.5)])

    objects = [
        due("a", [own("x", "refused"), own("y", "fine")]),
        due("b", [own("x", "bug")]),
        due("c", [own("x", "fine")]),
    ]
    log = Log()
    result = await outcomes(objects, TICK, Ledger(answer), log)
    assert [o.reason for o in result["ml/a"]] == [Reason.QUERY_INVALID, Reason.WITHIN_LIMIT]
    assert [o.reason for o in result["ml/b"]] == [Reason.QUERY_FAILED]
    assert [o.reason for o in result["ml/c"]] == [Reason.WITHIN_LIMIT]
    assert [(event, fields["error"]) for event, fields in log.warnings] == [("query-broke", "ZeroDivisionError('oh')")]


async def test_a_check_that_cannot_be_asked_is_not_asked():
    prometheus = Ledger(lambda *_: [])
    result = await outcomes([due("a", [own("x", 'up{a="{{nobody}}"}')])], TICK, prometheus, Log())
    assert prometheus.asked == []
    assert result["ml/a"][0].reason is Reason.QUERY_INVALID


async def test_questions_to_one_prometheus_are_put_four_at_a_time_and_shared_ones_first():
    many = [due(f"m{n}", [own("own", f"q{n}"), own("shared", "all")]) for n in range(20)]
    prometheus = Ledger(lambda *_: [Sample({}, 0.0)])
    await outcomes(many, TICK, prometheus, Log())
    assert prometheus.most_open == 4
    assert prometheus.asked[0] == (HERE, "all", TICK)
    assert len(prometheus.asked) == 21


async def test_a_silent_prometheus_does_not_delay_the_questions_to_another():
    released = asyncio.Event()

    class Hanging(Ledger):
        async def instant(self, endpoint, query, at, asker=None):
            if endpoint == HERE:
                await released.wait()
                raise PrometheusUnavailable("PrometheusTimeout", "no answer")
            found = await super().instant(endpoint, query, at)
            if len(self.asked) == 9:
                released.set()
            return found

    other = Endpoint("http://other:9090")
    objects = [due(f"h{n}", [own("x", f"q{n}")]) for n in range(9)]
    objects += [due(f"o{n}", [own("x", f"q{n}")], endpoint=other) for n in range(9)]
    result = await asyncio.wait_for(outcomes(objects, TICK, Hanging(lambda *_: [Sample({}, 0)]), Log()), 5)
    assert {o.reason for key, (o,) in result.items() if key.startswith("ml/h")} == {Reason.PROMETHEUS_TIMEOUT}
    assert {o.reason for key, (o,) in result.items() if key.startswith("ml/o")} == {Reason.WITHIN_LIMIT}


async def test_a_crash_is_no_answer_and_goes_on_as_a_crash():
    class Crash(BaseException):
        pass

    with pytest.raises(Crash):
        await outcomes([due("a", [own("x", "q")])], TICK, Ledger(lambda *_: Crash()), Log())


async def test_an_object_without_checks_has_no_outcomes():
    assert await outcomes([due("a", [])], TICK, Ledger(lambda *_: []), Log()) == {"ml/a": ()}


def test_a_series_without_the_label_is_nobodys():
    answer = QueryResult([Sample({}, 1.0), Sample({"a": "x"}, 2.0)])
    assert [s.value for s in answer.pick((("a", "x"),))] == [2.0]
    assert len(answer.pick(())) == 2


TENANTS = {
    "none": Endpoint("http://mimir"),
    "a tenant": Endpoint("http://mimir", None, (("X-Scope-OrgID", "a"),)),
    "another tenant": Endpoint("http://mimir", None, (("X-Scope-OrgID", "b"),)),
    "a tenant out of a Secret": Endpoint("http://mimir", ("ml", "mimir"), (), (("X-Scope-OrgID", "a"),)),
}


def test_tenants_never_share_an_answer():
    checks = ({"name": "errors", "preset": "reference-error-rate"},)
    objects = [
        CheckRequest(name, endpoint, Health(checks=checks), QueryContext("ml", "digits", "r1", "digits-r1"))
        for name, endpoint in TENANTS.items()
    ]
    wanted = merged([asked(due, (60,)) for due in objects], (60,))
    assert {query.endpoint for query in wanted} == set(TENANTS.values())
    assert len(wanted) == len(merged([asked(objects[0], (60,))], (60,))) * len(TENANTS)


async def test_other_tasks_have_their_turns_while_a_large_answer_is_sorted():
    labels = ("namespace", "modeldeployment", "revision")
    count, turns = 20 * BREATH, 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    prometheus = Ledger(lambda *_: [series(f"m{n}", n) for n in range(count)])
    journal = await read_journal(prometheus, Query(HERE, "up", labels=labels), (TICK,), SHARED)
    picked = journal[TICK].pick(tuple(series("m7", 0).labels.items()))
    other.cancel()
    assert [sample.value for sample in picked] == [7]
    assert turns >= count / BREATH
