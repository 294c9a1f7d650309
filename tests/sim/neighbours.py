"""Rollouts of several teams in one world, told by script, and the decisions that were made about each of them."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelramp.api.names import FIELD_MANAGER
from tests.sim.clock import EPOCH
from tests.sim.gateway import backends
from tests.sim.kubelet import Pods
from tests.sim.member import Member
from tests.sim.prometheus import Scripts
from tests.sim.scenarios import manifest
from tests.sim.streams import Key
from tests.sim.world import World

MINUTES = 15.0
NAMESPACES = ("search", "fraud", "vision")


@dataclass(frozen=True, slots=True)
class Story:
    """A rollout of 2.0.0 and how it ends: the version that serves then, and the phase."""

    serves: str
    phase: str
    scripts: Scripts = field(default_factory=dict)
    pods: Mapping[str, Pods] = field(default_factory=dict)


STORIES = (
    Story("2.0.0", "Healthy"),
    Story("1.0.0", "RolledBack", {"2.0.0": {"errors": "hbbb"}}),
    Story("1.0.0", "RolledBack", {"2.0.0": {"errors": "hbbhhbb?b"}}),
    Story("1.0.0", "RolledBack", {"2.0.0": {"errors": "h|hbbb"}}),
    Story("2.0.0", "Healthy", {"2.0.0": {"errors": "hbbhhbb?h"}}),
    Story("1.0.0", "RolledBack", pods={"2.0.0": Pods(crash_after=100.0)}),
)


@dataclass(frozen=True, slots=True)
class Honest:
    """A rollout of a team that does nobody any harm. at: seconds after the beginning at which 2.0.0 is applied."""

    key: Key
    story: Story
    at: float


def honest(seed: int, number: int) -> tuple[Honest, ...]:
    """So many rollouts, in turn of every kind."""
    chance = random.Random(f"honest {seed}")  # noqa: S311 - a simulation, not a secret
    return tuple(
        Honest((NAMESPACES[index % len(NAMESPACES)], f"model-{index}"), STORIES[index % len(STORIES)], at)
        for index, at in enumerate(round(chance.uniform(90, 150), 1) for _ in range(number))
    )


def settle_in(world: World, rollouts: Sequence[Honest]) -> None:
    """Let the rollouts happen in this world."""
    for each in rollouts:
        member = world.add(each.key, each.story.scripts, each.story.pods)
        world.later(0.0, lambda m=member: m.apply(manifest("1.0.0", key=m.key)))
        world.later(each.at, lambda m=member: m.apply(manifest("2.0.0", key=m.key)))


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as the status or the route shows it, and when it was written, seconds since the beginning."""

    what: tuple[Any, ...]
    at: float


def decisions(member: Member) -> list[Decided]:
    """What was decided about an object, each change once: tick, verdict, phase and weights, as the status has them."""
    found: list[Decided] = []
    for change in member.world.api.log:
        metadata = change.obj["metadata"]
        ours = change.kind == "ModelDeployment" and change.actor == FIELD_MANAGER and change.type == "MODIFIED"
        if ours and (metadata["namespace"], metadata["name"]) == member.key:
            decided = _decided(change.obj["status"])
            if not found or found[-1].what != decided:
                found.append(Decided(decided, change.at - EPOCH))
    return found


def routed(member: Member) -> list[Decided]:
    """The weights of each revision on the object's route, each change once."""
    found: list[Decided] = []
    for change in member.world.api.log:
        metadata = change.obj["metadata"]
        if change.kind == "HTTPRoute" and (metadata["namespace"], metadata["name"]) == member.key:
            known = member.gateway.revisions
            weights = backends(change.obj) if change.type != "DELETED" else {}
            shown = tuple(sorted((known.get(name, name), weight) for name, weight in weights.items()))
            if not found or found[-1].what != shown:
                found.append(Decided(shown, change.at - EPOCH))
    return found


def _decided(status: Mapping[str, Any]) -> tuple[Any, ...]:
    candidate, stable = status.get("candidate") or {}, status.get("stable") or {}
    resting = not candidate and not status.get("breaches")  # when its healthy ticks are written is no decision
    return (
        "" if resting else status.get("lastTick", "")[11:16],
        "" if resting else status.get("ticks", "")[-1:],
        status.get("phase"),
        stable.get("modelVersion"),
        candidate.get("modelVersion"),
        candidate.get("weight"),
        status.get("breaches", 0),
        bool(status.get("failedRevision")),
    )


def outcome(member: Member) -> tuple[dict[str, int], str]:
    """What serves in the end, and the phase."""
    return member.serving(), member.status.get("phase", "")


def differences(alone: Member, beside: Member, late: float) -> list[str]:
    """What was decided otherwise beside others than alone, or written more than `late` seconds later."""
    found = []
    for name, of in (("status", decisions), ("route", routed)):
        one, two = of(alone), of(beside)
        for before, after in zip(one, two, strict=False):
            if before.what != after.what:
                found.append(f"{name} of {alone.key}: {after.what} at {after.at:.1f} s instead of {before.what}")
                break
            if after.at > before.at + late:
                found.append(f"{name} of {alone.key}: {after.what} came {after.at - before.at:.1f} s late")
        else:
            if len(one) != len(two):
                found.append(f"{name} of {alone.key}: {len(two)} decisions instead of {len(one)}")
    return found
