import asyncio

import aiohttp.web
import httpx
import pytest

from examples.demo.crowd import Crowd


@pytest.fixture
async def server():
    """A server that answers by the path: the number is the status; /hang never answers, /cut ends the connection."""
    seen = []

    async def answer(request):
        seen.append((request.path, request.host, await request.read()))
        if request.path == "/hang":
            await asyncio.sleep(30)
        if request.path == "/cut":
            request.transport.close()
        return aiohttp.web.json_response({"path": request.path}, status=int(request.path[1:4]))

    application = aiohttp.web.Application()
    application.router.add_route("*", "/{rest:.*}", answer)
    runner = aiohttp.web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}", seen
    await runner.cleanup()


def client(url, seconds=5.0):
    return httpx.AsyncClient(base_url=url, headers={"host": "digits.example.com"}, transport=Crowd(seconds))


async def test_a_request_arrives_as_it_was_meant_and_its_answer_comes_back(server):
    url, seen = server
    async with client(url) as http:
        answers = [await http.post(path, json={"a": 1}) for path in ("/200", "/503")]

    assert [(answer.status_code, answer.json()["path"]) for answer in answers] == [(200, "/200"), (503, "/503")]
    assert seen == [("/200", "digits.example.com", b'{"a":1}'), ("/503", "digits.example.com", b'{"a":1}')]


@pytest.mark.parametrize(("path", "failure"), [("/hang", httpx.TimeoutException), ("/cut", httpx.NetworkError)])
async def test_a_request_without_an_answer_fails_as_with_httpx_and_is_not_repeated(server, path, failure):
    url, seen = server
    async with client(url, seconds=0.3) as http:
        with pytest.raises(failure):
            await http.post(path, json={})

    assert len(seen) == 1


async def test_a_gateway_that_is_not_there_is_a_failed_connection():
    async with client("http://127.0.0.1:1") as http:
        with pytest.raises(httpx.ConnectError):
            await http.post("/200", json={})
