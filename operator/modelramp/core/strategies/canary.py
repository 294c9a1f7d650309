"""Step by step while healthy: the declared weights, one after the other."""

from modelramp.api.rollout import Rollout
from modelramp.core.strategies.strategy import Stage, Strategy


class Canary(Strategy):
    """A candidate gets more of the traffic with every step of spec.rollout.steps."""

    def stages(self, rollout: Rollout) -> tuple[Stage, ...]:
        """The declared steps."""
        return tuple(
            Stage(step.weight, rollout.step_duration if step.duration is None else step.duration)
            for step in rollout.steps
        )
