"""Work that a gate asks for, and what is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelramp.api.evaluation import ResultsIn


@dataclass(frozen=True, slots=True)
class JobWork:
    """A Job that a gate wants to run now; the engine makes it once and reads what it leaves.

    gate: the gate's name; it becomes the Job's label `modelramp.io/role`. name: ends the Job's name, no longer than 20
    characters. attempt: the key of its JobSeen in Observed.jobs. template: the pod template as people wrote it.
    timeout: seconds for all pods of the Job together. timeout_field: where people set it.
    """

    gate: str
    name: str
    attempt: str
    revision: str
    template: Mapping[str, Any]
    timeout: int
    timeout_field: str
    backoff_limit: int = 0
    results: ResultsIn = ResultsIn.TERMINATION_MESSAGE


@dataclass(frozen=True, slots=True)
class JobSeen:
    """What is known of the Job of one attempt.

    output: what it wrote; None while it runs, and when there is nothing to be read.
    problem: while it runs, what keeps its pod from starting; then, why there is no output.
    """

    attempt: str
    name: str
    ended: bool = False
    output: str | None = None
    problem: str = ""
