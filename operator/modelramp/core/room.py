"""What all versions together may have during a rollout: pods, or amounts of resources that their pods ask for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal

from modelramp.api.quantity import as_text
from modelramp.core.need import asks_for
from modelramp.core.state import Observed, RolloutInput

_PODS = "pods"
_BOUNDLESS = 1_000_000
"""Pods of a version that asks for nothing of what is bounded."""


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of each bounded resource, and what one pod of each revision takes of it; of what is unknown, `own`.

    What is left may be less than nothing, after spec.replicas or a bound was lowered.
    """

    left: Mapping[str, Decimal]
    asks: Mapping[str, Mapping[str, Decimal]]
    own: Mapping[str, Decimal]

    def without(self, revision: str, pods: int) -> "Room":
        """The room beside so many pods of a revision."""
        takes = self.asks.get(revision, self.own)
        return replace(self, left={name: left - pods * takes.get(name, 0) for name, left in self.left.items()})

    def fits(self, revision: str) -> int:
        """Pods of a revision for which there is room; less than 0 when there are too many pods already."""
        takes = self.asks.get(revision, self.own)
        pods = [left / takes[name] for name, left in self.left.items() if takes.get(name)]
        return int(min(pods).to_integral_value(ROUND_FLOOR)) if pods else _BOUNDLESS


def room_of(target: RolloutInput, seen: Observed, revisions: Collection[str]) -> Room:
    """The room of all versions together, with no pod in it. revisions: those that have a role or pods.

    With maxSurgeResources it is what spec.replicas pods take, of the version that asks for most, and the surge: both
    the version that serves and the one that comes have to fit.
    """
    capacity, replicas = target.spec.rollout.capacity, target.spec.replicas
    bounds = capacity.surge_amounts
    if not bounds:
        pod = {_PODS: Decimal(1)}
        return Room({_PODS: Decimal(replicas + capacity.surge(replicas))}, {}, pod)
    own = asks_for(target.spec.template, bounds)
    asks = {target.revision: own, **seen.asks}
    most = {name: max(asks.get(one, own).get(name, Decimal(0)) for one in revisions) for name in bounds}
    return Room({name: replicas * most[name] + surge for name, surge in bounds.items()}, asks, own)


def bounds_in_words(target: RolloutInput) -> str:
    """The bound of all versions' surge, for people: maxSurge, or maxSurgeResources with its amounts."""
    found = target.spec.rollout.capacity.max_surge_resources
    if not found:
        return "maxSurge"
    return f"maxSurgeResources {{{', '.join(f'{name}: {as_text(amount)}' for name, amount in found.items())}}}"


def unusable(target: RolloutInput, seen: Observed, candidate: str, stable: str | None) -> str:
    """Why no rollout can end within spec.rollout.capacity.maxSurgeResources, and the fix; empty when one can.

    Without maxUnavailable the last pod of one version has to run beside all pods of the other one.
    """
    capacity = target.spec.rollout.capacity
    bounds = capacity.surge_amounts
    own = asks_for(target.spec.template, bounds) if bounds else {}
    for name, surge in bounds.items():
        asks = [seen.asks.get(one, own).get(name, Decimal(0)) for one in (candidate, stable) if one is not None]
        bound = f"rollout.capacity.maxSurgeResources bounds {name}"
        if not any(asks):
            return (
                f"{bound}, which no container asks for: remove it there, or write it into the resources of a container"
            )
        if len(asks) > 1 and surge < min(asks) and not capacity.unavailable(target.spec.replicas):
            least = f"{min(asks).normalize():f}"
            fix = f"raise it to {least}, or set maxUnavailable to 1"
            return f"{bound} to {surge.normalize():f} more, and one pod asks for {least}: {fix}"
    return ""
