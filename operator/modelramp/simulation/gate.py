"""The gate before a rehearsed rollout's first traffic: the real decisions beside an imagined Job. No I/O."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from modelramp.api.evaluation import ResultsIn
from modelramp.core.gates import registry as gates
from modelramp.core.gates.evaluation_results import TERMINATION_BYTES, Results, read_results
from modelramp.core.gates.work import JobSeen, JobWork
from modelramp.core.state import Decision, Observed, RolloutInput, State
from modelramp.desired.jobs import work_name
from modelramp.engine.jobs import too_late
from modelramp.simulation.json_input import BadData, kind_of, meant
from modelramp.simulation.world import Sight, obeyed

_KEYS = ("results", "wrote", "job", "stable")
_ENDS = ("fails", "hangs")
_FAILED = "it failed: BackoffLimitExceeded: Job has reached the specified backoff limit"
_WISHED = '{"results": {"accuracy": 0.97}}, {"wrote": "a text"}, {"job": "fails"} or {"job": "hangs"}'


@dataclass(frozen=True, slots=True)
class SimulatedJob:
    """How the Job ends.

    wrote: its answer as a text; None when there is none: then it hangs until its timeout, or has failed.
    stable: what is recorded of the version that serves.
    """

    wrote: str | None
    hangs: bool = False
    stable: Results = field(default_factory=dict)

    def seen(self, name: str, work: JobWork, *, ended: bool) -> JobSeen:
        """What the operator sees of it."""
        if not ended:
            return JobSeen(work.attempt, name)
        if self.wrote is None:
            return JobSeen(work.attempt, name, ended=True, problem=too_late(work) if self.hangs else _FAILED)
        kept = self.wrote.encode()
        if work.results is ResultsIn.TERMINATION_MESSAGE:
            kept = kept[:TERMINATION_BYTES]
        return JobSeen(work.attempt, name, ended=True, output=kept.decode(errors="ignore"))


def read_job(text: str) -> SimulatedJob:
    """The Job that a JSON text describes; raises BadData."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise BadData(f"is not JSON; write {_WISHED}") from None
    if not isinstance(given, dict):
        raise BadData(f"is {kind_of(given)}; write {_WISHED}")
    for key in given:
        if key not in _KEYS:
            raise BadData(f'unknown key "{key}"; known are {", ".join(_KEYS)}{meant(key, _KEYS)}')
    said = [key for key in _KEYS[:3] if key in given]
    if len(said) != 1:
        raise BadData(f"needs one of results, wrote and job; write {_WISHED}")
    return _made(given, said[0], _stable(given.get("stable")))


def _made(given: dict[str, Any], key: str, stable: Results) -> SimulatedJob:
    value = given[key]
    if key == "results":
        # What is wrong with the results themselves the core says, as it does in the cluster.
        return SimulatedJob(json.dumps(value), stable=stable)
    if key == "wrote":
        if not isinstance(value, str):
            raise BadData(f"wrote is {kind_of(value)}; write the text of the Job's answer")
        return SimulatedJob(value, stable=stable)
    if value not in _ENDS:
        raise BadData(f'job is {json.dumps(value)}; write "fails" or "hangs"')
    return SimulatedJob(None, hangs=value == "hangs", stable=stable)


def _stable(given: Any) -> Results:
    if given is None:
        return {}
    found, problem = read_results(json.dumps(given), ResultsIn.CONFIG_MAP)
    if problem:
        raise BadData(f'stable holds no results: write them as in {{"accuracy": 0.96}} ({problem.partition(": ")[2]})')
    return found


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
