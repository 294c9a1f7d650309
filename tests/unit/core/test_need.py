"""What the next rollout needs beside what runs, against quotas and devices."""

from decimal import Decimal

import pytest

from modelramp.api.spec import parse_spec
from modelramp.core.need import beyond_quota, of_nodes, of_quotas, peak

GPU = "nvidia.com/gpu"


def container(requests=None, limits=None, **fields):
    return {
        "name": "model",
        "image": "m:1",
        "resources": {"requests": requests or {}, "limits": limits or {}},
        **fields,
    }


def spec(*containers, replicas=8, inits=(), **capacity):
    return parse_spec(
        {
            "model": {"name": "digits", "version": "1"},
            "replicas": replicas,
            "template": {
                "spec": {"containers": list(containers or (container(limits={GPU: 1}),)), "initContainers": list(inits)}
            },
            "routing": {"gateway": {"parentRefs": [{"name": "public"}]}},
            "rollout": {"capacity": capacity},
        }
    )


def quota(name="gpus", hard=None, used=None, **fields):
    return {"metadata": {"name": name}, "spec": fields, "status": {"hard": hard or {}, "used": used or {}}}


def node(gpus, **fields):
    return {"spec": fields, "status": {"allocatable": {GPU: str(gpus), "cpu": "8"}}}


def pod(gpus, phase="Running", on="a"):
    return {"spec": {"nodeName": on, **container_spec(gpus)}, "status": {"phase": phase}}


def container_spec(gpus):
    return {"containers": [{"name": "c", "resources": {"limits": {GPU: str(gpus)}}}]}


@pytest.mark.parametrize(
    ("capacity", "pods"),
    [
        ({}, 8),
        ({"maxSurge": 1}, 1),
        ({"maxSurge": "25%"}, 2),
        ({"maxSurge": 20}, 8),
        ({"maxSurge": 0, "maxUnavailable": 1}, 0),
        ({"candidate": "Full"}, 8),
        ({"maxSurgeResources": {GPU: 3}}, 3),
        ({"maxSurgeResources": {GPU: 20}}, 8),
        ({"maxSurgeResources": {GPU: 3, "cpu": 1}}, 3),  # the pods ask for no CPU
    ],
)
def test_the_peak_is_what_the_bounds_allow(capacity, pods):
    assert peak(spec(**capacity)) == pods


@pytest.mark.parametrize(
    ("capacity", "short"),
    [({"maxSurge": 1}, []), ({"maxSurge": 2}, [(Decimal(2), Decimal(1), 1)]), ({}, [(Decimal(8), Decimal(1), 1)])],
)
def test_devices_are_counted_in_quota_and_on_nodes_alike(capacity, short):
    model = spec(**capacity)
    by_quota = of_quotas(model, [quota(hard={f"requests.{GPU}": "9"}, used={f"requests.{GPU}": "8"})], peak(model))
    by_node = of_nodes(model, [node(5), node(4)], [pod(8)], peak(model))
    assert [(one.needed, one.left, one.pods) for one in by_quota] == short
    assert [(one.needed, one.left, one.pods) for one in by_node] == short


def test_nodes_that_take_no_pods_and_pods_that_have_ended_do_not_count():
    model = spec(maxSurge=2)
    assert not list(
        of_nodes(model, [node(2), node(8)], [pod(8), pod(8, "Succeeded"), pod(8, "Pending", on="")], peak(model))
    )
    (short,) = of_nodes(model, [node(8), node(8, unschedulable=True)], [pod(8)], peak(model))
    assert (short.left, short.pods, short.where) == (0, 0, "on the nodes")


@pytest.mark.parametrize(
    ("hard", "resource"),
    [
        ({"pods": "10"}, "pods"),
        ({"count/pods": "10"}, "count/pods"),
        ({"cpu": "1"}, "cpu"),
        ({"requests.memory": "15Gi"}, "requests.memory"),
        ({"limits.cpu": "7900m"}, "limits.cpu"),
    ],
)
def test_each_name_of_a_quota_is_understood(hard, resource):
    model = spec(container({"cpu": "500m", "memory": "2Gi"}, {"cpu": "1"}))
    (short,) = of_quotas(model, [quota(hard=hard, used={"pods": "8", "count/pods": "8"})], peak(model))
    assert short.resource == resource
    assert not list(of_quotas(model, [quota(hard=dict.fromkeys(hard, "1000Gi"))], peak(model)))


def test_quotas_for_other_resources_or_for_certain_pods_only_say_nothing():
    scoped = quota(hard={"pods": "0"}, scopes=["BestEffort"])
    assert not list(of_quotas(spec(), [scoped, quota(hard={"services": "0", "requests.storage": "0"}), quota()], 8))


def test_a_model_without_devices_looks_at_no_node():
    assert not list(of_nodes(spec(container({"cpu": "1"})), [node(0)], [], 8))


@pytest.mark.parametrize(
    ("inits", "cpu"),
    [
        ([], 3),
        ([container({"cpu": "5"}, name="load")], 5),
        ([container({"cpu": "1"}, name="proxy", restartPolicy="Always")], 4),
        ([container({"cpu": "5"}, name="load"), container({"cpu": "1"}, name="proxy", restartPolicy="Always")], 5),
        ([container({"cpu": "1"}, name="proxy", restartPolicy="Always"), container({"cpu": "5"}, name="load")], 6),
    ],
)
def test_containers_that_run_before_and_beside_the_others_count(inits, cpu):
    model = spec(container({"cpu": "1"}), container({"cpu": "2"}, name="other"), inits=inits, maxSurge=1)
    (short,) = of_quotas(model, [quota(hard={"cpu": "0"})], peak(model))
    assert short.needed == cpu


REFUSED = 'pods "digits-1" is forbidden: exceeded quota: gpus, '


@pytest.mark.parametrize(
    ("numbers", "more", "said"),
    [
        ("requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=8, limited: requests.nvidia.com/gpu=8",
         1, "the rollout needs 1 more nvidia.com/gpu than ResourceQuota gpus leaves"),
        ("requested: requests.nvidia.com/gpu=2, used: requests.nvidia.com/gpu=7, limited: requests.nvidia.com/gpu=8",
         4, "the rollout needs 7 more nvidia.com/gpu than ResourceQuota gpus leaves"),
        ("requested: limits.cpu=500m,pods=1, used: limits.cpu=2,pods=8, limited: limits.cpu=10,pods=8",
         2, "the rollout needs 2 more pods than ResourceQuota gpus leaves"),
        ("requested: pods=1, used: pods=8, limited: ", 1, ""),
        ("requested: pods=x, used: pods=8, limited: pods=8", 1, ""),
    ],
)  # fmt: skip
def test_what_a_quota_lacks_is_reckoned_from_its_own_words(numbers, more, said):
    assert beyond_quota(REFUSED + numbers, more) == said


def test_words_of_others_are_no_quotas():
    assert beyond_quota("Unschedulable: 3 Insufficient nvidia.com/gpu.", 1) == ""
