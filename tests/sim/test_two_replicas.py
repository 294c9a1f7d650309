"""Two replicas and one Lease: one decides, the other takes over, and what a former leader still wants has no effect."""

import os
import re
from dataclasses import replace
from functools import cache

import pytest

from modelramp.api.kinds import LEASE, Ref
from modelramp.api.times import to_seconds
from modelramp.engine import leadership
from tests.sim.faults import FROZEN_SECONDS, Fault
from tests.sim.scenarios import AFTER_PROMOTION, ROLLBACK, ROLLOUT, SUPERSEDED, tell

STORIES = {
    name: replace(story, operators=2, elected=True)
    for name, story in {
        "rollout": ROLLOUT,
        "rollback": ROLLBACK,
        "rollback after promotion": AFTER_PROMOTION,
        "superseded": SUPERSEDED,
    }.items()
}
EVERY_WRITE, EVERY_OTHER = (1, 9) if os.environ.get("MODELRAMP_SIM_SWEEP") == "all" else (11, 61)
CALL = re.compile(r"call (\d+): (create|apply|replace_status|delete)?(?!.*Lease)")
FAULTS = [
    Fault.FROZEN,
    Fault.CRASH_BEFORE,
    Fault.CRASH_AFTER,
    Fault.OUTAGE,
    Fault.LATE_EFFECT,
    Fault.CONFLICT,
    Fault.SILENT_AFTER,
    Fault.CLOCK_AHEAD,
]
THE_LEASE = Ref(LEASE, "modelramp-system", "modelramp")


@cache
def calls(name):
    """Numbers of the calls of a story without a fault: those that write, those that only read or keep the Lease."""
    found = [found for line in tell(STORIES[name], seed=7).history if (found := CALL.search(line))]
    writes = [int(each[1]) for each in found if each[2]]
    return writes, [int(each[1]) for each in found if not each[2]]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize("name", STORIES)
def test_a_fault_at_any_call_of_either_changes_nothing_in_the_end(name, fault):
    writes, others = calls(name)
    first = FAULTS.index(fault) + list(STORIES).index(name)
    numbers = [*writes[first % EVERY_WRITE :: EVERY_WRITE], *others[first * 13 :: EVERY_OTHER]]
    worlds = [tell(STORIES[name], seed=7, fault=fault, at_call=n) for n in numbers]

    assert len(writes) > 20
    assert any(world.fault_fired for world in worlds)


def rolling_out(seconds=30):
    """A world in which a leader rolls out, and what is planned for it happens that many seconds after its beginning."""

    def in_step(world):
        return world.status.get("phase") == "Progressing" and world.serving().get("2.0.0")

    world = STORIES["rollout"].world(seed=3)
    return world, lambda action: world.at(0, lambda world: world.later(seconds, lambda: action(world)), when=in_step)


def taken_over(end):
    """Seconds from the end of a leader to the next leader that decides."""
    world, plan = rolling_out()
    ended, begun = [], []

    def look():
        if world.leader() not in {None, ended[0]} and world.leader().engine.term is not None:
            begun.append(world.now())
        else:
            world.later(0.1, look)

    def act(world):
        ended.append(world.leader())
        begun.append(world.now())
        end(ended[0])
        world.later(0.1, look)

    plan(act)
    world.run_until(ROLLOUT.at_rest, ROLLOUT.minutes)
    world.check_promises()
    assert ROLLOUT.at_rest(world)
    return begun[1] - begun[0]


@pytest.mark.parametrize(
    ("end", "seconds"),
    [
        (lambda leader: leader.stop(), 3.0),
        (lambda leader: leader.crash(), 15.0),
        (lambda leader: leader.stand_still(FROZEN_SECONDS), 15.0),
    ],
    ids=["stopped", "killed", "frozen"],
)
def test_the_other_takes_over_in_time(end, seconds):
    assert taken_over(end) <= seconds


