"""What people hear: every event goes to every channel; of obstacles they hear once at the beginning and at the end."""

import asyncio
import math
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelramp.api.names import Reason
from modelramp.api.times import to_clock
from modelramp.core.events import RolloutEvent
from modelramp.core.standing import TOLD_AT_ONCE, Standing
from modelramp.engine.ports import Channel, Delivery, Telemetry

QUIET_SECONDS = 600.0
"""Time between two times that the same reason is told to begin."""
WORDS_SECONDS = 60.0
"""Time before other words of the same obstacle are told."""
_FROM_BEFORE_SECONDS = 120.0
"""So long after its start the operator may still find out what the status says already."""


QUEUED = 1000
"""Events that wait for one channel; more are dropped, and counted."""
DELIVERY_SECONDS = 30.0
"""Longest time that one delivery may take; then nobody knows whether it was heard."""
FAREWELL_SECONDS = 1.0
"""How long the end of the operator waits for channels."""
_WORDS = 256


class Notifier:
    """Hands events to all channels, beside the decisions: a channel that fails or hangs delays nobody else."""

    def __init__(self, channels: Sequence[Channel], telemetry: Telemetry) -> None:
        self._channels = channels
        self._telemetry = telemetry
        self._waiting: dict[str, deque[RolloutEvent]] = {channel.name: deque() for channel in channels}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def tell(self, events: Iterable[RolloutEvent]) -> None:
        """Queue complete events for every channel; returns at once and never raises."""
        for event in events:
            for channel in self._channels:
                waiting = self._waiting[channel.name]
                if len(waiting) < QUEUED:
                    waiting.append(event)
                else:
                    self._count(channel, "dropped")
        for channel in self._channels:
            if self._waiting[channel.name] and channel.name not in self._tasks:
                task = asyncio.create_task(self._deliver_all(channel), name=f"channel {channel.name}")
                self._tasks[channel.name] = task

    async def stop(self) -> None:
        """Give what is queued a moment, then cancel it."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=FAREWELL_SECONDS)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _deliver_all(self, channel: Channel) -> None:
        waiting = self._waiting[channel.name]
        try:
            while waiting:
                self._count(channel, (await self._deliver(channel, waiting.popleft())).value)
        finally:
            del self._tasks[channel.name]

    async def _deliver(self, channel: Channel, event: RolloutEvent) -> Delivery:
        try:
            async with asyncio.timeout(DELIVERY_SECONDS):
                return await channel.deliver(event)
        except Exception as error:  # noqa: BLE001 - whatever a channel does must stop neither rollouts nor other channels
            about = {"namespace": event.object.namespace, "name": event.object.name, "id": event.id}
            self._telemetry.warn("not delivered", channel=channel.name, **about, error=repr(error)[:_WORDS])
            return Delivery.UNKNOWN

    def _count(self, channel: Channel, result: str) -> None:
        self._telemetry.count("modelramp_notifications_total", channel=channel.name, result=result)


@dataclass(slots=True)
class _Begun:
    since: float | None
    revision: str | None
    message: str
    logged: bool
    told: bool = False


@dataclass(slots=True)
class Announced:
    """What people know of one object: its obstacles, and what was found out about its children.

    In memory: after a restart, what the status says is known.

    again_at: when to look again though nothing happens.
    """

    known: frozenset[str] = frozenset()
    until: float = 0.0
    again_at: float = math.inf
    _begun: dict[Reason, _Begun] = field(default_factory=dict)
    _told_at: dict[Reason, float] = field(default_factory=dict)
    _noticed_at: dict[str, float] = field(default_factory=dict)

    @classmethod
    def after_start(cls, status: object, now: float) -> "Announced":
        """At the first look at an object; status: as it was written before."""
        known = cls(frozenset(_reasons(status)), now + _FROM_BEFORE_SECONDS)
        known._noticed_at = dict.fromkeys(_message(status).split("; "), now)
        return known

    def news(self, found: Iterable[RolloutEvent], status: object, now: float) -> tuple[RolloutEvent, ...]:
        """What of this was not told lately and is not said by the status as it stands; it is told now."""
        self._noticed_at = {text: at for text, at in self._noticed_at.items() if now - at < QUIET_SECONDS}
        said = _message(status)
        known = self._noticed_at
        fresh = tuple(one for one in dict.fromkeys(found) if one.message not in said and one.message not in known)
        self._noticed_at |= dict.fromkeys((one.message for one in fresh), now)
        return fresh

    def follow(
        self, found: Iterable[Standing], now: float, *, candidate: str | None, stable: str | None, told: set[Reason]
    ) -> tuple[RolloutEvent, ...]:
        """What to report of the present obstacles. told: reasons of which people hear at this very moment anyway."""
        present = {one.reason: one for one in found}
        findings: list[RolloutEvent] = []
        again = math.inf
        for reason, one in present.items():
            finding, at = self._stands(one, now, candidate, heard=reason in told)
            findings += [finding] if finding is not None else []
            again = min(again, at)
        for reason in [reason for reason in self._begun if reason not in present]:
            ended = self._begun.pop(reason)
            # A hold of a version that was given up ends with it, and that is told.
            if ended.told and ended.revision in {None, candidate, stable}:
                since = f", it began at {to_clock(int(ended.since))}" if ended.since is not None else ""
                text = f"{reason.value} is over{since}: {ended.message}"
                findings.append(RolloutEvent(Reason.OBSTACLE_GONE, text, logged=ended.logged))
        gone = self.known & TOLD_AT_ONCE
        if gone and now >= self.until:
            texts = (f"{reason} is over, it ended while the operator was away" for reason in sorted(gone))
            findings += [RolloutEvent(Reason.OBSTACLE_GONE, text) for text in texts]
            self.known = frozenset()
        self.again_at = min(again, self.until) if gone and self.known else again
        return tuple(findings)

    def _stands(
        self, one: Standing, now: float, candidate: str | None, *, heard: bool
    ) -> tuple[RolloutEvent | None, float]:
        if one.reason not in self._begun:
            self._begun[one.reason] = self._first_seen(one, now, candidate)
        begun = self._begun[one.reason]
        if heard:
            begun.told, begun.message = True, one.message
            self._told_at[one.reason] = now
        if begun.told:
            due = self._told_at.get(one.reason, -math.inf) + WORDS_SECONDS
            if not one.told_again or begun.message == one.message:
                return None, math.inf
        else:
            due = max((begun.since or now) + one.after, self._told_at.get(one.reason, -math.inf) + QUIET_SECONDS)
        if now < due:
            return None, due
        begun.told, begun.message = True, one.message
        self._told_at[one.reason] = now
        return RolloutEvent(one.reason, one.message, warning=one.warning, logged=one.logged), math.inf

    def _first_seen(self, one: Standing, now: float, candidate: str | None) -> _Begun:
        """An obstacle that is new; or one that the status has told of before this life of the operator, once."""
        known = one.reason.value in self.known and now < self.until
        self.known -= {one.reason.value}
        if known:
            self._told_at[one.reason] = now
        revision = candidate if one.of_candidate else None
        return _Begun(None if known else now, revision, one.message, one.logged, told=known)


def _message(status: object) -> str:
    return str(status.get("message", "")) if isinstance(status, Mapping) else ""


def _reasons(status: object) -> Iterable[str]:
    """Every reason in a status that somebody wrote."""
    if not isinstance(status, Mapping):
        return
    parts: list[Any] = [status, *_entries(status, "conditions"), *_entries(status, "checks")]
    for part in parts:
        if isinstance(part, Mapping) and isinstance(part.get("reason"), str):
            yield part["reason"]


def _entries(status: Mapping[str, Any], name: str) -> list[Any]:
    found = status.get(name)
    return found if isinstance(found, list) else []


AGAIN_SECONDS = 60.0
"""Time between two writes of what was said before: pods whose words alternate cost no more than that."""
_REMEMBERED = 8
_NUMBERS = re.compile("[0-9]+")
_POD = re.compile("pod [^ :]+:")


@dataclass(frozen=True, slots=True)
class Sayings:
    """What the status has said of one candidate while it waits. at: of the last write, seconds since the epoch."""

    revision: str = ""
    known: tuple[str, ...] = ()
    at: float = 0.0

    def is_news(self, revision: str, message: str, now: float) -> bool:
        """Whether the sentence should be written although nothing else changed."""
        if revision != self.revision:
            return True
        if _gist(message) in self.known or len(self.known) >= _REMEMBERED:
            return now - self.at >= AGAIN_SECONDS
        return True

    def after(self, revision: str, message: str, now: float) -> "Sayings":
        """What is remembered once the sentence stands in the status."""
        known = self.known if revision == self.revision else ()
        return Sayings(revision, tuple(dict.fromkeys((*known, _gist(message))))[:_REMEMBERED], now)


def _gist(message: str) -> str:
    """The sentence without its numbers and the name of the pod: the next pod fails in the same way."""
    return _NUMBERS.sub("#", _POD.sub("pod:", message))
