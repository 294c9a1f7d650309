"""Checks that add up evidence, and those that compare, are judged in a replay as the operator judges them."""

import math

import pytest

from modelramp.analysis.query_context import QueryContext
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.names import Phase, Reason
from modelramp.api.spec import parse_spec
from modelramp.api.verdict import Verdict
from modelramp.cli.backtest.history import NoHistory, as_after_promotion, read_history, silent_checks, unaskable
from modelramp.cli.backtest.replay import Recorded, replay
from modelramp.engine.ports import Endpoint, Sample
from modelramp.engine.queries import CheckRequest, outcomes

START = 1_795_000_020
ENDPOINT = Endpoint("http://prometheus")
SEQUENTIAL = {
    "name": "looks",
    "sequential": {"bad": 'bad{revision="{{revision}}"}', "total": 'total{revision="{{revision}}"}'},
}
COMPARE = {
    "name": "beside",
    "compare": {
        "bad": 'bad{revision="{{revision}}"}',
        "total": 'total{revision="{{revision}}"}',
        "maxIncrease": 0.05,
    },
}


class Recording:
    """Counts of two revisions: the candidate gets worse after minute 12; may refuse long ranges."""

    def __init__(self, most=10_000, reason=Reason.PROMETHEUS_TIMEOUT):
        self.most, self.reason, self.asked = most, reason, []

    def at(self, query, tick):
        minute = (tick - START) // 60
        total = 300 + 7 * (minute % 5)
        bad = 3 + minute % 3
        if "r2" in query and minute > 12:
            bad += 9
        return (Sample({}, float(bad if "bad" in query else total)),)

    async def instant(self, endpoint, query, at, asker=None):
        return self.at(query, at)

    async def range(self, endpoint, query, start, end, step, asker=None):
        ticks = range(start, end + 1, step)
        self.asked.append(len(ticks))
        if len(ticks) > self.most:
            raise PrometheusUnavailable(self.reason, "no")
        return {tick: self.at(query, tick) for tick in ticks}


class Silent:
    def __getattr__(self, name):
        return lambda *_, **__: None


def policy(*checks):
    return parse_spec(
        {
            "model": {"name": "digits", "version": "2.0.0"},
            "template": {"spec": {"containers": [{"name": "model", "image": "digits"}]}},
            "routing": {"gateway": {"parentRefs": [{"name": "public"}]}},
            "rollout": {"stepDuration": "4m"},
            "health": {"checks": list(checks)},
        }
    )


def due_of(spec, stable="r1", **others):
    service = f"d-{stable}" if stable else None
    return CheckRequest("d", ENDPOINT, spec.health, QueryContext("n", "d", "r2", "d-r2", stable, service), **others)


async def read(spec, ticks, metrics=None):
    metrics = metrics or Recording()
    due = due_of(spec)
    said = await read_history(due, ticks, metrics, Silent(), lambda _: None)
    after = as_after_promotion(due)
    promoted = dict(await read_history(after, ticks, metrics, Silent(), lambda _: None)) if after else {}
    return [Recorded(tick, each, promoted.get(tick)) for tick, each in said]


TICKS = range(START + 60, START + 60 * 31, 60)


@pytest.mark.parametrize("check", [SEQUENTIAL, COMPARE], ids=["sequential", "compare"])
async def test_every_tick_says_what_the_operator_would_have_heard(check):
    spec = policy(check)
    moments = replay(spec, "r2", "r1", await read(spec, TICKS), again=False).moments
    since, memory, weight, compared, promoted = START, {}, 10, 0, False
    for moment in moments:
        due = due_of(spec, since=START if promoted else since, memory=memory, stable="r2" if promoted else "r1")
        heard = (await outcomes([due], moment.at, Recording(), Silent()))["d"]
        assert (moment.checks[0].verdict, moment.checks[0].value, moment.checks[0].memory) == (
            heard[0].verdict,
            heard[0].value,
            heard[0].memory,
        ), moment
        compared += heard[0].verdict is not Verdict.NO_DATA
        if moment.weight != weight:
            since, weight = moment.at, moment.weight
        promoted = moment.phase is Phase.HEALTHY
        if moment.phase is Phase.ROLLED_BACK:
            break
        memory = {each.name: each.memory for each in heard if each.memory}
    assert compared > 10


async def test_what_compares_compares_with_itself_after_promotion():
    after = as_after_promotion(due_of(policy(COMPARE)))
    assert (after.subject.stable, after.subject.stable_service) == ("r2", "d-r2")
    assert as_after_promotion(due_of(policy({"name": "e", "query": 'x{r="{{revision}}"}', "max": 1}))) is None


async def test_a_comparison_without_a_stable_version_is_told_before_anything_is_asked():
    (problem,) = unaskable(due_of(policy(COMPARE), stable=None))
    assert problem.startswith("beside: ")


@pytest.mark.parametrize("reason", [Reason.PROMETHEUS_TIMEOUT, Reason.QUERY_FAILED])
async def test_a_range_that_is_too_much_is_asked_in_quarters(reason):
    spec = policy({"name": "e", "query": 'bad{r="{{revision}}"}', "max": 100})
    metrics = Recording(most=100, reason=reason)
    ticks = range(START, START + 60 * 1000, 60)
    said = await read_history(due_of(spec), ticks, metrics, Silent(), lambda _: None)
    assert [tick for tick, _ in said] == list(ticks)
    assert all(each.checks[0].verdict is Verdict.HEALTHY for _, each in said)
    assert max(metrics.asked[2:]) <= 100
    assert sum(metrics.asked[2:]) == 1000


async def test_what_fails_in_every_size_stays_without_data():
    spec = policy({"name": "e", "query": "x", "max": 1})
    metrics = Recording(most=0, reason=Reason.QUERY_FAILED)
    ticks = range(START, START + 60 * 100, 60)
    said = await read_history(due_of(spec), ticks, metrics, Silent(), lambda _: None)
    history = [Recorded(tick, each) for tick, each in said]
    assert list(silent_checks(history)) == ["e"]
    assert silent_checks(history)["e"].reason is Reason.QUERY_FAILED


async def test_a_prometheus_that_never_answers_in_time_is_given_up_soon():
    metrics = Recording(most=0)
    spec = policy({"name": "e", "query": "x", "max": 1})
    with pytest.raises(NoHistory, match=r"does not manage even 45 ticks of e in time: .*longer --timeout"):
        await read_history(due_of(spec), range(START, START + 60 * 5000, 60), metrics, Silent(), lambda _: None)
    assert metrics.asked == [1440, 360, 90, 45]


async def test_nobody_at_the_address_ends_it_at_once():
    spec = policy({"name": "e", "query": "x", "max": 1})
    metrics = Recording(most=0, reason=Reason.PROMETHEUS_UNREACHABLE)
    with pytest.raises(NoHistory, match="gives no answer"):
        await read_history(due_of(spec), range(START, START + 60 * 5000, 60), metrics, Silent(), lambda _: None)
    assert len(metrics.asked) == 1


async def test_pieces_stay_below_what_prometheus_gives_at_most():
    metrics = Recording()
    spec = policy({"name": "e", "query": "x", "max": 1000})
    done = []
    await read_history(due_of(spec), range(START, START + 60 * 12_000, 60), metrics, Silent(), done.append)
    assert max(metrics.asked) < 11_000 / 5
    assert done[-1] == 12_000
    assert math.isclose(sum(metrics.asked), 12_000)
