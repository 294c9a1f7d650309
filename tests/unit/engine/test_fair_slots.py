"""Slots that namespaces share: who is slow waits for itself."""

import asyncio

import pytest

from modelramp.engine.fair import FairSlots
from tests.sim.clock import VirtualLoop, run_virtually


def begun(*work, total=2, share=1):
    """When each piece of work got its slot; work: namespace and the seconds that it takes."""
    loop, found = VirtualLoop(), []

    async def one(slots, namespace, seconds):
        async with slots.slot(namespace):
            found.append((loop.time(), namespace))
            await asyncio.sleep(seconds)

    async def main():
        slots = FairSlots(total, share)
        await asyncio.gather(*(one(slots, *each) for each in work))

    run_virtually(main(), loop)
    return found


def test_a_namespace_holds_its_share_at_most():
    assert begun(("slow", 10), ("slow", 10), ("quick", 1)) == [(0, "slow"), (0, "quick"), (10, "slow")]


def test_namespaces_that_wait_take_turns():
    work = [("a", 1)] * 3 + [("b", 1)] * 2
    assert [name for _, name in begun(*work, total=1)] == ["a", "b", "a", "b", "a"]


@pytest.mark.parametrize("given", [False, True], ids=["while it waits", "with its slot just given"])
async def test_who_is_cancelled_keeps_no_slot(given):
    slots = FairSlots(1, 1)
    async with slots.slot("a"):
        waiting = asyncio.create_task(slots.slot("b").__aenter__())
        await asyncio.sleep(0)
        if not given:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), slots.slot("c"):
        pass
