"""What is kept of the objects that are seen: what some decision or comparison reads. Pure.

Ten thousand objects stay in memory for as long as the operator runs, and most of an object is nobody's business here.
"""

from collections.abc import Mapping
from typing import Any

from modelramp.api.kinds import CONFIG_MAP, ENDPOINT_SLICE, JOB, MODEL_DEPLOYMENT, Kind
from modelramp.api.names import GROUP
from modelramp.desired.routers import maker_of
from modelramp.engine.ports import Object

_METADATA = frozenset(
    {
        "creationTimestamp",
        "deletionTimestamp",
        "finalizers",
        "generation",
        "labels",
        "name",
        "namespace",
        "ownerReferences",
        "resourceVersion",
        "uid",
    }
)
_WHEN = ("manager", "subresource", "time")
"""What is kept of managedFields where they alone say when an object was written."""


def slim(kind: Kind, obj: Object) -> dict[str, Any]:
    """The object with what is read of it: no managedFields, no annotations but ours, and by kind no more than needed.

    A ModelDeployment comes without its spec: that is kept parsed, and a write of its status needs none.
    """
    kept = {**obj, "metadata": _metadata(obj["metadata"])}
    if kind == MODEL_DEPLOYMENT:
        kept.pop("spec", None)
        kept["metadata"] |= _all_annotations(obj["metadata"])
    elif kind == ENDPOINT_SLICE:
        points = obj.get("endpoints") or ()
        kept = {
            "metadata": kept["metadata"],
            "endpoints": [{"conditions": point.get("conditions")} for point in points],
        } | ({"ports": obj["ports"]} if "ports" in obj else {})
    elif kind == CONFIG_MAP:
        kept = {name: value for name, value in kept.items() if name not in {"data", "binaryData"}}
    elif kind == JOB:
        kept["spec"] = _job_spec(obj.get("spec") or {})
    elif (maker := maker_of(kind.kind)) is not None and not maker.features.confirms:
        entries = obj["metadata"].get("managedFields") or ()
        kept["metadata"]["managedFields"] = [{name: entry.get(name, "") for name in _WHEN} for entry in entries]
    return kept


def lent(kind: Kind, obj: Object) -> dict[str, Any]:
    """Another owner's object, with the names of all its annotations.

    A JSON patch that adds the first one replaces them all, so it has to be known whether there are any.
    """
    kept = slim(kind, obj)
    return {**kept, "metadata": kept["metadata"] | _all_annotations(obj["metadata"])}


def _all_annotations(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """All annotations, with the values of ours alone."""
    found = metadata.get("annotations") or {}
    known = {name: value if name.startswith(f"{GROUP}/") else "" for name, value in found.items()}
    return {"annotations": known} if known else {}


def _metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in metadata.items() if name in _METADATA}
    annotations = metadata.get("annotations") or {}
    ours = {name: value for name, value in annotations.items() if name.startswith(f"{GROUP}/")}
    return kept | {"annotations": ours} if ours else kept


def _job_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A Job's template never changes and is compared with nothing; its last words are those of the first container."""
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or ()
    named = [{"name": container.get("name", "")} for container in containers]
    return {"template": {"spec": {"containers": named}}}
