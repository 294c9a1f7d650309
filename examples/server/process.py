"""The life of the process: listen, load, serve, drain, end."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
import uvicorn

from examples.server.service import DigitsService, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

log = structlog.get_logger()

# Longer than a gateway keeps an idle connection (Traefik: 90 s), so that it is the gateway who closes it.
KEEP_ALIVE_SECONDS = 120
# Above the slow variant's 6 s, below Kubernetes' 30 s together with the drain.
LAST_ANSWERS_SECONDS = 15


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: they stop listening at once and end the process by the signal."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(service: DigitsService, app: FastAPI) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code: 0, or 1 if it cannot listen or has no model."""
    settings = service.settings
    try:
        listening = socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as error:
        log.error("cannot listen; the process ends", reason=error.strerror, host=settings.host, port=settings.port)  # noqa: TRY400
        return 1
    # asyncio does this only for sockets it made itself; without it each answer waits 40 ms for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = _Server(
        uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
        )
    )
    told_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(told_to_stop.wait())
    try:
        code = await _load(service, port=listening.getsockname()[1])
        if code == 0:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await _drain(service, serving)
    finally:
        stopping.cancel()
        server.should_exit = True
        await serving
    log.info("ended", code=code)
    return code


async def _load(service: DigitsService, port: int) -> int:
    try:
        await asyncio.to_thread(service.load)
    except Exception as error:  # noqa: BLE001 - whatever it is, the process says so and ends
        log.error("the model cannot be loaded; the process ends", reason=str(error), kind=type(error).__name__)  # noqa: TRY400
        return 1
    log.info("ready", variant=service.settings.variant, port=port)
    return 0


async def _drain(service: DigitsService, serving: asyncio.Task[None]) -> None:
    if serving.done():
        return
    service.stage = Stage.DRAINING
    log.info("draining", seconds=service.settings.drain)
    # Gateways need a moment to hear that this pod is no longer ready; until then their requests are answered.
    await asyncio.wait({serving}, timeout=service.settings.drain)
