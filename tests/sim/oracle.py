"""Promises 2 and 3 by a second opinion that shares no code with the operator.

The operator says in its status up to which tick it has evaluated whom. From what Prometheus told that very process, the
oracle works out every count of consecutive breaches that is possible; more than one is possible only while the pods'
availability, or a policy, changed between the question and the write.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.sim.counting import Counts, Minute
from tests.sim.prometheus import CHECKS

if TYPE_CHECKING:
    from tests.sim.ledger import Told
    from tests.sim.member import Member
    from tests.sim.policies import Variant

REPLAY_LIMIT = 25
"""Missed ticks that a restart asks for again (promised in the design)."""

Status = dict[str, Any]


def seconds(text: str | None) -> int:
    """An RFC 3339 instant as seconds since the epoch; 0 for none."""
    return int(datetime.fromisoformat(text).timestamp()) if text else 0


class Oracle:
    """Follows the status of one ModelDeployment and says what is wrong with each write."""

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._world = member.world
        self._key: tuple[str, str] | None = None
        self._beliefs: set[Counts] = {Counts()}

    def judge(self, spec: Status, old: Status, new: Status, told: "Told") -> Iterator[str]:
        """What promise 2 or 3 says against a status write."""
        interval = spec["health"]["interval"]
        before, after = seconds(old.get("lastTick")), seconds(new.get("lastTick"))
        if after < before:
            yield f"lastTick went back from {before} to {after}"
        rest = _rest(old, new)
        if rest:
            if _rolled_back(old, new) or _judged(old, new):
                yield f"a tick was judged while {rest}"
            self._follow(new)
            return
        subject = _subject(old)
        same = subject is not None and (_subject(new) == subject or _withdrawn(old, new, subject))
        if not same or old.get("phase") == "RollingBack":
            self._follow(new)
            if subject is None and _rolled_back(old, new):
                yield "rolled back although nothing was watched"
            return
        if self._key is None or self._key[0] != subject:
            self._key, self._beliefs = (subject, _watch(new).get("since", "")), {Counts()}
        for tick in _grid(before, after, interval):
            if _can_roll_back(old):
                going_on = {belief for belief in self._beliefs if not belief.tripped}
                if not going_on and before != after:
                    yield "evaluated further ticks after the third consecutive breach: the rollback came late"
                self._beliefs = going_on or self._beliefs
            yield from self._evaluate(spec, old, new, subject, tick, told)
        yield from self._compare(old, new, moved=before != after)
        yield from self._promotion(spec, old, new)
        self._follow(new)

    def _evaluate(self, spec: Status, old: Status, new: Status, subject: str, tick: int, told: "Told") -> Iterator[str]:
        start = seconds((old.get("candidate") or {}).get("stepEntered")) if _running(old) else 0
        if not start:
            start = seconds(_watch(old if _watch(old).get("revision") == subject else new).get("since"))
        found = [
            self._minutes(spec, old, subject, tick, start, told, variant) for variant in spec["health"]["variants"]
        ]
        replayed = tick > seconds(new["lastTick"]) - REPLAY_LIMIT * spec["health"]["interval"]
        if not any(asked for _, asked in found) and replayed:
            yield f"tick {tick} of {subject} counts as evaluated, but Prometheus was never asked"
        # While nobody can know whether the operator had heard of a change of policies, every verdict is possible.
        self._beliefs = {
            belief.after(spec["health"], variant[0], minute)
            for (minutes, _), variant in zip(found, spec["health"]["variants"], strict=True)
            for minute in minutes
            for belief in self._beliefs
        }

    def _minutes(
        self, spec: Status, old: Status, subject: str, tick: int, start: int, told: "Told", variant: "Variant"
    ) -> tuple[list[Minute], bool]:
        """What the tick may have said, and whether somebody asked for it."""
        checks, missing = variant
        letters, live, asked_at = [], False, 0.0
        silent = set()
        for check in due(spec["health"], checks, tick, rolling=_running(old)):
            answered = told.get(check["name"], subject, tick - check.get("delay", 0))
            if answered is not None:
                live, asked_at = live or answered.newest == tick, answered.asked_at
            if check["name"] in CHECKS:
                silent.add(answered is None)
            letter = answered.letter if answered and tick - reach(spec["health"], check) >= start else "?"
            if check.get("role", "rollback") == "rollback":
                letters.append((check, letter))
        asked = missing or (bool(silent) and True not in silent)
        silence = [Minute([(check, "?") for check, _ in letters], None, missing)]
        lost = silence if self._member.lost(subject, tick - 2 * spec["health"]["interval"]) else []
        if not live:
            return [Minute(letters, None, missing), *lost], asked
        seen = self._member.available(subject, asked_at - 0.5)
        needed = _needed(spec["replicas"], (old.get("candidate") or {}).get("weight", 0)) if _running(old) else 1
        return [
            *(Minute(letters, available < min(needed, max(1, given * 3 // 4)), missing) for available, given in seen),
            *lost,
        ], asked

    def _compare(self, old: Status, new: Status, *, moved: bool) -> Iterator[str]:
        rolled = _rolled_back(old, new)
        possible = {belief for belief in self._beliefs if belief.tripped}
        if rolled and not possible:
            yield f"rolled back without 3 consecutive breaches, or its own threshold; {self._told()}"
        if not rolled and moved and len(possible) == len(self._beliefs) and _can_roll_back(old):
            yield f"did not roll back on the breaching tick; {self._told()}"
        if rolled:
            return
        if _can_roll_back(old):
            self._beliefs -= possible
        watch = _watch(new)
        if not moved or watch.get("revision") != _subject(new):
            return
        written = (watch.get("breaches", 0), watch.get("shared", 0), tuple(sorted(watch.get("checks", {}).items())))
        exact = {belief for belief in self._beliefs if (belief.every, belief.common, belief.own) == written}
        if not exact:
            yield f"status says {written[0]} breaches; {self._told()}; status {written}"
        self._beliefs = exact or self._beliefs

    def _told(self) -> str:
        return f"histories {sorted(f'{b.told} ({b.every}, {b.common}, {dict(b.own)})' for b in self._beliefs)}"

    def _promotion(self, spec: Status, old: Status, new: Status) -> Iterator[str]:
        by_request = new.get("request") != old.get("request")
        if not _running(old) or _rolled_back(old, new) or by_request:
            return
        advanced = _step(new) > _step(old) or _stable(new) != _stable(old)
        if not advanced or _subject(new) != _subject(old):
            return
        if not any(belief.last == "h" for belief in self._beliefs):
            yield f"moved up on a tick that was not healthy: {self._told()}"
        variants = spec["health"]["variants"]
        subject, tick = _subject(old) or "", seconds(new.get("lastTick"))
        found = [self._holding(spec["health"], checks, subject, tick) for checks, _ in variants]
        if all(found):
            yield f"moved up although its last asking was not healthy: {sorted(found[0])}"

    def _holding(self, health: Status, checks: list[Status], subject: str, tick: int) -> list[str]:
        """The checks that hold promotion: their last asking, at the tick or before, was healthy for no process."""
        waiting = []
        for check in during(checks, rolling=True):
            slow = check.get("interval", 0) > health["interval"]
            if check["name"] in CHECKS and (check["role"] == "hold" or (check["role"] == "rollback" and slow)):
                asked = tick - tick % check.get("interval", health["interval"]) - check.get("delay", 0)
                ledgers = (process.ledger.of(self._member.key) for process in self._world.processes)
                said = (ledger.get(check["name"], subject, asked) for ledger in ledgers)
                if not any(answered and answered.letter == "h" for answered in said):
                    waiting.append(check["name"])
        return waiting

    def _follow(self, new: Status) -> None:
        """Begin anew whenever another revision is watched, or the same one from another instant on."""
        watch = _watch(new)
        key = (watch.get("revision", ""), watch.get("since", "")) if watch else None
        if key != self._key:
            self._key = key
            own = tuple(sorted(watch.get("checks", {}).items()))
            self._beliefs = {Counts(watch.get("breaches", 0), watch.get("shared", 0), own)}


def during(checks: list[Status], *, rolling: bool) -> list[Status]:
    """The checks that are asked of a candidate (rolling), or of what serves."""
    other = "after-promotion" if rolling else "rollout"
    return [check for check in checks if check.get("when", "always") != other]


def due(health: Status, checks: list[Status], tick: int, *, rolling: bool) -> list[Status]:
    """The checks that are asked at a tick."""
    return [check for check in during(checks, rolling=rolling) if tick % check.get("interval", health["interval"]) == 0]


def reach(health: Status, check: Status) -> int:
    """How far back an asking looks, seconds: its delay, and the window before that."""
    return check.get("delay", 0) + check.get("window", check.get("interval", health["interval"]))


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


def _rest(old: Status, new: Status) -> str:
    """Why nothing serves on purpose, and nothing is judged; empty when that is not so."""
    if old.get("scaledToZero") or new.get("scaledToZero"):
        return "spec.replicas was 0"
    candidate = old.get("candidate") or {}
    waits = "stableStopped" in candidate and candidate["step"] < 0 and new.get("candidate", {}).get("step", -1) < 0
    return "the stable version was stopped" if waits else ""


def _judged(old: Status, new: Status) -> bool:
    """Whether the count of one revision has changed, or its step has risen."""
    before, after = ({**_watch(status), "since": ""} for status in (old, new))
    same = before.get("revision") == after.get("revision")
    return (same and before != after) or (_subject(old) == _subject(new) and _step(new) > _step(old))


def _withdrawn(old: Status, new: Status, subject: str) -> bool:
    """The subject lost its role by a breach (not by a new spec, a person, or a deadline)."""
    return _rolled_back(old, new) and new["failedRevision"] == subject


def _rolled_back(old: Status, new: Status) -> bool:
    failed, history = new.get("failedRevision"), new.get("history", ())
    if failed is None or failed == old.get("failedRevision"):
        return False
    if history and history[0]["revision"] == failed:
        return bool(history[0]["outcome"] == "RolledBack" and history[0]["reason"] == "ThresholdReached")
    return not history  # the smallest form of a status has none


def _can_roll_back(old: Status) -> bool:
    return _running(old) or (old.get("previous") is not None and old.get("phase") != "Degraded")


def _grid(before: int, after: int, interval: int) -> range:
    if before == 0:
        return range(after, after + 1, interval) if after else range(0)
    return range(before + interval, after + 1, interval)


def _needed(replicas: int, weight: int) -> int:
    """Three quarters of the share, rounded down, but at least one pod."""
    return max(1, int(replicas * weight / 100 * 0.75))
