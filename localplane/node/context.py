"""What the parts of one pod share: its object, its address, its files, and the node's services."""

import asyncio
import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localplane.node.api import Api, retried
from localplane.node.events import Events

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Services:
    """What the node offers to each pod.

    catalogues: image catalogue files, searched in order. keep: folders that every container must see.
    """

    api: Api
    events: Events
    folder: Path
    catalogues: tuple[Path, ...]
    keep: tuple[str, ...]


@dataclass(slots=True)
class PodContext:
    """One pod on this node. `pod` is the newest version seen; `changed` is called when its status may differ."""

    pod: Object
    address: str
    services: Services
    changed: Callable[[], None]
    _background: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def folder(self) -> Path:
        """Where the pod's files are; the name tells people whose they are."""
        meta = self.pod["metadata"]
        return self.services.folder / f"{meta['namespace']}_{meta['name']}_{meta['uid']}"

    @property
    def path(self) -> str:
        """The pod's path at the API server."""
        return f"/api/v1/namespaces/{self.pod['metadata']['namespace']}/pods/{self.pod['metadata']['name']}"

    def tell(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Write an Event without waiting for it."""
        task = asyncio.create_task(self.services.events.tell(self.pod, reason, message, warning=warning))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def source(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        """Return the entries of a ConfigMap or Secret of the pod's namespace; None when there is none."""
        plural = {"ConfigMap": "configmaps", "Secret": "secrets"}[kind]
        path = f"/api/v1/namespaces/{self.pod['metadata']['namespace']}/{plural}/{name}"
        found = await retried(f"read {kind} {name}", lambda: self.services.api.get(path))
        if found is None:
            return None
        if kind == "Secret":
            return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
        binary = {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}
        return {key: value.encode() for key, value in (found.get("data") or {}).items()} | binary

    async def token(self, audience: str | None, seconds: int) -> str:
        """Return a ServiceAccount token that dies with this pod."""
        meta = self.pod["metadata"]
        account = self.pod["spec"].get("serviceAccountName", "default")
        path = f"/api/v1/namespaces/{meta['namespace']}/serviceaccounts/{account}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [audience] if audience else [],
                "expirationSeconds": seconds,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]},
            },
        }
        answer = await retried(f"token for {account}", lambda: self.services.api.create(path, body))
        return "" if answer is None else str(answer["status"]["token"])
