"""Another owner's Deployment: its pod template is rolled out, and nothing of it is written but spec.replicas.

How many replicas it had is kept in an annotation of the ModelDeployment, since the Deployment is its owner's. Whatever
number somebody writes later is what the owner wants in the end, so that is kept in its place.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelramp.api.kinds import MODEL_DEPLOYMENT, SERVICE, Kind, Ref
from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION, ORIGINAL_REPLICAS, Reason
from modelramp.api.spec import MOST_BYTES, Model, ModelDeploymentSpec
from modelramp.core.events import RolloutEvent
from modelramp.core.state import Adopted
from modelramp.desired.ownership import FieldWrite, pointer
from modelramp.desired.reading import annotated, entries, part, text
from modelramp.desired.workloads.deployment import DEPLOYMENT
from modelramp.desired.workloads.protocol import Object

POD_DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
SELECTING = (SERVICE, POD_DISRUPTION_BUDGET)
"""Kinds of objects that pick pods by labels, whoever made the pods."""
_SCALED_SECONDS = 3600.0
"""A Deployment that is scaled up three times within it is left alone for half of it: each time costs it its pods."""
_MOST_REPLICAS = 1_000_000


@dataclass(frozen=True, slots=True)
class Selector:
    """The selector of another owner's object."""

    kind: str
    name: str
    selector: Mapping[str, Any]

    @property
    def keys(self) -> frozenset[str]:
        """The label keys that it looks at."""
        return frozenset((*part(self.selector, "matchLabels"), *_keys(self.selector)))

    def picks(self, labels: Mapping[str, Any]) -> bool:
        """Whether pods with these labels are among its own; one that looks at no label picks none in particular."""
        named = part(self.selector, "matchLabels")
        wanted = all(labels.get(key) == value for key, value in named.items())
        return bool(self.keys) and wanted and all(_holds(one, labels) for one in entries(self.selector, _EXPRESSIONS))


_EXPRESSIONS = "matchExpressions"


def selectors_in(kind: Kind, objects: Iterable[Object]) -> Iterator[Selector]:
    """The selectors of objects of one kind that modelramp has not made."""
    for obj in objects:
        if not text(obj, "metadata", "labels", LABEL_DEPLOYMENT):
            found = part(obj, "spec", "selector")
            selector = {"matchLabels": found} if kind == SERVICE else found
            yield Selector(kind.kind, text(obj, "metadata", "name"), selector)


def refers(spec: ModelDeploymentSpec | None, metadata: Mapping[str, Any]) -> tuple[Ref, ...]:
    """The Deployments that a ModelDeployment names, or has scaled down."""
    asked = [spec.workload_ref.name] if spec is not None and spec.workload_ref is not None else []
    names = dict.fromkeys([*asked, *originals(metadata)])
    return tuple(Ref(DEPLOYMENT, metadata["namespace"], name) for name in names)


def originals(metadata: Mapping[str, Any]) -> dict[str, int]:
    """The replicas of each Deployment that a ModelDeployment has scaled down; metadata: of the ModelDeployment."""
    found = annotated(metadata, ORIGINAL_REPLICAS)
    return {name: count for name, count in found.items() if type(count) is int and 0 <= count <= _MOST_REPLICAS}


def problem_of(deployment: Object) -> RolloutEvent | None:
    """Why the template of a Deployment cannot be rolled out; None when it can."""
    name = text(deployment, "metadata", "name")
    if text(deployment, "metadata", "labels", LABEL_DEPLOYMENT):
        words = f"has the label {LABEL_DEPLOYMENT}, as those that modelramp makes; name a Deployment without it"
    elif len(json.dumps(part(deployment, "spec", "template"))) > MOST_BYTES:
        words = f"has a template of more than {MOST_BYTES >> 10} KiB"
    else:
        return None
    return RolloutEvent(Reason.WORKLOAD_REFUSED, f"Deployment {name} {words}", warning=True)


