"""The order of writes: the status first, as a compare-and-swap; then the route, then all else that is derived from it.

Everything after the status is derived from it, so that repeating it is harmless. The route is written with the
resourceVersion that was read before the status, and every other child with the one that it was last seen with: another
process of the operator that wakes up late is refused.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from modelramp.api.errors import Conflict, Gone, NameTaken, Refused
from modelramp.api.kinds import CONFIG_MAP, CONTROLLER_REVISION, JOB, MODEL_DEPLOYMENT, SERVICE, Kind, Ref
from modelramp.api.names import FINALIZER, LABEL_REVISION
from modelramp.core.capacity import takeover_at
from modelramp.core.state import Decision, Observed, State
from modelramp.core.status.write import essential
from modelramp.core.strategies.registry import traffic_of
from modelramp.desired.config import ABSENT, Copy, content_hash, copy_of
from modelramp.desired.differences import differs, where_differs
from modelramp.desired.kinds import owned
from modelramp.desired.objects import Deletion, Desired, desired, prune
from modelramp.desired.ownership import FieldWrite, Owner, metadata, orphaned, owned_by, pointer
from modelramp.desired.revision import snapshots_of
from modelramp.desired.routers import divides, maker_of
from modelramp.desired.workloads import workload_kinds
from modelramp.desired.workloads.deployment import DEPLOYMENT
from modelramp.desired.workloads.reference import handover
from modelramp.engine.applied import Applied, Contest, after, drift, mark, rewritten
from modelramp.engine.limiter import Priority, WriteLimiter
from modelramp.engine.ports import Cluster, Object, Telemetry
from modelramp.engine.references import finalizers, held
from modelramp.engine.slim import lent, slim
from modelramp.engine.store import Key, Record, Store

T = TypeVar("T")

_MOVING = ("lastTick", "next", "message")
_STATUS_MOVES = 3
"""Conflicts in a row with the status of a child, which its controller writes while pods come and go."""


class StatusRefused(Refused):
    """The API server does not take the status, not even in its smallest form."""


class RouteRefused(Refused):
    """The API server does not take the route, so that traffic stays as it is."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Makes the cluster match a decision; raises what the Cluster raises, having done no harm."""

    store: Store
    cluster: Cluster
    telemetry: Telemetry
    limiter: WriteLimiter

    async def status(
        self, record: Record, obj: Object, status: Mapping[str, Any] | None, decision: Decision, priority: Priority
    ) -> None:
        """Write the status if there is one to write, as a compare-and-swap on `obj`: the version that was decided on.

        The answer may come so late that somebody else's later status is known already: that one then counts.
        Raises StatusRefused when it is not taken in its smallest form either.
        """
        overtaken = False
        if status is not None:
            await self.limiter.acquire(obj["metadata"]["namespace"], priority)
            answer = await self._replace_status(obj, status)
            self.store.observe(MODEL_DEPLOYMENT, "MODIFIED", answer)
            self.telemetry.count("modelramp_writes_total", kind="status", result="ok")
            overtaken = record.obj.get("status") != answer.get("status")
        if not overtaken:
            record.state = decision.state

    async def _replace_status(self, obj: Object, status: Mapping[str, Any]) -> Object:
        try:
            return await self.cluster.replace_status({**obj, "status": dict(status)})
        except Refused as error:
            namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
            self.telemetry.count("modelramp_writes_total", kind="status", result="refused")
            self.telemetry.warn("the status was refused", namespace=namespace, name=name, reason=str(error)[:256])
        try:
            return await self.cluster.replace_status({**obj, "status": essential(status)})
        except Refused as error:
            raise StatusRefused(str(error)) from error

    async def children(
        self,
        key: Key,
        record: Record,
        seen: Observed,
        routes: Sequence[Object],
        now: int,
        priority: Priority,
        *,
        blocked: bool,
    ) -> bool:
        """Make, change and delete what the persisted state calls for; True when anything was written.

        The route comes first, and what is refused holds up nothing else: the first refusal is raised at the end.
        routes: as read before the status write. blocked: the wanted hosts are taken, so that the route keeps its own.
        """
        if record.target is None:
            return False
        owner = Owner(key[0], key[1], record.uid)
        kinds = {kind.kind: kind for kind in owned()}
        known = {name: self.store.children(key, kind) for name, kind in kinds.items()}
        existing = {name: tuple(found.values()) for name, found in known.items()}
        preview = traffic_of(record.target, record.state).preview
        hosts, routing = self.store.hosts, record.target.spec.routing
        taken = hosts.preview_turned_down(key, routing, preview.hostnames if preview is not None else ())
        snapshots = snapshots_of(owner, existing[CONTROLLER_REVISION.kind])
        wanted = desired(
            owner,
            record.target,
            record.state,
            seen,
            snapshots=snapshots,
            current_routes=routes,
            now=now,
            admitted=not blocked,
            preview_admitted=not blocked and not taken,
        )
        record.noticed += wanted.notices
        record.applied = {at: found for at, found in record.applied.items() if (at[0].kind, at[1]) in wanted.kept}
        writes = self._for_revisions(owner, wanted, known, priority)
        before = {(found["kind"], found["metadata"]["name"]): found for found in routes}
        moves = [
            partial(self._apply_route, owner, obj, before.get((obj["kind"], obj["metadata"]["name"])), priority)
            for obj in wanted.routes
        ]
        moves += [partial(self._write_fields, key, record, write, priority) for write in wanted.fields]
        adopted = self._adopted(record, seen, now)
        self._contested(record, wanted.fields + adopted)
        writes = [*moves, *writes] if self._reachable(key, owner, wanted) else [*writes, *moves]
        writes += [partial(self._write_fields, key, record, write, priority) for write in adopted]
        strays = {kind.kind: tuple(self.store.strays(key, kind).values()) for kind in kinds.values()}
        writes += [
            partial(self._delete, key, doomed, {obj["metadata"]["name"]: obj for obj in found[doomed.kind]})
            for found in (existing, strays)
            for doomed in prune(wanted, found)
        ]
        writes += [partial(self._apply, owner, job, known[JOB.kind], priority) for job in wanted.jobs]
        # An outcome that has come meanwhile may be the third breach: it does not wait for what is left to write.
        return await _every(writes, lambda: priority is not Priority.ROLLBACK and bool(record.ticks))

    def _for_revisions(
        self, owner: Owner, wanted: Desired, known: Mapping[str, Mapping[str, Object]], priority: Priority
    ) -> list[Callable[[], Awaitable[bool]]]:
        """The writes that make the objects of revisions: what the pods read comes first."""
        lacking: set[str] = set()
        writes = [partial(self._copy, owner, copy, known[CONFIG_MAP.kind], priority, lacking) for copy in wanted.copies]
        return [
            *writes,
            *(partial(self._apply, owner, obj, known[obj["kind"]], priority, lacking) for obj in wanted.apply),
        ]

    def _adopted(self, record: Record, seen: Observed, now: int) -> tuple[FieldWrite, ...]:
        """What is to be changed for Deployments of somebody else whose place revisions take."""
        if record.target is None:
            return ()
        lent = {name: found for (kind, name), found in (record.borrowed or {}).items() if kind == DEPLOYMENT.kind}
        return handover(record.obj, lent, seen.adopted, serves=now >= takeover_at(record.target, record.state, seen))

    def show_refused_route(self, key: Key, *, refused: bool) -> None:
        """Show, as a metric, that the API server does not take an object's route."""
        namespace, name = key
        shown = 1 if refused and key in self.store.records else None
        self.telemetry.gauge("modelramp_route_refused", shown, namespace=namespace, name=name)

    def _reachable(self, key: Key, owner: Owner, wanted: Desired) -> bool:
        """Whether the Services that routes name have the ports that they name, so that routes may be written first.

        It has not when spec.service.port was changed: then the Services come first.
        """
        ports = self._ports(key)
        made = ((route, maker_of(route["kind"])) for route in wanted.routes)
        named = (each for route, router in made if router is not None for each in router.backends(owner, route))
        fields = all(write.needs <= ports for write in wanted.fields)
        return fields and all((each.name, each.port) in ports for each in named if each.revision is not None)

    def _ports(self, key: Key) -> set[tuple[str, int]]:
        """The ports of the Services of all revisions."""
        return {
            (name, port["port"])
            for name, found in self.store.children(key, SERVICE).items()
            for port in found["spec"].get("ports") or ()
        }

    def _contested(self, record: Record, wanted: Iterable[FieldWrite]) -> None:
        """Note who has changed fields in objects of others since our last write. wanted: what should be written now."""
        now, writes = self.limiter.now(), {write.at: write for write in wanted}
        for at, contest in record.contests.items():
            record.contests[at] = contest.seen(writes[at].found if at in writes else contest.left, now)

    async def _write_fields(self, key: Key, record: Record, write: FieldWrite, priority: Priority) -> bool:
        """Change fields of another owner's object, once the ModelDeployment cannot be deleted without a way back.

        What somebody keeps changing is written now and then only, unless traffic has to leave a version.
        """
        contest = record.contests.get(write.at, Contest(window=write.window))
        if priority is not Priority.ROLLBACK and contest.rests(self.limiter.now()):
            return False
        try:
            if FINALIZER not in finalizers(record.obj) and write.ref.kind != MODEL_DEPLOYMENT:
                await self.limiter.acquire(key[0], priority)
                kept = await self.cluster.patch(Ref(MODEL_DEPLOYMENT, *key), held(record.obj))
                self.store.observe(MODEL_DEPLOYMENT, "MODIFIED", kept)
            await self.limiter.acquire(key[0], priority)
            answer = await self.cluster.patch(write.ref, write.fenced)
        except Refused as error:
            record.borrowed_at = 0.0  # it may have been another object than the one that was read
            if not divides(write.ref.kind.kind):
                raise Refused(f"a change of {write.ref} was refused, so that it keeps its pods: {error}") from error
            raise RouteRefused(f"{write.ref} was refused, so traffic stays as it is: {error}") from error
        self.telemetry.count("modelramp_writes_total", kind=write.ref.kind.kind, result="ok")
        if write.ref.kind == MODEL_DEPLOYMENT:
            self.store.observe(MODEL_DEPLOYMENT, "MODIFIED", answer)
            return True
        if record.borrowed is not None:
            record.borrowed[write.at] = lent(write.ref.kind, answer)
        record.contests[write.at] = contest.written(write.wanted, self.limiter.now())
        if write.told is not None:
            record.noticed.append(write.told)
        return True

    async def _copy(
        self, owner: Owner, copy: Copy, known: Mapping[str, Object], priority: Priority, lacking: set[str]
    ) -> bool:
        """Make the copy of a ConfigMap for a revision, if it has the content that the revision stands for.

        lacking: gets the revision when it has not; its pods must not start then.
        """
        current = known.get(copy.name)
        if copy.content == ABSENT:
            return False
        if current is None or not owned_by(current, owner):
            current = await self._foreign(owner, CONFIG_MAP, {"metadata": {"name": copy.name}})
        if current is not None:
            return not owned_by(current, owner) and await self._take_over(owner, current, priority)
        lacking.add(copy.revision)
        source, found = Ref(CONFIG_MAP, owner.namespace, copy.source), dict[str, Any]()
        with suppress(Gone):
            found |= await self.cluster.get(source)
        if not found or content_hash(found) != copy.content:
            self.store.configs.suspect((owner.namespace, copy.source))
            text = f"{source} no longer has the content of revision {copy.revision}, so no new pods of that can start"
            raise Refused(f"{text}; put the content back, or apply a version for the new one")
        await self.limiter.acquire(owner.namespace, priority)
        answer = await self.cluster.create(copy_of(owner, copy, found))
        lacking.discard(copy.revision)
        return self._kept(CONFIG_MAP, answer)

    async def _take_over(self, owner: Owner, current: Object, priority: Priority) -> bool:
        """Become the owner of a copy that `--cascade=orphan` has left behind."""
        meta = current["metadata"]
        owners = metadata(owner, meta["name"])["ownerReferences"]
        operation = {"op": "add", "path": pointer("metadata", "ownerReferences"), "value": owners}
        ref = Ref(CONFIG_MAP, owner.namespace, meta["name"])
        await self.limiter.acquire(owner.namespace, priority)
        return self._kept(
            CONFIG_MAP, await self.cluster.patch(ref, FieldWrite(ref, current, (operation,), "", "").fenced)
        )

    def _kept(self, kind: Kind, answer: Object) -> bool:
        self.store.observe(kind, "MODIFIED", answer)
        self.telemetry.count("modelramp_writes_total", kind=kind.kind, result="ok")
        return True

    async def _apply(
        self,
        owner: Owner,
        obj: dict[str, Any],
        known: Mapping[str, Object],
        priority: Priority,
        lacking: Collection[str] = (),
    ) -> bool:
        """lacking: revisions that lack copies of ConfigMaps; what would run their pods is not made then."""
        kind = _kind(obj["kind"])
        current = known.get(obj["metadata"]["name"])
        if current is None and kind in workload_kinds() and obj["metadata"]["labels"][LABEL_REVISION] in lacking:
            return False
        if current is None or not owned_by(current, owner):
            current = await self._foreign(owner, kind, obj)
        if current is not None and kind == JOB:
            return False  # a Job is made once: its template cannot be changed
        if self._as_wanted(owner, kind, current, obj):
            return False
        await self.limiter.acquire(owner.namespace, priority)
        if current is None:
            return self._took(owner, kind, None, obj, await self._sent(owner, kind, obj, self.cluster.apply))
        answer = await self._sent(owner, kind, obj, partial(self._apply_over, kind, current))
        return self._took(owner, kind, current, obj, answer)

    async def _apply_over(self, kind: Kind, current: Object, obj: Object) -> Object:
        return await self._unless_changed(kind, current, lambda seen: self.cluster.apply(_fenced(obj, seen)))

    async def _unless_changed(self, kind: Kind, seen: Object, send: Callable[[Object], Awaitable[T]]) -> T:
        """Send a write that is fenced by the version of a child; again when only the child's status has moved.

        Raises Conflict when somebody has changed what the write was decided on.
        """
        for _ in range(_STATUS_MOVES):
            try:
                return await send(seen)
            except Conflict:
                metadata = seen["metadata"]
                found = await self.cluster.get(Ref(kind, metadata["namespace"], metadata["name"]))
                self.store.observe(kind, "MODIFIED", found)
                if found["metadata"]["uid"] != metadata["uid"] or mark(slim(kind, found)) != mark(slim(kind, seen)):
                    raise
                seen = found
        return await send(seen)

    async def _apply_route(self, owner: Owner, obj: dict[str, Any], before: Object | None, priority: Priority) -> bool:
        try:
            return await self._move_route(owner, obj, before, priority)
        except NameTaken:
            raise
        except Refused as error:
            raise RouteRefused(f"the route was refused, so traffic stays as it is: {error}") from error

    async def _move_route(self, owner: Owner, obj: dict[str, Any], before: Object | None, priority: Priority) -> bool:
        kind = _kind(obj["kind"])
        if before is None:
            before = await self._foreign(owner, kind, obj)
        if before is None:
            await self.limiter.acquire(owner.namespace, priority)
            self._as_wanted(owner, kind, None, obj)
            return self._took(owner, kind, None, obj, await self._sent(owner, kind, obj, self._create_route))
        if self._as_wanted(owner, kind, before, obj):
            return False
        await self.limiter.acquire(owner.namespace, priority)
        answer = await self._sent(owner, kind, _fenced(obj, before), self.cluster.apply)
        return self._took(owner, kind, before, obj, answer)

    async def _foreign(self, owner: Owner, kind: Kind, obj: Mapping[str, Any]) -> Object | None:
        """The object of that name if it exists without our knowledge; NameTaken unless it is ours or may be adopted."""
        ref = Ref(kind, owner.namespace, obj["metadata"]["name"])
        try:
            found = await self.cluster.get(ref)
        except Gone:
            return None
        if not (owned_by(found, owner) or orphaned(found, owner)):
            way_out = ", or divide it with spec.routing.gateway.routeRef" if divides(kind.kind) else ""
            way_out += " (kubectl modelramp adopt writes that)" if way_out else ""
            raise NameTaken(f"{ref} exists and belongs to somebody else; rename or delete it{way_out}")
        self.store.observe(kind, "MODIFIED", found)
        return found

    async def _create_route(self, obj: Mapping[str, Any]) -> Object:
        try:
            return await self.cluster.create(obj)
        except Gone:
            router, kind = maker_of(obj["kind"]), _kind(obj["kind"])
            raise Refused(router.absent(kind) if router is not None else f"there is no {kind.kind}") from None

    def _as_wanted(self, owner: Owner, kind: Kind, current: Object | None, wanted: Mapping[str, Any]) -> bool:
        """Whether nothing is to be written: the child is as wanted, or the API server makes another thing of it.

        Notes what somebody else has changed since it was as wanted.
        """
        record = self.store.records.get((owner.namespace, owner.name))
        at = (kind, wanted["metadata"]["name"])
        known = record.applied.get(at) if record is not None else None
        asked = mark(wanted)
        if current is not None and not differs(current, wanted):
            if record is not None and (known is None or known.wanted != asked or known.left):
                record.applied[at] = Applied(asked)
            return True
        if record is None or known is None:
            return False
        if known.is_drift(current, asked):
            record.noticed.append(drift(kind.kind, at[1], where_differs(current, wanted) if current else ""))
        return current is not None and known.in_vain(current, asked, self.limiter.now())

    async def _sent(self, owner: Owner, kind: Kind, obj: Object, send: Callable[[Object], Awaitable[Object]]) -> Object:
        """The answer to a write; without one nobody knows what was applied last."""
        record = self.store.records.get((owner.namespace, owner.name))
        at = (kind, obj["metadata"]["name"])
        known = record.applied.pop(at, None) if record is not None else None
        answer = await send(obj)
        if record is not None and known is not None:
            record.applied[at] = known
        return answer

    def _took(self, owner: Owner, kind: Kind, before: Object | None, wanted: Mapping[str, Any], answer: Object) -> bool:
        """Take in the answer to a write; False when it changed nothing."""
        self._kept(kind, answer)
        record, at = self.store.records.get((owner.namespace, owner.name)), (kind, answer["metadata"]["name"])
        if record is not None and kind != JOB:
            known = record.applied.get(at)
            found = after(known, wanted, slim(kind, answer), self.limiter.now())
            if found.differs and (known is None or known.differs != found.differs):
                record.noticed.append(rewritten(kind.kind, at[1], found.differs))
            record.applied[at] = found
        return before is None or before["metadata"]["resourceVersion"] != answer["metadata"]["resourceVersion"]

    async def _delete(self, key: Key, doomed: Deletion, known: Mapping[str, Object]) -> bool:
        kind = _kind(doomed.kind)
        ref = Ref(kind, doomed.namespace, doomed.name)

        async def send(seen: Object) -> None:
            await self.cluster.delete(ref, doomed.uid, seen["metadata"]["resourceVersion"])

        await self.limiter.acquire(doomed.namespace)
        with suppress(Gone):
            await self._unless_changed(kind, known[doomed.name], send)
        self.store.forget_child(key, kind, doomed.name)
        record = self.store.records.get(key)
        if record is not None:
            record.applied.pop((kind, doomed.name), None)
        self.telemetry.count("modelramp_writes_total", kind=kind.kind, result="ok")
        return True


