"""The ports as one simulated process of the operator holds them: latency, faults, and an end when the process dies."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from modelramp.adapters.catalogue import CATALOGUE, Type
from modelramp.api.errors import ApiServerUnavailable, Conflict, Gone, PrometheusUnavailable, Refused
from modelramp.api.kinds import POD, Kind, Ref
from modelramp.api.names import LABEL_DEPLOYMENT
from modelramp.core.events import RolloutEvent
from modelramp.desired.reading import text
from modelramp.desired.workloads.deployment import DEPLOYMENT
from modelramp.engine.ports import SHARED, Asker, Delivered, Delivery, Endpoint, Object, Sample, WebhookCall
from tests.sim.faults import FROZEN_SECONDS, LATE_SECONDS, OUTAGE_SECONDS, TIMEOUT_SECONDS, Call, Fault
from tests.sim.fieldowners import copied
from tests.sim.streams import Key, Streams, key_of

if TYPE_CHECKING:
    from tests.sim.process import Process

Json = dict[str, Any]
ALWAYS_TAKEN = repeat(Delivery.TAKEN)
"""What a receiver of webhooks says who is never busy."""


class Wire:
    """How every call of one process travels: counted, delayed, and struck by the faults of the plan."""

    def __init__(self, process: "Process") -> None:
        self.process = process
        self.world = process.world
        self._random = random.Random(process.world.random.random())  # noqa: S311 - a simulation, not a secret
        self._streams = Streams(f"{self.world.seed} wire {process.number}", self._random)

    async def call(
        self,
        port: str,
        method: str,
        about: str,
        effect: Callable[[], Any],
        *,
        key: Key | None = None,
        somebody_else_first: Callable[[], None] | None = None,
    ) -> Any:
        """The effect's result after some milliseconds, or what the fault makes of it.

        key: the object that the call concerns; None when it concerns several.
        somebody_else_first: for writes only, what another writer does when the fault is a conflict.
        """
        if not self.process.alive:
            raise asyncio.CancelledError  # a dead process calls nobody
        call, fault = self.world.faults.next(port, method, about, writes=somebody_else_first is not None)
        self.world.trace(f"{self.process.name} {call}" + (f"   <- {fault.name}: {fault}" if fault else ""))
        asked_at = self.world.loop.time()
        self._start(fault, call)
        await self._travel(key)
        await self._before(call, fault, effect)
        if call.writes and key is not None:
            slow = self.world.slow_writes
            await self._slow(call, max(slow.get(key[0], 0.0), slow.get(about.partition(" ")[0], 0.0)), effect)
        if fault is Fault.CONFLICT and somebody_else_first is not None:
            somebody_else_first()
        if call.writes and "Lease" not in about:
            self.world.promised_leader(self.process, str(call))
        result = effect()
        answered_at = self.world.now()
        await self._after(call, fault)
        await self._travel(key)
        await self.process.thawed()
        if port == "cluster":
            self.process.heard(answered_at, self.world.loop.time() - asked_at)
        return result

    async def _before(self, call: Call, fault: Fault | None, effect: Callable[[], Any]) -> None:
        if fault is Fault.CRASH_BEFORE:
            await self._die()
        if fault is Fault.SILENT_BEFORE:
            await self._time_out(call)
        if fault is Fault.LATE_EFFECT:
            self.world.later(LATE_SECONDS, lambda: self._too_late(call, effect))
            await self._time_out(call)
        if self._out(call.port):
            if call.port == "cluster" and self._random.random() < 0.3:
                effect()
            await self._time_out(call)

    async def _after(self, call: Call, fault: Fault | None) -> None:
        if fault is Fault.CRASH_AFTER:
            await self._die()
        if fault is Fault.SILENT_AFTER:
            await self._time_out(call)
        if fault is Fault.FROZEN:
            await self.process.freeze(FROZEN_SECONDS)

    def _start(self, fault: Fault | None, call: Call) -> None:
        world = self.world
        if fault is not None:
            world.disturbed_at = world.now()
        match fault:
            case Fault.OUTAGE:
                world.outages["cluster"] = world.now() + OUTAGE_SECONDS
            case Fault.METRICS_OUTAGE:
                world.outages["metrics"] = world.now() + OUTAGE_SECONDS
            case Fault.WATCH_GAP | Fault.WATCH_STALE | Fault.WATCH_LAG:
                self.process.watch.disturb(fault)
            case Fault.CLOCK_AHEAD | Fault.CLOCK_BACK:
                self.process.jump(fault, lasting=call.number % 2 == 0)
            case _:
                pass

    def _out(self, port: str) -> bool:
        return self.world.now() < self.world.outages.get(port, 0.0)

    def _too_late(self, call: Call, effect: Callable[[], Any]) -> None:
        try:
            effect()
            self.world.trace(f"{call} arrives late and takes effect")
        except (Conflict, Gone, Refused) as error:
            self.world.trace(f"{call} arrives late: {error}")

    async def _travel(self, key: Key | None) -> None:
        await asyncio.sleep(0.002 + 0.02 * self._streams.of(key).random())

    async def _slow(self, call: Call, seconds: float, effect: Callable[[], Any]) -> None:
        """A server that needs its time; when the caller has no more patience the write takes effect all the same."""
        if seconds > TIMEOUT_SECONDS:
            self.world.later(seconds, lambda: self._too_late(call, effect))
            await self._time_out(call)
        await asyncio.sleep(seconds)

    async def _die(self) -> None:
        self.process.crash()
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    async def _time_out(self, call: Call) -> None:
        await asyncio.sleep(TIMEOUT_SECONDS)
        if call.port == "metrics":
            raise PrometheusUnavailable("PrometheusTimeout", f"no answer within {TIMEOUT_SECONDS:.0f} s")
        raise ApiServerUnavailable(f"{call.method} {call.about}: no answer within {TIMEOUT_SECONDS:.0f} s")


class SimCluster:
    """The port `Cluster` on the in-memory API server."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._api = wire.world.api
        self._actor = wire.process.actor

    async def get(self, ref: Ref) -> Object:
        key = self._wire.world.key_at(ref)
        return await self._wire.call("cluster", "get", str(ref), lambda: self._api.get(ref), key=key)

    async def list(
        self, kind: Kind, namespace: str | None = None, selector: str = "", *, fields: str = "", most: int | None = None
    ) -> tuple[Object, ...]:
        about = f"{kind.plural} {namespace or '*'} {selector}"
        whose = selector.removeprefix(f"{LABEL_DEPLOYMENT}=").partition(",")[0]
        found = await self._wire.call(
            "cluster",
            "list",
            about,
            lambda: self._found(kind, namespace, selector),
            key=(namespace, whose if "=" in selector else "") if namespace else None,
        )
        if self._wire.world.slow_lists:
            await asyncio.sleep(self._wire.world.slow_lists)  # what happens meanwhile is not in the list
        found = [obj for obj in found if _selected(obj, fields)][:most]
        for obj in found if kind == DEPLOYMENT else ():
            self._wire.process.watch.note(obj)
        return tuple(found)

    def _found(self, kind: Kind, namespace: str | None, selector: str) -> Sequence[Json]:
        stored: Sequence[Json] = copied([*self._api.all(kind.kind, namespace, selector)])
        if kind == POD and not stored:  # nobody watches them, so that only stories of odd ones store any
            return self._wire.world.kubelet.pods(namespace, selector)
        return stored

    async def pages(
        self, kind: Kind, namespace: str | None = None, selector: str = ""
    ) -> AsyncIterator[tuple[Object, ...]]:
        yield await self.list(kind, namespace, selector)

    async def list_versions(self, kind: Kind, namespace: str, selector: str = "") -> Mapping[str, str]:
        about = f"versions of {kind.plural} {namespace} {selector}"
        found = await self._wire.call("cluster", "list", about, lambda: self._found(kind, namespace, selector))
        return {obj["metadata"]["name"]: obj["metadata"]["resourceVersion"] for obj in found}

    async def create(self, obj: Object) -> Object:
        return await self._write("create", obj, self._api.create)

    async def apply(self, obj: Object) -> Object:
        return await self._write("apply", obj, self._api.apply)

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]]) -> Object:
        sent = copied(list(operations))

        def conflict() -> None:
            raise Conflict("Operation cannot be fulfilled: the object has been modified")

        return await self._wire.call(
            "cluster",
            "patch",
            str(ref),
            lambda: self._api.patch(ref, sent, self._actor),
            key=self._wire.world.key_at(ref),
            somebody_else_first=conflict,
        )

    async def replace_status(self, obj: Object) -> Object:
        self._wire.world.promised_version(obj)
        answer = await self._write("replace_status", obj, self._api.update_status)
        self._wire.process.people.wrote(key_of(answer))
        return answer

    async def delete(self, ref: Ref, uid: str, resource_version: str | None = None) -> None:
        def effect() -> None:
            try:
                self._api.delete(ref, self._actor, uid, resource_version)
            except Gone:
                return

        def conflict() -> None:
            raise Conflict("Precondition failed: resourceVersion")

        key = self._wire.world.key_at(ref)
        await self._wire.call("cluster", "delete", str(ref), effect, key=key, somebody_else_first=conflict)

    async def _write(self, method: str, obj: Object, write: Callable[[Json, str], Json]) -> Object:
        sent = copied(dict(obj))  # what the engine changes afterwards was not sent
        metadata = sent["metadata"]
        about = f"{sent['kind']} {metadata['namespace']}/{metadata['name']}"

        answer = await self._wire.call(
            "cluster",
            method,
            about,
            lambda: write(sent, self._actor),
            key=key_of(sent),
            somebody_else_first=lambda: self._somebody_else_first(method, sent),
        )
        if sent["kind"] == DEPLOYMENT.kind:
            self._wire.process.watch.note(answer)
        return answer

    def _somebody_else_first(self, method: str, sent: Json) -> None:
        current = self._api.find(sent["kind"], sent["metadata"]["namespace"], sent["metadata"]["name"])
        if current is not None:
            touched = {**current["metadata"].get("annotations", {}), "example.com/touched": str(self._api.version)}
            self._api.update({**current, "metadata": {**current["metadata"], "annotations": touched}}, "somebody else")
        if current is None and method == "create":  # a create conflicts only with what is there: a twin's
            self._api.create(sent, self._actor)
        elif current is None or "resourceVersion" not in sent["metadata"]:
            raise Conflict("Operation cannot be fulfilled: the object has been modified")


