"""Prometheus for the operator: every query is bounded in time, size and number, and only its own objects pay for it."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import urlsplit

import httpx

from modelramp.adapters.addresses import Addresses, shown
from modelramp.adapters.checked_http import NAMESPACE
from modelramp.adapters.credentials import Credentials, Files, Presented, ReadSecret, plain_problem
from modelramp.adapters.errors import shortened
from modelramp.adapters.prometheus_answers import on_grid, read_body, redirected, too_large
from modelramp.adapters.prometheus_failures import FOREIGN, failure, is_unconnected, timed_out
from modelramp.adapters.prometheus_lanes import Lane, Lanes
from modelramp.adapters.prometheus_parameters import parameters
from modelramp.adapters.prometheus_stream import AnswerParser, Bounds, InstantReader, RangeReader, unpacked
from modelramp.adapters.prometheus_transports import Transports
from modelramp.adapters.prometheus_words import Sent, without
from modelramp.api.errors import AddressRefused, PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.engine.ports import SHARED, Asker, Clock, Endpoint, Metrics, Sample, Telemetry

OWN: Final = Bounds(bytes=2 << 20, series=10_000)
"""Limits of the answer to an object's own query."""
EACH: Final = Bounds(bytes=16 << 10, series=64)
"""Additional allowance of a shared query for each object that needs it."""
MOST: Final = Bounds(bytes=32 << 20, series=150_000)
_ERROR_BYTES: Final = 64 << 10
_CONNECT_SECONDS: Final = 3.0
_GRACE_SECONDS: Final = 1.0
"""Seconds beyond its own time-out that a server gets to report that it gave up."""
_WAITS: Final = 3
"""Longest wait for a slot, in time-outs."""
_SLOW: Final = 4
"""A query is slow when it takes more than this fraction of its time-out."""
_SMALL: Final = 512
"""Least average size of an answer's chunks, in bytes: each chunk costs as much as a large one."""
_BREATH: Final = 16
"""Chunks after which other tasks of the event loop run."""
_TOLD: Final = 1000
NO_FILES: Final = Files()

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class _Question:
    """A query, its asker and its address. about: the instant of the query, seconds since the epoch."""

    endpoint: Endpoint
    path: str
    form: Mapping[str, str]
    about: int
    asker: Asker
    bounds: Bounds

    @property
    def query(self) -> str:
        """The PromQL."""
        return self.form["query"]


