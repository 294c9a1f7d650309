"""The watches of one process: they list, then deliver every change in order, a little late; they can be disturbed."""

import asyncio
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION
from modelramp.engine.listing import WATCHED
from modelramp.engine.ports import DEPLOYMENT, WRITTEN, Kind
from tests.sim.faults import GAP_SECONDS, LAG_SECONDS, OUTAGE_SECONDS, Fault
from tests.sim.fieldowners import copied

if TYPE_CHECKING:
    from tests.sim.apiserver import Change
    from tests.sim.process import Process

STALE_EVENTS = 30
_KINDS: dict[str, Kind] = {kind.kind: kind for kind in WATCHED}


class Watch:
    """Feeds one engine. What was deleted while the watches were broken is never reported, as in life."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self._api = process.world.api
        self._random = random.Random(process.world.random.random())  # noqa: S311 - a simulation, not a secret
        self._cursor = 0
        self._news = asyncio.Event()
        self._gap_until = 0.0
        self._lag_until = 0.0
        self._stale = False
        self._caught_up = 0.0
        self._newest: dict[str, int] = {}
        self.available: list[tuple[float, str, int]] = []

    def wake(self) -> None:
        """There is something new in the log."""
        self._news.set()

    def disturb(self, fault: Fault) -> None:
        """Break, repeat or delay the deliveries from now on."""
        now = self._process.world.now()
        if fault is Fault.WATCH_GAP:
            self._gap_until = now + GAP_SECONDS
        elif fault is Fault.WATCH_LAG:
            self._lag_until = now + OUTAGE_SECONDS
        else:
            self._stale = True
        self._news.set()

    def available_since(self, revision: str, since: float) -> set[int]:
        """Every number of available pods of a revision that the engine knew of at some time since then."""
        known, found = 0, set()
        for at, name, available in self.available:
            if name == revision and at < since:
                known = available
            elif name == revision:
                found.add(available)
        return {known, *found}

    def blind_for(self, now: float) -> float:
        """Seconds since the last time at which everything that had happened was delivered."""
        return now - self._caught_up

    async def run(self) -> None:
        """List, then deliver until cancelled."""
        self._list()
        while True:
            now = self._process.world.now()
            if now < self._gap_until:
                await asyncio.sleep(self._gap_until - now)
                self._list()
            if self._stale:
                self._stale = False
                for change in self._api.log[max(0, self._cursor - STALE_EVENTS) : self._cursor]:
                    self._deliver(change)
            if self._cursor == len(self._api.log):
                self._caught_up = now
                self._news.clear()
                await self._news.wait()
                continue
            await asyncio.sleep(self._delay())
            await self._process.thawed()
            if self._process.world.now() >= self._gap_until and self._cursor < len(self._api.log):
                change = self._api.log[self._cursor]
                self._cursor += 1
                self._deliver(change)

    def _delay(self) -> float:
        lagging = self._process.world.now() < self._lag_until
        return (LAG_SECONDS if lagging else 0.05) * self._random.random()

    def _list(self) -> None:
        self._cursor = len(self._api.log)
        for kind in WATCHED:
            for obj in self._api.all(kind.kind):
                self._hand_over(kind, "", obj)

    def _deliver(self, change: "Change") -> None:
        kind = _KINDS.get(change.kind)
        if kind is not None:
            self._hand_over(kind, change.type, copied(change.obj))

    def _hand_over(self, kind: Kind, event: str, obj: dict[str, Any]) -> None:
        if kind not in WRITTEN and LABEL_DEPLOYMENT not in obj["metadata"].get("labels", {}):
            return  # the real watches select children by that label
        if kind == DEPLOYMENT:
            self.note(obj)
        self._process.engine.observe(kind, event, obj)

    def note(self, deployment: Mapping[str, Any]) -> None:
        """The engine knows this Deployment now (from a watch, a list or its own write); older news changes nothing."""
        name, version = deployment["metadata"]["name"], int(deployment["metadata"]["resourceVersion"])
        if version <= self._newest.get(name, 0):
            return
        self._newest[name] = version
        status = deployment.get("status") or {}
        current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        revision = deployment["metadata"]["labels"].get(LABEL_REVISION, "")
        available = status.get("availableReplicas", 0) if current else 0
        self.available.append((self._process.world.now(), revision, available))