def test_whoever_takes_over_counts_the_tick_that_was_missed():
    world = replace(STORIES["rollback"], scripts={"2.0.0": {"errors": "b"}}).world(seed=3)
    missed = []

    def kill_before_the_third(world):
        missed.append((world.now() // 60 + 1) * 60)
        world.later(missed[0] - 1 - world.now(), lambda: world.leader().crash())

    world.restart_after = 600.0
    world.at(0, kill_before_the_third, when=lambda world: world.status.get("breaches") == 2)
    world.run_until(lambda world: world.status.get("phase") == "RolledBack", 30)
    world.check_promises()

    assert world.status["phase"] == "RolledBack"
    assert to_seconds(world.status["lastTick"]) == missed[0]
    assert world.now() - missed[0] <= 20


def test_a_follower_asks_writes_and_shows_nothing():
    world, plan = rolling_out()
    seen = []

    def look(world):
        (follower,) = (process for process in world.processes if process is not world.leader())
        seen.append(follower)

    plan(look)
    world.run_until(ROLLOUT.at_rest, ROLLOUT.minutes)
    world.check_promises()
    (follower,) = seen
    calls = {line.split(": ", 1)[1].split(" ")[0] for line in world.history if f"{follower.name} call " in line}
    gauges = {metric for metric, _ in follower.telemetry.gauges}

    assert not follower.leads
    assert calls <= {"list", "get", "create"}  # the Lease, at the very first
    assert follower.engine.listing.readiness()[0]
    assert follower.telemetry.gauges["modelramp_leader", ()] == 0
    assert not {metric for metric in gauges if "object" in metric or "weight" in metric or "queue" in metric}


def test_a_former_leader_shows_nothing_of_the_objects_and_leads_again_when_it_is_needed():
    world, plan = rolling_out()
    first = []

    def freeze(world):
        first.append(world.leader())
        first[0].stand_still(60)
        world.later(90, lambda: first.append(dict(first[0].telemetry.gauges)))
        world.later(100, lambda: world.leader().stand_still(60))
        world.later(120, lambda: first.append((first[0].leads, dict(first[0].telemetry.gauges))))

    plan(freeze)
    world.run_until(ROLLOUT.at_rest, ROLLOUT.minutes)
    world.check_promises()
    _, following, (leads, leading) = first

    assert ROLLOUT.at_rest(world)
    assert not [metric for metric, labels in following if ("name", "digits") in labels or metric == "modelramp_objects"]
    assert (following["modelramp_leader", ()], leading["modelramp_leader", ()], leads) == (0, 1, True)
    assert sum(value for (metric, _), value in leading.items() if metric == "modelramp_objects") == 1


def test_an_api_server_away_for_longer_than_the_lease_ends_neither():
    world, plan = rolling_out()
    plan(lambda world: world.outages.update(cluster=world.now() + 120))
    world.run_until(ROLLOUT.at_rest, ROLLOUT.minutes)
    world.check_promises()

    assert ROLLOUT.at_rest(world)
    assert [process.alive for process in world.processes] == [True, True]


def test_a_lease_deleted_by_hand_is_made_again_by_its_holder():
    world, plan = rolling_out()
    leaders = []

    def delete(world):
        leaders.append(world.leader())
        world.api.delete(THE_LEASE, "kubectl")
        world.later(5, lambda: leaders.append(world.leader()))

    plan(delete)
    world.run_until(ROLLOUT.at_rest, ROLLOUT.minutes)
    world.check_promises()

    assert leaders[0] is leaders[1] is not None
    assert world.api.find(LEASE.kind, "modelramp-system", "modelramp")["spec"]["leaseTransitions"] == 1


def test_a_lease_that_a_person_gives_to_somebody_else_comes_back():
    world, plan = rolling_out()

    def give_away(world):
        lease = world.api.get(THE_LEASE)
        world.api.update({**lease, "spec": {**lease["spec"], "holderIdentity": "somebody"}}, "kubectl")

    plan(give_away)
    world.run_until(ROLLOUT.at_rest, ROLLOUT.minutes)
    world.check_promises()

    assert ROLLOUT.at_rest(world)


@pytest.mark.parametrize("wrong", [0, 1])
@pytest.mark.parametrize("skew", [3600.0, -3600.0])
def test_a_clock_that_is_wrong_by_an_hour_gives_nobody_the_lease(wrong, skew):
    world = STORIES["rollback"].world(seed=5)
    world.skews[wrong] = skew
    world.run_until(ROLLBACK.at_rest, ROLLBACK.minutes)
    world.check_promises()

    assert ROLLBACK.at_rest(world)
    assert world.api.find(LEASE.kind, "modelramp-system", "modelramp")["spec"]["leaseTransitions"] == 1


def unfenced(_):
    """Every write passes."""


def tell_all(calls):
    for n in calls:
        tell(STORIES["rollback"], seed=7, fault=Fault.FROZEN, at_call=n)


WRONG = {
    "nothing fences the writes": (leadership.Fenced, "_check", unfenced),
    "a leader believes in its Lease for ever": (leadership, "GIVE_UP_SECONDS", 1000.0),
    "a follower does not wait": (leadership, "_LONGEST_SECONDS", 3),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_missing_fence_is_noticed(monkeypatch, wrong):
    monkeypatch.setattr(*wrong)

    with pytest.raises(AssertionError, match="who is not the leader writes nothing"):
        tell_all(range(50, 400, 3))
