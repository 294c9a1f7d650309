"""Promises 2 and 3 by a second opinion that shares no code with the operator.

The operator says in its status up to which tick it has evaluated whom. From what Prometheus told that very process, the
oracle works out every count of consecutive breaches that is possible; more than one is possible only while the pods'
availability changed between the question and the write.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.sim.ledger import Ledger
    from tests.sim.policies import Variant
    from tests.sim.world import World

REPLAY_LIMIT = 15
"""Missed ticks that a restart asks for again (promised in the design)."""

Status = dict[str, Any]


def seconds(text: str | None) -> int:
    """An RFC 3339 instant as seconds since the epoch; 0 for none."""
    return int(datetime.fromisoformat(text).timestamp()) if text else 0


def count_breaches(minutes: str) -> int:
    """Consecutive breaches at the end of a history; minutes without data neither count nor clear.

    >>> count_breaches("hbb?b"), count_breaches("bbh"), count_breaches("??")
    (3, 0, 0)
    """
    return minutes.rpartition("h")[2].count("b")


def _since_healthy(history: str) -> str:
    """The part of a history that still counts: from the last healthy minute on."""
    return history[history.rfind("h") :] if "h" in history else history


class Oracle:
    """Follows the status of one ModelDeployment and says what is wrong with each write."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._key: tuple[str, str] | None = None
        self._histories: set[str] = {""}

    def judge(self, spec: Status, old: Status, new: Status, told: "Ledger") -> Iterator[str]:
        """What promise 2 or 3 says against a status write."""
        health = spec["health"]
        interval, threshold = health["interval"], health["failureThreshold"]
        before, after = seconds(old.get("lastTick")), seconds(new.get("lastTick"))
        if after < before:
            yield f"lastTick went back from {before} to {after}"
        subject = _subject(old)
        same = subject is not None and (_subject(new) == subject or _withdrawn(old, new, subject))
        if not same or old.get("phase") == "RollingBack":
            self._follow(new)
            if subject is None and _rolled_back(old, new):
                yield "rolled back although nothing was watched"
            return
        if self._key is None or self._key[0] != subject:
            self._key, self._histories = (subject, _watch(new).get("since", "")), {""}
        reached_before_the_last = False
        for tick in _grid(before, after, interval):
            reached_before_the_last |= self._all_reached(threshold) and _can_roll_back(old)
            yield from self._evaluate(spec, old, new, subject, tick, told)
        if reached_before_the_last and before != after:
            yield "evaluated further ticks after the third consecutive breach: the rollback came late"
        yield from self._compare(old, new, threshold, moved=before != after)
        yield from self._promotion(old, new)
        self._follow(new)

    def _evaluate(
        self, spec: Status, old: Status, new: Status, subject: str, tick: int, told: "Ledger"
    ) -> Iterator[str]:
        start = seconds((old.get("candidate") or {}).get("stepEntered")) if _running(old) else 0
        if not start:
            start = seconds(_watch(old if _watch(old).get("revision") == subject else new).get("since"))
        letters, asked = self._letters(spec, old, subject, tick, start, told)
        replayed = tick > seconds(new["lastTick"]) - REPLAY_LIMIT * spec["health"]["interval"]
        if not asked and replayed and not self._world.clock_jumped:
            yield f"tick {tick} of {subject} counts as evaluated, but Prometheus was never asked"
        self._histories = {history + letter for history in self._histories for letter in letters}

    def _letters(
        self, spec: Status, old: Status, subject: str, tick: int, start: int, told: "Ledger"
    ) -> tuple[set[str], bool]:
        """The possible verdicts of a tick, and whether somebody asked for it.

        While nobody can know whether the operator had heard of a change of policies, both verdicts are possible.
        """
        found = [
            self._of_checks(spec, old, subject, tick, start, told, variant) for variant in spec["health"]["variants"]
        ]
        return set().union(*(letters for letters, _ in found)), any(asked for _, asked in found)

    def _of_checks(
        self, spec: Status, old: Status, subject: str, tick: int, start: int, told: "Ledger", variant: "Variant"
    ) -> tuple[set[str], bool]:
        checks, missing = variant
        verdict, live, asked_at = "?" if missing else "h", False, 0.0
        asked = missing
        for check in checks:
            if check.get("role", "rollback") != "rollback":
                continue
            answered = told.found.get((check["name"], subject, tick))
            letter = answered.letter if answered else "?"
            if answered is not None:
                asked, live, asked_at = True, live or answered.live, answered.asked_at
            if tick - check.get("window", spec["health"]["interval"]) < start:
                letter = "?"
            verdict = "b" if "b" in (letter, verdict) else "?" if "?" in (letter, verdict) else "h"
        if not live:
            return {verdict}, asked
        seen = self._world.available(subject, asked_at - 0.5)
        needed = _needed(spec["replicas"], (old.get("candidate") or {}).get("weight", 0)) if _running(old) else 1
        return {verdict if available >= needed else "b" for available in seen}, asked

    def _compare(self, old: Status, new: Status, threshold: int, *, moved: bool) -> Iterator[str]:
        rolled = _rolled_back(old, new)
        possible = {history for history in self._histories if count_breaches(history) >= threshold}
        told = f"histories {sorted(history[-12:] for history in self._histories)}"
        if rolled and not possible:
            yield f"rolled back without {threshold} consecutive breaches; {told}"
        if not rolled and moved and len(possible) == len(self._histories) and _can_roll_back(old):
            yield f"did not roll back on the breaching tick; {told}"
        if rolled:
            return
        if _can_roll_back(old):
            self._histories -= possible
        counts = {count_breaches(history) for history in self._histories}
        if moved and _watch(new).get("revision") == _subject(new) and _watch(new).get("breaches", 0) not in counts:
            yield f"status says {_watch(new).get('breaches')} breaches; {told}"
        elif moved:
            exact = {h for h in self._histories if count_breaches(h) == _watch(new).get("breaches", 0)}
            self._histories = {_since_healthy(history) for history in exact or self._histories}

    def _promotion(self, old: Status, new: Status) -> Iterator[str]:
        by_request = new.get("request") != old.get("request")
        if not _running(old) or _rolled_back(old, new) or by_request:
            return
        advanced = _step(new) > _step(old) or _stable(new) != _stable(old)
        if (
            advanced
            and _subject(new) == _subject(old)
            and not any(history.endswith("h") for history in self._histories)
        ):
            yield f"moved up on a tick that was not healthy: {sorted(h[-12:] for h in self._histories)}"

    def _all_reached(self, threshold: int) -> bool:
        return all(count_breaches(history) >= threshold for history in self._histories)

    def _follow(self, new: Status) -> None:
        """Begin anew whenever another revision is watched, or the same one from another instant on."""
        watch = _watch(new)
        key = (watch.get("revision", ""), watch.get("since", "")) if watch else None
        if key != self._key:
            self._key = key
            self._histories = {"b" * watch.get("breaches", 0)}


