"""Watching the ModelDeployment and its route: every change that the API server makes known, none is polled for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client, config, watch

from examples.demo.errors import DemoError

Seen = Callable[[dict[str, Any]], None]

ROUND_SECONDS = 600
"""After which the API server ends a watch and it is opened again."""
LOOK_SECONDS = 15
RETRY_SECONDS = 0.5
PATIENCE = 20
"""Attempts in a row that may fail before the demo gives up."""
ROUTES = ("gateway.networking.k8s.io", "v1", "httproutes")
DEPLOYMENTS = ("modelramp.io", "v1alpha1", "modeldeployments")


@asynccontextmanager
async def connected(kubeconfig: Path | None, context: str | None) -> AsyncIterator[client.CustomObjectsApi]:
    """A logged-in client for objects of any kind; None stands for the user's own kubeconfig or context."""
    configuration = client.Configuration()
    try:
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            str(kubeconfig) if kubeconfig else None, context, configuration, persist_config=False
        )
    except (config.ConfigException, OSError) as error:
        raise DemoError(f"cannot log in to the cluster: {error}") from error
    async with client.ApiClient(configuration) as api:
        yield client.CustomObjectsApi(api)


async def look(api: client.CustomObjectsApi, kind: tuple[str, str, str], namespace: str, name: str, seen: Seen) -> None:
    """Call ``seen`` once with an object as it is now; raises DemoError when it cannot be read."""
    try:
        group, version, plural = kind
        found: Any = await api.get_namespaced_custom_object(
            group, version, namespace, plural, name, _request_timeout=LOOK_SECONDS
        )
    except (client.ApiException, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise DemoError(f"{kind[2]} {namespace}/{name} cannot be read: {error}") from error
    seen(found)


async def follow(
    api: client.CustomObjectsApi, kind: tuple[str, str, str], namespace: str, name: str, seen: Seen
) -> None:
    """Call ``seen`` with an object as it is now and after each change, until cancelled.

    Raises DemoError when the API server has not answered for a while.
    """
    failures = 0
    while True:
        try:
            async with watch.Watch() as stream:  # type: ignore[no-untyped-call]
                changes = stream.stream(
                    api.list_namespaced_custom_object,
                    *kind[:2],
                    namespace,
                    kind[2],
                    field_selector=f"metadata.name={name}",
                    timeout_seconds=ROUND_SECONDS,
                    _request_timeout=ROUND_SECONDS + 10,
                )
                async for change in changes:
                    failures = 0
                    if change["type"] in {"ADDED", "MODIFIED"}:
                        seen(change["object"])
        except (client.ApiException, aiohttp.ClientError, TimeoutError, OSError) as error:
            failures += 1
            if failures > PATIENCE:
                raise DemoError(f"the API server does not answer: {error}") from error
        await asyncio.sleep(RETRY_SECONDS)
