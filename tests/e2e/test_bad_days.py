"""What goes wrong in life: none of it crashes the operator, costs the stable version its traffic, or is silent."""

import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.rollout import UNREACHABLE

pytestmark = pytest.mark.timeout(360)


def test_an_image_that_does_not_exist_is_named_and_rolled_back(stories):
    rollout, waiting, status = stories["never_starts"].result()

    assert "example.com/no-such-image:v2" in waiting["message"]
    assert status["history"][0]["reason"] == "ProgressDeadlineExceeded"
    assert rollout.weights_seen[-1] == {"v1": 100}


def test_a_volume_that_is_missing_is_named_in_the_kubelets_words(stories):
    waiting, told, status = stories["no_volume"].result()

    assert "FailedMount: MountVolume.SetUp failed" in waiting["message"]
    assert "nobody-made-it" in waiting["message"]
    assert told < 20  # 15 s, and what a busy machine adds
    assert status["stable"]["modelVersion"] == "v2"


def test_a_model_that_crashes_at_start_never_gets_traffic(stories):
    rollout, status = stories["crash_loop"].result()

    assert all("v2" not in weights for weights in rollout.weights_seen)
    assert status["history"][0]["weight"] == 0


def test_ten_edits_in_a_hurry_end_with_the_last_one(stories):
    rollout, traffic = stories["edits_in_a_hurry"].result()

    assert rollout.status["stable"]["modelVersion"] == "v11"
    assert not traffic.failures()


def test_a_gateway_that_does_not_exist_is_a_condition(stories):
    rollout, status = stories["no_gateway"].result()

    routed = next(c for c in status["conditions"] if c["type"] == "Routed")
    assert routed["status"] == "False"
    assert "Gateway gateway/missing does not exist" in routed["message"]
    assert rollout.condition("Ready")["status"] == "False"


def test_a_name_of_63_characters_works(stories):
    rollout = stories["long_name"].result()

    assert all(len(item["metadata"]["name"]) <= 63 for item in rollout.children("service"))


def test_the_second_owner_of_a_hostname_waits_and_says_so(stories):
    traffic, status, freed = stories["one_hostname_twice"].result()

    assert set(traffic.shares()) == {"v1"}
    assert "e2e/elder" in status["message"]
    assert freed["stable"]["modelVersion"] == "y1"


def test_broken_queries_are_visible_and_harm_no_other_check(stories):
    _, status = stories["broken_queries"].result()

    reasons = {check["name"]: check["reason"] for check in status["checks"]}
    assert reasons == {
        "not-promql": "QueryInvalid",
        "not-a-number": "NotANumber",
        "silence": "EmptyResult",
        "fine": "WithinLimit",
    }


def test_what_others_change_of_ours_is_put_back(stories):
    wanted, found = stories["outside_edits"].result()

    assert found == wanted


def test_deletion_leaves_nothing(stories):
    rollout = stories["deletion"].result()

    with pytest.raises(UNREACHABLE):
        rollout.get()
    for kind in ("deployment", "service", "httproute", "controllerrevision"):
        wait_until(lambda kind=kind: not rollout.children(kind))


def test_an_orphaned_model_keeps_serving_and_can_be_adopted(stories):
    _, traffic, before, owners = stories["orphaned"].result()

    assert before == {"deployment": 1, "service": 1, "httproute": 1}
    assert len(owners) == 1
    assert not traffic.failures()
