"""A Prometheus that is slow, silent, broken or hostile. The real one is asked in tests/integration/adapters."""

import asyncio
import gzip
import json
import socket
import time
from contextlib import ExitStack

import pytest
from adapter_fakes import answering, http, read_request, serving

from modelramp.adapters.addresses import Addresses, AddressList
from modelramp.adapters.prometheus import PrometheusMetrics
from modelramp.api.errors import AddressRefused, PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.engine.ports import Asker, Endpoint, Sample

ONE = {"status": "success", "data": {"resultType": "scalar", "result": [60, "1"]}}
HASTE = 1.0
"""Time-out of the questions in these tests, seconds."""
PATIENCE = 5.0
"""The same where a test tells one time-out from two: a busy machine must not look like the second."""


LOOPBACK = Addresses(AddressList.of(["127.0.0.0/8", "prometheus.invalid"]))
OF_ONE = Asker("ml")


async def no_secret(namespace, name):
    raise AssertionError(f"{namespace}/{name} was read")


@pytest.fixture
async def metrics(told, clock):
    async with PrometheusMetrics(told, clock, no_secret, LOOPBACK, timeout=HASTE) as made:
        yield made


@pytest.fixture
async def patient(told, clock):
    async with PrometheusMetrics(told, clock, no_secret, LOOPBACK, timeout=PATIENCE) as made:
        yield made


async def refusal(metrics, address, at=60):
    with pytest.raises(PrometheusUnavailable) as caught:
        await metrics.instant(Endpoint(address), "up", at)
    return caught.value


async def test_a_question_goes_in_the_body_with_its_instant_and_its_limits(metrics, told):
    async with answering(http(200, ONE)) as (url, received):
        assert await metrics.instant(Endpoint(url + "/"), "sum(up) + 1", 60) == (Sample({}, 1.0),)
    assert received[0].line == "POST /api/v1/query HTTP/1.1"
    assert received[0].form == {
        "query": "sum(up) + 1",
        "time": "60",
        "timeout": "1000ms",
        "partial_response": "false",
        "deny_partial_response": "1",
        "latency_offset": "1ms",
        "nocache": "1",
        "limit": "10001",
    }
    assert told.counted == [("modelramp_queries_total", {"result": "ok"})]


async def test_a_range_is_asked_from_its_first_to_its_last_instant(metrics):
    matrix = {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[60, "2"]]}]}}
    async with answering(http(200, matrix)) as (url, received):
        assert await metrics.range(Endpoint(url), "up", 60, 180, 60) == {60: (Sample({}, 2.0),)}
    assert received[0].line == "POST /api/v1/query_range HTTP/1.1"
    assert received[0].form.items() >= {"start": "60", "end": "180", "step": "60", "latency_offset": "1ms"}.items()


async def test_a_range_that_was_moved_to_other_instants_is_no_answer(metrics):
    matrix = {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[55, "2"]]}]}}
    async with answering(http(200, matrix)) as (url, _):
        with pytest.raises(PrometheusUnavailable, match="for other instants") as caught:
            await metrics.range(Endpoint(url), "up", 60, 180, 60)
    assert caught.value.reason is Reason.QUERY_FAILED


async def test_a_server_that_never_answers_is_left_after_the_time_out(metrics, told):
    async with serving(lambda _reader, _writer: asyncio.sleep(30)) as url:
        began = time.monotonic()
        error = await refusal(metrics, url)
        assert time.monotonic() - began < 4 * HASTE
    assert error.reason is Reason.PROMETHEUS_TIMEOUT
    assert error.detail == f"{url}: no answer within 1 s"
    assert told.counted == [("modelramp_queries_total", {"result": "PrometheusTimeout"})]


