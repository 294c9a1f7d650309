"""What a check remembers from tick to tick, as a short text that the status carries.

The text holds every sum exactly (a float's shortest text is read back as the same float), so that a restarted operator
goes on where the old one was, and a replay of missed ticks ends in the same state.
"""

import json
from dataclasses import dataclass
from typing import Any

from modelramp.api.check import Check


@dataclass(frozen=True, slots=True)
class Window:
    """Over what a check's evidence adds up.

    revision: the one that is measured. since: start of its present weight, seconds since the epoch; a change begins
    anew. whole: this tick's window lies wholly after that. trial: it is a candidate beside another, stable version.
    alone: it has all the traffic, so there is nobody to hold it against. memory: what the last tick left.
    """

    revision: str = ""
    since: int = 0
    whole: bool = True
    trial: bool = True
    alone: bool = False
    memory: str = ""


ONCE = Window()
"""A tick that stands for itself: nothing was remembered."""


def memory_of(check: Check, window: Window, what: str, value: object) -> str:
    """The text that carries a value to the next tick, under the name `what`."""
    found = {"check": check.identity(), "revision": window.revision, "since": window.since, what: value}
    return json.dumps(found, separators=(",", ":"))


def remembered(check: Check, window: Window, what: str, *, across_weights: bool = False) -> Any:
    """The value that the last tick left; None when there is none, or when it speaks of something else.

    Evidence for another question is no evidence: an edited check begins anew, and so does one at a new weight unless
    it counts across_weights.
    """
    try:
        found = json.loads(window.memory) if window.memory else {}
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("check") != check.identity():
        return None
    same = found.get("revision") == window.revision and (across_weights or found.get("since") == window.since)
    return found.get(what) if same else None
