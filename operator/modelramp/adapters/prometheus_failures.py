"""Maps connection failures to PrometheusUnavailable.

The text of an exception is never repeated: some contain headers, and with them secrets.
"""

import errno
import socket
import ssl
from collections.abc import Iterable

import httpx

from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.names import Reason

FOREIGN = (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, ExceptionGroup)
"""What a query raises when there is no answer; TimeoutError is an OSError."""

_BROKE = "the connection broke before the answer was complete"

Causes = tuple[tuple[tuple[type[BaseException], ...], str], ...]

CAUSES: Causes = (
    ((socket.gaierror,), "the host name does not resolve"),
    ((ConnectionRefusedError,), "the connection is refused; does Prometheus run there?"),
    (
        (ssl.SSLCertVerificationError,),
        "its certificate is not trusted; set MODELRAMP_PROMETHEUS_CA_FILE to its authority",
    ),
    ((ssl.SSLError,), "no TLS connection; is the address https by mistake?"),
    ((TimeoutError, httpx.ConnectTimeout), "no connection; the host does not react"),
    (
        (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, ConnectionError),
        _BROKE,
    ),
    (
        (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError),
        "this is not a usable address",
    ),
)
"""Exception -> words for people; the outermost listed exception counts."""

_NOBODY_THERE = (socket.gaierror, ConnectionRefusedError)
_NO_ROUTE = frozenset({"EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL", "EHOSTDOWN", "ENETDOWN"})


def failure(error: BaseException, address: str, timeout: float) -> PrometheusUnavailable:
    """The error for a query without an answer. timeout: its time limit in seconds."""
    if isinstance(error, TimeoutError | httpx.ReadTimeout | httpx.WriteTimeout):
        return timed_out(address, timeout)
    words = plainly(chain(error), CAUSES)
    if words == _BROKE and address.startswith("https:"):
        # With TLS 1.3 a server ends a connection like this when it misses a certificate of the other side.
        words += "; does the server want a client certificate?"
    return PrometheusUnavailable(Reason.PROMETHEUS_UNREACHABLE, f"{address}: {words}")


def timed_out(address: str, timeout: float) -> PrometheusUnavailable:
    """The error for a query without an answer in time."""
    return PrometheusUnavailable(Reason.PROMETHEUS_TIMEOUT, f"{address}: no answer within {timeout:g} s")


def is_unconnected(error: BaseException) -> bool:
    """Whether no connection is possible: refused, no such host, no route. A time-out does not show that."""
    return isinstance(error, httpx.ConnectError) and any(
        isinstance(cause, _NOBODY_THERE) or (isinstance(cause, OSError) and _code(cause) in _NO_ROUTE)
        for cause in chain(error)
    )


def plainly(causes: Iterable[BaseException], known: Causes) -> str:
    """The first of the causes that is known, in words."""
    last: BaseException | None = None
    for last in causes:
        for types, text in known:
            if isinstance(last, types):
                return text
    return f"no connection ({type(last).__name__})"


def chain(error: BaseException) -> list[BaseException]:
    """The error and what it was raised from, outermost first; some libraries hide the cause in args or reason."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting and len(found) < 20:
        current = waiting.pop(0)
        if isinstance(current, BaseException) and all(current is not seen for seen in found):
            found.append(current)
            members = getattr(current, "exceptions", ()) if isinstance(current, BaseExceptionGroup) else ()
            waiting += [
                current.__cause__,
                current.__context__,
                getattr(current, "reason", None),
                *current.args,
                *members,
            ]
    return found


def _code(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "")
