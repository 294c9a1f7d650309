"""Every strategy under the name that spec.rollout.strategy has for it."""

from modelramp.api.health import Health
from modelramp.api.rollout import Rollout
from modelramp.core.state import RolloutInput, State
from modelramp.core.strategies.ab_test import ABTestStrategy
from modelramp.core.strategies.blue_green import BlueGreenStrategy
from modelramp.core.strategies.canary import Canary
from modelramp.core.strategies.replacement import ReplaceStrategy
from modelramp.core.strategies.strategy import Stage, Strategy
from modelramp.core.traffic import Traffic

STRATEGIES: dict[str, Strategy] = {
    "Canary": Canary(),
    "ABTest": ABTestStrategy(),
    "BlueGreen": BlueGreenStrategy(),
    "Replace": ReplaceStrategy(),
}


def strategy_of(rollout: Rollout) -> Strategy:
    """The strategy that a spec asks for."""
    return STRATEGIES[rollout.strategy]


def stages_of(rollout: Rollout) -> tuple[Stage, ...]:
    """What a candidate goes through."""
    return strategy_of(rollout).stages(rollout)


def traffic_of(target: RolloutInput, state: State) -> Traffic:
    """What a router has to show at present."""
    return strategy_of(target.spec.rollout).traffic(target, state)


def judged_by(target: RolloutInput, state: State) -> Health:
    """The checks that count at present: those of the candidate's stage, or those that follow a promotion."""
    if state.running is None:
        return target.spec.health.during(rolling=False)
    return strategy_of(target.spec.rollout).health(target, state.running)
