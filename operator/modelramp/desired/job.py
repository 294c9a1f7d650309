"""A Job that runs beside a revision: an evaluation before its traffic, or what a hook starts."""

from collections.abc import Mapping
from typing import Any

from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION, LABEL_ROLE
from modelramp.desired.ownership import Owner, metadata

EVALUATION = "evaluation"
HOOK = "hook"
"""Values of the label `modelramp.io/role`."""


def job(
    owner: Owner,
    name: str,
    *,
    revision: str,
    role: str,
    template: Mapping[str, Any],
    env: Mapping[str, str],
    backoff_limit: int,
    deadline_seconds: int | None = None,
    ttl_seconds: int | None = None,
) -> dict[str, Any]:
    """The Job of that name; its template can never be changed, so whoever wants another one gives it another name.

    template: the user's pod template. env: added to every container where it does not set a variable of that name.
    deadline_seconds: for all pods of the Job together. ttl_seconds: from its end to its disappearance.
    The Job has both labels of the revision; its pods have neither, so that the revision's Service does not pick them.
    """
    spec: dict[str, Any] = {"backoffLimit": backoff_limit, "template": _pod_template(role, template, env)}
    if deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = deadline_seconds
    if ttl_seconds is not None:
        spec["ttlSecondsAfterFinished"] = ttl_seconds
    meta = metadata(owner, name, revision)
    meta["labels"][LABEL_ROLE] = role
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def role_of(obj: Mapping[str, Any]) -> str:
    """What a Job is for, by its label; empty when it is none of ours."""
    return str((obj["metadata"].get("labels") or {}).get(LABEL_ROLE, ""))


def _pod_template(role: str, template: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    given = template.get("metadata") or {}
    labels = {**(given.get("labels") or {}), LABEL_ROLE: role}
    meta: dict[str, Any] = {
        "labels": {key: value for key, value in labels.items() if key not in {LABEL_DEPLOYMENT, LABEL_REVISION}}
    }
    if given.get("annotations"):
        meta["annotations"] = dict(given["annotations"])
    spec = {"restartPolicy": "Never", "enableServiceLinks": False, **(template.get("spec") or {})}
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            spec[kind] = [_container(container, env) for container in spec[kind]]
    return {"metadata": meta, "spec": spec}


def _container(container: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    """The container with our variables first, so that its own may refer to them: $(MODELRAMP_REVISION)."""
    own = list(container.get("env") or ())
    named = {entry.get("name") for entry in own}
    ours = [{"name": name, "value": value} for name, value in env.items() if name not in named]
    return {"terminationMessagePolicy": "FallbackToLogsOnError", **container, "env": [*ours, *own]}
