"""What keeps modelramp from working, as far as a person's own permissions show it, each with a fix."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from modelramp.api.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    LEASE,
    MODEL_DEPLOYMENT,
    NAMESPACE,
    POD,
)
from modelramp.api.names import ConditionType
from modelramp.api.times import parse_duration
from modelramp.cli.cluster import Cluster, Ended, Object
from modelramp.cli.reading import conditions_in, instant, observed, part, status_in

OLDEST_MINOR = 30
"""Kubernetes 1.30 is the oldest that is supported."""
_OPERATOR = "app.kubernetes.io/name=modelramp,app.kubernetes.io/component=operator"
_SKEW_SECONDS = 5
_LEASE_SECONDS = 30
_LATE_SECONDS = 120
"""Beside two intervals: a tick that is older was missed."""
_READ, _ASK = "a RoleBinding to the ClusterRole view", "a RoleBinding to the ClusterRole edit"
_RIGHTS = (
    ("list", MODEL_DEPLOYMENT, "list, get, status and why", _READ),
    ("watch", MODEL_DEPLOYMENT, "get -w", _READ),
    ("patch", MODEL_DEPLOYMENT, "promote, pause, resume, abort, retry and rollback", _ASK),
    ("list", CONTROLLER_REVISION, "diff", _READ),
    ("patch", NAMESPACE, "freeze and unfreeze", "a ClusterRole with patch on namespaces; edit has it not"),
)
_HEALTH = "resource.customizations.health.modelramp.io_ModelDeployment"


class Mark(StrEnum):
    """How a check of the surroundings ended. UNKNOWN: the person may not look."""

    FINE = "fine"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that was looked at. fix: what to do; empty where nothing is to be done."""

    mark: Mark
    text: str
    fix: str = ""


def surroundings(cluster: Cluster) -> Iterator[Found]:
    """The API server, the person's rights, and the operator. Raises Ended when no cluster answers."""
    yield from _server(cluster)
    try:
        objects = cluster.list()
    except Ended as error:
        yield Found(Mark.PROBLEM, error.message, "docs/how-to/install.md has the CRDs, and the rights of people")
        return
    yield Found(Mark.FINE, f"the CRD is installed; ModelDeployments in namespace {cluster.namespace}: {len(objects)}")
    yield from _rights(cluster)
    yield from _operator(cluster)
    yield from _taken_up(objects)
    yield from _argo(cluster, wanted=bool(objects))


def _server(cluster: Cluster) -> Iterator[Found]:
    version, date = cluster.version()
    minor = int("".join(filter(str.isdigit, version.get("minor", ""))) or 0)
    text = f"Kubernetes {version.get('gitVersion', '?')}"
    if minor < OLDEST_MINOR:
        yield Found(Mark.PROBLEM, f"{text} is older than 1.{OLDEST_MINOR}", "update the cluster")
    else:
        yield Found(Mark.FINE, text)
    try:
        skew = round(parsedate_to_datetime(date).timestamp() - time.time_ns() / 1e9)
    except (TypeError, ValueError):
        return
    if abs(skew) > _SKEW_SECONDS:
        text = f"the clocks of this machine and of the API server differ by {abs(skew)} s"
        yield Found(Mark.WARNING, text, "set the clock that is wrong: ages and times of queries are off by that")


def _rights(cluster: Cluster) -> Iterator[Found]:
    try:
        refused = [right for right in _RIGHTS if not cluster.may(right[0], right[1])]
    except Ended as error:
        yield Found(Mark.UNKNOWN, f"your rights cannot be asked for: {error.message}")
        return
    for verb, kind, what, fix in refused:
        yield Found(Mark.WARNING, f"you may not {verb} {kind.plural}: {what} will be refused", fix)
    if not refused:
        yield Found(Mark.FINE, "you have the rights that the verbs need")


def _operator(cluster: Cluster) -> Iterator[Found]:
    try:
        pods = cluster.beside(POD, labels=_OPERATOR, everywhere=True)
    except Ended:
        yield Found(Mark.UNKNOWN, "you may not look for the operator's pods in other namespaces")
        return
    ready = [pod for pod in pods if _ready(pod)]
    if not pods:
        yield Found(Mark.PROBLEM, "no pod of the operator exists", "install it: docs/how-to/install.md")
        return
    home = pods[0]["metadata"]["namespace"]
    text = f"operator: {len(ready)} of {len(pods)} pods are ready in namespace {home}"
    yield Found(Mark.FINE if ready else Mark.PROBLEM, text, "" if ready else f"kubectl -n {home} describe pods")
    lease = cluster.find(LEASE, "modelramp", namespace=home)
    if lease is not None and (late := _since(part(lease, "spec").get("renewTime"))) > _LEASE_SECONDS:
        text = f"no operator leads: the Lease modelramp was renewed {late} s ago"
        yield Found(Mark.PROBLEM, text, f"kubectl -n {home} logs deployment/modelramp")


