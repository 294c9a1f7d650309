"""Hooks of many namespaces on one runner, in virtual time: whose receivers hang delays nobody else."""

import asyncio
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelramp.api.errors import Forbidden
from modelramp.api.kinds import JOB, MODEL_DEPLOYMENT
from modelramp.core.hook_runs import GRACE, QUEUE_SECONDS, TRIES, after_news, patience
from modelramp.engine.hooks import CALLS, CALLS_OF_ONE, REQUESTS_OF_ONE, HookRunner
from modelramp.engine.limiter import WriteLimiter
from modelramp.engine.ports import Delivered, Delivery
from modelramp.engine.store import Store
from tests.sim.clock import EPOCH, VirtualLoop, run_virtually

TIMEOUT_MAX = 30
"""No call of a webhook lasts longer: the schema says so."""
POD = {"spec": {"containers": [{"name": "look", "image": "look:1"}]}}
ACTIONS = {"webhook": {"url": "https://pipelines.example.com/", "timeout": "30s"}, "job": {"template": POD}}


@dataclass
class LoopClock:
    """The port `Clock` in virtual time."""

    loop: VirtualLoop

    def now(self):
        return EPOCH + self.loop.time()

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)


@dataclass
class Receiver:
    """How the receivers of one namespace answer: after so many seconds, and what."""

    seconds: float = 0.01
    says: Delivery = Delivery.TAKEN


def model(namespace, name, action, since):
    """A ModelDeployment with one hook that is due."""
    episode = {
        "id": f"e{name}",
        "on": "onBreach",
        "name": "tell",
        "revision": "v1",
        "since": since,
        "state": "Due",
        "at": since,
    }
    spec = {
        "replicas": 1,
        "model": {"name": "digits", "version": "1.0.0"},
        "template": POD,
        "routing": {"gateway": {"parentRefs": [{"name": "public"}]}},
        "health": {"onBreach": [{"name": "tell", action: ACTIONS[action]}]},
    }
    metadata = {"namespace": namespace, "name": name, "uid": f"{namespace}-{name}"}
    return {"metadata": metadata, "spec": spec, "status": {"hooks": [episode]}}


@dataclass
class Bench:
    """One runner with the engine's part played: whoever is marked is decided on, and its state is kept at once.

    A fake engine because the real one would need a cluster for each of a hundred namespaces.
    """

    receivers: dict[str, Receiver] = field(default_factory=dict)
    started: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    under_way: dict[str, int] = field(default_factory=dict)
    most_at_once: dict[str, int] = field(default_factory=dict)
    slow_create: dict[str, float] = field(default_factory=dict)
    refuses: set[str] = field(default_factory=set)
    counted: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.loop = VirtualLoop()
        self.clock = LoopClock(self.loop)
        self.store = Store()
        limiter = WriteLimiter(self.clock, 1000.0, 1000.0)
        self.dirty: dict = {}
        self.runner = HookRunner(self.store, self, self, self, self.clock, limiter, self.mark)

    # ports

    async def call(self, call):
        namespace = call.body["namespace"]
        receiver = self.receivers.get(namespace, Receiver())
        with self.busy(namespace, call.body["name"]):
            await asyncio.sleep(min(receiver.seconds, call.timeout))
        says = Delivery.UNKNOWN if receiver.seconds > call.timeout else receiver.says
        return Delivered(says, "as it said")

    async def create(self, obj):
        metadata = obj["metadata"]
        namespace = metadata["namespace"]
        with self.busy(namespace, metadata["labels"]["modelramp.io/deployment"]):
            await asyncio.sleep(self.slow_create.get(namespace, 0.01))
        if namespace in self.refuses:
            raise Forbidden("exceeded quota")
        return {**obj, "metadata": {**metadata, "uid": f"job-{metadata['name']}", "resourceVersion": "1"}}

    def count(self, metric, **labels):
        self.counted.append(metric)

    def warn(self, event, **fields):
        pass

    def busy(self, namespace, name):
        bench = self

        class Busy:
            def __enter__(self):
                bench.started.setdefault((namespace, name), []).append(bench.loop.time())
                bench.under_way[namespace] = bench.under_way.get(namespace, 0) + 1
                bench.most_at_once[namespace] = max(bench.most_at_once.get(namespace, 0), bench.under_way[namespace])

            def __exit__(self, *_):
                bench.under_way[namespace] -= 1

        return Busy()

    # the engine's part

    def mark(self, key):
        self.dirty[key] = None

    def add(self, namespace, name, action="webhook"):
        self.store.observe(MODEL_DEPLOYMENT, "ADDED", model(namespace, name, action, "2025-11-20T12:00:00Z"))
        self.mark((namespace, name))

    def settle(self, key):
        record = self.store.records.get(key)
        if record is None:
            return
        news = self.runner.news(key, record)
        health, now = record.target.spec.health, int(self.clock.now())
        record.state = replace(record.state, hooks=after_news(record.state.hooks, health, news, now))
        if self.runner.follow(key, record):
            self.mark(key)

    def episode(self, namespace, name):
        (episode,) = self.store.records[namespace, name].state.hooks
        return episode

    def state(self, namespace, name):
        return self.episode(namespace, name).state.value

    async def live(self, seconds, plans):
        """plans: (time, what is done)."""
        plans, looked = sorted(plans, key=lambda plan: plan[0]), 0.0
        while self.loop.time() < seconds:
            while plans and plans[0][0] <= self.loop.time():
                plans.pop(0)[1]()
            if self.loop.time() - looked >= 10:
                looked = self.loop.time()
                self.dirty |= dict.fromkeys(self.store.records)
            while self.dirty:
                key = next(iter(self.dirty))
                del self.dirty[key]
                self.settle(key)
            await asyncio.sleep(0.05)

    def run(self, seconds, *plans):
        run_virtually(self.live(seconds, plans), self.loop)


