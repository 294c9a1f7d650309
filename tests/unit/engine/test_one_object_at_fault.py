"""A bug that one object meets, when it is decided on or written: it is put off, and the others go on."""

import asyncio
from types import SimpleNamespace

import pytest

from modelramp.engine.limiter import Priority
from modelramp.engine.work import Work
from tests.unit.engine.turns_of_ticks import Silent

BAD, GOOD = ("ml", "bad"), ("ml", "good")


class Settler:
    """Fails for one object at one of its steps."""

    def __init__(self, step):
        self.step = step
        self.put = []
        self.written = []

    def stir(self, key):
        pass

    def prepare(self, key):
        if key == BAD and self.step == "prepare":
            raise KeyError("nobody foresaw it")
        return SimpleNamespace(key=key, priority=Priority.REPORT)

    async def carry_out(self, plan):
        if plan.key == BAD and self.step == "carry_out":
            raise KeyError("nobody foresaw it")
        self.written.append(plan.key)
        return False

    def put_off(self, key, error):
        self.put.append((key, repr(error)))


@pytest.mark.parametrize("step", ["prepare", "carry_out"])
async def test_it_is_put_off_and_the_others_are_written(step):
    settler = Settler(step)
    work = Work(settler, Silent())
    running = asyncio.create_task(work.run())
    for _ in range(2):  # and so at the next news: the place in the queue was given back
        for key in (BAD, GOOD):
            work.mark(key)
        for _ in range(10):
            await asyncio.sleep(0)
    running.cancel()
    assert settler.put == [(BAD, "KeyError('nobody foresaw it')")] * 2
    assert settler.written == [GOOD] * 2
