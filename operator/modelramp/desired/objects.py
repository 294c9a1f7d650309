"""All objects that should exist for one ModelDeployment, and which of the existing ones should go."""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from modelramp.api.kinds import CONFIG_MAP, CONTROLLER_REVISION, SERVICE
from modelramp.api.names import LABEL_REVISION, LABEL_ROLE, RESTORED_ANNOTATION, Reason
from modelramp.api.times import to_text
from modelramp.core.capacity import by_share, carried, pods_by_share, sized, standby_pods
from modelramp.core.events import RolloutEvent
from modelramp.core.gates.evaluation_results import recorded_text
from modelramp.core.state import Observed, Pods, RolloutInput, State, Version
from modelramp.core.steps import weight_to_carry
from modelramp.core.strategies.registry import strategy_of, traffic_of
from modelramp.core.traffic import Traffic
from modelramp.desired.config import Copy, copies, reading_copies
from modelramp.desired.jobs import abandoned, awaited_jobs, gate_jobs, surplus_jobs
from modelramp.desired.kinds import pruned
from modelramp.desired.names import child_name, route_name
from modelramp.desired.ownership import STABLE, FieldWrite, Owner, Write, metadata, owned_by, selector
from modelramp.desired.revision import Snapshot, controller_revision, next_number, remembered, snapshot_from
from modelramp.desired.routers import ROUTERS, router_of
from modelramp.desired.traffic import main_route, named_ports, of_router, shares_of, split_of
from modelramp.desired.workloads import workload_kinds, workload_of


@dataclass(frozen=True, slots=True)
class Desired:
    """What should exist.

    apply: ControllerRevision, workload and Service of each revision, in the order in which to write them.
    routes: of the router, written after them; none while no version can be reached. finding: why they are as they are.
    fields: in routes of others.
    kept: (kind, name) of every object that may stay, also those that need no write.
    lost: revisions that should run but whose template nobody remembers; what still exists of them is left alone.
    jobs: of gates, that should run; written last: should the API server refuse one, all else is done.
    copies: of ConfigMaps, that the pods of the revisions read; made before what runs the pods.
    remembered: revisions that may run again, so that their copies stay.
    """

    owner: Owner
    apply: tuple[dict[str, Any], ...]
    routes: tuple[dict[str, Any], ...]
    finding: RolloutEvent
    kept: frozenset[tuple[str, str]]
    lost: tuple[str, ...] = ()
    jobs: tuple[dict[str, Any], ...] = ()
    fields: tuple[FieldWrite, ...] = ()
    copies: tuple[Copy, ...] = ()
    remembered: frozenset[str] = frozenset()

    @property
    def notices(self) -> tuple[RolloutEvent, ...]:
        """What people should hear: why the route is not as decided, and which versions cannot be made again."""
        found = [self.finding] if self.finding.reason is Reason.PODS_UNAVAILABLE else []
        for revision in self.lost:
            gone = f"the ControllerRevision of {revision} is gone, so its pods cannot be changed or made again"
            text = f"{gone}; what still runs of it is left alone. Apply the spec of that version to restore it"
            found.append(RolloutEvent(Reason.REVISION_LOST, text, warning=True))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Deletion:
    """One existing object that should be deleted, exactly as it was seen (preconditions of the delete)."""

    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str


