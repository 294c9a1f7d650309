"""Whether a cluster has room for the next rollout of a spec, as far as a person's own rights show it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelramp.api.advice import Level
from modelramp.api.errors import InvalidSpec
from modelramp.api.kinds import MODEL_DEPLOYMENT, NODE, POD, RESOURCE_QUOTA
from modelramp.api.spec import ModelDeploymentSpec, parse_spec
from modelramp.cli.cluster import Cluster, Ended, Exit
from modelramp.cli.documents import Document, read
from modelramp.cli.output import Finding
from modelramp.core.need import Shortage, devices, of_nodes, of_quotas, peak

_NAME = re.compile("[a-z0-9][-a-z0-9]{0,62}")
_PATH, _PAGE = "spec.rollout.capacity", "docs/how-to/roll-out-on-scarce-gpus.md"


@dataclass(frozen=True, slots=True)
class Room:
    """What was found: shortages, and whether there was anything to compare with. unknown: devices may not be read."""

    short: tuple[Shortage, ...]
    compared: bool
    unknown: bool = False


def room_for(cluster: Cluster, spec: ModelDeploymentSpec, more: int) -> Room:
    """The room for so many more pods of a spec in the namespace. Quotas that may not be read are passed over."""
    quotas = cluster.beside(RESOURCE_QUOTA, optional=True)
    found, unknown = list(of_quotas(spec, quotas, more)), False
    if devices(spec):
        try:
            nodes, pods = cluster.beside(NODE, everywhere=True), cluster.beside(POD, everywhere=True)
            found += of_nodes(spec, nodes, pods, more)
        except Ended:
            unknown = True
    return Room(tuple(found), bool(quotas or devices(spec)), unknown)


def fitting(spec: ModelDeploymentSpec, short: Shortage) -> str:
    """The bound of the surge that fits what is left."""
    if not short.pods:
        return f"{_PATH}: {{maxSurge: 0, maxUnavailable: 1}} needs no more than what runs: {_PAGE}"
    bounds = spec.rollout.capacity.max_surge_resources
    if short.asked in bounds:
        return f"{_PATH}: {{maxSurgeResources: {{{short.asked}: {short.left.normalize():f}}}}} fits: {_PAGE}"
    instead = " in place of maxSurgeResources" if bounds else ""
    return f"{_PATH}: {{maxSurge: {short.pods}}} fits{instead}: {_PAGE}"


def of_cluster(sources: Iterable[tuple[str, bytes]], context: str, namespace: str | None) -> Iterator[Finding]:
    """Warnings about ModelDeployments in manifests that lack room in a cluster.

    sources: names of files, and what is in them. namespace: of objects that name none.
    Raises Ended when no cluster answers.
    """
    for name, text in sources:
        for found in read(text.decode("utf-8-sig", errors="replace")):
            for document in found.objects() if isinstance(found, Document) else ():
                yield from _of_document(name, document, context, namespace)


def _of_document(name: str, document: Document, context: str, namespace: str | None) -> Iterator[Finding]:
    value = document.value
    if not isinstance(value, Mapping) or value.get("kind") != MODEL_DEPLOYMENT.kind:
        return
    about = value.get("metadata")
    meta: Mapping[str, Any] = about if isinstance(about, Mapping) else {}
    own, name_there = meta.get("namespace") or namespace, str(meta.get("name", ""))
    if not all(map(_NAME.fullmatch, (name_there, str(own or "default")))):
        return
    try:
        spec = parse_spec(value.get("spec"))
    except InvalidSpec:
        return  # what is refused has been said
    if spec.workload_ref is not None:
        return
    cluster = Cluster.connect(context, own)
    try:
        status = cluster.get(name_there).get("status") or {}
    except Ended as error:
        if error.code is not Exit.USAGE:
            raise
        status = {}
    if status.get("candidate"):
        return  # a rollout is under way, and its status says what it lacks
    serves = bool(status.get("stable"))
    room = room_for(cluster, spec, peak(spec) if serves else spec.replicas)
    line = document.line_of(_PATH)
    for short in room.short:
        fix = f"; {fitting(spec, short)}" if serves else ""
        yield Finding(name, line, Level.WARNING, _PATH, f"the next rollout needs {short}{fix}")
    if room.unknown:
        text = "you may not look for free devices: that takes list on nodes and pods"
        yield Finding(name, line, Level.WARNING, _PATH, text)
