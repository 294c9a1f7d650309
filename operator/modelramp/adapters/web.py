"""The operator's own small web server: /healthz and /readyz for the kubelet, /metrics for Prometheus."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from aiohttp import web

Verdict = tuple[bool, str]
"""The result, and a sentence that explains it."""


def heartbeat_verdict(heartbeat: float, now: float, limit: float) -> Verdict:
    """Whether the engine's loop is alive: its last beat is at most `limit` seconds old.

    heartbeat, now: epoch seconds of one clock; a beat in the future (the clock was set back) counts as alive.
    """
    age = now - heartbeat
    if age <= limit:
        return True, f"last beat {max(age, 0):.0f} s ago"
    return False, f"last beat {age:.0f} s ago, limit {limit:.0f} s: the engine is stuck"


class Web:
    """Serves while the context lasts. `healthy` and `ready` run in the event loop at each request and must be quick."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        healthy: Callable[[], Verdict],
        ready: Callable[[], Verdict],
        metrics: Callable[[], tuple[bytes, str]],
    ) -> None:
        """port: 0 picks a free one. metrics: body and content type, as OperatorTelemetry.render gives them."""
        self._host = host
        self._port = port
        self._metrics = metrics
        app = web.Application()
        app.router.add_get("/healthz", _answering(healthy))
        app.router.add_get("/readyz", _answering(ready))
        app.router.add_get("/metrics", self._render)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    @property
    def port(self) -> int:
        """The port that is served."""
        port: int = self._runner.addresses[0][1]
        return port

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _render(self, _request: web.Request) -> web.Response:
        body, content_type = await asyncio.to_thread(self._metrics)  # of 10,000 objects it takes 0.2 s
        return web.Response(body=body, headers={"Content-Type": content_type})


def _answering(question: Callable[[], Verdict]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request) -> web.StreamResponse:
        verdict, why = question()
        return web.Response(status=200 if verdict else 503, text=why + "\n")

    return answer
