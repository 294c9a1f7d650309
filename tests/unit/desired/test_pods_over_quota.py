"""A quota that is used up is a wait for capacity; every other refusal of a pod is a failure."""

import pytest

from modelramp.api.names import LABEL_REVISION
from modelramp.api.times import to_text
from modelramp.desired.workloads.deployment import Deployments

QUOTA = 'pods "digits-1" is forbidden: exceeded quota: gpus, requested: pods=1, used: pods=2, limited: pods=2'
POLICY = 'pods "digits-1" is forbidden: violates PodSecurity "restricted:latest"'


@pytest.mark.parametrize(("words", "status", "since"), [(QUOTA, "True", 700), (QUOTA, "False", 0), (POLICY, "True", 0)])
def test_only_a_quota_is_a_wait(words, status, since):
    failed = {"type": "ReplicaFailure", "status": status, "message": words, "lastTransitionTime": to_text(700)}
    made = {"metadata": {"labels": {LABEL_REVISION: "v2"}}, "spec": {"replicas": 3}, "status": {"conditions": [failed]}}

    found = Deployments().observed([made])["v2"]
    assert (found.over_quota, found.trouble) == (since, words if status == "True" else "")
