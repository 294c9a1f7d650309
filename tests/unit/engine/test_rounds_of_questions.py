"""Each object is judged when its own answers are there; what is missing at its deadline is no data, for it alone."""

import asyncio

import pytest

from modelramp.analysis.query_context import QueryContext
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict
from modelramp.engine import rounds as module
from modelramp.engine.ports import Endpoint, Sample
from modelramp.engine.queries import CheckRequest
from modelramp.engine.questions import REMEMBERED_SECONDS, Questions
from modelramp.engine.rounds import DueTicks, Loading, Rounds
from tests.sim.clock import EPOCH, VirtualLoop, run_virtually
from tests.unit.engine.turns_of_ticks import LoopClock, Silent

TICK = EPOCH
SHARED, OTHER = Endpoint("http://shared:9090"), Endpoint("http://other:9090")
PRESET = {"name": "errors", "preset": "reference-error-rate"}


class Prometheus:
    """Answers by query text or namespace: a number, an error, or a number of seconds after which it answers."""

    def __init__(self, say=lambda query: 0.0):
        self.say = say
        self.asked = []

    async def instant(self, endpoint, query, at, asker=None):
        self.asked.append((endpoint.address, query, at, asker))
        said = self.say(query)
        if isinstance(said, BaseException):
            raise said
        if isinstance(said, float) and said:
            await asyncio.sleep(said)
        names = ("good", "evil", "own")
        return (
            tuple(Sample({"namespace": name, "modeldeployment": name, "revision": "r1"}, 0.001) for name in names)
            if "sum by" in query
            else (Sample({}, 0.5),)
        )

    async def range(self, endpoint, query, start, end, step, asker=None):
        return {at: await self.instant(endpoint, query, at, asker) for at in range(start, end + 1, step)}


def turn(name, *checks, endpoint=SHARED, deadline=20.0, missed=0):
    subject = QueryContext(name, name, "r1", f"{name}-r1", "r0", f"{name}-r0")
    due = CheckRequest(f"{name}/{name}", endpoint, Health(checks=checks or (PRESET,)), subject)
    return DueTicks((name, name), "r1", range(TICK - 60 * missed, TICK + 60, 60), due, TICK + deadline, TICK)


def told(prometheus, *turns, again=0.0):
    """What each object heard, and after how many seconds."""
    loop, heard = VirtualLoop(), {}

    async def main():
        clock = LoopClock(loop)
        deliver = lambda turn, outcomes: heard.setdefault(turn.key[0], []).append((loop.time(), outcomes))  # noqa: E731
        rounds = Rounds(Questions(prometheus, Silent(), clock), Silent(), clock, Loading(None), deliver)
        rounds.begin(TICK, turns)
        await asyncio.gather(*rounds._deadlines)
        if again:
            await asyncio.sleep(again)
            later = [DueTicks(t.key, t.revision, t.ticks, t.due, clock.now() + 20, TICK) for t in turns]
            rounds.begin(TICK, later)
            await asyncio.gather(*rounds._deadlines)

    run_virtually(main(), loop)
    return heard


def own(seconds):
    """A query of the object's own, answered after so many seconds."""
    return {"name": "own", "query": f"slow{seconds}", "max": 1}


def slow(query):
    return float(query.removeprefix("slow")) if query.startswith("slow") else 0.0


def test_an_object_does_not_wait_for_the_answers_of_another():
    found = told(Prometheus(slow), turn("evil", own(15)), turn("good", own(1)), turn("own", PRESET))
    assert [found[name][0][0] for name in ("own", "good", "evil")] == pytest.approx([0, 1, 15])


def test_what_is_missing_at_the_deadline_is_no_data_and_the_rest_is_judged():
    found = told(Prometheus(slow), turn("evil", own(100), PRESET), turn("good", PRESET))
    ((at, outcomes),) = found["evil"]
    hanging, preset = outcomes[TICK].checks
    assert at == pytest.approx(20)
    assert (hanging.verdict, hanging.reason) == (Verdict.NO_DATA, Reason.PROMETHEUS_TIMEOUT)
    assert preset.verdict is Verdict.HEALTHY
    assert found["good"][0][0] == 0


