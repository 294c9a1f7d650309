"""The cluster adapter against a real API server."""

import asyncio
import base64
import json

import pytest

from modelramp.adapters import paging
from modelramp.adapters.credentials import secret_reader
from modelramp.api.errors import ApiServerUnavailable, Conflict, Gone, Refused
from modelramp.api.kinds import MODEL_DEPLOYMENT, SECRET, SERVICE, Kind, Ref
from modelramp.desired.routers.gateway_api import HTTP_ROUTE
from modelramp.desired.workloads.deployment import DEPLOYMENT

LABELS = {"app": "idle"}


def deployment(namespace, name="idle", **metadata):
    container = {"name": "c", "image": "localplane/sleep:1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": LABELS, **metadata},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}},
        },
    }


def service(namespace, name, **labels):
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}


def scaled(obj, replicas):
    return {**obj, "spec": {**obj["spec"], "replicas": replicas}}


async def current(cluster, ref):
    """The object once the controllers have left it alone: they write to its status just after a change."""
    found = await cluster.get(ref)
    while found.get("status", {}).get("observedGeneration") != found["metadata"]["generation"]:
        await asyncio.sleep(0.05)
        found = await cluster.get(ref)
    return found["metadata"]


async def test_apply_makes_then_changes_and_returns_the_object(cluster, namespace):
    made = await cluster.apply(deployment(namespace))
    assert made["metadata"]["uid"]
    changed = await cluster.apply({**deployment(namespace), "metadata": {**deployment(namespace)["metadata"]}})
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    assert {entry["manager"] for entry in made["metadata"]["managedFields"]} == {"modelramp"}


async def test_apply_takes_back_what_somebody_else_changed(cluster, namespace, plane):
    await cluster.apply(deployment(namespace))
    plane.kubectl("scale", "deployment/idle", "--replicas=1", "-n", namespace)
    assert (await cluster.apply(deployment(namespace)))["spec"]["replicas"] == 0


async def test_apply_against_the_current_version_takes_effect_and_against_a_past_one_conflicts(cluster, namespace):
    await cluster.apply(deployment(namespace))
    version = (await current(cluster, Ref(DEPLOYMENT, namespace, "idle")))["resourceVersion"]
    versioned = deployment(namespace, resourceVersion=version, annotations={"a": "b"})
    assert (await cluster.apply(versioned))["metadata"]["annotations"]["a"] == "b"
    with pytest.raises(Conflict):
        await cluster.apply(deployment(namespace, resourceVersion=version, annotations={"a": "c"}))


async def test_apply_against_a_version_never_brings_a_deleted_object_back(cluster, namespace):
    await cluster.apply(deployment(namespace))
    ref = Ref(DEPLOYMENT, namespace, "idle")
    seen = await current(cluster, ref)
    await cluster.delete(ref, seen["uid"])
    with pytest.raises(Conflict):
        await cluster.apply(deployment(namespace, resourceVersion=seen["resourceVersion"]))
    with pytest.raises(Conflict, match="no existing object was found"):
        await cluster.apply(deployment(namespace, resourceVersion=seen["resourceVersion"], uid=seen["uid"]))
    with pytest.raises(Gone):
        await cluster.get(ref)


async def test_apply_against_a_version_never_changes_a_successor_of_the_same_name(cluster, namespace):
    await cluster.apply(deployment(namespace))
    ref = Ref(DEPLOYMENT, namespace, "idle")
    seen = await current(cluster, ref)
    await cluster.delete(ref, seen["uid"])
    await cluster.apply(deployment(namespace))
    with pytest.raises(Conflict):
        await cluster.apply(deployment(namespace, resourceVersion=seen["resourceVersion"], uid=seen["uid"]))


REFUSED = {
    "an unknown field": ({"extra": 1}, r"\.spec\.extra: field not declared in schema"),
    "a wrong type": ({"replicas": "many"}, "replicas"),
    "an invalid value": ({"replicas": -1}, r"spec\.replicas: Invalid value"),
    "a selector that misses its pods": ({"selector": {"matchLabels": {"x": "y"}}}, "selector"),
}


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED)
async def test_what_the_api_server_refuses_is_refused_in_its_words(change, words, cluster, namespace):
    obj = deployment(namespace)
    with pytest.raises(Refused, match=words):
        await cluster.apply({**obj, "spec": {**obj["spec"], **change}})


