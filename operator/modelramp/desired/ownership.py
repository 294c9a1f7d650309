"""Who an object belongs to: the labels and the owner reference of everything that is made for a ModelDeployment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelramp.api.kinds import Ref
from modelramp.api.names import API_VERSION, FIELD_MANAGER, KIND, LABEL_DEPLOYMENT, LABEL_REVISION, LABEL_ROLE
from modelramp.core.events import RolloutEvent
from modelramp.desired.names import child_name, preview_name, route_name

CONTEST_SECONDS = 60.0
"""How long it is remembered that somebody has put back a field that was changed in an object of theirs."""
MANAGED_BY = "app.kubernetes.io/managed-by"
STABLE = "stable"
"""Role of the Service that follows the stable version; its name is in the spec."""
SERVICE_NAME = "kubernetes.io/service-name"
"""Label of an EndpointSlice: the Service whose endpoints it holds."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A ModelDeployment as the objects made for it see it."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class FieldWrite:
    """Fields of an object that somebody else owns, to be written as a JSON patch.

    current: the object that the patch was made for; the write only takes effect while that is the newest version.
    operations: the patch. found, wanted: the fields as they are and as they should be, as texts that can be compared.
    needs: names and ports of the Services that must exist before. told: what people hear of once it is written.
    window: how long somebody else's changes are remembered, seconds.
    """

    ref: Ref
    current: Mapping[str, Any]
    operations: tuple[dict[str, Any], ...]
    found: str
    wanted: str
    needs: frozenset[tuple[str, int]] = frozenset()
    told: RolloutEvent | None = None
    window: float = CONTEST_SECONDS

    @property
    def at(self) -> tuple[str, str]:
        """Kind and name of the object, which is in the namespace of the ModelDeployment."""
        return self.ref.kind.kind, self.ref.name

    @property
    def fenced(self) -> list[dict[str, Any]]:
        """The patch with the version that it was made for: the API server answers 409 to it when that is old."""
        meta = self.current["metadata"]
        identity = {"op": "test", "path": "/metadata/uid", "value": meta["uid"]}
        version = {"op": "replace", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]}
        return [identity, *self.operations, version]


Write = dict[str, Any] | FieldWrite
"""An object that the operator owns whole, for a server-side apply, or fields in an object of somebody else."""


def pointer(*path: str | int) -> str:
    """The JSON pointer of a field.

    >>> pointer("metadata", "labels", "modelramp.io/deployment")
    '/metadata/labels/modelramp.io~1deployment'
    """
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def borrowed(obj: Mapping[str, Any]) -> bool:
    """Whether an object was made by somebody else: ours carry a label."""
    return LABEL_DEPLOYMENT not in ((obj.get("metadata") or {}).get("labels") or {})


def owner_of(obj: Mapping[str, Any]) -> Owner:
    """The owner that a ModelDeployment object is to its children."""
    metadata = obj["metadata"]
    return Owner(metadata["namespace"], metadata["name"], metadata["uid"])


def selector(owner: Owner, revision: str) -> dict[str, str]:
    """The two labels that pick the pods of exactly one revision."""
    return {LABEL_DEPLOYMENT: owner.name, LABEL_REVISION: revision}


def metadata(owner: Owner, name: str, revision: str | None = None) -> dict[str, Any]:
    """Metadata of a child.

    No label or annotation of the ModelDeployment is copied: `app.kubernetes.io/instance` and tracking annotations
    would make GitOps tools believe that the child stands in Git, and delete it.
    """
    labels = {LABEL_DEPLOYMENT: owner.name} if revision is None else selector(owner, revision)
    return {
        "name": name,
        "namespace": owner.namespace,
        "labels": {**labels, MANAGED_BY: FIELD_MANAGER},
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": owner.name,
                "uid": owner.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def owned_by(obj: Mapping[str, Any], owner: Owner) -> bool:
    """Whether an object was made for exactly this ModelDeployment: by our label, and a controller reference to its uid.

    An object with the label alone is somebody else's, or belongs to an earlier ModelDeployment of the same name.
    """
    found = obj.get("metadata") or {}
    if (found.get("labels") or {}).get(LABEL_DEPLOYMENT) != owner.name or found.get("namespace") != owner.namespace:
        return False
    return any(
        reference.get("uid") == owner.uid and reference.get("controller") is True
        for reference in found.get("ownerReferences") or ()
    )


def orphaned(obj: Mapping[str, Any], owner: Owner) -> bool:
    """Whether an object was left behind by `kubectl delete --cascade=orphan`: our label, and nobody controls it.

    A ModelDeployment of the same name may take it over.
    """
    found = obj.get("metadata") or {}
    labelled = (found.get("labels") or {}).get(LABEL_DEPLOYMENT) == owner.name
    controlled = any(reference.get("controller") for reference in found.get("ownerReferences") or ())
    return labelled and found.get("namespace") == owner.namespace and not controlled


def named_for(kind: str, obj: Mapping[str, Any], owner: Owner, *, is_route: bool = False) -> bool:
    """Whether an object has the name that this kind of child has; a copy of one cannot have it as well.

    Only Jobs, and the Service that follows the stable version, have names that do not follow from their labels.
    is_route: whether a router makes objects of this kind.
    """
    found = obj.get("metadata") or {}
    if kind == "Job":
        return True
    if is_route:
        return found.get("name") in {route_name(owner.name), preview_name(owner.name)}
    labels = found.get("labels") or {}
    revision = labels.get(LABEL_REVISION)
    if kind == "ConfigMap" and isinstance(revision, str) and revision:
        return str(found.get("name")).startswith(f"{child_name(owner.name, revision)}-")
    if kind == "Service" and revision is None and labels.get(LABEL_ROLE) == STABLE:
        return True  # one of a name that is no longer asked for is deleted as any other child
    return isinstance(revision, str) and revision != "" and found.get("name") == child_name(owner.name, revision)


def belongs_to_service(endpoints: Mapping[str, Any], services: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether an EndpointSlice holds the endpoints of one of these Services (by name) and carries its revision.

    It does by its label, as for every proxy, and by its owner reference if it has one: a Service that was deleted and
    made again under its name is another one.
    """
    found = endpoints.get("metadata") or {}
    labels = found.get("labels") or {}
    service = (services.get(labels.get(SERVICE_NAME, "")) or {}).get("metadata")
    if service is None or labels.get(LABEL_REVISION) != (service.get("labels") or {}).get(LABEL_REVISION):
        return False
    owners = {reference.get("uid") for reference in found.get("ownerReferences") or ()}
    return not owners or service.get("uid") in owners
