"""Whose fault it is that pods of a version are missing: its own, or that of what it runs on. Pure.

Nobody blames a version for a pod that went with its node, waits for another one or starts there for the first time. A
crash, a failing probe and memory that the pod itself used up are its own. docs/decisions/0023 has the table.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from modelramp.api.text import cut
from modelramp.api.times import to_clock, to_seconds
from modelramp.desired.reading import entries, part, text
from modelramp.engine.ports import Object

_WORDS = 400
_TOGETHER_SECONDS = 60
"""A pod that ended so shortly before another one was made is the one that it replaces."""
_SILENT_SECONDS = 5
"""A pod that waits so long is asked about: with a look every ten seconds its cause is known within fifteen."""
_BROKEN = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "InvalidImageName",
        "PostStartHookError",
        "RunContainerError",
    }
)
"""What a container may wait for that no other node would cure. An image that cannot be pulled is none of these."""
_UNSCHEDULED = frozenset({"Unschedulable", "SchedulingGated"})
"""Why the scheduler gives a pod no node for the time being."""
_VANISHED = frozenset({"ContainerStatusUnknown", "Unknown"})
"""How a container ended whose node was restarted."""
_NOT_ADMITTED = frozenset({"NodeAffinity", "NodeLost", "NodeShutdown", "Preempting", "Shutdown", "Terminated"})
"""Reasons of a failed pod that speak of its node."""


@dataclass(frozen=True, slots=True)
class Silent:
    """A pod that does not say why it is not ready. started: when its newest container did, in RFC 3339, if one did."""

    name: str
    uid: str
    started: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """Why pods of a version are missing.

    trouble: in the kubelet's or the scheduler's words. excuse: why it is no fault of the version; empty when it is one,
    or when that is not known. since: the beginning of such a loss, seconds since the epoch. kept: whether some pod was
    ready all the time, so that the version answered, and what failed is its own. waits: what the scheduler says of pods
    that have no node, and waits_since: since when. stuck: whether some pod has a node and is not ready there, or has
    failed: then more than a node is missing. looked: when the pods were looked at, seconds since the epoch.
    silent: a pod that has waited for a while, when none of those that wait says why.
    """

    trouble: str = ""
    excuse: str = ""
    since: int = 0
    kept: bool = False
    waits: str = ""
    waits_since: int = 0
    stuck: bool = False
    looked: float = 0.0
    silent: Silent | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What Events say of a silent pod, and when to ask again (epoch seconds)."""

    pod: Silent
    words: str
    again_at: float


def why_missing(
    pods: Collection[Object], after: float, now: float, patience: int, words: Callable[[Object], str]
) -> Missing:
    """What the pods of one version say of those that are missing, or were at some time after the instant `after`.

    patience: seconds that a pod may take from its node to its first readiness. words: a pod's trouble, for people.
    """
    living = [pod for pod in pods if _lives(pod) and _ready_since(pod, now) >= after]
    made = min((_time(pod, now, "metadata", "creationTimestamp") for pod in living), default=now)
    ended = [pod for pod in pods if not _lives(pod) and _ended_at(pod, now) >= made - _TOGETHER_SECONDS]
    trouble = next((_told(pod, said) for pod in living if (said := words(pod))), "")
    for pod in living:
        if found := _fault_of_living(pod, after, now, patience):
            return Missing(_told(pod, found), stuck=True)
    for pod in ended:
        if found := _fault_of_ended(pod, now, patience):
            return Missing(_told(pod, found), stuck=True)
    excuses = dict.fromkeys((*(_end_of(pod) for pod in ended), *(_start_of(pod, now) for pod in living)))
    told = [cut(" ".join(excuse.split()), _WORDS) for excuse in excuses] or ["they have yet to be made"]
    began = min((*(_ended_at(pod, now) for pod in ended), *(_began(pod, now) for pod in living)), default=now)
    kept = any(_lives(pod) and _ready_since(pod, now) < after for pod in pods)
    homeless = [pod for pod in living if _wait_for_node(pod)]
    stuck = any(pod not in homeless and text(_condition(pod, "Ready"), "status") != "True" for pod in living)
    return Missing(
        trouble,
        "; ".join(told[:2]),
        int(began),
        kept,
        waits=_told(homeless[0], _wait_for_node(homeless[0])) if homeless else "",
        waits_since=int(min((_waits_since(pod, now) for pod in homeless), default=0)),
        stuck=stuck,
    )


