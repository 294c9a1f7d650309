"""What metrics say of objects, as an alert reads them: from the first event on, and until it is over."""

from dataclasses import replace

import pytest

from modelramp.api.times import to_seconds
from tests.sim.scenarios import AFTER_PROMOTION, ROLLBACK, ROLLOUT, Scenario
from tests.sim.streams import DIGITS
from tests.sim.test_several_objects import counter, gauges

ROLLED_BACK = "modelramp_last_rollback_timestamp_seconds"
HELD = "modelramp_held_since_timestamp_seconds"
UNANSWERED = "modelramp_unanswered_since_timestamp_seconds"
PHASES = ("Pending", "Progressing", "Paused", "Promoting", "Healthy", "RollingBack", "RolledBack", "Degraded")


def phases(world):
    found = world.processes[-1].telemetry.gauges
    return {dict(labels)["phase"]: value for (name, labels), value in found.items() if name == "modelramp_objects"}


def of_objects(world):
    """Every series that names an object."""
    found = world.processes[-1].telemetry.gauges
    return {(name, labels) for name, labels in found if "name" in dict(labels)}


def looks(world, metric, every=10.0, minutes=30):
    """What a gauge shows, every few seconds: the time and its series."""
    seen = []
    for number in range(1, int(minutes * 60 / every)):
        world.later(number * every, lambda: seen.append((world.now(), gauges(world, metric))))
    return seen


def look(world, seconds, find):
    """What `find` finds at that time, as the only member of a list."""
    found = []
    world.later(seconds, lambda: found.append(find(world)))
    return found


def test_the_first_rollback_is_an_increase_and_names_its_model_and_cause():
    world = ROLLBACK.world(seed=1)
    seen = looks(world, ROLLED_BACK)
    before = look(world, 90.0, lambda world: counter(world, "modelramp_rollbacks_total", reason="ThresholdReached"))
    world.run(30).check_promises()

    failed = world.status["failedRevision"]
    ((*named, at),) = gauges(world, ROLLED_BACK)
    assert named == [*DIGITS, "ThresholdReached", failed]
    first = next(now for now, found in seen if found)
    assert first - at < 20, "it is seen at once"
    assert before == [0]
    assert counter(world, "modelramp_rollbacks_total", reason="ThresholdReached") == 1
    assert gauges(world, "modelramp_object_phase") == {(*DIGITS, "RolledBack", 1)}


def test_after_a_restart_the_last_rollback_is_still_known():
    world = ROLLBACK.world(seed=1)
    shown = look(world, 1499.0, lambda world: gauges(world, ROLLED_BACK))
    world.later(1500.0, world.restart)
    world.run(30)
    assert len(world.processes) == 2
    (((*_, before),),) = shown
    ((*_, after),) = gauges(world, ROLLED_BACK)
    assert before - 60 <= after <= before
    assert counter(world, "modelramp_rollbacks_total") == 0, "it was counted before"


def test_a_rollback_that_is_found_by_replay_has_the_time_at_which_it_took_effect():
    """The operator was away while the version failed: an alert on the last minutes must see it all the same."""
    scenario = replace(AFTER_PROMOTION, scripts={"2.0.0": {"errors": "h|hhhhhhhhbbbbbbb"}})
    world = scenario.world(seed=1)
    seen = looks(world, ROLLED_BACK, minutes=60)
    world.at(600.0, lambda world: world.restart(840.0), when=lambda world: world.status.get("phase") == "Healthy")
    world.run(60)
    entry = next(item for item in world.status["history"] if item["outcome"] == "RolledBack")
    now, found = next((now, found) for now, found in seen if found)
    ((*_, at),) = found
    assert now - at < 20
    assert at - to_seconds(entry["endedAt"]) > 200, "the ticks that failed were long ago"


def test_every_phase_is_counted_also_when_nobody_has_a_tick():
    world = ROLLOUT.world(seed=1)
    before = look(world, 1200.0, phases)
    world.later(1201.0, world.delete)
    after = look(world, 1215.0, phases)
    world.run(21)
    assert before == [dict.fromkeys(PHASES, 0) | {"Healthy": 1}]
    assert after == [dict.fromkeys(PHASES, 0)]


