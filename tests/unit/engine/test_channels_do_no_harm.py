"""Every event reaches every channel, in order; a channel that fails, hangs or is flooded harms nobody else."""

import asyncio

from modelramp.api.names import Reason
from modelramp.core.events import RolloutEvent
from modelramp.engine import notices
from modelramp.engine.notices import Notifier
from modelramp.engine.ports import Delivery


class Listener:
    """Remembers; before that it does what a test says."""

    def __init__(self, name, before=None):
        self.name, self.before, self.heard = name, before, []

    async def deliver(self, event):
        if self.before is not None:
            await self.before(event)
        self.heard.append(event.message)
        return Delivery.TAKEN


class Counts:
    def __init__(self):
        self.counted, self.lines = [], []

    def count(self, metric, **labels):
        self.counted.append((metric, *labels.values()))

    def warn(self, event, **fields):
        self.lines.append((event, fields))


def events(*messages):
    return [RolloutEvent(Reason.BREACHED, message) for message in messages]


async def broken(_):
    raise RuntimeError("no such room")


async def hangs(_):
    await asyncio.Event().wait()


async def test_all_channels_hear_all_in_order():
    one, other, told = Listener("one"), Listener("other"), Counts()
    notifier = Notifier((one, other), told)
    notifier.tell(events("a", "b"))
    notifier.tell(events("c"))
    await notifier.stop()

    assert one.heard == other.heard == ["a", "b", "c"]
    assert told.counted.count(("modelramp_notifications_total", "one", "taken")) == 3


async def test_a_channel_that_raises_costs_only_its_own_event():
    async def second(event):
        if event.message == "b":
            await broken(event)

    poor, good, told = Listener("poor", second), Listener("good"), Counts()
    notifier = Notifier((poor, good), told)
    notifier.tell(events("a", "b", "c"))
    await notifier.stop()

    assert (poor.heard, good.heard) == (["a", "c"], ["a", "b", "c"])
    assert ("modelramp_notifications_total", "poor", "unknown") in told.counted
    assert told.lines[0][1]["channel"] == "poor"


async def test_a_channel_that_hangs_is_given_up_after_its_time(monkeypatch):
    monkeypatch.setattr(notices, "DELIVERY_SECONDS", 0.01)

    async def first(event):
        if event.message == "a":
            await hangs(event)

    slow, told = Listener("slow", first), Counts()
    notifier = Notifier((slow,), told)
    notifier.tell(events("a", "b"))
    await notifier.stop()

    assert slow.heard == ["b"]
    assert ("modelramp_notifications_total", "slow", "unknown") in told.counted


async def test_a_channel_that_hangs_delays_no_other_and_keeps_no_more_than_it_may(monkeypatch):
    monkeypatch.setattr(notices, "QUEUED", 3)
    monkeypatch.setattr(notices, "FAREWELL_SECONDS", 0.01)
    stuck, good, told = Listener("stuck", hangs), Listener("good"), Counts()
    notifier = Notifier((stuck, good), told)
    for message in "abcdefgh":
        notifier.tell(events(message))
        await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert good.heard == list("abcdefgh")
    assert told.counted.count(("modelramp_notifications_total", "stuck", "dropped")) == 4
    await notifier.stop()
    assert stuck.heard == []
