"""What is known of the cluster: one record per ModelDeployment, and the objects made for it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelramp.api.errors import InvalidSpec
from modelramp.api.names import LABEL_DEPLOYMENT, REQUEST_ANNOTATION, Phase
from modelramp.api.spec import ModelDeploymentSpec, parse_spec
from modelramp.api.verdict import TickOutcome
from modelramp.core.evaluation import JobSeen
from modelramp.core.hostnames import Claim, Claimant
from modelramp.core.recall import read_status, state_of
from modelramp.core.requests import parse_request
from modelramp.core.revisions import revision_of
from modelramp.core.state import Finding, State, Target
from modelramp.desired.names import route_name
from modelramp.desired.ownership import Owner, belongs_to_service, named_for, orphaned, owned_by
from modelramp.engine.hosts import Hosts
from modelramp.engine.policies import Policies
from modelramp.engine.ports import ENDPOINT_SLICE, HTTP_ROUTE, MODEL_DEPLOYMENT, SERVICE, Kind, Object

Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""


@dataclass(slots=True)
class Record:
    """One ModelDeployment as last seen, with the state that the decisions work on.

    spec: as written; None while it cannot be read: `problem` then says why, and there is no target.
    target: what is wanted, with the checks of all policies.
    state: may be ahead of the status by healthy ticks that were not worth a write.
    obstacle: what kept the last write from taking effect; gateway: why the route cannot be served.
    evaluation: what is known of the Job that tries the candidate.
    trouble: why pods of a revision do not start. wake_at: when to look again though nothing happens.
    ticks: outcomes that no decision has taken in yet, oldest first. asked: the revision and the newest tick that were
    asked about, whether or not the answer has come. quiet: the children were as wanted, and nothing happened since.
    futile: by child, what was applied to which version of it and changed nothing: admission puts its own values back.
    """

    obj: Object
    state: State
    spec: ModelDeploymentSpec | None = None
    target: Target | None = None
    problem: str = ""
    obstacle: Finding | None = None
    gateway: Finding | None = None
    trouble: dict[str, str] = field(default_factory=dict)
    wake_at: float | None = None
    inspect_at: float = 0.0
    job_inspect_at: float = 0.0
    evaluation: JobSeen | None = None
    failures: int = 0
    ticks: tuple[TickOutcome, ...] = ()
    asked: tuple[str, int] | None = None
    quiet: bool = False
    futile: dict[tuple[Kind, str], tuple[str, Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        """The object's uid: a name that was deleted and made again is another object."""
        return str(self.obj["metadata"]["uid"])

    @property
    def deleting(self) -> bool:
        """Whether the object is on its way out: nothing is made for it any more."""
        return "deletionTimestamp" in self.obj["metadata"]


