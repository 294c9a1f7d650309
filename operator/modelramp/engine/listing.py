"""The observing half of the engine: what watches report and what complete lists say goes into the store.

An object that cannot be read is shown by its name and stops nothing: neither the list nor the watch that brought it.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from modelramp.api.errors import Gone, ModelrampError, NoAnswer, NotLeading, Refused
from modelramp.api.kinds import MODEL_DEPLOYMENT, NAMESPACE, POLICIES, Kind
from modelramp.core.conditions import unreadable
from modelramp.desired.kinds import dispensable, may_be_absent, selector, watched
from modelramp.engine.identity import identified
from modelramp.engine.ports import Clock, Cluster, Object, Telemetry
from modelramp.engine.store import Key, Store

_SWEEP_POLL_SECONDS = 15.0
_GAP_SECONDS = 5.0
"""Shortest time between two lists of a kind whose watch has missed changes."""
_SLICE_SECONDS = 0.02
"""The event loop is given back after so much work: probes, watches and ticks wait no longer."""
_CALM_SECONDS = 0.5
"""Users of a policy are looked at so long after it changed: one that is patched again and again is resolved once."""
_SAID = 1024
"""Unreadable objects that are remembered, so that each is said once."""
_GRANT = "grant it (manifests/operator/rbac.yaml)"


class Listing:
    """Keeps the store in line with the cluster. `observe` is called by watches, from the same event loop.

    listed: set after the first complete list. unwatched: kinds that it could not read; a watch of them would fail.
    """

    def __init__(
        self,
        *,
        store: Store,
        cluster: Cluster,
        telemetry: Telemetry,
        clock: Clock,
        namespaces: tuple[str, ...],
        sweep_interval: float,
        mark: Callable[[Key], None],
        beat: Callable[[], None],
    ) -> None:
        """mark: called for each object to decide on again. beat: called while waiting for the first complete list."""
        self.store = store
        self._cluster = cluster
        self._telemetry = telemetry
        self._clock = clock
        self._namespaces = namespaces
        self._sweep_interval = sweep_interval
        self._mark = mark
        self._beat = beat
        self.synced = False
        self.listed = asyncio.Event()
        self._refused: set[Kind] = set()
        self.unwatched: frozenset[Kind] = frozenset()
        self._unlisted: set[Kind] = set()
        self._gap = asyncio.Event()
        self._said: dict[tuple[str, str, str], str] = {}
        self._unresolved: dict[Key, None] = {}
        self._unshown: dict[Key, None] = {}
        self._changed = asyncio.Event()
        self._slice_began = 0.0
        self._missing = ""

    def readiness(self) -> tuple[bool, str]:
        """Whether everything was listed once, and a sentence that says what was not."""
        if not self.synced:
            return False, f"waiting for the first complete list; {self._missing or 'it was not asked for yet'}"
        unread = ", ".join(sorted(kind.plural for kind in self._refused))
        return True, f"ready, but may not read {unread}" if unread else "ready"

    def observe(self, kind: Kind, event: str, obj: Object) -> None:
        """Take in what a watch reported: ADDED, MODIFIED or DELETED.

        Never raises: an object that cannot be read is said, and the next one is taken in.
        """
        self._telemetry.count("modelramp_watch_events_total", kind=kind.kind, type=event)
        self._take(kind, event, obj, repeated=True)

    def list_again(self, kind: Kind) -> None:
        """Have a kind listed soon, since its watch has missed what happened before now."""
        self._telemetry.count("modelramp_watch_events_total", kind=kind.kind, type="LISTED")
        self._unlisted.add(kind)
        self._gap.set()

    def _take(self, kind: Kind, event: str, obj: Object, *, repeated: bool = False) -> tuple[str, str] | None:
        """Take in one object; its namespace and name, or None when not even those can be read.

        repeated: a version that is known already is no news, as after each write of our own.
        """
        namespace, name = _called(obj)
        try:
            identified(obj)
            if repeated and event != "DELETED" and self.store.has(kind, obj):
                return namespace, name
            if kind in POLICIES:
                self._resolve_later(self.store.policies.observe(kind, event, obj))
            elif kind == NAMESPACE:
                self._resolve_later(self.store.within(self.store.freezes.observe(event, obj)))
            elif (changed := self.store.observe(kind, event, obj)) is not None:
                self._mark(changed)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one object is no matter of the others
            self._say(kind, namespace, name, str(error) or repr(error))
            return (namespace, name) if name else None
        if kind == MODEL_DEPLOYMENT and (found := self.store.unreadable.get((namespace, name))) is not None:
            self._say(kind, namespace, name, f"its status cannot be read: {found.why}")
            self._unshown[namespace, name] = None
            self._changed.set()
        else:
            self._unsay(kind, namespace, name)
        return namespace, name

    def _say(self, kind: Kind, namespace: str, name: str, why: str) -> None:
        about = (kind.kind, namespace, name)
        if self._said.get(about) == why:
            return
        if len(self._said) >= _SAID:
            self._unsay(kind, *next(iter(self._said))[1:])
        self._said[about] = why
        self._telemetry.gauge("modelramp_unreadable_objects", 1, kind=kind.kind, namespace=namespace, name=name)
        self._telemetry.warn("an object cannot be read", kind=kind.kind, namespace=namespace, name=name, reason=why)

    def _unsay(self, kind: Kind, namespace: str, name: str) -> None:
        if self._said.pop((kind.kind, namespace, name), None) is not None:
            self._telemetry.gauge("modelramp_unreadable_objects", None, kind=kind.kind, namespace=namespace, name=name)

    async def sync(self) -> None:
        """Return after the first complete list; while there is no answer, try again."""
        delay = 1.0
        while True:
            try:
                for kind in watched():
                    self._missing = f"{kind.plural} are being listed"
                    await self._list_kind(kind)
            except (NoAnswer, Refused) as error:
                advice = {"advice": _GRANT} if isinstance(error, Refused) else {}
                self._telemetry.warn("waiting for the API server", reason=str(error), retry_seconds=delay, **advice)
                self._missing = str(error)
                self._beat()  # a restart would not help
                await self._clock.sleep(delay)
                delay = min(delay * 2, 30.0)
            else:
                self.unwatched = frozenset(self._refused)
                self.synced = True
                self.listed.set()
                return

    async def _list_kind(self, kind: Kind) -> None:
        if kind in POLICIES:
            await self._list_policies(kind)
            return
        if kind == NAMESPACE:
            await self._list_namespaces()
            return
        try:
            for namespace in self._namespaces or (None,):
                before = self.store.names(kind, namespace)  # what is added while the list is under way is not in it
                listed = await self._list(kind, namespace)
                if listed is not None:
                    gone = [name for name in before if name[:2] not in listed]
                    for key in self.store.lacking(kind, gone):
                        self._mark(key)
        except Refused as error:
            if not dispensable(kind):
                raise
            self._cannot_read(kind, error)
        else:
            self._can_read(kind)

    async def _list_namespaces(self) -> None:
        """Without rights on them, or in given namespaces only, no Namespace can be frozen by its annotation."""
        if self._namespaces:
            return
        freezes = self.store.freezes
        before = freezes.names()
        try:
            listed = await self._list(NAMESPACE, None)
        except Refused as error:
            self._cannot_read(NAMESPACE, error)
            return
        self._can_read(NAMESPACE)
        if listed is not None:
            gone = before - {name for _, name in listed}
            self._resolve_later(self.store.within(freezes.lacking(gone)))

    def _cannot_read(self, kind: Kind, error: ModelrampError) -> None:
        if kind not in self._refused:
            self._refused.add(kind)
            advice = f"{_GRANT}; until then what needs it waits, the rest goes on"
            self._telemetry.warn("a kind cannot be read", kind=kind.kind, reason=str(error), advice=advice)

    def _can_read(self, kind: Kind) -> None:
        if kind in self._refused:
            self._refused.discard(kind)
            self._telemetry.log("a kind can be read again", kind=kind.kind)

    async def _list_policies(self, kind: Kind) -> None:
        """Policies that cannot be read are missing for those who refer to them, and hold up nobody else."""
        policies = self.store.policies
        if self._namespaces and not kind.namespaced:
            why = "the operator works in given namespaces only and reads no policies of the cluster; use a HealthPolicy"
            self._resolve_later(policies.cannot_read(kind, why))
            return
        try:
            for namespace in self._namespaces or (None,):
                before = policies.names(kind, namespace)
                listed = await self._list(kind, namespace)
                if listed is not None:
                    self._resolve_later(policies.lacking(name for name in before if name[1:] not in listed))
            self._resolve_later(policies.cannot_read(kind, ""))
            self._can_read(kind)
        except (Gone, Refused) as error:
            self._cannot_read(kind, error)
            self._resolve_later(policies.cannot_read(kind, str(error)))

    async def _list(self, kind: Kind, namespace: str | None) -> set[tuple[str, str]] | None:
        """Take in a complete list; the namespace and name of each object, or None when one has no name to be known by.

        Nothing may then be taken for gone: it may be that one.
        """
        listed: set[tuple[str, str]] = set()
        whole = True
        said = {about[1:] for about in self._said if about[0] == kind.kind and namespace in {None, about[1]}}
        try:
            async for page in self._cluster.pages(kind, namespace, selector(kind)):
                for obj in page:
                    name = self._take(kind, "MODIFIED", obj)
                    whole = whole and name is not None
                    listed.update((name,) if name is not None else ())
                    await self._breathe()
        except Gone:
            if not may_be_absent(kind):
                raise  # without a router's CRDs it has made nothing; the status of who asks for it says so
        if not whole:
            return None
        for name in said - listed:
            self._unsay(kind, *name)  # it is gone, though no watch said so
        return listed

    async def _breathe(self, pause: float = 0.0) -> None:
        """Give the event loop back when this slice of work has been long enough."""
        if self._clock.now() - self._slice_began >= _SLICE_SECONDS:
            await self._clock.sleep(pause)
            self._slice_began = self._clock.now()

    def _resolve_later(self, users: Iterable[Key]) -> None:
        """Users of policies that changed keep the checks that they have until their turn comes."""
        self._unresolved.update(dict.fromkeys(users))
        if self._unresolved:
            self._changed.set()

    async def sweep(self) -> None:
        """Keep the store in line until cancelled: by lists now and then, and with what watches brought meanwhile."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_up())
            tasks.create_task(self._list_now_and_then())
            tasks.create_task(self._list_after_gaps())

    async def _follow_up(self) -> None:
        """Resolve the policies of those whose policies changed, and show what cannot be read."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._clock.sleep(_CALM_SECONDS)
            users, self._unresolved = self._unresolved, {}
            for user in users:
                for key in self.store.resolve((user,)):
                    self._mark(key)
                await self._breathe(_SLICE_SECONDS)
            keys, self._unshown = self._unshown, {}
            for key in keys:
                await self._show(key)

    def show_unreadable(self) -> None:
        """Say it in every status that cannot be read: this process leads from now on."""
        self._unshown.update(dict.fromkeys(self.store.unreadable))
        if self._unshown:
            self._changed.set()

    async def _show(self, key: Key) -> None:
        """Say in the status itself that it cannot be read."""
        found = self.store.unreadable.get(key)
        if found is None or found.newer:
            return
        metadata, raw = found.obj["metadata"], found.obj.get("status")
        if not isinstance(raw, dict):
            return
        shown = unreadable(raw, found.why, generation=metadata.get("generation", 0), now=int(self._clock.now()))
        if (raw.get("reason"), raw.get("message")) == (shown["reason"], shown["message"]):
            return
        try:
            await self._cluster.replace_status({**found.obj, "status": shown})
        except NotLeading:
            return  # the replica that leads says it
        except ModelrampError as error:  # the next list, or the change that made it fail, brings the object again
            self._telemetry.warn("a status was not marked", namespace=key[0], name=key[1], reason=str(error))

    async def _list_now_and_then(self) -> None:
        """List everything now and then; what is not watched, at every look.

        What could not be listed is listed at the next look.
        """
        listed, left = self._clock.now(), frozenset[Kind]()
        while True:
            await self._clock.sleep(_SWEEP_POLL_SECONDS)
            now = self._clock.now()
            due = now - listed >= self._sweep_interval
            if due:
                listed = now
            again = left | self.unwatched
            left = await self._list_again([kind for kind in watched() if due or kind in again])

    async def _list_after_gaps(self) -> None:
        """List a kind as soon as its watch has missed changes, and no sooner than _GAP_SECONDS after the last time."""
        while True:
            await self._gap.wait()
            self._gap.clear()
            kinds, self._unlisted = self._unlisted, set()
            self._unlisted |= await self._list_again([kind for kind in watched() if kind in kinds])
            await self._clock.sleep(_GAP_SECONDS)
            if self._unlisted:
                self._gap.set()

    async def _list_again(self, kinds: Sequence[Kind]) -> frozenset[Kind]:
        """List these kinds; those of which there was no list. While there is no answer the rest is not asked for."""
        left = set()
        for index, kind in enumerate(kinds):
            try:
                await self._list_kind(kind)
            except ModelrampError as error:
                self._telemetry.warn("a kind was not listed", kind=kind.kind, reason=str(error))
                left.add(kind)
                if isinstance(error, NoAnswer):
                    return frozenset(left.union(kinds[index:]))
        return frozenset(left)


def _called(obj: Object) -> tuple[str, str]:
    """The namespace and name of an object, "" where it has none."""
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    found = metadata if isinstance(metadata, dict) else {}
    names = (found.get("namespace"), found.get("name"))
    return tuple(name if isinstance(name, str) else "" for name in names)  # type: ignore[return-value]
