"""What questions are presented with: tenants' headers, the operator's own, and client certificates."""

import asyncio
import json
import ssl
import subprocess

import pytest
from adapter_fakes import answering, http, read_request

from modelramp.adapters.addresses import Addresses, AddressList
from modelramp.adapters.credentials import Files, trusting
from modelramp.adapters.prometheus import PrometheusMetrics
from modelramp.adapters.prometheus_history import PrometheusHistory
from modelramp.api.errors import PrometheusUnavailable
from modelramp.engine.ports import Endpoint, Sample
from tests.unit.small_server import small_server

ONE = {"status": "success", "data": {"resultType": "scalar", "result": [60, "1"]}}
LOOPBACK = Addresses(AddressList.of(["127.0.0.0/8"]))
TENANT = (("X-Scope-OrgID", "team-a"),)


async def no_secret(namespace, name):
    raise AssertionError(f"{namespace}/{name} was read")


def metrics_of(told, clock, read=no_secret, **options):
    options = {"timeout": 5.0, "allow_plain_credentials": True} | options
    return PrometheusMetrics(told, clock, read, LOOPBACK, **options)


async def refusal(metrics, endpoint):
    with pytest.raises(PrometheusUnavailable) as caught:
        await metrics.instant(endpoint, "up", 60)
    return caught.value.detail


async def test_headers_go_with_every_question_beside_the_credentials(told, clock):
    async def read(_namespace, _name):
        return {"token": "abc", "key": "hush"}

    async with answering(http(200, ONE)) as (url, received), metrics_of(told, clock, read) as metrics:
        await metrics.instant(Endpoint(url, ("ml", "prom"), TENANT, (("X-Api-Key", "key"),)), "up", 60)
        await metrics.instant(Endpoint(url), "up", 60)
    assert (
        received[0].headers.items()
        >= {
            "x-scope-orgid": "team-a",
            "x-api-key": "hush",
            "authorization": "Bearer abc",
        }.items()
    )
    assert not {"x-scope-orgid", "x-api-key", "authorization"} & received[1].headers.keys()


async def test_a_tenant_that_is_missing_is_named_in_the_servers_own_words(told, clock):
    async with answering(http(401, b"no org id\n")) as (url, _), metrics_of(told, clock) as metrics:
        detail = await refusal(metrics, Endpoint(url))
    assert detail == (
        f"{url}: the server refuses to answer (HTTP 401): no org id; "
        "give secretRef if it wants credentials, headers if it wants a tenant"
    )


