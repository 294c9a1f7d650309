"""What one namespace does to its own and to shared addresses, and what it costs others: on loopback, scripted."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from adapter_fakes import http, read_request, serving

from modelramp.adapters.addresses import Addresses, AddressList
from modelramp.adapters.prometheus import PrometheusMetrics, bounds_of
from modelramp.adapters.prometheus_lanes import SHARE, SLOTS
from modelramp.api.errors import PrometheusUnavailable
from modelramp.engine.ports import Asker, Endpoint

ONE = {"status": "success", "data": {"resultType": "scalar", "result": [60, "1"]}}
LOOPBACK = Addresses(AddressList.of(["127.0.0.0/8"]))
PATIENCE = 4.0
EVIL, SHOP = Asker("evil"), Asker("shop")


async def no_secret(namespace, name):
    raise AssertionError(f"{namespace}/{name} was read")


@pytest.fixture
async def metrics(told, clock):
    async with PrometheusMetrics(told, clock, no_secret, LOOPBACK, timeout=PATIENCE) as made:
        yield made


class Shared:
    """A Prometheus that answers at once, but not queries with `slow` in them."""

    def __init__(self):
        self.open = self.most = 0
        self.asked = []

    async def __call__(self, reader, writer):
        while True:
            query = (await read_request(reader)).form["query"]
            self.asked.append(query)
            if "slow" in query:
                self.open += 1
                self.most = max(self.most, self.open)
                try:
                    await reader.read()  # until the other side closes the connection
                finally:
                    self.open -= 1
                return
            await asyncio.sleep(0.01)
            writer.write(http(200, ONE).replace(b"Connection: close\r\n", b""))
            await writer.drain()


def asking(metrics, url, query, asker, at=60):
    return asyncio.create_task(metrics.instant(Endpoint(url), query, at, asker))


async def gave_up(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until(reached):
    for _ in range(2000):
        if reached():
            return
        await asyncio.sleep(0.01)
    raise AssertionError


async def seconds(metrics, url, queries, asker):
    began = time.monotonic()
    await asyncio.gather(*(metrics.instant(Endpoint(url), query, 60, asker) for query in queries))
    return time.monotonic() - began


async def test_unique_queries_of_one_namespace_do_not_starve_another(metrics):
    shared = Shared()
    async with serving(shared) as url:
        flood = [asking(metrics, url, f"unique{n}", EVIL) for n in range(640)]
        await asyncio.sleep(0)
        await asyncio.gather(*(metrics.instant(Endpoint(url), f"victim{n}", 60, SHOP) for n in range(20)))
        before = len(shared.asked)
        await gave_up(flood)
    assert before < 200, "the victim waited for the flood"


async def test_slow_queries_of_one_namespace_open_no_circuit_for_others(metrics):
    shared = Shared()
    async with serving(shared) as url:
        await metrics.instant(Endpoint(url), "victim", 60, SHOP)
        slow = [asking(metrics, url, f"slow{n}", EVIL) for n in range(40)]
        await asyncio.sleep(0.2)
        assert await seconds(metrics, url, ("victim1", "victim2", "victim3"), SHOP) < PATIENCE
        assert await seconds(metrics, url, ("shared1", "shared2"), Asker(objects=20)) < PATIENCE
        assert shared.most == SHARE
        done, _ = await asyncio.wait(slow, timeout=2 * PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        assert all("no answer within" in task.exception().detail for task in done)
        await metrics.instant(Endpoint(url), "victim", 60, SHOP)
        await gave_up(slow)


@pytest.mark.parametrize("addresses", [1, 24])
async def test_addresses_that_hang_cost_only_their_own_objects(addresses, metrics):
    async with AsyncExitStack() as up:
        hanging = [
            await up.enter_async_context(serving(lambda _reader, _writer: asyncio.sleep(60))) for _ in range(addresses)
        ]
        fine = await up.enter_async_context(serving(Shared()))
        doomed = [asking(metrics, url, f"q{n}", EVIL) for url in hanging for n in range(4 * 24 // addresses)]
        await asyncio.sleep(0.1)
        assert await seconds(metrics, fine, ("a", "b"), SHOP) < PATIENCE
        await gave_up(doomed)


async def test_a_question_that_is_given_up_leaves_its_connection(metrics):
    shared = Shared()
    async with serving(shared) as url:
        asked = [asking(metrics, url, f"slow{n}", EVIL) for n in range(20)]
        await until(lambda: shared.open == SLOTS - 1)
        await gave_up(asked)
        await until(lambda: shared.open == 0)
        assert await seconds(metrics, url, [f"q{n}" for n in range(10)], EVIL) < PATIENCE


async def test_a_question_does_not_wait_for_ever_for_its_turn(told, clock):
    async with (
        serving(Shared()) as url,
        PrometheusMetrics(told, clock, no_secret, LOOPBACK, timeout=1.0) as metrics,
    ):
        asked = [asking(metrics, url, f"slow{n}", EVIL) for n in range(60)]
        found = await asyncio.gather(*asked, return_exceptions=True)
    words = {error.detail.partition(": ")[2] for error in found}
    assert words == {"no answer within 1 s", "not asked within 3 s; earlier queries have no answer yet"}
    assert all(isinstance(error, PrometheusUnavailable) for error in found)


def test_a_shared_answer_grows_with_the_objects_that_need_it_up_to_32_mib():
    own = bounds_of(Asker("ml"))
    assert (own.bytes, own.series) == (2 << 20, 10_000)
    assert bounds_of(Asker(objects=1)) == own
    assert bounds_of(Asker("ml", objects=10_000)).series >= 2 * 10_000, "two revisions of each"
    assert own.bytes < bounds_of(Asker(objects=2)).bytes < bounds_of(Asker(objects=100)).bytes
    assert bounds_of(Asker(objects=10**6)).bytes == 32 << 20