def silent_pod(pods: Iterable[Object], now: float, words: Callable[[Object], str]) -> Silent | None:
    """The pod that has waited longest on its node, for a while at least, if none of those that wait says why.

    words: what a pod says itself. A pod without a node waits for the scheduler, which writes why into the pod.
    """
    waiting = [pod for pod in pods if _lives(pod) and text(_condition(pod, "Ready"), "status") != "True"]
    if any(words(pod) for pod in waiting):
        return None
    oldest = min(waiting, key=lambda pod: _time(pod, now, "metadata", "creationTimestamp"), default={})
    uid, made = text(oldest, "metadata", "uid"), _time(oldest, now, "metadata", "creationTimestamp")
    started = max((text(one, "state", "running", "startedAt") for one in _running(oldest)), default="")
    return Silent(_name(oldest), uid, started) if uid and now - made >= _SILENT_SECONDS else None


def with_events(missing: Missing, heard: Heard | None) -> Missing:
    """The same with the words of the Events about its silent pod, beside what the pod says of itself."""
    if heard is None or missing.silent != heard.pod or not heard.words:
        return missing
    name, vague = heard.pod.name, not missing.trouble or bool(missing.excuse)
    trouble = f"pod {name}: {heard.words}" if vague else f"{missing.trouble}; {heard.words}"
    return replace(missing, trouble=cut(" ".join(trouble.split()), _WORDS))


def _told(pod: Object, words: str) -> str:
    return cut(" ".join(f"pod {_name(pod)}: {words}".split()), _WORDS)


def _fault_of_living(pod: Object, after: float, now: float, patience: int) -> str:
    """What a pod did itself that keeps, or kept, it from being ready; empty when nothing is known of that."""
    if not _placed(pod) or _node_is_silent(pod):
        return ""
    for container in _containers(pod):
        if found := _crash(container, after):
            return found
    placed, became = _condition_time(pod, "PodScheduled", now), _ready_since(pod, now)
    started = max((_time(one, now, "state", "running", "startedAt") for one in _running(pod)), default=now)
    ready = _condition(pod, "Ready")
    if text(ready, "status") == "True":
        slow = became - placed > patience
        return f"was not ready until {to_clock(int(became))}, long after its start" if slow else ""
    left = _time(ready, 0.0, "lastTransitionTime")
    if text(ready, "status") == "False" and left > started:
        return f"is no longer ready since {to_clock(int(left))}: {text(ready, 'message')}".rstrip(": ")
    if now - placed > patience:
        return f"did not become ready within {patience} s on its node: {text(ready, 'message')}".rstrip(": ")
    return ""


def _crash(container: Object, after: float) -> str:
    """How a container of a living pod failed, if it did; one that was lost with its node did not."""
    name, state = text(container, "name"), part(container, "state")
    waiting, ended, last = part(state, "waiting"), part(state, "terminated"), part(container, "lastState", "terminated")
    if text(waiting, "reason") in _BROKEN:
        return f"container {name} {text(waiting, 'reason')}: {text(waiting, 'message')}".rstrip(": ")
    for found in (ended, last):
        recent = found is ended or not container.get("ready") or _time(found, after, "finishedAt") >= after
        done = not found or (found is ended and not found.get("exitCode")) or text(found, "reason") in _VANISHED
        if recent and not done:
            return f"container {name} {text(found, 'reason') or 'ended'}, exit code {found.get('exitCode', 'unknown')}"
    return ""


def _fault_of_ended(pod: Object, now: float, patience: int) -> str:
    reason, message = text(pod, "status", "reason"), text(pod, "status", "message")
    disrupted = _condition(pod, "DisruptionTarget")
    if text(disrupted, "status") == "True" and text(disrupted, "reason") == "TerminationByKubelet":
        said = message or text(disrupted, "message")
        innocent = "low on resource" in said and "was using" not in said
        return "" if innocent or reason in _NOT_ADMITTED or "shutdown" in said else f"{reason or 'Evicted'}: {said}"
    end = _ended_at(pod, now)
    for container in _containers(pod):
        last = part(container, "lastState", "terminated")
        looped = text(container, "state", "waiting", "reason") in _BROKEN
        if looped or (text(last, "reason") not in _VANISHED and _time(last, 0.0, "finishedAt") > end - patience):
            return f"container {text(container, 'name')} had crashed before"
    failed = text(pod, "status", "phase") == "Failed" and not disrupted
    return f"{reason}: {message}" if failed and reason not in _NOT_ADMITTED and not reason.startswith("OutOf") else ""


