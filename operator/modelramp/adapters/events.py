"""Kubernetes Events, shown by `kubectl describe`; written in the background, so that the engine never waits."""

import asyncio
import hashlib
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from modelramp.adapters.cluster import EVENT
from modelramp.adapters.errors import shortened
from modelramp.api.errors import ApiServerUnavailable, ModelrampError
from modelramp.api.names import GROUP
from modelramp.api.text import cut
from modelramp.engine.ports import Clock, Cluster, Object, Telemetry

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


_Entry = tuple[Object, str, str, bool]


@dataclass(frozen=True, slots=True)
class _Series:
    """One Event as it was first written, and how often it has happened since."""

    body: dict[str, Any]
    last: float
    count: int = 1


class KubernetesEvents:
    """Fulfils engine.ports.Events. An async context manager: its end waits a moment for what is still queued."""

    def __init__(self, cluster: Cluster, clock: Clock, telemetry: Telemetry, instance: str) -> None:
        """instance: which replica speaks, such as the pod's name; shows in the Event."""
        self._cluster = cluster
        self._clock = clock
        self._telemetry = telemetry
        self._instance = instance
        self._waiting: OrderedDict[str, deque[_Entry]] = OrderedDict()
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

    async def publish(self, about: Object, reason: str, message: str, warning: bool) -> None:
        """Queue an Event about an object; returns at once."""
        namespace = str((about.get("metadata") or {}).get("namespace", ""))
        waiting = self._waiting.setdefault(namespace, deque())
        if len(waiting) >= QUEUED:
            self._dropped("full", reason, about, "too many Events of this namespace wait for the API server")
            return
        waiting.append((about, reason, message, warning))
        async with self._news:
            self._news.notify_all()

    async def _write_all(self) -> None:
        """Write for ever; namespaces take turns, so that one that floods or is slow delays only itself."""
        while True:
            async with self._news:
                await self._news.wait_for(lambda: self._next() is not None)
                namespace = self._next() or ""
                about, reason, message, warning = self._take(namespace)
            try:
                await self._write(about, reason, message, warning)
            except ModelrampError as error:
                self._dropped(type(error).__name__, reason, about, str(error))
            except Exception as error:  # noqa: BLE001 - an object of a strange form must not end all Events
                self._dropped(type(error).__name__, reason, about, repr(error))
            finally:
                self._busy.discard(namespace)
            async with self._news:
                self._news.notify_all()

    def _next(self) -> str | None:
        return next((namespace for namespace in self._waiting if namespace not in self._busy), None)

    def _take(self, namespace: str) -> _Entry:
        entry = self._waiting[namespace].popleft()
        self._waiting.move_to_end(namespace)
        if not self._waiting[namespace]:
            del self._waiting[namespace]
        self._busy.add(namespace)
        return entry

    async def _write(self, about: Object, reason: str, message: str, warning: bool) -> None:
        now = self._clock.now()
        key = (about["metadata"].get("uid", ""), reason, message)
        known = self._series.get(key)
        if known is not None and now - known.last < SERIES_SECONDS:
            series = replace(known, last=now, count=known.count + 1)
            # The API allows nothing but `series` to change.
            body = {**known.body, "series": {"count": series.count, "lastObservedTime": _micro_time(now)}}
        else:
            self._newest = max(self._newest + 1, int(now * 1e6))
            series = _Series(_event(about, reason, message, warning, self._newest, self._instance), now)
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

    def _dropped(self, why: str, reason: str, about: Object, detail: str) -> None:
        metadata = about.get("metadata") or {}
        self._telemetry.count("modelramp_events_dropped_total", reason=why)
        self._telemetry.warn(
            "Event dropped",
            reason=reason,
            namespace=metadata.get("namespace"),
            name=metadata.get("name"),
            detail=detail,
        )


def _event(about: Object, reason: str, message: str, warning: bool, at: int, instance: str) -> dict[str, Any]:
    """at: microseconds since the epoch; stands in the name, since `kubectl describe` shows Events by name.

    It would sort by deprecatedLastTimestamp, which the API server refuses in an Event with an eventTime.
    """
    metadata = about["metadata"]
    uid = metadata.get("uid", "")
    digest = hashlib.sha256(f"{uid}\0{reason}\0{message}".encode(errors="replace")).hexdigest()[:8]
    suffix = f".{at:014x}{digest}"
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {
            "name": metadata["name"][: _NAME - len(suffix)].rstrip(".-") + suffix,
            "namespace": metadata["namespace"],
        },
        "eventTime": _micro_time(at / 1e6),
        "reportingController": CONTROLLER,
        "reportingInstance": cut(instance, _INSTANCE) or CONTROLLER,
        "action": "Reconcile",
        "reason": reason,
        "regarding": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": uid,
            "resourceVersion": metadata.get("resourceVersion", ""),
        },
        "note": shortened(message, _NOTE),
        "type": "Warning" if warning else "Normal",
    }


def _micro_time(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
