"""The gate before a revision's first traffic: an offline evaluation that has to be passed.

Its results are judged again at every look until the first step begins, so that what counts are the limits as they are
and the stable version as it is. What was judged is written to the status and to the revision's record before anything
follows from it.
"""

from dataclasses import replace

from modelramp.api.evaluation import EvaluationSpec, EvaluationState
from modelramp.api.names import REQUEST_ANNOTATION, Phase, Reason
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.api.times import to_clock
from modelramp.core import transitions
from modelramp.core.capacity import all_available
from modelramp.core.events import RolloutEvent
from modelramp.core.gates.evaluation_results import Evaluation, judge, read_results, template_hash
from modelramp.core.gates.gate import Answer, Failed, Gate, Open, Waiting
from modelramp.core.gates.work import JobWork
from modelramp.core.revisions import short_hash
from modelramp.core.state import Candidate, Decision, Observed, Request, RolloutInput, State, held_by_people


class EvaluationGate(Gate):
    """Opens when the candidate has passed its evaluation and that is recorded with the revision."""

    name = "evaluation"
    holds = frozenset({Reason.HELD_BY_EVALUATION})
    announces = True

    def follow(self, decision: Decision, target: RolloutInput, seen: Observed) -> Decision:
        """Begin the evaluation when the pods are there, read it when its Job has ended, and judge what it says."""
        candidate, wanted = _candidate(decision), target.spec.rollout.evaluation
        evaluation = candidate.evaluation
        if evaluation is not None and (wanted is None or evaluation.template != template_hash(wanted)):
            decision, evaluation = _forgotten(decision, candidate, seen.now), None
        if wanted is None:
            return decision
        if evaluation is None:
            held = held_by_people(target, decision.state)
            ready = all_available(target, seen, candidate.version.revision) and not held
            return _begin(decision, wanted, seen.now) if ready else decision
        evaluation, problem = _read(evaluation, wanted, seen)
        if problem:
            return _without_results(decision, evaluation, problem)
        if not evaluation.results:
            return _kept(decision, evaluation)
        return _judged(decision, wanted, evaluation, seen)

    def state(self, target: RolloutInput, state: State, seen: Observed) -> Answer:
        """Where the evaluation stands; before it begins, the version waits for its pods."""
        candidate, wanted = state.candidate, target.spec.rollout.evaluation
        if candidate is None or wanted is None:
            return Open()
        evaluation = candidate.evaluation
        if evaluation is None:
            return Waiting(Reason.WAITING_FOR_PODS, "")
        name = transitions.label(candidate.version)
        match evaluation.state:
            case EvaluationState.RUNNING:
                job = seen.jobs.get(evaluation.attempt)
                running = f"Job {job.name}" if job is not None else "its Job is being made"
                trouble = f" ({job.problem})" if job is not None and job.problem else ""
                until, begun = evaluation.since + wanted.timeout, to_clock(evaluation.since)
                head = f"{name} is evaluated before it gets traffic"
                text = f"{head}: {running}{trouble}, begun {begun}, ends by {to_clock(until)}"
                return Waiting(Reason.EVALUATING, text, until)
            case EvaluationState.NO_DATA:
                revision = candidate.version.revision
                again = f"a person sets the annotation {REQUEST_ANNOTATION}=retry/{revision}/<any new word>"
                fix = f"correct spec.rollout.evaluation, or {again}, and the Job runs again"
                text = f"{name} gets no traffic, its evaluation has no result: {evaluation.message}; {fix}"
                return Waiting(Reason.HELD_BY_EVALUATION, text)
            case EvaluationState.PASSED:
                text = f"{name} passed its evaluation: {evaluation.message}"
                return Open(text) if _recorded(candidate, seen) else Waiting(Reason.EVALUATING, text)
            case EvaluationState.FAILED:
                if _recorded(candidate, seen):
                    return Failed(Reason.EVALUATION_FAILED, "failed its evaluation", evaluation.message)
                return Waiting(Reason.HELD_BY_EVALUATION, f"{name} failed its evaluation: {evaluation.message}")

    def needs(self, target: RolloutInput, state: State) -> tuple[JobWork, ...]:
        """The Job of the attempt that runs."""
        candidate, wanted = state.candidate, target.spec.rollout.evaluation
        evaluation = candidate.evaluation if candidate is not None else None
        if candidate is None or wanted is None or evaluation is None or evaluation.state is not EvaluationState.RUNNING:
            return ()
        work = JobWork(
            self.name,
            f"eval-{evaluation.attempt}",
            evaluation.attempt,
            candidate.version.revision,
            wanted.template,
            wanted.timeout,
            "spec.rollout.evaluation.timeout",
            wanted.backoff_limit,
            wanted.results,
        )
        return (work,)

    def retry(self, decision: Decision, request: Request, now: int) -> Decision | None:  # noqa: ARG002
        """Run the evaluation again where it has no results, or the first revision ever failed it."""
        candidate = _candidate(decision)
        evaluation = candidate.evaluation
        if evaluation is None or evaluation.state not in {EvaluationState.NO_DATA, EvaluationState.FAILED}:
            return None
        text = f"the evaluation of {transitions.label(candidate.version)} runs again: a person asked for it"
        return _forgotten(decision.then(RolloutEvent(Reason.RETRIED, text)), candidate, now)

    def ended(self, candidate: Candidate) -> int:
        """When the Job had ended and was read."""
        return candidate.evaluation.ended if candidate.evaluation is not None else 0

    def without(self, spec: ModelDeploymentSpec) -> ModelDeploymentSpec:
        """The spec without its evaluation."""
        if spec.rollout.evaluation is None:
            return spec
        return spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"evaluation": None})})


