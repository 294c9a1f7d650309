"""A strategy of a few lines: everything in two halves, and the second half only in a number of quiet minutes."""

from dataclasses import dataclass

from modelramp.api.names import Reason
from modelramp.api.rollout import Rollout
from modelramp.core.events import RolloutEvent
from modelramp.core.state import Observed, RolloutInput, State
from modelramp.core.strategies.strategy import Stage, Strategy

NAME = "Halves"


@dataclass
class Halves(Strategy):
    """busy: seconds since the epoch until which a candidate with half of the traffic gets no more of it."""

    busy: int = 0

    def stages(self, rollout: Rollout) -> tuple[Stage, ...]:
        return Stage(50, rollout.step_duration), Stage(100, rollout.step_duration)

    def blockers(self, target: RolloutInput, state: State, seen: Observed) -> tuple[RolloutEvent, ...]:
        if state.weights.get(target.revision) == 50 and state.last_tick < self.busy:
            return (RolloutEvent(Reason.HELD_BY_APPROVAL, "the second half waits until it is quiet"),)
        return ()

    def entered(self, target: RolloutInput, stage: int, name: str) -> str:
        return f"the {('first', 'second')[stage]} half of the traffic to {name}"
