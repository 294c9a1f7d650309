"""The gate before a candidate's first traffic: no weight without a pass, and what everybody may do meanwhile."""

from dataclasses import dataclass, replace

import pytest

from modelramp.api.evaluation import EvaluationState
from modelramp.api.names import Phase, Reason
from modelramp.core.gates.work import JobSeen
from modelramp.core.messages import sentence
from modelramp.core.state import Pods, State
from tests.unit.core.story import Story

IMAGE = "evaluate:1"


def evaluation(*, image=IMAGE, metrics=({"name": "accuracy", "min": "0.9"},), **more):
    template = {"spec": {"containers": [{"name": "golden-set", "image": image}]}}
    return {"evaluation": {"template": template, "metrics": list(metrics), **more}}


GOOD, BAD = '{"accuracy": 0.95}', '{"accuracy": 0.5}'


@dataclass
class Gated(Story):
    """A story in which Jobs end when a test says so, and results are recorded at once unless a test says otherwise."""

    output: str | None = None
    problem: str = ""
    records: bool = True
    stable_results: dict | None = None

    def seen(self):
        tried = self.evaluated
        recorded = {"v1": self.stable_results} if self.stable_results else {}
        job = None
        if tried is not None:
            if self.records and tried.results:
                recorded[self.state.candidate.version.revision] = dict(tried.results)
            ended = self.output is not None or bool(self.problem)
            job = JobSeen(tried.attempt, f"digits-eval-{tried.attempt}", ended, self.output, self.problem)
        return replace(super().seen(), jobs={job.attempt: job} if job else {}, recorded=recorded)

    @property
    def evaluated(self):
        return self.state.candidate.evaluation if self.state.candidate is not None else None

    @property
    def message(self):
        return sentence(self.target, self.state, self.seen())

    def ends(self, output=None, problem=""):
        """The Job has ended."""
        self.output, self.problem = output, problem
        return self.look()

    def edit(self, **parts):
        """Edit what is no part of the revision."""
        self.want(rollout=evaluation(**parts))


def gated(*, state=None, stable_results=None, **parts):
    made = Gated.of("v2", state=state, rollout=evaluation(**parts))
    made.stable_results = stable_results
    made.look()
    return made


def first(**parts):
    return gated(state=State(), **parts)


def test_it_begins_when_the_pods_are_there_and_not_before():
    story = Gated.of("v2", rollout=evaluation())
    story.pods["v2"] = Pods(1, 0, 0)
    story.look()
    assert story.evaluated is None

    story.pods.clear()
    story.look()
    assert story.evaluated.state is EvaluationState.RUNNING
    assert (story.weight, story.state.phase, story.state.reason) == (0, Phase.PROGRESSING, Reason.EVALUATING)


def test_a_candidate_that_passes_gets_its_first_step():
    story = gated()
    story.ends(GOOD)

    assert (story.state.candidate.step, story.weight) == (0, 10)
    assert Reason.EVALUATION_PASSED in story.reasons
    assert story.evaluated.results == (("accuracy", 0.95),)


def test_it_gets_no_traffic_before_its_results_are_recorded():
    story = gated()
    story.records = False
    story.ends(GOOD)
    assert (story.evaluated.state, story.weight) == (EvaluationState.PASSED, 0)

    story.records = True
    story.look()
    assert story.weight == 10


def test_a_candidate_that_fails_is_rolled_back_without_ever_having_had_traffic():
    story = gated()
    story.ends(BAD)

    assert (story.state.phase, story.state.failed, story.state.weights) == (Phase.ROLLED_BACK, "v2", {"v1": 100})
    entry = story.state.history[0]
    assert (entry.reason, entry.weight) == (Reason.EVALUATION_FAILED, 0)
    assert "accuracy 0.5 is below the minimum 0.9" in entry.message


def test_a_failure_is_recorded_before_the_candidate_is_given_up():
    story = gated()
    story.records = False
    story.ends(BAD)
    assert (story.evaluated.state, story.state.failed) == (EvaluationState.FAILED, None)

    story.records = True
    story.look()
    assert story.state.failed == "v2"


