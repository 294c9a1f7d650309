"""Evidence that adds up: the sums in the status are those of what Prometheus said, each tick once, whoever asked."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelramp.api.names import FIELD_MANAGER
from tests.sim.apiserver import Change
from tests.sim.checker import Checker, Json, seconds_of
from tests.sim.oracle import seconds
from tests.sim.prometheus import value_of

if TYPE_CHECKING:
    from tests.sim.member import Member

Sums = tuple[float, float, float, float]
"""Candidate: conversions, visits; stable: the same."""


class Evidence(Checker):
    """Follows what an A/B test and a sequential check of the same counters carry from tick to tick."""

    promise = "evidence counts each answered tick exactly once, through restarts as well"

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._sums: dict[str, tuple[object, Sums]] = {}
        self._arms: dict[str, tuple[object, tuple[str, str]]] = {}

    def changed(self, change: Change) -> Iterator[str]:
        if change.kind != "ModelDeployment" or change.actor != FIELD_MANAGER or change.type != "MODIFIED":
            return
        old, new = (change.before or {}).get("status", {}), change.obj["status"]
        interval = seconds_of(change.obj["spec"]["health"]["interval"])
        asked, since = _asked(old), _since(old)
        newest = seconds(new.get("lastTick"))
        ticks = range(seconds(old["lastTick"]) + interval if old.get("lastTick") else newest, newest + 1, interval)
        for name, memory in _memories(new).items():
            if "looks" in memory:
                key, found = (memory["revision"], memory["since"]), tuple(memory["looks"][:4])
            else:
                key, found = memory["test"], tuple(memory["sums"][:4])
            before = self._sums.get(name)
            sums = before[1] if before and before[0] == key else (0.0, 0.0, 0.0, 0.0)
            possible = {sums}
            arms = self._compared(name, key, _arms(old))
            for tick in ticks:
                counted = tick if tick - interval >= since else 0
                sums, without = self._plus(sums, arms, counted), possible
                possible = {self._plus(each, arms, counted) for each in possible}
                said = all(self._said(revision, tick) for revision in asked)
                if not said or self._lacked_pods(arms[0], tick - interval):
                    possible |= without
            if found not in possible:
                yield f"{name} carries {found}, what was answered adds up to {sums}"
            self._sums[name] = (key, found)

    def _compared(self, name: str, key: object, arms: tuple[str, str]) -> tuple[str, str]:
        """Whose counters one comparison adds up, to its end: a tick asked before a move was written belongs to it."""
        known = self._arms.get(name)
        if known is None or known[0] != key:
            known = self._arms[name] = (key, arms)
        return known[1]

    def _lacked_pods(self, revision: str, since: float) -> bool:
        """Whether pods of a version may have been missing, as far as the writer saw: such a tick is no evidence."""
        return any(available < given for available, given in self._member.available(revision, since))

    def _said(self, revision: str, tick: int) -> bool:
        """Whether all questions about a counter had data; a lost answer and an empty one look alike."""
        found = (self._member.told().get(check, revision, tick) for check in ("conversions", "visits"))
        return all(answered is None or answered.letter != "?" for answered in found)

    def _plus(self, sums: Sums, arms: tuple[str, str], tick: int) -> Sums:
        told = self._member.told()
        added = []
        for revision in arms:
            for check in ("conversions", "visits"):
                answered = told.get(check, revision, tick)
                added.append(value_of(check, answered.letter) if answered and answered.letter != "?" else None)
        if None in added:
            return sums
        one, two, three, four = (total + more for total, more in zip(sums, added, strict=True) if more is not None)
        return one, two, three, four


def _arms(status: Json) -> tuple[str, str]:
    """Whose counters are held against each other; whoever has all traffic is held against itself."""
    candidate, stable = status.get("candidate") or {}, (status.get("stable") or {}).get("revision", "")
    weight = candidate.get("weight", 0)
    if not weight:
        return stable, stable
    return candidate["revision"], candidate["revision"] if weight == 100 else stable


def _asked(status: Json) -> tuple[str, ...]:
    """Of which version the counters are asked too though nothing is held against them: a lost answer costs the tick."""
    candidate = status.get("candidate") or {}
    return ((status.get("stable") or {}).get("revision", ""),) if candidate.get("weight") == 100 else ()


def _since(status: Json) -> int:
    """From when on traffic at the present weight is evidence."""
    candidate, stable = status.get("candidate") or {}, status.get("stable") or {}
    return seconds(candidate.get("stepEntered") if candidate.get("weight") else stable.get("trafficSince"))


def _memories(status: Json) -> dict[str, Json]:
    """What is carried, by name: of sequential checks, and of the test under way."""
    texts = {check["name"]: check.get("memory", "") for check in status.get("checks", ())}
    if "experiment" in status and (status.get("candidate") or {}).get("step") == 0:
        texts["experiment"] = status["experiment"].get("memory", "")
    found = {name: json.loads(text) for name, text in texts.items() if text}
    return {name: memory for name, memory in found.items() if "looks" in memory or name == "experiment"}