def _ready(pod: Object) -> bool:
    conditions = status_in(pod).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _since(text: Any) -> int:
    """Seconds since an instant; 0 for none."""
    at = instant(text)
    return max(0, time.time_ns() // 1_000_000_000 - at) if at else 0


def _taken_up(objects: list[Object]) -> Iterator[Found]:
    """Whether the operator decides about these objects."""
    behind = [obj["metadata"]["name"] for obj in objects if not observed(obj)]
    if behind:
        text = f"nobody has taken up the last change of {', '.join(behind[:5])}"
        yield Found(Mark.PROBLEM, text, "does the operator run, and is the namespace one of MODELRAMP_NAMESPACES?")
    for obj in objects:
        running = (status_in(obj).get("candidate") or {}).get("step", -1) >= 0
        late = _since(status_in(obj).get("lastTick"))
        if running and late > _LATE_SECONDS + 2 * _interval(obj):
            text = f"{obj['metadata']['name']}: the last tick of its rollout was {late} s ago"
            yield Found(Mark.PROBLEM, text, "the operator's log says why")


def _interval(obj: Object) -> int:
    try:
        return parse_duration(str(part(part(obj, "spec"), "health").get("interval", "60s")))
    except ValueError:
        return 60


def _argo(cluster: Cluster, *, wanted: bool) -> Iterator[Found]:
    config = cluster.find(CONFIG_MAP, "argocd-cm", namespace="argocd") if wanted else None
    if config is not None and _HEALTH not in (config.get("data") or {}):
        text = "Argo CD takes every ModelDeployment for healthy, also after a rollback"
        yield Found(Mark.WARNING, text, "add integrations/argocd/argocd-cm.yaml: docs/how-to/gitops.md")


def model(obj: Object) -> Iterator[Found]:
    """What is in the way of one model: its route, its checks, its spec, its state."""
    name, conditions = obj["metadata"]["name"], conditions_in(obj)
    for kind in (ConditionType.READY, ConditionType.AVAILABLE, ConditionType.ROUTED):
        found = conditions.get(kind, {})
        if found.get("status") == "True":
            yield Found(Mark.FINE, f"{name}: {kind}")
        elif found:
            moving = kind is ConditionType.READY and ConditionType.STALLED not in conditions
            mark = Mark.WARNING if moving or found.get("status") == "Unknown" else Mark.PROBLEM
            text = f"{name}: {kind} is {found.get('status')}: {found.get('reason')}: {found.get('message', '')}"
            yield Found(mark, text, f"docs/reference/reasons.md has {found.get('reason')}")
    for check in status_in(obj).get("checks") or ():
        said = f"{name}: check {check.get('name')}"
        if check.get("verdict") == "no-data":
            text = f"{said} has no data: {check.get('reason')}: {check.get('message', '')}"
            yield Found(Mark.PROBLEM, text, f"docs/reference/reasons.md has {check.get('reason')}")
        else:
            yield Found(Mark.FINE, f"{said} has data")
    yield from _linted(obj)


def room(cluster: Cluster, obj: Object) -> Iterator[Found]:
    """Whether quota and devices leave room for the next rollout; nothing while one is under way, whose status says."""
    from modelramp.api.errors import InvalidSpec
    from modelramp.api.spec import parse_spec
    from modelramp.cli.lint.room import fitting, room_for
    from modelramp.core.need import peak

    name = obj["metadata"]["name"]
    try:
        spec = parse_spec(obj.get("spec"))
    except InvalidSpec:
        return
    if status_in(obj).get("candidate") or spec.workload_ref is not None:
        return
    more = peak(spec)
    found = room_for(cluster, spec, more)
    if found.unknown:
        yield Found(Mark.UNKNOWN, f"{name}: you may not look for free devices: that takes list on nodes and pods")
    for short in found.short:
        needs = f"which need {short.needed:f} {short.resource}, with {short.left:f} left {short.where}"
        yield Found(Mark.WARNING, f"{name}: the next rollout has up to {more} more pods, {needs}", fitting(spec, short))
    if not more:
        yield Found(Mark.FINE, f"{name}: the next rollout has no more pods than what runs")
    elif not found.short and found.compared:
        yield Found(Mark.FINE, f"{name}: there is room for the {more} more pods of the next rollout")


def _linted(obj: Object) -> Iterator[Found]:
    import yaml

    from modelramp.api.advice import Level
    from modelramp.cli.commands.lint import lint_text

    known = {key: obj["metadata"][key] for key in ("name", "namespace")}
    text = yaml.safe_dump({"apiVersion": MODEL_DEPLOYMENT.api_version, "kind": MODEL_DEPLOYMENT.kind,
                           "metadata": known, "spec": obj.get("spec")})  # fmt: skip
    _, findings = lint_text("spec", text.encode())
    for finding in findings:
        mark = Mark.PROBLEM if finding.level is Level.ERROR else Mark.WARNING
        yield Found(mark, f"{known['name']}: {finding.path}: {finding.message}")