ECHOES = {
    "a page": lambda secret: http(401, f"bad key {secret}".encode()),
    "an error": lambda secret: http(422, {"status": "error", "errorType": "execution", "error": f"key {secret}"}),
    "an error that is a success": lambda secret: http(200, {"status": "error", "errorType": "x", "error": secret}),
    "a warning": lambda secret: http(200, {**ONE, "warnings": [f"no store for {secret}"]}),
    "an annotation": lambda secret: http(200, {**ONE, "warnings": [f"PromQL info: {secret}"]}),
    "JSON of its own": lambda secret: http(403, {"message": f"key {secret} is unknown"}),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
@pytest.mark.parametrize(
    "secret", [{"token": "hush-hush"}, {"key": "hush-hush"}, {"username": "u", "password": "hush-hush"}]
)
async def test_a_server_that_repeats_a_secret_is_not_passed_on(echo, secret, told, clock):
    async def read(_namespace, _name):
        return secret

    keys = (("X-Api-Key", "key"),) if "key" in secret else ()
    async with answering(echo("hush-hush")) as (url, _), metrics_of(told, clock, read) as metrics:
        said = ""
        try:
            await metrics.instant(Endpoint(url, ("ml", "prom"), TENANT, keys), "up", 60)
        except PrometheusUnavailable as error:
            said = f"{error!r} {error.detail}"
    assert "hush" not in f"{said} {told}"


async def test_the_operators_headers_and_files_go_to_its_own_prometheus_only(told, clock, tmp_path):
    (tmp_path / "token").write_text("abc\n")
    async with answering(http(200, ONE)) as (mine, received), answering(http(200, ONE)) as (other, elsewhere):
        own = Endpoint(mine, None, (("X-Scope-OrgID", "platform"),))
        async with metrics_of(told, clock, own=own, files=Files(str(tmp_path / "token"))) as metrics:
            await metrics.instant(Endpoint(mine), "up", 60)
            await metrics.instant(Endpoint(f"{mine}/"), "up", 60)
            await metrics.instant(Endpoint(mine, None, TENANT), "up", 60)
            await metrics.instant(Endpoint(other), "up", 60)
    sent = [(r.headers.get("x-scope-orgid"), r.headers.get("authorization")) for r in (*received, *elsewhere)]
    assert sent == [("platform", "Bearer abc")] * 2 + [("team-a", None), (None, None)]


async def test_the_operators_headers_are_not_told_to_objects(told, clock):
    async with answering(http(403, b"key hush-hush is unknown")) as (url, _):
        own = Endpoint(url, None, (("X-Api-Key", "hush-hush"),))
        metrics = metrics_of(told, clock, own=own)
        detail = await refusal(metrics, Endpoint(url))
        await metrics.close()
    assert "hush" not in detail


async def test_a_token_in_a_file_goes_over_http_only_when_that_is_allowed(told, clock, tmp_path):
    (tmp_path / "token").write_text("abc\n")
    async with answering(http(200, ONE)) as (url, received):
        options = {"own": Endpoint(url), "files": Files(str(tmp_path / "token")), "allow_plain_credentials": False}
        async with metrics_of(told, clock, **options) as metrics:
            assert "MODELRAMP_ALLOW_PLAIN_CREDENTIALS" in await refusal(metrics, Endpoint(url))
    assert received == []


async def test_the_command_line_sends_headers_too(told):
    async with answering(http(200, ONE)) as (url, received):
        history = PrometheusHistory(told, headers=dict(TENANT), token="abc")
        assert await history.instant(Endpoint(url), "up", 60) == (Sample({}, 1.0),)
    assert (received[0].headers["x-scope-orgid"], received[0].headers["authorization"]) == ("team-a", "Bearer abc")


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """An authority, a server's certificate for 127.0.0.1, and clients ann and ben."""
    folder = tmp_path_factory.mktemp("pki")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(folder, "req", "-x509", *new, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.crt")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "ann", "ben"):
        openssl(folder, "req", *new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        issued = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", *issued, "-out", f"{name}.crt")
    return folder


@pytest.fixture
async def strict(pki):
    """A server that wants a client certificate and answers with whom it sees, as a label."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.crt", pki / "server.key")
    context.load_verify_locations(pki / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED

    async def handler(reader, writer):
        try:
            while True:
                await read_request(reader)
                who = dict(pair[0] for pair in writer.get_extra_info("peercert")["subject"])["commonName"]
                rows = [{"metric": {"who": who}, "value": [60, "1"]}]
                body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": rows}}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=context)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


def secrets_of(pki):
    async def read(_namespace, name):
        return {
            "tls.crt": (pki / f"{name}.crt").read_text(),
            "tls.key": (pki / f"{name}.key").read_text(),
            "ca.crt": (pki / "ca.crt").read_text(),
        }

    return read


async def test_client_certificates_of_secrets_open_the_door_and_are_never_mixed_up(told, clock, pki, strict):
    async with metrics_of(told, clock, secrets_of(pki), allow_plain_credentials=False) as metrics:
        for name in ("ann", "ben", "ann", "ben"):
            (sample,) = await metrics.instant(Endpoint(strict, ("ml", name)), "up", 60)
            assert sample.labels == {"who": name}


async def test_the_operators_client_certificate_is_read_from_its_files(told, clock, pki, strict):
    files = Files(None, str(pki / "ann.crt"), str(pki / "ann.key"))
    options = {"own": Endpoint(strict), "files": files, "ca_file": str(pki / "ca.crt")}
    async with metrics_of(told, clock, **options) as metrics:
        (sample,) = await metrics.instant(Endpoint(strict), "up", 60)
        assert sample.labels == {"who": "ann"}
        assert "does the server want a client certificate?" in await refusal(metrics, Endpoint(f"{strict}/other"))


async def test_a_client_certificate_that_is_none_is_named_without_repeating_it(told, clock, strict):
    async def read(_namespace, _name):
        return {"tls.crt": "hush", "tls.key": "hush"}

    async with metrics_of(told, clock, read) as metrics:
        detail = await refusal(metrics, Endpoint(strict, ("ml", "prom")))
    assert "the client certificate cannot be used" in detail
    assert "hush" not in detail


async def test_the_command_line_trusts_the_authority_that_it_is_given_and_no_other(told, pki):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.crt", pki / "server.key")
    found = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [60, "1"]}]}}
    with small_server(lambda *_: (200, found), tls=context) as address:
        url = Endpoint(f"https://{address}")
        history = PrometheusHistory(told, ca_file=str(pki / "ca.crt"))

        assert await history.instant(url, "up", 60) == (Sample({}, 1.0),)
        with pytest.raises(PrometheusUnavailable, match="certificate is not trusted"):
            await PrometheusHistory(told).instant(url, "up", 60)


def test_servers_are_verified_but_not_by_the_form_of_their_certificates(monkeypatch):
    newer = ssl.create_default_context()
    newer.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 has it
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: newer)
    context = trusting()

    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
