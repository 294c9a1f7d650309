"""Ticker and rounds as the engine joins them, for one store and one moment."""

import asyncio
import re

from modelramp.engine.failing import FailingChecks
from modelramp.engine.questions import Questions
from modelramp.engine.rounds import Loading, Rounds
from modelramp.engine.ticker import Ticker
from tests.sim.clock import EPOCH


class Silent:
    """A telemetry that keeps nothing."""

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


class StandingClock:
    def __init__(self, now):
        self._now = now

    def now(self):
        return self._now


class LoopClock:
    """The wall time of a virtual loop."""

    def __init__(self, loop):
        self._loop = loop

    def now(self):
        return EPOCH + self._loop.time()

    async def sleep(self, seconds):
        await asyncio.sleep(max(seconds, 0.0))


async def ticks_of(store, metrics, now, telemetry=None):
    """The outcomes of everything that is due: by key, the oldest tick first."""
    telemetry, clock, found = telemetry or Silent(), StandingClock(now), {}

    def deliver(turn, outcomes):
        found[turn.key] = tuple(outcomes.values())

    failing = FailingChecks(telemetry)
    ticker = Ticker(store, telemetry, failing, delay=5, patience=25, address="http://prometheus")
    rounds = Rounds(Questions(metrics, telemetry, clock), telemetry, clock, Loading(None), deliver)
    for tick, turns in ticker.due(now).items():
        rounds.begin(tick, turns)
    await asyncio.gather(*rounds._deadlines)
    return found


def each_alone(query):
    """The labels and the own query of each revision for which a joint query asks; of a query for one, itself."""
    found = re.search(r'revision=~"([^"]*)"', query)
    if found is None:
        return [({}, query)]
    return [({"revision": one}, query.replace(found[0], f'revision="{one}"')) for one in found[1].split("|")]
