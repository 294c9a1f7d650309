"""The node's view of the API server: a few verbs over aiohttp, objects as plain dictionaries."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from localplane import addresses as at

REQUEST_TIMEOUT_S = 10.0
# A watch ends by itself after this long; a silent one that is only half open is noticed soon after.
WATCH_TIMEOUT_S = 240
STRATEGIC = "application/strategic-merge-patch+json"

Object = dict[str, Any]


class ApiError(Exception):
    """The API server refused; `code` is its HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        """Keep the status and what was said."""
        super().__init__(f"{code}: {message[:256]}")
        self.code = code
        self.message = message


class ApiSilentError(Exception):
    """The API server did not answer (in time)."""


class Api:
    """A connection to the API server with a bearer token."""

    def __init__(self, token: str, authority: Path) -> None:
        """Prepare; use as an asynchronous context manager."""
        self._headers = {"Authorization": f"Bearer {token}"}
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the session."""
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        self._session = aiohttp.ClientSession(at.API_URL, headers=self._headers, connector=connector)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, **query: str) -> Object:
        """Read an object or a list."""
        return await self._call("GET", path, query=query)

    async def create(self, path: str, body: Object) -> Object:
        """Post a new object."""
        return await self._call("POST", path, body=body)

    async def patch(self, path: str, body: Object) -> Object:
        """Change an object by a strategic merge patch."""
        return await self._call("PATCH", path, body=body, kind=STRATEGIC)

    async def delete(self, path: str, body: Object) -> Object:
        """Delete an object with DeleteOptions."""
        return await self._call("DELETE", path, body=body)

    async def watch(self, path: str, version: str, **query: str) -> AsyncIterator[Object]:
        """Yield events after a resourceVersion until the server ends the watch.

        Raises ApiError with code 410 when that version is too old: list again.
        """
        query |= {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true"}
        query["timeoutSeconds"] = str(WATCH_TIMEOUT_S)
        limit = aiohttp.ClientTimeout(total=WATCH_TIMEOUT_S + REQUEST_TIMEOUT_S, sock_connect=REQUEST_TIMEOUT_S)
        try:
            # A pod with its status can be longer than the reader's line limit, hence no iteration by lines.
            async with self._opened().get(path, params=query, timeout=limit) as answer:
                await _raise_for(answer)
                rest = b""
                async for chunk in answer.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield _event(line)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiSilentError(f"watch {path}: {error!r}") from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("use the Api as an asynchronous context manager")
        return self._session

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        kind: str = "application/json",
    ) -> Object:
        limit = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": kind} if data is not None else {}
        try:
            async with self._opened().request(
                method, path, params=query, data=data, headers=headers, timeout=limit
            ) as answer:
                await _raise_for(answer)
                found: Object = await answer.json()
                return found
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiSilentError(f"{method} {path}: {error!r}") from error


async def retried(what: str, attempt: Callable[[], Awaitable[Object]]) -> Object | None:
    """Await `attempt()` until the API server answers; None when the object is gone (404).

    A refusal that can pass by itself is tried ten times: 403, because the Node authorizer learns of a pod's Secrets a
    moment after the node learns of the pod; 409 and 429. Other refusals raise ApiError at once.
    """
    delay_s, refusals = 0.2, 0
    while True:
        try:
            return await attempt()
        except ApiSilentError as error:
            print(f"{what}: {error}; trying again", flush=True)
        except ApiError as error:
            if error.code == 404:
                return None
            refusals += 1
            if error.code < 500 and (error.code not in (403, 409, 429) or refusals == 10):
                raise
        await asyncio.sleep(delay_s)
        delay_s = min(delay_s * 2, 5.0)


def _event(line: bytes) -> Object:
    event: Object = json.loads(line)
    if event["type"] == "ERROR":
        status = event["object"]
        raise ApiError(int(status.get("code", 500)), str(status.get("message", "")))
    return event


async def _raise_for(answer: aiohttp.ClientResponse) -> None:
    if answer.status < 400:
        return
    text = await answer.text()
    try:
        message = str(json.loads(text).get("message", text))
    except (ValueError, AttributeError):
        message = text
    raise ApiError(answer.status, message)
