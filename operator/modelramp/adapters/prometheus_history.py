"""Prometheus for commands that read history: prometheus-api-client in threads, for one person and one address.

The operator's own client is adapters/prometheus.py; decision 0013 says why there are two. The library's own behaviour
needs some care (measured with 0.7.2): no time-out, four tries of its own, `POST` with the query in the URL, redirects
that are followed, and answers without their resultType and warnings. The session below closes that.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final, TypeVar

import requests
import urllib3
from prometheus_api_client import PrometheusConnect

from modelramp.adapters.credentials import Presented, authorization, without_formalities
from modelramp.adapters.errors import shortened
from modelramp.adapters.prometheus_answers import (
    check_warnings,
    instant_samples,
    on_grid,
    range_samples,
    read_body,
    redirected,
    too_large,
    unreadable,
)
from modelramp.adapters.prometheus_failures import CAUSES, Causes, chain, plainly, timed_out
from modelramp.adapters.prometheus_parameters import parameters
from modelramp.adapters.prometheus_words import Sent
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.engine.ports import SHARED, Asker, Endpoint, Sample, Telemetry

LARGEST: Final = 32 << 20
"""Bytes of an answer, unpacked; some 150,000 series."""
AT_ONCE: Final = 4
_PIECE: Final = 64 << 10
_CONNECT_SECONDS: Final = 3.0
_GRACE_SECONDS: Final = 1.0
_FOREIGN: Final = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError)
_CAUSES: Final[Causes] = (
    ((urllib3.exceptions.NameResolutionError,), "the host name does not resolve"),
    (
        (urllib3.exceptions.ProtocolError, requests.exceptions.ChunkedEncodingError),
        "the connection broke before the answer was complete",
    ),
    ((urllib3.exceptions.DecodeError,), "the answer cannot be unpacked"),
    (
        (requests.exceptions.InvalidURL, urllib3.exceptions.LocationParseError, UnicodeError),
        "this is not a usable address",
    ),
)

NO_HEADERS: Final[Mapping[str, str]] = {}

Found = TypeVar("Found")


class PrometheusHistory:
    """Fulfils engine.ports.Metrics for one address, which a person has named together with the token."""

    def __init__(
        self,
        telemetry: Telemetry,
        *,
        timeout: float = 10.0,
        ca_file: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """timeout: seconds for one question. ca_file: PEM with trusted authorities. token: sent as a bearer."""
        self._telemetry = telemetry
        self._timeout = timeout
        self._ca_file = ca_file
        bearer = authorization({"token": token}, "--token-file") if token else Presented()
        self._presented = bearer.over(Presented(headers))
        self._mine = threading.local()
        self._free = asyncio.Semaphore(AT_ONCE)

    async def instant(
        self,
        endpoint: Endpoint,
        query: str,
        at: int,
        asker: Asker = SHARED,  # noqa: ARG002 - there is one
    ) -> tuple[Sample, ...]:
        """The query's value at the instant `at`; a scalar comes as one sample without labels."""
        params = {"time": at, **parameters(self._timeout)}
        return await self._answered(endpoint, lambda client: client.custom_query(query, params), instant_samples)

    async def range(
        self,
        endpoint: Endpoint,
        query: str,
        start: int,
        end: int,
        step: int,
        asker: Asker = SHARED,  # noqa: ARG002 - there is one
    ) -> Mapping[int, tuple[Sample, ...]]:
        """The query's value at start, start+step, ... end; instants without any sample are missing."""
        first, last = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
        params = parameters(self._timeout)
        found = await self._answered(
            endpoint, lambda client: client.custom_query_range(query, first, last, str(step), params), range_samples
        )
        return on_grid(found, range(start, end + 1, step))

    async def _answered(
        self, endpoint: Endpoint, ask: Callable[[PrometheusConnect], Any], read: Callable[[str, Any], Found]
    ) -> Found:
        address = endpoint.address.rstrip("/")
        async with self._free:
            try:
                # A read time-out starts anew with each byte. A thread that overruns the deadline ends with its server.
                found, warnings = await asyncio.wait_for(
                    asyncio.to_thread(self._asked, address, ask, read), self._timeout + _GRACE_SECONDS
                )
            except TimeoutError:
                raise timed_out(address, self._timeout) from None
        for warning in warnings:
            self._telemetry.warn("Prometheus warns about a query", address=endpoint.address, warning=shortened(warning))
        return found

    def _asked(
        self, address: str, ask: Callable[[PrometheusConnect], Any], read: Callable[[str, Any], Found]
    ) -> tuple[Found, tuple[str, ...]]:
        client, session = self._client(address)
        try:
            result = ask(client)
        except _FOREIGN as error:
            raise self._failure(error, address) from None
        except PrometheusUnavailable as error:
            if error.reason != Reason.PROMETHEUS_UNREACHABLE:
                raise
            raise PrometheusUnavailable(error.reason, f"{address}: {error.detail}") from None
        return read(session.kind, result), session.warnings

    def _client(self, address: str) -> "tuple[PrometheusConnect, _BoundedSession]":
        """The client of this thread: it is not thread-safe."""
        known: dict[str, tuple[PrometheusConnect, _BoundedSession]] = self._mine.__dict__.setdefault("known", {})
        if address not in known:
            session = _BoundedSession(self._ca_file, self._presented.sent)
            connect = PrometheusConnect(
                address,
                headers=dict(self._presented.headers),
                retry=urllib3.Retry(total=0),
                session=session,
                timeout=(min(_CONNECT_SECONDS, self._timeout), self._timeout),
                method="POST",
            )
            session.mount(connect.url, _Verifying(max_retries=urllib3.Retry(total=0)))  # in place of the library's own
            known[address] = (connect, session)
        return known[address]

    def _failure(self, error: BaseException, address: str) -> PrometheusUnavailable:
        causes = chain(error)
        slow = (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError)
        if any(isinstance(cause, slow) for cause in causes) or isinstance(error, TimeoutError):
            return timed_out(address, self._timeout)
        text = plainly(causes, (*_CAUSES, *CAUSES))
        return PrometheusUnavailable(Reason.PROMETHEUS_UNREACHABLE, f"{address}: {text}")


