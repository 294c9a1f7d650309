"""A gate of a few lines: a version may not serve before its embargo ends; a version that was recalled may never."""

from dataclasses import dataclass

from modelramp.api.names import Reason
from modelramp.api.times import to_clock
from modelramp.core.gates.gate import Answer, Failed, Gate, Open, Waiting
from modelramp.core.state import Observed, RolloutInput, State
from modelramp.core.transitions import label


@dataclass
class Embargo(Gate):
    """until: by model version, seconds since the epoch. recalled: versions that fail when their embargo ends."""

    until: dict[str, int]
    recalled: frozenset[str] = frozenset()
    name = "embargo"

    def state(self, target: RolloutInput, state: State, seen: Observed) -> Answer:
        version = state.candidate.version
        until = self.until.get(version.model_version)
        if until is None:
            return Open()
        if seen.now < until:
            text = f"{label(version)} is under embargo until {to_clock(until)}"
            return Waiting(Reason.EVALUATING, text, until)
        if version.model_version in self.recalled:
            return Failed(Reason.EVALUATION_FAILED, "was recalled", "the supplier withdrew it")
        return Open(f"the embargo of {label(version)} is over")