def _end_of(pod: Object) -> str:
    """How a pod ended that did nothing wrong."""
    disrupted = _condition(pod, "DisruptionTarget")
    why = text(disrupted, "reason") or text(pod, "status", "reason")
    if disrupted:
        return f"pod {_name(pod)} was evicted or preempted ({why}: {text(disrupted, 'message')})"
    return f"pod {_name(pod)} was taken away ({why})" if why else f"pod {_name(pod)} was deleted"


def _start_of(pod: Object, now: float) -> str:
    """What a pod waits for that did nothing wrong."""
    name, node = _name(pod), text(pod, "spec", "nodeName")
    if not _placed(pod):
        found = _condition(pod, "PodScheduled")
        return f"pod {name} waits for a node ({text(found, 'reason')}: {text(found, 'message')})"
    if _node_is_silent(pod):
        return f"pod {name} is on node {node}, which does not answer"
    placed = to_clock(int(_condition_time(pod, "PodScheduled", now)))
    if text(_condition(pod, "Ready"), "status") == "True":
        return f"pod {name} started on node {node} at {placed}"
    return f"pod {name} starts for the first time on node {node} since {placed}"


def _wait_for_node(pod: Object) -> str:
    """Why a pod has no node that answers, in the scheduler's words; empty when it has one."""
    if _placed(pod):
        return f"node {text(pod, 'spec', 'nodeName')} does not answer" if _node_is_silent(pod) else ""
    found = _condition(pod, "PodScheduled")
    if text(found, "status") != "False" or text(found, "reason") not in _UNSCHEDULED:
        return ""
    return f"{text(found, 'reason')}: {text(found, 'message')}"


def _waits_since(pod: Object, now: float) -> float:
    if _node_is_silent(pod):
        return _condition_time(pod, "Ready", now)
    return _condition_time(pod, "PodScheduled", _time(pod, now, "metadata", "creationTimestamp"))


def _placed(pod: Object) -> bool:
    return bool(text(pod, "spec", "nodeName")) or any(_containers(pod))


def _node_is_silent(pod: Object) -> bool:
    """Whether only the node controller calls a pod unready, whose containers were all ready when last heard of."""
    ready, containers = _condition(pod, "Ready"), _condition(pod, "ContainersReady")
    gated = text(ready, "reason") == "ReadinessGatesNotReady"
    return text(ready, "status") != "True" and text(containers, "status") == "True" and not gated


def _began(pod: Object, now: float) -> float:
    """Since when a living pod stands for one that is missing."""
    if _node_is_silent(pod):
        return _condition_time(pod, "Ready", now)
    return _time(pod, now, "metadata", "creationTimestamp")


def _lives(pod: Object) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and text(pod, "status", "phase") not in {"Failed", "Succeeded"}


def _ready_since(pod: Object, now: float) -> float:
    """When a pod became ready; `now` while it is not."""
    ready = _condition(pod, "Ready")
    return _time(ready, 0.0, "lastTransitionTime") if text(ready, "status") == "True" else now


def _ended_at(pod: Object, now: float) -> float:
    """When a pod ended, or when it was told to."""
    times = [_time(pod, 0.0, "metadata", "deletionTimestamp"), _condition_time(pod, "DisruptionTarget", 0.0)]
    times += [_time(one, 0.0, "state", "terminated", "finishedAt") for one in _containers(pod)]
    return max(times) or now


def _containers(pod: Object) -> Iterator[Object]:
    yield from entries(pod, "status", "initContainerStatuses")
    yield from entries(pod, "status", "containerStatuses")


def _running(pod: Object) -> Iterable[Object]:
    return (one for one in entries(pod, "status", "containerStatuses") if part(one, "state", "running"))


def _condition(pod: Object, kind: str) -> Object:
    return next((found for found in entries(pod, "status", "conditions") if found.get("type") == kind), {})


def _condition_time(pod: Object, kind: str, otherwise: float) -> float:
    return _time(_condition(pod, kind), otherwise, "lastTransitionTime")


def _time(obj: Any, otherwise: float, *path: str) -> float:
    try:
        return float(to_seconds(text(obj, *path)))
    except ValueError:
        return otherwise


def _name(pod: Object) -> str:
    return text(pod, "metadata", "name")
