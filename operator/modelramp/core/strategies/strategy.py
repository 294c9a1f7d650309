"""What a strategy decides. One that only declares its stages is a stepped rollout; see canary.py."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from modelramp.api.abtest import ABTestRun
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.rollout import Rollout
from modelramp.api.times import to_clock
from modelramp.api.verdict import TickOutcome
from modelramp.core.capacity import by_share, shows
from modelramp.core.events import RolloutEvent
from modelramp.core.state import Candidate, Observed, RolloutInput, State
from modelramp.core.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a rollout. weight: the candidate's share of the traffic, percent. duration: least time, seconds."""

    weight: int
    duration: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a strategy withdraws the candidate. outcome: how the history calls it."""

    reason: Reason
    cause: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Observation:
    """What a tick says to a strategy. changes: fields of State. failure: set when the candidate has to go."""

    changes: Mapping[str, object] = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Advance:
    """Whether a stage may end at a healthy tick.

    due: nothing but `steps.blockers` keeps it. waits: what it waits for while it is not due, for people; empty when
    only its time has to pass. findings: what people read when it ends.
    """

    due: bool
    waits: str = ""
    findings: tuple[RolloutEvent, ...] = ()


class Strategy(ABC):
    """How a candidate gets its traffic, stage by stage, and what it has to show for it."""

    outcomes: ClassVar[tuple[str, ...]] = ()
    """How the history calls the ends that only this strategy has."""
    one_at_a_time: ClassVar[bool] = False
    """Whether the stable version is stopped before a candidate has its first pod."""

    @abstractmethod
    def stages(self, rollout: Rollout) -> tuple[Stage, ...]:
        """What a candidate goes through; weights rise strictly and end at 100."""

    def traffic(self, target: RolloutInput, state: State) -> Traffic:
        """How requests are divided at present."""
        del target
        return Traffic(state.weights)

    def pods(self, target: RolloutInput, state: State, seen: Observed) -> Mapping[str, int] | None:
        """Pods that the stable version and the candidate should have; None for most: as spec.rollout.capacity says."""
        del target, state, seen
        return None

    def health(self, target: RolloutInput, candidate: Candidate) -> Health:
        """The checks that judge the candidate in its present stage."""
        del candidate
        return target.spec.health.during(rolling=True)

    def comparison(self, target: RolloutInput, state: State) -> ABTestRun | None:
        """The A/B test that has to be measured beside the checks; None for most."""
        del target, state
        return None

    def observe(
        self, target: RolloutInput, state: State, seen: Observed, outcome: TickOutcome, *, newest: bool
    ) -> Observation:
        """What follows from a tick beside the verdict of its checks."""
        del target, state, seen, outcome, newest
        return Observation()

    def ends(self, target: RolloutInput, candidate: Candidate) -> int:
        """The earliest instant at which the candidate's stage may end, seconds since the epoch."""
        stages = self.stages(target.spec.rollout)
        return candidate.step_entered + stages[place(stages, candidate)].duration

    def advance(self, target: RolloutInput, state: State, tick: int) -> Advance:
        """Whether the stage may end at `tick`, seconds since the epoch."""
        return Advance(state.running is not None and tick >= self.ends(target, state.running))

    def held_by_route(self, target: RolloutInput, candidate: Candidate, seen: Observed) -> tuple[RolloutEvent, ...]:
        """Why the candidate does not have the traffic of its stage yet; empty when it has."""
        if seen.routed is not True:
            why = seen.route_detail or "the gateway has not accepted the route yet"
            return (RolloutEvent(Reason.HELD_BY_ROUTE, why),)
        if not shows(seen, candidate.version.revision, candidate.weight):
            shown = seen.served.get(candidate.version.revision, 0) * 100 // max(1, sum(seen.served.values()))
            why = f"the route gives it {shown} %, {candidate.weight} % are wanted"
            if shown and by_share(target) and (pods := seen.pods.get(candidate.version.revision)) is not None:
                why += f"; {pods.available} of its pods are available"
            return (RolloutEvent(Reason.HELD_BY_ROUTE, why),)
        return ()

    def blockers(self, target: RolloutInput, state: State, seen: Observed) -> tuple[RolloutEvent, ...]:
        """What keeps the candidate in its stage, beside time, checks, pods and the route, each in its own words."""
        del target, state, seen
        return ()

    def entered(self, target: RolloutInput, stage: int, name: str) -> str:
        """What people read when the candidate enters a stage. name: the candidate's, for people."""
        stages = self.stages(target.spec.rollout)
        return f"step {stage + 1}/{len(stages)}: {stages[stage].weight} % of the traffic to {name}"

    def describe(self, target: RolloutInput, state: State, name: str) -> str:
        """Where the candidate stands, for the status message. name: the candidate's, for people."""
        return self.place_of(target, state, name, self.time_of(target, state))

    def place_of(self, target: RolloutInput, state: State, name: str, time: str) -> str:
        """Which stage the candidate is in since when. time: what is said of the stage's end."""
        candidate = state.running
        if candidate is None:
            return ""
        step = f"step {candidate.step + 1}/{len(self.stages(target.spec.rollout))}: {candidate.weight} % on {name}"
        return f"{step} since {to_clock(candidate.step_entered)}, {time}"

    def time_of(self, target: RolloutInput, state: State) -> str:
        """When the stage ends at the earliest, or did, for people."""
        if state.running is None:
            return ""
        ends = self.ends(target, state.running)
        if state.last_tick < ends:
            return f"step ends {to_clock(ends)} at the earliest"
        return f"step duration elapsed at {to_clock(ends)}"

    def cut_short(self, target: RolloutInput, state: State, asked: str) -> tuple[str, Mapping[str, object]]:
        """What people read when a person ends the stage, and fields of State. asked: the plain sentence."""
        del target, state
        return asked, {}

    def conclusion(self, state: State) -> str:
        """What a promotion says of how the candidate was tried; empty for nothing."""
        del state
        return ""


def following(stages: tuple[Stage, ...], candidate: Candidate) -> int | None:
    """The index of the first stage above the candidate's weight; None when it has everything.

    Found by weight, not by counting: the steps may be edited while a rollout is under way.
    """
    return next((index for index, stage in enumerate(stages) if stage.weight > candidate.weight), None)


def place(stages: tuple[Stage, ...], candidate: Candidate) -> int:
    """The index of the stage that the candidate is in: the last one that is not above its weight."""
    index = following(stages, candidate)
    return max(0, len(stages) - 1 if index is None else index - 1)