async def test_create_makes_and_conflicts_with_what_exists(cluster, namespace):
    assert (await cluster.create(service(namespace, "a")))["metadata"]["name"] == "a"
    with pytest.raises(Conflict, match="already exists"):
        await cluster.create(service(namespace, "a"))


async def test_a_namespace_that_does_not_exist_is_named(cluster):
    with pytest.raises(Gone, match='namespaces "nowhere" not found'):
        await cluster.create(service("nowhere", "a"))


async def test_a_list_crosses_pages_selects_and_says_what_each_item_is(cluster, namespace, monkeypatch):
    for bound in ("FIRST", "MOST"):
        monkeypatch.setattr(paging, bound, 2)
    for n in range(5):
        await cluster.create(service(namespace, f"s{n}", odd=str(n % 2)))
    found = await cluster.list(SERVICE, namespace)
    assert sorted(item["metadata"]["name"] for item in found) == [f"s{n}" for n in range(5)]
    assert all((item["apiVersion"], item["kind"]) == ("v1", "Service") for item in found)
    selected = await cluster.list(SERVICE, namespace, "odd=1")
    assert sorted(item["metadata"]["name"] for item in selected) == ["s1", "s3"]
    everywhere = {item["metadata"]["namespace"] for item in await cluster.list(SERVICE)}
    assert {namespace, "default"} <= everywhere


async def test_a_kind_that_is_not_installed_is_gone(cluster):
    with pytest.raises(Gone, match="install its CRD"):
        await cluster.list(Kind("modelramp.io/v0", "Nothing", "nothings"))


async def test_delete_hits_only_that_object_in_that_version(cluster, namespace):
    await cluster.apply(deployment(namespace))
    ref = Ref(DEPLOYMENT, namespace, "idle")
    seen = await current(cluster, ref)
    await cluster.delete(ref, "00000000-0000-0000-0000-000000000000")
    with pytest.raises(Conflict):
        await cluster.delete(ref, seen["uid"], "1")
    assert (await cluster.get(ref))["metadata"]["uid"] == seen["uid"]
    await cluster.delete(ref, seen["uid"], seen["resourceVersion"])
    await cluster.delete(ref, seen["uid"])
    with pytest.raises(Gone):
        await cluster.get(ref)


async def test_the_status_is_a_compare_and_swap_that_leaves_the_spec_alone(cluster, namespace, resource):
    container = {"name": "server", "image": "localplane/httpd:1", "ports": [{"name": "http", "containerPort": 8080}]}
    spec = {
        "model": {"name": "digits", "version": "1.0.0"},
        "template": {"spec": {"containers": [container]}},
        "routing": {"gateway": {"parentRefs": [{"name": "public"}]}},
    }
    body = {
        "apiVersion": "modelramp.io/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "digits"},
        "spec": spec,
    }
    resource.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(body))
    first = await cluster.get(Ref(MODEL_DEPLOYMENT, namespace, "digits"))
    answer = await cluster.replace_status({**first, "status": {"phase": "Pending"}, "spec": {**spec, "replicas": 7}})
    assert answer["status"]["phase"] == "Pending"
    assert answer["spec"]["replicas"] == 1
    with pytest.raises(Conflict):
        await cluster.replace_status({**first, "status": {"phase": "Healthy"}})
    with pytest.raises(Refused, match=r"status\.phase"):
        await cluster.replace_status({**answer, "status": {"phase": "Nonsense"}})


async def test_a_secret_is_read_and_no_name_reaches_another_namespace(cluster, namespace, plane):
    plane.kubectl("create", "secret", "generic", "prom", "-n", namespace, "--from-literal=token=hush")
    read = secret_reader(cluster)
    assert await read(namespace, "prom") == {"token": "hush"}
    with pytest.raises((Gone, Refused)):
        await read("default", f"../../{namespace}/secrets/prom")
    assert base64.b64encode(b"hush").decode() in str(await cluster.get(Ref(SECRET, namespace, "prom")))


async def test_missing_rights_are_refused_and_say_which(connected_as, namespace):
    async with connected_as(namespace, "default") as cluster:
        with pytest.raises(Refused, match='list resource "httproutes"'):
            await cluster.list(HTTP_ROUTE, namespace)


async def test_a_stopped_api_server_is_silence_and_its_return_is_noticed(cluster, namespace, plane):
    plane.stop_component("apiserver")
    try:
        with pytest.raises(ApiServerUnavailable):
            await cluster.list(SERVICE, namespace)
    finally:
        plane.start_component("apiserver")
    assert await cluster.list(SERVICE, namespace) == ()