async def drip(writer, head):
    writer.write(head)
    for _ in range(600):
        writer.write(b" " if head.endswith(b"\r\n\r\n") else b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


DRIPS = {
    "in the body": b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n",
    "in the headers": b"HTTP/1.1 200 OK\r\nX-Long: ",
    "in the first line": b"",
}


@pytest.mark.parametrize("head", DRIPS.values(), ids=DRIPS)
async def test_a_server_that_sends_a_byte_now_and_then_does_not_keep_its_worker(head, metrics):
    async def handler(reader, writer):
        await read_request(reader)
        await drip(writer, head)

    async with serving(handler) as url:
        assert (await refusal(metrics, url)).reason is Reason.PROMETHEUS_TIMEOUT
        began = time.monotonic()
        await metrics.close()
        assert time.monotonic() - began < HASTE


BROKEN = {
    "half an answer": b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"status":',
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
    "no answer at all": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "gzip that is none": http(200, b"{}", "Content-Encoding: gzip"),
    "no JSON": http(200, b"<html></html>"),
    "success without data": http(200, {"status": "success"}),
    "busy": http(503, b"Service Unavailable"),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_is_no_answer_and_names_the_address(answer, metrics):
    async with answering(answer) as (url, received):
        error = await refusal(metrics, url)
    assert error.reason is Reason.PROMETHEUS_UNREACHABLE
    assert error.detail.startswith(url)
    assert len(received) == 1, "asked more than once"


async def test_a_packed_answer_is_unpacked(metrics):
    packed = http(200, gzip.compress(json.dumps(ONE).encode()), "Content-Encoding: gzip")
    async with answering(packed) as (url, _):
        assert await metrics.instant(Endpoint(url), "1", 60) == (Sample({}, 1.0),)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("asker", "size"), [(OF_ONE, "2 MiB"), (Asker(objects=1), "2 MiB"), (Asker(objects=65), "3 MiB")]
)
async def test_an_answer_that_is_too_large_is_not_read_to_its_end(asker, size, packed, patient):
    """The packed one is a bomb: 64 MiB in 64 KiB."""
    body = b'{"status":"success","data":{"resultType":"scalar","result":[60,"1"]}' + b" " * (1 << 26)
    content = gzip.compress(body, 1) if packed else body
    sent = 0

    async def handler(reader, writer):
        nonlocal sent
        await read_request(reader)
        coding = b"Content-Encoding: gzip\r\n" if packed else b""
        writer.write(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (coding, len(content)))
        for at in range(0, len(content), 1 << 16):
            writer.write(content[at : at + (1 << 16)])
            await writer.drain()
            sent += 1 << 16

    async with serving(handler) as url:
        with pytest.raises(PrometheusUnavailable, match=f"more than {size}") as caught:
            await patient.instant(Endpoint(url), "up", 60, asker)
    assert caught.value.reason is Reason.ANSWER_TOO_LARGE
    assert packed or sent < 1 << 25, "read to its end"


async def test_an_answer_of_too_many_series_is_not_read_to_its_end(patient):
    row = '{"metric":{"a":"b"},"value":[60,"1"]}'
    body = '{"status":"success","data":{"resultType":"vector","result":[' + ",".join([row] * 10_001) + "]}}"
    async with answering(http(200, body.encode())) as (url, _):
        error = await refusal(patient, url)
        found = await patient.instant(Endpoint(url), "up", 60, Asker(objects=2))
    assert error.reason is Reason.ANSWER_TOO_LARGE
    assert "10,000 series" in error.detail
    assert len(found) == 10_001


@pytest.mark.parametrize("code", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed_so_credentials_stay(code, told, clock):
    async def read(_namespace, _name):
        return {"token": "hush"}

    async with (
        answering(http(200, ONE)) as (other, elsewhere),
        answering(http(code, b"", f"Location: {other}/api/v1/query")) as (url, received),
        PrometheusMetrics(told, clock, read, LOOPBACK, timeout=HASTE, allow_plain_credentials=True) as metrics,
    ):
        with pytest.raises(PrometheusUnavailable, match=f"redirects \\(HTTP {code}\\)") as caught:
            await metrics.instant(Endpoint(url, ("ml", "prom")), "up", 60)
    assert received[0].headers["authorization"] == "Bearer hush"
    assert elsewhere == []
    assert "hush" not in f"{caught.value!r} {told}"


async def test_credentials_that_are_refused_are_read_again_and_never_shown(told, clock):
    tokens = iter(("hush-old", "hush-new"))

    async def read(_namespace, _name):
        return {"token": next(tokens)}

    async with (
        answering(http(401, b"hush"), http(200, ONE)) as (url, received),
        PrometheusMetrics(told, clock, read, LOOPBACK, timeout=HASTE, allow_plain_credentials=True) as metrics,
    ):
        with pytest.raises(PrometheusUnavailable, match="check secretRef") as caught:
            await metrics.instant(Endpoint(url, ("ml", "prom")), "up", 60)
        await metrics.instant(Endpoint(url, ("ml", "prom")), "up", 60)
    assert [request.headers["authorization"] for request in received] == ["Bearer hush-old", "Bearer hush-new"]
    assert "hush" not in f"{caught.value!r} {told}"


async def test_the_operators_own_secret_goes_to_its_own_prometheus_only(told, clock):
    async def read(_namespace, _name):
        return {"token": "abc"}

    async with (
        answering(http(200, ONE)) as (mine, received),
        answering(http(200, ONE)) as (other, elsewhere),
        PrometheusMetrics(
            told, clock, read, LOOPBACK, own=Endpoint(mine, ("ops", "prom")), allow_plain_credentials=True
        ) as metrics,
    ):
        await metrics.instant(Endpoint(mine), "up", 60)
        await metrics.instant(Endpoint(other), "up", 60)
    assert received[0].headers["authorization"] == "Bearer abc"
    assert "authorization" not in elsewhere[0].headers


async def test_proxies_and_netrc_of_the_machine_are_not_used(metrics, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with answering(http(200, ONE)) as (url, received):
        await metrics.instant(Endpoint(url), "up", 60)
    assert "authorization" not in received[0].headers


ABSENT = {
    "nobody listens": ("http://127.0.0.1:9", "the connection is refused"),
    "no such host": ("http://prometheus.invalid", "does not resolve"),
    "no host name": ("http://a..b", "does not resolve"),
    "no port": ("http://127.0.0.1:99999", "not a usable address"),
}


@pytest.mark.parametrize(("address", "words"), ABSENT.values(), ids=ABSENT)
async def test_an_absent_prometheus_is_named_with_the_cause(address, words, told, clock):
    async with PrometheusMetrics(told, clock, no_secret, LOOPBACK, own=Endpoint(address)) as metrics:
        error = await refusal(metrics, address)
    assert error.reason is Reason.PROMETHEUS_UNREACHABLE
    assert error.detail.startswith(address)
    assert words in error.detail


async def test_a_host_that_does_not_react_is_unreachable(patient):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as waiting:
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        began = time.monotonic()
        error = await refusal(patient, f"http://127.0.0.1:{server.getsockname()[1]}")
        assert time.monotonic() - began < 2 * PATIENCE, "asked more than once"
    assert error.reason is Reason.PROMETHEUS_UNREACHABLE
    assert "does not react" in error.detail


async def test_https_where_there_is_none_is_said(metrics):
    async def plain(reader, writer):
        await reader.read(1)
        writer.write(http(400, b"Client sent an HTTP request to an HTTPS server."))

    async with serving(plain) as url:
        error = await refusal(metrics, url.replace("http:", "https:"))
    assert error.reason is Reason.PROMETHEUS_UNREACHABLE
    assert "is the address https by mistake?" in error.detail


async def test_a_warning_about_the_query_is_logged_once_and_the_answer_counts(metrics, told):
    body = {**ONE, "warnings": ["PromQL warning: quantile is odd", "PromQL info: no counter"], "infos": ["whatever"]}
    async with answering(http(200, body)) as (url, _):
        for at in (60, 120, 180):
            assert await metrics.instant(Endpoint(url), "up", at, OF_ONE) == (Sample({}, 1.0),)
    fields = {"address": url, "namespace": "ml", "warning": "PromQL warning: quantile is odd"}
    assert told.lines == [("Prometheus warns about a query", fields)]


async def test_any_other_warning_means_that_a_part_of_the_data_is_missing(metrics, told):
    body = {**ONE, "warnings": ["remote read of store-2 failed"]}
    async with answering(http(200, body)) as (url, _):
        error = await refusal(metrics, url)
    assert error.reason is Reason.PARTIAL_DATA
    assert "remote read of store-2 failed" in error.detail
    assert told.counted == [("modelramp_queries_total", {"result": "PartialData"})]


async def test_a_dead_prometheus_is_asked_a_few_times_a_tick(metrics):
    errors = [await refusal(metrics, "http://127.0.0.1:9") for _ in range(40)]
    assert [("the connection is refused" in error.detail) for error in errors] == [True] * 3 + [False] * 37
    assert all("asked again at the next tick" in error.detail for error in errors[3:])
    again = await refusal(metrics, "http://127.0.0.1:9/other/path", at=120)
    assert "the connection is refused" in again.detail


async def test_silence_and_broken_answers_end_no_questions_of_others(metrics):
    broken, fine = b"", http(200, ONE)
    async with answering(*[broken] * 6, fine) as (url, _):
        for _ in range(6):
            await refusal(metrics, url)
        assert await metrics.instant(Endpoint(url), "up", 60) == (Sample({}, 1.0),)


async def test_many_questions_at_once_get_their_own_answers(patient):
    async def echo(reader, writer):
        request = await read_request(reader)
        result = {"resultType": "scalar", "result": [60, request.form["query"]]}
        writer.write(http(200, {"status": "success", "data": result}))

    async with serving(echo) as url:
        asked = range(60)
        answers = await asyncio.gather(*(patient.instant(Endpoint(url), str(n), 60) for n in asked))
    assert [answer[0].value for answer in answers] == list(asked)


async def test_ending_cuts_the_question_that_is_under_way(told, clock):
    async with serving(lambda _reader, _writer: asyncio.sleep(30)) as url:
        metrics = PrometheusMetrics(told, clock, no_secret, LOOPBACK, timeout=20)
        question = asyncio.create_task(metrics.instant(Endpoint(url), "up", 60))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await metrics.close()
        assert time.monotonic() - began < 2
        with pytest.raises(PrometheusUnavailable):
            await question


async def test_cookies_of_a_server_are_not_kept(metrics):
    async with answering(http(200, ONE, "Set-Cookie: a=b")) as (url, received):
        for _ in range(2):
            await metrics.instant(Endpoint(url), "up", 60)
    assert "cookie" not in received[1].headers


async def test_credentials_go_over_http_only_when_that_is_allowed(told, clock):
    async with answering(http(200, ONE)) as (url, received):
        for secret in (("ml", "prom"), None):
            async with PrometheusMetrics(told, clock, no_secret, LOOPBACK, own=Endpoint(url, ("ops", "p"))) as metrics:
                with pytest.raises(PrometheusUnavailable, match="MODELRAMP_ALLOW_PLAIN_CREDENTIALS"):
                    await metrics.instant(Endpoint(url, secret), "up", 60)
    assert received == []


async def test_an_address_that_objects_may_not_use_is_refused_in_one_sentence(told, clock):
    async with (
        answering(http(200, ONE)) as (url, received),
        PrometheusMetrics(told, clock, no_secret, Addresses()) as metrics,
    ):
        port = url.rsplit(":", 1)[1]
        hosts = ("127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "nobody.invalid")
        errors = [await refusal(metrics, f"http://{host}:{port}") for host in hosts]
    assert received == []
    assert {(error.reason, error.detail) for error in errors} == {(Reason.ADDRESS_REFUSED, AddressRefused.MESSAGE)}
    assert "loopback" in str(told.lines), "the operator's log has the cause"


async def test_the_operators_own_address_is_not_checked(told, clock):
    async with (
        answering(http(200, ONE)) as (url, _),
        PrometheusMetrics(told, clock, no_secret, Addresses(), own=Endpoint(url)) as metrics,
    ):
        assert await metrics.instant(Endpoint(url + "/"), "up", 60) == (Sample({}, 1.0),)
        assert (await refusal(metrics, url + "/other")).reason is Reason.ADDRESS_REFUSED


async def test_what_a_server_says_is_shown_with_its_control_characters_escaped(metrics):
    said = {"status": "error", "errorType": "execution", "error": "a\x1b[2J\u202eb"}
    async with answering(http(422, said)) as (url, _):
        assert (await refusal(metrics, url)).detail == "Prometheus: a\\x1b[2J\\u202eb"


async def test_an_answer_in_tiny_chunks_is_not_read_to_its_end(patient):
    async def handler(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 20_000)
        await writer.drain()
        await asyncio.sleep(60)

    async with serving(handler) as url:
        error = await refusal(patient, url)
    assert error.reason is Reason.ANSWER_TOO_LARGE
    assert "chunks" in error.detail
