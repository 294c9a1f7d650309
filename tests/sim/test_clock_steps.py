"""The clock of the operator's machine is set, forwards or back, for a while or for good: ticks go on."""

import asyncio
import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelramp.adapters.clock import ClusterClock
from modelramp.api.errors import ApiServerUnavailable
from modelramp.core.ticks import newest_due, to_evaluate
from tests.sim.clock import EPOCH, MachineClock, VirtualLoop, date, run_virtually
from tests.sim.scenarios import Scenario

FIGURES = [(60, 600.0), (60, -600.0), (5, 60.0), (5, -60.0)]
"""Interval and step, seconds."""


@dataclass
class Telemetry:
    """Remembers what an SRE could see."""

    lines: list = field(default_factory=list)
    steps: int = 0
    offset: float = 0.0

    def warn(self, event, **fields):
        self.lines.append(event)

    def count(self, metric):
        assert metric == "modelramp_clock_steps_total"
        self.steps += 1

    def gauge(self, metric, value):
        if metric == "modelramp_clock_offset_seconds":
            self.offset = value


class Watcher:
    """An operator reduced to its ticks: each is asked for once, and has data if its instant has passed.

    api_skew: how wrong the API server's clock is. stood_still: for how long the machine did.
    silent: (start, end) in which the API server does not answer, seconds.
    """

    def __init__(self, loop, interval, silent=()):
        self.loop = loop
        self.machine = MachineClock(loop)
        self.interval = interval
        self.silent = silent
        self.api_skew = 0.0
        self.stood_still = 0.0
        self.telemetry = Telemetry()
        self.last_tick = 0
        self.asked = []
        self.errors = []

    @property
    def truth(self):
        return EPOCH + self.loop.time() + self.stood_still

    async def ask(self):
        await asyncio.sleep(0.02)
        if any(start <= self.loop.time() < end for start, end in self.silent):
            await asyncio.sleep(10)
            raise ApiServerUnavailable("no answer")
        self.clock.heard(date(self.truth + self.api_skew), 0.02)

    async def first_list(self):
        try:
            await self.ask()
        except ApiServerUnavailable:
            await self.first_list()

    async def live(self, seconds):
        """One process; what it has asked stands in the status."""
        self.clock = ClusterClock(self.telemetry, self.machine.wall, self.machine.steady)
        keeping = asyncio.create_task(self.clock.keep(self.ask))
        end = self.loop.time() + seconds
        try:
            await self.first_list()
            while self.loop.time() < end:
                now = self.clock.now()
                self.errors.append(now - self.truth)
                ticks = to_evaluate(self.last_tick, newest_due(now, self.interval), self.interval)
                self.asked += [(tick, self.truth - tick) for tick in ticks]
                self.last_tick = ticks[-1] if ticks else self.last_tick
                await asyncio.sleep(min(2.0, self.interval / 4))
        finally:
            keeping.cancel()

    def judge(self, *, lost):
        """Every tick was asked for once, after its scrape and soon; at most so many are missing or were too early."""
        good = [tick for tick, age in self.asked if age > 0]
        assert len(good) == len(set(good)), "a tick was counted twice"
        wanted = range(self.asked[0][0], newest_due(self.truth, self.interval) - self.interval, self.interval)
        assert len(set(wanted) - set(good)) <= lost
        late = [tick for tick, age in self.asked if age > 5 + 2 * self.interval]
        assert len(late) <= lost


def watched(interval, steps, *, seconds=1800.0, silent=(), lives=1):
    """steps: (when, skew of the machine's clock from then on)."""
    loop = VirtualLoop()
    watcher = Watcher(loop, interval, silent)

    async def story():
        for at, skew in steps:
            loop.call_later(at, setattr, watcher.machine, "skew", skew)
        for _ in range(lives):
            await watcher.live(seconds / lives)

    run_virtually(story(), loop)
    return watcher


@pytest.mark.parametrize("lasts", [7.0, 30.0, 200.0, 10_000.0])
@pytest.mark.parametrize(("interval", "step"), FIGURES)
def test_a_step_loses_no_tick_and_counts_none_twice_and_is_said(interval, step, lasts):
    watcher = watched(interval, [(303.0, step), (303.0 + lasts, 0.0)])

    watcher.judge(lost=0)
    assert max(map(abs, watcher.errors)) < 2.5
    assert watcher.telemetry.steps == (1 if lasts > 1800 else 2)
    assert len(watcher.telemetry.lines) >= 2
    assert watcher.telemetry.offset == pytest.approx(step if lasts > 1800 else 0.0, abs=1.1)


@pytest.mark.parametrize(("interval", "step"), FIGURES)
def test_a_process_that_starts_under_a_wrong_clock_goes_by_the_api_server(interval, step):
    watcher = watched(interval, [(303.0, step)], lives=3)

    watcher.judge(lost=0)


@pytest.mark.parametrize(("interval", "step"), FIGURES)
def test_a_clock_that_was_wrong_at_the_start_is_followed_once_it_is_right(interval, step):
    watcher = watched(interval, [(0.0, step), (600.0, 0.0)])

    watcher.judge(lost=0)
    assert abs(watcher.errors[-1]) < 0.01


