"""Connections to names whose addresses change between the check and the use, on loopback."""

import ssl
import subprocess

import httpx
import pytest
from adapter_fakes import answering, http, read_request, serving

from modelramp.adapters.addresses import Addresses, AddressList
from modelramp.adapters.checked_http import NAMESPACE, checked_transport
from modelramp.api.errors import AddressRefused


def client(*answers, allowed=("127.0.0.1",), verify=None, asked=None):
    """A client whose every name resolves to the first of the answers, then to the second, ..."""
    left = list(answers)

    def resolve(host):
        if asked is not None:
            asked.append(host)
        return [left.pop(0) if len(left) > 1 else left[0]]

    checker = Addresses(AddressList.of(allowed), resolve=resolve)
    return httpx.AsyncClient(
        transport=checked_transport(checker, verify or ssl.create_default_context(), keep_alive=4, keep_alive_seconds=9)
    )


def port_of(url):
    return url.rsplit(":", 1)[1]


async def test_the_connection_goes_to_the_address_that_was_checked():
    """The system's resolver does not know the name: only the checked address can have been used."""
    async with answering(http(200, b"here")) as (url, received), client("127.0.0.1") as browser:
        answer = await browser.get(f"http://metrics.invalid:{port_of(url)}/x?y=1")
    assert answer.text == "here"
    assert received[0].line == "GET /x?y=1 HTTP/1.1"
    assert received[0].headers["host"] == f"metrics.invalid:{port_of(url)}"


async def test_a_name_that_turns_to_loopback_after_its_first_use_is_refused(monkeypatch):
    monkeypatch.setattr("modelramp.adapters.addresses.FRESH_SECONDS", 0)
    async with answering(http(200, b"here")) as (url, received), client("127.0.0.1", "127.0.0.2") as browser:
        await browser.get(f"http://metrics.invalid:{port_of(url)}/")
        with pytest.raises(AddressRefused):
            await browser.get(f"http://metrics.invalid:{port_of(url)}/")
    assert len(received) == 1


async def test_nothing_is_sent_to_a_refused_address():
    async with answering(http(200, b"here")) as (url, received), client("127.0.0.1", allowed=()) as browser:
        for host in ("127.0.0.1", "localhost", "metrics.invalid", "0x7f.1", "[::ffff:127.0.0.1]"):
            with pytest.raises(AddressRefused):
                await browser.get(f"http://{host}:{port_of(url)}/")
    assert received == []


async def test_a_redirect_is_checked_as_well():
    async with answering(http(302, b"", "Location: http://127.0.0.2:9/")) as (url, _), client("127.0.0.1") as browser:
        with pytest.raises(AddressRefused):
            await browser.get(f"http://metrics.invalid:{port_of(url)}/", follow_redirects=True)


async def test_connections_are_kept_by_name():
    """Another name at the same address is another server: TLS vouched for the first name only."""
    heads = []

    async def handler(reader, writer):
        heads.append([])
        while True:
            request = await read_request(reader)
            heads[-1].append(request.headers["host"].split(":")[0])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

    async with serving(handler) as url, client("127.0.0.1") as browser:
        for name in ("a.invalid", "a.invalid", "b.invalid"):
            await browser.get(f"http://{name}:{port_of(url)}/")
    assert heads == [["a.invalid", "a.invalid"], ["b.invalid"]]


async def test_a_refused_connection_is_an_error_of_httpx():
    async with client("127.0.0.1") as browser:
        with pytest.raises(httpx.ConnectError):
            await browser.get("http://metrics.invalid:9/")


async def test_a_broken_answer_is_an_error_of_httpx():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf"
    async with answering(answer) as (url, _), client("127.0.0.1") as browser:
        with pytest.raises(httpx.RemoteProtocolError):
            await browser.get(f"http://metrics.invalid:{port_of(url)}/")


async def test_the_lookup_counts_for_the_namespace_of_the_request():
    seen = []

    class Noting(Addresses):
        async def checked(self, host, port, namespace=""):
            seen.append(namespace)
            return await super().checked(host, port, namespace)

    checker = Noting(AddressList.of(["127.0.0.1"]), resolve=lambda _: ["127.0.0.1"])
    transport = checked_transport(checker, ssl.create_default_context())
    async with answering(http(200, b"")) as (url, _), httpx.AsyncClient(transport=transport) as browser:
        await browser.get(f"http://metrics.invalid:{port_of(url)}/", extensions={NAMESPACE: "shop"})
    assert seen == ["shop"]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for metrics.invalid and its key in one PEM file."""
    place = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=metrics.invalid "
        "-addext subjectAltName=DNS:metrics.invalid -keyout key.pem -out cert.pem"
    )
    subprocess.run(command.split(), cwd=place, check=True, capture_output=True)
    both = place / "both.pem"
    both.write_text((place / "key.pem").read_text() + (place / "cert.pem").read_text())
    return both


@pytest.mark.parametrize(("host", "trusted"), [("metrics.invalid", True), ("other.invalid", False)])
async def test_the_certificate_is_that_of_the_name(host, trusted, certificate):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    names = []
    server.sni_callback = lambda _socket, name, _context: names.append(name)

    async def handler(reader, writer):
        await writer.start_tls(server)
        await read_request(reader)
        writer.write(http(200, b"here"))

    browser = client("127.0.0.1", verify=ssl.create_default_context(cafile=certificate))
    async with serving(handler) as url, browser:
        if trusted:
            assert (await browser.get(f"https://{host}:{port_of(url)}/")).text == "here"
        else:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await browser.get(f"https://{host}:{port_of(url)}/")
    assert names == [host]
