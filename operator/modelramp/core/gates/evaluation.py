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
from modelramp.core.gates.evaluation_results import Evaluation, judge, read_results, template_hash
from modelramp.core.revisions import short_hash
from modelramp.core.state import Candidate, Decision, Observed, Request, RolloutEvent, RolloutInput, State


def follow_evaluation(decision: Decision, target: RolloutInput, seen: Observed, now: int) -> Decision:
    """Begin the evaluation when the pods are there, read it when its Job has ended, and act on what it says."""
    candidate, wanted = decision.state.candidate, target.spec.rollout.evaluation
    if candidate is None or candidate.step >= 0:
        return decision
    evaluation = candidate.evaluation
    if evaluation is not None and (wanted is None or evaluation.template != template_hash(wanted)):
        decision, evaluation = _forgotten(decision, candidate, now), None
    if wanted is None:
        return decision
    if evaluation is None:
        ready = all_available(target, seen, candidate.version.revision) and not decision.state.paused
        return _begin(decision, wanted, now) if ready else decision
    evaluation, problem = _read(evaluation, wanted, seen, now)
    if problem:
        return _without_results(decision, evaluation, problem)
    if not evaluation.results:
        return _kept(decision, evaluation)
    return _judged(decision, wanted, evaluation, seen, now)


def is_open(target: RolloutInput, candidate: Candidate, seen: Observed) -> bool:
    """Whether the candidate may get traffic: nothing is to be evaluated, or it passed and that is recorded."""
    evaluation = candidate.evaluation
    if target.spec.rollout.evaluation is None:
        return True
    passed = evaluation is not None and evaluation.state is EvaluationState.PASSED
    return passed and _recorded(candidate, seen)


def ungated(spec: ModelDeploymentSpec) -> ModelDeploymentSpec:
    """The spec without its evaluation, for trying out a policy where no Job can run."""
    if spec.rollout.evaluation is None:
        return spec
    return spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"evaluation": None})})


def pods_due(target: RolloutInput, candidate: Candidate) -> int | None:
    """When the candidate's pods must be there at the latest, seconds since the epoch; None while it is evaluated."""
    evaluation = candidate.evaluation
    if evaluation is not None and evaluation.state is EvaluationState.RUNNING:
        return None
    begun = max(candidate.version.since, evaluation.ended if evaluation else 0)
    return begun + target.spec.rollout.progress_deadline


def can_run_again(state: State, request: Request) -> bool:
    """Whether a person's retry means the evaluation: it has no results, or the first revision ever failed it."""
    candidate = state.candidate
    if candidate is None or candidate.evaluation is None or candidate.version.revision != request.revision:
        return False
    return candidate.step < 0 and candidate.evaluation.state in {EvaluationState.NO_DATA, EvaluationState.FAILED}


def run_again(decision: Decision, now: int) -> Decision:
    """Forget the evaluation, so that a fresh Job runs."""
    candidate = decision.state.candidate
    if candidate is None:
        return decision
    text = f"the evaluation of {transitions.label(candidate.version)} runs again: a person asked for it"
    return _forgotten(decision.then(RolloutEvent(Reason.RETRIED, text)), candidate, now)


def reason_of(candidate: Candidate) -> Reason:
    """Why a candidate without a step waits, in one word."""
    if candidate.evaluation is None:
        return Reason.WAITING_FOR_PODS
    match candidate.evaluation.state:
        case EvaluationState.NO_DATA | EvaluationState.FAILED:
            return Reason.HELD_BY_EVALUATION
        case _:
            return Reason.EVALUATING


