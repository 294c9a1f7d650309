import asyncio
from contextlib import AsyncExitStack

import pytest

from modelramp.adapters.prometheus_lanes import (
    OPEN,
    OPEN_OF_ONE,
    SHARE,
    SHARED,
    SLOTS,
    STILL_WAITING,
    WAITING,
    WAITING_OF_ONE,
    Lanes,
)
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.engine.ports import Asker


class Crowd:
    """Queries that hold their place until they are told to leave it."""

    def __init__(self):
        self.lanes = Lanes()
        self.asked = []
        self.tasks = {}
        self.leave = {}

    def put(self, name, namespace="", address="a", objects=1):
        self.leave[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(name, Asker(namespace, objects), address))

    async def _hold(self, name, asker, address):
        lane = self.lanes.lane(address)
        async with self.lanes.place(lane, asker, name):
            self.asked.append(name)
            await self.leave[name].wait()

    async def end(self, *names, slow=None):
        """These have their answers; with `slow`, these of that (namespace, address) were slow."""
        for name in names:
            if slow is not None:
                self.lanes.lane(slow[1]).note(slow[0], name, slow=True)
            self.leave[name].set()
        await settled()

    async def close(self):
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def settled():
    for _ in range(8):
        await asyncio.sleep(0)


@pytest.fixture
async def crowd():
    made = Crowd()
    yield made
    await made.close()


def held_by(crowd, prefix):
    return sum(name.startswith(prefix) for name in crowd.asked)


async def test_one_namespace_leaves_a_place_to_whoever_comes_next(crowd):
    for n in range(20):
        crowd.put(f"x{n}", "x")
    await settled()
    assert len(crowd.asked) == SLOTS - 1
    crowd.put("y", "y")
    await settled()
    assert crowd.asked[-1] == "y"


async def test_where_several_ask_a_namespace_has_a_share(crowd):
    crowd.put("y", "y")
    for n in range(20):
        crowd.put(f"x{n}", "x")
    await settled()
    assert held_by(crowd, "x") == SHARE
    await crowd.end("x0")
    assert crowd.asked[-1] == f"x{SHARE}", "first come, first served"


async def test_places_go_around_between_namespaces(crowd):
    for n in range(6):
        for namespace in ("x", "y", "z"):
            crowd.put(f"{namespace}{n}", namespace)
    await settled()
    assert sorted(name[0] for name in crowd.asked) == ["x"] * 3 + ["y"] * 3 + ["z"] * 2
    for _ in range(9):
        await crowd.end(next(name for name in crowd.asked if not crowd.leave[name].is_set()))
    assert {namespace: held_by(crowd, namespace) for namespace in "xyz"} == {"x": 6, "y": 6, "z": 5}, crowd.asked


async def test_shared_queries_go_first_those_that_most_wait_for_before_others(crowd):
    for n in range(SLOTS):
        crowd.put(f"x{n}", "x" if n < SHARE else f"n{n}")
    await settled()
    crowd.put("late", "z")
    for objects in (2, 500, 2, 40, 3, 4):
        crowd.put(f"shared-{objects}-{len(crowd.tasks)}", objects=objects)
    await settled()
    before = len(crowd.asked)
    for n in range(SHARED + 1):
        await crowd.end(f"x{n}")
    sizes = [name.split("-")[1] if "-" in name else name for name in crowd.asked[before:]]
    assert sizes == ["500", "40", "4", "3", "late"]


async def test_queries_that_were_slow_wait_apart_and_keep_half_of_the_places_free(crowd):
    hostile = [f"bad{k}" for k in range(12)]
    for namespace in hostile:
        crowd.lanes.lane("a").note(namespace, f"slow-{namespace}", slow=True)
        crowd.put(f"slow-{namespace}", namespace)
    await settled()
    assert held_by(crowd, "slow") == SLOTS // 2
    for n in range(SHARE):
        crowd.put(f"good{n}", "good")
    crowd.put("quick", "bad0")
    await settled()
    assert held_by(crowd, "good") == SHARE
    assert "quick" in crowd.asked, "another query of the same namespace is not slow"


async def test_a_query_that_is_quick_again_is_as_any_other(crowd):
    lane = crowd.lanes.lane("a")
    for slow in (True, False):
        lane.note("x", "q", slow=slow)
    assert not lane.slow


