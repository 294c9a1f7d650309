"""Queries of checks that are not asked at every tick, or of a time before it (START is a full hour)."""

from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import Health
from modelramp.engine.ports import Endpoint
from modelramp.engine.queries import CheckRequest, asked, merged, outcomes
from tests.unit.engine.test_replay_of_missed_ticks import HERE, START, Journal, Log, replayed, ticks

EVERY_TICK = {"name": "errors", "query": "e", "max": 1}
HOURLY = {"name": "accuracy", "query": "a", "min": 0, "role": "hold", "interval": "5m"}
LATE = {"name": "late", "query": "e", "min": 0, "role": "hold", "delay": "10m", "window": "2m"}


def due(*checks, name="m"):
    return CheckRequest(
        f"ml/{name}", HERE, Health.model_validate({"checks": checks}), QueryContext("ml", name, "r1", f"{name}-r1")
    )


async def asked_at(tick, *objects, values=()):
    prometheus = Journal(dict(values))
    found = await outcomes(objects, tick, prometheus, Log())
    return prometheus.instants, {key: [each.name for each in said] for key, said in found.items()}


async def test_a_check_is_asked_only_at_ticks_at_which_it_is_due():
    one = due(EVERY_TICK, HOURLY)
    assert await asked_at(START + 60, one) == ([("e", START + 60)], {"ml/m": ["errors"]})
    instants, said = await asked_at(START + 300, one)
    assert sorted(instants) == [("a", START + 300), ("e", START + 300)]
    assert said == {"ml/m": ["errors", "accuracy"]}


async def test_a_delayed_check_asks_for_the_time_before_the_tick_and_shares_no_answer_with_others():
    instants, said = await asked_at(START, due(EVERY_TICK, LATE), values={START - 600: 0.5})
    assert sorted(instants) == [("e", START - 600), ("e", START)]
    assert said == {"ml/m": ["errors", "late"]}


async def test_many_objects_with_the_same_delay_share_one_query():
    objects = [asked(due(EVERY_TICK, LATE, name=f"m{number}"), (START,)) for number in range(100)]
    assert len(merged(objects, (START,))) == 2


async def test_missed_ticks_are_asked_for_only_where_each_check_was_due():
    at = ticks(*range(1, 12))
    prometheus = Journal(dict.fromkeys(ticks(*range(-20, 12)), 0.5))
    missed = await replayed(due(EVERY_TICK, HOURLY, LATE), at, prometheus)
    assert sorted(prometheus.ranges) == [
        ("a", START + 300, START + 600, 300),
        ("e", START + 60 - 600, START + 660 - 600, 60),
        ("e", START + 60, START + 660, 60),
    ]
    names = [[found.name for found in missed[tick]] for tick in at]
    assert names == [["errors", *(["accuracy"] if minute % 5 == 0 else []), "late"] for minute in range(1, 12)]


async def test_a_replay_says_the_same_as_the_tick_would_have_said():
    values = {tick: float(tick % 7) for tick in ticks(*range(-20, 12))}
    one = due(EVERY_TICK, HOURLY, LATE)
    missed = await replayed(one, ticks(*range(1, 12)), Journal(values))
    for tick, found in missed.items():
        assert found == (await outcomes([one], tick, Journal(values), Log()))["ml/m"]


async def test_memory_of_a_check_that_was_not_asked_is_kept():
    summed = {"name": "s", "interval": "5m", "sequential": {"bad": "b", "total": "t"}, "failureThreshold": 1}
    before = CheckRequest(
        "k", Endpoint("x"), Health.model_validate({"checks": [summed]}), QueryContext("", "", "r", "")
    )
    kept = before.after([type("Said", (), {"name": "s", "memory": "seen"})()]).after(())
    assert kept.memory == {"s": "seen"}


def test_evidence_adds_up_once_the_delayed_window_lies_wholly_after_the_step_began():
    budget = {"name": "tokens", "delay": "10m", "cost": {"sum": "s", "count": "c", "budget": 5}}
    health = Health.model_validate({"checks": [budget]})
    one = CheckRequest("k", HERE, health, QueryContext("ml", "m", "r", "m-r", "s"), since=START)
    (check,) = health.checks
    assert [one.window(check, START + seconds).whole for seconds in (600, 659, 660)] == [False, False, True]
