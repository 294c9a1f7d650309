"""One question to Prometheus, asked from a worker thread through prometheus-api-client, within bounds.

The library's own behaviour is not safe for an operator (measured with 0.7.2): no time-out, four tries of its own,
`POST` with the query in the URL, and answers without their resultType and warnings. The session below closes that.
"""

import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from modelramp.adapters.prometheus_answers import read_body
from modelramp.api.errors import PrometheusSilent
from modelramp.api.names import Reason

LARGEST = 32 * 1024 * 1024
"""Bytes of an answer, unpacked; some 150,000 series."""
_PIECE = 64 * 1024
_CONNECT_SECONDS = 3.0
_CLIENTS_PER_THREAD = 8


@dataclass(slots=True, eq=False)
class Wire:
    """The connection that a question uses, so that whoever waits for it can cut it.

    A read time-out starts anew with every byte: a server that sends one now and then would hold a thread for ever.
    """

    connection: HTTPConnection | None = None

    def cut(self) -> None:
        """End a read in another thread. Harmless when there is none."""
        sock = self.connection.sock if self.connection is not None else None
        if sock is not None:
            try:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                return


@dataclass(frozen=True, slots=True)
class Answer:
    """The data of a successful answer; `result` is as the HTTP API documents it for the resultType `kind`."""

    kind: str
    result: Any
    warnings: tuple[str, ...] = field(default=())


class Clients:
    """PrometheusConnect objects: they are not thread-safe, so each worker thread has its own, one per address."""

    def __init__(self, timeout: float, ca_file: str | None = None) -> None:
        """timeout: seconds for one question. ca_file: PEM with trusted authorities; the system's if not given."""
        self._timeout = timeout
        self._ca_file = ca_file
        self._mine = threading.local()
        self._sessions: set[_BoundedSession] = set()

    def ask(
        self, address: str, headers: dict[str, str], wire: Wire, question: Callable[[PrometheusConnect], Any]
    ) -> Answer:
        """Ask, from a worker thread. question: calls a method of the client.

        Raises PrometheusSilent, and what requests and urllib3 raise when nobody answers.
        """
        _CURRENT.wire = wire
        client, session = self._client(address, headers)
        try:
            result = question(client)
        finally:
            _CURRENT.wire = wire.connection = None
        return Answer(session.kind, result, session.warnings)

    def close(self) -> None:
        """Close all connections; only when no question is under way."""
        while self._sessions:
            self._sessions.pop().close()

    def _client(self, address: str, headers: dict[str, str]) -> "tuple[PrometheusConnect, _BoundedSession]":
        mine: OrderedDict[Any, tuple[PrometheusConnect, _BoundedSession]]
        mine = self._mine.__dict__.setdefault("clients", OrderedDict())
        key = (address, *headers.items())
        if key not in mine:
            session = _BoundedSession(self._ca_file)
            self._sessions.add(session)
            never = urllib3.Retry(total=0)
            connect = PrometheusConnect(
                address.rstrip("/"),
                headers=headers,
                retry=never,
                session=session,
                timeout=(min(_CONNECT_SECONDS, self._timeout), self._timeout),
                method="POST",
            )
            session.mount(address.rstrip("/"), _CuttableAdapter(max_retries=never))
            mine[key] = (connect, session)
            if len(mine) > _CLIENTS_PER_THREAD:
                _, (_, oldest) = mine.popitem(last=False)
                self._sessions.discard(oldest)
                oldest.close()
        mine.move_to_end(key)
        return mine[key]


class _BoundedSession(requests.Session):
    """Sends parameters in the body, follows no redirect, reads only so much, and keeps what the library drops."""

    def __init__(self, ca_file: str | None) -> None:
        super().__init__()
        # Neither proxies nor a .netrc of the machine: the latter would replace the Secret's credentials in silence.
        self.trust_env = False
        if ca_file is not None:
            self.verify = ca_file
        self.kind = ""
        self.warnings: tuple[str, ...] = ()

    def request(self, method: Any, url: Any, params: Any = None, **rest: Any) -> requests.Response:  # type: ignore[override]
        """As requests.Session.request, for the library's calls; raises PrometheusSilent for an unusable answer."""
        response = super().request(method, url, data=params, **{**rest, "allow_redirects": False, "stream": True})
        with response:
            if response.is_redirect:
                raise PrometheusSilent(
                    Reason.PROMETHEUS_UNREACHABLE,
                    f"the server redirects (HTTP {response.status_code}); not followed, so give the final address",
                )
            body = b"".join(self._pieces(response))
        data = read_body(response.status_code, body)
        self.kind = str(data.get("resultType"))
        self.warnings = tuple(str(warning) for warning in data["warnings"])
        if "result" not in data:
            raise PrometheusSilent(Reason.QUERY_FAILED, "the answer has no result")
        response.raw = BytesIO(body)
        return response

    def _pieces(self, response: requests.Response) -> Iterator[bytes]:
        size = 0
        for piece in response.raw.stream(_PIECE, decode_content=True):
            size += len(piece)
            if size > LARGEST:
                raise PrometheusSilent(
                    Reason.QUERY_FAILED,
                    f"the answer is larger than {LARGEST >> 20} MiB; aggregate in the query, as in sum(...)",
                )
            yield piece


_CURRENT = threading.local()


class _Noted:
    """A connection that tells the wire of its thread before it can block."""

    def connect(self) -> None:
        _note(self)
        super().connect()  # type: ignore[misc]

    def request(self, *args: Any, **kwargs: Any) -> None:
        _note(self)
        super().request(*args, **kwargs)  # type: ignore[misc]


def _note(connection: Any) -> None:
    wire = getattr(_CURRENT, "wire", None)
    if wire is not None:
        wire.connection = connection


class _PlainConnection(_Noted, HTTPConnection):
    pass


class _TlsConnection(_Noted, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _CuttableAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
