"""The part of kubelet's own API that `kubectl logs` uses. Everybody inside the namespace may ask."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from localplane import addresses as at
from localplane.node.containers import Container

# Finds a container by namespace, pod and name.
Finder = Callable[[str, str, str], Container | None]

CHUNK = 64 * 1024
FOLLOW_INTERVAL_S = 0.2


async def serve(find: Finder, certificate: Path, key: Path) -> web.AppRunner:
    """Serve logs and health on the node's address."""
    app = web.Application()

    async def health(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def logs(request: web.Request) -> web.StreamResponse:
        return await _logs(request, find)

    app.add_routes([web.get("/healthz", health), web.get("/containerLogs/{namespace}/{pod}/{container}", logs)])
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, at.NODE_HOST, at.NODE_PORT, ssl_context=tls).start()
    return runner


async def _logs(request: web.Request, find: Finder) -> web.StreamResponse:
    where = (request.match_info["namespace"], request.match_info["pod"], request.match_info["container"])
    container = find(*where)
    if container is None:
        return web.Response(status=404, text=f"no container {'/'.join(where)} runs on this node\n")
    path = container.log(previous=request.query.get("previous") == "true")
    if not path.exists():
        return web.Response(status=400, text=f"container {'/'.join(where)} has no log yet\n")
    answer = web.StreamResponse()
    await answer.prepare(request)
    with path.open("rb") as log:
        if "tailLines" in request.query:
            lines = log.read().splitlines(keepends=True)
            await answer.write(b"".join(lines[len(lines) - min(int(request.query["tailLines"]), len(lines)) :]))
        while chunk := log.read(CHUNK):
            await answer.write(chunk)
        while request.query.get("follow") == "true" and (container.state.running or log.peek(1)):
            await answer.write(log.read(CHUNK))
            await asyncio.sleep(FOLLOW_INTERVAL_S)
    await answer.write_eof()
    return answer
