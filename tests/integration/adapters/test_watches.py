"""Kopf watches a real API server from where the engine's list began, or from now and has the engine list again."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import kopf
import pytest

from localplane.testing import eventually
from modelramp.adapters.kopf_session import login_through
from modelramp.api.kinds import MODEL_DEPLOYMENT
from modelramp.desired.kinds import watched
from modelramp.operator import kopf_settings, watches


class Heard:
    """In the place of the engine: what its watches report, and what it is asked to list."""

    def __init__(self):
        self.listing = SimpleNamespace(unwatched=frozenset(watched()) - {MODEL_DEPLOYMENT})
        self.events = []
        self.again = []

    def observe(self, kind, event, obj):
        self.events.append((event, obj["metadata"]["name"]))

    async def of(self, name):
        """The events of one object, once there is one."""
        await until(lambda: name in {whose for _, whose in self.events})
        return [event for event, whose in self.events if whose == name]


async def until(look):
    """Return when `look()` is true."""
    await asyncio.to_thread(eventually, look)


@pytest.fixture
def watching(resource, telemetry, monkeypatch):
    # $KUBECONFIG is read when that module is imported
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(resource.kubeconfig))

    @asynccontextmanager
    async def run(versions):
        heard, stop = Heard(), asyncio.Event()
        login = login_through(telemetry, versions, heard.again.append)
        running = kopf.operator(
            registry=watches(heard, login, clusterwide=True),
            settings=kopf_settings(()),
            standalone=True,
            clusterwide=True,
            stop_flag=stop,
        )
        task = asyncio.create_task(running)
        yield heard
        stop.set()
        await task

    return run


def deployment(namespace, name):
    metadata = {"name": name, "namespace": namespace}
    spec = {
        "model": {"name": "digits", "version": "1.0.0"},
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "server",
                        "image": "localplane/httpd:1",
                        "ports": [{"name": "http", "containerPort": 8080}],
                    }
                ]
            }
        },
        "routing": {"gateway": {"parentRefs": [{"name": "none"}], "hostnames": [f"{name}.example.com"]}},
    }
    return {"apiVersion": "modelramp.io/v1alpha1", "kind": "ModelDeployment", "metadata": metadata, "spec": spec}


async def listed(cluster):
    return {obj["metadata"]["name"] async for page in cluster.pages(MODEL_DEPLOYMENT) for obj in page}


async def test_what_happened_since_the_list_is_heard_and_what_was_listed_is_not(cluster, namespace, watching):
    await cluster.create(deployment(namespace, "before"))
    assert "before" in await listed(cluster)
    await cluster.create(deployment(namespace, "since"))
    async with watching(cluster.versions) as heard:
        assert await heard.of("since") == ["ADDED"]
    assert "before" not in {name for _, name in heard.events}
    assert heard.again == []


async def test_a_version_that_is_too_old_begins_a_watch_all_the_same_and_one_list(cluster, namespace, watching):
    cluster.versions.listed("modeldeployments", None, "1")
    async with watching(cluster.versions) as heard:
        await until(lambda: heard.again)
        await cluster.create(deployment(namespace, "later"))
        assert await heard.of("later") == ["ADDED"]
    assert heard.again == [MODEL_DEPLOYMENT]