class Store:
    """All records and children. Synchronous, in memory; older news never replaces newer."""

    def __init__(self) -> None:
        self.records: dict[Key, Record] = {}
        self.policies = Policies()
        self._children: dict[Key, dict[Kind, dict[str, Object]]] = {}
        self._hosts = Hosts()

    def observe(self, kind: Kind, event: str, obj: Object) -> Key | None:
        """Take in one object as a watch or a write reported it; the key of the record that it concerns, if any."""
        metadata = obj["metadata"]
        if kind == MODEL_DEPLOYMENT:
            key = (metadata["namespace"], metadata["name"])
            return self._forget(key, obj) if event == "DELETED" else self._remember(key, obj)
        name = metadata.get("labels", {}).get(LABEL_DEPLOYMENT)
        if name is None:
            return None
        key = (metadata["namespace"], name)
        objects = self._children.setdefault(key, {}).setdefault(kind, {})
        known = objects.get(metadata["name"])
        if known is not None and _newer(known, obj):
            return None
        if event == "DELETED":
            objects.pop(metadata["name"], None)
        else:
            objects[metadata["name"]] = _slim(obj)
        self._index_hosts(kind, key)
        return key if key in self.records else None

    def resolve(self, users: Iterable[Key]) -> Iterator[Key]:
        """Work out anew what counts for these users of policies that changed; each that is known."""
        for key in users:
            record = self.records.get(key)
            if record is not None:
                self._aim(key, record)
                yield key

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
        owner = Owner(*key, record.uid)
        return {
            name: obj
            for name, obj in known.items()
            if named_for(kind.kind, obj, owner) and (owned_by(obj, owner) or orphaned(obj, owner))
        }

    def strays(self, key: Key, kind: Kind) -> Mapping[str, Object]:
        """Objects that a ModelDeployment controls, though it never makes any of that name: copies of its children."""
        record = self.records.get(key)
        if record is None or kind == ENDPOINT_SLICE:
            return {}
        owner = Owner(*key, record.uid)
        known = self._labelled(key, kind)
        return {n: obj for n, obj in known.items() if owned_by(obj, owner) and not named_for(kind.kind, obj, owner)}

    def _labelled(self, key: Key, kind: Kind) -> Mapping[str, Object]:
        """All known objects of a kind with the label of a ModelDeployment, whoever made them."""
        return self._children.get(key, {}).get(kind, {})

    def replace_children(self, key: Key, kind: Kind, found: Iterable[Object]) -> None:
        """Take in a complete list of one kind for one ModelDeployment."""
        alive = tuple(found)
        names = {obj["metadata"]["name"] for obj in alive}
        for name in [name for name in self._labelled(key, kind) if name not in names]:
            self.forget_child(key, kind, name)
        for obj in alive:
            self.observe(kind, "MODIFIED", obj)

    def forget_child(self, key: Key, kind: Kind, name: str) -> None:
        """The object turned out to be gone."""
        self._children.get(key, {}).get(kind, {}).pop(name, None)
        self._index_hosts(kind, key)

    def forget(self, key: Key) -> None:
        """The ModelDeployment turned out to be gone."""
        self.records.pop(key, None)
        self.policies.leave(key)
        self._index_hosts(MODEL_DEPLOYMENT, key)

    def route(self, key: Key) -> Object | None:
        """The HTTPRoute of a ModelDeployment as last seen."""
        return self.children(key, HTTP_ROUTE).get(route_name(key[1]))

    def sweep(
        self, kind: Kind, alive: Iterable[Object], namespace: str | None, known: Collection[Key]
    ) -> Iterator[Key]:
        """Take in a complete list of a kind (in one namespace, or in all): what it lacks is gone, though unsaid.

        known: the records from before the list was asked for; younger ones may be missing from it.
        """
        listed = {(obj["metadata"]["namespace"], obj["metadata"]["name"]): obj for obj in alive}
        if kind == MODEL_DEPLOYMENT:
            for key in [key for key in known if key not in listed and namespace in {None, key[0]}]:
                self.forget(key)
        else:
            for key, kinds in self._children.items():
                if namespace not in {None, key[0]}:
                    continue
                for name in [name for name in kinds.get(kind, {}) if (key[0], name) not in listed]:
                    del kinds[kind][name]
                    self._index_hosts(kind, key)
                    yield key
        for obj in listed.values():
            changed = self.observe(kind, "MODIFIED", obj)
            if changed is not None:
                yield changed

    def rival(self, key: Key) -> Claim | None:
        """What keeps a ModelDeployment from the hosts that its spec asks for: another object had them first."""
        return self._hosts.rival(key, self._starting)

    def _starting(self, claimant: Claimant) -> bool:
        record = self.records.get((claimant.namespace, claimant.name))
        return record is not None and (record.state.stable is not None or record.state.phase is not Phase.DEGRADED)

    def _remember(self, key: Key, obj: Object) -> Key | None:
        known = self.records.get(key)
        if known is None or known.uid != obj["metadata"]["uid"]:
            record = Record(_slim(obj), state_of(read_status(obj.get("status"))))
        elif _newer(known.obj, obj):
            return None
        else:
            record = known
            if obj.get("status") != known.obj.get("status"):
                record.state = state_of(read_status(obj.get("status")))
            record.obj = _slim(obj)
        self.records[key] = record
        _read_spec(record)
        self._aim(key, record)
        self._index_hosts(MODEL_DEPLOYMENT, key, obj)
        return key

    def _aim(self, key: Key, record: Record) -> None:
        """Work out the target from the spec and the policies; what the policies say is no part of the revision."""
        old, spec = record.target, record.spec
        if spec is None:
            self.policies.leave(key)
            record.target = None
            return
        same = old is not None and old.spec.model == spec.model and old.spec.template == spec.template
        annotations = record.obj["metadata"].get("annotations") or {}
        found = self.policies.resolve(key, spec.health)
        record.target = Target(
            spec if found.health is spec.health else spec.model_copy(update={"health": found.health}),
            old.revision if old is not None and same else revision_of(spec),
            parse_request(annotations.get(REQUEST_ANNOTATION, "")),
            found.policies,
            found.missing,
        )

    def _index_hosts(self, kind: Kind, key: Key, obj: Object | None = None) -> None:
        """Keep what is known of claims in line. obj: the ModelDeployment with its managedFields, where that is news."""
        if kind not in {MODEL_DEPLOYMENT, HTTP_ROUTE}:
            return
        record = self.records.get(key)
        gateway = record.spec.routing.gateway if record is not None and record.spec is not None else None
        known = obj if obj is not None or record is None else record.obj
        self._hosts.learn(key, known, gateway, self._labelled(key, HTTP_ROUTE).values())

    def _forget(self, key: Key, obj: Object) -> Key | None:
        known = self.records.get(key)
        if known is not None and known.uid == obj["metadata"]["uid"]:
            self.forget(key)
        return None


def _read_spec(record: Record) -> None:
    """Keep a spec's absence explicit: an unreadable one has no target and changes nothing."""
    try:
        record.spec, record.problem = parse_spec(record.obj.get("spec")), ""
    except InvalidSpec as error:
        record.spec, record.problem = None, str(error)


def _newer(known: Object, obj: Object) -> bool:
    """Whether what is known is newer; resourceVersions of one API server are increasing integers (KEP-5504)."""
    return _version(known) > _version(obj) and known["metadata"].get("uid") == obj["metadata"].get("uid")


def _version(obj: Object) -> int:
    text = obj["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdigit() else 0


def _slim(obj: Object) -> dict[str, Any]:
    """The object without what only takes memory."""
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata}
