"""A turn of the ticker fails, or the clock is set back: the next turn does what was left."""

import pytest

from modelramp.engine.ticker import Ticker
from tests.sim.scenarios import ROLLBACK, ROLLOUT


@pytest.mark.parametrize("story", [ROLLOUT, ROLLBACK], ids=["rollout", "rollback"])
def test_turns_that_fail_for_a_while_lose_no_tick(story, monkeypatch):
    world = story.world(seed=5)
    due, failed = Ticker.due, []

    def failing(ticker, now):
        if 200 <= world.loop.time() < 330:
            failed.append(now)
            raise KeyError("nobody foresaw it")
        return due(ticker, now)

    monkeypatch.setattr(Ticker, "due", failing)
    world.run_until(story.at_rest, story.minutes).check_promises()
    assert failed
    assert story.unrest(world) == ""
    assert any("a turn of the ticker failed" in line for line in world.history)


def test_what_was_to_come_at_some_time_is_looked_at_when_the_clock_was_set_back():
    world, found = ROLLOUT.world(seed=5), []

    def set_back():
        (process,) = world.processes
        term, now = process.engine.term, process.clock.now()
        (record,) = process.engine.store.records.values()
        for at in (now, now - 600):
            record.wake_at = now + 3600
            term._work._dirty.clear()
            term._look(at)
            found.append(bool(term._work._dirty))

    world.later(70.0, set_back)
    world.run(minutes=2)
    assert found == [False, True]