def crowd(bench, namespaces, objects, action="webhook"):
    def arrive():
        for index in range(namespaces):
            for number in range(objects):
                bench.add(f"hostile-{index}", f"m{number}", action)

    return arrive


hanging = st.builds(Receiver, st.sampled_from([5.0, 29.0, 30.0, 600.0]), st.sampled_from(Delivery))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(hanging, st.integers(1, 24)), max_size=90), st.floats(0.0, 70.0))
def test_an_honest_call_waits_for_nobody_who_hangs(hostile, at):
    bench = Bench()
    for index, (receiver, _) in enumerate(hostile):
        bench.receivers[f"hostile-{index}"] = receiver

    def arrive():
        for index, (_, objects) in enumerate(hostile):
            for number in range(objects):
                bench.add(f"hostile-{index}", f"m{number}")

    bench.run(at + 70, (0.0, arrive), (at, lambda: bench.add("honest", "digits")))

    late = bench.started["honest", "digits"][0] - at
    few = sum(min(objects, CALLS_OF_ONE) for _, objects in hostile) < CALLS
    crowded = len(hostile) > CALLS
    assert late < (0.5 if few else 2 * TIMEOUT_MAX + 1 if crowded else TIMEOUT_MAX + 1)
    assert bench.state("honest", "digits") == "Done"
    assert max(bench.most_at_once.values()) <= CALLS_OF_ONE


@pytest.mark.parametrize("tenants", [1, 15])
def test_receivers_that_hang_do_not_delay_another_tenant_s_call(tenants):
    bench = Bench(receivers={f"hostile-{index}": Receiver(600.0) for index in range(tenants)})
    bench.run(40, (0.0, crowd(bench, tenants, 16)), (5.0, lambda: bench.add("honest", "digits")))

    assert bench.started["honest", "digits"][0] < 5.5
    assert bench.most_at_once["hostile-0"] == 4


@pytest.mark.parametrize("says", [Delivery.BUSY, Delivery.NOT_SENT])
def test_a_slot_is_free_during_the_pause_between_two_tries(says):
    bench = Bench(receivers={"hostile-0": Receiver(0.01, says)})
    bench.run(4.0, (0.0, crowd(bench, 1, 12)))

    assert len(bench.started) == 12, "all had their first try while the first ones rested"