@pytest.mark.parametrize(("interval", "step"), FIGURES)
def test_a_step_while_the_api_server_is_silent_is_not_followed(interval, step):
    watcher = watched(interval, [(303.0, step)], silent=[(290.0, 700.0)])

    watcher.judge(lost=0)


@pytest.mark.parametrize(("interval", "step"), FIGURES)
def test_a_step_of_the_api_server_s_own_clock_for_half_a_minute_is_not_followed(interval, step):
    loop = VirtualLoop()
    watcher = Watcher(loop, interval)
    loop.call_later(303.0, setattr, watcher, "api_skew", step)
    loop.call_later(333.0, setattr, watcher, "api_skew", 0.0)

    run_virtually(watcher.live(1800), loop)
    watcher.judge(lost=0)


def test_a_machine_that_stood_still_is_put_right_by_the_api_server_within_two_minutes():
    loop = VirtualLoop()
    watcher = Watcher(loop, 60)
    loop.call_later(303.0, setattr, watcher, "stood_still", 600.0)  # a virtual machine: neither of its clocks knows

    run_virtually(watcher.live(1200), loop)
    watcher.judge(lost=12)  # those of the ten minutes, and two more, come late
    assert len({tick for tick, _ in watcher.asked}) == len(watcher.asked) == 31
    assert watcher.errors[-1] == pytest.approx(0.0, abs=2.5)


def test_a_clock_that_is_slewed_is_followed():
    loop = VirtualLoop()
    watcher = Watcher(loop, 60)
    for second in range(300):
        loop.call_later(100.0 + second, lambda skew: setattr(watcher.machine, "skew", skew), -second * 0.003)

    run_virtually(watcher.live(900), loop)
    assert watcher.telemetry.steps == 0
    assert watcher.errors[-1] == pytest.approx(-0.9, abs=0.01)


skews = st.sampled_from([0.0, 0.0, 60.0, -60.0, 600.0, -600.0, 7.0, -7.0, 3600.0, -86_400.0])
steps = st.lists(st.tuples(st.floats(0, 1700), skews), max_size=6)
silences = st.lists(st.tuples(st.floats(20, 1700), st.floats(1, 500)), max_size=2)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([5, 60]), steps, silences, st.integers(1, 3))
def test_whatever_the_clock_does_time_goes_on_evenly(interval, steps, silences, lives):
    silent = [(start, start + length) for start, length in silences]
    watcher = watched(interval, sorted(steps), silent=silent, lives=lives)

    watcher.judge(lost=0 if lives == 1 else len(silent) * 120)
    assert max(map(abs, watcher.errors)) < 2.5
    changes = sum(one != other for one, other in itertools.pairwise([0.0, *(skew for _, skew in sorted(steps))]))
    assert watcher.telemetry.steps <= changes


BREACHES = "hhhhhhhhhhbbb"


def story(interval):
    unit = {60: ("2m", "5m"), 5: ("20s", "60s")}[interval]
    return Scenario(
        serves="1.0.0",
        failed="2.0.0",
        scripts={"2.0.0": {"errors": BREACHES}},
        rollout={
            "stepDuration": unit[0],
            "progressDeadline": "5m",
            "scaleDownDelay": unit[1],
            "capacity": {"candidate": "Full"},
        },
        health={"interval": f"{interval}s"},
        minutes=30,
    )


def told(interval, step=0.0, at=0.0, lasts=0.0):
    """The shares of the new version: (seconds, percent) at each change; and when its pods ended."""
    scenario = story(interval)
    world = scenario.world(seed=3)
    if step:
        world.later(at, lambda: setattr(world.processes[-1].machine, "skew", step))
        world.later(at + lasts, lambda: setattr(world.processes[-1].machine, "skew", 0.0))
    world.run_until(scenario.at_rest, scenario.minutes)
    world.check_promises()
    assert not scenario.unrest(world)
    shares = [(0.0, 0)]
    for served in world.gateway.history:
        of = {
            world.prometheus.revisions[world.gateway.revisions[name]].version: w for name, w in served.weights.items()
        }
        if of.get("2.0.0", 0) != shares[-1][1]:
            shares.append((served.at - EPOCH, of.get("2.0.0", 0)))
    return [*shares[1:], (world.loop.time(), "at rest")]


@pytest.mark.parametrize("lasts", [30.0, 10_000.0], ids=["short", "lasting"])
@pytest.mark.parametrize(("interval", "step"), FIGURES)
def test_a_rollout_and_its_rollback_go_the_same_way_under_a_clock_that_is_set(interval, step, lasts):
    calm = told(interval)
    assert [share for _, share in calm] == [10, 50, 100, 0, "at rest"]

    for ticks in (1, 6, 9, 11.5):
        set_at = told(interval, step, 100.0 + ticks * interval, lasts)
        assert [share for _, share in set_at] == [share for _, share in calm]
        assert all(abs(a - b) <= 6.0 for (a, _), (b, _) in zip(set_at, calm, strict=True)), (set_at, calm)
