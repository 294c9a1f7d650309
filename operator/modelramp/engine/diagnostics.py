"""Why things do not move: asked only when they do not, and said in the words of the object that blocks them."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from modelramp.api.errors import Gone
from modelramp.api.kinds import EVENT, POD, Ref
from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION
from modelramp.api.routing import Routing
from modelramp.api.text import cut, visible
from modelramp.core.events import RolloutEvent
from modelramp.desired.reading import entries, part, text
from modelramp.desired.routers import router_of
from modelramp.engine.lost_pods import Missing, Silent, silent_pod, why_missing
from modelramp.engine.ports import Clock, Cluster, Object
from modelramp.engine.store import Key

_MOST_PODS = 500
"""Pods of one ModelDeployment that are looked at; a namespace that is full of them holds up no other one."""
_MOST_WARNINGS = 50
_WORDS = 400
"""Bytes; the end of what a registry or an admission answers is the cause as often as its beginning."""
SHARED_SECONDS = 2.0
"""An object that was read so lately is not read again for somebody else."""


@dataclass(slots=True)
class SharedReads:
    """Reads an object once for all who ask for it within a moment, as for the Gateway of a thousand routes."""

    cluster: Cluster
    clock: Clock
    _begun: dict[Ref, tuple[float, asyncio.Task[Object]]] = field(default_factory=dict)

    async def get(self, ref: Ref) -> Object:
        """The object as it is, or was up to SHARED_SECONDS ago. Raises what the cluster's get raises."""
        now = self.clock.now()
        self._begun = {old: one for old, one in self._begun.items() if abs(now - one[0]) < SHARED_SECONDS}
        if ref not in self._begun:
            task = asyncio.create_task(self.cluster.get(ref), name=f"read {ref}")
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # it may have nobody left to tell
            self._begun[ref] = (now, task)
        return await asyncio.shield(self._begun[ref][1])


async def inspect_routing(reads: SharedReads, key: Key, routing: Routing) -> RolloutEvent | None:
    """What is wrong with the objects that a spec's router needs, such as Gateways; None when they are fine."""
    router, found = router_of(routing), {}
    for ref in router.needs(routing, key[0]):
        with suppress(Gone):
            found[ref] = await reads.get(ref)
    return router.lacks(routing, key[0], found)


async def inspect_pods(
    cluster: Cluster, key: Key, revisions: Iterable[str], after: float, now: float, patience: int
) -> dict[str, Missing]:
    """Why pods of some revisions are missing, or were at some time after the instant `after`, by one list.

    patience: seconds that a pod may take from its node to its first readiness.
    """
    pods: dict[str, list[Object]] = {revision: [] for revision in revisions}
    for pod in await cluster.list(POD, key[0], f"{LABEL_DEPLOYMENT}={key[1]}", most=_MOST_PODS):
        pods.get(text(pod, "metadata", "labels", LABEL_REVISION), []).append(pod)
    return {
        revision: replace(
            why_missing(found, after, now, patience, pod_trouble), silent=silent_pod(found, now, _words_of)
        )
        for revision, found in pods.items()
    }


async def events_of(cluster: Cluster, namespace: str, pod: Silent) -> str:
    """What the newest warning about a pod says, by one list; empty when there is none since its containers started.

    The kubelet writes into the pod neither that a volume cannot be mounted nor how a probe failed.
    """
    fields = f"regarding.name={pod.name},regarding.uid={pod.uid},type=Warning"
    found = await cluster.list(EVENT, namespace, fields=fields, most=_MOST_WARNINGS)
    newest = max(found, key=_last_seen, default={})
    if not newest or _last_seen(newest) < pod.started:
        return ""
    return _line(f"{text(newest, 'reason')}: {text(newest, 'note')}".strip(": "))


def _last_seen(event: Object) -> str:
    """When it happened last, as text that sorts by time; who writes it keeps that in one of several places."""
    series = text(event, "series", "lastObservedTime")
    return series or text(event, "deprecatedLastTimestamp") or text(event, "eventTime")


def pod_trouble(pod: Object) -> str:
    """What keeps one pod from being ready, in the kubelet's or the scheduler's words, in one line of bounded length."""
    unready = next((text(each, "name") for each in _containers(pod) if not each.get("ready")), "")
    return _line(_words_of(pod) or (f"container {unready} is not ready" if unready else ""))


def _line(words: str) -> str:
    return cut(visible(" ".join(words.split())), _WORDS)


def _containers(pod: Object) -> list[Object]:
    return [*entries(pod, "status", "initContainerStatuses"), *entries(pod, "status", "containerStatuses")]


def _words_of(pod: Object) -> str:
    """The same where the pod says a cause; empty when it says only that it is not ready."""
    for container in _containers(pod):
        for state in (part(container, "state"), part(container, "lastState")):
            found = part(state, "waiting") or part(state, "terminated")
            reason = text(found, "reason")
            if reason and reason not in {"ContainerCreating", "PodInitializing", "Completed"}:
                code = f", exit code {found['exitCode']}" if "exitCode" in found else ""
                message = f": {words}" if (words := text(found, "message")) else ""
                return f"container {text(container, 'name')} {reason}{code}{message}"
    for condition in entries(pod, "status", "conditions"):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{text(condition, 'reason')}: {text(condition, 'message')}"
    return ""
