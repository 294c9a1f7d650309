"""The watches of one process: they deliver every change in order, a little late; they can be disturbed.

Usually one stream carries all kinds. In a world `apart` each kind has a stream of its own, as in life: what happened
first to one kind may be heard after what happened later to another.
"""

import asyncio
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelramp.api.kinds import WRITTEN, Kind
from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION
from modelramp.desired.kinds import watched
from modelramp.desired.names import child_name
from modelramp.desired.workloads.deployment import DEPLOYMENT
from tests.sim.faults import GAP_SECONDS, LAG_SECONDS, OUTAGE_SECONDS, Fault
from tests.sim.fieldowners import copied
from tests.sim.streams import Key, Streams, key_of

if TYPE_CHECKING:
    from tests.sim.apiserver import Change
    from tests.sim.process import Process

STALE_EVENTS = 30
LATE_SECONDS = 0.05


class Watch:
    """Feeds one engine. What was deleted while the watches were broken is never reported, as in life."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        chance = random.Random(process.world.random.random())  # noqa: S311 - a simulation, not a secret
        groups = [(kind,) for kind in watched()] if process.world.apart else [watched()]
        self._streams = [_Stream(process, self, kinds, chance) for kinds in groups]
        self._newest: dict[tuple[str, str], int] = {}
        self.available: list[tuple[float, Key, str, tuple[int, int]]] = []

    def wake(self) -> None:
        """There is something new in the log."""
        for stream in self._streams:
            stream.news.set()

    def disturb(self, fault: Fault) -> None:
        """Break, repeat or delay the deliveries from now on."""
        now = self._process.world.now()
        for stream in self._streams:
            if fault is Fault.WATCH_GAP:
                stream.gap_until = now + GAP_SECONDS
            elif fault is Fault.WATCH_LAG:
                stream.lag_until = now + OUTAGE_SECONDS
            else:
                stream.stale = True
        self.wake()

    def available_since(self, key: Key, revision: str, since: float) -> set[tuple[int, int]]:
        """Every number of available pods of a revision, and of those it was given, that the engine knew of since."""
        known, found = (0, 0), set()
        for at, whose, name, available in self.available:
            if (whose, name) == (key, revision) and at < since:
                known = available
            elif (whose, name) == (key, revision):
                found.add(available)
        return {known, *found}

    def blind_for(self, now: float) -> float:
        """Seconds since the last time at which everything that had happened was delivered."""
        return now - min(stream.caught_up for stream in self._streams)

    async def run(self) -> None:
        """Deliver until cancelled."""
        if len(self._streams) == 1:
            await self._streams[0].run()
            return
        async with asyncio.TaskGroup() as tasks:
            for stream in self._streams:
                tasks.create_task(stream.run())

    def note(self, deployment: Mapping[str, Any]) -> None:
        """The engine knows this Deployment now (from a watch, a list or its own write); older news changes nothing."""
        metadata = deployment["metadata"]
        name, version = (metadata["namespace"], metadata["name"]), int(metadata["resourceVersion"])
        if version <= self._newest.get(name, 0):
            return
        self._newest[name] = version
        status = deployment.get("status") or {}
        current = status.get("observedGeneration", 0) >= metadata["generation"]
        revision = metadata["labels"].get(LABEL_REVISION, "")
        if metadata["name"] != child_name(metadata["labels"][LABEL_DEPLOYMENT], revision):
            return  # a copy that somebody made
        available = status.get("availableReplicas", 0) if current else 0
        found = (available, deployment["spec"]["replicas"])
        self.available.append((self._process.world.now(), key_of(deployment), revision, found))


class _Stream:
    """The watch of some kinds."""

    def __init__(self, process: "Process", watch: Watch, kinds: tuple[Kind, ...], chance: random.Random) -> None:
        self._process = process
        self._watch = watch
        self._api = process.world.api
        self._kinds = {kind.kind: kind for kind in kinds}
        self._alone = len(kinds) == 1
        self._random = chance
        self._delays = Streams(f"{process.world.seed} watch {process.number} {kinds[0].kind}", chance)
        self._cursor = 0
        self.news = asyncio.Event()
        self.gap_until = 0.0
        self.lag_until = 0.0
        self.stale = False
        self.caught_up = 0.0

    async def run(self) -> None:
        """Deliver until cancelled what happens after the engine has begun to list."""
        self._cursor = len(self._api.log)
        while True:
            now = self._process.world.now()
            if now < self.gap_until:
                await asyncio.sleep(self.gap_until - now)
                self._begin()
            if self.stale:
                self.stale = False
                for change in self._api.log[max(0, self._cursor - STALE_EVENTS) : self._cursor]:
                    self._deliver(change)
            self._skip()
            if self._cursor == len(self._api.log):
                self.caught_up = now
                self.news.clear()
                await self.news.wait()
                continue
            await asyncio.sleep(self._delay(self._api.log[self._cursor]))
            await self._process.thawed()
            if self._process.world.now() >= self.gap_until and self._cursor < len(self._api.log):
                change = self._api.log[self._cursor]
                self._cursor += 1
                self._deliver(change)

    def _skip(self) -> None:
        """Pass over the changes of other streams."""
        while self._alone and self._cursor < len(self._api.log) and self._api.log[self._cursor].kind not in self._kinds:
            self._cursor += 1

    def _delay(self, change: "Change") -> float:
        now = self._process.world.now()
        lagging = now < self.lag_until
        if not self._alone:
            return (LAG_SECONDS if lagging else LATE_SECONDS) * self._random.random()
        late = self._process.world.late_kinds.get(change.kind, LAG_SECONDS if lagging else LATE_SECONDS)
        return max(0.0, change.at - now + late * self._delays.of_object(change.obj).random())

    def _begin(self) -> None:
        """Go on from now."""
        self._cursor = len(self._api.log)
        for kind in self._kinds.values():
            self._process.engine.listing.list_again(kind)

    def _deliver(self, change: "Change") -> None:
        kind = self._kinds.get(change.kind)
        if kind is not None:
            self._hand_over(kind, change.type, copied(change.obj))

    def _hand_over(self, kind: Kind, event: str, obj: dict[str, Any]) -> None:
        if kind not in WRITTEN and LABEL_DEPLOYMENT not in obj["metadata"].get("labels", {}):
            return  # the real watches select children by that label
        namespaces = self._process.world.options.get("namespaces")
        if namespaces and obj["metadata"].get("namespace") not in namespaces:
            return  # nor does Kopf watch other namespaces than those that are given
        if kind == DEPLOYMENT:
            self._watch.note(obj)
        self._process.engine.observe(kind, event, obj)
