"""The HTTP session with which Kopf watches: it begins where the engine's list did, and every line can be decoded.

Kopf lists before it watches, and hands each listed object through its queues first: with thousands of objects the
version of the list is too old by then, the watch ends at once, and the next list begins. Kopf also decodes a watch line
by line with json.loads, and ends the whole operator when one line raises. It accepts a session of its user's, so both
are solved below it: its lists are empty, with the version that its watch should begin at.
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

from modelramp.adapters.credentials import without_formalities
from modelramp.adapters.decoding import decoded_line, decoded_list
from modelramp.adapters.paging import Versions
from modelramp.api.kinds import Kind
from modelramp.desired.kinds import watched
from modelramp.engine.ports import Telemetry

ERROR_PAUSE_SECONDS = 5.0
"""Longest pause in seconds after an error within a watch: Kopf itself lists again at once."""
_KINDS = {kind.plural: kind for kind in watched()}
_EXPIRED = 410

Login = Callable[..., Awaitable[kopf.AiohttpSession]]


def login_through(telemetry: Telemetry, versions: Versions, list_again: Callable[[Kind], None]) -> Login:
    """A login handler for Kopf: its usual credentials, in our session.

    versions: of the lists that were taken in already. list_again: called for a kind whose watch begins without one.
    """

    async def login(**found: Any) -> kopf.AiohttpSession:
        info = await asyncio.to_thread(kopf.login_via_client, **found)  # it reads files, and may run a plugin
        if info is None:
            raise kopf.LoginError("there are no credentials for the API server")
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=without_formalities(info.as_ssl_context())),
            headers=info.as_http_headers(),
            proxy=info.proxy_url,
            trust_env=info.trust_env,
            response_class=Answer,
            middlewares=(_between(telemetry, versions, list_again),),
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
    """An answer to Kopf; one to a list has no objects."""

    begins: dict[str, Any] | None = None

    async def json(
        self,
        *,
        encoding: str | None = None,
        loads: JSONDecoder = DEFAULT_JSON_DECODER,
        content_type: str | None = "application/json",
    ) -> Any:
        """The answer as JSON."""
        if self.begins is not None:
            return self.begins
        return await super().json(encoding=encoding, loads=loads, content_type=content_type)

    async def begin(self, version: str) -> None:
        """Become an empty list; version: of the list, its own when it is "".

        Raises ClientPayloadError, after which Kopf lists again, when the answer is no list.
        """
        try:
            found = decoded_list(await self.read())
        except ValueError as error:
            raise aiohttp.ClientPayloadError("the API server's list is not JSON") from error
        own = (found.get("metadata") or {}).get("resourceVersion")
        self.begins = {**found, "metadata": {"resourceVersion": version or own}, "items": []}


class Lines:
    """The stream of a watch: only complete lines that json.loads can parse."""

    def __init__(self, content: aiohttp.StreamReader, telemetry: Telemetry, pause: float = ERROR_PAUSE_SECONDS) -> None:
        """pause: longest wait after an error that the API server reports, seconds."""
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


def _between(
    telemetry: Telemetry, versions: Versions, list_again: Callable[[Kind], None]
) -> aiohttp.ClientMiddlewareType:
    async def middleware(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        kind = _KINDS.get(request.url.name)
        if request.method.upper() != "GET" or kind is None:
            return await handler(request)
        if "watch" in request.url.query:
            response = await handler(request)
            response.content = Lines(response.content, telemetry)  # type: ignore[assignment]
            return response
        request.url = request.url.update_query(limit="1")  # only its resourceVersion is used
        response = await handler(request)
        if response.status < 400 and isinstance(response, Answer):
            version = versions.take(kind.plural, _namespace(request.url))
            await response.begin(version)
            if not version:
                list_again(kind)
        return response

    return middleware


def _namespace(url: URL) -> str | None:
    """The namespace that is listed; None for all."""
    *_, before, namespace, _ = ("", "", *url.parts)
    return namespace if before == "namespaces" else None