def desired(
    owner: Owner,
    target: RolloutInput,
    state: State,
    seen: Observed,
    *,
    snapshots: Mapping[str, Snapshot],
    current_routes: Sequence[Mapping[str, Any]],
    now: int,
    admitted: bool = True,
    preview_admitted: bool = True,
) -> Desired:
    """The objects that follow from a state: the same answer for the same state, whoever asks and how often.

    snapshots: by revision, from the ControllerRevisions that exist. current_routes: what routers
    have made, as it is now. now: seconds since the epoch; ends the pods of revisions that retired before.
    admitted: whether the object may have the hosts that its spec asks for; preview_admitted: those of its preview.
    """
    target = sized(target, state)
    ports = named_ports(owner, current_routes)
    replicas = replicas_by_revision(target, state, seen, ports, now)
    known = _with_candidate(target, state, snapshots)
    traffic = traffic_of(target, state)
    traffic = replace(traffic, weights=carried(target, state, seen, traffic.weights))
    if not preview_admitted:
        traffic = replace(traffic, preview=None)
    writes, finding = _routes(owner, target, state, seen, traffic, current_routes, admitted=admitted)
    routes = tuple(write for write in writes if not isinstance(write, FieldWrite))
    apply: list[dict[str, Any]] = []
    for revision, count in replicas.items():
        if revision in known:
            routed = ports.get(revision, set())
            made = _children(owner, target, revision, known[revision], replicas=count, routed_ports=routed)
            apply += _restored(made, state, revision)
    apply += _beside(owner, target, replicas, known, snapshots)
    apply += _stable_service(owner, target, state, seen, known)
    memory = remembered(
        known, {*replicas, *filter(None, (state.failed, target.revision))}, target.spec.rollout.revision_history_limit
    )
    jobs = gate_jobs(owner, target, state)
    return Desired(
        owner=owner,
        apply=tuple(apply),
        routes=routes,
        finding=finding,
        kept=frozenset(
            {
                *_kept(owner, replicas, memory),
                (SERVICE.kind, target.spec.service.stable_name),
                *(("Job", name) for name in _kept_jobs(owner, state, jobs)),
                *((kind.kind, route_name(owner.name)) for kind in router_of(target.spec.routing).kinds[:1]),
                *((route["kind"], route["metadata"]["name"]) for route in routes),
            }
        ),
        lost=tuple(sorted(revision for revision in replicas.keys() - known.keys())),
        jobs=jobs,
        fields=tuple(write for write in writes if isinstance(write, FieldWrite)),
        copies=tuple(copy for one in replicas if one in known for copy in copies(owner.name, one, known[one].config)),
        remembered=memory | replicas.keys(),
    )


def _routes(
    owner: Owner,
    target: RolloutInput,
    state: State,
    seen: Observed,
    traffic: Traffic,
    current: Sequence[Mapping[str, Any]],
    *,
    admitted: bool,
) -> tuple[tuple[Write, ...], RolloutEvent]:
    """What routers should make of the traffic, and why.

    The objects of a router that the spec no longer asks for follow the weights until the new one has taken them.
    """
    routing = target.spec.routing
    asked = router_of(routing)
    others = [router for router in ROUTERS if router is not asked and of_router(router, current)]
    found = (shares_of(router, owner, current) for router in (asked, *others))
    shares: dict[str, tuple[int, int]] = next(filter(None, found), {})
    ready = {revision for revision, pods in seen.pods.items() if pods.endpoints > 0}
    stable = state.stable.revision if state.stable is not None else None
    if not target.spec.replicas and stable is not None:
        ready = {*shares, stable}  # no name has pods, and what was withdrawn goes all the same
    split, finding = split_of(traffic, stable, ready, target.spec.service.port, shares)
    if state.zero is not None and finding.reason is Reason.PODS_UNAVAILABLE:
        finding = replace(finding, reason=Reason.SCALED_TO_ZERO, warning=False)
    taken = not admitted and main_route(asked, owner, current) is None
    if taken:
        finding = RolloutEvent(Reason.HOSTNAME_TAKEN, "there is no route yet: its hostnames are taken", warning=True)
    if split is None:
        return (), finding
    routes: tuple[Write, ...] = (
        () if taken else asked.desired(owner, routing if admitted else None, split, of_router(asked, current))
    )
    if seen.routed is not True:
        kept = replace(split, preview=None)
        for other in others:
            routes += other.desired(owner, None, kept, of_router(other, current))
    else:
        routes += tuple(write for other in others for write in other.released(owner, of_router(other, current)))
    return routes, finding


