"""Webhooks on a real server on the loopback: what is sent, how it ends, and whether it may be sent again."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from modelramp.adapters.addresses import Addresses, AddressList, getaddrinfo
from modelramp.adapters.webhooks import HttpWebhooks
from modelramp.api.errors import AddressRefused, ApiServerUnavailable, Gone, Refused
from modelramp.engine.ports import Delivery, WebhookCall

BODY = {"event": "drift", "name": "digits", "reason": "inputs: PSI 0.31 > 0.2, ä"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def answer(status, headers=""):
    return f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n{headers}\r\n".encode()


@dataclass
class Receiver:
    """Answers each request with the same bytes and keeps what came. hold: seconds before the answer."""

    says: bytes | None = OK
    hold: float = 0.0
    open_end: bool = False
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader, writer):
        try:
            first = await reader.readexactly(1)
            if first == b"\x16":  # a TLS handshake
                writer.write(answer(400))
                return
            head = (first + await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
            self.requests.append((head[0], headers, await reader.readexactly(int(headers["content-length"]))))
            await asyncio.sleep(self.hold)
            if self.says is not None:
                writer.write(self.says)
                await writer.drain()
            if self.open_end:
                await asyncio.sleep(30)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the caller has given up, which is what some tests are about
        finally:
            writer.close()


@asynccontextmanager
async def receiver(says=OK, **options):
    found = Receiver(says, **options)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks/retrain?team=ml"
    async with server:
        yield found
        server.close()


class Log:
    """Keeps what the log would say."""

    def __init__(self):
        self.lines = []

    def warn(self, event, **fields):
        self.lines.append({"event": event, **fields})


async def called(url, *, secret=None, data=None, seconds=5, allowed=("127.0.0.1",), plain=True, log=None, names=None):
    """names: what hosts resolve to; the system's answer for others."""

    async def read(namespace, name):
        assert (namespace, name) == secret
        if isinstance(data, Exception):
            raise data
        return data or {}

    def resolve(host):
        return (names or {})[host] if host in (names or {}) else getaddrinfo(host)

    addresses = Addresses(AddressList.of(allowed), resolve=resolve)
    async with HttpWebhooks(read, addresses, log or Log(), allow_plain_credentials=plain) as webhooks:
        return await webhooks.call(WebhookCall("ml", url, secret, seconds, key="uid-7-abc", body=BODY))


async def test_one_post_with_a_json_body_and_a_key_that_tells_repetitions():
    async with receiver() as there:
        found = await called(there.url)

    ((line, headers, body),) = there.requests
    assert line == "POST /hooks/retrain?team=ml HTTP/1.1"
    assert json.loads(body) == BODY
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == "uid-7-abc"
    assert "authorization" not in headers
    assert (found.delivery, found.detail) == (Delivery.TAKEN, "HTTP 200")


@pytest.mark.parametrize(
    ("status", "delivery"),
    [
        (200, Delivery.TAKEN),
        (202, Delivery.TAKEN),
        (204, Delivery.TAKEN),
        (400, Delivery.REFUSED),
        (401, Delivery.REFUSED),
        (404, Delivery.REFUSED),
        (500, Delivery.REFUSED),
        (502, Delivery.REFUSED),
        (429, Delivery.BUSY),
        (503, Delivery.BUSY),
    ],
)
async def test_the_receiver_s_answer_counts(status, delivery):
    async with receiver(answer(status)) as there:
        found = await called(there.url)

    assert found.delivery is delivery
    assert f"HTTP {status}" in found.detail
    assert len(there.requests) == 1


async def test_a_redirect_is_not_followed():
    async with receiver() as other, receiver(answer(302, f"Location: {other.url}\r\n")) as there:
        found = await called(there.url, secret=("ml", "s"), data={"token": "abc"})

    assert other.requests == []
    assert found.delivery is Delivery.REFUSED
    assert "give the final address" in found.detail


async def test_no_answer_in_time_may_have_been_taken():
    async with receiver(None, open_end=True) as there:
        found = await called(there.url, seconds=1)

    assert found.delivery is Delivery.UNKNOWN
    assert "no answer within 1 s" in found.detail
    assert len(there.requests) == 1


@pytest.mark.parametrize("says", [None, b"HTTP/1.1 2", b"nonsense\r\n\r\n"])
async def test_an_answer_that_breaks_off_may_have_been_taken(says):
    async with receiver(says) as there:
        found = await called(there.url)

    assert found.delivery is Delivery.UNKNOWN


async def test_a_body_without_end_is_not_waited_for():
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\nxxx"
    async with receiver(endless, open_end=True) as there, asyncio.timeout(3):
        found = await called(there.url)

    assert found.delivery is Delivery.TAKEN


async def test_a_port_that_nobody_listens_on_was_surely_not_told():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = await called(f"http://127.0.0.1:{free.getsockname()[1]}/")

    assert found.delivery is Delivery.NOT_SENT
    assert "refused" in found.detail


async def test_a_host_that_does_not_exist_was_surely_not_told():
    found = await called("http://nobody.invalid/")

    assert (found.delivery, found.detail) == (Delivery.NOT_SENT, AddressRefused.MESSAGE)


