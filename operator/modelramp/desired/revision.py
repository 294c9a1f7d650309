"""The memory of a revision: a ControllerRevision holds its template and model, so that it can be brought back whole."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from modelramp.api.names import GROUP, LABEL_REVISION
from modelramp.core.equality import Known
from modelramp.core.gates.evaluation_results import Results, recorded_results
from modelramp.core.revisions import dumped
from modelramp.core.state import RolloutInput
from modelramp.desired.names import child_name
from modelramp.desired.ownership import Owner, metadata, orphaned, owned_by
from modelramp.desired.reading import annotated, part
from modelramp.desired.workloads.reference import without_labels

TARGET_PORT = f"{GROUP}/target-port"
"""Annotation: the container's port under which this revision answers.

It is no part of the revision (changing it starts no rollout), yet each revision keeps its own: a new version that
listens elsewhere must not take the port away from the one that serves.
"""

EVALUATION = f"{GROUP}/evaluation"
"""Annotation: what the evaluation of this revision found; later revisions are compared with it."""

CONFIG = f"{GROUP}/config"
"""Annotation: hashes of configuration that the pods read as it is, not from copies of the revision.

It says what is no difference to the revision that served when the tracking was switched on.
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a revision is made of.

    number: its place in the order in which revisions were tried; 0 while it has none.
    target_port: number or name of the container's port; None if nobody wrote it down (then the spec's counts).
    evaluation: its recorded results, as core.evaluation writes them; empty when it was never evaluated.
    config: hashes of the configuration that is part of it, by what they are of; its pods read copies of the ConfigMaps.
    beside: hashes of what its pods read as it is.
    """

    template: Mapping[str, Any]
    model: Mapping[str, Any]
    number: int = 0
    target_port: int | str | None = None
    evaluation: str = ""
    config: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)

    def with_beside(self, wanted: Mapping[str, str] | None) -> "Snapshot":
        """The snapshot once it is known which configuration is wanted with it; None: that is not known."""
        if wanted is None:
            return self
        return replace(self, beside={name: content for name, content in wanted.items() if name not in self.config})


def snapshot_of(obj: Mapping[str, Any]) -> Snapshot:
    """The snapshot in a ControllerRevision."""
    data = obj.get("data") or {}
    annotations = obj["metadata"].get("annotations") or {}
    port = annotations.get(TARGET_PORT)
    return Snapshot(
        template=data.get("template") or {},
        model=data.get("model") or {},
        number=int(obj.get("revision", 0)),
        target_port=int(port) if port is not None and port.isdigit() else port,
        evaluation=annotations.get(EVALUATION, ""),
        config=_texts(part(data, "config")),
        beside=_texts(annotated(obj["metadata"], CONFIG)),
    )


def _texts(found: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in found.items() if isinstance(value, str)}


def snapshots_of(owner: Owner, objects: Iterable[Mapping[str, Any]]) -> dict[str, Snapshot]:
    """The snapshots in the ControllerRevisions of one ModelDeployment, by revision.

    Those that nobody owns any more count too: after `--cascade=orphan` and a new ModelDeployment of that name they are
    what is known of the version that serves.
    """
    return {
        revision: snapshot_of(obj)
        for obj in objects
        if (owned_by(obj, owner) or orphaned(obj, owner))
        and (revision := obj["metadata"]["labels"].get(LABEL_REVISION))
    }


def newest_first(owner: Owner, objects: Iterable[Mapping[str, Any]]) -> list[Known]:
    """What the ControllerRevisions of one ModelDeployment say of its revisions."""
    newest = sorted(snapshots_of(owner, objects).items(), key=lambda item: item[1].number, reverse=True)
    return [Known(name, one.template, one.model, {**one.beside, **one.config}) for name, one in newest]


def recorded(owner: Owner, objects: Iterable[Mapping[str, Any]]) -> dict[str, Results]:
    """The recorded results by revision; what was never evaluated is left out."""
    known = snapshots_of(owner, objects).items()
    found = {revision: recorded_results(snapshot.evaluation) for revision, snapshot in known if snapshot.evaluation}
    return {revision: results for revision, results in found.items() if results}


def snapshot_from(target: RolloutInput, number: int) -> Snapshot:
    """The snapshot of what is wanted now."""
    spec, template = target.spec, without_labels(target.spec.template, target.dropped)
    return Snapshot(template, dumped(spec), number, spec.service.target_port, config=target.config or {})


def controller_revision(owner: Owner, revision: str, snapshot: Snapshot) -> dict[str, Any]:
    """The ControllerRevision of one revision; the API server refuses changes of its data."""
    meta = metadata(owner, child_name(owner.name, revision), revision)
    annotations = {TARGET_PORT: str(snapshot.target_port)} if snapshot.target_port is not None else {}
    annotations |= {EVALUATION: snapshot.evaluation} if snapshot.evaluation else {}
    annotations |= {CONFIG: json.dumps(dict(snapshot.beside), sort_keys=True)} if snapshot.beside else {}
    if annotations:
        meta["annotations"] = annotations
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": meta,
        "revision": snapshot.number,
        "data": {
            "template": dict(snapshot.template),
            "model": dict(snapshot.model),
            **({"config": dict(snapshot.config)} if snapshot.config else {}),
        },
    }


def next_number(snapshots: Mapping[str, Snapshot]) -> int:
    """The number of the revision that is tried next."""
    return 1 + max((snapshot.number for snapshot in snapshots.values()), default=0)


def remembered(snapshots: Mapping[str, Snapshot], needed: Collection[str], limit: int) -> frozenset[str]:
    """The revisions whose ControllerRevision stays: all that are needed, and the newest others up to `limit` in all."""
    rest = sorted(snapshots.keys() - set(needed), key=lambda revision: snapshots[revision].number, reverse=True)
    room = max(0, limit - len(snapshots.keys() & set(needed)))
    return frozenset(needed) | frozenset(rest[:room])
