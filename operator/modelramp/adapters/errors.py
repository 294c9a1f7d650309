"""Maps failures of the API server to our errors; the only place that knows HTTP codes of Kubernetes."""

import json
import ssl
from typing import Any

import aiohttp
from kubernetes.aio.config import ConfigException

from modelramp.api.errors import ApiServerUnavailable, Conflict, Forbidden, Gone, ModelrampError, Refused
from modelramp.api.text import cut, visible

LONGEST = 256
"""Bytes of a server's message that are shown to people."""
_UNREADABLE = 500
_REFUSALS = frozenset({400, 413, 422})

FOREIGN = (TimeoutError, aiohttp.ClientError, OSError, ConfigException, ValueError, RecursionError)
"""What the client library raises when the API server cannot be reached or its answer cannot be read."""


def of_answer(code: int, body: bytes, what: str) -> ModelrampError:
    """The error for an unsuccessful answer.

    code: HTTP status. body: a Kubernetes Status as JSON, or the answer of a proxy.
    what: the call in words, such as `apply Deployment ml/digits`.
    """
    words = _words(code, body)
    if code == 403:
        return Forbidden(words)
    if code in _REFUSALS or _refused_patch(code, words):
        return Refused(words)
    text = f"{what}: {words}"
    if code == 404:
        return Gone(text)
    if code == 409:
        return Conflict(text)
    return ApiServerUnavailable(text)


def of_failure(error: BaseException, what: str, timeout: float) -> ApiServerUnavailable:
    """The error for a call without a readable answer. timeout: seconds that the call was given."""
    return ApiServerUnavailable(f"{what}: {_plainly(error, timeout)}")


def shortened(text: str, most: int = LONGEST) -> str:
    """`text` on one line, visible, in at most `most` bytes of UTF-8; what is too long loses its middle."""
    kept = text if len(text) <= 16 * most else f"{text[: 8 * most]} {text[-8 * most :]}"
    return cut(visible(" ".join(kept.split())), most)


def _words(code: int, body: bytes) -> str:
    status: Any = None
    if body.lstrip().startswith(b"{"):
        try:
            status = json.loads(body)
        except (ValueError, RecursionError):
            status = None
    message = status.get("message") if isinstance(status, dict) else None
    return shortened(message) if isinstance(message, str) and message else f"HTTP {code} from the API server"


def _refused_patch(code: int, words: str) -> bool:
    # The API server reports an object that does not fit its schema with 500 when it comes by server-side apply.
    return code == _UNREADABLE and words.startswith("failed to create typed patch object")


def _plainly(error: BaseException, timeout: float) -> str:
    match error:
        case TimeoutError():
            return f"the API server did not answer within {timeout:g} s"
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return "the API server's certificate is not trusted; check certificate-authority in the kubeconfig"
        case ConfigException():
            return f"no usable credentials: {shortened(str(error))}"
        case aiohttp.ClientConnectorError():
            return f"cannot connect to {error.host}:{error.port}: {shortened(error.strerror or type(error).__name__)}"
        case ValueError() | RecursionError():
            return "the API server's answer is not JSON"
        case _:
            return f"the connection broke ({type(error).__name__})"
