"""Prometheus: every question is bounded in time and size, and every failure has a reason that people can act on."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from modelramp.adapters.circuit import Circuit
from modelramp.adapters.credentials import Credentials, ReadSecret
from modelramp.adapters.errors import shortened
from modelramp.adapters.prometheus_answers import instant_samples, range_samples
from modelramp.adapters.prometheus_failures import FOREIGN, failure
from modelramp.adapters.prometheus_session import Answer, Clients, Wire
from modelramp.api.errors import PrometheusSilent
from modelramp.api.names import Reason
from modelramp.engine.ports import SHARED, Asker, Clock, Endpoint, Sample, Telemetry

WORKERS = 4
PER_ADDRESS = 3
"""Workers that one address may hold: one is always left for the others."""
_GRACE_SECONDS = 1.0
_ADDRESSES = 1024
_WARNINGS = 1000

Found = TypeVar("Found")


@dataclass(slots=True)
class _Line:
    """What is known about one address."""

    circuit: Circuit = field(default_factory=Circuit)
    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PER_ADDRESS))


@dataclass(frozen=True, slots=True)
class _Question:
    """A call of the library's client, and the instant that it is about."""

    endpoint: Endpoint
    about: int
    ask: Callable[[Any], Any]


class PrometheusMetrics:
    """Fulfils engine.ports.Metrics. An async context manager: leaving it cuts what is under way."""

    def __init__(
        self,
        telemetry: Telemetry,
        clock: Clock,
        read_secret: ReadSecret,
        *,
        timeout: float = 10.0,
        ca_file: str | None = None,
        default_secrets: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        """timeout: seconds for one question. default_secrets: address -> Secret for endpoints that name none."""
        self._telemetry = telemetry
        self._credentials = Credentials(read_secret, clock)
        self._timeout = timeout
        self._default_secrets = default_secrets or {}
        self._clients = Clients(timeout, ca_file)
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="prometheus")
        self._free = asyncio.Semaphore(WORKERS)
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        self._under_way: set[Wire] = set()
        self._told: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Cut what is under way, end the workers, close the connections."""
        for wire in self._under_way:
            wire.cut()
        await asyncio.to_thread(self._workers.shutdown, cancel_futures=True)
        self._clients.close()

    async def instant(
        self,
        endpoint: Endpoint,
        query: str,
        at: int,
        asker: Asker = SHARED,  # noqa: ARG002 - lanes by namespace come with the asynchronous client
    ) -> tuple[Sample, ...]:
        """The query's value at the instant `at`; a scalar comes as one sample without labels."""
        params = {"time": at, **self._limits()}
        question = _Question(endpoint, at, lambda client: client.custom_query(query, params))
        return await self._answered(question, instant_samples)

    async def range(
        self,
        endpoint: Endpoint,
        query: str,
        start: int,
        end: int,
        step: int,
        asker: Asker = SHARED,  # noqa: ARG002 - as above
    ) -> Mapping[int, tuple[Sample, ...]]:
        """The query's value at start, start+step, ... end; instants without any sample are missing."""
        first, last, params = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC), self._limits()
        question = _Question(
            endpoint, end, lambda client: client.custom_query_range(query, first, last, str(step), params)
        )
        return await self._answered(question, range_samples)

    def _limits(self) -> dict[str, str]:
        # Prometheus gives up by itself at the time-out, and Thanos fails instead of leaving out a store that is
        # down: a part of the data would look like all of it.
        return {"timeout": f"{self._timeout:g}s", "partial_response": "false"}

    async def _answered(self, question: _Question, read: Callable[[str, Any], Found]) -> Found:
        """The answer as samples; counts how it went."""
        try:
            answer, found = await self._asked(question, read)
        except PrometheusSilent as error:
            self._telemetry.count("modelramp_queries_total", result=str(error.reason))
            raise
        self._telemetry.count("modelramp_queries_total", result="ok")
        self._pass_on(question.endpoint.address, answer.warnings)
        return found

    async def _asked(self, question: _Question, read: Callable[[str, Any], Found]) -> tuple[Answer, Found]:
        address = question.endpoint.address
        secret = question.endpoint.secret or self._default_secrets.get(address)
        headers = await self._credentials.headers(secret)
        line = self._line(address)
        wire = Wire()

        def work() -> tuple[Answer, Found]:
            answer = self._clients.ask(address, headers, wire, question.ask)
            return answer, read(answer.kind, answer.result)

        try:
            answer = await self._in_worker(line, question, wire, work)
        except FOREIGN as error:
            line.circuit.failed(question.about)
            raise failure(error, address, self._timeout) from None
        except PrometheusSilent as error:
            if error.reason != Reason.PROMETHEUS_UNREACHABLE:
                raise
            self._credentials.forget(secret)
            raise PrometheusSilent(error.reason, f"{address}: {error.detail}") from None
        return answer

    async def _in_worker(self, line: _Line, question: _Question, wire: Wire, work: Callable[[], Found]) -> Found:
        """Run in a thread, below a deadline. A thread that overruns it keeps its place until it has really ended."""
        await line.free.acquire()
        try:
            await self._free.acquire()
        except BaseException:
            line.free.release()
            raise

        def release() -> None:
            line.free.release()
            self._free.release()

        if line.circuit.refuses(question.about):
            release()
            raise PrometheusSilent(
                Reason.PROMETHEUS_UNREACHABLE, "several questions in a row had no answer; asked again at the next tick"
            )
        loop = asyncio.get_running_loop()
        started = time.monotonic()
        future = self._workers.submit(work)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(release))
        self._under_way.add(wire)
        try:
            found = await asyncio.wait_for(asyncio.wrap_future(future), self._timeout + _GRACE_SECONDS)
        except PrometheusSilent:
            line.circuit.answered()
            raise
        except (TimeoutError, asyncio.CancelledError):
            wire.cut()
            raise
        else:
            line.circuit.answered()
            return found
        finally:
            self._under_way.discard(wire)
            self._telemetry.observe("modelramp_query_seconds", time.monotonic() - started)

    def _line(self, address: str) -> _Line:
        line = self._lines.setdefault(address, _Line())
        self._lines.move_to_end(address)
        if len(self._lines) > _ADDRESSES:
            self._lines.popitem(last=False)
        return line

    def _pass_on(self, address: str, warnings: tuple[str, ...]) -> None:
        """Log each warning of Prometheus once: the same query brings it every minute."""
        for warning in warnings:
            text = shortened(warning)
            if text in self._told:
                continue
            if len(self._told) >= _WARNINGS:
                self._told.clear()
            self._told.add(text)
            self._telemetry.warn("Prometheus warns about a query", address=address, warning=text)
