"""Why things do not move: asked only when they do not, and said in the words of the object that stands in the way."""

from collections.abc import Iterable

from modelramp.api.errors import Gone
from modelramp.api.kinds import POD, Ref
from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION, Reason
from modelramp.api.spec import GatewayRouting, ParentReference
from modelramp.api.text import cut, visible
from modelramp.core.state import RolloutEvent
from modelramp.desired.reading import entries, part, text
from modelramp.desired.routers.gateway_api import GATEWAY
from modelramp.engine.lost_pods import Missing, why_missing
from modelramp.engine.ports import Cluster, Object
from modelramp.engine.store import Key

_WORDS = 400
"""Bytes; the end of what a registry or an admission answers is the cause as often as its beginning."""


async def inspect_gateway(cluster: Cluster, key: Key, gateway: GatewayRouting) -> RolloutEvent | None:
    """What is wrong with the Gateways that should carry the route; None when they exist, with the listeners named."""
    for parent in gateway.parent_refs:
        ref = Ref(GATEWAY, parent.namespace or key[0], parent.name)
        try:
            found = await cluster.get(ref)
        except Gone:
            text = f"{ref} does not exist; create it or correct spec.routing.gateway.parentRefs"
            return RolloutEvent(Reason.GATEWAY_NOT_FOUND, text, warning=True)
        lacks = _lacks(found, parent)
        if lacks:
            text = f"{ref} has no listener with {lacks}; add it or correct spec.routing.gateway.parentRefs"
            return RolloutEvent(Reason.GATEWAY_NOT_FOUND, text, warning=True)
    return None


def _lacks(gateway: Object, parent: ParentReference) -> str:
    """Which listener a Gateway does not have although it is named; empty when it has it, or names none at all."""
    listeners = tuple(entries(gateway, "spec", "listeners"))
    sections = {listener.get("name") for listener in listeners}
    if listeners and parent.section_name is not None and parent.section_name not in sections:
        return f"the name {parent.section_name}"
    ports = {listener.get("port") for listener in listeners if parent.section_name in {None, listener.get("name")}}
    return f"port {parent.port}" if listeners and parent.port is not None and parent.port not in ports else ""


async def inspect_pods(
    cluster: Cluster, key: Key, revisions: Iterable[str], after: float, now: float, patience: int
) -> dict[str, Missing]:
    """Why pods of some revisions are missing, or were at some time after the instant `after`, by one list.

    patience: seconds that a pod may take from its node to its first readiness.
    """
    pods: dict[str, list[Object]] = {revision: [] for revision in revisions}
    for pod in await cluster.list(POD, key[0], f"{LABEL_DEPLOYMENT}={key[1]}"):
        pods.get(text(pod, "metadata", "labels", LABEL_REVISION), []).append(pod)
    return {revision: why_missing(found, after, now, patience, pod_trouble) for revision, found in pods.items()}


def pod_trouble(pod: Object) -> str:
    """What keeps one pod from being ready, in the kubelet's or the scheduler's words, in one line of bounded length."""
    return cut(visible(" ".join(_pod_trouble(pod).split())), _WORDS)


def _pod_trouble(pod: Object) -> str:
    containers = [*entries(pod, "status", "initContainerStatuses"), *entries(pod, "status", "containerStatuses")]
    for container in containers:
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
    not_ready = [text(container, "name") for container in containers if not container.get("ready")]
    return f"container {not_ready[0]} is not ready" if not_ready else ""
