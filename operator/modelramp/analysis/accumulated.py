"""The memory of a check from tick to tick: a short text in the status.

Sums are exact (a float is read back from its shortest text unchanged), so a restarted operator continues with the same
evidence, and a replay of missed ticks ends in the same state.
"""

import json
from dataclasses import dataclass
from typing import Any

from modelramp.api.check import Check


@dataclass(frozen=True, slots=True)
class Window:
    """The period over which a check accumulates evidence.

    revision: the measured revision. since: start of its current weight, seconds since the epoch; a change resets the
    evidence. whole: the window of this tick lies entirely after that. trial: it is a candidate, next to a stable
    version. alone: it has all the traffic, so there is no other version to compare it with. memory: of the last tick.
    """

    revision: str = ""
    since: int = 0
    whole: bool = True
    trial: bool = True
    alone: bool = False
    memory: str = ""


ONCE = Window()
"""A single tick, without memory."""


def memory_of(check: Check, window: Window, what: str, value: object) -> str:
    """The text that carries a value to the next tick, under the name `what`."""
    found = {"check": check.identity(), "revision": window.revision, "since": window.since, what: value}
    return json.dumps(found, separators=(",", ":"))


def remembered(check: Check, window: Window, what: str, *, across_weights: bool = False) -> Any:
    """The value that the last tick kept; None when there is none, or when it belongs to other evidence.

    Evidence is reset when the check is edited or the revision changes, and when the weight changes unless
    across_weights.
    """
    try:
        found = json.loads(window.memory) if window.memory else {}
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("check") != check.identity():
        return None
    same = found.get("revision") == window.revision and (across_weights or found.get("since") == window.since)
    return found.get(what) if same else None
