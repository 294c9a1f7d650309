"""What a gate is: something that has to open before a version gets its first traffic.

A gate holds a version back; it never holds back a rollback.
"""

from dataclasses import dataclass
from typing import Protocol

from modelramp.api.names import Reason
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.core.gates.work import JobWork
from modelramp.core.state import Candidate, Decision, Observed, Request, RolloutInput, State


@dataclass(frozen=True, slots=True)
class Open:
    """The version may pass. message: what the gate found, for people; empty when it had nothing to do."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The version has to wait.

    message: a whole sentence for people, with absolute times. until: when the waiting ends by itself, seconds since the
    epoch; until then pods that are missing are no failure of the version. None when somebody has to do something.
    """

    reason: Reason
    message: str
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The version may not pass: it is rolled back, or, as the first version ever, serves nothing.

    reason: one of transitions.ROLLED_BACK. message: the predicate of a sentence about the version, such as "failed its
    evaluation". detail: why.
    """

    reason: Reason
    message: str
    detail: str


Answer = Open | Waiting | Failed


class Gate(Protocol):
    """One kind of gate; it is asked only while there is a candidate that has no traffic yet. Pure.

    name: also the label of its Jobs. holds: the reasons with which it waits for a person. announces: whether `follow`
    itself tells people that it waits; otherwise they are told by the generic code, once when it begins to wait and
    once when that is over.
    """

    name: str
    holds: frozenset[Reason] = frozenset()
    announces: bool = False

    def state(self, target: RolloutInput, state: State, seen: Observed) -> Answer:
        """Where the gate stands; `seen.now` is the present time. Open when the spec does not ask for the gate."""
        ...

    def follow(self, decision: Decision, target: RolloutInput, seen: Observed) -> Decision:  # noqa: ARG002
        """The decision with what the gate has to remember. Nothing, for a gate that knows all from what is seen."""
        return decision

    def needs(self, target: RolloutInput, state: State) -> tuple[JobWork, ...]:  # noqa: ARG002
        """The work that should run now: the same for the same state."""
        return ()

    def retry(self, decision: Decision, request: Request, now: int) -> Decision | None:  # noqa: ARG002
        """The decision after a person's `retry` if that means this gate; else None."""
        return None

    def ended(self, candidate: Candidate) -> int:  # noqa: ARG002
        """When the gate's work had ended: pods have their whole time from then on. 0 when there was none."""
        return 0

    def without(self, spec: ModelDeploymentSpec) -> ModelDeploymentSpec:
        """The spec without this gate, for trying out a policy where nothing can open it."""
        return spec