async def test_a_listener_that_never_accepts_was_surely_not_told():
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for waiting in (first, second):  # they fill the queue of the listener
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        found = await called(f"http://127.0.0.1:{deaf.getsockname()[1]}/", seconds=1)

    assert found.delivery is Delivery.NOT_SENT
    assert "nothing was sent" in found.detail


async def test_https_to_a_plain_port_was_surely_not_told():
    async with receiver() as there:
        found = await called(there.url.replace("http:", "https:"))

    assert found.delivery is Delivery.NOT_SENT
    assert "TLS" in found.detail


async def test_a_token_is_sent_and_the_body_is_signed():
    async with receiver() as there:
        await called(there.url, secret=("ml", "s"), data={"token": "abc\n", "hmac": "key\n"})

    ((_, headers, body),) = there.requests
    assert headers["authorization"] == "Bearer abc"
    assert headers["modelramp-signature"] == "sha256=" + hmac.new(b"key", body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (Gone("no"), "does not exist"),
        (Refused("secrets is forbidden"), "forbidden"),
        ({}, "needs the key `token` or the key `hmac`"),
        ({"token": "a b"}, "no bearer token may have"),
    ],
)
async def test_without_its_credentials_it_is_not_sent_at_all(data, words):
    async with receiver() as there:
        found = await called(there.url, secret=("ml", "s"), data=data)

    assert found.delivery is Delivery.REFUSED
    assert words in found.detail
    assert "ml/s" in found.detail
    assert there.requests == []


async def test_a_secret_that_cannot_be_read_now_may_be_read_later():
    found = await called("http://127.0.0.1:9/", secret=("ml", "s"), data=ApiServerUnavailable("no answer"))

    assert found.delivery is Delivery.NOT_SENT


@pytest.mark.parametrize("url", ["http://[/", "http://a:99999/", "https://ex ample/"])
async def test_what_is_no_url_is_refused_without_a_crash(url):
    found = await called(url)

    assert found.delivery in {Delivery.REFUSED, Delivery.NOT_SENT}


INNER = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://0x7f.1:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
]


@pytest.mark.parametrize(
    "url", [*INNER, "http://inner.example.com:{port}/", "http://169.254.169.254/latest/meta-data/"]
)
async def test_an_address_that_objects_may_not_name_is_not_called_and_not_told_from_one_that_does_not_exist(url):
    log = Log()
    async with receiver() as there:
        port = there.url.rsplit(":", 1)[1].partition("/")[0]
        names = {"inner.example.com": ["127.0.0.1"]}
        found = await called(url.format(port=port), allowed=(), log=log, names=names)
        unknown = await called("http://nobody.example.com/", allowed=(), names={"nobody.example.com": []})

    assert there.requests == []
    assert found == unknown
    assert (found.delivery, found.detail) == (Delivery.NOT_SENT, AddressRefused.MESSAGE)
    assert log.lines[0]["namespace"] == "ml"
    assert "loopback" in log.lines[0]["reason"] or "link-local" in log.lines[0]["reason"]


async def test_a_name_is_called_at_the_address_that_was_checked():
    async with receiver() as there:
        port = there.url.rsplit(":", 1)[1].partition("/")[0]
        found = await called(f"http://pipelines.invalid:{port}/x", names={"pipelines.invalid": ["127.0.0.1"]})

    assert found.delivery is Delivery.TAKEN
    assert there.requests[0][1]["host"] == f"pipelines.invalid:{port}"


async def test_a_token_is_not_sent_in_plain_unless_that_is_asked_for():
    async with receiver() as there:
        found = await called(there.url, secret=("ml", "s"), data={"token": "abc", "hmac": "key"}, plain=False)
        signed = await called(there.url, secret=("ml", "s"), data={"hmac": "key"}, plain=False)

    assert found.delivery is Delivery.REFUSED
    assert "credentials are not sent over http" in found.detail
    assert "abc" not in found.detail
    assert signed.delivery is Delivery.TAKEN
    assert [headers.get("authorization") for _, headers, _ in there.requests] == [None]


FLOODS = {
    "informational answers": b"HTTP/1.1 100 Continue\r\n\r\n",
    "headers": b"X-More: " + b"x" * 80 + b"\r\n",
    "a header without end": b"x" * 1000,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_of_an_answer_without_end_little_is_read(flood):
    sent = 0

    async def pour(reader, writer):
        nonlocal sent
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            if not flood.startswith(b"HTTP"):
                writer.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                writer.write(flood * 100)
                await writer.drain()
                sent += len(flood) * 100

    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    async with server, asyncio.timeout(30):
        found = await called(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", seconds=3)
        server.close()
        await asyncio.sleep(0.1)

    assert found.delivery is Delivery.UNKNOWN
    assert sent < 20_000_000, "what the sockets hold of it, not what three seconds bring"


async def test_an_answer_that_drips_is_not_waited_for_longer_than_the_timeout():
    async def drip(reader, writer):
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.05)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    began = asyncio.get_running_loop().time()
    async with server:
        found = await called(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", seconds=1)
        server.close()
        await asyncio.sleep(0.1)

    assert found.delivery is Delivery.UNKNOWN
    assert asyncio.get_running_loop().time() - began < 20, "not the minute that all of it takes"
