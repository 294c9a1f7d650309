"""Foreign failures -> ours, for Prometheus. Never the text of a foreign exception: some repeat headers, so secrets."""

import socket
import ssl

import requests
import urllib3

from modelramp.api.errors import PrometheusSilent
from modelramp.api.names import Reason

FOREIGN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError)
"""What a question ends with when nobody answers; TimeoutError is an OSError."""


_CAUSES: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((socket.gaierror, urllib3.exceptions.NameResolutionError), "the host name does not resolve"),
    ((ConnectionRefusedError,), "the connection is refused; does Prometheus run there?"),
    ((TimeoutError,), "no connection; the host does not react"),
    (
        (ssl.SSLCertVerificationError,),
        "its certificate is not trusted; set MODELRAMP_PROMETHEUS_CA_FILE to its authority",
    ),
    ((ssl.SSLError,), "no TLS connection; is the address https by mistake?"),
    (
        (urllib3.exceptions.ProtocolError, requests.exceptions.ChunkedEncodingError),
        "the connection broke before the answer was complete",
    ),
    ((urllib3.exceptions.DecodeError,), "the answer cannot be unpacked"),
    (
        (requests.exceptions.InvalidURL, urllib3.exceptions.LocationParseError, UnicodeError),
        "this is no usable address",
    ),
)
"""What went wrong -> how people read it; the outermost error that is listed counts."""


def failure(error: BaseException, address: str, timeout: float) -> PrometheusSilent:
    """The error for a question that nobody answered. timeout: seconds that it was given."""
    causes = tuple(_chain(error))
    if any(isinstance(cause, requests.ReadTimeout | urllib3.exceptions.ReadTimeoutError) for cause in causes) or (
        isinstance(error, TimeoutError)
    ):
        return PrometheusSilent(Reason.PROMETHEUS_TIMEOUT, f"{address}: no answer within {timeout:g} s")
    return PrometheusSilent(Reason.PROMETHEUS_UNREACHABLE, f"{address}: {_plainly(causes)}")


def _plainly(causes: tuple[BaseException, ...]) -> str:
    for cause in causes:
        for types, text in _CAUSES:
            if isinstance(cause, types):
                return text
    return f"no connection ({type(causes[-1]).__name__})"


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what it was raised from, outermost first; requests and urllib3 hide the cause in args or reason."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting and len(found) < 20:
        current = waiting.pop(0)
        if isinstance(current, BaseException) and all(current is not seen for seen in found):
            found.append(current)
            waiting += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
    return found
