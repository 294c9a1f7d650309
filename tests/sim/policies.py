"""Health policies as the oracle reads them, without the operator's code: which checks a spec stands for, and when."""

import json
from typing import TYPE_CHECKING, Any

from tests.sim.checker import timed

if TYPE_CHECKING:
    from tests.sim.apiserver import Change
    from tests.sim.world import World

KINDS = ("HealthPolicy", "ClusterHealthPolicy")
LATE_SECONDS = 30.0
"""So long after a policy changed the operator may still have decided on the old one."""

Json = dict[str, Any]
Variant = tuple[list[Json], bool]
"""The checks that count, and whether some of them are missing."""


class PoliciesOverTime:
    """What a spec stands for now, and what it stood for as long as the operator may not know better."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._before: list[tuple[float, dict[str, Json]]] = []
        self._now: dict[str, Json] = {}

    def changed(self, change: "Change") -> None:
        """Take note of a policy that was written or deleted."""
        if change.kind not in KINDS:
            return
        self._before.append((self._world.now(), dict(self._now)))
        name = f"{change.kind} {change.obj['metadata']['name']}"
        if change.type == "DELETED":
            self._now.pop(name, None)
        else:
            self._now[name] = change.obj["spec"]

    def variants(self, spec: Json) -> list[Variant]:
        """Each set of checks that a spec may have stood for when the last decision was made."""
        late = LATE_SECONDS + self._world.blindness()
        known = [self._now, *(known for until, known in self._before if self._world.now() - until < late)]
        return [_checks(spec["health"], one) for one in known]


def _checks(health: Json, known: dict[str, Json]) -> Variant:
    found, missing = list(health.get("checks", ())), False
    for reference in health.get("policies", ()):
        policy = known.get(f"{reference.get('kind', 'HealthPolicy')} {reference['name']}", {})
        text = json.dumps(policy.get("checks", ["{{params.gone}}"]))
        for name, value in reference.get("parameters", {}).items():
            text = text.replace(f"{{{{params.{name}}}}}", str(value))
        if "{{params." in text:
            missing = True
        else:
            found += json.loads(text)
    return [timed(one) for one in found], missing