@pytest.mark.parametrize("says", [Delivery.BUSY, Delivery.NOT_SENT])
def test_whoever_was_not_taken_is_called_three_times_though_many_wait(says):
    bench = Bench(receivers={"hostile-0": Receiver(5.0, says)})
    bench.run(400.0, (0.0, crowd(bench, 1, 60)))

    assert {len(times) for times in bench.started.values()} == {TRIES}
    assert {bench.state(*key) for key in bench.started} == {"Failed"}


def test_whose_further_call_gets_no_turn_says_so():
    bench = Bench(receivers={"hostile-0": Receiver(29.0, Delivery.BUSY)})
    bench.run(700.0, (0.0, crowd(bench, 1, 12)))

    said = [bench.episode(*key).message for key, times in bench.started.items() if len(times) < TRIES]
    assert said
    assert all(message.endswith("too many calls of the namespace wait, so it was not called again") for message in said)
    assert {bench.state(*key) for key in bench.started} == {"Failed"}


def test_a_call_has_ended_before_the_end_of_all_patience():
    longest = TRIES * TIMEOUT_MAX + 5 + 30 + 2 * QUEUE_SECONDS
    assert longest < patience(TIMEOUT_MAX)
    assert 2 * QUEUE_SECONDS < GRACE


def test_namespaces_take_turns():
    bench = Bench(receivers={f"hostile-{index}": Receiver(10.0) for index in range(CALLS)})
    bench.run(60, (0.0, crowd(bench, CALLS, 8)))

    rounds = {}
    for (namespace, _), times in bench.started.items():
        for time in times:
            rounds.setdefault(int(time // 10), []).append(namespace)
    assert all(sorted(found) == sorted(set(found)) for number, found in rounds.items() if 0 < number < 3)


def test_jobs_of_one_tenant_that_hang_do_not_delay_another_one_s():
    bench = Bench(slow_create={"hostile-0": 15.0})
    bench.run(30, (0.0, crowd(bench, 1, 40, "job")), (5.0, lambda: bench.add("honest", "digits", "job")))

    assert bench.started["honest", "digits"][0] < 5.5
    assert bench.most_at_once["hostile-0"] == REQUESTS_OF_ONE
    assert len(bench.store.children(("honest", "digits"), JOB)) == 1


def test_a_job_that_may_not_be_made_is_asked_for_more_and_more_rarely():
    bench = Bench(refuses={"hostile-0"})
    bench.run(3600, (0.0, crowd(bench, 1, 1, "job")))

    (times,) = bench.started.values()
    assert len(times) < 20
    assert all(later - earlier < 330 for earlier, later in pairwise(times))


def test_what_was_deleted_leaves_nothing_behind():
    bench = Bench(receivers={"hostile-0": Receiver(600.0), "hostile-1": Receiver(0.01, Delivery.BUSY)})

    def delete():
        for key in list(bench.store.records):
            bench.store.forget(key)
        bench.dirty.clear()

    def arrive():
        bench.add("honest", "digits")

    bench.run(300, (0.0, crowd(bench, 2, 12)), (20.0, delete), (200.0, arrive))

    runner = bench.runner
    assert bench.state("honest", "digits") == "Done"
    for left in (runner._news, runner._called, runner._followed, runner._work._tasks, runner._work._resting):
        assert not left
    for turns in (runner._calls, runner._requests):
        for left in (turns._held, turns._holds, turns._claimed, turns._waiting, turns._again, turns._turns):
            assert not left


def test_a_slot_that_nobody_uses_goes_to_the_next():
    """The status of an object cannot be written: its calls were given slots, and never begin."""
    bench = Bench()
    settle = bench.settle

    def stuck(key):
        if key[0].startswith("hostile"):
            bench.runner.follow(key, bench.store.records[key])
        else:
            settle(key)

    bench.settle = stuck
    bench.run(100, (0.0, crowd(bench, CALLS, 4)), (1.0, lambda: bench.add("honest", "digits")))

    assert bench.started["honest", "digits"][0] < 65
