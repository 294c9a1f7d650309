"""Blue/green: a preview at full size without live traffic, then all traffic at once, and a time of judgement after it.

The version that served keeps all its pods until the new one is promoted, so the way back is one write of the route.
"""

from collections.abc import Mapping

from modelramp.api.blue_green import BlueGreen, Switch
from modelramp.api.health import Health
from modelramp.api.names import REQUEST_ANNOTATION, Reason
from modelramp.api.rollout import Rollout
from modelramp.api.times import to_clock
from modelramp.core.capacity import given, needed_now
from modelramp.core.events import RolloutEvent
from modelramp.core.state import Candidate, Observed, Pods, RolloutInput, State
from modelramp.core.strategies.strategy import Stage, Strategy
from modelramp.core.traffic import Preview, Traffic

_SHOWN_HOSTS = 3
"""Preview hostnames that a message lists."""


class BlueGreenStrategy(Strategy):
    """A preview with weight 0, then one stage with everything."""

    def stages(self, rollout: Rollout) -> tuple[Stage, ...]:
        """The preview, and the time after the switch."""
        asked = _asked(rollout).preview_duration
        return Stage(0, rollout.step_duration if asked is None else asked), Stage(100, rollout.step_duration)

    def traffic(self, target: RolloutInput, state: State) -> Traffic:
        """The preview hostnames reach the candidate from its preview until its promotion."""
        hostnames = _asked(target.spec.rollout).preview_hostnames
        if state.running is None or not hostnames:
            return super().traffic(target, state)
        return Traffic(state.weights, Preview(state.running.version.revision, hostnames))

    def health(self, target: RolloutInput, candidate: Candidate) -> Health:
        """Before the switch the checks that previewChecks names, afterwards all."""
        health, named = super().health(target, candidate), _asked(target.spec.rollout).preview_checks
        if candidate.weight or named is None:
            return health
        return health.model_copy(update={"checks": tuple(check for check in health.checks if check.name in named)})

    def held_by_route(self, target: RolloutInput, candidate: Candidate, seen: Observed) -> tuple[RolloutEvent, ...]:
        """A preview waits for its hostnames as well: what nobody could reach was not previewed."""
        held = super().held_by_route(target, candidate, seen)
        hostnames = _asked(target.spec.rollout).preview_hostnames
        if held or candidate.weight or not hostnames or seen.previewed == candidate.version.revision:
            return held
        why = f": {seen.preview_detail}" if seen.preview_detail else ""
        return (RolloutEvent(Reason.HELD_BY_ROUTE, f"{_listed(hostnames)} does not reach the preview yet{why}"),)

    def blockers(self, target: RolloutInput, state: State, seen: Observed) -> tuple[RolloutEvent, ...]:
        """The switch needs every pod, and with switch: Manual a person."""
        candidate = state.running
        if candidate is None or candidate.weight:
            return ()
        pods = seen.pods.get(candidate.version.revision, Pods())
        available, replicas = pods.available, given(target, pods)
        found = []
        if needed_now(target, pods, 100) <= available < replicas:
            found.append(
                RolloutEvent(Reason.HELD_BY_PODS, f"the switch needs {replicas} available pods, {available} are")
            )
        if _asked(target.spec.rollout).switch is Switch.MANUAL:
            asked = f"{REQUEST_ANNOTATION}=promote/{candidate.version.revision}/<any new word>"
            text = f"the switch waits for approval: a person sets the annotation {asked}"
            found.append(RolloutEvent(Reason.HELD_BY_APPROVAL, text))
        return tuple(found)

    def entered(self, target: RolloutInput, stage: int, name: str) -> str:
        """The preview begins, or all traffic has moved."""
        if stage == 0:
            hostnames = _asked(target.spec.rollout).preview_hostnames
            where = f" at {_listed(hostnames)}" if hostnames else ""
            return f"preview of {name}{where}: it has no live traffic"
        return f"switch: all traffic to {name}"

    def place_of(self, target: RolloutInput, state: State, name: str, time: str) -> str:
        """The preview with its hostnames, or the switch, each with its beginning."""
        candidate = state.running
        if candidate is None:
            return ""
        since = to_clock(candidate.step_entered)
        if candidate.weight:
            return f"all traffic on {name} since the switch at {since}, {time}"
        hostnames = _asked(target.spec.rollout).preview_hostnames
        where = f" at {_listed(hostnames)}" if hostnames else ""
        return f"preview of {name}{where} since {since}, without live traffic, {time}"

    def time_of(self, target: RolloutInput, state: State) -> str:
        """When all traffic moves, or the version is promoted, at the earliest."""
        candidate = state.running
        if candidate is None:
            return ""
        ends = self.ends(target, candidate)
        if state.last_tick >= ends:
            return f"{'preview' if not candidate.weight else 'step'} duration elapsed at {to_clock(ends)}"
        return f"{'promotion' if candidate.weight else 'switch'} {to_clock(ends)} at the earliest"

    def cut_short(self, target: RolloutInput, state: State, asked: str) -> tuple[str, Mapping[str, object]]:
        """A person's request to promote is the switch, or the promotion after it."""
        if state.running is None or state.running.weight:
            return super().cut_short(target, state, asked)
        return f"{asked}, the switch", {}


def _asked(rollout: Rollout) -> BlueGreen:
    return rollout.blue_green or BlueGreen()


def _listed(hostnames: tuple[str, ...]) -> str:
    shown = ", ".join(hostnames[:_SHOWN_HOSTS])
    more = len(hostnames) - _SHOWN_HOSTS
    return f"{shown} and {more} more" if more > 0 else shown
