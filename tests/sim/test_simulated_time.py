"""Virtual time passes at once, in order, and only where somebody waits."""

import asyncio

import pytest

from tests.sim.clock import NothingLeft, VirtualLoop, run_virtually


def test_an_hour_of_sleep_takes_no_time_and_ends_to_the_second():
    loop = VirtualLoop()

    async def sleep() -> float:
        await asyncio.sleep(3600)
        return loop.time()

    assert run_virtually(sleep(), loop) == 3600


def test_sleepers_wake_in_the_order_of_their_times():
    loop, woken = VirtualLoop(), []

    async def sleeper(seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append(seconds)

    async def all_of_them() -> None:
        await asyncio.gather(*map(sleeper, (3, 1, 2, 0.5)))

    run_virtually(all_of_them(), loop)

    assert woken == [0.5, 1, 2, 3]


def test_time_limits_of_asyncio_follow_the_virtual_clock():
    loop = VirtualLoop()

    async def wait() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), timeout=90)
        return loop.time()

    assert run_virtually(wait(), loop) == pytest.approx(90)


def test_waiting_for_what_can_never_happen_is_an_error_and_not_a_hang():
    loop = VirtualLoop()

    with pytest.raises(NothingLeft):
        run_virtually(asyncio.Event().wait(), loop)


def test_threads_are_refused():
    loop = VirtualLoop()

    with pytest.raises(RuntimeError, match="thread"):
        run_virtually(asyncio.to_thread(print), loop)
