"""What a checker of a promise is, and how it reads a spec."""

from collections.abc import Iterator
from typing import Any

from tests.sim.apiserver import Change
from tests.sim.gateway import Served

Json = dict[str, Any]
DISTURBED_SECONDS = 400.0
"""So long after a fault began nobody is blamed for being slow."""


class Checker:
    """A promise: what it says against a change or a share is yielded as a sentence."""

    promise = ""

    def changed(self, change: Change) -> Iterator[str]:
        """What a write breaks."""
        return iter(())

    def served(self, served: Served) -> Iterator[str]:
        """What a change at the gateway breaks."""
        return iter(())


def asked(old: Json, new: Json, verb: str) -> bool:
    """Whether this write of the status follows a person's command of that kind."""
    request = new.get("request", "")
    return request != old.get("request", "") and request.startswith(f"{verb}/")


def readable(spec: Json) -> Json:
    """The spec with durations in seconds, as the checkers need it."""
    health, rollout = spec["health"], spec["rollout"]
    least = seconds_of(rollout["stepDuration"])
    stages = _stages(rollout)
    checks = [timed(check) for check in health["checks"]]
    return {
        "replicas": spec["replicas"],
        "health": {**health, "interval": seconds_of(health["interval"]), "checks": checks},
        "rollout": {
            "durations": [seconds_of(s["duration"]) if "duration" in s else least for s in stages],
        },
    }


def timed(check: Json) -> Json:
    """The check with its times in seconds, and its role."""
    times = {name: seconds_of(check[name]) for name in ("window", "interval", "delay") if name in check}
    return {"role": "rollback", **check, **times}


def weights_of(spec: Json) -> list[int]:
    """The weights that a rollout goes through."""
    return [stage["weight"] for stage in _stages(spec["rollout"])]


def _stages(rollout: Json) -> list[Json]:
    """The declared steps; or everything at once, after the split of an A/B test or a preview without traffic."""
    last = {"weight": 100}
    if rollout.get("strategy") == "Replace":
        return [last]
    if "abTest" in rollout:
        return [{"weight": rollout["abTest"]["split"], "duration": rollout["abTest"]["minDuration"]}, last]
    if rollout.get("strategy") == "BlueGreen":
        lasts = rollout.get("blueGreen", {}).get("previewDuration", rollout["stepDuration"])
        return [{"weight": 0, "duration": lasts}, last]
    return list(rollout["steps"])


def seconds_of(text: str) -> int:
    units = {"s": 1, "m": 60, "h": 3600}
    return int(text[:-1]) * units[text[-1]]