async def test_an_address_that_hangs_costs_only_those_who_ask_it(crowd):
    for n in range(100):
        crowd.put(f"h{n}", "x", address="hangs")
    crowd.put("same namespace", "x", address="fine")
    crowd.put("another namespace", "y", address="fine")
    await settled()
    assert {"same namespace", "another namespace"} <= set(crowd.asked)


@pytest.mark.parametrize("addresses", [24, 500])
async def test_many_addresses_of_one_namespace_that_hang_stop_no_other(addresses, crowd):
    for n in range(addresses):
        for check in range(4):
            crowd.put(f"h{n}-{check}", "evil", address=f"hangs{n}")
    await settled()
    assert held_by(crowd, "h") == OPEN_OF_ONE
    crowd.put("victim", "shop", address="fine")
    crowd.put("shared", address="fine", objects=20)
    await settled()
    assert {"victim", "shared"} <= set(crowd.asked)
    await crowd.end("h0-0")
    assert held_by(crowd, "h") == OPEN_OF_ONE + 1, "what waited for all addresses goes on"


async def test_many_namespaces_that_hang_leave_half_of_all_places_to_those_that_do_not(crowd):
    for k in range(OPEN // OPEN_OF_ONE + 4):
        for n in range(OPEN_OF_ONE):
            crowd.lanes.lane(f"{k}-{n}").note(f"bad{k}", f"h{k}-{n}", slow=True)
            crowd.put(f"h{k}-{n}", f"bad{k}", address=f"{k}-{n}")
    await settled()
    assert held_by(crowd, "h") == OPEN // 2
    crowd.put("victim", "shop", address="fine")
    await settled()
    assert "victim" in crowd.asked


async def test_who_gives_up_gives_up_its_place(crowd):
    for n in range(SLOTS + 4):
        crowd.put(f"x{n}", "x")
    await settled()
    for n in (SLOTS, 0, 1):  # one that waits, and two that hold a place
        crowd.tasks[f"x{n}"].cancel()
    await settled()
    assert f"x{SLOTS}" not in crowd.asked
    assert held_by(crowd, "x") == SLOTS + 1
    await crowd.close()
    assert not any(lane.waiting or lane.running.total() for lane in crowd.lanes._lanes.values())
    assert not crowd.lanes._open
    assert not crowd.lanes._waiting


async def test_who_is_called_while_giving_up_gives_its_place_back(crowd):
    """Both happen before the query runs again."""
    for n in range(SLOTS):
        crowd.put(f"x{n}", "x")
    await settled()
    waiting = crowd.tasks[f"x{SLOTS - 1}"]
    crowd.leave["x0"].set()
    await asyncio.sleep(0)
    waiting.cancel()
    await settled()
    crowd.put("last", "x")
    await settled()
    assert "last" in crowd.asked


async def test_a_namespace_whose_queue_is_full_is_told_so(crowd):
    for n in range(WAITING_OF_ONE + SLOTS - 1):
        crowd.put(f"x{n}", "x")
    await settled()
    crowd.put("one too many", "x")
    crowd.put("another namespace", "y")
    await settled()
    with pytest.raises(PrometheusUnavailable, match="queries of namespace x wait") as caught:
        await crowd.tasks["one too many"]
    assert caught.value.reason is Reason.TOO_MANY_QUERIES
    assert "another namespace" in crowd.asked


async def test_when_all_queues_are_full_each_namespace_still_has_some():
    lanes = Lanes()
    lanes._waiting.update({f"bad{n}": WAITING_OF_ONE for n in range(WAITING // WAITING_OF_ONE)})
    lanes._waiting["bad"] = STILL_WAITING
    async with AsyncExitStack() as held:
        await held.enter_async_context(lanes.place(lanes.lane("a"), Asker("shop"), "q"))
        with pytest.raises(PrometheusUnavailable):
            await held.enter_async_context(lanes.place(lanes.lane("a"), Asker("bad"), "q"))


async def test_only_so_many_addresses_and_slow_queries_are_remembered():
    lanes = Lanes()
    for n in range(5000):
        lanes.lane(str(n)).note("x", str(n), slow=True)
    assert len(lanes._lanes) <= 1025
    for n in range(5000):
        lanes.lane("a").note("x", str(n), slow=True)
    assert len(lanes.lane("a").slow) <= 1024