class _Verifying(requests.adapters.HTTPAdapter):
    """Verifies servers as all other connections do."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """As in requests, with a context of our own; requests adds the authorities."""
        context = without_formalities(urllib3.util.ssl_.create_urllib3_context())
        super().init_poolmanager(*args, **options, ssl_context=context)


class _BoundedSession(requests.Session):
    """Sends parameters in the body, follows no redirect, reads only so much, and keeps what the library drops."""

    def __init__(self, ca_file: str | None, sent: Sent) -> None:
        """sent: credentials that go with every request."""
        super().__init__()
        # Neither proxies nor a .netrc of the machine: the latter would replace the token in silence.
        self.trust_env = False
        if ca_file is not None:
            self.verify = ca_file
        self._sent = sent
        self.kind = ""
        self.warnings: tuple[str, ...] = ()

    def request(self, method: Any, url: Any, params: Any = None, **rest: Any) -> requests.Response:  # type: ignore[override]
        """As requests.Session.request, for the library's calls; raises PrometheusUnavailable for an unusable answer."""
        response = super().request(method, url, data=params, **{**rest, "allow_redirects": False, "stream": True})
        with response:
            if response.is_redirect:
                raise redirected(response.status_code)
            body = self._body(response)
        data = read_body(response.status_code, body, self._sent)
        self.kind = str(data.get("resultType"))
        self.warnings = check_warnings(data["warnings"])
        if "result" not in data:
            raise unreadable()
        response.raw = BytesIO(body)
        return response

    def _body(self, response: requests.Response) -> bytes:
        body = bytearray()
        for piece in response.raw.stream(_PIECE, decode_content=True):
            body += piece
            if len(body) > LARGEST:
                raise too_large(f"{LARGEST >> 20} MiB")
        return bytes(body)