class PrometheusMetrics:
    """Fulfils engine.ports.Metrics. An async context manager: leaving it cancels running queries."""

    def __init__(
        self,
        telemetry: Telemetry,
        clock: Clock,
        read_secret: ReadSecret,
        addresses: Addresses,
        *,
        own: Endpoint | None = None,
        files: Files = NO_FILES,
        timeout: float = 10.0,
        ca_file: str | None = None,
        allow_plain_credentials: bool = False,
    ) -> None:
        """addresses: checks those that objects name. own: the operator's Prometheus, which is not checked.

        The Secret and the headers of `own`, and the credentials in `files`, go to that address only. timeout: seconds
        for one question. ca_file: PEM with the authorities that are trusted; the system's if not given.
        allow_plain_credentials: send them over http as well.
        """
        self._telemetry = telemetry
        self._credentials = Credentials(read_secret, clock)
        self._own = own
        self._files = files
        self._timeout = timeout
        self._grace = min(_GRACE_SECONDS, timeout / 4)
        self._allow_plain = allow_plain_credentials
        self._lanes = Lanes()
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._deadlines: set[asyncio.Timeout] = set()
        self._ended = asyncio.Event()
        self._closed = False
        self._transports = Transports(addresses, ca_file)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancel running queries and close the connections."""
        self._closed = True
        now = asyncio.get_running_loop().time()
        for deadline in self._deadlines:
            deadline.reschedule(now)
        if self._deadlines:
            self._ended.clear()
            await self._ended.wait()
        await self._transports.close()

    async def instant(self, endpoint: Endpoint, query: str, at: int, asker: Asker = SHARED) -> tuple[Sample, ...]:
        """The query's value at the instant `at`; a scalar comes as one sample without labels."""
        question = _Question(endpoint, "/api/v1/query", {"query": query, "time": str(at)}, at, asker, bounds_of(asker))
        return await self._answered(question, AnswerParser(InstantReader(), question.bounds))

    async def range(
        self, endpoint: Endpoint, query: str, start: int, end: int, step: int, asker: Asker = SHARED
    ) -> Mapping[int, tuple[Sample, ...]]:
        """The query's value at start, start+step, ... end; instants without any sample are missing."""
        form = {"query": query, "start": str(start), "end": str(end), "step": str(step)}
        question = _Question(endpoint, "/api/v1/query_range", form, end, asker, bounds_of(asker))
        found: Mapping[int, tuple[Sample, ...]] = await self._answered(
            question, AnswerParser(RangeReader(), question.bounds)
        )
        return on_grid(found, range(start, end + 1, step))

    async def _answered(self, question: _Question, parser: AnswerParser[Found]) -> Found:
        """The answer as samples; counts how it went."""
        try:
            found, warnings = await self._in_turn(question, parser)
        except PrometheusUnavailable as error:
            self._telemetry.count("modelramp_queries_total", result=str(error.reason))
            raise
        self._telemetry.count("modelramp_queries_total", result="ok")
        self._pass_on(question, warnings)
        return found

    async def _in_turn(self, question: _Question, parser: AnswerParser[Found]) -> tuple[Found, tuple[str, ...]]:
        """Wait for a slot on the address, then query, each with a deadline."""
        address = question.endpoint.address
        origin = _origin(address)
        if origin is None:
            raise PrometheusUnavailable(Reason.PROMETHEUS_UNREACHABLE, f"{address}: this is not a usable address")
        lane = self._lanes.lane(origin)
        _raise_if_open(lane, question)
        deadline, placed = asyncio.timeout(_WAITS * self._timeout), False
        try:
            async with deadline:
                self._deadlines.add(deadline)
                async with self._lanes.place(lane, question.asker, question.query):
                    placed = True
                    deadline.reschedule(asyncio.get_running_loop().time() + self._timeout + self._grace)
                    _raise_if_open(lane, question)
                    return await self._timed(lane, question, parser)
        except TimeoutError:
            if self._closed:
                raise PrometheusUnavailable(Reason.PROMETHEUS_TIMEOUT, "the operator is stopping") from None
            if placed:
                raise timed_out(address, self._timeout) from None
            waited = f"{address}: not asked within {_WAITS * self._timeout:g} s; earlier queries have no answer yet"
            raise PrometheusUnavailable(Reason.PROMETHEUS_TIMEOUT, waited) from None
        finally:
            self._deadlines.discard(deadline)
            if not self._deadlines:
                self._ended.set()

    async def _timed(
        self, lane: Lane, question: _Question, parser: AnswerParser[Found]
    ) -> tuple[Found, tuple[str, ...]]:
        began = time.monotonic()
        try:
            return await self._asked(lane, question, parser)
        finally:
            took = time.monotonic() - began
            lane.note(question.asker.namespace, question.query, slow=took > self._timeout / _SLOW)
            self._telemetry.observe("modelramp_query_seconds", took)

    async def _asked(
        self, lane: Lane, question: _Question, parser: AnswerParser[Found]
    ) -> tuple[Found, tuple[str, ...]]:
        address = question.endpoint.address
        endpoint = self._as_whom(question.endpoint)
        presented = await self._presented(endpoint)
        try:
            async with self._transports.using(presented.client, checked=not self._is_own(address)) as transport:
                response = await transport.handle_async_request(self._request(question, presented.headers))
                try:
                    lane.circuit.answered()
                    found, warnings = await self._read(question, response, parser, presented.sent)
                finally:
                    await response.aclose()
            return found, tuple(without(warning, presented.sent.secrets) for warning in warnings)
        except AddressRefused as error:
            self._warn_once(question, "an address is refused", cause=error.cause)
            raise PrometheusUnavailable(Reason.ADDRESS_REFUSED, str(error)) from None
        except FOREIGN as error:
            if is_unconnected(error):
                lane.circuit.failed(question.about)
            raise failure(error, address, self._timeout) from None
        except PrometheusUnavailable as error:
            said = without(error.detail, presented.sent.secrets)
            if error.reason != Reason.PROMETHEUS_UNREACHABLE:
                raise PrometheusUnavailable(error.reason, said) from None
            self._credentials.forget(endpoint, self._files)
            raise PrometheusUnavailable(error.reason, f"{address}: {said}") from None

    async def _presented(self, endpoint: Endpoint) -> Presented:
        """What goes with a question. endpoint: as `_as_whom` says."""
        own = endpoint is self._own
        secret = endpoint.secret or (self._files.token if own else None)
        if secret is not None and (problem := plain_problem(endpoint.address, allowed=self._allow_plain)):
            raise PrometheusUnavailable(Reason.PROMETHEUS_UNREACHABLE, problem)
        found = await self._credentials.presented(endpoint)
        if not own:
            return found
        if self._files != NO_FILES:
            found = found.over(await self._credentials.presented_from(self._files))
        secrets = (*found.sent.secrets, *(value for _, value in endpoint.headers))
        return replace(found, sent=replace(found.sent, secrets=secrets))

    def _as_whom(self, endpoint: Endpoint) -> Endpoint:
        """The operator's own credentials when an object has none, and no headers, for that address."""
        own = self._own
        if own is None or not self._is_own(endpoint.address):
            return endpoint
        return own if endpoint in {own, Endpoint(endpoint.address)} else endpoint

    def _is_own(self, address: str) -> bool:
        return self._own is not None and address.rstrip("/") == self._own.address.rstrip("/")

    def _request(self, question: _Question, headers: Mapping[str, str]) -> httpx.Request:
        # Prometheus cuts the series at the limit and says so; others ignore it, and are cut here.
        more = {**parameters(self._timeout), "limit": str(question.bounds.series + 1)}
        wait = self._timeout + self._grace
        return httpx.Request(
            "POST",
            question.endpoint.address.rstrip("/") + question.path,
            data={**question.form, **more},
            headers={"Accept-Encoding": "gzip", "User-Agent": "modelramp", **headers},
            extensions={
                "timeout": {"connect": min(_CONNECT_SECONDS, self._timeout), "read": wait, "write": wait, "pool": wait},
                NAMESPACE: question.asker.namespace,
            },
        )

    async def _read(
        self, question: _Question, response: httpx.Response, parser: AnswerParser[Found], sent: Sent
    ) -> tuple[Found, tuple[str, ...]]:
        code = response.status_code
        if 300 <= code < 400:
            raise redirected(code)
        if code != 200:
            body = b""
            async for piece in _pieces(response, _ERROR_BYTES):
                body += piece[: _ERROR_BYTES - len(body)]
                if len(body) >= _ERROR_BYTES:
                    break
            read_body(code, body, sent)
        async for piece in _pieces(response, question.bounds.bytes):
            parser.feed(piece)
        return parser.result()

    def _pass_on(self, question: _Question, warnings: tuple[str, ...]) -> None:
        """Log the first warning about a query once: the same query brings it every minute."""
        if warnings:
            self._warn_once(question, "Prometheus warns about a query", warning=shortened(warnings[0]))

    def _warn_once(self, question: _Question, event: str, **fields: str) -> None:
        key = (question.endpoint.address, question.query if "warning" in fields else event)
        if key in self._told:
            return
        self._told[key] = None
        if len(self._told) > _TOLD:
            self._told.popitem(last=False)
        self._telemetry.warn(
            event, address=shown(question.endpoint.address), namespace=question.asker.namespace, **fields
        )


