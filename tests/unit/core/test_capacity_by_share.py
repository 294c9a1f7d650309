"""A rollout has the pods that its share of the traffic needs, and finishes in the room that there is."""

import random
from dataclasses import replace

import pytest

from modelramp.api.names import Phase, Reason
from tests.unit.core.pool import GPU, Pool
from tests.unit.core.story import START


def outcome(pool):
    return pool.state.stable.revision, pool.state.failed, pool.broken


def test_with_the_defaults_the_stable_version_keeps_all_pods_and_the_candidate_has_what_its_weight_needs():
    pool, seen = Pool.of(16), {}
    while pool.state.stable.revision == "v1" and pool.now < START + 3600:
        pool.second()
        if pool.state.running is not None and pool.state.running.shown:
            given = pool.revisions["v2"].wanted
            seen.setdefault(pool.state.running.weight, (pool.revisions["v1"].wanted, given, pool.is_ready("v2")))

    assert seen == {10: (8, 1, 1), 50: (8, 4, 4), 100: (8, 8, 8)}
    assert pool.broken == []


@pytest.mark.parametrize("seed", range(20))
def test_eight_pods_in_a_room_for_nine_finish_with_a_peak_of_nine(seed):
    pool = Pool.of(9, seed=seed, maxSurge=1).run()

    assert outcome(pool) == ("v2", None, [])
    assert (pool.peak, pool.fewest) == (9, 8)


@pytest.mark.parametrize("seed", range(20))
def test_eight_pods_in_a_room_for_eight_never_serve_with_fewer_than_seven_on_the_way_up(seed):
    pool = Pool.of(8, seed=seed, maxSurge=0, maxUnavailable=1).run()

    assert outcome(pool) == ("v2", None, [])
    assert (pool.peak, pool.fewest) == (8, 7)


@pytest.mark.parametrize("replicas", [1, 2, 3, 5, 9, 17])
@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"maxSurge": 1},
        {"maxSurge": "25%"},
        {"maxSurge": 2, "maxUnavailable": "50%"},
        {"candidate": "Full"},
        {"minimum": 3},
    ],
)
def test_every_bound_finishes(replicas, bounds):
    pool = Pool.of(1000, replicas=replicas, **bounds).run(90)

    assert outcome(pool) == ("v2", None, [])


@pytest.mark.parametrize("replicas", [2, 3, 5, 9, 17])
@pytest.mark.parametrize("unavailable", [1, "30%"])
def test_every_room_without_a_surge_finishes(replicas, unavailable):
    pool = Pool.of(replicas, replicas=replicas, maxSurge=0, maxUnavailable=unavailable).run(90)

    assert outcome(pool) == ("v2", None, [])


def test_a_breach_gives_everything_to_the_ready_pods_of_the_stable_version_at_once():
    pool = Pool.of(9, maxSurge=1)
    while pool.state.running is None or pool.state.running.weight < 100 or not pool.state.running.shown:
        pool.second()
    ready = pool.is_ready("v1")
    while pool.state.failed is None:
        pool.second("b")

    assert (pool.route, ready) == ({"v1": 100}, 1)
    for _ in range(120):
        pool.second()
    assert pool.revisions["v1"].wanted == pool.is_ready("v1") == 8


def test_a_room_that_is_too_small_waits_for_capacity_and_goes_on_when_there_is_room():
    pool = Pool.of(8, maxSurge=1)
    pool.run(60)
    assert (pool.state.phase, pool.state.reason) == (Phase.PROGRESSING, Reason.WAITING_FOR_CAPACITY)

    pool.room = 9
    assert outcome(pool.run()) == ("v2", None, [])


def test_one_pod_without_room_says_so():
    pool = Pool.of(1, replicas=1, maxSurge=0, maxUnavailable=1).run(20)

    assert pool.state.reason is Reason.WAITING_FOR_CAPACITY
    assert "no room for one more" in pool.state.candidate.wait.message


def promoted(**capacity):
    pool = Pool.of(32, **capacity)
    while pool.state.stable.revision == "v1":
        pool.second()
    for _ in range(120):
        pool.second()
    return pool


def test_pods_of_the_previous_version_stand_by_for_their_time():
    pool = promoted(standby={"replicas": 3, "for": "10m"})
    assert (pool.revisions["v1"].wanted, pool.is_ready("v1")) == (3, 3)

    while pool.now < pool.state.stable.since + 600:
        assert pool.revisions["v1"].wanted == 3
        pool.second()
    assert pool.revisions["v1"].wanted == 0


def test_a_version_on_standby_takes_all_traffic_back_at_once():
    pool = promoted(standby={"replicas": 8, "for": "1h"})
    while pool.state.failed is None:
        assert pool.route == {"v2": 100}
        pool.second("b")

    assert (pool.route, pool.is_ready("v1")) == ({"v1": 100}, 8)


def test_standby_stays_within_the_surge_and_ends_with_the_next_rollout():
    pool = promoted(maxSurge=2, standby={"replicas": 8, "for": "1h"})
    assert pool.revisions["v1"].wanted == 2

    pool.target = replace(pool.target, revision="v3")
    for _ in range(60):
        pool.second()
    assert "v1" not in pool.revisions or pool.revisions["v1"].wanted == 0


