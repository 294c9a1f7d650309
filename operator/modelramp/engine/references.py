"""Objects of others that a ModelDeployment refers to: read now and then, and given back when it is deleted.

They carry no label that a watch could select by before they are taken over, and their owners may remove it at any time.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from modelramp.api.errors import Gone, ModelrampError, NoAnswer, Refused, StaleRead
from modelramp.api.kinds import MODEL_DEPLOYMENT, SERVICE, Ref
from modelramp.api.names import FINALIZER, LABEL_BORROWED
from modelramp.api.times import to_seconds
from modelramp.core.phases import IN_FLIGHT
from modelramp.desired.ownership import FieldWrite, Owner, pointer
from modelramp.desired.reading import text
from modelramp.desired.routers import ROUTERS, borrowed_kinds, router_of
from modelramp.desired.traffic import of_router
from modelramp.desired.workloads.deployment import DEPLOYMENT
from modelramp.desired.workloads.reference import (
    SELECTING,
    Selector,
    is_back,
    originals,
    refers,
    restored,
    selectors_in,
)
from modelramp.engine.identity import is_newer
from modelramp.engine.ports import Clock, Cluster, Object, Telemetry
from modelramp.engine.slim import lent
from modelramp.engine.store import Key, Record, Store

WAITING_SECONDS = 2.0
"""Time between two looks while traffic does not follow."""
MOVING_SECONDS = 5.0
"""The same in a rollout."""
RESTING_SECONDS = 15.0
_RETRY_SECONDS_MAX = 30.0
_GIVEN_BACK_SECONDS = 30
"""The longest time for which pods stay after the traffic was given back; scaleDownDelay where that is shorter."""


@dataclass(slots=True)
class References:
    """Keeps `Record.borrowed` in line; one look at a time for each ModelDeployment.

    mark: called with the object's key when there is news.
    """

    store: Store
    cluster: Cluster
    telemetry: Telemetry
    clock: Clock
    mark: Callable[[Key], None]
    _tasks: dict[Key, asyncio.Task[None]] = field(default_factory=dict)

    def unknown(self, record: Record) -> bool:
        """Whether nothing may be decided yet: the objects that a ModelDeployment refers to were never looked at."""
        return record.borrowed is None and needed(record)

    def follow(self, key: Key, record: Record, routed: bool | None = None) -> float:
        """Begin a look if one is due; when the next one is, seconds since the epoch, infinite for never.

        routed: whether traffic follows what was written.
        """
        if not needed(record):
            return math.inf
        now, pause = self.clock.now(), MOVING_SECONDS if record.state.phase in IN_FLIGHT else RESTING_SECONDS
        if routed is not True or record.borrowed is None:
            pause = WAITING_SECONDS
        if now < record.borrowed_at + pause:
            return record.borrowed_at + pause
        record.borrowed_at = now
        self._begin(key, self._look(key, record))
        return now + pause

    def release(self, key: Key, record: Record) -> None:
        """Give back what was borrowed, then let the API server delete the ModelDeployment."""
        if FINALIZER in finalizers(record.obj):
            self._begin(key, self._give_back(key, record))

    async def stop(self) -> None:
        """Cancel what is under way."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def read(self, key: Key, record: Record) -> bool:
        """Read the objects as they are now; whether any is another one than before. Raises what the Cluster raises."""
        before, selects = record.borrowed, list[Selector]()
        refs = dict.fromkeys(self._named(key, record))
        found: dict[tuple[str, str], Object] = {}
        if before is None:
            for kind in borrowed_kinds():
                with suppress(Gone, Refused):
                    for obj in await self.cluster.list(kind, key[0], f"{LABEL_BORROWED}={key[1]}"):
                        refs[Ref(kind, key[0], obj["metadata"]["name"])] = None
        for ref in refs:
            with suppress(Gone):
                found[ref.kind.kind, ref.name] = lent(ref.kind, await self.cluster.get(ref))
        if record.spec is not None and record.spec.workload_ref is not None:
            for kind in SELECTING:
                with suppress(Gone, Refused):
                    selects += selectors_in(kind, await self.cluster.list(kind, key[0]))
        known = record.borrowed or {}  # a write may have been answered meanwhile
        now = {at: known[at] if at in known and is_newer(known[at], obj) else obj for at, obj in found.items()}
        return self.store.refer(key, record, now, selects) or before is None

    def _named(self, key: Key, record: Record) -> Iterable[Ref]:
        if record.spec is not None:
            yield from router_of(record.spec.routing).refers(record.spec.routing, key[0])
        yield from refers(record.spec, record.obj["metadata"])
        kinds = {kind.kind: kind for kind in (*borrowed_kinds(), DEPLOYMENT)}
        for kind, name in record.borrowed or ():
            yield Ref(kinds[kind], key[0], name)

    def _begin(self, key: Key, work: Coroutine[Any, Any, None]) -> None:
        if key in self._tasks:
            work.close()
            return
        task = self._tasks[key] = asyncio.create_task(work, name=f"references of {'/'.join(key)}")
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    async def _look(self, key: Key, record: Record) -> None:
        try:
            news = await self.read(key, record)
        except (NoAnswer, Refused, StaleRead) as error:
            self._warn(key, "what a ModelDeployment refers to was not read", error)
            return
        except Exception as error:  # noqa: BLE001 - strange objects of one ModelDeployment must not stop anything else
            self._warn(key, "look failed", error)
            return
        if news:
            self.mark(key)

    async def _give_back(self, key: Key, record: Record) -> None:
        """Try until it is done; while it is not, the pods of the ModelDeployment serve."""
        delay = 1.0
        while self.store.records.get(key) is record:
            try:
                await self._give_back_once(key, record)
            except ModelrampError as error:
                self._warn(key, "waiting to give back what a ModelDeployment refers to", error)
                await self.clock.sleep(delay)
                delay = min(2 * delay, _RETRY_SECONDS_MAX)
            else:
                return

    async def _give_back_once(self, key: Key, record: Record) -> None:
        record.borrowed = None
        await self.read(key, record)
        owner = Owner(*key, record.uid)
        await self._bring_back(key, record)
        routes: tuple[Object, ...] = self.store.routes(key)
        for router in ROUTERS:
            for write in router.released(owner, of_router(router, routes)):
                if await self._may_be_given_back(write):
                    await self.cluster.patch(write.ref, write.fenced)
                    self.telemetry.log("given back", namespace=key[0], name=key[1], object=str(write.ref))
                else:
                    why = "none of the Services that it named before exists"
                    self.telemetry.warn("not given back", object=str(write.ref), reason=why)
        delay = record.spec.rollout.scale_down_delay if record.spec is not None else _GIVEN_BACK_SECONDS
        await self.clock.sleep(min(delay, _GIVEN_BACK_SECONDS))  # gateways follow, and requests under way end
        current = await self._found(Ref(MODEL_DEPLOYMENT, *key))
        if current is None or current["metadata"]["uid"] != record.uid or FINALIZER not in finalizers(current):
            return
        at = pointer("metadata", "finalizers", list(finalizers(current)).index(FINALIZER))
        drop = ({"op": "test", "path": at, "value": FINALIZER}, {"op": "remove", "path": at})
        await self.cluster.patch(Ref(MODEL_DEPLOYMENT, *key), fenced(current, drop))

    async def _bring_back(self, key: Key, record: Record) -> None:
        """Give Deployments their replicas, and wait until the pods are available, for progressDeadline at most."""
        kept = originals(record.obj["metadata"])
        if not kept:
            return
        asked = to_seconds(text(record.obj, "metadata", "deletionTimestamp") or "1970-01-01T00:00:00Z")
        deadline = record.spec.rollout.progress_deadline if record.spec is not None else _GIVEN_BACK_SECONDS
        for ref in refers(None, record.obj["metadata"]):
            found = await self._found(ref)
            for write in restored(ref.name, kept, {ref.name: found}) if found is not None else ():
                found = await self.cluster.patch(write.ref, write.fenced)
                self.telemetry.log("given back", namespace=key[0], name=key[1], object=str(ref), replicas=write.wanted)
            while found is not None and not is_back(found):
                if self.clock.now() > asked + deadline:
                    self.telemetry.warn("given back without all of its pods", object=str(ref), deadline=deadline)
                    break
                await self.clock.sleep(WAITING_SECONDS)
                found = await self._found(ref)
        await self.clock.sleep(MOVING_SECONDS)  # Services and gateways learn of the pods

    async def _may_be_given_back(self, write: FieldWrite) -> bool:
        if not write.needs:
            return True
        for name, _ in write.needs:
            with suppress(Gone):
                await self.cluster.get(Ref(SERVICE, write.ref.namespace, name))
                return True
        return False

    async def _found(self, ref: Ref) -> Object | None:
        with suppress(Gone):
            return await self.cluster.get(ref)
        return None

    def _warn(self, key: Key, what: str, error: Exception) -> None:
        self.telemetry.warn(what, namespace=key[0], name=key[1], reason=(str(error) or repr(error))[:256])


def needed(record: Record) -> bool:
    """Whether a ModelDeployment refers to objects of others, or has changed some."""
    routing = record.spec.routing if record.spec is not None else None
    namespace = record.obj["metadata"]["namespace"]
    divides = routing is not None and bool(router_of(routing).refers(routing, namespace))
    adopts = record.spec is not None and record.spec.workload_ref is not None
    return divides or adopts or FINALIZER in finalizers(record.obj)


def finalizers(obj: Object) -> tuple[str, ...]:
    """The finalizers of an object."""
    return tuple(obj["metadata"].get("finalizers") or ())


def held(obj: Object) -> list[dict[str, Any]]:
    """The patch that adds our finalizer to a ModelDeployment."""
    path = pointer("metadata", "finalizers")
    if finalizers(obj):
        return fenced(obj, ({"op": "add", "path": f"{path}/-", "value": FINALIZER},))
    return fenced(obj, ({"op": "add", "path": path, "value": [FINALIZER]},))


def fenced(obj: Object, operations: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """A patch that only takes effect on this version of an object."""
    version = {"op": "replace", "path": "/metadata/resourceVersion", "value": obj["metadata"]["resourceVersion"]}
    return [*operations, version]
