"""What is known of the cluster: one record per ModelDeployment, and the objects made for it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from modelramp.api.errors import InvalidSpec, NewerStatus, UnreadableStatus
from modelramp.api.kinds import CONTROLLER_REVISION, ENDPOINT_SLICE, MODEL_DEPLOYMENT, SERVICE, Kind
from modelramp.api.names import LABEL_DEPLOYMENT, REQUEST_ANNOTATION, Phase
from modelramp.api.routing import Routing
from modelramp.api.spec import ModelDeploymentSpec, parse_spec
from modelramp.api.verdict import TickOutcome
from modelramp.core.equality import Known, equal, named, roles, same
from modelramp.core.events import RolloutEvent
from modelramp.core.gates.work import JobSeen
from modelramp.core.host_bindings import Bindings
from modelramp.core.hostnames import Claimant
from modelramp.core.requests import parse_request
from modelramp.core.state import Pods, RolloutInput, State
from modelramp.core.status.read import hindrance, recall
from modelramp.desired.ownership import Owner, belongs_to_service, named_for, orphaned, owned_by
from modelramp.desired.revision import newest_first
from modelramp.desired.routers import divides, maker_of, route_kinds, router_of
from modelramp.desired.workloads.deployment import DEPLOYMENT
from modelramp.desired.workloads.reference import Selector, dropped_by, originals, refers, resolve
from modelramp.engine.applied import Applied, Contest
from modelramp.engine.configs import Configs, as_before
from modelramp.engine.freezes import Freezes
from modelramp.engine.hosts import Hosts
from modelramp.engine.identity import identified, is_newer, is_same
from modelramp.engine.lost_pods import Heard, Missing
from modelramp.engine.notices import Announced, Sayings
from modelramp.engine.policies import Policies
from modelramp.engine.ports import TOO_DEEP, Object
from modelramp.engine.slim import slim

Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""
Names = frozenset[tuple[str, str, str]]
"""Objects of one kind: namespace, name, and the ModelDeployment that their label names (their own name for one)."""
_REMEMBERED_DELETIONS = 4096


@dataclass(slots=True)
class Record:
    """One ModelDeployment as last seen, with the state that the decisions work on.

    obj: without its spec, which is kept parsed only.
    spec: as written; None while it cannot be read: `problem` then says why, and there is no target.
    target: what is wanted, with the checks of all policies.
    state: may be ahead of the status by healthy ticks that were not worth a write.
    obstacle: what kept the last write from taking effect; gateway: why the route cannot be served by `looked_for`, the
    Gateways that were looked at last.
    jobs: what is known of the Jobs of gates, by attempt.
    missing: why pods of a revision are missing, by revision; heard: what Events say of one that is silent.
    wake_at: when to look again though nothing happens.
    ticks: outcomes that no decision has taken in yet, oldest first. asked: the revision and the newest tick that were
    asked about, whether or not the answer has come. quiet: the children were as wanted, and nothing happened since.
    applied: by child, what was last applied to it. noticed: what was found out about children, to be told.
    announced: what people know of.
    unanswered: writes of children in a row that the API server did not answer.
    last_words: the last thing that was found to keep pods of a revision from starting, also when the next pod has not
    said anything yet. examined: whether the pods were looked at since the operator started.
    sayings: what the status has said of the candidate.
    borrowed: objects of others that the spec names, or in which fields were changed; None while nobody has looked.
    contests: by such an object, when somebody put the fields back that were changed in it.
    selectors: what selects pods in the namespace and was made by somebody else; looked at with a workloadRef only.
    unmet: why the Deployment that the spec names is not taken over. adopts: those that are named, or were scaled down.
    pods: what `observe.pods_of` found, and from what.
    """

    obj: Object
    state: State
    spec: ModelDeploymentSpec | None = None
    target: RolloutInput | None = None
    problem: str = ""
    obstacle: RolloutEvent | None = None
    gateway: RolloutEvent | None = None
    looked_for: Routing | None = None
    missing: dict[str, Missing] = field(default_factory=dict)
    heard: dict[str, Heard] = field(default_factory=dict)
    wake_at: float | None = None
    inspect_at: float = 0.0
    job_inspect_at: float = 0.0
    jobs: dict[str, JobSeen] = field(default_factory=dict)
    failures: int = 0
    unanswered: int = 0
    ticks: tuple[TickOutcome, ...] = ()
    asked: tuple[str, int] | None = None
    quiet: bool = False
    applied: dict[tuple[Kind, str], Applied] = field(default_factory=dict)
    noticed: list[RolloutEvent] = field(default_factory=list)
    announced: Announced | None = None
    last_words: tuple[str, str] = ("", "")
    examined: bool = False
    sayings: Sayings = field(default_factory=Sayings)
    borrowed: dict[tuple[str, str], Object] | None = None
    borrowed_at: float = 0.0
    contests: dict[tuple[str, str], Contest] = field(default_factory=dict)
    selectors: tuple[Selector, ...] = ()
    unmet: RolloutEvent | None = None
    adopts: frozenset[str] = frozenset()
    pods: tuple[object, dict[str, Pods]] | None = None

    @property
    def uid(self) -> str:
        """The object's uid: a name that was deleted and made again is another object."""
        return str(self.obj["metadata"]["uid"])

    @property
    def deleting(self) -> bool:
        """Whether the object is on its way out: nothing is made for it any more."""
        return "deletionTimestamp" in self.obj["metadata"]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A ModelDeployment whose status cannot be read: nothing is decided or written for it, and `why` is shown.

    newer: a newer operator has written it, and nothing is shown in it.
    """

    obj: Object
    why: str
    newer: bool = False


class Store:
    """All records and children. Synchronous, in memory; older news never replaces newer.

    unreadable: ModelDeployments that have no record, because nobody knows what was decided for them.
    on_forget: called for every record that is gone.
    """

    def __init__(self, bindings: Bindings = (), freeze: str = "") -> None:
        """bindings: which namespaces may have which hosts. freeze: why the whole operator is frozen, if it is."""
        self.records: dict[Key, Record] = {}
        self.unreadable: dict[Key, Unreadable] = {}
        self.policies = Policies()
        self.freezes = Freezes(freeze)
        self.configs = Configs()
        self.on_forget: Callable[[Key], None] = lambda _: None
        self._deleted: dict[str, None] = {}
        self._adopters: dict[Key, set[Key]] = {}
        self._children: dict[Key, dict[Kind, dict[str, Object]]] = {}
        self._changes: dict[Key, int] = {}
        self._counted = count(1)
        self.hosts = Hosts(bindings)

    def start_over(self) -> None:
        """Forget what a process that starts now could not know: all but what the cluster says of the objects."""
        self.configs.start_over()
        for key, known in self.records.items():
            status = known.obj.get("status")
            state = recall(status) if status else known.state
            fresh = Record(known.obj, state, known.spec, known.target, known.problem, hindrance(status))
            self.records[key] = fresh
            if fresh.spec is not None and fresh.spec.track_config is not None:
                fresh.target = None  # another replica may have followed newer content
                self._aim(key, fresh)

    def observe(self, kind: Kind, event: str, obj: Object) -> Key | None:
        """Take in one object as a watch, a list or a write reported it; the key of the record that it concerns, if any.

        Raises ValueError when it is none that the API server could have.
        """
        metadata = identified(obj)
        if not metadata.get("namespace") or (kind == MODEL_DEPLOYMENT and not metadata.get("uid")):
            raise ValueError("it has no namespace, or no uid")
        if event == "DELETED":
            self._remember_deletion(metadata)
        elif metadata.get("uid") in self._deleted:
            return None  # a list, or the answer to a write, that was under way when it was deleted
        if kind == MODEL_DEPLOYMENT:
            key = (metadata["namespace"], metadata["name"])
            return self._forget(key, obj) if event == "DELETED" else self._remember(key, obj)
        owner = (metadata.get("labels") or {}).get(LABEL_DEPLOYMENT)
        return self._observe_child((metadata["namespace"], owner), kind, event, obj) if owner is not None else None

    def has(self, kind: Kind, obj: Object) -> bool:
        """Whether an object is known in that very version, such as when a watch repeats the answer to a write."""
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace") or "", metadata["name"]
        if kind == MODEL_DEPLOYMENT:
            record = self.records.get((namespace, name))
            known = record.obj if record is not None else None
        else:
            owner = (metadata.get("labels") or {}).get(LABEL_DEPLOYMENT, "")
            known = self._labelled((namespace, owner), kind).get(name)
        return known is not None and is_same(known, obj)

    def _observe_child(self, key: Key, kind: Kind, event: str, obj: Object) -> Key | None:
        metadata = obj["metadata"]
        known = self._labelled(key, kind).get(metadata["name"])
        if known is not None and is_newer(known, obj):
            return None
        if event != "DELETED":
            if TOO_DEEP in obj.values():
                raise ValueError(f"it {TOO_DEEP}")
            maker = maker_of(kind.kind)
            if maker is not None:
                maker.takes(obj)  # raises when nobody could say what it takes
            self._children.setdefault(key, {}).setdefault(kind, {})[metadata["name"]] = slim(kind, obj)
            self._changes[key] = next(self._counted)
            self._index_hosts(kind, key)
            if kind == CONTROLLER_REVISION and known is None and key in self.records:
                self._aim(key, self.records[key])  # the spec may stand for this one
        elif known is not None and known["metadata"].get("uid") == metadata.get("uid"):
            self.forget_child(key, kind, metadata["name"])
        return key if key in self.records else None

    def _remember_deletion(self, metadata: Mapping[str, Any]) -> None:
        """A uid never comes back, so whatever is still said of this object is old."""
        if metadata.get("uid"):
            self._deleted[metadata["uid"]] = None
        if len(self._deleted) > _REMEMBERED_DELETIONS:
            del self._deleted[next(iter(self._deleted))]

    def resolve(self, users: Iterable[Key]) -> Iterator[Key]:
        """Work out again what counts for these users of policies that changed; each that is known."""
        for key in users:
            record = self.records.get(key)
            if record is not None:
                self._aim(key, record)
                yield key

    def within(self, namespaces: Iterable[str]) -> tuple[Key, ...]:
        """The ModelDeployments of some namespaces."""
        wanted = frozenset(namespaces)
        return tuple(key for key in self.records if key[0] in wanted) if wanted else ()

    def children(self, key: Key, kind: Kind) -> Mapping[str, Object]:
        """The objects of a kind that a ModelDeployment may be judged by, by name: those that are its own.

        Its own are those that have a child's name and are controlled by it, or by nobody: what `--cascade=orphan` left
        behind is adopted under its name. A label alone is believed of no object, since copies have it too.
        """
        record, known = self.records.get(key), self._labelled(key, kind)
        if record is None or not known:
            return {}
        if kind == ENDPOINT_SLICE:
            services = self.children(key, SERVICE)
            return {name: obj for name, obj in known.items() if belongs_to_service(obj, services)}
        owner, is_route = Owner(*key, record.uid), maker_of(kind.kind) is not None
        return {
            name: obj
            for name, obj in known.items()
            if named_for(kind.kind, obj, owner, is_route=is_route) and (owned_by(obj, owner) or orphaned(obj, owner))
        }

    def changes(self, key: Key) -> int:
        """A number that is another one whenever the children of a ModelDeployment are others."""
        return self._changes.get(key, 0)

    def strays(self, key: Key, kind: Kind) -> Mapping[str, Object]:
        """Objects that a ModelDeployment controls, though it never makes any of that name: copies of its children."""
        record = self.records.get(key)
        if record is None or kind == ENDPOINT_SLICE:
            return {}
        owner, is_route = Owner(*key, record.uid), maker_of(kind.kind) is not None
        return {
            name: obj
            for name, obj in self._labelled(key, kind).items()
            if owned_by(obj, owner) and not named_for(kind.kind, obj, owner, is_route=is_route)
        }

    def _labelled(self, key: Key, kind: Kind) -> Mapping[str, Object]:
        """All known objects of a kind with the label of a ModelDeployment, whoever made them."""
        return self._children.get(key, {}).get(kind, {})

    def replace_children(self, key: Key, kind: Kind, found: Iterable[Object]) -> None:
        """Take in a complete list of one kind for one ModelDeployment."""
        alive = tuple(found)
        names = {obj["metadata"].get("name") for obj in alive}
        for name in [name for name in self._labelled(key, kind) if name not in names and None not in names]:
            self.forget_child(key, kind, name)
        for obj in alive:
            if obj["metadata"].get("name"):
                self.observe(kind, "MODIFIED", obj)

    def forget_child(self, key: Key, kind: Kind, name: str) -> None:
        """The object turned out to be gone."""
        kinds = self._children.get(key, {})
        if kinds.get(kind, {}).pop(name, None) is not None:
            self._changes[key] = next(self._counted)
        if not kinds.get(kind):
            kinds.pop(kind, None)
        if not kinds:
            self._children.pop(key, None)
            self._changes.pop(key, None)
        self._index_hosts(kind, key)

    def forget(self, key: Key) -> None:
        """The ModelDeployment turned out to be gone."""
        record = self.records.pop(key, None)
        self.unreadable.pop(key, None)
        self.policies.leave(key)
        self.configs.leave(key)
        for name in record.adopts if record is not None else ():
            self._adopters[key[0], name].discard(key)
        self._index_hosts(MODEL_DEPLOYMENT, key)
        if record is not None:
            self.on_forget(key)

    def namesakes(self, key: Key) -> Mapping[str, str]:
        """Namespace and Service joined by a dash, as some gateways label series, where they name another object's, too.

        By label: the other object. Equal pods of equal models have equal revisions: ml-eu/digits and ml/eu-digits.
        """
        joined = "-".join(key)
        found: dict[str, str] = {}
        cuts = (at for at, letter in enumerate(joined) if letter == "-")
        for other in ((joined[:at], joined[at + 1 :]) for at in cuts):
            record = self.records.get(other) if other != key else None
            if record is not None:
                stable, candidate = record.state.stable, record.state.candidate
                versions = (stable, candidate.version if candidate is not None else None)
                found |= {f"{joined}-{one.revision}": "/".join(other) for one in versions if one is not None}
        return found

    def routes(self, key: Key) -> tuple[Object, ...]:
        """What routers have made for a ModelDeployment, and what of others they divide, as last seen."""
        record = self.records.get(key)
        others = record.borrowed or {} if record is not None else {}
        lent = (obj for (kind, _), obj in others.items() if divides(kind))
        return (*(obj for kind in route_kinds() for obj in self.children(key, kind).values()), *lent)

    def names(self, kind: Kind, namespace: str | None) -> Names:
        """What is known of a kind, in one namespace or in all."""
        if kind == MODEL_DEPLOYMENT:
            known = ((*key, key[1]) for key in (*self.records, *self.unreadable))
        else:
            known = ((key[0], name, key[1]) for key, kinds in self._children.items() for name in kinds.get(kind, ()))
        return frozenset(name for name in known if namespace in {None, name[0]})

    def lacking(self, kind: Kind, gone: Iterable[tuple[str, str, str]]) -> Iterator[Key]:
        """Forget what a complete list of a kind lacks, though no watch said so; the keys of the records concerned.

        gone: of the names from before the list was asked for; younger objects may be missing from it.
        """
        for namespace, name, owner in gone:
            key = (namespace, owner)
            if kind == MODEL_DEPLOYMENT:
                self.forget(key)
            else:
                self.forget_child(key, kind, name)
                yield key

    def turned_down(self, key: Key) -> str:
        """Why a ModelDeployment may not have the hosts that its spec asks for; empty when it may."""
        return self.hosts.turned_down(key, self._starting)

    def _starting(self, claimant: Claimant) -> bool:
        record = self.records.get((claimant.namespace, claimant.name))
        return record is not None and (record.state.stable is not None or record.state.phase is not Phase.DEGRADED)

    def _remember(self, key: Key, obj: Object) -> Key | None:
        known = self.records.get(key)
        if known is not None and is_newer(known.obj, obj):
            return None
        if known is not None and is_same(known.obj, obj):
            return key  # as each list tells again: to parse it once more would cost the most of a list
        kept = slim(MODEL_DEPLOYMENT, obj)
        if known is not None and known.uid != kept["metadata"].get("uid"):
            self.forget(key)
            known = None
        if known is None or kept.get("status") != known.obj.get("status"):
            try:
                state = recall(kept.get("status"))
            except UnreadableStatus as error:
                newer = isinstance(error, NewerStatus)
                if newer and known is not None:
                    self.forget(key)
                if newer or known is None:
                    self.unreadable[key] = Unreadable(kept, str(error), newer)
                    self._index_hosts(MODEL_DEPLOYMENT, key, obj)
                    return None
                # What was decided is known all the same, and the next decision writes it anew.
                state, kept = known.state, {**kept, "status": {}}
        else:
            state = known.state
        self.unreadable.pop(key, None)
        record = self.records.setdefault(key, known or Record(kept, state, obstacle=hindrance(kept.get("status"))))
        record.obj, record.state = kept, state
        _read_spec(record, obj.get("spec"))
        self._aim(key, record)
        self._index_hosts(MODEL_DEPLOYMENT, key, obj)
        return key

    def _aim(self, key: Key, record: Record) -> None:
        """Work out the target from the spec and the policies; what the policies say is no part of the revision."""
        spec = self._resolved(key, record)
        tracked, revision = self.configs.follow(key, spec), ""
        if spec is not None and tracked.config is None:
            record.unmet = record.unmet or tracked.trouble
            revision = record.target.revision if record.target is not None else next(iter(roles(record.state)), "")
            spec = as_before(spec, revision, self._known(key, record))
        if spec is None:
            self.policies.leave(key)
            record.target = None
            return
        annotations = record.obj["metadata"].get("annotations") or {}
        found = self.policies.resolve(key, spec.health)
        record.target = RolloutInput(
            spec if found.health is spec.health else spec.model_copy(update={"health": found.health}),
            revision or self._revision(key, record, spec, tracked.config),
            parse_request(annotations.get(REQUEST_ANNOTATION, "")),
            found.policies,
            found.missing,
            sticky=router_of(spec.routing).sticky(spec.routing),
            frozen=self.freezes.of(key[0]),
            generation=record.obj["metadata"].get("generation", 0),
            dropped=dropped_by(record.spec, record.borrowed, record.selectors),
            config=tracked.config,
        )

    def refer(
        self, key: Key, record: Record, found: dict[tuple[str, str], Object], selects: Iterable[Selector]
    ) -> bool:
        """Take in the objects that a ModelDeployment refers to; whether that is news."""
        before = record.borrowed, record.selectors, record.unmet
        record.borrowed, record.selectors = found, tuple(selects)
        if record.spec is not None and record.spec.workload_ref is not None:
            self._aim(key, record)
        return before != (record.borrowed, record.selectors, record.unmet)

    def _resolved(self, key: Key, record: Record) -> ModelDeploymentSpec | None:
        """The spec with its pod template; None while nobody knows it.

        While a Deployment that it names cannot be taken, the newest revision is what is wanted: nothing changes.
        """
        record.unmet, spec = None, record.spec
        for name in {ref.name for ref in refers(spec, record.obj["metadata"])} ^ record.adopts:
            self._adopters.setdefault((key[0], name), set()).symmetric_difference_update({key})
            record.adopts ^= {name}
        if spec is None or spec.workload_ref is None:
            return spec
        if record.borrowed is None:
            return None
        name = spec.workload_ref.name
        first, known = self._first_adopter(key, name), self._known(key, record)
        newest = (known[0].template, known[0].model) if known else None
        found = record.borrowed.get((DEPLOYMENT.kind, name))
        resolved, record.unmet = resolve(spec, found, first[1] if first != key else "", newest)
        return resolved

    def _first_adopter(self, key: Key, name: str) -> Key:
        """Who takes over a Deployment: whoever has scaled it down, else the oldest that names it."""

        def order(other: Key) -> tuple[bool, str, str]:
            metadata = self._metadata(other)
            return name not in originals(metadata), str(metadata.get("creationTimestamp") or ""), other[1]

        return min({*filter(self._metadata, self._adopters.get((key[0], name), ())), key}, key=order)

    def _metadata(self, key: Key) -> Mapping[str, Any]:
        known = self.records.get(key) or self.unreadable.get(key)
        return known.obj["metadata"] if known is not None else {}

    def _revision(self, key: Key, record: Record, spec: ModelDeploymentSpec, config: Mapping[str, str] | None) -> str:
        """The revision that a spec stands for, by what has a role and by the ControllerRevisions that are known."""
        old, before = record.target, ""
        if old is not None and old.config == config:
            if same(old.spec, spec) and old.revision in roles(record.state):
                return old.revision
            before = old.revision if equal(old.spec, spec) else ""
        return named(spec, record.state, lambda: self._known(key, record), before, config)

    def _known(self, key: Key, record: Record) -> list[Known]:
        """The revisions that exist, the newest first."""
        return newest_first(Owner(*key, record.uid), self.children(key, CONTROLLER_REVISION).values())

    def _index_hosts(self, kind: Kind, key: Key, obj: Object | None = None) -> None:
        """Keep what is known of claims in line. obj: the ModelDeployment with its managedFields, where that is news."""
        if kind != MODEL_DEPLOYMENT and maker_of(kind.kind) is None:
            return
        record = self.records.get(key)
        routing = record.spec.routing if record is not None and record.spec is not None else None
        known = record or self.unreadable.get(key)
        owner = obj if obj is not None or known is None else known.obj
        routes = [route for each in route_kinds() for route in self._labelled(key, each).values()]
        self.hosts.learn(key, owner, routing, routes)

    def _forget(self, key: Key, obj: Object) -> Key | None:
        known, unreadable = self.records.get(key), self.unreadable.get(key)
        uid = known.uid if known is not None else unreadable.obj["metadata"].get("uid") if unreadable else None
        if uid == obj["metadata"].get("uid"):
            self.forget(key)
        return None


def _read_spec(record: Record, raw: object) -> None:
    """Keep a spec's absence explicit: an unreadable one has no target and changes nothing."""
    try:
        record.spec, record.problem = (None, f"spec: it {TOO_DEEP}") if raw == TOO_DEEP else (parse_spec(raw), "")
    except InvalidSpec as error:
        record.spec, record.problem = None, str(error)
