"""An API server that is slow, silent or broken, and what goes over the wire. A real one: tests/integration."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import pytest
from adapter_fakes import answering, http, serving
from kubernetes.aio import client

from modelramp.adapters.cluster import KubernetesCluster
from modelramp.adapters.paging import FIRST, LARGEST, WANTED
from modelramp.api.errors import ApiServerUnavailable, Broken, Conflict, Forbidden, Gone, Refused
from modelramp.api.kinds import CONFIG_MAP, MODEL_DEPLOYMENT, SECRET, SERVICE, Ref
from modelramp.api.names import LABEL_DEPLOYMENT
from modelramp.desired.workloads.deployment import DEPLOYMENT
from modelramp.engine.ports import TOO_DEEP

DIGITS = Ref(DEPLOYMENT, "ml", "digits")
OBJECT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "digits", "namespace": "ml", "uid": "u1", "resourceVersion": "7"},
}


def failed(code, message="no", *headers):
    return http(code, {"kind": "Status", "apiVersion": "v1", "message": message, "code": code}, *headers)


@asynccontextmanager
async def connected(url, told, **more):
    async with KubernetesCluster(client.ApiClient(client.Configuration(host=url)), told, **more) as cluster:
        yield cluster


CODES = {
    "bad request": (400, Refused),
    "forbidden": (403, Forbidden),
    "not found": (404, Gone),
    "conflict": (409, Conflict),
    "too large": (413, Refused),
    "invalid": (422, Refused),
    "unauthorized": (401, ApiServerUnavailable),
    "too many requests": (429, ApiServerUnavailable),
    "internal error": (500, ApiServerUnavailable),
    "unavailable": (503, ApiServerUnavailable),
    "gateway time-out": (504, ApiServerUnavailable),
    "a redirect": (300, ApiServerUnavailable),
    "gone": (410, ApiServerUnavailable),
}


@pytest.mark.parametrize(("code", "error"), CODES.values(), ids=CODES)
async def test_each_refusal_becomes_the_error_that_says_what_to_do_next(code, error, told):
    async with answering(failed(code)) as (url, received), connected(url, told) as cluster:
        with pytest.raises(error):
            await cluster.apply(OBJECT)
    assert len(received) == 1, "tried again"
    labels = {"verb": "apply", "kind": "Deployment", "result": error.__name__}
    assert told.counted == [("modelramp_api_requests_total", labels)]


async def test_a_refusal_keeps_the_servers_words_on_one_short_line(told):
    words = 'Deployment.apps "digits" is invalid:\n spec.selector: Required value ' + "x" * 900
    async with answering(failed(422, words)) as (url, _), connected(url, told) as cluster:
        with pytest.raises(Refused) as caught:
            await cluster.apply(OBJECT)
    assert str(caught.value).startswith('Deployment.apps "digits" is invalid: spec.selector: Required value xx')
    assert 250 < len(str(caught.value).encode()) <= 256
    assert str(caught.value).endswith("xx")


async def test_an_object_that_does_not_fit_its_schema_is_refused_though_the_code_is_500(told):
    words = "failed to create typed patch object (ml/digits; apps/v1, Kind=Deployment): .spec.foo: field not declared"
    async with answering(failed(500, words)) as (url, _), connected(url, told) as cluster:
        with pytest.raises(Refused, match="field not declared"):
            await cluster.apply(OBJECT)


BROKEN = {
    "no JSON": http(200, b"<html>proxy</html>"),
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
    "no answer": b"",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "a page of a proxy": http(502, b"<html>bad gateway</html>"),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_is_silence_that_names_the_call(answer, told):
    async with answering(answer) as (url, received), connected(url, told) as cluster:
        with pytest.raises(ApiServerUnavailable, match=r"^apply Deployment ml/digits: "):
            await cluster.apply(OBJECT)
    assert len(received) == 1


async def test_a_server_that_never_answers_is_left_after_the_time_out(told):
    async with serving(lambda _r, _w: asyncio.sleep(30)) as url, connected(url, told, call_timeout=0.2) as cluster:
        began = time.monotonic()
        with pytest.raises(ApiServerUnavailable, match=r"did not answer within 0.2 s"):
            await cluster.get(DIGITS)
        assert time.monotonic() - began < 2


async def test_nobody_listening_is_silence(told):
    async with connected("http://127.0.0.1:9", told) as cluster:
        with pytest.raises(ApiServerUnavailable, match=r"cannot connect to 127\.0\.0\.1:9"):
            await cluster.get(DIGITS)


async def test_a_busy_server_is_asked_once_more_when_it_says_when(told, monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr("modelramp.adapters.cluster.asyncio.sleep", sleep)
    busy = failed(429, "slow down", "Retry-After: 3")
    async with answering(busy, http(200, OBJECT)) as (url, received), connected(url, told) as cluster:
        assert await cluster.get(DIGITS) == OBJECT
    assert len(received) == 2
    assert slept == [3], "it waits for as long as the server asked for"


async def test_a_busy_server_is_not_asked_again_before_the_time_that_it_says(told):
    busy = failed(429, "slow down", "Retry-After: 1")
    async with answering(busy, http(200, OBJECT)) as (url, received), connected(url, told) as cluster:
        began = time.monotonic()
        await cluster.get(DIGITS)
    assert time.monotonic() - began >= 1
    assert len(received) == 2


@pytest.mark.parametrize("when", ["60", "-1", "Fri, 20 Nov 2026 12:00:00 GMT", ""])
async def test_a_busy_server_that_wants_long_patience_is_left_to_the_next_tick(when, told):
    async with (
        answering(failed(429, "slow down", f"Retry-After: {when}")) as (url, received),
        connected(url, told) as cluster,
    ):
        with pytest.raises(ApiServerUnavailable, match="slow down"):
            await cluster.get(DIGITS)
    assert len(received) == 1


async def test_refused_credentials_are_fetched_again_once(told):
    async def login(configuration):
        configuration.api_key["BearerToken"] = "Bearer new"

    async with (
        answering(failed(401), http(200, OBJECT)) as (url, received),
        connected(url, told, login=login) as cluster,
    ):
        await cluster.get(DIGITS)
    assert [request.headers.get("authorization") for request in received] == [None, "Bearer new"]


async def test_apply_is_server_side_and_forced_by_our_field_manager(told):
    async with answering(http(201, OBJECT)) as (url, received), connected(url, told) as cluster:
        assert await cluster.apply(OBJECT) == OBJECT
    path = "/apis/apps/v1/namespaces/ml/deployments/digits"
    assert received[0].line == f"PATCH {path}?fieldManager=modelramp&force=true&fieldValidation=Strict HTTP/1.1"
    assert received[0].headers["content-type"] == "application/apply-patch+yaml; charset=utf-8"
    assert json.loads(received[0].body) == OBJECT


async def test_a_patch_is_a_list_of_operations_by_our_field_manager(told):
    operations = [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]
    async with answering(http(200, OBJECT)) as (url, received), connected(url, told) as cluster:
        assert await cluster.patch(DIGITS, operations) == OBJECT
    path = "/apis/apps/v1/namespaces/ml/deployments/digits"
    assert received[0].line == f"PATCH {path}?fieldManager=modelramp&fieldValidation=Strict HTTP/1.1"
    assert received[0].headers["content-type"] == "application/json-patch+json"
    assert json.loads(received[0].body) == operations


VERSIONED = {**OBJECT, "metadata": {"name": "digits", "namespace": "ml", "resourceVersion": "7"}}


async def test_an_apply_against_a_version_is_pinned_to_the_object_that_has_it(told):
    async with answering(http(200, OBJECT)) as (url, received), connected(url, told) as cluster:
        await cluster.apply(VERSIONED)
    assert [request.line.split()[0] for request in received] == ["GET", "PATCH"]
    assert json.loads(received[1].body)["metadata"] == OBJECT["metadata"]


@pytest.mark.parametrize(
    "current", [failed(404), http(200, {**OBJECT, "metadata": {**OBJECT["metadata"], "resourceVersion": "8"}})]
)
async def test_an_apply_against_a_version_that_is_past_is_a_conflict_and_writes_nothing(current, told):
    async with answering(current) as (url, received), connected(url, told) as cluster:
        with pytest.raises(Conflict):
            await cluster.apply(VERSIONED)
    assert len(received) == 1


async def test_a_list_of_a_kind_that_is_not_installed_says_so(told):
    async with answering(failed(404)) as (url, _), connected(url, told) as cluster:
        with pytest.raises(Gone, match=r"serves no services of v1; install its CRD"):
            await cluster.list(SERVICE)


async def test_versions_are_listed_without_what_else_the_objects_have(told):
    items = [{"metadata": {"name": name, "resourceVersion": version}} for name, version in (("a", "7"), ("b", "9"))]
    answer = {"kind": "PartialObjectMetadataList", "metadata": {"resourceVersion": "9"}, "items": items}
    async with answering(http(200, answer)) as (url, received), connected(url, told) as cluster:
        assert await cluster.list_versions(CONFIG_MAP, "ml", f"!{LABEL_DEPLOYMENT}") == {"a": "7", "b": "9"}
        assert cluster.versions.take("configmaps", "ml") == "", "a watch of others goes on from it"
    assert received[0].headers["accept"] == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    assert received[0].line.startswith("GET /api/v1/namespaces/ml/configmaps?labelSelector=!modelramp.io/deployment&")


async def test_create_posts_to_the_collection(told):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "ml"}}
    async with answering(http(201, service)) as (url, received), connected(url, told) as cluster:
        await cluster.create(service)
    assert received[0].line.startswith("POST /api/v1/namespaces/ml/services?")


async def test_the_status_is_replaced_only_against_a_version(told):
    obj = {**OBJECT, "apiVersion": "modelramp.io/v1alpha1", "kind": "ModelDeployment", "status": {"phase": "Healthy"}}
    async with answering(http(200, obj)) as (url, received), connected(url, told) as cluster:
        await cluster.replace_status(obj)
        with pytest.raises(Broken, match=r"without metadata\.resourceVersion"):
            await cluster.replace_status({**obj, "metadata": {"name": "digits", "namespace": "ml"}})
    assert received[0].line.startswith("PUT /apis/modelramp.io/v1alpha1/namespaces/ml/modeldeployments/digits/status?")
    assert len(received) == 1


async def test_delete_is_in_the_background_and_only_of_that_object(told):
    async with answering(http(200, {"kind": "Status"})) as (url, received), connected(url, told) as cluster:
        await cluster.delete(DIGITS, "u1", "7")
    body = json.loads(received[0].body)
    assert body["propagationPolicy"] == "Background"
    assert body["preconditions"] == {"uid": "u1", "resourceVersion": "7"}


async def test_delete_of_what_is_gone_is_done(told):
    async with answering(failed(404)) as (url, _), connected(url, told) as cluster:
        await cluster.delete(DIGITS, "u1")


async def test_delete_of_an_object_that_was_replaced_by_another_is_done(told):
    async with answering(failed(409), http(200, OBJECT)) as (url, _), connected(url, told) as cluster:
        await cluster.delete(DIGITS, "u0", "7")


async def test_delete_of_an_object_that_changed_is_a_conflict(told):
    async with answering(failed(409), http(200, OBJECT)) as (url, _), connected(url, told) as cluster:
        with pytest.raises(Conflict):
            await cluster.delete(DIGITS, "u1", "6")


def page(*names, token=""):
    return http(200, {"metadata": {"continue": token}, "items": [{"metadata": {"name": name}} for name in names]})


async def test_a_list_is_fetched_in_pages_and_each_item_says_what_it_is(told):
    async with answering(page("a", "b", token="t/1"), page("c")) as (url, received), connected(url, told) as cluster:
        found = await cluster.list(SERVICE, "ml", "app=x,tier in (a,b)")
    assert [item["metadata"]["name"] for item in found] == ["a", "b", "c"]
    assert {(item["apiVersion"], item["kind"]) for item in found} == {("v1", "Service")}
    assert limits(received)[0] == FIRST
    assert "labelSelector=app%3Dx,tier%20in%20(a,b)&" in received[0].line
    assert "continue=t/1 " in received[1].line


async def test_a_complete_list_leaves_the_version_at_which_a_watch_may_begin(told):
    def at(version, token=""):
        return http(200, {"metadata": {"resourceVersion": version, "continue": token}, "items": []})

    pages = (at("7", "t"), at("9"), at("11"), at("13", "t"), http(500, {}))
    async with answering(*pages) as (url, _), connected(url, told) as cluster:
        await cluster.list(SERVICE, None, LABEL_DEPLOYMENT)
        assert cluster.versions.take("services", None) == "7", "of its first page: nothing that came later is missed"
        assert cluster.versions.take("services", None) == "", "once"
        await cluster.list(SERVICE, None, "app=x")
        with pytest.raises(ApiServerUnavailable):
            await cluster.list(SERVICE, None, LABEL_DEPLOYMENT)
        assert cluster.versions.take("services", None) == "", "neither of other objects nor of half of them"


def sized(count, size, token=""):
    """A page of so many objects of so many bytes."""
    items = [{"metadata": {"name": f"n{index}"}, "data": "x" * size} for index in range(count)]
    return http(200, {"metadata": {"continue": token}, "items": items})


def limits(received):
    return [int(request.line.partition("limit=")[2].partition("&")[0].partition(" ")[0]) for request in received]


async def test_pages_of_small_objects_grow_and_those_of_large_ones_shrink(told):
    pages = (sized(50, 100, "a"), sized(100, 100, "b"), sized(20, WANTED // 10, "c"), sized(1, 10))
    async with answering(*pages) as (url, received), connected(url, told) as cluster:
        await cluster.list(SERVICE)
    assert limits(received) == [50, 100, 200, 9]


async def test_a_page_that_grows_too_large_is_asked_for_in_parts(told):
    """Fifty objects of a megabyte and a half would be 75 MiB at once."""
    pages = (sized(10, LARGEST // 8), sized(6, LARGEST // 8, "a"), sized(2, LARGEST // 8))
    async with answering(*pages) as (url, received), connected(url, told) as cluster:
        found = await cluster.list(SERVICE)
    assert limits(received) == [50, 6, 1]
    assert len(found) == 8


async def test_one_object_is_read_however_large_it_is(told):
    pages = (sized(50, LARGEST // 10), sized(6, LARGEST // 2), sized(1, LARGEST + 1))
    async with answering(*pages) as (url, received), connected(url, told) as cluster:
        assert len(await cluster.list(SERVICE)) == 1
    assert limits(received) == [50, 6, 1]


def expired(token=""):
    return http(410, {"kind": "Status", "metadata": {"continue": token}, "code": 410, "message": "too old"})


async def test_a_list_whose_snapshot_expired_goes_on_with_what_is_there_now(told):
    answers = (page("a", token="old"), expired("new"), page("b"))
    async with answering(*answers) as (url, received), connected(url, told) as cluster:
        found = await cluster.list(SERVICE)
    assert [item["metadata"]["name"] for item in found] == ["a", "b"]
    assert "continue=new " in received[2].line


async def test_a_list_that_cannot_go_on_begins_anew_a_few_times(told):
    answers = (page("a", token="t"), expired(), page("a", "b"))
    async with answering(*answers) as (url, received), connected(url, told) as cluster:
        found = await cluster.list(SERVICE)
    assert {item["metadata"]["name"] for item in found} == {"a", "b"}
    assert "continue" not in received[2].line


async def test_a_list_that_stays_expired_is_silence(told):
    async with answering(failed(410)) as (url, received), connected(url, told) as cluster:
        with pytest.raises(ApiServerUnavailable):
            await cluster.list(SERVICE)
    assert len(received) == 3


@pytest.mark.parametrize("levels", [600, 1_500, 9_900])
async def test_an_object_that_nests_too_deeply_takes_no_other_along(levels, told):
    deep = b'{"metadata":{"name":"deep"},"spec":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}"
    body = b'{"metadata":{},"items":[{"metadata":{"name":"a"}},' + deep + b',{"metadata":{"name":"b"}}]}'
    async with answering(http(200, body)) as (url, _), connected(url, told) as cluster:
        found = await cluster.list(MODEL_DEPLOYMENT)
    assert [item["metadata"]["name"] for item in found] == ["a", "deep", "b"]
    assert found[1]["spec"] == TOO_DEEP


async def test_a_deep_object_is_read_by_its_name_too(told):
    deep = b'{"metadata":{"name":"deep"},"spec":' + b'{"a":' * 9_000 + b"1" + b"}" * 9_000 + b',"status":{"a":1}}'
    async with answering(http(200, deep)) as (url, _), connected(url, told) as cluster:
        assert (await cluster.get(DIGITS))["status"] == {"a": 1}


async def test_a_refusal_that_nests_deeply_is_a_refusal(told):
    async with answering(http(422, b"[" * 9_000)) as (url, _), connected(url, told) as cluster:
        with pytest.raises(Refused):
            await cluster.get(DIGITS)


@pytest.mark.parametrize("name", ["../../kube-system/secrets/root", "a/b", "a?watch=1", "a#b", "a%2Fb", "ä b"])
async def test_a_name_never_leaves_its_namespace(name, told):
    async with answering(failed(404)) as (url, received), connected(url, told) as cluster:
        with pytest.raises(Gone):
            await cluster.get(Ref(SECRET, "ml", name))
    path = received[0].line.split(" ")[1]
    assert path.startswith("/api/v1/namespaces/ml/secrets/")
    assert path.count("/") == 6
    assert "?" not in path


@pytest.mark.parametrize("name", [".", ".."])
async def test_a_name_of_dots_is_refused(name, told):
    async with connected("http://127.0.0.1:9", told) as cluster:
        with pytest.raises(Refused, match="is not a valid object name"):
            await cluster.get(Ref(SECRET, "ml", name))


async def test_a_kind_that_no_port_names_is_a_bug(told):
    async with connected("http://127.0.0.1:9", told) as cluster:
        with pytest.raises(Broken, match="no Kind for v1 Node"):
            await cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})


@pytest.mark.parametrize("content", ["", "{", "a: [", "apiVersion: v1\nkind: Config\n"])
async def test_a_kubeconfig_that_cannot_be_read_says_what_to_do(content, told, tmp_path):
    (tmp_path / "config").write_text(content)
    with pytest.raises(Refused, match="set KUBECONFIG or run in a pod"):
        await KubernetesCluster.connect(told, kubeconfig=str(tmp_path / "config"))


async def test_a_kubeconfig_names_the_server_and_the_token(told, tmp_path):
    async with answering(http(200, {"items": []})) as (url, received):
        (tmp_path / "config").write_text(
            json.dumps(
                {
                    "current-context": "c",
                    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                    "clusters": [{"name": "k", "cluster": {"server": url}}],
                    "users": [{"name": "u", "user": {"token": "abc"}}],
                }
            )
        )
        async with await KubernetesCluster.connect(told, kubeconfig=str(tmp_path / "config")) as cluster:
            assert await cluster.list(MODEL_DEPLOYMENT) == ()
    assert received[0].headers["authorization"] == "Bearer abc"
