"""Below Kopf: an API server on loopback that sends what no real one can be made to send at will."""

import json
from contextlib import asynccontextmanager

import aiohttp
import pytest
from adapter_fakes import Told
from aiohttp import web

from modelramp.adapters.kopf_session import Answer, Lines, _between
from modelramp.adapters.paging import Versions
from modelramp.api.kinds import MODEL_DEPLOYMENT, NAMESPACE, SERVICE
from modelramp.engine.ports import TOO_DEEP

PATH = "/apis/modelramp.io/v1alpha1/modeldeployments"
DEEP = '{"metadata":{"name":"deep","uid":"u"},"spec":' + '{"a":' * 9_900 + "1" + "}" * 9_900 + "}"


@asynccontextmanager
async def asking(handler, told=None, versions=None, again=None):
    """A session as Kopf gets it, and a server that answers with `handler`; again: the kinds that are to be listed."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    again = [] if again is None else again
    middlewares = (_between(told or Told(), versions or Versions(), again.append),)
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{port}", response_class=Answer, middlewares=middlewares
    ) as session:
        yield session
    await runner.cleanup()


def streaming(*chunks):
    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        return response

    return handler


async def events(session, **query):
    """What Kopf makes of a watch: each line through json.loads."""
    found = []
    async with session.get(PATH, params={"watch": "true", **query}) as response:
        rest = b""
        async for data in response.content.iter_chunked(1 << 20):
            *lines, rest = (rest + data).split(b"\n")
            found += [json.loads(line.decode()) for line in lines if line]
        assert rest == b""
    return found


def line(name, kind="ADDED"):
    return json.dumps({"type": kind, "object": {"metadata": {"name": name}}}).encode() + b"\n"


async def test_a_deep_object_comes_without_what_is_deep_and_ends_no_watch():
    deep = b'{"type":"MODIFIED","object":' + DEEP.encode() + b"}\n"
    async with asking(streaming(line("a"), deep, line("b"))) as session:
        found = await events(session)
    assert [event["object"]["metadata"]["name"] for event in found] == ["a", "deep", "b"]
    assert (found[1]["type"], found[1]["object"]["spec"]) == ("MODIFIED", TOO_DEEP)


async def test_lines_come_whole_however_they_were_cut_and_half_of_one_is_none():
    whole = line("a") + b"\n" + line("b") + line("c")
    cut = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    async with asking(streaming(*cut, b'{"type":"ADDED","obj')) as session:
        assert [event["object"]["metadata"]["name"] for event in await events(session)] == ["a", "b", "c"]


async def test_a_line_that_is_no_json_is_said_and_left_out(told):
    async with asking(streaming(line("a"), b"<html>\n", line("b")), told) as session:
        assert [event["object"]["metadata"]["name"] for event in await events(session)] == ["a", "b"]
    assert [said for said, _ in told.lines] == ["a line of a watch cannot be read"]


class Content:
    """The stream of one answer."""

    def __init__(self, *chunks):
        self.chunks = chunks

    async def iter_chunked(self, _size):
        for chunk in self.chunks:
            yield chunk


@pytest.mark.parametrize("code", [500, 504, None, 410])
async def test_an_error_in_the_midst_of_a_watch_ends_that_watch_only(code, told):
    """Kopf ends the operator for every error but 410, after which it lists again."""
    status = {"kind": "Status", "code": code, "message": "etcd: leader changed"}
    sent = json.dumps({"type": "ERROR", "object": status}, separators=(",", ":")).encode() + b"\n"
    (found,) = [json.loads(data) async for data in Lines(Content(sent), told, pause=0).iter_chunked(1)]
    assert (found["type"], found["object"]["code"]) == ("ERROR", 410)
    assert bool(told.lines) == (code != 410)


def listing(asked, version="20"):
    """A handler that answers with one object and a token for the next page."""

    async def handler(request):
        asked.append(dict(request.query))
        items = [{"metadata": {"name": "a"}}]
        return web.json_response({"metadata": {"resourceVersion": version, "continue": "t"}, "items": items})

    return handler


async def listed(session, path=PATH):
    """What Kopf makes of a list."""
    async with session.get(path, params={"labelSelector": "a"}) as response:
        found = await response.json()
    return found["metadata"], found["items"]


async def test_a_watch_begins_where_the_list_began_that_was_taken_in_and_only_once():
    asked, again, versions = [], [], Versions()
    versions.listed("modeldeployments", None, "12")
    async with asking(listing(asked), versions=versions, again=again) as session:
        assert await listed(session) == ({"resourceVersion": "12"}, [])
        assert again == []
        assert await listed(session) == ({"resourceVersion": "20"}, []), "it was too old"
    assert again == [MODEL_DEPLOYMENT], "what the watch left out is listed"
    assert asked == [{"labelSelector": "a", "limit": "1"}] * 2


async def test_each_namespace_has_a_list_of_its_own():
    asked, again, versions = [], [], Versions()
    versions.listed("services", "ml", "12")
    async with asking(listing(asked), versions=versions, again=again) as session:
        assert (await listed(session, "/api/v1/namespaces/web/services"))[0] == {"resourceVersion": "20"}
        assert (await listed(session, "/api/v1/services"))[0] == {"resourceVersion": "20"}
        assert (await listed(session, "/api/v1/namespaces/ml/services"))[0] == {"resourceVersion": "12"}
        assert (await listed(session, "/api/v1/namespaces"))[0] == {"resourceVersion": "20"}
    assert again == [SERVICE, SERVICE, NAMESPACE]


async def test_a_refused_list_says_so_to_kopf_and_nothing_is_listed():
    async def handler(_request):
        return web.json_response({"kind": "Status", "code": 403, "message": "no"}, status=403)

    again = []
    async with asking(handler, again=again) as session, session.get(PATH) as response:
        assert (response.status, (await response.json())["message"]) == (403, "no")
    assert again == []


async def test_a_list_that_is_no_json_is_a_broken_connection_to_kopf():
    async def handler(_request):
        return web.Response(text="<html>", content_type="text/html")

    async with asking(handler) as session:
        with pytest.raises(aiohttp.ClientPayloadError):
            await session.get(PATH, params={"limit": "50"})


async def test_other_answers_are_left_as_they_are():
    async def handler(request):
        assert "limit" not in request.query
        return web.json_response({"groups": []})

    async with asking(handler) as session, session.get("/apis") as response:
        assert await response.json() == {"groups": []}
