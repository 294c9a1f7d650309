"""A Job beside a revision: what is added to the user's template, and what must never be."""

from dataclasses import replace

import pytest

from modelramp.api.hooks import HookState, On
from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION, LABEL_ROLE
from modelramp.core.hook_runs import HookRun
from modelramp.desired.jobs import HOOK, job, role_of
from modelramp.desired.objects import prune
from modelramp.desired.ownership import owned_by, selector
from tests.unit.desired.world import CANDIDATE, OWNER, STABLE, state
from tests.unit.desired.world import made as made_objects


def made(template=None, **options):
    template = template or {"spec": {"containers": [{"name": "golden-set", "image": "evaluate:1"}]}}
    wanted = {"env": {"MODELRAMP_NAME": "digits"}, "backoff_limit": 2, **options}
    return job(OWNER, "digits-eval-xyz", revision=CANDIDATE, role="evaluation", template=template, **wanted)


def pod(obj):
    return obj["spec"]["template"]["spec"]


def test_a_job_belongs_to_its_model_deployment_and_says_for_which_revision_and_what_for():
    found = made()

    assert owned_by(found, OWNER)
    assert found["metadata"]["labels"][LABEL_REVISION] == CANDIDATE
    assert role_of(found) == "evaluation"


@pytest.mark.parametrize("labels", [{}, {"app": "digits", LABEL_DEPLOYMENT: "digits", LABEL_REVISION: CANDIDATE}])
def test_its_pods_are_never_picked_by_the_service_of_the_revision(labels):
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    given = made(template)["spec"]["template"]["metadata"]["labels"]

    assert not set(selector(OWNER, CANDIDATE)) & set(given)
    assert given[LABEL_ROLE] == "evaluation"
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


def hook_job_of(number, *, hook="retrain", end="Complete", role=HOOK):
    """A Job as it stands in the cluster, made at that second."""
    found = job(
        OWNER, f"digits-{hook}-id{number:02}", revision=CANDIDATE, role=role, template={}, env={}, backoff_limit=1
    )
    found["metadata"] |= {"creationTimestamp": f"2026-11-20T12:00:{number:02}Z", "uid": f"uid-{number}"}
    found["status"] = {"conditions": [{"type": end, "status": "True"}]} if end else {}
    return found


def pruned(jobs, **changes):
    wanted = made_objects(replace(state(STABLE), **changes))
    return sorted(doomed.name for doomed in prune(wanted, {"Job": jobs}))


def test_of_each_hook_and_end_the_newest_three_jobs_are_kept():
    jobs = [hook_job_of(number) for number in (5, 1, 3, 2, 4)]
    assert pruned(jobs) == ["digits-retrain-id01", "digits-retrain-id02"]

    failed = [hook_job_of(number, end="Failed") for number in (11, 12, 13)]
    other = [hook_job_of(number, hook="look") for number in (21, 22, 23)]
    assert pruned([*jobs, *failed, *other]) == ["digits-retrain-id01", "digits-retrain-id02"]


def test_a_job_that_runs_or_whose_end_is_not_told_yet_or_that_is_no_hook_s_stays():
    running = [hook_job_of(number, end=None) for number in range(10)]
    assert pruned(running) == []
    assert pruned([hook_job_of(number, role="evaluation") for number in range(10)]) == []

    jobs = [hook_job_of(number) for number in range(1, 6)]
    told = HookRun(On.DRIFT, "retrain", CANDIDATE, "2", 1, "id01", state=HookState.RUNNING)
    assert pruned(jobs, hooks=(told,)) == ["digits-retrain-id02"]


def test_jobs_of_somebody_else_are_never_counted_nor_deleted():
    foreign = [hook_job_of(number) for number in range(10)]
    for obj in foreign:
        obj["metadata"]["ownerReferences"] = []

    assert pruned([*foreign, *(hook_job_of(number) for number in (1, 2, 3))]) == []