def test_it_is_held_against_the_recorded_results_of_the_stable_version():
    story = gated(stable_results={"accuracy": 0.97}, metrics=[{"name": "accuracy", "maxDecrease": "0.01"}])
    story.ends(GOOD)

    assert story.state.failed == "v2"
    assert "0.02 below the stable version's 0.97" in story.state.history[0].message


NO_RESULT = {
    "the job failed": {"problem": "it failed: BackoffLimitExceeded"},
    "it never ended": {"problem": "it did not end within 10 s"},
    "it wrote nothing": {"output": ""},
    "it wrote no JSON": {"output": "Traceback"},
    "a metric is missing": {"output": '{"acc": 1}'},
}


@pytest.mark.parametrize("ended", NO_RESULT.values(), ids=NO_RESULT)
def test_without_a_result_it_waits_without_traffic_for_ever_and_nothing_is_rolled_back(ended):
    story = gated()
    story.ends(**ended)
    story.run("hhhhhhhhhhhhhhhhhhhh")

    assert (story.evaluated.state, story.weight, story.state.failed) == (EvaluationState.NO_DATA, 0, None)
    assert (story.state.phase, story.reasons.count(Reason.HELD_BY_EVALUATION)) == (Phase.PROGRESSING, 1)
    assert "correct spec.rollout.evaluation" in story.message
    assert "retry/v2/" in story.message


def test_a_failed_job_runs_again_when_its_template_is_corrected():
    story = gated()
    story.ends(problem="it failed: BackoffLimitExceeded")
    failed = story.evaluated.attempt
    story.problem = ""

    story.edit(image="evaluate:2")
    assert (story.evaluated.state, story.evaluated.attempt != failed) == (EvaluationState.RUNNING, True)


def test_a_person_s_retry_runs_it_again():
    story = gated()
    story.ends(problem="it failed: BackoffLimitExceeded")
    failed = story.evaluated.attempt
    story.problem = ""

    story.want(request="retry/v2/1")
    assert (story.evaluated.state, story.evaluated.attempt != failed) == (EvaluationState.RUNNING, True)


def test_a_misspelt_metric_is_corrected_without_another_job():
    story = gated(metrics=[{"name": "acc", "min": "0.9"}])
    story.ends(GOOD)
    attempt = story.evaluated.attempt

    story.edit()
    assert (story.weight, story.evaluated.attempt) == (10, attempt)


def test_a_template_that_is_edited_while_its_job_runs_wants_a_fresh_one():
    story = gated()
    before = story.evaluated

    story.edit(image="evaluate:2")
    assert story.evaluated.attempt != before.attempt


def test_limits_that_are_edited_while_the_job_runs_leave_it_running():
    story = gated()
    before = story.evaluated

    story.edit(metrics=[{"name": "accuracy", "min": "0.96"}])
    assert story.evaluated == before
    story.ends(GOOD)
    assert story.state.failed == "v2"


def test_the_results_of_another_attempt_are_not_believed():
    story = gated()
    stale = replace(story.seen(), jobs={"another": JobSeen("another", "digits-eval-another", ended=True, output=GOOD)})
    story.look(seen=stale)

    assert story.evaluated.state is EvaluationState.RUNNING


def test_the_deadline_of_the_pods_rests_while_it_runs_and_begins_again_afterwards():
    story = gated()
    story.pods["v2"] = Pods(1, 0, 0)
    story.now += 3600
    story.look()
    assert story.state.failed is None

    story.ends(problem="it failed")
    story.now += 599
    story.look()
    assert story.state.failed is None
    story.now += 1
    story.look()
    assert story.state.failed == "v2"
    assert story.state.history[0].reason is Reason.PROGRESS_DEADLINE_EXCEEDED


def test_promote_skips_no_gate():
    story = gated()
    story.want(request="promote/v2/1")

    assert (story.weight, story.evaluated.state) == (0, EvaluationState.RUNNING)
    assert Reason.REQUEST_IGNORED in story.reasons


def test_a_paused_candidate_is_judged_and_gets_no_traffic_before_it_goes_on():
    story = gated()
    story.want(request="pause/v2/1")
    story.ends(GOOD)
    assert (story.evaluated.state, story.weight) == (EvaluationState.PASSED, 0)

    story.want(request="resume/v2/2")
    assert story.weight == 10


