"""Talking to a running supervisor: one line of JSON to its socket, one line back."""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localplane.errors import NotRunningError, PlaneError

SOCKET_NAME = "control.sock"
ANSWER_TIMEOUT_S = 60.0

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@contextmanager
def _short_path(folder: Path) -> Iterator[str]:
    """Name the socket through a descriptor of its folder: a socket's address holds only 108 bytes."""
    descriptor = os.open(folder, os.O_PATH)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def listen(folder: Path) -> socket.socket:
    """Open the supervisor's socket in the plane's folder, for its owner only."""
    (folder / SOCKET_NAME).unlink(missing_ok=True)
    handle = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short_path(folder) as path:
        handle.bind(path)
    (folder / SOCKET_NAME).chmod(0o600)
    handle.listen(16)
    return handle


def ask(folder: Path, request: dict[str, Any], timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
    """Send one request and return the answer.

    Raises NotRunningError when nobody listens, PlaneError with the supervisor's words when it refuses.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as handle:
            handle.settimeout(timeout_s)
            with _short_path(folder) as path:
                handle.connect(path)
            handle.sendall(json.dumps(request).encode() + b"\n")
            with handle.makefile() as lines:
                answer: dict[str, Any] = json.loads(lines.readline())
    except (OSError, ValueError) as error:
        raise NotRunningError(f"the plane in {folder} does not answer ({error}); is it up?") from error
    if "error" in answer:
        raise PlaneError(answer["error"])
    return answer


async def serve(listening: socket.socket, handler: Handler) -> asyncio.Server:
    """Answer every request with what `handler` returns; its PlaneErrors become answers too."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await _answer(await reader.readline(), handler)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except OSError:
            # Whoever asked has gone; there is nobody to tell.
            pass
        finally:
            writer.close()

    return await asyncio.start_unix_server(accept, sock=listening)


async def _answer(line: bytes, handler: Handler) -> dict[str, Any]:
    try:
        return await handler(json.loads(line))
    except PlaneError as error:
        return {"error": str(error)}
    except ValueError:
        return {"error": "a request is one line of JSON"}
