"""A Prometheus that is slow, silent, broken or hostile. The real one is asked in tests/integration/adapters."""

import asyncio
import gzip
import json
import socket
import time
from contextlib import ExitStack

import pytest
from adapter_fakes import answering, http, read_request, serving

from modelramp.adapters import prometheus_session
from modelramp.adapters.prometheus import PrometheusMetrics
from modelramp.api.errors import PrometheusSilent
from modelramp.api.names import Reason
from modelramp.engine.ports import Endpoint, Sample

ONE = {"status": "success", "data": {"resultType": "scalar", "result": [60, "1"]}}
HASTE = 0.3
"""Time-out of the questions in these tests, seconds."""
PATIENCE = 1.5
"""The same where a test tells one time-out from two: a busy machine must not look like the second."""


async def no_secret(namespace, name):
    raise AssertionError(f"{namespace}/{name} was read")


@pytest.fixture
async def metrics(told, clock):
    async with PrometheusMetrics(told, clock, no_secret, timeout=HASTE) as made:
        yield made


@pytest.fixture
async def patient(told, clock):
    async with PrometheusMetrics(told, clock, no_secret, timeout=PATIENCE) as made:
        yield made


async def refusal(metrics, address, at=60):
    with pytest.raises(PrometheusSilent) as caught:
        await metrics.instant(Endpoint(address), "up", at)
    return caught.value


async def test_a_question_goes_in_the_body_with_its_instant_and_its_limits(metrics, told):
    async with answering(http(200, ONE)) as (url, received):
        assert await metrics.instant(Endpoint(url + "/"), "sum(up) + 1", 60) == (Sample({}, 1.0),)
    assert received[0].line == "POST /api/v1/query HTTP/1.1"
    assert received[0].form == {"query": "sum(up) + 1", "time": "60", "timeout": "0.3s", "partial_response": "false"}
    assert told.counted == [("modelramp_queries_total", {"result": "ok"})]


async def test_a_range_is_asked_from_its_first_to_its_last_instant(metrics):
    matrix = {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[60, "2"]]}]}}
    async with answering(http(200, matrix)) as (url, received):
        assert await metrics.range(Endpoint(url), "up", 60, 180, 60) == {60: (Sample({}, 2.0),)}
    assert received[0].line == "POST /api/v1/query_range HTTP/1.1"
    assert received[0].form.items() >= {"start": "60", "end": "180", "step": "60"}.items()


async def test_a_server_that_never_answers_is_left_after_the_time_out(metrics, told):
    async with serving(lambda _reader, _writer: asyncio.sleep(30)) as url:
        began = time.monotonic()
        error = await refusal(metrics, url)
        assert time.monotonic() - began < 4 * HASTE
    assert error.reason is Reason.PROMETHEUS_TIMEOUT
    assert error.detail == f"{url}: no answer within 0.3 s"
    assert told.counted == [("modelramp_queries_total", {"result": "PrometheusTimeout"})]


async def drip(writer, head):
    writer.write(head)
    for _ in range(600):
        writer.write(b"x")
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
        assert time.monotonic() - began < 1


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
async def test_an_answer_that_is_too_large_is_not_read_to_its_end(packed, metrics, monkeypatch):
    monkeypatch.setattr(prometheus_session, "LARGEST", 1 << 20)
    body = b" " * (1 << 24)
    answer = http(200, gzip.compress(body), "Content-Encoding: gzip") if packed else http(200, body)
    async with answering(answer) as (url, _):
        error = await refusal(metrics, url)
    assert error.reason is Reason.QUERY_FAILED
    assert "larger than 1 MiB" in error.detail


@pytest.mark.parametrize("code", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed_so_credentials_stay(code, told, clock):
    async def read(_namespace, _name):
        return {"token": "hush"}

    async with (
        answering(http(200, ONE)) as (other, elsewhere),
        answering(http(code, b"", f"Location: {other}/api/v1/query")) as (url, received),
        PrometheusMetrics(told, clock, read, timeout=HASTE) as metrics,
    ):
        with pytest.raises(PrometheusSilent, match=f"redirects \\(HTTP {code}\\)") as caught:
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
        PrometheusMetrics(told, clock, read, timeout=HASTE) as metrics,
    ):
        with pytest.raises(PrometheusSilent, match="check secretRef") as caught:
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
        PrometheusMetrics(told, clock, read, default_secrets={mine: ("ops", "prom")}) as metrics,
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
    "no host name": ("http://a..b", "no usable address"),
    "no port": ("http://127.0.0.1:99999", "no usable address"),
}


@pytest.mark.parametrize(("address", "words"), ABSENT.values(), ids=ABSENT)
async def test_an_absent_prometheus_is_named_with_the_cause(address, words, told, clock):
    async with PrometheusMetrics(told, clock, no_secret) as metrics:
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


async def test_a_warning_is_logged_once_and_the_answer_counts(metrics, told):
    body = {**ONE, "warnings": ["store is slow"], "infos": ["metric might not be a counter"]}
    async with answering(http(200, body)) as (url, _):
        for at in (60, 120, 180):
            assert await metrics.instant(Endpoint(url), "up", at) == (Sample({}, 1.0),)
    fields = {"address": url, "warning": "store is slow"}
    assert told.lines == [("Prometheus warns about a query", fields)]


async def test_a_dead_prometheus_costs_a_few_time_outs_a_tick_and_leaves_a_worker_for_others(patient):
    connections = 0

    async def hang(_reader, _writer):
        nonlocal connections
        connections += 1
        await asyncio.sleep(30)

    async with serving(hang) as dead, answering(http(200, ONE)) as (alive, _):
        began = time.monotonic()
        doomed = [asyncio.create_task(refusal(patient, dead)) for _ in range(40)]
        await asyncio.sleep(0.05)
        assert await patient.instant(Endpoint(alive), "up", 60) == (Sample({}, 1.0),)
        assert time.monotonic() - began < PATIENCE, "the living one waited for the dead one"
        errors = await asyncio.gather(*doomed)
        assert time.monotonic() - began < 4 * PATIENCE
        assert connections <= 6
        assert sum("asked again at the next tick" in error.detail for error in errors) >= 34

        connections = 0
        await refusal(patient, dead, at=120)
        assert connections == 1, "the next tick asks again"


async def test_only_failures_in_a_row_end_the_questions_of_a_tick(metrics):
    broken, fine = b"", http(200, ONE)
    async with answering(broken, broken, fine, broken, broken, fine) as (url, _):
        for answer in (broken, broken, fine, broken, broken, fine):
            if answer is fine:
                assert await metrics.instant(Endpoint(url), "up", 60) == (Sample({}, 1.0),)
            else:
                await refusal(metrics, url)


async def test_many_questions_at_once_get_their_own_answers(metrics):
    async def echo(reader, writer):
        request = await read_request(reader)
        result = {"resultType": "scalar", "result": [60, request.form["query"]]}
        writer.write(http(200, {"status": "success", "data": result}))

    async with serving(echo) as url:
        asked = range(60)
        answers = await asyncio.gather(*(metrics.instant(Endpoint(url), str(n), 60) for n in asked))
    assert [answer[0].value for answer in answers] == list(asked)


async def test_ending_cuts_the_question_that_is_under_way(told, clock):
    async with serving(lambda _reader, _writer: asyncio.sleep(30)) as url:
        metrics = PrometheusMetrics(told, clock, no_secret, timeout=20)
        question = asyncio.create_task(metrics.instant(Endpoint(url), "up", 60))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await metrics.close()
        assert time.monotonic() - began < 2
        with pytest.raises(PrometheusSilent):
            await question