def _selected(obj: Json, fields: str) -> bool:
    """Whether a field selector holds."""
    terms = (term.partition("!=") if "!=" in term else term.partition("=") for term in fields.split(",") if term)
    return all((text(obj, *path.split(".")) == value) is (sign == "=") for path, sign, value in terms)


class SimMetrics:
    """The port `Metrics` on the scripted Prometheus."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._prometheus = wire.world.prometheus

    async def instant(self, endpoint: Endpoint, query: str, at: int, asker: Asker = SHARED) -> tuple[Sample, ...]:
        series = await self._ask("instant", endpoint, query, (at,))
        return series.get(at, ())

    async def range(
        self, endpoint: Endpoint, query: str, start: int, end: int, step: int, asker: Asker = SHARED
    ) -> Mapping[int, tuple[Sample, ...]]:
        return await self._ask("range", endpoint, query, tuple(range(start, end + 1, step)))

    async def _ask(
        self, method: str, endpoint: Endpoint, query: str, instants: tuple[int, ...]
    ) -> dict[int, tuple[Sample, ...]]:
        address, ledger = endpoint.address, self._wire.process.ledger
        ledger.asked(address, query, instants)
        keys = {subject[0] for subject in self._prometheus.subjects(address, query)}
        about = f"{self._about(address, query)} at {instants}"

        def effect() -> dict[int, tuple[Sample, ...]]:
            if delay > TIMEOUT_SECONDS:
                raise PrometheusUnavailable("PrometheusTimeout", f"{address}: no answer within {TIMEOUT_SECONDS:.0f} s")
            return self._prometheus.answer(address, query, instants)

        delay = self._prometheus.slowness(address, query)
        if delay:
            await asyncio.sleep(min(delay, TIMEOUT_SECONDS))
        answer = await self._wire.call("metrics", method, about, effect, key=keys.pop() if len(keys) == 1 else None)
        ledger.answered(address, query, instants)
        return answer

    def _about(self, address: str, query: str) -> list[tuple[str, str]] | str:
        """What a question is about, for the trace."""
        found = [(check, revision) for _, check, revision in self._prometheus.subjects(address, query)]
        return found if 0 < len(found) < 5 else f"{query[:50]} ({len(found)} revisions) to {address}"


class SimEvents:
    """A channel that remembers what people would read."""

    name = "events"

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def deliver(self, event: RolloutEvent) -> Delivery:
        world = self._wire.world
        reason, key = event.reason.value, (event.object.namespace, event.object.name)
        entry = (world.now(), reason, event.message, event.warning)

        self._wire.process.people.published(key, reason, event.message)

        def effect() -> None:
            world.events.append(entry)
            if key in world.members:
                world.members[key].events.append(entry)

        await self._wire.call("events", "publish", f"{key[1]} {reason}", effect, key=key)
        return Delivery.TAKEN


class SimWebhooks:
    """The port `Webhooks`: the world's receiver, and a way there on which answers get lost."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def call(self, call: WebhookCall) -> Delivered:
        world = self._wire.world
        try:
            await self._wire.call("webhooks", "call", call.url, lambda: world.called.append(call), key=("", call.url))
        except ApiServerUnavailable:
            return Delivered(Delivery.UNKNOWN, "no answer")
        await asyncio.sleep(world.slow_receivers.get(call.url, world.slow_receiver))
        return Delivered(next(world.receiver, Delivery.TAKEN), "as the receiver said")


