"""Foreign failures -> ours, for Prometheus. Never the text of a foreign exception: some repeat headers, so secrets."""

import socket
import ssl

import requests
import urllib3

from modelramp.api.errors import PrometheusSilent
from modelramp.api.names import Reason

FOREIGN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError)
"""What a question ends with when nobody answers; TimeoutError is an OSError."""


def failure(error: BaseException, address: str, timeout: float) -> PrometheusSilent:
    """The error for a question that nobody answered. timeout: seconds that it was given."""
    causes = tuple(_chain(error))
    if any(isinstance(cause, requests.ConnectTimeout | urllib3.exceptions.ConnectTimeoutError) for cause in causes):
        return PrometheusSilent(Reason.PROMETHEUS_UNREACHABLE, f"{address}: no connection; the host does not react")
    if any(
        isinstance(cause, TimeoutError | requests.Timeout | urllib3.exceptions.ReadTimeoutError) for cause in causes
    ):
        return PrometheusSilent(Reason.PROMETHEUS_TIMEOUT, f"{address}: no answer within {timeout:g} s")
    return PrometheusSilent(Reason.PROMETHEUS_UNREACHABLE, f"{address}: {_plainly(causes)}")


def _plainly(causes: tuple[BaseException, ...]) -> str:
    for cause in causes:
        match cause:
            case socket.gaierror() | urllib3.exceptions.NameResolutionError():
                return "the host name does not resolve"
            case ConnectionRefusedError():
                return "the connection is refused; does Prometheus run there?"
            case ssl.SSLCertVerificationError():
                return "its certificate is not trusted; set MODELRAMP_PROMETHEUS_CA_FILE to its authority"
            case ssl.SSLError():
                return "no TLS connection; is the address https by mistake?"
            case urllib3.exceptions.ProtocolError() | requests.exceptions.ChunkedEncodingError():
                return "the connection broke before the answer was complete"
            case urllib3.exceptions.DecodeError():
                return "the answer cannot be unpacked"
            case requests.exceptions.InvalidURL() | urllib3.exceptions.LocationParseError() | UnicodeError():
                return "this is no usable address"
            case _:
                continue
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