BOUNDS = ({}, {"maxSurge": 1}, {"maxSurge": 0, "maxUnavailable": 1}, {"maxSurge": "25%", "maxUnavailable": 1})


@pytest.mark.parametrize("part", range(10))
def test_no_loss_of_nodes_or_quota_rolls_a_healthy_version_back(part):
    for seed in range(part, 100, 10):
        chance = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        pool = Pool.of(chance.choice((9, 12, 16)), seed=seed, **chance.choice(BOUNDS))
        for _ in range(chance.randint(1, 6)):
            lost = chance.randint(1, 4)
            for _ in range(chance.randint(5, 400)):
                pool.second()
            pool.lose(min(lost, pool.placed - 1)) if pool.placed > 1 else None
            for _ in range(chance.randint(5, 900)):
                pool.second()
            pool.room += lost
        pool.room = 20
        pool.run(90)

        assert outcome(pool) == ("v2", None, []), seed


SIZES = [(1, 1), (1, 2), (2, 1), (2, 3), (4, 1)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("replicas", [1, 3, 8])
def test_a_surge_in_gpus_finishes_when_it_has_a_pod_of_the_smaller_version(sizes, replicas):
    old, new = sizes
    least, most = min(sizes), replicas * max(sizes)
    for seed, surge in enumerate((least, least + 1)):
        gpus = {"v1": old, "v2": new}
        pool = Pool.of(most + surge, replicas=replicas, seed=seed, gpus=gpus, maxSurgeResources={GPU: surge}).run(120)

        assert outcome(pool) == ("v2", None, [])
        assert pool.peak <= most + surge
        assert pool.fewest >= replicas


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("unavailable", [1, "30%"])
def test_without_a_surge_in_gpus_the_stable_version_makes_room(sizes, unavailable):
    gpus, most = dict(zip(("v1", "v2"), sizes, strict=True)), 8 * max(sizes)
    pool = Pool.of(most, gpus=gpus, maxSurgeResources={GPU: 0}, maxUnavailable=unavailable).run(120)

    assert outcome(pool) == ("v2", None, [])
    assert pool.fewest >= (7 if unavailable == 1 else 6)


@pytest.mark.parametrize("sizes", [(2, 2), (2, 3), (3, 2)])
def test_a_surge_below_one_pod_is_a_wait_with_the_fix(sizes):
    gpus = dict(zip(("v1", "v2"), sizes, strict=True))
    pool = Pool.of(100, gpus=gpus, maxSurgeResources={GPU: 1}).run(20)

    assert (pool.state.stable.revision, pool.state.reason, pool.broken) == ("v1", Reason.WAITING_FOR_CAPACITY, [])
    assert "to 1 more, and one pod asks for 2: raise it to 2, or set maxUnavailable to 1" in (
        pool.state.candidate.wait.message
    )


def test_a_bound_of_what_no_container_asks_for_is_a_wait_with_the_fix():
    pool = Pool.of(100, gpus={"v1": 0, "v2": 0}, maxSurgeResources={GPU: 1}).run(20)

    assert pool.state.reason is Reason.WAITING_FOR_CAPACITY
    assert "which no container asks for: remove it there" in pool.state.candidate.wait.message


def test_a_version_that_needs_none_of_what_is_bounded_has_all_its_pods_at_once():
    pool = Pool.of(100, gpus={"v1": 1, "v2": 0}, maxSurgeResources={GPU: 1}).run(60)

    assert outcome(pool) == ("v2", None, [])


def test_the_amount_counts_and_not_the_number_of_pods():
    """Eight pods of one GPU each become eight of two: room for sixteen and two more."""
    pool = Pool.of(18, gpus={"v1": 1, "v2": 2}, maxSurgeResources={GPU: 2}).run(120)

    assert outcome(pool) == ("v2", None, [])
    assert 16 < pool.peak <= 18


def test_standby_stays_within_a_surge_in_gpus():
    pool = promoted(gpus={"v1": 2, "v2": 2}, maxSurgeResources={GPU: 5}, standby={"replicas": 8, "for": "1h"})

    assert pool.revisions["v1"].wanted == 2
    assert pool.broken == []


@pytest.mark.parametrize("part", range(2))
def test_no_quota_that_is_lowered_for_a_while_rolls_a_healthy_version_back(part):
    for seed in range(part, 12, 2):
        chance = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        sizes = chance.choice(SIZES)
        capacity = chance.choice(({GPU: min(sizes)}, {GPU: 2 * max(sizes)}))
        pool = Pool.of(8 * max(sizes) + 8, gpus=dict(zip(("v1", "v2"), sizes, strict=True)), seed=seed,
                       maxSurgeResources=capacity)  # fmt: skip
        for _ in range(chance.randint(1, 3)):
            lost = chance.randint(1, 8)
            for _ in range(chance.randint(5, 400)):
                pool.second()
            pool.room -= lost
            for _ in range(chance.randint(5, 900)):
                pool.second()
            pool.room += lost
        pool.run(120)

        assert outcome(pool) == ("v2", None, []), seed