@pytest.mark.parametrize("minutes", [2, 4, 8, 25])
def test_no_series_outlives_its_object(minutes):
    world = ROLLBACK.world(seed=1)
    before = look(world, minutes * 60.0, of_objects)
    world.later(minutes * 60.0 + 1, world.delete)
    world.run(minutes + 2)
    assert before != [set()]
    assert of_objects(world) == set()


def test_a_step_that_is_over_and_does_not_end_is_held_since_then():
    scenario = Scenario(serves="2.0.0", scripts={"2.0.0": {"accuracy": "bbbbbbbbbbbbbbbbbbbbh"}})
    world = scenario.world(seed=1)
    seen = looks(world, HELD)
    world.later(720.0, world.restart)
    after = look(world, 800.0, lambda world: gauges(world, HELD))
    world.run(60)
    ((first, ((namespace, name, reason, since),)), *_) = [(now, tuple(found)) for now, found in seen if found]
    assert ((namespace, name), reason) == (DIGITS, "HeldByCheck")
    assert 0 <= first - since < 75, "from the end of the step on"
    assert after == [{(*DIGITS, "HeldByCheck", since)}], "a restart does not make it younger"
    assert gauges(world, HELD) == set()
    assert phases(world)["Healthy"] == 1


def test_a_rollout_under_way_is_not_held():
    world = ROLLOUT.world(seed=1)
    seen = looks(world, HELD, every=5.0, minutes=20)
    world.run(20)
    long = [(now, found) for now, found in seen for *_, since in found if now - since > 60]
    assert long == []


def test_a_prometheus_that_is_silent_is_told_by_object_from_the_second_tick_on():
    world = ROLLOUT.world(seed=1)
    world.at(900.0, lambda world: world.outages.update(metrics=world.now() + 400.0))
    seen = looks(world, UNANSWERED, minutes=30)
    world.run(30)
    shown = [(now, *series) for now, found in seen for series in found]
    assert shown
    assert {series[1:3] for series in shown} == {DIGITS}
    assert {series[3] for series in shown} == {"PrometheusTimeout"}
    assert len({series[-1] for series in shown}) == 1
    assert shown[0][0] - shown[0][-1] > 60, "a single lost question is not told"
    assert gauges(world, UNANSWERED) == set()


def test_an_api_server_that_is_silent_shows_as_a_time_that_stands_still():
    world = ROLLOUT.world(seed=1)
    world.at(900.0, lambda world: world.outages.update(cluster=world.now() + 400.0))
    answered = []
    for second in range(10, 1500, 10):
        world.later(second, lambda: answered.append((world.loop.time(), world.now() - last_answer(world))))
    world.run(25)
    assert max(age for at, age in answered if at < 900) < 75, "it is asked once a minute at least"
    assert max(age for at, age in answered if 900 <= at < 1300) > 380
    assert max(age for at, age in answered if at > 1330) < 75


def last_answer(world):
    return world.processes[-1].telemetry.gauges["modelramp_last_api_answer_timestamp_seconds", ()]


def test_why_a_preset_finds_nothing_is_forgotten_with_its_object():
    world = Scenario(serves="1.0.0", versions=((0.0, "1.0.0"),), scripts={"1.0.0": {"errors": "?"}}).world(seed=1)
    known, lookups = [], []

    def look():
        lookups.append(world.processes[0].engine.term.lookups)
        known.append(len(lookups[0]._found))

    world.later(400.0, look)
    world.later(401.0, world.members[DIGITS].delete)
    world.run(minutes=12)
    assert known == [1]
    assert lookups[0]._found == {}


WRITE_LAG = "modelramp_tick_write_lag_seconds"


def highest(world, priority):
    return world.processes[-1].telemetry.highest.get((WRITE_LAG, (("priority", priority),)))


def test_how_late_a_tick_is_written_is_counted_from_when_it_could_be_evaluated():
    world = ROLLBACK.world(seed=1)
    world.run(30).check_promises()

    assert counter(world, f"{WRITE_LAG}_count", priority="Rollback") == 1
    assert counter(world, f"{WRITE_LAG}_count", priority="Report") > 10
    assert all(0 < highest(world, priority) < 3 for priority in ("Rollback", "Report"))
