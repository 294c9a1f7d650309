"""What a Job and its pods say of themselves. Read with suspicion: others may have written any of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelramp.desired.reading import entries, part, text

_WORDS = 256


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a Job has ended: with success, or why not, in the words of its condition."""

    failed: bool
    reason: str = ""
    message: str = ""


def end_of(job: Mapping[str, Any]) -> JobEnd | None:
    """How a Job has ended; None while it runs."""
    for condition in entries(job, "status", "conditions"):
        kind = condition.get("type")
        if condition.get("status") == "True" and kind in ("Complete", "Failed"):
            reason, message = text(condition, "reason")[:_WORDS], text(condition, "message")[:_WORDS]
            return JobEnd(kind == "Failed", reason, message)
    return None


def made_by(pod: Mapping[str, Any], job: Mapping[str, Any]) -> bool:
    """Whether the Job controls the pod: the label with the Job's name alone is anybody's claim."""
    uid = text(job, "metadata", "uid")
    controllers = (one for one in entries(pod, "metadata", "ownerReferences") if one.get("controller") is True)
    return bool(uid) and any(one.get("uid") == uid and one.get("kind") == "Job" for one in controllers)


def first_container_end(job: Mapping[str, Any], pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """How the Job's first container ended in a pod; sidecars that somebody injects have nothing to say here."""
    containers = list(entries(part(job, "spec", "template", "spec"), "containers"))
    first = text(containers[0], "name") if containers else ""
    for container in entries(pod, "status", "containerStatuses"):
        if first and container.get("name") == first:
            return part(container, "state", "terminated") or part(container, "lastState", "terminated") or None
    return None


def born(obj: Mapping[str, Any]) -> str:
    """When an object was made, as text that sorts by time."""
    return text(obj, "metadata", "creationTimestamp")