def _begin(decision: Decision, wanted: EvaluationSpec, now: int) -> Decision:
    state, candidate = decision.state, _candidate(decision)
    revision, template = candidate.version.revision, template_hash(wanted)
    attempt = short_hash("/".join((revision, template, str(now), str(candidate.version.since), state.request)))
    text = f"{transitions.label(candidate.version)} is evaluated before it gets any traffic"
    finding = RolloutEvent(Reason.EVALUATING, text)
    begun = _kept(decision.then(finding, reason=Reason.EVALUATING), Evaluation(attempt, template, now))
    return transitions.enter(begun, Phase.PENDING) if state.phase is Phase.DEGRADED else begun


def _read(evaluation: Evaluation, wanted: EvaluationSpec, seen: Observed) -> tuple[Evaluation, str]:
    """The evaluation with what its Job left, if it has just ended, and why there are no results."""
    job = seen.jobs.get(evaluation.attempt)
    if evaluation.state is not EvaluationState.RUNNING or job is None:
        return evaluation, ""
    evaluation = replace(evaluation, job=job.name)
    if not job.ended:
        return evaluation, ""
    results, problem = ({}, job.problem) if job.output is None else read_results(job.output, wanted.results)
    ended = replace(evaluation, ended=seen.now, results=tuple(sorted(results.items())))
    return ended, f"Job {job.name}: {problem}" if problem else ""


def _without_results(decision: Decision, evaluation: Evaluation, problem: str) -> Decision:
    """No data is no verdict: the candidate waits without traffic until somebody has put it right."""
    candidate = _candidate(decision)
    text = f"no result of the evaluation of {transitions.label(candidate.version)}: {problem}; it waits without traffic"
    waiting = replace(evaluation, state=EvaluationState.NO_DATA, message=problem)
    told = decision.then(RolloutEvent(Reason.HELD_BY_EVALUATION, text, warning=True), reason=Reason.HELD_BY_EVALUATION)
    return _kept(told, waiting)


def _judged(decision: Decision, wanted: EvaluationSpec, evaluation: Evaluation, seen: Observed) -> Decision:
    state, candidate = decision.state, _candidate(decision)
    stable = seen.recorded.get(state.stable.revision) if state.stable is not None else None
    verdict, why, outcomes = judge(dict(evaluation.results), stable, wanted)
    judged = replace(evaluation, state=verdict, message=why, metrics=tuple(outcomes))
    if verdict is EvaluationState.NO_DATA:
        same = evaluation.state is verdict and evaluation.message == why
        return decision if same else _without_results(decision, judged, why)
    decision = _kept(decision, judged)
    name = transitions.label(candidate.version)
    if verdict is EvaluationState.PASSED and evaluation.state is not verdict:
        passed = decision.then(RolloutEvent(Reason.EVALUATION_PASSED, f"{name} passed its evaluation: {why}"))
        return passed.then(reason=Reason.EVALUATING)
    return decision


def _recorded(candidate: Candidate, seen: Observed) -> bool:
    """Whether the results are in the revision's record: nothing follows from them before."""
    evaluation = candidate.evaluation
    results = dict(evaluation.results) if evaluation is not None else {}
    return bool(results) and seen.recorded.get(candidate.version.revision) == results


def _forgotten(decision: Decision, candidate: Candidate, now: int) -> Decision:
    """The candidate without its evaluation; the time that its pods get begins again."""
    version = replace(candidate.version, since=now)
    return decision.then(candidate=replace(candidate, version=version, evaluation=None))


def _kept(decision: Decision, evaluation: Evaluation) -> Decision:
    return decision.then(candidate=replace(_candidate(decision), evaluation=evaluation))


def _candidate(decision: Decision) -> Candidate:
    if decision.state.candidate is None:
        raise AssertionError("an evaluation without a candidate")
    return decision.state.candidate
