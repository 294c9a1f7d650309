"""Loopback ports outside the namespace that lead to addresses inside it.

A socket stays in the namespace in which it was made: the listening sockets are made outside and inherited by the
supervisor, whose own connections are made inside. So one process carries bytes across, with no device in between.
"""

import asyncio
import contextlib
import socket
from collections.abc import Mapping

CHUNK = 64 * 1024
CONNECT_TIMEOUT_S = 5.0


def listen_on_loopback(wished: Mapping[str, int]) -> dict[str, socket.socket]:
    """Open a listening socket for each name, on the port wished or, where that is 0, on a free one."""
    opened = {}
    for name, port in wished.items():
        handle = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        handle.bind(("127.0.0.1", port))
        handle.listen(512)
        opened[name] = handle
    return opened


async def forward(listening: socket.socket, target: tuple[str, int]) -> asyncio.Server:
    """Serve a listening socket: every connection is joined to a new one to `target`.

    When nobody listens there, the caller's connection is closed: to a client that is a server that went away.
    """
    # The pumps close their connection by themselves; holding the tasks keeps them from being collected half-way.
    running: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_join(reader, writer, target))
        running.add(task)
        task.add_done_callback(running.discard)

    return await asyncio.start_server(accept, sock=listening, limit=CHUNK)


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: tuple[str, int]) -> None:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            inner_reader, inner_writer = await asyncio.open_connection(*target, limit=CHUNK)
    except (OSError, TimeoutError):
        writer.transport.abort()
        return
    try:
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
    finally:
        for end in (writer, inner_writer):
            end.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(CHUNK):
            sink.write(chunk)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
        return
    # One side broke off: without this the other pump would wait for ever.
    sink.transport.abort()