def resolve(
    spec: ModelDeploymentSpec,
    found: Object | None,
    rival: str,
    newest: tuple[Mapping[str, Any], Mapping[str, Any]] | None,
) -> tuple[ModelDeploymentSpec | None, RolloutEvent | None]:
    """The spec with the template of the Deployment that it names, or why that is not taken.

    rival: the ModelDeployment that has it; empty when none has. newest: template and model of the newest revision,
    which is then what is wanted, so that nothing changes; None when there is none.
    """
    name = f"Deployment {spec.workload_ref.name if spec.workload_ref is not None else ''}"
    if rival:
        words = f"is taken over by ModelDeployment {rival}; correct spec.workloadRef of one of them"
        trouble = RolloutEvent(Reason.WORKLOAD_IN_USE, f"{name} {words}", warning=True)
    elif found is None:
        words = "does not exist; create it or correct spec.workloadRef"
        trouble = RolloutEvent(Reason.WORKLOAD_NOT_FOUND, f"{name} {words}", warning=True)
    else:
        problem = problem_of(found)
        if problem is None:
            return spec.model_copy(update={"template": template_of(found)}), None
        trouble = problem
    if newest is None:
        return None, trouble
    template, model = newest
    return spec.model_copy(update={"template": dict(template), "model": Model.model_validate(model)}), trouble


def template_of(deployment: Object) -> dict[str, Any]:
    """The pod template that is rolled out: without the labels by which the Deployment knows its own pods."""
    own = Selector("", "", part(deployment, "spec", "selector")).keys
    found = part(deployment, "spec", "template")
    meta: dict[str, Any] = {"labels": {key: value for key, value in _labels(deployment).items() if key not in own}}
    if part(found, "metadata", "annotations"):
        meta["annotations"] = dict(part(found, "metadata", "annotations"))
    return {"metadata": meta, "spec": dict(part(found, "spec"))}


def without_labels(template: Mapping[str, Any], keys: frozenset[str]) -> Mapping[str, Any]:
    """A template whose pods lack some labels."""
    labels = part(template, "metadata", "labels")
    if not keys & labels.keys():
        return template
    kept = {key: value for key, value in labels.items() if key not in keys}
    return {**template, "metadata": {**part(template, "metadata"), "labels": kept}}


def dropped(deployment: Object, selectors: Iterable[Selector]) -> frozenset[str]:
    """Label keys that the pods of revisions shall lack, so that no Service of the Deployment's owner reaches them."""
    labels = _labels(deployment)
    keys = set(Selector("", "", part(deployment, "spec", "selector")).keys)
    for one in selectors:
        keys |= one.keys if one.picks(labels) else frozenset()
    return frozenset(keys & labels.keys()) - {LABEL_DEPLOYMENT, LABEL_REVISION}


def dropped_by(
    spec: ModelDeploymentSpec | None,
    lent: Mapping[tuple[str, str], Object] | None,
    selectors: Iterable[Selector],
) -> frozenset[str]:
    """The label keys that pods of a new revision shall lack. lent: objects of others, by kind and name."""
    name = spec.workload_ref.name if spec is not None and spec.workload_ref is not None else ""
    deployment = (lent or {}).get((DEPLOYMENT.kind, name))
    return dropped(deployment, selectors) if deployment is not None else frozenset()


def adopted(
    name: str,
    metadata: Mapping[str, Any],
    deployment: Object | None,
    selectors: Iterable[Selector],
    trouble: RolloutEvent | None,
    *,
    contested: bool,
) -> Adopted:
    """What is known of the Deployment that a spec names. metadata: of the ModelDeployment."""
    if deployment is None:
        return Adopted(name, trouble=trouble)
    known = tuple(selectors)
    least_for = _service(deployment, known)
    return Adopted(
        name,
        replicas=_replicas(deployment),
        pods=max(_replicas(deployment), int(part(deployment, "status").get("replicas") or 0)),
        original=originals(metadata).get(name),
        least=1 if least_for else 0,
        least_for=least_for,
        dropped=tuple(sorted(dropped(deployment, known))),
        contested=contested,
        trouble=trouble,
    )


