"""An httpx transport that connects only to checked addresses."""

import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import httpcore
import httpx

from modelramp.adapters.addresses import Addresses

NAMESPACE: Final = "modelramp.namespace"
"""Extension of a request: the namespace that its lookup counts for."""
_PIECE: Final = 4096
_TRIED: Final = 4
"""IP addresses of one host that are tried, at most."""
_ASKER: ContextVar[str] = ContextVar("modelramp_namespace", default="")


def checked_transport(
    addresses: Addresses,
    verify: ssl.SSLContext,
    *,
    keep_alive: int = 0,
    keep_alive_seconds: float | None = None,
    most_bytes: int | None = None,
) -> httpx.AsyncBaseTransport:
    """A transport for httpx.AsyncClient that raises AddressRefused instead of connecting where objects may not.

    Each new connection resolves its host, checks every IP address and connects to one of those; the Host header, the
    name in TLS and the name in the certificate stay those of the URL. keep_alive: idle connections that are kept.
    most_bytes: read from one connection, after which it is broken; without limit if not given.
    """
    inner = httpcore.AnyIOBackend()
    return _CheckedTransport(
        httpcore.AsyncConnectionPool(
            ssl_context=verify,
            max_connections=None,
            max_keepalive_connections=keep_alive,
            keepalive_expiry=keep_alive_seconds,
            network_backend=CheckedBackend(addresses, inner, most_bytes),
        )
    )


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to hosts that are admitted, at the IP addresses that were checked."""

    def __init__(
        self, addresses: Addresses, inner: httpcore.AsyncNetworkBackend, most_bytes: int | None = None
    ) -> None:
        self._addresses = addresses
        self._inner = inner
        self._most = most_bytes

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """As httpcore has it; raises AddressRefused too."""
        try:
            pinned = await self._addresses.checked(host, port, _ASKER.get())
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError("no address")
        for ip in pinned.ips[:_TRIED]:
            try:
                stream = await self._inner.connect_tcp(ip, port, timeout, local_address, socket_options)
                return stream if self._most is None else BoundedStream(stream, self._most)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise httpcore.ConnectError("sockets of this machine are not for objects")

    async def sleep(self, seconds: float) -> None:
        """As httpcore has it."""
        await self._inner.sleep(seconds)


class BoundedStream(httpcore.AsyncNetworkStream):
    """A connection that is read in small pieces up to a limit, so that a fast sender gets no extra time."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, most: int) -> None:
        """most: bytes; behind TLS those of the plain text count again."""
        self._inner = inner
        self._most = most
        self._left = most

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """As httpcore has it; raises ReadError when more comes than is read."""
        if self._left <= 0:
            raise httpcore.ReadError(f"more than {self._most} bytes")
        found = await self._inner.read(min(max_bytes, self._left, _PIECE), timeout)
        self._left -= len(found)
        return found

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """As httpcore has it."""
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        """As httpcore has it."""
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """As httpcore has it."""
        return BoundedStream(await self._inner.start_tls(ssl_context, server_hostname, timeout), self._most)

    def get_extra_info(self, info: str) -> Any:
        """As httpcore has it."""
        return self._inner.get_extra_info(info)


class _CheckedTransport(httpx.AsyncBaseTransport):
    """httpx's own transport takes no network backend: this is the same, over a pool that was made with one."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        sent = httpcore.Request(
            request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
        )
        asker = _ASKER.set(str(request.extensions.get(NAMESPACE, "")))
        try:
            with _as_httpx():
                answer = await self._pool.handle_async_request(sent)
        finally:
            _ASKER.reset(asker)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer.stream), extensions=answer.extensions
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for piece in self._stream:
                yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


_RAISED: Final = (
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.LocalProtocolError,
    httpcore.PoolTimeout,
    httpcore.ReadError,
    httpcore.ReadTimeout,
    httpcore.RemoteProtocolError,
    httpcore.UnsupportedProtocol,
    httpcore.WriteError,
    httpcore.WriteTimeout,
)


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Both libraries have the same errors by the same names."""
    try:
        yield
    except _RAISED as error:
        raise getattr(httpx, type(error).__name__)(str(error)) from error
