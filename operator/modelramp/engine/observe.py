"""What the known objects say of the world: pods by revision, weights on the route, the gateway's answer. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from modelramp.api.kinds import CONTROLLER_REVISION, ENDPOINT_SLICE
from modelramp.api.names import LABEL_REVISION, Reason
from modelramp.core.events import RolloutEvent
from modelramp.core.gates.evaluation_results import Results
from modelramp.core.need import Amounts, asks_for
from modelramp.core.state import Adopted, Observed, Pods, State
from modelramp.core.strategies.registry import traffic_of
from modelramp.desired.ownership import Owner
from modelramp.desired.reading import entries
from modelramp.desired.revision import recorded, snapshots_of
from modelramp.desired.routers import ROUTERS, divides, router_of
from modelramp.desired.routers.protocol import Router, RouteStatus
from modelramp.desired.traffic import of_router, previewed, served_weights
from modelramp.desired.workloads import WORKLOADS
from modelramp.desired.workloads.deployment import DEPLOYMENT
from modelramp.desired.workloads.protocol import Running
from modelramp.desired.workloads.reference import adopted
from modelramp.engine.lost_pods import Missing
from modelramp.engine.ports import Object
from modelramp.engine.store import Key, Record, Store

_UNKNOWN = Missing()
_NOTHING = State()


def observe(store: Store, key: Key, record: Record, now: float) -> Observed:
    """What the cluster shows of one ModelDeployment: its pods, its route, its Jobs."""
    owner, routes = Owner(*key, record.uid), store.routes(key)
    router = _router(record, routes)
    status = _routed(router, owner, record, routes, now)
    revision, detail = _previewed(store, key, record, router, routes, now)
    return Observed(
        pods=pods_of(store, key, record),
        served=served_weights(router, owner, routes),
        routed=status.taken,
        route_reason=status.finding.reason,
        route_detail=status.finding.message,
        undated=status.undated,
        uncarried=status.uncarried,
        look_at=status.again_at,
        shadowed=store.hosts.shadowed(key),
        shared=store.hosts.shared(key),
        jobs=record.jobs,
        recorded=_recorded(store, key, record),
        kept=_kept(store, key, record),
        versions=_versions(store, key, record),
        previewed=revision,
        preview_detail=detail,
        adopted=_adopted(record),
        asks=_asks(store, key, record),
    )


def _adopted(record: Record) -> Adopted | None:
    """The Deployment that the spec names, once it was looked at."""
    wanted = record.spec.workload_ref if record.spec is not None else None
    if wanted is None or record.borrowed is None:
        return None
    at = (DEPLOYMENT.kind, wanted.name)
    return adopted(
        wanted.name,
        record.obj["metadata"],
        record.borrowed.get(at),
        record.selectors,
        record.unmet,
        contested=at in record.contests and record.contests[at].open,
    )


def pods_of(store: Store, key: Key, record: Record) -> dict[str, Pods]:
    """The pods of each revision of one ModelDeployment that a workload runs."""
    source = store.changes(key), record.missing
    if record.pods is None or record.pods[0] != source:
        record.pods = source, _pods_of(store, key, record)
    return record.pods[1]


def _pods_of(store: Store, key: Key, record: Record) -> dict[str, Pods]:
    running: dict[str, Running] = {}
    for workload in WORKLOADS:
        objects = [obj for kind in workload.kinds for obj in store.children(key, kind).values()]
        running |= workload.observed(objects)
    return _pods_by_revision(running, store.children(key, ENDPOINT_SLICE).values(), record.missing)


def _kept(store: Store, key: Key, record: Record) -> frozenset[str]:
    """The revisions that have a ControllerRevision; looked up only where a request is new."""
    request = record.target.request if record.target is not None else None
    if request is None or request.text == record.state.request:
        return frozenset()
    found = store.children(key, CONTROLLER_REVISION).values()
    return frozenset(obj["metadata"]["labels"][LABEL_REVISION] for obj in found)


def _asks(store: Store, key: Key, record: Record) -> dict[str, Amounts]:
    """What a pod of each remembered revision asks for; looked up only where a rollout is bounded by that."""
    bounds = record.target.spec.rollout.capacity.max_surge_resources if record.target is not None else {}
    if not bounds:
        return {}
    known = snapshots_of(Owner(*key, record.uid), store.children(key, CONTROLLER_REVISION).values())
    return {revision: asks_for(snapshot.template, bounds) for revision, snapshot in known.items()}


def _versions(store: Store, key: Key, record: Record) -> dict[str, str]:
    """Model versions by revision; looked up only for an object without a status that may have had one."""
    if record.state != _NOTHING:
        return {}
    found = snapshots_of(Owner(*key, record.uid), store.children(key, CONTROLLER_REVISION).values())
    named = {revision: snapshot.model.get("version") for revision, snapshot in found.items()}
    return {revision: name for revision, name in named.items() if isinstance(name, str)}


def _recorded(store: Store, key: Key, record: Record) -> dict[str, Results]:
    """Results of evaluations; looked up only where one is wanted."""
    if record.target is None or record.target.spec.rollout.evaluation is None:
        return {}
    return recorded(Owner(*key, record.uid), store.children(key, CONTROLLER_REVISION).values())


def _pods_by_revision(
    running: Mapping[str, Running], slices: Iterable[Object], missing: Mapping[str, Missing]
) -> dict[str, Pods]:
    """Pods of each revision that a workload runs."""
    endpoints: dict[tuple[str, bool], int] = {}
    for item in slices:
        revision = item["metadata"].get("labels", {}).get(LABEL_REVISION, "")
        where = revision, _has_port(item)
        endpoints[where] = endpoints.get(where, 0) + sum(1 for point in item.get("endpoints") or () if _ready(point))
    known = {revision: _current(pods, missing.get(revision, _UNKNOWN)) for revision, pods in running.items()}
    return {
        revision: replace(
            _waiting(pods, known[revision]),
            endpoints=endpoints.get((revision, True), 0),
            portless=endpoints.get((revision, False), 0),
            trouble=known[revision].trouble or pods.trouble,
            excuse=known[revision].excuse,
            lost=known[revision].since,
            kept=known[revision].kept,
            since=pods.since,
        )
        for revision, pods in running.items()
    }


def _current(pods: Running, missing: Missing) -> Missing:
    """Why pods are missing, as far as anybody has looked since they are: an excuse for an earlier loss is none now."""
    return missing if pods.available >= pods.wanted or missing.looked >= pods.lacking else _UNKNOWN


def _waiting(pods: Running, missing: Missing) -> Pods:
    """The counts of pods, and what those that are missing wait for, if it is a node or a quota and nothing else."""
    found = Pods(wanted=pods.wanted, available=pods.available, made=pods.made)
    if missing.stuck or pods.available >= pods.wanted:
        return found
    if pods.over_quota:
        return replace(found, waits=pods.trouble, waits_since=pods.over_quota)
    return replace(found, waits=missing.waits, waits_since=missing.waits_since)


def _has_port(item: Object) -> bool:
    """Whether the endpoints of a slice can be reached: it has no port when no container names the Service's one."""
    return "ports" not in item or any(port.get("port") for port in entries(item, "ports"))


