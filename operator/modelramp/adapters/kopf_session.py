"""The HTTP session with which Kopf lists and watches: every answer can be decoded and is bounded in size.

Kopf decodes a watch line by line with json.loads and ends the whole operator when one line raises; it also lists in
pages of a fixed number of objects. Kopf accepts a session of its user's, so both are solved below it.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import kopf
from aiohttp.typedefs import DEFAULT_JSON_DECODER, JSONDecoder
from yarl import URL

from modelramp.adapters.decoding import decoded_line, decoded_list
from modelramp.adapters.paging import LARGEST, Pages, read_at_most
from modelramp.desired.kinds import watched
from modelramp.engine.ports import Telemetry

ERROR_PAUSE_SECONDS = 5.0
"""Longest pause in seconds after an error within a watch: Kopf itself lists again at once."""
_PLURALS = frozenset(kind.plural for kind in watched())
_EXPIRED = 410

Login = Callable[..., Awaitable[kopf.AiohttpSession]]


def login_through(telemetry: Telemetry) -> Login:
    """A login handler for Kopf: its usual credentials, in our session."""
    pages = Pages()

    async def login(**found: Any) -> kopf.AiohttpSession:
        info = await asyncio.to_thread(kopf.login_via_client, **found)  # it reads files, and may run a plugin
        if info is None:
            raise kopf.LoginError("there are no credentials for the API server")
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
            headers=info.as_http_headers(),
            proxy=info.proxy_url,
            trust_env=info.trust_env,
            response_class=Answer,
            middlewares=(_between(pages, telemetry),),
        )
        return kopf.AiohttpSession(
            server=info.server,
            default_namespace=info.default_namespace,
            priority=info.priority,
            expiration=info.expiration,
            aiohttp_session=session,
        )

    return login


class Answer(aiohttp.ClientResponse):
    """An answer whose objects can all be decoded."""

    _decoded: Any = None

    async def json(
        self,
        *,
        encoding: str | None = None,
        loads: JSONDecoder = DEFAULT_JSON_DECODER,
        content_type: str | None = "application/json",
    ) -> Any:
        """The answer as JSON; raises ClientPayloadError, after which Kopf lists again, when it is none."""
        if self.status >= 400 or not _watched(self.url):
            return await super().json(encoding=encoding, loads=loads, content_type=content_type)
        try:
            self._decoded = self._decoded or decoded_list(await self.read())
        except ValueError as error:
            raise aiohttp.ClientPayloadError("the API server's list is not JSON") from error
        return self._decoded

    async def read_within(self, most: int) -> bool:
        """Read the body; False when it has more bytes."""
        self._body = await read_at_most(self, most)
        return self._body is not None


class Lines:
    """The stream of a watch: only complete lines that json.loads can parse."""

    def __init__(self, content: aiohttp.StreamReader, telemetry: Telemetry, pause: float = ERROR_PAUSE_SECONDS) -> None:
        """pause: at most so many seconds pass after an error that the API server reports."""
        self._content = content
        self._telemetry = telemetry
        self._pause = pause

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Complete lines; an incomplete last one is dropped."""
        begun: list[bytes] = []
        async for data in self._content.iter_chunked(size):
            head, newline, tail = data.rpartition(b"\n")
            if not newline:
                begun.append(tail)
                continue
            for line in b"".join((*begun, head)).split(b"\n"):
                readable = await self._readable(line)
                if readable:
                    yield readable + b"\n"
            begun = [tail]

    async def _readable(self, line: bytes) -> bytes:
        if not line:
            return line
        found = decoded_line(line)
        if not found:
            self._telemetry.warn("a line of a watch cannot be read", characters=len(line))
        return await self._expired(found) if found.startswith(b'{"type":"ERROR"') else found

    async def _expired(self, line: bytes) -> bytes:
        """An error of the API server that ends only this watch: Kopf ends the operator on every other error."""
        event = json.loads(line)
        status = event["object"]
        if not isinstance(status, dict) or status.get("code") != _EXPIRED:
            self._telemetry.warn("a watch failed and begins anew", reason=str(status)[:256])
            await asyncio.sleep(random.uniform(0, self._pause))  # noqa: S311 - spread, not a secret
        return json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": _EXPIRED}}).encode()


def _between(pages: Pages, telemetry: Telemetry) -> aiohttp.ClientMiddlewareType:
    async def middleware(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        kind = request.url.name
        if request.method.upper() != "GET" or not _watched(request.url):
            return await handler(request)
        if "watch" in request.url.query:
            response = await handler(request)
            response.content = Lines(response.content, telemetry)  # type: ignore[assignment]
            return response
        asked = ""
        while True:
            limit = pages.limit(kind)
            request.url = request.url.update_query(limit=str(limit))
            response = await handler(request)
            if limit > 1 and isinstance(response, Answer) and not await response.read_within(LARGEST):
                pages.too_large(kind)
            elif response.status == _EXPIRED and (token := await _later(response)) not in {"", asked}:
                # The snapshot of the list is gone, but the server can go on with what is there now.
                asked = token
                request.url = request.url.update_query({"continue": token})
            else:
                break
        if response.status == 200:
            size = len(await response.read())
            pages.saw(kind, len((await response.json()).get("items") or ()), size)
        return response

    return middleware


async def _later(response: aiohttp.ClientResponse) -> str:
    """The token with which a list whose snapshot expired can go on; "" when there is none."""
    try:
        status = await response.json()
    except (ValueError, aiohttp.ClientError):
        return ""
    return str((status.get("metadata") or {}).get("continue") or "") if isinstance(status, dict) else ""


def _watched(url: URL) -> bool:
    return url.name in _PLURALS
