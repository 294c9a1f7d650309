"""The Deployment of one revision."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from modelramp.api.kinds import Kind
from modelramp.api.names import LABEL_REVISION
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.api.text import cut, visible
from modelramp.api.times import to_seconds
from modelramp.desired.names import child_name
from modelramp.desired.ownership import Owner, metadata, selector
from modelramp.desired.reading import entries, text
from modelramp.desired.workloads.protocol import Object, Running

DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
_WORDS = 400
"""Bytes of what the controller says that people get to read."""
_QUOTA = "exceeded quota"
"""How the admission of a ResourceQuota refuses a pod; every other refusal is a failure of the pod."""


class Deployments:
    """Runs each revision by a Deployment of its own."""

    kinds = (DEPLOYMENT,)

    def runs(self, spec: ModelDeploymentSpec) -> bool:
        """Every spec: it is the workload of those that ask for no other."""
        del spec
        return True

    def desired(
        self, owner: Owner, revision: str, template: Mapping[str, Any], replicas: int, progress_deadline: int
    ) -> tuple[dict[str, Any], ...]:
        """The Deployment of one revision, with the fields that modelramp owns and no others."""
        return (deployment(owner, revision, template, replicas, progress_deadline),)

    def observed(self, objects: Iterable[Object]) -> dict[str, Running]:
        """The pods by revision.

        A revision's template never changes, so a count that lags behind a scaling still speaks of the right pods.
        """
        found = {}
        for item in objects:
            status = item.get("status") or {}
            failure = _failure(status)
            found[item["metadata"]["labels"].get(LABEL_REVISION, "")] = Running(
                wanted=item["spec"].get("replicas", 1),
                available=status.get("availableReplicas", 0),
                made=status.get("replicas", 0),
                trouble=cut(visible(text(failure, "message")), _WORDS),
                since=_since(_condition(status, "Available")),
                lacking=_since(_condition(status, "Available", "False")),
                over_quota=max(1, _since(failure)) if _QUOTA in text(failure, "message") else 0,
            )
        return found


def _condition(status: Mapping[str, Any], kind: str, truth: str = "True") -> Mapping[str, Any]:
    """A condition that is true, or false; empty while it is not."""
    found = (one for one in entries(status, "conditions") if one.get("status") == truth)
    return next((one for one in found if one.get("type") == kind), {})


def _failure(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Why the API server refuses to create pods."""
    return _condition(status, "ReplicaFailure")


def _since(condition: Mapping[str, Any]) -> int:
    """Since when a condition has been true, seconds since the epoch; 0 when that is not known."""
    with suppress(ValueError):
        return to_seconds(text(condition, "lastTransitionTime"))
    return 0


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