def test_missed_ticks_are_judged_before_the_newest_and_told_together():
    ((_, outcomes),) = told(Prometheus(), turn("good", missed=3))["good"]
    assert list(outcomes) == [TICK - 180, TICK - 120, TICK - 60, TICK]


@pytest.mark.parametrize(
    "failure",
    [
        PrometheusUnavailable(Reason.QUERY_FAILED, "the answer is larger than 2 MiB"),
        PrometheusUnavailable(Reason.PROMETHEUS_TIMEOUT, "no answer"),
        100.0,
        RuntimeError("a label is a list"),
    ],
    ids=["too large", "timed out", "hangs", "odd"],
)
def test_a_shared_query_that_one_namespace_spoils_costs_only_that_namespace_its_data(failure):
    def say(query):
        return 0.0 if 'namespace="good"' in query else failure

    prometheus = Prometheus(say)
    found = told(prometheus, turn("good"), turn("evil"))
    assert found["good"][0][1][TICK].checks[0].verdict is Verdict.HEALTHY
    assert found["evil"][0][1][TICK].checks[0].verdict is Verdict.NO_DATA
    assert found["good"][0][0] <= 10
    assert [asker.namespace for *_, asker in prometheus.asked] == ["", "good", "evil"]


def test_a_spoiled_query_is_asked_by_namespace_at_once_for_a_while_and_then_shared_again():
    prometheus = Prometheus(lambda query: 0.0 if 'namespace="good"' in query else RuntimeError("odd"))
    told(prometheus, turn("good"), turn("evil"), again=30.0)
    assert [asker.namespace for *_, asker in prometheus.asked] == ["", "good", "evil", "good", "evil"]

    prometheus.asked.clear()
    told(prometheus, turn("good"), turn("evil"), again=REMEMBERED_SECONDS)
    assert [asker.namespace for *_, asker in prometheus.asked] == ["", "good", "evil", "", "good", "evil"]


def test_a_shared_query_of_a_gateway_is_limited_to_the_series_of_each_namespace():
    prometheus = Prometheus(lambda query: 0.0 if "and on (backend)" in query else RuntimeError("odd"))
    check = {"name": "errors", "preset": "traefik-error-rate"}
    told(prometheus, turn("good", check), turn("evil", check))
    shared, good, evil = [query for _, query, *_ in prometheus.asked]
    assert good == f'({shared}) and on (backend) (label_replace(vector(1), "backend", "good-good-r1", "", ""))'
    assert '"evil-evil-r1"' in evil


@pytest.mark.parametrize("reason", [Reason.PROMETHEUS_UNREACHABLE, Reason.QUERY_INVALID])
def test_a_failure_that_is_nobodys_fault_is_not_asked_again_by_namespace(reason):
    prometheus = Prometheus(lambda _: PrometheusUnavailable(reason, "no"))
    told(prometheus, turn("good"), turn("evil"))
    assert len(prometheus.asked) == 1


def test_objects_of_one_namespace_ask_on_its_account():
    prometheus = Prometheus()
    told(prometheus, turn("good"), turn("evil", endpoint=OTHER))
    assert {asker.namespace for *_, asker in prometheus.asked} == {"good", "evil"}


def test_an_object_that_cannot_be_asked_or_judged_leaves_the_others_alone(monkeypatch):
    real, judge = module.asked, module.told

    def asked(due, ticks):
        if due.key == "evil/evil":
            raise RecursionError
        return real(due, ticks)

    def judged(each, *rest):
        if each.due.key == "own/own":
            raise ZeroDivisionError
        return judge(each, *rest)

    monkeypatch.setattr(module, "asked", asked)
    monkeypatch.setattr(module, "told", judged)
    assert set(told(Prometheus(), turn("evil"), turn("own"), turn("good"))) == {"good"}
