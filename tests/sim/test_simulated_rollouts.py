"""The real engine in a world where nothing goes wrong: what happens, when it happens, and what it costs."""

import os
import subprocess
import sys
from functools import partial

import pytest

from modelramp.engine.engine import Options
from tests.sim.clock import EPOCH
from tests.sim.kubelet import Pods
from tests.sim.scenarios import (
    AFTER_PROMOTION,
    REVERTED,
    ROLLBACK,
    ROLLOUT,
    ROLLOUT_AT,
    SCENARIOS,
    SUPERSEDED,
    TEST_LOST,
    TEST_OPEN,
    TEST_WON,
    Scenario,
    manifest,
    tell,
)


def shares(world, version):
    """The share of a version whenever it changed at the gateway: (minute, percent)."""
    found = [(0, 0)]
    for served in world.gateway.history:
        weights = {world.gateway.revisions[name]: weight for name, weight in served.weights.items()}
        of_version = sum(w for name, w in weights.items() if world.prometheus.revisions[name].version == version)
        if of_version != found[-1][1]:
            found.append((int((served.at - EPOCH) // 60), of_version))
    return found[1:]


def test_a_healthy_version_gets_10_then_50_then_100_percent_two_minutes_apart():
    world = tell(ROLLOUT, seed=1)

    assert [share for _, share in shares(world, "2.0.0")] == [10, 50, 100]
    assert [minute for minute, _ in shares(world, "2.0.0")] == [1, 4, 6]


def test_three_consecutive_breaches_bring_the_old_version_back_within_seconds():
    world = tell(ROLLBACK, seed=1)
    third = 10 * 60  # b h h b h b b ? b, from the second minute on; the first is of before the step
    back = next(served.at for served in world.gateway.history if served.at > EPOCH + third)

    assert shares(world, "2.0.0")[-1][1] == 0
    assert back - (EPOCH + third) < 5 + 5  # the delay of the evaluation; some writes and the gateway
    assert world.status["history"][0]["outcome"] == "RolledBack"


def test_two_consecutive_breaches_never_roll_back():
    world = tell(Scenario(serves="2.0.0", scripts={"2.0.0": {"errors": "hbbhbbhbb?hhh"}}), seed=1)

    assert [share for _, share in shares(world, "2.0.0")] == [10, 50, 100]


def test_silence_neither_promotes_nor_rolls_back():
    scenario = Scenario(serves="2.0.0", scripts={"2.0.0": {"errors": "h?"}})
    world = scenario.world(seed=1).run(minutes=40)
    world.check_promises()

    assert world.serving() == {"1.0.0": 90, "2.0.0": 10}
    assert world.status["breaches"] == 0


def test_a_hold_check_blocks_promotion_and_does_not_roll_back():
    scenario = Scenario(serves="2.0.0", scripts={"2.0.0": {"accuracy": "b"}})
    world = scenario.world(seed=1).run(minutes=30)
    world.check_promises()

    assert world.serving() == {"1.0.0": 90, "2.0.0": 10}


def test_after_promotion_three_breaches_bring_the_previous_version_back_whole():
    world = tell(AFTER_PROMOTION, seed=1)

    assert [share for _, share in shares(world, "2.0.0")] == [10, 50, 100, 0]
    assert world.status["restored"] is True


def test_a_version_that_was_brought_back_is_not_exchanged_again():
    scripts = {"1.0.0": {"errors": "hhhhhhhhhhhhhhhhb"}, "2.0.0": {"errors": "h|b"}}
    scenario = Scenario(serves="1.0.0", failed="2.0.0", scripts=scripts)
    world = scenario.world(seed=1).run(minutes=60)
    world.check_promises()

    assert world.serving() == {"1.0.0": 100}
    assert world.status["phase"] == "Degraded"


def test_a_newer_version_replaces_the_one_in_flight_which_loses_its_traffic_first():
    world = tell(SUPERSEDED, seed=1)

    assert shares(world, "2.0.0")[-1][1] == 0
    assert [share for _, share in shares(world, "3.0.0")] == [10, 50, 100]


def test_going_back_to_the_stable_template_withdraws_the_candidate_at_once():
    world = tell(REVERTED, seed=1)

    assert shares(world, "2.0.0")[-1][1] == 0
    assert world.status.get("failedRevision") is None


def test_pods_that_never_start_end_the_rollout_at_its_deadline_without_any_traffic():
    world = tell(Scenario(serves="1.0.0", failed="2.0.0", pods={"2.0.0": Pods(start=None)}), seed=1)

    assert shares(world, "2.0.0") == []
    assert world.loop.time() < ROLLOUT_AT + 5 * 60 + 60


def test_pods_that_crash_during_a_step_roll_back_even_without_a_single_sample():
    scripts = {"2.0.0": {"errors": "?", "accuracy": "?"}}
    scenario = Scenario(serves="1.0.0", failed="2.0.0", scripts=scripts, pods={"2.0.0": Pods(crash_after=90.0)})
    world = tell(scenario, seed=1)

    assert shares(world, "2.0.0")[-1][1] == 0


def test_a_stable_version_whose_pods_are_all_gone_does_not_stop_the_rollout_of_a_healthy_one():
    versions = ((0.0, "1.0.0"), (ROLLOUT_AT, "2.0.0"), (600.0, "3.0.0"))
    scenario = Scenario(
        serves="3.0.0", versions=versions, phases=("", "Healthy", "Healthy"), pods={"2.0.0": Pods(crash_after=560.0)}
    )

    tell(scenario, seed=1)


def test_a_candidate_without_endpoints_is_unlisted_within_seconds():
    scenario = Scenario(serves="1.0.0", failed="2.0.0", pods={"2.0.0": Pods(crash_after=90.0)})
    world = tell(scenario, seed=1)
    empty = [served for served in world.gateway.history if served.empty]

    after = [next(later.at for later in world.gateway.history if later.at > served.at) for served in empty]
    assert all(end - served.at < 5 for served, end in zip(empty, after, strict=True))


def test_a_healthy_object_at_rest_costs_six_writes_an_hour():
    world = ROLLOUT.world(seed=1).run(minutes=20)
    start = len(world.api.log)
    resting = ROLLOUT.world(seed=1).run(minutes=80)
    writes = [change for change in resting.api.log[start:] if change.actor == "modelramp"]

    assert resting.history[: len(world.history) - 5] == world.history[:-5]
    assert 5 <= len(writes) <= 7


def test_deleting_the_object_leaves_nothing_behind():
    world = ROLLBACK.world(seed=1).at(300, lambda world: world.delete()).run(minutes=30)
    world.check_promises()

    assert {obj["kind"] for obj in world.api.all()} == {"Gateway"}


def test_deleting_without_the_dependants_keeps_serving():
    world = ROLLOUT.world(seed=1).at(900, lambda world: world.delete(orphan=True)).run(minutes=60)
    world.check_promises()

    assert world.serving() == {"2.0.0": 100}
    assert not world.digits


def test_an_object_made_again_under_its_old_name_begins_anew():
    world = ROLLOUT.world(seed=1).at(900, lambda world: world.delete()).at(960, lambda w: w.apply(manifest("1.0.0")))
    world.run(minutes=30)
    world.check_promises()

    assert world.serving() == {"1.0.0": 100}


def edit_route(world):
    route = world.api.find("HTTPRoute", "ml", "digits")
    rule = route["spec"]["rules"][0]
    lopsided = [{**backend, "weight": 1} for backend in rule["backendRefs"]]
    world.api.update({**route, "spec": {**route["spec"], "rules": [{**rule, "backendRefs": lopsided}]}}, "kubectl")


def test_an_edit_of_the_route_from_outside_is_put_back():
    world = ROLLOUT.world(seed=1).at(200, edit_route).run(minutes=4)

    assert world.serving() == {"1.0.0": 90, "2.0.0": 10}


def test_a_deleted_child_is_made_again():
    def delete(world):
        for obj in [*world.api.all("HTTPRoute"), *world.api.all("Service"), *world.api.all("Deployment")]:
            world.api.delete(world.ref(obj), "kubectl")

    world = ROLLOUT.world(seed=1).at(60, delete)
    world.run(minutes=1.5)

    assert world.serving() == {"1.0.0": 100}


def test_only_status_and_annotations_are_ever_written_to_the_object_and_never_its_spec():
    world = tell(ROLLBACK, seed=1)
    ours = [c for c in world.api.log if c.kind == "ModelDeployment" and c.actor == "modelramp"]

    assert ours
    assert all(change.obj["spec"] == change.before["spec"] for change in ours)


def test_the_world_asked_only_questions_that_prometheus_knows():
    world = tell(ROLLBACK, seed=1)

    assert world.prometheus.unknown == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_seed_tells_the_same_story_twice(name):
    assert tell(SCENARIOS[name], seed=5).history == tell(SCENARIOS[name], seed=5).history


def test_a_seed_tells_the_same_story_in_another_process_with_other_hashes():
    script = (
        "from tests.sim.scenarios import ROLLBACK, tell; from tests.sim.faults import Fault; import hashlib;"
        "told = '\\n'.join(tell(ROLLBACK, 5, fault=Fault.CRASH_AFTER, at_call=50).history);"
        "print(hashlib.sha256(told.encode()).hexdigest())"
    )

    def story(hash_seed):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, check=True, text=True
        )

    assert story("1").stdout == story("2").stdout != ""


def test_another_seed_tells_another_story():
    assert tell(ROLLOUT, seed=1).history != tell(ROLLOUT, seed=2).history


def test_the_better_version_of_a_test_gets_everything_after_the_least_time():
    world = tell(TEST_WON, seed=1)

    assert [share for _, share in shares(world, "2.0.0")] == [50, 100]
    assert [minute for minute, _ in shares(world, "2.0.0")] == [1, 8]
    assert world.status["experiment"]["verdict"] == "Winner"
    assert "30 % of 6,000 against 20 % of 6,000" in world.status["history"][0]["message"]


def test_a_test_of_two_equal_versions_ends_with_the_old_one():
    world = tell(TEST_OPEN, seed=1)

    assert [share for _, share in shares(world, "2.0.0")] == [50, 0]
    assert (world.status["history"][0]["outcome"], world.status["reason"]) == ("NoDifference", "ABTestNoDifference")


def test_harm_ends_a_test_before_its_least_time_and_a_restart_counts_no_minute_twice_and_loses_none():
    calm = tell(TEST_LOST, seed=1)
    restarted = TEST_LOST.world(1).at(300.0, lambda world: world.processes[-1].crash())
    restarted.run_until(TEST_LOST.at_rest, TEST_LOST.minutes).check_promises()

    assert calm.status["history"][0]["outcome"] == "Harm"
    assert restarted.status["experiment"]["candidate"] == calm.status["experiment"]["candidate"]
    assert len(restarted.processes) == 2


ERRORS = {"name": "errors", "preset": "reference-error-rate"}
GROUPS = 'sim_accuracy{revision="{{revision}}"}'
FAIR = {"name": "fair", "role": "inform", "fairness": {"bad": GROUPS, "total": GROUPS}}


@pytest.mark.parametrize(("checks", "loads"), [([ERRORS], 0), ([ERRORS, FAIR], 1)], ids=["thresholds", "statistics"])
def test_what_statistics_need_is_loaded_once_before_they_are_judged(monkeypatch, checks, loads):
    loaded = []

    async def load():
        loaded.append(1)

    monkeypatch.setattr("tests.sim.process.Options", partial(Options, load=load))
    scenario = Scenario(serves="1.0.0", versions=((0.0, "1.0.0"),), health={"checks": checks})
    world = scenario.world(seed=1).run(minutes=8)

    assert len(world.status["checks"]) == len(checks)
    assert len(loaded) == loads