def _fenced(obj: Mapping[str, Any], seen: Object) -> dict[str, Any]:
    """The object for an apply that only takes effect while `seen` is what the API server has."""
    fence = {name: seen["metadata"][name] for name in ("uid", "resourceVersion")}
    return {**obj, "metadata": {**obj["metadata"], **fence}}


def _kind(name: str) -> Kind:
    """The kind of that name of which the operator makes objects."""
    return next(kind for kind in owned() if kind.kind == name)


async def _every(writes: Iterable[Callable[[], Awaitable[bool]]], interrupted: Callable[[], bool]) -> bool:
    """Try every write; True when any changed something, or when some were left since `interrupted` said so.

    Raises the first Refused at the end; anything else at once, since the next writes would meet it too.
    """
    changed, refused = False, None
    for number, write in enumerate(writes):
        if number and interrupted():
            changed = True
            break
        try:
            changed |= await write()
        except Refused as error:
            refused = refused or error
    if refused is not None:
        raise refused
    return changed


def is_calm(before: State, decision: Decision) -> bool:
    """Whether a decision on ticks found all as it was. Cheap, without a status: most ticks are like that."""
    after = decision.state
    moving = {name: getattr(before, name) for name in ("last_tick", "recent_ticks", "checks")}
    return not decision.findings and replace(after, **moving) == before and _verdicts(before) == _verdicts(after)


