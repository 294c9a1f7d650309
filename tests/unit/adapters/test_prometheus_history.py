"""The client of commands that read history. Cases that no real Prometheus can be made to do are scripted."""

import asyncio
import socket
import time
from contextlib import ExitStack

import pytest
from adapter_fakes import answering, http, read_request, serving

from modelramp.adapters import prometheus_history
from modelramp.adapters.prometheus_history import PrometheusHistory
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.engine.ports import Endpoint, Sample

ONE = {"status": "success", "data": {"resultType": "scalar", "result": [60, "1"]}}
PATIENCE = 5.0


@pytest.fixture
def history(told):
    return PrometheusHistory(told, timeout=PATIENCE, token="hush")


async def refusal(history, address):
    with pytest.raises(PrometheusUnavailable) as caught:
        await history.instant(Endpoint(address), "up", 60)
    assert "hush" not in caught.value.detail
    return caught.value


async def test_a_question_goes_in_the_body_with_its_token_and_its_limits(history):
    async with answering(http(200, ONE)) as (url, received):
        assert await history.instant(Endpoint(url + "/"), "sum(up) + 1", 60) == (Sample({}, 1.0),)
    assert received[0].line == "POST /api/v1/query HTTP/1.1"
    assert received[0].headers["authorization"] == "Bearer hush"
    assert received[0].form == {
        "query": "sum(up) + 1",
        "time": "60",
        "timeout": "5000ms",
        "partial_response": "false",
        "deny_partial_response": "1",
        "latency_offset": "1ms",
        "nocache": "1",
    }


async def test_a_range_is_asked_from_its_first_to_its_last_instant(history):
    matrix = {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[60, "2"]]}]}}
    async with answering(http(200, matrix)) as (url, received):
        assert await history.range(Endpoint(url), "up", 60, 180, 60) == {60: (Sample({}, 2.0),)}
    assert received[0].form.items() >= {"start": "60", "end": "180", "step": "60", "latency_offset": "1ms"}.items()


async def test_a_range_that_was_moved_to_other_instants_is_no_answer(history):
    matrix = {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[55, "2"]]}]}}
    async with answering(http(200, matrix)) as (url, _):
        with pytest.raises(PrometheusUnavailable, match="for other instants"):
            await history.range(Endpoint(url), "up", 60, 180, 60)


async def test_many_questions_at_once_get_their_own_answers(history):
    async def echo(reader, writer):
        request = await read_request(reader)
        result = {"resultType": "scalar", "result": [60, request.form["query"]]}
        writer.write(http(200, {"status": "success", "data": result}))

    async with serving(echo) as url:
        answers = await asyncio.gather(*(history.instant(Endpoint(url), str(n), 60) for n in range(20)))
    assert [answer[0].value for answer in answers] == list(range(20))


BROKEN = {
    "half an answer": b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"status":',
    "no answer at all": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "gzip that is none": http(200, b"{}", "Content-Encoding: gzip"),
    "no JSON": http(200, b"<html></html>"),
    "busy": http(503, b"Service Unavailable"),
    "a redirect": http(302, b"", "Location: http://127.0.0.1:9/"),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_is_no_answer_and_names_the_address(answer, history):
    async with answering(answer) as (url, received):
        error = await refusal(history, url)
    assert error.reason is Reason.PROMETHEUS_UNREACHABLE
    assert error.detail.startswith(url)
    assert len(received) == 1, "asked more than once"


async def test_a_part_of_the_data_is_no_data(history):
    async with answering(http(200, {**ONE, "warnings": ["store is down"]})) as (url, _):
        assert (await refusal(history, url)).reason is Reason.PARTIAL_DATA


async def test_an_answer_that_is_too_large_is_not_read_to_its_end(history, monkeypatch):
    monkeypatch.setattr(prometheus_history, "LARGEST", 1 << 20)
    async with answering(http(200, b" " * (1 << 22))) as (url, _):
        assert (await refusal(history, url)).reason is Reason.ANSWER_TOO_LARGE


async def test_a_server_that_sends_a_byte_now_and_then_is_left(told):
    async def handler(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n")
        for _ in range(80):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serving(handler) as url:
        error = await refusal(PrometheusHistory(told, timeout=0.5), url)
    assert error.reason is Reason.PROMETHEUS_TIMEOUT


ABSENT = {
    "nobody listens": ("http://127.0.0.1:9", "the connection is refused"),
    "no such host": ("http://prometheus.invalid", "does not resolve"),
    "no host name": ("http://a..b", "not a usable address"),
    "no port": ("http://127.0.0.1:99999", "not a usable address"),
}


@pytest.mark.parametrize(("address", "words"), ABSENT.values(), ids=ABSENT)
async def test_an_absent_prometheus_is_named_with_the_cause(address, words, history):
    error = await refusal(history, address)
    assert error.reason is Reason.PROMETHEUS_UNREACHABLE
    assert error.detail.startswith(address)
    assert words in error.detail


async def test_a_host_that_does_not_react_is_unreachable(told):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as waiting:
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        began = time.monotonic()
        error = await refusal(PrometheusHistory(told, timeout=0.5), f"http://127.0.0.1:{server.getsockname()[1]}")
        assert time.monotonic() - began < PATIENCE, "asked more than once"
    assert "does not react" in error.detail
