"""Parts of objects that others wrote, whatever their form: what has another form than is wanted is not there."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any


def part(obj: Any, *path: str) -> Mapping[str, Any]:
    """The mapping at the end of a path of field names; empty when there is none."""
    for name in path:
        obj = obj.get(name) if isinstance(obj, Mapping) else None
    return obj if isinstance(obj, Mapping) else {}


def entries(obj: Any, *path: str) -> Iterator[Mapping[str, Any]]:
    """The mappings in the list at the end of a path of field names."""
    *before, last = path
    found = part(obj, *before).get(last)
    yield from (item for item in found if isinstance(item, Mapping)) if isinstance(found, (list, tuple)) else ()


def text(obj: Any, *path: str) -> str:
    """The text at the end of a path of field names; empty when there is none."""
    *before, last = path
    found = part(obj, *before).get(last)
    return found if isinstance(found, str) else ""


def annotated(metadata: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The JSON mapping that an annotation holds; empty when there is none that can be read."""
    with suppress(ValueError, RecursionError):
        return part(json.loads(text(metadata, "annotations", name) or "{}"))
    return {}


def version_of(obj: Mapping[str, Any]) -> int:
    """The resourceVersion, which rises on one API server (KEP-5504); 0 when it is no number."""
    found = obj["metadata"].get("resourceVersion", "0")
    return int(found) if found.isdigit() else 0
