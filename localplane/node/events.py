"""Events as kubelet writes them, for `kubectl describe pod`. Losing one is not worth a retry."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from localplane.configs import NODE_NAME
from localplane.node.api import Api, ApiError, ApiSilentError

Object = dict[str, Any]


def now(form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """Return the time as the API writes it, to the second: the node's only look at the calendar."""
    return datetime.now(UTC).strftime(form)  # noqa: TID251 - an edge: the node's times are for people to read


class Events:
    """Writes Events, counting repetitions instead of writing them out."""

    def __init__(self, api: Api) -> None:
        """Write through `api`."""
        self._api = api
        self._counts: dict[str, int] = {}

    async def tell(self, pod: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """Write an Event about a pod, or raise the count of the same one."""
        meta = pod["metadata"]
        digest = hashlib.sha256(f"{meta['uid']}|{reason}|{message}".encode()).hexdigest()[:16]
        name = f"{meta['name'][:230]}.{digest}"
        self._counts[name] = count = self._counts.get(name, 0) + 1
        path = f"/api/v1/namespaces/{meta['namespace']}/events"
        try:
            if count == 1:
                await self._api.create(path, self._event(pod, name, reason, message, warning=warning))
            else:
                await self._api.patch(f"{path}/{name}", {"count": count, "lastTimestamp": now()})
        except (ApiError, ApiSilentError):
            # The namespace may be going away, or the API server; the pod's status says the same.
            return

    def forget(self, pod: Object) -> None:
        """Drop the counts of a pod that is gone."""
        prefix = f"{pod['metadata']['name'][:230]}."
        for name in [name for name in self._counts if name.startswith(prefix)]:
            del self._counts[name]

    def _event(self, pod: Object, name: str, reason: str, message: str, *, warning: bool) -> Object:
        meta = pod["metadata"]
        moment = now()
        return {
            "metadata": {"name": name, "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
            },
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "message": message[:1000],
            "source": {"component": "process-node", "host": NODE_NAME},
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
