"""What the known objects say of the world: pods by revision, weights on the route, the gateway's answer. Pure."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from modelramp.api.kinds import CONTROLLER_REVISION, ENDPOINT_SLICE
from modelramp.api.names import LABEL_REVISION, Reason
from modelramp.api.text import cut, visible
from modelramp.api.times import to_seconds
from modelramp.core.gates.evaluation_results import Results
from modelramp.core.state import Observed, Pods, RolloutEvent
from modelramp.desired.names import revision_in
from modelramp.desired.ownership import Owner
from modelramp.desired.reading import entries, text
from modelramp.desired.revision import recorded
from modelramp.desired.routers.gateway_api import RouteAnswer, parents_of, route_answer, uncarried
from modelramp.desired.workloads.deployment import DEPLOYMENT
from modelramp.engine.lost_pods import Missing
from modelramp.engine.ports import Object
from modelramp.engine.store import Key, Record, Store

WORDS = 400
"""Bytes of what a controller says that people get to read."""
_UNKNOWN = Missing()


def observe(store: Store, key: Key, record: Record) -> Observed:
    """The world as far as it concerns one ModelDeployment."""
    route = store.route(key)
    answer = _routed(route, record)
    return Observed(
        pods=pods_of(store, key, record),
        served=served(route, key[1]),
        routed=answer.taken,
        route_reason=answer.finding.reason,
        route_detail=answer.finding.message,
        undated=answer.undated,
        uncarried=uncarried(route) if route is not None else "there is no route yet",
        shadowed=store.hosts.shadowed(key),
        shared=store.hosts.shared(key),
        evaluation=record.evaluation,
        recorded=_recorded(store, key, record),
        kept=_kept(store, key, record),
    )


def pods_of(store: Store, key: Key, record: Record) -> dict[str, Pods]:
    """The pods of each revision of one ModelDeployment that has a Deployment."""
    deployments, slices = (store.children(key, kind).values() for kind in (DEPLOYMENT, ENDPOINT_SLICE))
    return _pods_by_revision(deployments, slices, record.missing)


def _kept(store: Store, key: Key, record: Record) -> frozenset[str]:
    """The revisions that have a ControllerRevision; looked up only where a request is new."""
    request = record.target.request if record.target is not None else None
    if request is None or request.text == record.state.request:
        return frozenset()
    found = store.children(key, CONTROLLER_REVISION).values()
    return frozenset(obj["metadata"]["labels"][LABEL_REVISION] for obj in found)


def _recorded(store: Store, key: Key, record: Record) -> dict[str, Results]:
    """Results of evaluations; looked up only where one is wanted."""
    if record.target is None or record.target.spec.rollout.evaluation is None:
        return {}
    return recorded(Owner(*key, record.uid), store.children(key, CONTROLLER_REVISION).values())


def _pods_by_revision(
    deployments: Iterable[Object], slices: Iterable[Object], missing: Mapping[str, Missing]
) -> dict[str, Pods]:
    """Pods of each revision that has a Deployment.

    A revision's template never changes, so a count that lags behind a scaling still speaks of the right pods.
    """
    endpoints: dict[tuple[str, bool], int] = {}
    for item in slices:
        revision = item["metadata"].get("labels", {}).get(LABEL_REVISION, "")
        where = revision, _has_port(item)
        endpoints[where] = endpoints.get(where, 0) + sum(1 for point in item.get("endpoints") or () if _ready(point))
    found = {}
    for item in deployments:
        revision = item["metadata"]["labels"].get(LABEL_REVISION, "")
        status = item.get("status") or {}
        found[revision] = Pods(
            wanted=item["spec"].get("replicas", 1),
            available=status.get("availableReplicas", 0),
            endpoints=endpoints.get((revision, True), 0),
            portless=endpoints.get((revision, False), 0),
            trouble=missing.get(revision, _UNKNOWN).trouble or _failure(status),
            excuse=missing.get(revision, _UNKNOWN).excuse,
            lost=missing.get(revision, _UNKNOWN).since,
            kept=missing.get(revision, _UNKNOWN).kept,
            since=_available_since(status),
        )
    return found


def served(route: Object | None, name: str) -> dict[str, int]:
    """The weight of each revision that the route names; a Service that is no child counts under its own name."""
    weights: dict[str, int] = {}
    for rule in (route or {}).get("spec", {}).get("rules") or ():
        for backend in rule.get("backendRefs") or ():
            weight = backend.get("weight", 1)
            revision = revision_in(backend["name"], name) or backend["name"]
            if weight:
                weights[revision] = weights.get(revision, 0) + weight
    return weights


def _has_port(item: Object) -> bool:
    """Whether the endpoints of a slice can be reached: it has no port when no container names the Service's one."""
    return "ports" not in item or any(port.get("port") for port in entries(item, "ports"))


def _ready(endpoint: Mapping[str, Any]) -> bool:
    conditions = endpoint.get("conditions") or {}
    return conditions.get("ready", True) is not False and not conditions.get("terminating")


def _available_since(status: Mapping[str, Any]) -> int:
    """Since when a Deployment has had three quarters of its pods at least."""
    for condition in entries(status, "conditions"):
        if (condition.get("type"), condition.get("status")) == ("Available", "True"):
            with suppress(ValueError):
                return to_seconds(text(condition, "lastTransitionTime"))
    return 0


def _failure(status: Mapping[str, Any]) -> str:
    for condition in status.get("conditions") or ():
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return cut(visible(str(condition.get("message", ""))), WORDS)
    return ""


def _routed(route: Object | None, record: Record) -> RouteAnswer:
    """What the Gateways that are wanted say of the route as it is now."""
    wanted = record.target.spec.routing.gateway if record.target is not None else None
    if wanted is not None and record.gateway is not None and record.looked_for == wanted.parent_refs:
        return RouteAnswer(False, record.gateway)
    if route is None or wanted is None:
        return RouteAnswer(None, RolloutEvent(Reason.ROUTE_PENDING, "there is no route yet"))
    return route_answer(route, parents_of(wanted, route["metadata"]["namespace"]))