def replicas_by_revision(
    target: RolloutInput, state: State, seen: Observed, served: Iterable[str], now: int
) -> dict[str, int]:
    """Pods that each living revision should have; a revision that is not in the answer should be gone.

    served: revisions that the current route names. They keep all their pods whatever the state says: a route never
    outlives its pods, but where the spec asks for none, or for one version at a time.
    """
    retiring = [item.revision for item in state.retiring if item.at is None or item.at > now]
    roles = [version.revision for version in (state.stable, _candidate(state)) if version is not None]
    named = sorted(set(served) - set(roles))
    if not target.spec.replicas:
        previous = [state.previous.revision] if state.previous is not None else []
        return dict.fromkeys([*roles, *retiring, *named, *previous], 0)
    own = strategy_of(target.spec.rollout).pods(target, state, seen)
    if own is not None:
        replicas = {**dict.fromkeys([*retiring, *named], 0), **own}
    elif by_share(target):
        others = {one: pods.existing for one, pods in seen.pods.items() if one not in roles}
        replicas = pods_by_share(target, state, seen, weight_to_carry(target, state), others)
        for revision in (*retiring, *named):
            pods = seen.pods.get(revision)
            if pods is None and revision not in named:
                continue  # it was superseded before it got any
            has = min(target.spec.replicas, pods.wanted) if pods is not None else target.spec.replicas
            replicas.setdefault(revision, max(has, 1 if revision in named else 0))
    else:
        replicas = dict.fromkeys([*roles, *retiring, *named], target.spec.replicas)
    if state.previous is not None:
        replicas.setdefault(state.previous.revision, standby_pods(target, state, seen, now))
    return replicas


def prune(wanted: Desired, existing: Mapping[str, Iterable[Mapping[str, Any]]]) -> tuple[Deletion, ...]:
    """The existing objects to delete: made for this very ModelDeployment, and no longer wanted.

    existing: by kind, such as {"Deployment": [...]}; objects of other owners may be among them and are left alone.
    """
    surplus = set(surplus_jobs(obj for obj in existing.get("Job", ()) if owned_by(obj, wanted.owner)))
    return tuple(
        _doomed(kind, obj)
        for kind in (each.kind for each in pruned())
        for obj in existing.get(kind, ())
        if (kind, obj["metadata"]["name"]) not in wanted.kept
        and (kind != "Job" or abandoned(obj) or obj["metadata"]["name"] in surplus)
        and (kind != CONFIG_MAP.kind or obj["metadata"]["labels"].get(LABEL_REVISION) not in wanted.remembered)
        and owned_by(obj, wanted.owner)
        and "deletionTimestamp" not in obj["metadata"]
    )


def _doomed(kind: str, obj: Mapping[str, Any]) -> Deletion:
    found = obj["metadata"]
    return Deletion(kind, found["namespace"], found["name"], found["uid"], found.get("resourceVersion", ""))


def _candidate(state: State) -> Version | None:
    return state.candidate.version if state.candidate is not None else None


def _with_candidate(target: RolloutInput, state: State, snapshots: Mapping[str, Snapshot]) -> Mapping[str, Snapshot]:
    """The snapshots with that of the wanted revision, which follows the spec where the revision does not fix it.

    A revision that is tried again becomes the newest, as in a Deployment's history.
    """
    revision, candidate = target.revision, _candidate(state)
    known = snapshots.get(revision)
    living = {version.revision for version in (state.stable, candidate) if version is not None}
    if known is None and (revision not in living or target.config is None):
        return snapshots
    fresh = snapshot_from(target, next_number(snapshots))
    tried = state.candidate if candidate is not None and candidate.revision == revision else None
    results = recorded_text(tried.evaluation) if tried is not None and tried.evaluation is not None else ""
    if known is None:
        return {**snapshots, revision: replace(fresh, evaluation=results)}
    tried_again = tried is not None and known.number < fresh.number - 1
    number = fresh.number if tried_again else known.number
    kept = replace(known, number=number, target_port=fresh.target_port, evaluation=results or known.evaluation)
    return {**snapshots, revision: kept.with_beside(target.config)}


