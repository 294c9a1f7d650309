"""Replace: one version has pods at a time. For the one model on the one GPU, at the price of an outage.

The stable version is stopped, then the candidate starts; whose turn it is follows from `Candidate.stopped` and its
stage. The way back is the same: what was tried ends first, whatever still names it, and then the old one starts.
"""

from collections.abc import Mapping

from modelramp.api.rollout import Rollout
from modelramp.api.times import to_clock
from modelramp.core.state import Observed, Pods, RolloutInput, State
from modelramp.core.strategies.strategy import Stage, Strategy


class ReplaceStrategy(Strategy):
    """One stage with everything, after an outage."""

    one_at_a_time = True

    def stages(self, rollout: Rollout) -> tuple[Stage, ...]:
        """The time in which the checks judge the new version before its promotion."""
        return (Stage(100, rollout.step_duration),)

    def pods(self, target: RolloutInput, state: State, seen: Observed) -> Mapping[str, int] | None:
        """All pods for the version whose turn it is, once no other one has any."""
        stable, candidate = state.stable, state.candidate
        if stable is None:
            return None
        turn = stable
        if candidate is not None and (candidate.stopped or candidate.step >= 0):
            turn = candidate.version
        others = any(pods.existing for revision, pods in seen.pods.items() if revision != turn.revision)
        has = min(target.spec.replicas, seen.pods.get(turn.revision, Pods()).wanted)
        roles = [stable.revision, *([candidate.version.revision] if candidate is not None else [])]
        return {**dict.fromkeys(roles, 0), turn.revision: has if others else target.spec.replicas}

    def entered(self, target: RolloutInput, stage: int, name: str) -> str:
        """The outage has ended."""
        del target, stage
        return f"replaced: all traffic to {name}"

    def place_of(self, target: RolloutInput, state: State, name: str, time: str) -> str:
        """Since when the new version has everything."""
        del target
        return f"all traffic on {name} since {to_clock(state.running.step_entered)}, {time}" if state.running else ""