def _ready(endpoint: Mapping[str, Any]) -> bool:
    conditions = endpoint.get("conditions") or {}
    return conditions.get("ready", True) is not False and not conditions.get("terminating")


def _router(record: Record, routes: Sequence[Object]) -> Router:
    """The router that the spec asks for; while nobody can read it, the one that has made something."""
    if record.spec is not None:
        return router_of(record.spec.routing)
    return next((router for router in ROUTERS if of_router(router, routes)), ROUTERS[0])


def _previewed(
    store: Store, key: Key, record: Record, router: Router, routes: Sequence[Object], now: float
) -> tuple[str | None, str]:
    """The revision that the hostnames of a preview reach, or why they reach none."""
    if record.target is None:
        return None, ""
    routing, owner = record.target.spec.routing, Owner(*key, record.uid)
    asked = traffic_of(record.target, record.state).preview
    taken = store.hosts.preview_turned_down(key, routing, asked.hostnames if asked is not None else ())
    return (None, taken) if taken else previewed(router, owner, routing, of_router(router, routes), now)


def _routed(router: Router, owner: Owner, record: Record, routes: Sequence[Object], now: float) -> RouteStatus:
    """Whether traffic follows the objects of a router."""
    wanted = record.target.spec.routing if record.target is not None else None
    status = router.observed(owner, wanted, of_router(router, routes), now)
    if wanted is not None and record.gateway is not None and record.looked_for == wanted:
        return replace(status, taken=False, finding=record.gateway, undated="", again_at=math.inf)
    rival = next((at for at, contest in record.contests.items() if contest.open and divides(at[0])), None)
    if rival is not None:
        return replace(
            status, taken=False, finding=RolloutEvent(Reason.ROUTE_CONTESTED, _contested(*rival), warning=True)
        )
    return status


def _contested(kind: str, name: str) -> str:
    return (
        f"another client keeps reverting the backendRefs of {kind} {name}; the rollout waits until they stay "
        "unchanged for a minute. Configure the tool that applies it to ignore them (docs/how-to/adopt.md)"
    )