def _beside(
    owner: Owner,
    target: RolloutInput,
    living: Container[str],
    known: Mapping[str, Snapshot],
    before: Mapping[str, Snapshot],
) -> list[dict[str, Any]]:
    """The ControllerRevision of a revision without pods that is wanted, when what it is compared by has changed."""
    revision = target.revision
    if revision in living or revision not in before or known[revision].beside == before[revision].beside:
        return []
    return [controller_revision(owner, revision, known[revision])]


def _children(
    owner: Owner, target: RolloutInput, revision: str, snapshot: Snapshot, *, replicas: int, routed_ports: set[int]
) -> tuple[dict[str, Any], ...]:
    spec = target.spec
    target_port = snapshot.target_port if snapshot.target_port is not None else spec.service.target_port
    template = reading_copies(snapshot.template, copies(owner.name, revision, snapshot.config))
    return (
        controller_revision(owner, revision, snapshot),
        *workload_of(spec).desired(owner, revision, template, replicas, spec.rollout.progress_deadline),
        service(owner, revision, spec.service.port, target_port, routed_ports),
    )


def _stable_service(
    owner: Owner, target: RolloutInput, state: State, seen: Observed, known: Mapping[str, Snapshot]
) -> list[dict[str, Any]]:
    """The Service that follows the stable version, once that has ready endpoints; before, it stays as it is."""
    name, stable = target.spec.service.stable_name, state.stable
    if not name or stable is None or stable.revision not in known or not _ready(seen, stable.revision):
        return []
    port = known[stable.revision].target_port
    made = service(owner, stable.revision, target.spec.service.port, port or target.spec.service.target_port)
    meta = metadata(owner, name)
    meta["labels"][LABEL_ROLE] = STABLE
    return [{**made, "metadata": meta}]


def _ready(seen: Observed, revision: str) -> bool:
    return seen.pods.get(revision, Pods()).endpoints > 0


def _restored(made: Iterable[dict[str, Any]], state: State, revision: str) -> tuple[dict[str, Any], ...]:
    """The objects of a revision; those that run it say since when it is back, if a rollback has restored it.

    This gives them a new resourceVersion: a write that was sent before, to scale the revision down, then takes no
    effect however late it comes.
    """
    if not state.restored or state.stable is None or state.stable.revision != revision:
        return tuple(made)
    back = {"annotations": {RESTORED_ANNOTATION: to_text(state.stable.since)}}
    kinds = {kind.kind for kind in workload_kinds()}
    return tuple({**obj, "metadata": {**obj["metadata"], **back}} if obj["kind"] in kinds else obj for obj in made)


def _kept_jobs(owner: Owner, state: State, jobs: Iterable[dict[str, Any]]) -> frozenset[str]:
    return awaited_jobs(owner, state) | {job["metadata"]["name"] for job in jobs}


def _kept(owner: Owner, replicas: Mapping[str, int], memory: Iterable[str]) -> frozenset[tuple[str, str]]:
    kinds = [kind.kind for kind in (*workload_kinds(), SERVICE)]
    living = {(kind, child_name(owner.name, revision)) for kind in kinds for revision in replicas}
    remembered_names = {(CONTROLLER_REVISION.kind, child_name(owner.name, revision)) for revision in memory}
    return frozenset(living | remembered_names)


PORT_NAME = "http"


def service(
    owner: Owner, revision: str, port: int, target_port: int | str, routed_ports: Collection[int] = ()
) -> dict[str, Any]:
    """The Service that reaches exactly one revision.

    routed_ports: ports under which the current route still names it. They stay until the route has followed a change
    of spec.service.port, so that no request meets a port that is gone already.
    """
    ports = [{"name": PORT_NAME, "protocol": "TCP", "port": port, "targetPort": target_port}]
    ports += [
        {"name": f"{PORT_NAME}-{old}", "protocol": "TCP", "port": old, "targetPort": target_port}
        for old in sorted(set(routed_ports) - {port})
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(owner, child_name(owner.name, revision), revision),
        "spec": {"type": "ClusterIP", "selector": selector(owner, revision), "ports": ports},
    }