def test_a_paused_candidate_that_was_not_evaluated_yet_is_not_begun():
    story = Gated.of("v2", rollout=evaluation())
    story.pods["v2"] = Pods(1, 0, 0)
    story.look()
    story.want(request="pause/v2/1")
    story.pods.clear()
    story.look()

    assert story.evaluated is None


def test_abort_ends_it():
    story = gated()
    story.want(request="abort/v2/1")

    assert (story.state.candidate, story.state.failed) == (None, "v2")


def test_a_retry_of_a_failed_version_is_evaluated_anew():
    story = gated()
    failed = story.evaluated.attempt
    story.ends(BAD)
    story.output = None

    story.want(request="retry/v2/1")
    assert (story.evaluated.state, story.evaluated.attempt != failed) == (EvaluationState.RUNNING, True)


def test_a_newer_version_is_evaluated_for_itself():
    story = gated()
    story.want("v3", version="3.0.0", rollout=evaluation())

    assert (story.state.candidate.version.revision, story.evaluated.state) == ("v3", EvaluationState.RUNNING)


def test_without_an_evaluation_in_the_spec_it_goes_on_at_once():
    story = gated()
    story.want(version="2.0.0")

    assert (story.weight, story.evaluated) == (10, None)


def test_an_edit_of_the_template_in_a_step_changes_nothing_for_this_rollout():
    story = gated()
    story.ends(GOOD)
    story.edit(image="evaluate:2")

    assert (story.weight, story.evaluated.state) == (10, EvaluationState.PASSED)


def test_the_first_revision_is_evaluated_too_and_serves_nothing_before():
    story = first()
    assert (story.state.phase, story.state.weights) == (Phase.PENDING, {})
    assert "nothing serves" in story.message

    story.ends(GOOD)
    assert (story.state.phase, story.state.weights) == (Phase.HEALTHY, {"v2": 100})


def test_a_first_revision_that_fails_is_degraded_and_serves_nothing():
    story = first()
    story.ends(BAD)
    told = len(story.findings)
    story.now += 3600
    story.look()

    assert (story.state.phase, story.state.reason, story.state.weights) == (
        Phase.DEGRADED,
        Reason.EVALUATION_FAILED,
        {},
    )
    assert "accuracy 0.5 is below the minimum 0.9" in story.message
    assert len(story.findings) == told


@pytest.mark.parametrize(
    "cure",
    [
        lambda story: story.want(request="retry/v2/1"),
        lambda story: story.edit(image="evaluate:2"),
    ],
)
def test_a_first_revision_that_failed_is_tried_again_when_somebody_asks_for_it(cure):
    story = first()
    story.ends(BAD)
    story.output = None
    cure(story)
    assert (story.state.phase, story.evaluated.state) == (Phase.PENDING, EvaluationState.RUNNING)

    story.ends(GOOD)
    assert story.state.weights == {"v2": 100}


def test_a_first_revision_whose_limits_are_eased_serves():
    story = first()
    story.ends(BAD)
    story.edit(metrics=[{"name": "accuracy", "min": "0.4"}])

    assert story.state.weights == {"v2": 100}


def test_what_keeps_the_job_s_pod_from_running_is_said():
    story = gated()
    at = story.evaluated.attempt
    waiting = replace(story.seen(), jobs={at: JobSeen(at, "digits-eval-x", problem="no image")})

    assert "Job digits-eval-x (no image), begun 08:00:00Z, ends by 08:30:00Z" in sentence(
        story.target, story.state, waiting
    )


@pytest.mark.parametrize("output", ['{"other": 1}', "{" + ", ".join(f'"{n:063}": 0' for n in range(64)) + "}"])
def test_much_that_is_wrong_is_said_once_and_not_at_every_look(output):
    metrics = [{"name": f"{number:063}", "min": 1} for number in range(64)]
    story = first(metrics=metrics)
    story.ends(output)
    told = len(story.findings)
    story.look()
    story.look()

    assert story.state.weights == {}
    assert len(story.findings) == told
