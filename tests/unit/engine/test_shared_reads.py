"""Many who ask for the same object within a moment cost one read, and none of them waits for another's patience."""

import asyncio

import pytest

from modelramp.api.errors import ApiServerUnavailable, Gone
from modelramp.api.kinds import SERVICE, Ref
from modelramp.engine.diagnostics import SHARED_SECONDS, SharedReads

REF = Ref(SERVICE, "infra", "gateway")
OTHER = Ref(SERVICE, "infra", "other")


class Clock:
    at = 1000.0

    def now(self):
        return self.at


class Server:
    """Answers when it is let."""

    def __init__(self, error=None):
        self.asked, self.error, self.answers = [], error, asyncio.Event()

    async def get(self, ref):
        self.asked.append(ref)
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return {"name": ref.name, "read": len(self.asked)}


async def asked_together(reads, server, refs):
    asking = [asyncio.create_task(reads.get(ref)) for ref in refs]
    await asyncio.sleep(0)
    server.answers.set()
    return await asyncio.gather(*asking, return_exceptions=True)


async def test_a_hundred_who_ask_at_once_cost_one_read_of_each_object():
    server = Server()

    found = await asked_together(SharedReads(server, Clock()), server, [REF, OTHER] * 50)

    assert sorted(map(str, server.asked)) == [str(REF), str(OTHER)]
    assert [one["name"] for one in found] == ["gateway", "other"] * 50


@pytest.mark.parametrize("seconds", [SHARED_SECONDS, -SHARED_SECONDS])
async def test_an_answer_is_old_after_a_moment_also_when_the_clock_was_set_back(seconds):
    server, clock = Server(), Clock()
    reads = SharedReads(server, clock)
    server.answers.set()
    first = await reads.get(REF)
    again = await reads.get(REF)
    clock.at += seconds

    assert first == again == {"name": "gateway", "read": 1}
    assert await reads.get(REF) == {"name": "gateway", "read": 2}


@pytest.mark.parametrize("error", [Gone("no such object"), ApiServerUnavailable("silent")])
async def test_all_are_told_what_went_wrong(error):
    server = Server(error)

    found = await asked_together(SharedReads(server, Clock()), server, [REF] * 3)

    assert found == [error] * 3
    assert server.asked == [REF]


async def test_one_who_gives_up_takes_the_answer_from_nobody():
    server = Server()
    reads = SharedReads(server, Clock())
    impatient, patient = (asyncio.create_task(reads.get(REF)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    server.answers.set()

    assert (await patient)["read"] == 1
    assert server.asked == [REF]