def handover(
    obj: Object, deployments: Mapping[str, Object], found: Adopted | None, *, serves: bool
) -> tuple[FieldWrite, ...]:
    """What scales an adopted Deployment down once revisions serve, and gives back those that are no longer named.

    obj: the ModelDeployment. deployments: by name. serves: whether the revisions have the traffic. One write at a time
    for each: the number of replicas is known before it changes, and forgotten after it is back.
    """
    kept = originals(obj["metadata"])
    writes: list[FieldWrite] = []
    for name in kept:
        if found is None or name != found.name:
            writes += restored(name, kept, deployments) or (_remembered(obj, {**kept, name: None}),)
    deployment = deployments.get(found.name) if found is not None else None
    if found is None or deployment is None or found.trouble is not None or not serves:
        return tuple(writes)
    theirs = found.replicas > max(1, found.least) and found.original != found.replicas
    if found.original is None or theirs:
        return (*writes, _remembered(obj, {**kept, found.name: found.replicas}))
    if found.replicas > found.least:
        words = f"Deployment {found.name} is scaled down to {found.least}: revisions serve in its place"
        told = RolloutEvent(Reason.WORKLOAD_TAKEN_OVER, f"{words}; deletion gives it {found.original} back")
        writes.append(_scaled(deployment, found.least, told))
    return tuple(writes)


def restored(name: str, kept: Mapping[str, int], deployments: Mapping[str, Object]) -> tuple[FieldWrite, ...]:
    """What gives a Deployment the replicas that it had; nothing where it has them, or somebody has scaled it since."""
    deployment = deployments.get(name)
    if deployment is None or _replicas(deployment) > 1 or _replicas(deployment) >= kept[name]:
        return ()
    return (_scaled(deployment, kept[name], None),)


def is_back(deployment: Object) -> bool:
    """Whether all pods of a Deployment are available."""
    status = part(deployment, "status")
    current = int(status.get("observedGeneration") or 0) >= int(deployment["metadata"].get("generation") or 0)
    return current and int(status.get("availableReplicas") or 0) >= _replicas(deployment)


def _scaled(deployment: Object, replicas: int, told: RolloutEvent | None) -> FieldWrite:
    operation = {"op": "replace", "path": "/spec/replicas", "value": replicas}
    ref = Ref(DEPLOYMENT, deployment["metadata"]["namespace"], deployment["metadata"]["name"])
    before = str(_replicas(deployment))
    return FieldWrite(ref, deployment, (operation,), before, str(replicas), told=told, window=_SCALED_SECONDS)


def _remembered(obj: Object, kept: Mapping[str, int | None]) -> FieldWrite:
    """Write down how many replicas Deployments had, in the ModelDeployment itself."""
    value = json.dumps({name: count for name, count in kept.items() if count is not None}, sort_keys=True)
    where, known = ("metadata", "annotations"), part(obj, "metadata", "annotations")
    operation: dict[str, Any] = {"op": "add", "path": pointer(*where, ORIGINAL_REPLICAS), "value": value}
    if not known:
        operation = {"op": "add", "path": pointer(*where), "value": {ORIGINAL_REPLICAS: value}}
    elif value == "{}":
        operation = {"op": "remove", "path": pointer(*where, ORIGINAL_REPLICAS)}
    ref = Ref(MODEL_DEPLOYMENT, obj["metadata"]["namespace"], obj["metadata"]["name"])
    return FieldWrite(ref, obj, (operation,), str(known.get(ORIGINAL_REPLICAS)), value)


def _replicas(deployment: Object) -> int:
    found = part(deployment, "spec").get("replicas")
    return found if isinstance(found, int) else 1


def _labels(deployment: Object) -> Mapping[str, Any]:
    return part(deployment, "spec", "template", "metadata", "labels")


def _service(deployment: Object, selectors: Iterable[Selector]) -> str:
    """The first Service of another owner that reaches the pods of a Deployment; empty when none does."""
    labels = _labels(deployment)
    return min((one.name for one in selectors if one.kind == SERVICE.kind and one.picks(labels)), default="")


def _keys(selector: Mapping[str, Any]) -> Iterator[str]:
    return (text(one, "key") for one in entries(selector, _EXPRESSIONS))


def _holds(expression: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    key, values = text(expression, "key"), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels
