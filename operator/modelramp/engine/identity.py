"""Which object it is that a watch or a list brought, and which of two versions of it is the newer one."""

from collections.abc import Mapping
from typing import Any

from modelramp.desired.reading import version_of
from modelramp.engine.ports import Object


def identified(obj: Object) -> Mapping[str, Any]:
    """The metadata of an object. Raises ValueError when it does not say which object it is."""
    found: Any = obj.get("metadata")
    wrong = _odd(found) if isinstance(found, Mapping) else "it has no metadata"
    if wrong:
        raise ValueError(wrong)
    return found  # type: ignore[no-any-return]


def _odd(metadata: Mapping[str, Any]) -> str:
    """What is wrong with metadata, in a sentence; "" when all that is read of it can be read."""
    if not all(isinstance(metadata.get(name, ""), str) for name in ("name", "namespace", "uid", "resourceVersion")):
        return "its name, namespace, uid and resourceVersion are not all texts"
    if not metadata.get("name"):
        return "it has no name"
    labels, owners = metadata.get("labels") or {}, metadata.get("ownerReferences") or ()
    if not isinstance(labels, Mapping) or not all(isinstance(value, str) for value in labels.values()):
        return "its labels are not all text"
    if not isinstance(owners, list | tuple) or not all(isinstance(owner, Mapping) for owner in owners):
        return "its ownerReferences are not mappings"
    return "" if isinstance(metadata.get("annotations") or {}, Mapping) else "its annotations are not a mapping"


def is_newer(known: Object, obj: Object) -> bool:
    """Whether what is known is newer; resourceVersions of one API server are increasing integers (KEP-5504).

    Of two objects of one name the later made one is newer: after a restored backup its version may be the lower one.
    """
    if known["metadata"].get("uid") != obj["metadata"].get("uid") and _made(known) < _made(obj):
        return False
    return version_of(known) > version_of(obj)


def is_same(known: Object, obj: Object) -> bool:
    """Whether both are one version of one object."""
    names = ("uid", "resourceVersion")
    return all(known["metadata"].get(name) == obj["metadata"].get(name) is not None for name in names)


def _made(obj: Object) -> str:
    return str(obj["metadata"].get("creationTimestamp") or "")
