"""The gate before a rehearsed rollout's first traffic: the real decision core beside an imagined Job. No I/O."""

from dataclasses import dataclass, replace

from modelramp.core.gates import registry as gates
from modelramp.core.state import Decision, Observed, RolloutInput, State
from modelramp.desired.jobs import work_name
from modelramp.simulation.job import SimulatedJob
from modelramp.simulation.world import Sight, obeyed


@dataclass(frozen=True, slots=True)
class Gated:
    """What comes before tick 1: the Job, and the name of the ModelDeployment that it belongs to."""

    job: SimulatedJob
    name: str


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
    return gates.describe(target, state, seen)


def _with_job(seen: Observed, state: State, target: RolloutInput, gated: Gated, *, ended: bool) -> Observed:
    candidate = state.candidate
    recorded = {state.stable.revision: gated.job.stable} if state.stable is not None and gated.job.stable else {}
    if candidate is not None and candidate.evaluation is not None and candidate.evaluation.results:
        recorded[candidate.version.revision] = dict(candidate.evaluation.results)
    jobs = {
        work.attempt: gated.job.seen(work_name(gated.name, work), work, ended=ended)
        for work in gates.needs(target, state)
    }
    return replace(seen, jobs=jobs, recorded=recorded)
