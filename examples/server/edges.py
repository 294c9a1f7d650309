"""What happens to a request before and after the routes: bodies are bounded, draining servers shed connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# 64 images of 64 numbers with up to 17 digits each are below 90 kB.
BODY_BYTES_MAX = 131_072


class BoundedBodies:
    """Answers 413 to a body above the limit, whether or not it announces its length."""

    def __init__(self, app: ASGIApp, on_refusal: Callable[[], None]) -> None:
        self._app, self._on_refusal = app, on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body before the application sees the request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        body = None if announced.isdecimal() and int(announced) > BODY_BYTES_MAX else await _read(receive)
        if body is None:
            self._on_refusal()
            message = f"body: above {BODY_BYTES_MAX} bytes; send fewer images at a time"
            await JSONResponse({"error": message}, 413, {"connection": "close"})(scope, receive, send)
            return
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replayed() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replayed, send)


async def _read(receive: Receive) -> bytes | None:
    """The request's body, or None as soon as it is above the limit or the client has gone."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX or message["type"] == "http.disconnect":
            return None
        more = message.get("more_body", False)
    return body


class SheddingConnections:
    """While draining, every answer closes its connection.

    A gateway keeps connections to pods open; without this it may send a request on one in the moment it is closed,
    which nobody can repeat safely.
    """

    def __init__(self, app: ASGIApp, draining: Callable[[], bool]) -> None:
        self._app, self._draining = app, draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and mark the answer."""

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._draining():
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, receive, closing if scope["type"] == "http" else send)