def _subject(status: Status) -> str | None:
    version = status.get("candidate") if _running(status) else status.get("stable")
    return version["revision"] if version else None


def _stable(status: Status) -> str | None:
    return (status.get("stable") or {}).get("revision")


def _running(status: Status) -> bool:
    return _step(status) >= 0


def _step(status: Status) -> int:
    return (status.get("candidate") or {}).get("step", -1)


def _watch(status: Status) -> Status:
    return status.get("watch") or {}


def _withdrawn(old: Status, new: Status, subject: str) -> bool:
    """The subject lost its role by a breach (not by a new spec, a person, or a deadline)."""
    return _rolled_back(old, new) and new["history"][0]["revision"] == subject


def _rolled_back(old: Status, new: Status) -> bool:
    history, before = new.get("history", ()), old.get("history", ())
    newest = history[0] if history and history != before else {}
    return newest.get("outcome") == "RolledBack" and newest.get("reason") == "ThresholdReached"


def _can_roll_back(old: Status) -> bool:
    return _running(old) or (old.get("previous") is not None and old.get("phase") != "Degraded")


def _grid(before: int, after: int, interval: int) -> range:
    if before == 0:
        return range(after, after + 1, interval) if after else range(0)
    return range(before + interval, after + 1, interval)


def _needed(replicas: int, weight: int) -> int:
    """Three quarters of the share, rounded down, but at least one pod."""
    return max(1, int(replicas * weight / 100 * 0.75))
