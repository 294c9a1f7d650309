"""The Job of spec.rollout.evaluation as somebody imagines it: what it measures, or how it comes to nothing. No I/O."""

import json
from dataclasses import dataclass, field
from typing import Any

from modelramp.api.evaluation import ResultsIn
from modelramp.core.gates.evaluation_results import TERMINATION_BYTES, Results, read_results
from modelramp.core.gates.work import JobSeen, JobWork
from modelramp.engine.jobs import too_late
from modelramp.simulation.json_input import BadData, kind_of, meant

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
        raise BadData(f"is no JSON; write {_WISHED}") from None
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
