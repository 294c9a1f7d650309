"""Calls webhooks through httpx: one bounded POST each, and whether the receiver may have acted on it.

They go to addresses only that objects may name. What counts is whether the request may have left this machine: before
that nothing has happened and a second try is safe; after it only the receiver's own answer can tell.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx

from modelramp.adapters.addresses import Addresses
from modelramp.adapters.checked_http import NAMESPACE, checked_transport
from modelramp.adapters.credentials import ReadSecret, plain_problem, trusting
from modelramp.adapters.errors import shortened
from modelramp.api.errors import AddressRefused, Gone, ModelrampError, NoAnswer
from modelramp.engine.ports import Delivered, Delivery, Telemetry, WebhookCall

CONNECT_SECONDS: Final = 5.0
HEAD_BYTES: Final = 32_768
"""Bytes that are read of an answer: its status and headers."""
SIGNATURE: Final = "Modelramp-Signature"
"""Header: `sha256=` and the HMAC of the body in hexadecimal digits."""
_AGENT: Final = "modelramp"
_BUSY: Final = frozenset({429, 503})
_SENDING: Final = "send_request_headers.started"


class HttpWebhooks:
    """Fulfils engine.ports.Webhooks. An async context manager: its end closes all connections."""

    def __init__(
        self,
        read_secret: ReadSecret,
        addresses: Addresses,
        telemetry: Telemetry,
        *,
        ca_file: str | None = None,
        allow_plain_credentials: bool = False,
    ) -> None:
        """addresses: says where calls may go.

        ca_file: PEM with the authorities that are trusted for https; the system's if not given.
        allow_plain_credentials: whether tokens are sent over http as well.
        """
        self._read = read_secret
        self._telemetry = telemetry
        self._plain = allow_plain_credentials
        verify = trusting(cafile=ca_file)
        # Neither proxies nor a .netrc of the machine, and a connection of its own for each call: one that was kept
        # open and has died in between would look like a request that was sent.
        self._client = httpx.AsyncClient(
            transport=checked_transport(addresses, verify, most_bytes=HEAD_BYTES),
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": _AGENT},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def call(self, call: WebhookCall) -> Delivered:
        """Send once. The answer's body is not read: it may say anything, and status is no place for it."""
        body = json.dumps(call.body, ensure_ascii=False, separators=(",", ":")).encode()
        sent = _Sent()
        try:
            async with asyncio.timeout(call.timeout):
                headers = await self._headers(call, body)
                return await self._send(call, headers, body, sent)
        except _Unusable as error:
            return Delivered(Delivery.REFUSED, str(error))
        except AddressRefused as error:
            # Whether it may not be called or does not resolve is told apart by neither words nor time.
            about = {"namespace": call.namespace, "reason": error.cause}
            self._telemetry.warn("the address of a webhook is not admitted", **about)
            return Delivered(Delivery.NOT_SENT, str(error))
        except TimeoutError:
            return _silent(sent, f"no answer within {call.timeout} s")
        except NoAnswer as error:
            return Delivered(Delivery.NOT_SENT, f"its Secret cannot be read: {shortened(str(error))}")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            return Delivered(Delivery.REFUSED, "this is not a usable URL; correct webhook.url")
        except httpx.ConnectError as error:
            return Delivered(Delivery.NOT_SENT, _why(error))
        except httpx.HTTPError as error:
            return _silent(sent, f"the connection broke ({type(error).__name__})")

    async def _send(self, call: WebhookCall, headers: Mapping[str, str], body: bytes, sent: "_Sent") -> Delivered:
        request = self._client.build_request(
            "POST",
            call.url,
            content=body,
            headers=dict(headers),
            timeout=httpx.Timeout(float(call.timeout), connect=min(CONNECT_SECONDS, call.timeout)),
            extensions={"trace": sent.note, NAMESPACE: call.namespace},
        )
        response = await self._client.send(request, stream=True)
        try:
            return _judged(response.status_code)
        finally:
            await response.aclose()

    async def _headers(self, call: WebhookCall, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": call.key}
        if call.secret is None:
            return headers
        name = "/".join(call.secret)
        try:
            data = await self._read(*call.secret)
        except Gone:
            raise _Unusable(f"Secret {name} does not exist; create it or correct webhook.secretRef") from None
        except NoAnswer:
            raise
        except ModelrampError as error:
            raise _Unusable(f"Secret {name} cannot be read: {shortened(str(error))}") from None
        found = _credentials(data, name, body)
        problem = plain_problem(call.url, allowed=self._plain) if "Authorization" in found else None
        if problem is not None:
            raise _Unusable(problem)
        return headers | found


class _Unusable(Exception):
    """The call cannot be made as declared."""


class _Sent:
    """Whether the request may have left: noted before its first byte is written."""

    def __init__(self) -> None:
        self.maybe = False

    async def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpcore at each stage of a request."""
        del info
        if event.endswith(_SENDING):
            self.maybe = True


def _credentials(data: Mapping[str, str], name: str, body: bytes) -> dict[str, str]:
    token, secret = data.get("token", "").strip(), data.get("hmac", "").rstrip("\r\n")
    if not token and not secret:
        raise _Unusable(f"Secret {name} needs the key `token` or the key `hmac`")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise _Unusable(f"Secret {name}: `token` has characters that no bearer token may have")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if secret:
        headers[SIGNATURE] = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    return headers


def _judged(status: int) -> Delivered:
    if 200 <= status < 300:
        return Delivered(Delivery.TAKEN, f"HTTP {status}")
    if status in _BUSY:
        return Delivered(Delivery.BUSY, f"HTTP {status}, it took no notice")
    if 300 <= status < 400:
        detail = f"HTTP {status}, a redirect, which is not followed; give the final address"
        return Delivered(Delivery.REFUSED, detail)
    return Delivered(Delivery.REFUSED, f"HTTP {status}; it is not called again for this episode")


def _silent(sent: _Sent, what: str) -> Delivered:
    if not sent.maybe:
        return Delivered(Delivery.NOT_SENT, f"{what}, and nothing was sent")
    return Delivered(Delivery.UNKNOWN, f"{what}; it may have been taken: look there, and call by hand if needed")


def _why(error: httpx.ConnectError) -> str:
    text = str(error).lower()
    if "certificate" in text:
        return "its certificate is not trusted; set MODELRAMP_WEBHOOK_CA_FILE to its authority"
    if "ssl" in text or "tls" in text:
        return "no TLS connection; is the address https by mistake?"
    if "name" in text or "resolve" in text or "nodename" in text:
        return "the host name does not resolve"
    return "the connection is refused; does the receiver run there?"
