"""Kubernetes Events, shown by `kubectl describe`; written in the background, so that the engine never waits."""

import asyncio
import hashlib
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from modelramp.adapters.errors import shortened
from modelramp.api.errors import ApiServerUnavailable, ModelrampError
from modelramp.api.kinds import EVENT
from modelramp.api.names import GROUP
from modelramp.api.text import cut
from modelramp.core.events import RolloutEvent
from modelramp.engine.ports import Clock, Cluster, Delivery, Telemetry

CONTROLLER = f"{GROUP}/operator"
QUEUED = 200
"""Events of one namespace that may wait for the API server; further ones are dropped and counted."""
WORKERS = 16
"""Concurrent writes of Events; at most one per namespace, so that they stay in order."""
SERIES_SECONDS = 600
"""Seconds within which repetitions become one Event with a count."""
_NOTE = 1024
"""Bytes of an Event's note; the API server refuses longer ones."""
_NAME, _INSTANCE = 253, 128
_REMEMBERED = 4096
_RETRY_SECONDS = 2.0
_FAREWELL_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class _Series:
    """One Event as it was first written, and how often it has happened since."""

    body: dict[str, Any]
    last: float
    count: int = 1


class KubernetesEvents:
    """Fulfils engine.ports.Channel. An async context manager: its end waits a moment for what is still queued."""

    name = "events"

    def __init__(self, cluster: Cluster, clock: Clock, telemetry: Telemetry, instance: str) -> None:
        """instance: which replica speaks, such as the pod's name; shows in the Event."""
        self._cluster = cluster
        self._clock = clock
        self._telemetry = telemetry
        self._instance = instance
        self._waiting: OrderedDict[str, deque[RolloutEvent]] = OrderedDict()
        self._busy: set[str] = set()
        self._news = asyncio.Condition()
        self._series: OrderedDict[tuple[str, str, str], _Series] = OrderedDict()
        self._workers: list[asyncio.Task[None]] = []
        self._newest = 0

    async def __aenter__(self) -> Self:
        self._workers = [asyncio.create_task(self._write_all(), name=f"events {number}") for number in range(WORKERS)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS), self._news:
                await self._news.wait_for(lambda: not self._waiting and not self._busy)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def deliver(self, event: RolloutEvent) -> Delivery:
        """Queue an Event about an object; returns at once."""
        waiting = self._waiting.setdefault(event.object.namespace, deque())
        if len(waiting) >= QUEUED:
            self._dropped("full", event, "too many Events of this namespace wait for the API server")
            return Delivery.BUSY
        waiting.append(event)
        async with self._news:
            self._news.notify_all()
        return Delivery.TAKEN

    async def _write_all(self) -> None:
        """Write until cancelled; namespaces take turns, so that one that floods or is slow delays only itself."""
        while True:
            async with self._news:
                await self._news.wait_for(lambda: self._next() is not None)
                namespace = self._next() or ""
                event = self._take(namespace)
            try:
                await self._write(event)
            except ModelrampError as error:
                self._dropped(type(error).__name__, event, str(error))
            except Exception as error:  # noqa: BLE001 - an object of a strange form must not end all Events
                self._dropped(type(error).__name__, event, repr(error))
            finally:
                self._busy.discard(namespace)
            async with self._news:
                self._news.notify_all()

    def _next(self) -> str | None:
        return next((namespace for namespace in self._waiting if namespace not in self._busy), None)

    def _take(self, namespace: str) -> RolloutEvent:
        event = self._waiting[namespace].popleft()
        self._waiting.move_to_end(namespace)
        if not self._waiting[namespace]:
            del self._waiting[namespace]
        self._busy.add(namespace)
        return event

    async def _write(self, event: RolloutEvent) -> None:
        now = self._clock.now()
        key = (event.object.uid, event.reason.value, event.message)
        known = self._series.get(key)
        if known is not None and now - known.last < SERIES_SECONDS:
            series = replace(known, last=now, count=known.count + 1)
            # The API allows nothing but `series` to change.
            body = {**known.body, "series": {"count": series.count, "lastObservedTime": _micro_time(now)}}
        else:
            self._newest = max(self._newest + 1, int(now * 1e6))
            series = _Series(_event(event, self._newest, self._instance), now)
            body = series.body
        self._series[key] = series
        self._series.move_to_end(key)
        if len(self._series) > _REMEMBERED:
            self._series.popitem(last=False)
        # Applying makes a new Event and changes an old one alike, so a second try after a lost answer does no harm.
        try:
            await self._cluster.apply(body)
        except ApiServerUnavailable:
            await self._clock.sleep(_RETRY_SECONDS)
            await self._cluster.apply(body)

    def _dropped(self, why: str, event: RolloutEvent, detail: str) -> None:
        self._telemetry.count("modelramp_events_dropped_total", reason=why)
        self._telemetry.warn(
            "Event dropped",
            reason=event.reason.value,
            namespace=event.object.namespace,
            name=event.object.name,
            detail=detail,
        )


def _event(event: RolloutEvent, at: int, instance: str) -> dict[str, Any]:
    """at: microseconds since the epoch; part of the name, since `kubectl describe` shows Events by name.

    It would sort by deprecatedLastTimestamp, which the API server refuses in an Event with an eventTime.
    """
    about, reason = event.object, event.reason.value
    digest = hashlib.sha256(f"{about.uid}\0{reason}\0{event.message}".encode(errors="replace")).hexdigest()[:8]
    suffix = f".{at:014x}{digest}"
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {
            "name": about.name[: _NAME - len(suffix)].rstrip(".-") + suffix,
            "namespace": about.namespace,
        },
        "eventTime": _micro_time(at / 1e6),
        "reportingController": CONTROLLER,
        "reportingInstance": cut(instance, _INSTANCE) or CONTROLLER,
        "action": "Reconcile",
        "reason": reason,
        "regarding": {
            "apiVersion": about.api_version,
            "kind": about.kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
            "resourceVersion": about.resource_version,
        },
        "note": shortened(event.message, _NOTE),
        "type": "Warning" if event.warning else "Normal",
    }


def _micro_time(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
