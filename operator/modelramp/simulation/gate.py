"""The gate before a rehearsed rollout's first traffic: the real decision core beside an imagined Job. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from modelramp.core.decide import decide
from modelramp.core.gates import evaluation
from modelramp.core.state import Decision, Observed, RolloutInput, State
from modelramp.desired.jobs import job_name
from modelramp.simulation.job import SimulatedJob

Sight = Callable[[State], Observed]
"""The world as it is seen when a state is wanted."""


@dataclass(frozen=True, slots=True)
class Gated:
    """What comes before tick 1: the Job, and the name of the ModelDeployment that it belongs to."""

    job: SimulatedJob
    name: str


def obeyed(decision: Decision, target: RolloutInput, now: int, sight: Sight) -> Decision:
    """The decision after the world has followed: pods run, the route shows what the state wants."""
    while True:
        after = decide(target, decision.state, sight(decision.state), (), now)
        if after.state == decision.state:
            return decision
        decision = Decision(after.state, (*decision.findings, *after.findings))


def at_the_gate(
    state: State, target: RolloutInput, gated: Gated, start: int, sight: Sight
) -> tuple[State, str, Decision]:
    """The state while the Job runs and what people read then; and the decision when it has ended, at `start`.

    It takes all its time when it hangs, else half of it.
    """
    wanted = target.spec.rollout.evaluation
    if wanted is None:
        raise AssertionError("a gate without an evaluation")
    takes = wanted.timeout if gated.job.hangs else wanted.timeout // 2

    def beside(*, ended: bool) -> Sight:
        return lambda present: _with_job(sight(present), present, target, gated, ended=ended)

    running = obeyed(Decision(state), target, start - takes, beside(ended=False)).state
    words = told(target, running, beside(ended=False)(running))
    return running, words, obeyed(Decision(running), target, start, beside(ended=True))


def told(target: RolloutInput, state: State, seen: Observed) -> str:
    """Where the evaluation stands, for people."""
    return evaluation.told(target, state.candidate, seen) if state.candidate is not None else ""


def _with_job(seen: Observed, state: State, target: RolloutInput, gated: Gated, *, ended: bool) -> Observed:
    wanted, candidate = target.spec.rollout.evaluation, state.candidate
    recorded = {state.stable.revision: gated.job.stable} if state.stable is not None and gated.job.stable else {}
    if candidate is None or candidate.evaluation is None or wanted is None:
        return replace(seen, recorded=recorded)
    evaluation = candidate.evaluation
    job = gated.job.seen(evaluation.attempt, job_name(gated.name, evaluation.attempt), wanted, ended=ended)
    results = {candidate.version.revision: dict(evaluation.results)} if evaluation.results else {}
    return replace(seen, evaluation=job, recorded=recorded | results)
