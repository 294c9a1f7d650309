"""A world that obeys at once: pods run and the route shows what the state wants. For simulate, backtest and tests."""

from collections.abc import Callable
from dataclasses import dataclass

from modelramp.api.health import Health
from modelramp.api.names import Phase
from modelramp.api.verdict import TickOutcome
from modelramp.core.decide import decide
from modelramp.core.state import Decision, Observed, Pods, RolloutInput, State, Version
from modelramp.core.strategies.registry import judged_by, stages_of, traffic_of

Sight = Callable[[State], Observed]
"""The world as it is seen when a state is wanted."""


def obedient(target: RolloutInput, state: State) -> Observed:
    """What is seen when the world has followed a state: every version's pods run, the route has its weights."""
    replicas = target.spec.replicas
    candidate = state.candidate.version if state.candidate is not None else None
    known = {version.revision for version in (state.stable, state.previous, candidate) if version is not None}
    pods = dict.fromkeys(known | {target.revision}, Pods(replicas, replicas, replicas))
    traffic = traffic_of(target, state)
    previewed = traffic.preview.revision if traffic.preview is not None else None
    return Observed(pods=pods, served=traffic.weights, routed=True, previewed=previewed)


def obeyed(decision: Decision, target: RolloutInput, now: int, sight: Sight) -> Decision:
    """The decision after the world has followed, and all that was decided on that."""
    while True:
        after = decide(target, decision.state, sight(decision.state), (), now)
        if after.state == decision.state:
            return decision
        decision = Decision(after.state, (*decision.findings, *after.findings))


@dataclass(frozen=True, slots=True)
class SimulatedWorld:
    """A stable version that serves, and one that is wanted; the real decisions on both."""

    target: RolloutInput
    stable: Version

    def begin(self, at: int) -> State:
        """The state when the wanted version has just got its first traffic."""
        return self.obeyed(Decision(self.before()), at).state

    def before(self) -> State:
        """The state before the wanted version is known."""
        return State(phase=Phase.HEALTHY, stable=self.stable)

    def seen(self, state: State) -> Observed:
        """The world when it has followed a state."""
        return obedient(self.target, state)

    def after(self, state: State, given: TickOutcome) -> Decision:
        """What is decided on one tick, and on what the world makes of it."""
        decision = decide(self.target, state, self.seen(state), (given,), given.tick)
        same = decision.state.weights == state.weights and decision.state.phase is state.phase
        return decision if same else self.obeyed(decision, given.tick)

    def obeyed(self, decision: Decision, at: int) -> Decision:
        """The decision after the world has followed."""
        return obeyed(decision, self.target, at, self.seen)

    def health(self, state: State) -> Health:
        """The checks that count in a state's phase."""
        return judged_by(self.target, state)

    def weight(self, state: State) -> int:
        """The share of the traffic of the wanted version, percent."""
        return state.weights.get(self.target.revision, 0)

    def step(self, state: State) -> int:
        """The index of the wanted version's step; the last one after its promotion, -1 without traffic."""
        last = len(stages_of(self.target.spec.rollout)) - 1
        return state.running.step if state.running else last if self.weight(state) else -1
