"""A Job beside a revision: what is added to the user's template, and what must never be."""

import pytest

from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION, LABEL_ROLE
from modelramp.desired.job import EVALUATION, job, role_of
from modelramp.desired.ownership import owned_by, selector
from tests.unit.desired.world import CANDIDATE, OWNER


def made(template=None, **options):
    template = template or {"spec": {"containers": [{"name": "golden-set", "image": "evaluate:1"}]}}
    wanted = {"env": {"MODELRAMP_NAME": "digits"}, "backoff_limit": 2, **options}
    return job(OWNER, "digits-eval-xyz", revision=CANDIDATE, role=EVALUATION, template=template, **wanted)


def pod(obj):
    return obj["spec"]["template"]["spec"]


def test_a_job_belongs_to_its_model_deployment_and_says_for_which_revision_and_what_for():
    found = made()

    assert owned_by(found, OWNER)
    assert found["metadata"]["labels"][LABEL_REVISION] == CANDIDATE
    assert role_of(found) == EVALUATION


@pytest.mark.parametrize("labels", [{}, {"app": "digits", LABEL_DEPLOYMENT: "digits", LABEL_REVISION: CANDIDATE}])
def test_its_pods_are_never_picked_by_the_service_of_the_revision(labels):
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    given = made(template)["spec"]["template"]["metadata"]["labels"]

    assert not set(selector(OWNER, CANDIDATE)) & set(given)
    assert given[LABEL_ROLE] == EVALUATION
    assert given.get("app") == labels.get("app")


def test_what_a_template_leaves_open_is_filled_in_and_what_it_says_is_kept():
    open_ones = pod(made())
    assert (open_ones["restartPolicy"], open_ones["enableServiceLinks"]) == ("Never", False)
    assert open_ones["containers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"

    container = {"name": "c", "image": "i", "terminationMessagePolicy": "File"}
    said = pod(made({"spec": {"restartPolicy": "OnFailure", "enableServiceLinks": True, "containers": [container]}}))
    assert (said["restartPolicy"], said["enableServiceLinks"]) == ("OnFailure", True)
    assert said["containers"][0]["terminationMessagePolicy"] == "File"


def test_variables_come_before_those_of_the_template_which_win():
    own = [{"name": "B", "value": "$(A)"}, {"name": "C", "value": "own"}]
    template = {"spec": {"initContainers": [{"name": "i", "image": "i"}], "containers": [{"name": "c", "env": own}]}}
    found = pod(made(template, env={"A": "ours", "C": "ours"}))

    assert found["containers"][0]["env"] == [{"name": "A", "value": "ours"}, *own]
    assert {entry["name"] for entry in found["initContainers"][0]["env"]} == {"A", "C"}
    assert template["spec"]["containers"][0]["env"] is own  # the user's template is not changed


def test_limits_are_the_job_s():
    spec = made(deadline_seconds=600, ttl_seconds=86_400)["spec"]

    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (2, 600, 86_400)
    assert "activeDeadlineSeconds" not in made()["spec"]