def _born() -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    for metric in CATALOGUE.values():
        if metric.type is Type.GAUGE:
            continue
        name = metric.name if metric.type is Type.COUNTER else f"{metric.name}_count"
        for values in metric.born if metric.labels else ((),):
            yield name, tuple(sorted(zip(metric.labels, map(str, values), strict=True)))


class SimTelemetry:
    """The port `Telemetry`: log lines go into the trace, counters are kept, and begin as the catalogue says."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self.highest: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self.counters: dict[tuple[str, tuple[tuple[str, str], ...]], int] = dict.fromkeys(_born(), 0)
        self.gauges: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}

    def log(self, event: str, **fields: Any) -> None:
        self._process.world.trace(f"{self._process.name} log: {event} {fields}")

    def warn(self, event: str, **fields: Any) -> None:
        self._process.world.trace(f"{self._process.name} WARN: {event} {fields}")

    def count(self, metric: str, **labels: str) -> None:
        key = (metric, tuple(sorted(labels.items())))
        if key not in self.counters:
            self._process.world.broke("every counter begins at 0", f"{metric} {labels} was born with a 1")
        self.counters[key] = self.counters.get(key, 0) + 1

    def observe(self, metric: str, value: float, **labels: str) -> None:
        self.count(f"{metric}_count", **labels)
        key = (metric, tuple(sorted(labels.items())))
        self.highest[key] = max(value, self.highest.get(key, value))

    def gauge(self, metric: str, value: float | None, **labels: str) -> None:
        key = (metric, tuple(sorted(labels.items())))
        if value is None:
            self.gauges.pop(key, None)
        else:
            self.gauges[key] = value