def told(target: RolloutInput, candidate: Candidate, seen: Observed) -> str:
    """Where the evaluation stands, for people; empty when there is none."""
    evaluation, wanted = candidate.evaluation, target.spec.rollout.evaluation
    if evaluation is None or wanted is None:
        return ""
    name = transitions.label(candidate.version)
    match evaluation.state:
        case EvaluationState.RUNNING:
            job = seen.evaluation
            running = f"Job {job.name}" if job is not None else "its Job is being made"
            trouble = f" ({job.problem})" if job is not None and job.problem else ""
            until = to_clock(evaluation.since + wanted.timeout)
            begun = to_clock(evaluation.since)
            return f"{name} is evaluated before it gets traffic: {running}{trouble}, begun {begun}, ends by {until}"
        case EvaluationState.NO_DATA:
            revision = candidate.version.revision
            again = f"a person sets the annotation {REQUEST_ANNOTATION}=retry/{revision}/<any new word>"
            fix = f"correct spec.rollout.evaluation, or {again}, and the Job runs again"
            return f"{name} gets no traffic, its evaluation has no result: {evaluation.message}; {fix}"
        case EvaluationState.PASSED:
            return f"{name} passed its evaluation: {evaluation.message}"
        case EvaluationState.FAILED:
            return f"{name} failed its evaluation: {evaluation.message}"


def _begin(decision: Decision, wanted: EvaluationSpec, now: int) -> Decision:
    state, candidate = decision.state, _candidate(decision)
    revision, template = candidate.version.revision, template_hash(wanted)
    attempt = short_hash("/".join((revision, template, str(now), str(candidate.version.since), state.request)))
    text = f"{transitions.label(candidate.version)} is evaluated before it gets any traffic"
    finding = RolloutEvent(Reason.EVALUATING, text)
    begun = _kept(decision.then(finding, reason=Reason.EVALUATING), Evaluation(attempt, template, now))
    return transitions.enter(begun, Phase.PENDING) if state.phase is Phase.DEGRADED else begun


def _read(evaluation: Evaluation, wanted: EvaluationSpec, seen: Observed, now: int) -> tuple[Evaluation, str]:
    """The evaluation with what its Job left, if it has just ended, and why there are no results."""
    job = seen.evaluation
    if evaluation.state is not EvaluationState.RUNNING or job is None or job.attempt != evaluation.attempt:
        return evaluation, ""
    evaluation = replace(evaluation, job=job.name)
    if not job.ended:
        return evaluation, ""
    results, problem = ({}, job.problem) if job.output is None else read_results(job.output, wanted.results)
    ended = replace(evaluation, ended=now, results=tuple(sorted(results.items())))
    return ended, f"Job {job.name}: {problem}" if problem else ""


def _without_results(decision: Decision, evaluation: Evaluation, problem: str) -> Decision:
    """No data is no verdict: the candidate waits without traffic until somebody has put it right."""
    candidate = _candidate(decision)
    text = f"no result of the evaluation of {transitions.label(candidate.version)}: {problem}; it waits without traffic"
    waiting = replace(evaluation, state=EvaluationState.NO_DATA, message=problem)
    told = decision.then(RolloutEvent(Reason.HELD_BY_EVALUATION, text, warning=True), reason=Reason.HELD_BY_EVALUATION)
    return _kept(told, waiting)


def _judged(decision: Decision, wanted: EvaluationSpec, evaluation: Evaluation, seen: Observed, now: int) -> Decision:
    state, candidate = decision.state, _candidate(decision)
    stable = seen.recorded.get(state.stable.revision) if state.stable is not None else None
    verdict, why, outcomes = judge(dict(evaluation.results), stable, wanted)
    judged = replace(evaluation, state=verdict, message=why, metrics=tuple(outcomes))
    if verdict is EvaluationState.NO_DATA:
        same = evaluation.state is verdict and evaluation.message == why
        return decision if same else _without_results(decision, judged, why)
    decision = _kept(decision, judged)
    name = transitions.label(candidate.version)
    if verdict is EvaluationState.PASSED:
        if evaluation.state is verdict:
            return decision
        passed = decision.then(RolloutEvent(Reason.EVALUATION_PASSED, f"{name} passed its evaluation: {why}"))
        return passed.then(reason=Reason.EVALUATING)
    if not _recorded(_candidate(decision), seen):
        return decision
    if state.stable is not None:
        return transitions.roll_back(decision, Reason.EVALUATION_FAILED, f"it failed its evaluation: {why}", now)
    text = f"{name}, the first revision, failed its evaluation and serves nothing: {why}"
    if state.phase is Phase.DEGRADED and state.detail == text:
        return decision
    return transitions.degrade(decision, Reason.EVALUATION_FAILED, text)


def _recorded(candidate: Candidate, seen: Observed) -> bool:
    """Whether the results stand in the revision's record: only then anything follows from them."""
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
