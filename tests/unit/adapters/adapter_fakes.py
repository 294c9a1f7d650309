"""Servers on loopback that misbehave on purpose: a fake is right here, since no real one can be made to do it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from modelramp.api.names import Reason
from modelramp.core.events import ObjectRef, RolloutEvent

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Told:
    """A Telemetry that remembers."""

    lines: list = field(default_factory=list)
    counted: list = field(default_factory=list)

    def log(self, event, **fields):
        self.lines.append((event, fields))

    def warn(self, event, **fields):
        self.lines.append((event, fields))

    def count(self, metric, **labels):
        self.counted.append((metric, labels))

    def observe(self, metric, value, **labels):
        assert value >= 0

    def gauge(self, metric, value, **labels):
        pass


class StillClock:
    """A clock that only moves when it is told to, or when somebody sleeps."""

    def __init__(self, now=1_700_000_000.0):
        self.time = now

    def now(self):
        return self.time

    async def sleep(self, seconds):
        self.time += seconds
        await asyncio.sleep(0)


@dataclass
class Request:
    """What a server received."""

    line: str
    headers: dict
    body: bytes

    @property
    def form(self):
        return {key: values[0] for key, values in parse_qs(self.body.decode()).items()}


async def read_request(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in pairs}
    return Request(head[0], headers, await reader.readexactly(int(headers.get("content-length", 0))))


def http(code, body, *headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = (f"HTTP/1.1 {code} X", f"Content-Length: {len(content)}", "Connection: close", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


@asynccontextmanager
async def serving(handler: Handler):
    """A TCP server on a free loopback port; yields its base URL."""
    tasks = set()

    async def guarded(reader, writer):
        task = asyncio.current_task()
        tasks.add(task)
        try:
            await handler(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def answering(*answers: bytes):
    """Answers the n-th request with the n-th answer (the last one from then on); yields the URL and the requests."""
    received = []

    async def handler(reader, writer):
        received.append(await read_request(reader))
        writer.write(answers[min(len(received), len(answers)) - 1])

    async with serving(handler) as url:
        yield url, received


def happened(about, reason, message, *, warning):
    """The event as the engine hands it to a channel."""
    metadata = about["metadata"]
    version = metadata.get("resourceVersion", "")
    ref = ObjectRef(
        metadata["namespace"], metadata["name"], metadata["uid"], version, about["kind"], about["apiVersion"]
    )
    return RolloutEvent(Reason(reason), message, warning, object=ref)
