"""How fast the operator writes: a rollback never waits, and a namespace with many writes delays its own."""

import asyncio

import pytest

from modelramp.engine.limiter import Priority, WriteLimiter
from tests.sim.clock import VirtualLoop, run_virtually
from tests.unit.engine.turns_of_ticks import LoopClock


def passed(*writes, rate=10.0, burst=1.0):
    """When each write was let through, seconds; writes: namespace and priority."""
    loop, found = VirtualLoop(), []

    async def one(limiter, number, namespace, priority):
        await limiter.acquire(namespace, priority)
        found.append((round(loop.time(), 3), number))

    async def main():
        limiter = WriteLimiter(LoopClock(loop), rate, burst)
        await asyncio.gather(*(one(limiter, number, *write) for number, write in enumerate(writes)))

    run_virtually(main(), loop)
    return {number: at for at, number in found}


def test_a_burst_is_let_through_at_once_and_then_so_many_a_second():
    assert list(passed(*[("a", Priority.REPORT)] * 4, burst=2.0).values()) == pytest.approx([0, 0, 0.1, 0.2])


def test_a_rollback_never_waits_and_takes_nothing_from_others():
    found = passed(*[("a", Priority.REPORT)] * 5, *[("a", Priority.ROLLBACK)] * 50)
    assert all(found[number] == 0 for number in range(5, 55))
    assert found[4] == pytest.approx(0.4)


def test_what_is_more_urgent_goes_first():
    found = passed(("a", Priority.REPORT), ("a", Priority.REPORT), ("a", Priority.CREATION), ("a", Priority.PROMOTION))
    assert found == pytest.approx({0: 0, 3: 0.1, 2: 0.2, 1: 0.3})


def test_a_namespace_that_floods_delays_another_by_one_write():
    found = passed(*[("flood", Priority.REPORT)] * 100, ("quiet", Priority.REPORT))
    assert found[100] <= 0.2


async def test_who_gives_up_waiting_uses_no_token():
    class Clock:
        def now(self):
            return 0.0

        async def sleep(self, _):
            await asyncio.sleep(0)

    limiter = WriteLimiter(Clock(), 1.0, 1.0)
    await limiter.acquire("a")
    waiting = asyncio.create_task(limiter.acquire("a"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    limiter._tokens = 1.0
    async with asyncio.timeout(1):
        await limiter.acquire("b")
