"""The Deployment of one revision."""

from collections.abc import Mapping
from typing import Any

from modelramp.api.kinds import Kind
from modelramp.desired.names import child_name
from modelramp.desired.ownership import Owner, metadata, selector

DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")


def deployment(
    owner: Owner, revision: str, template: Mapping[str, Any], replicas: int, progress_deadline: int
) -> dict[str, Any]:
    """The Deployment that runs one revision, with the fields that modelramp owns and no others.

    template: the user's, as it was when the revision was made. progress_deadline: seconds.
    One template is one revision, so the Deployment keeps no history of its own; should somebody change its template
    by hand, it comes back without a moment below full capacity.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(owner, child_name(owner.name, revision), revision),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 0,
            "progressDeadlineSeconds": progress_deadline,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
            "selector": {"matchLabels": selector(owner, revision)},
            "template": pod_template(owner, revision, template),
        },
    }


def pod_template(owner: Owner, revision: str, template: Mapping[str, Any]) -> dict[str, Any]:
    """The user's pod template with the two labels of its revision, which win over labels of the same name."""
    given = template.get("metadata") or {}
    meta: dict[str, Any] = {"labels": {**(given.get("labels") or {}), **selector(owner, revision)}}
    if given.get("annotations"):
        meta["annotations"] = dict(given["annotations"])
    return {"metadata": meta, "spec": dict(template.get("spec") or {})}
