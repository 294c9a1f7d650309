"""Configuration that is part of a revision: what a pod template reads, the hash of its content, and its copies.

A revision's pods read copies of the ConfigMaps that the template names, made when the revision was: an edit of the
original is a new revision, and a rollback brings the old content back.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelramp.api.kinds import CONFIG_MAP, Kind
from modelramp.api.names import CONFIG_MAP_ANNOTATION
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.core.revisions import short_hash
from modelramp.desired.names import child_name
from modelramp.desired.ownership import Owner, metadata
from modelramp.desired.reading import entries, part, text

OF_THE_CLUSTER = frozenset({"kube-root-ca.crt", "openshift-service-ca.crt"})
"""ConfigMaps that the cluster keeps in every namespace: their content is no release, and an old one no way back."""
MOST_OBJECTS = 50
"""ConfigMaps of one ModelDeployment that are tracked; with more of them nothing new is rolled out."""
ABSENT = "absent"
"""In the place of a hash: the object does not exist, and the template can do without it."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """One place of a pod spec that reads an object of configuration. path: of the field with the object's name."""

    kind: Kind
    name: str
    path: Path
    optional: bool


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy of a ConfigMap for one revision. source: name of the original. content: the hash of its content."""

    revision: str
    source: str
    content: str
    name: str


def references(pod: Mapping[str, Any]) -> Iterator[Reference]:
    """What a pod spec reads from ConfigMaps: volumes, projected ones too, and environment variables."""
    for index, volume in enumerate(entries(pod, "volumes")):
        at: Path = ("volumes", index)
        yield from _reference(volume, "configMap", at)
        for number, source in enumerate(entries(volume, "projected", "sources")):
            yield from _reference(source, "configMap", (*at, "projected", "sources", number))
    for place, container in containers(pod):
        for index, source in enumerate(entries(container, "envFrom")):
            yield from _reference(source, "configMapRef", (*place, "envFrom", index))
        for index, variable in enumerate(entries(container, "env")):
            yield from _reference(part(variable, "valueFrom"), "configMapKeyRef", (*place, "env", index, "valueFrom"))


def containers(pod: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The containers of a pod spec, of all kinds, and where each stands."""
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for index, container in enumerate(entries(pod, field)):
            yield (field, index), container


def _reference(holder: Mapping[str, Any], field: str, at: Path) -> Iterator[Reference]:
    found = part(holder, field)
    if name := text(found, "name"):
        yield Reference(CONFIG_MAP, name, (*at, field, "name"), found.get("optional") is True)


def needs(spec: ModelDeploymentSpec) -> dict[str, bool]:
    """The ConfigMaps whose content is part of the revision, by name, and whether the pods can do without each."""
    if spec.track_config is None or not spec.track_config.config_maps:
        return {}
    found: dict[str, bool] = {}
    for each in references(part(spec.template, "spec")):
        if each.name not in OF_THE_CLUSTER:
            found[each.name] = found.get(each.name, True) and each.optional
    return found


def content_hash(obj: Mapping[str, Any]) -> str:
    """Stands for the content of a ConfigMap: its keys and values, not its labels, annotations or version."""
    content = {name: dict(part(obj, name)) for name in ("data", "binaryData")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def key_of(kind: Kind, name: str) -> str:
    """How a revision calls what it has the content of."""
    return f"{kind.kind}/{name}"


def copies(owner_name: str, revision: str, config: Mapping[str, str]) -> Iterator[Copy]:
    """The copies that the pods of a revision read. config: hashes of the revision, by what they are of."""
    for key, content in config.items():
        kind, _, source = key.partition("/")
        if kind == CONFIG_MAP.kind:
            yield Copy(revision, source, content, f"{child_name(owner_name, revision)}-{short_hash(source)}")


def reading_copies(template: Mapping[str, Any], found: Iterable[Copy]) -> Mapping[str, Any]:
    """The template whose pods read the copies of a revision in the place of the originals."""
    names = {copy.source: copy.name for copy in found}
    pod: Any = part(template, "spec")
    for each in references(pod) if names else ():
        if each.name in names:
            pod = _with(pod, each.path, names[each.name])
    return {**template, "spec": pod} if names else template


def _with(value: Any, path: Path, name: str) -> Any:
    """A value with another name at a path; nothing of the value itself is changed."""
    if not path:
        return name
    first, rest = path[0], path[1:]
    if isinstance(first, int):
        return [_with(item, rest, name) if index == first else item for index, item in enumerate(value)]
    return {**value, first: _with(value[first], rest, name)}


def copy_of(owner: Owner, copy: Copy, source: Mapping[str, Any]) -> dict[str, Any]:
    """The immutable ConfigMap that keeps the content of another one for a revision."""
    meta = metadata(owner, copy.name, copy.revision)
    meta["annotations"] = {CONFIG_MAP_ANNOTATION: copy.source}
    content = {name: dict(part(source, name)) for name in ("data", "binaryData") if part(source, name)}
    return {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.kind,
        "metadata": meta,
        "immutable": True,
        **content,
    }
