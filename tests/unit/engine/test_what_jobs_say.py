"""What Jobs and their pods say: only the Job's own pods count, whatever others write, and no form of it does harm."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelramp.api.errors import ApiServerUnavailable, Gone, Refused
from modelramp.api.evaluation import ResultsIn
from modelramp.api.hooks import HookState
from modelramp.core.gates.work import JobWork
from modelramp.desired.jobs import end_of, first_container_end, made_by
from modelramp.engine.diagnostics import pod_trouble
from modelramp.engine.hooks import failure_of, job_news
from modelramp.engine.jobs import PODS_MAX, Look, pods_of_job, seen_of

KEY = ("ml", "digits")
GOOD, FORGED = '{"accuracy": 0.5}', '{"accuracy": 0.99}'
COMPLETE, FAILED = {"type": "Complete"}, {"type": "Failed", "reason": "BackoffLimitExceeded", "message": "too often"}


def job(condition=None, uid="job-1"):
    conditions = [{**condition, "status": "True"}] if condition else []
    return {
        "metadata": {"name": "digits-eval-x", "namespace": "ml", "uid": uid},
        "spec": {"template": {"spec": {"containers": [{"name": "golden-set"}, {"name": "sidecar"}]}}},
        "status": {"conditions": conditions},
    }


def pod(message=GOOD, *, name="real", phase="Succeeded", container="golden-set", code=0, owner=None, **reference):
    owner = {"kind": "Job", "name": "digits-eval-x", "uid": "job-1", "controller": True} if owner is None else owner
    return {
        "metadata": {
            "name": name,
            "namespace": "ml",
            "labels": {"batch.kubernetes.io/job-name": "digits-eval-x"},
            "ownerReferences": [owner | reference] if owner else [],
        },
        "status": {
            "phase": phase,
            "containerStatuses": [
                {"name": container, "state": {"terminated": {"exitCode": code, "reason": "Error", "message": message}}}
            ],
        },
    }


class Answers:
    """The API server: a few pods and ConfigMaps, or no answer."""

    def __init__(self, pods=(), config_map=None, error=None):
        self.pods, self.config_map, self.error = pods, config_map, error
        self.asked = []

    async def list(self, kind, namespace, selector, *, fields="", most=None):
        if self.error:
            raise self.error
        self.asked.append((selector, fields, most))
        return tuple(self.pods)

    async def get(self, ref):
        if self.config_map is None:
            raise Gone("not found")
        return self.config_map


def looked(cluster, condition=COMPLETE, results="TerminationMessage"):
    made = job(condition)
    return asyncio.run(seen_of(cluster, Look(KEY, work(results), made, end_of(made), "")))


def work(results):
    return JobWork("evaluation", "eval-x", "x", "v2", {}, 60, "timeout", results=ResultsIn(results))


def failure(pods):
    """Why the Job failed, as a hook tells it."""
    found = asyncio.run(pods_of_job(Answers(pods), job(FAILED), "status.phase=Failed"))
    return failure_of(job(FAILED), found)


FOREIGN = {
    "owned by nobody": {"owner": {}},
    "of another Job": {"uid": "job-2"},
    "of an earlier Job of that name": {"uid": "job-0"},
    "owned, not controlled": {"controller": False},
    "of another kind with that uid": {"kind": "ReplicaSet"},
}


@pytest.mark.parametrize("claim", FOREIGN.values(), ids=FOREIGN)
def test_a_pod_that_only_claims_to_be_the_job_s_gives_no_results(claim):
    forged = pod(FORGED, name="forged", **claim)

    assert looked(Answers([forged])).output is None
    assert looked(Answers([forged, pod()])).output == GOOD
    assert looked(Answers([pod(), forged])).output == GOOD


@pytest.mark.parametrize("claim", FOREIGN.values(), ids=FOREIGN)
def test_nor_does_it_say_why_a_job_failed(claim):
    forged = pod("all is well", name="forged", phase="Failed", code=7, **claim)
    real = pod("no data set", phase="Failed", code=1)

    assert "forged" not in looked(Answers([forged]), FAILED).problem
    assert looked(Answers([forged, real]), FAILED).problem.endswith("exit code 1, its last words: no data set")
    assert "forged" not in failure([forged])
    assert "no data set" in failure([forged, real])


def test_last_words_move_no_cursor_of_who_reads_them():
    words = "no data\x1b[2K\x1b[1Aall is well"
    assert looked(Answers([pod(words, phase="Failed", code=1)]), FAILED).problem.endswith(
        r"no data\x1b[2K\x1b[1Aall is well"
    )
    assert "\x1b" not in pod_trouble(pod(words, phase="Failed", code=1))


def test_a_running_job_s_trouble_is_that_of_its_own_pod():
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    forged, real = pod(name="forged", owner={}, phase="Pending"), pod(phase="Pending")
    for one in (forged, real):
        one["status"]["containerStatuses"] = [{"name": "golden-set", "state": waiting}]

    assert looked(Answers([forged]), None).problem == ""
    assert looked(Answers([forged, real]), None).problem.startswith("pod real: container golden-set ImagePullBackOff")


def test_pods_that_contradict_each_other_give_no_results():
    seen = looked(Answers([pod(), pod(FORGED, name="another")]))
    assert (seen.output, seen.ended) == (None, True)
    assert "several pods report results, and these differ" in seen.problem

    assert looked(Answers([pod(), pod(name="another")])).output == GOOD


def test_what_a_sidecar_writes_is_no_result():
    assert looked(Answers([pod(FORGED, container="sidecar")])).output == ""


@pytest.mark.parametrize(("condition", "fields"), [(COMPLETE, "Succeeded"), (FAILED, "Failed")])
def test_only_a_few_pods_are_ever_asked_for(condition, fields):
    cluster = Answers([pod()])
    looked(cluster, condition)

    assert cluster.asked == [("batch.kubernetes.io/job-name=digits-eval-x", f"status.phase={fields}", PODS_MAX)]


def test_results_in_a_config_map():
    assert looked(Answers(config_map={"data": {"results.json": GOOD}}), results="ConfigMap").output == GOOD
    assert "without creating" in looked(Answers(), results="ConfigMap").problem
    assert "has no key" in looked(Answers(config_map={"data": {}}), results="ConfigMap").problem


def test_what_may_not_be_read_is_said_and_what_cannot_be_told_now_is_asked_again():
    assert "may not be read: no right" in looked(Answers(error=Refused("no right"))).problem
    with pytest.raises(ApiServerUnavailable):
        looked(Answers(error=ApiServerUnavailable("no answer")))


values = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4)
FIELDS = """status conditions containerStatuses initContainerStatuses state lastState waiting terminated message reason
type name ownerReferences uid controller kind exitCode ready spec template containers metadata creationTimestamp"""
names = st.sampled_from(FIELDS.split())
strange = st.recursive(
    values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)


def spoilt(obj, draw):
    """The object with some of its parts replaced by anything."""
    if draw(st.integers(0, 6)) == 0:
        return draw(strange)
    if isinstance(obj, dict):
        return {key: spoilt(value, draw) for key, value in obj.items() if draw(st.integers(0, 8)) or key == "metadata"}
    if isinstance(obj, list):
        return [spoilt(value, draw) for value in obj]
    return obj


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from([None, COMPLETE, FAILED]))
def test_no_form_of_a_job_or_a_pod_does_harm(data, condition):
    odd_job, odd_pod = (spoilt(obj, data.draw) for obj in (job(condition), pod(phase="Failed")))
    named = {"name": "digits-eval-x", "namespace": "ml"}
    for obj in (odd_job, odd_pod):
        if isinstance(obj, dict):
            obj["metadata"] = {**(obj.get("metadata") if isinstance(obj.get("metadata"), dict) else {}), **named}
    if not isinstance(odd_job, dict) or not isinstance(odd_pod, dict):
        return

    assert job_news(odd_job).state in {HookState.RUNNING, HookState.DONE, HookState.FAILED}
    assert len(failure_of(odd_job, [odd_pod])) < 1000
    assert isinstance(made_by(odd_pod, odd_job), bool)
    assert len(pod_trouble(odd_pod)) <= 400
    first_container_end(odd_job, odd_pod)
    for results in ("TerminationMessage", "ConfigMap"):
        look = Look(KEY, work(results), odd_job, end_of(odd_job), "")
        seen = asyncio.run(seen_of(Answers([odd_pod], odd_pod), look))
        assert seen.output is None or isinstance(seen.output, str)