def bounds_of(asker: Asker) -> Bounds:
    """Limits of an answer: those of a shared query grow with the number of its objects."""
    others = max(0, asker.objects - 1)
    return Bounds(
        bytes=min(MOST.bytes, OWN.bytes + others * EACH.bytes),
        series=min(MOST.series, OWN.series + others * EACH.series),
    )


def _raise_if_open(lane: Lane, question: _Question) -> None:
    if lane.circuit.refuses(question.about):
        raise PrometheusUnavailable(
            Reason.PROMETHEUS_UNREACHABLE,
            f"{question.endpoint.address}: no connection several times in a row; asked again at the next tick",
        )


async def _pieces(response: httpx.Response, most: int) -> AsyncIterator[bytes]:
    """The unpacked body, in pieces; other tasks have their turn in between."""
    unpack = unpacked(response.headers.get("content-encoding", ""))
    chunks = 0
    async for packed in response.aiter_raw():
        chunks += 1
        if chunks > _SMALL + most // _SMALL:
            raise too_large(f"{chunks - 1:,} chunks")
        for piece in unpack(packed):
            yield piece
            if len(piece) > _SMALL:
                await asyncio.sleep(0)
        if chunks % _BREATH == 0:
            await asyncio.sleep(0)


def _origin(address: str) -> str | None:
    """Scheme, host and port: addresses that differ in their paths are one server. None when it has none."""
    try:
        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.hostname}:{port}"


PROBE_SECONDS = 30.0
_QUESTION = "vector(1)"


class PrometheusProbe:
    """Sends a trivial query at intervals, sets modelramp_prometheus_up, and logs changes."""

    def __init__(
        self,
        metrics: Metrics,
        endpoint: Endpoint,
        telemetry: Telemetry,
        clock: Clock,
        asks: Callable[[], bool] = lambda: True,
    ) -> None:
        """asks: whether `run` probes at present; a replica that only follows need not."""
        self._asks = asks
        self._metrics = metrics
        self._endpoint = endpoint
        self._telemetry = telemetry
        self._clock = clock

    async def look(self, patience: float = PROBE_SECONDS) -> str:
        """Probe once. Returns why there was no answer within `seconds`; empty when there was one."""
        problem = ""
        try:
            async with asyncio.timeout(patience):
                await self._metrics.instant(self._endpoint, _QUESTION, int(self._clock.now()))
        except PrometheusUnavailable as error:
            problem = str(error)
        except TimeoutError:
            problem = f"{self._endpoint.address}: no answer within {patience:g} s"
        self._telemetry.gauge("modelramp_prometheus_up", 0 if problem else 1)
        return problem

    async def run(self, problem: str) -> None:
        """Probe at intervals until cancelled. problem: the result of the last probe, which was already logged."""
        while True:
            await self._clock.sleep(PROBE_SECONDS)
            if not self._asks():
                self._telemetry.gauge("modelramp_prometheus_up", None)
                continue
            before, problem = problem, await self.look()
            if problem and not before:
                self._telemetry.warn("Prometheus does not answer", address=self._endpoint.address, reason=problem)
            elif before and not problem:
                self._telemetry.log("Prometheus answers again", address=self._endpoint.address)