def _verdicts(state: State) -> tuple[Any, ...]:
    return (state.recent_ticks[-1:], *((check.name, check.verdict, check.reason) for check in state.checks))


def worth_writing(record: Record, status: Mapping[str, Any], decision: Decision, now: float, *, due: bool) -> bool:
    """Whether the status must be written now: always when something happened.

    So it is when a candidate waits for another reason than the status says: a first version has no ticks.
    due: whether a tick is written that changed nothing. The replay after a restart finds those that are not.
    """
    old = record.obj.get("status") or {}
    if decision.findings or _still(old) != _still(status):
        return True
    state = decision.state
    if old.get("lastTick") == status.get("lastTick"):
        if old.get("message") == status.get("message"):
            return False
        return record.sayings.is_news(spoken_of(state), status.get("message", ""), now)
    return due


def spoken_of(state: State) -> str:
    """The revision that the message speaks of: the candidate, or what serves."""
    return state.candidate.version.revision if state.candidate is not None else state.subject or ""


def _still(status: Mapping[str, Any]) -> dict[str, Any]:
    """The status without what moves at every healthy tick."""
    checks = [{name: check.get(name) for name in ("name", "verdict", "reason")} for check in status.get("checks", ())]
    kept = {name: value for name, value in status.items() if name not in _MOVING}
    return {**kept, "checks": checks, "ticks": status.get("ticks", "")[-1:]}
