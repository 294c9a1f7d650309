"""What a check remembers from tick to tick, as a short text that the status carries.

The text holds every sum exactly (a float's shortest text is read back as the same float), so that a restarted operator
goes on where the old one was, and a replay of missed ticks ends in the same state.
"""

import json
from dataclasses import dataclass
from typing import Any

from modelramp.analysis.evidence import Mean, Proportion, can_add_up, finite
from modelramp.analysis.stats.change import ChangeLooks
from modelramp.analysis.stats.sequential import MeanLooks, RateLooks, Spread
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


def remembers(check: Check) -> bool:
    """Whether a check carries anything from tick to tick."""
    return check.sequential is not None or (check.cost is not None and check.cost.budget is not None)


def rate_looks(check: Check, episode: Window) -> RateLooks:
    """What a sequential check of rates has seen so far."""
    try:
        bad, total, stable_bad, stable_total, p_value = finite(_read(check, episode, "looks"))
    except (TypeError, ValueError):
        return RateLooks()
    found = RateLooks(Proportion(bad, total), Proportion(stable_bad, stable_total), p_value)
    return found if can_add_up(found.candidate, found.stable) else RateLooks()


def mean_looks(check: Check, episode: Window) -> MeanLooks:
    """What a sequential check of means has seen so far."""
    try:
        *numbers, p_value = finite(_read(check, episode, "looks"))
        one, other = (
            Spread(Mean(sum_, count), int(ticks), squares) for sum_, count, ticks, squares in (numbers[:4], numbers[4:])
        )
    except (TypeError, ValueError):
        return MeanLooks()
    return MeanLooks(one, other, p_value) if can_add_up(one.total, other.total) else MeanLooks()


def change_looks(check: Check, episode: Window) -> ChangeLooks:
    """What a sequential check that detects a change has seen so far."""
    try:
        seen, looks, bad, total, stable_bad, stable_total, *evidence = finite(_read(check, episode, "change"))
        counts = Proportion(bad, total), Proportion(stable_bad, stable_total)
        found = ChangeLooks(tuple(evidence), *counts, int(looks), seen)
    except (TypeError, ValueError):
        return ChangeLooks()
    sound = len(evidence) == len(ChangeLooks().evidence) and can_add_up(*counts)
    return found if sound else ChangeLooks()


def spent(check: Check, episode: Window) -> float:
    """What the rollout has cost so far; a new weight does not change that, a new revision does."""
    try:
        (found,) = finite([_read(check, episode, "spent")])
    except ValueError:
        return 0.0
    return found


def looks_text(check: Check, episode: Window, looks: RateLooks | MeanLooks) -> str:
    """The text that carries a sequential check's evidence."""
    if isinstance(looks, RateLooks):
        one, other = looks.candidate, looks.stable
        return _write(check, episode, "looks", [one.bad, one.total, other.bad, other.total, looks.p_value])
    numbers: list[float] = []
    for arm in (looks.candidate, looks.stable):
        numbers += [arm.total.sum, arm.total.count, arm.ticks, arm.squares]
    return _write(check, episode, "looks", [*numbers, looks.p_value])


def change_text(check: Check, episode: Window, looks: ChangeLooks) -> str:
    """The text that carries the evidence of a change."""
    one, other = looks.candidate, looks.stable
    counts = [looks.seen, looks.looks, one.bad, one.total, other.bad, other.total]
    return _write(check, episode, "change", [*counts, *looks.evidence])


def spent_text(check: Check, episode: Window, amount: float) -> str:
    """The text that carries what a rollout has cost."""
    return _write(check, episode, "spent", amount)


def _write(check: Check, episode: Window, what: str, value: object) -> str:
    found = {"check": check.identity(), "revision": episode.revision, "since": episode.since, what: value}
    return json.dumps(found, separators=(",", ":"))


def _read(check: Check, episode: Window, what: str) -> Any:
    """The remembered value; None when there is none, or when it speaks of something else.

    Evidence for another question is no evidence: an edited check begins anew.
    """
    try:
        found = json.loads(episode.memory) if episode.memory else {}
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("check") != check.identity():
        return None
    same = found.get("revision") == episode.revision and (what == "spent" or found.get("since") == episode.since)
    return found.get(what) if same else None
