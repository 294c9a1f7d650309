"""An API server in memory: versions, conflicts, field owners, a status subresource, and a log of every change."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelramp.api import names
from modelramp.api.crd import NOT_OBSERVED
from modelramp.api.errors import Conflict, Gone, Refused
from modelramp.api.kinds import CLUSTER_HEALTH_POLICY, NAMESPACE, Kind, Ref
from modelramp.api.times import to_text
from tests.sim.defaults import with_defaults
from tests.sim.fieldowners import Path, applied, copied, edited

KINDS_WITH_STATUS = {"ModelDeployment", "Deployment", "HTTPRoute", "Gateway", "Job"}

FIRST_VERSION = 6
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the watch log. `before` is None for ADDED; `obj` is the last state for DELETED. at: wall time."""

    version: int
    type: str
    kind: str
    obj: Json
    before: Json | None
    actor: str
    at: float = 0.0


@dataclass(slots=True)
class _Stored:
    obj: Json
    owners: dict[str, set[Path]]


class ApiServer:
    """Objects by kind, namespace and name. All methods are instantaneous; latency and faults are the port's matter.

    now: the wall clock. version: of the newest change before the first one: 6, so that 9 and 10 are among the next.
    `listeners` are called after each change, in order, before anything else happens. `admission` is asked before each
    write (verb, object, actor) and may refuse it; `mutation` changes objects before they are stored, as a webhook does.
    """

    def __init__(self, now: Callable[[], float], version: int = FIRST_VERSION) -> None:
        self._now = now
        self._version = version
        self._uids = 0
        self._objects: dict[str, dict[tuple[str, str], _Stored]] = {}
        self._alive: set[str] = set()
        self.log: list[Change] = []
        self.listeners: list[Callable[[Change], None]] = []
        self.admission: list[Callable[[str, Json, str], None]] = []
        self.mutation: list[Callable[[Json], None]] = []

    @property
    def version(self) -> int:
        """resourceVersion of the newest change."""
        return self._version

    # reading

    def find(self, kind: str, namespace: str, name: str) -> Json | None:
        """The object itself, or None: to be read, never to be changed (no object changes once it is stored)."""
        stored = self._objects.get(kind, {}).get((namespace, name))
        return stored.obj if stored else None

    def get(self, ref: Ref) -> Json:
        """A copy of the object; Gone when there is none."""
        found = self.find(ref.kind.kind, ref.namespace, ref.name)
        if found is None:
            raise Gone(f'{ref.kind.plural} "{ref.name}" not found')
        return copied(found)

    def all(self, kind: str | None = None, namespace: str | None = None, selector: str = "") -> Iterator[Json]:
        """All objects of a kind (None: of every kind) that match, in the order of their names: to be read only."""
        for each in sorted(self._objects) if kind is None else (kind,):
            stored = self._objects.get(each, {})
            for key in sorted(stored):
                if namespace in (None, key[0]):
                    obj = stored[key].obj
                    if matches(selector, obj["metadata"].get("labels", {})):
                        yield obj

    # writing

    def create(self, obj: Json, actor: str) -> Json:
        """Make a new object; Conflict when the name exists."""
        key = _key(obj)
        self._admit("create", obj, actor)
        if key[1:] in self._objects.get(key[0], {}):
            raise Conflict(f'{obj["kind"]} "{obj["metadata"]["name"]}" already exists')
        if obj["metadata"].get("resourceVersion"):
            raise Refused("resourceVersion should not be set on objects to be created")
        fresh = {name: value for name, value in obj.items() if name != "status" or obj["kind"] not in KINDS_WITH_STATUS}
        if obj["kind"] == names.KIND:
            fresh["status"] = {"observedGeneration": NOT_OBSERVED}
        return self._insert(key, fresh, edited({}, {}, obj, actor), actor)

    def apply(self, obj: Json, manager: str) -> Json:
        """Server-side apply with force. A resourceVersion in `obj` must be current, and the object must exist then."""
        key = _key(obj)
        wanted = {
            name: value for name, value in obj.items() if name != "status" or obj["kind"] not in KINDS_WITH_STATUS
        }
        self._admit("apply", obj, manager)
        stored = self._objects.get(key[0], {}).get(key[1:])
        if stored is None:
            if obj["metadata"].get("resourceVersion"):
                raise Conflict(f'{obj["kind"]} "{key[2]}": the resourceVersion is of an object that is not there')
            fresh, owners = applied({}, {}, wanted, manager)
            return self._insert(key, fresh, owners, manager)
        _check_current(stored.obj, obj)
        after, owners = applied(stored.obj, stored.owners, _unversioned(wanted), manager)
        stored.owners = owners
        return self._update(stored, after, manager)

    def update(self, obj: Json, actor: str) -> Json:
        """PUT of the main resource: a compare-and-swap if `obj` has a resourceVersion; status is left alone."""
        stored = self._stored(obj)
        self._admit("update", obj, actor)
        _check_current(stored.obj, obj)
        after = copied(obj)
        if obj["kind"] in KINDS_WITH_STATUS:
            after.pop("status", None)
            if "status" in stored.obj:
                after["status"] = copied(stored.obj["status"])
        stored.owners = edited(stored.obj, stored.owners, after, actor)
        return self._update(stored, after, actor)

    def update_status(self, obj: Json, actor: str) -> Json:
        """PUT of the status subresource: only status changes; a compare-and-swap if `obj` has a resourceVersion."""
        stored = self._stored(obj)
        self._admit("update_status", obj, actor)
        uid = obj["metadata"].get("uid")
        if uid is not None and uid != stored.obj["metadata"]["uid"]:
            raise Conflict("Precondition failed: UID")
        _check_current(stored.obj, obj)
        after = {**stored.obj, "status": copied(obj.get("status", {}))}
        return self._update(stored, after, actor)

    def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]], actor: str) -> Json:
        """A JSON patch of the main resource; one that sets the resourceVersion is a compare-and-swap."""
        stored = self._objects.get(ref.kind.kind, {}).get((ref.namespace, ref.name))
        if stored is None:
            raise Gone(f'{ref.kind.plural} "{ref.name}" not found')
        after = copied(stored.obj)
        for operation in operations:
            _operate(after, operation)
        self._admit("patch", after, actor)
        _check_current(stored.obj, after)
        stored.owners = edited(stored.obj, stored.owners, after, actor)
        answer = self._update(stored, after, actor)
        if "deletionTimestamp" in stored.obj["metadata"] and not stored.obj["metadata"].get("finalizers"):
            self.delete(ref, actor)
        return answer

    def delete(self, ref: Ref, actor: str, uid: str | None = None, version: str | None = None) -> None:
        """Remove the object now; its dependants are the garbage collector's matter. Conflict on a precondition."""
        stored = self._objects.get(ref.kind.kind, {}).get((ref.namespace, ref.name))
        if stored is None:
            raise Gone(f'{ref.kind.plural} "{ref.name}" not found')
        metadata = stored.obj["metadata"]
        if (uid is not None and uid != metadata["uid"]) or (version not in (None, metadata["resourceVersion"])):
            raise Conflict("Precondition failed: UID or resourceVersion in the request does not match the object")
        self._admit("delete", stored.obj, actor)
        if metadata.get("finalizers"):
            marked = {**metadata, "deletionTimestamp": metadata.get("deletionTimestamp", to_text(int(self._now())))}
            self._update(stored, {**stored.obj, "metadata": marked}, actor)
            return
        del self._objects[ref.kind.kind][ref.namespace, ref.name]
        self._alive.discard(metadata["uid"])
        self._emit("DELETED", stored.obj, stored.obj, actor)

    def uid_exists(self, uid: str) -> bool:
        """Whether any object has that uid."""
        return uid in self._alive

    # inside

    def _stored(self, obj: Json) -> _Stored:
        key = _key(obj)
        stored = self._objects.get(key[0], {}).get(key[1:])
        if stored is None:
            raise Gone(f'{obj["kind"]} "{obj["metadata"]["name"]}" not found')
        return stored

    def _admit(self, verb: str, obj: Json, actor: str) -> None:
        for admit in self.admission:
            admit(verb, obj, actor)

    def _mutated(self, obj: Json) -> Json:
        for mutate in self.mutation:
            mutate(obj)
        return obj

    def _insert(self, key: tuple[str, str, str], obj: Json, owners: dict[str, set[Path]], actor: str) -> Json:
        fresh = with_defaults(self._mutated(copied(obj)))
        self._uids += 1
        fresh["metadata"] |= {
            "uid": f"uid-{self._uids:04}",
            "generation": 1,
            "creationTimestamp": to_text(int(self._now())),
        }
        stored = _Stored(fresh, owners)
        self._objects.setdefault(key[0], {})[key[1:]] = stored
        self._alive.add(fresh["metadata"]["uid"])
        return self._emit("ADDED", fresh, None, actor)

    def _update(self, stored: _Stored, after: Json, actor: str) -> Json:
        before = stored.obj
        after = with_defaults(copied(after))
        if _desired(after) != _desired(before):
            after = self._mutated(after)
        for name in ("uid", "resourceVersion", "generation", "creationTimestamp"):
            after["metadata"][name] = before["metadata"][name]
        _check_immutable(before, after)
        if after == before:
            return copied(before)  # a write that changes nothing leaves the resourceVersion as it is
        if _desired(after) != _desired(before):
            after["metadata"]["generation"] += 1
        stored.obj = after
        return self._emit("MODIFIED", after, before, actor)

    def _emit(self, what: str, obj: Json, before: Json | None, actor: str) -> Json:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        change = Change(self._version, what, obj["kind"], obj, before, actor, self._now())
        self.log.append(change)
        for listener in self.listeners:
            listener(change)
        return copied(obj)


def _operate(obj: Any, operation: Mapping[str, Any]) -> None:
    """One operation of a JSON patch; Refused where the API server answers 422."""
    *path, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    for part in path:
        obj = obj[int(part)] if isinstance(obj, list) else obj.get(part)
        if obj is None:
            raise Refused(f"the server rejected our request: {operation['path']} is missing")
    at = int(last) if isinstance(obj, list) and last != "-" else last
    there = (at in obj) if isinstance(obj, dict) else at == "-" or at < len(obj)
    if operation["op"] != "add" and not there:
        raise Refused(f"the server rejected our request: {operation['path']} is missing")
    if operation["op"] == "test" and obj[at] != operation["value"]:
        raise Refused(f"the server rejected our request: testing {operation['path']} failed")
    if operation["op"] == "remove":
        del obj[at]
    elif operation["op"] == "add" and isinstance(obj, list):
        obj.insert(len(obj) if at == "-" else at, copied(operation["value"]))
    elif operation["op"] in {"add", "replace"}:
        obj[at] = copied(operation["value"])


def matches(selector: str, labels: dict[str, str]) -> bool:
    """A label selector as kubectl writes it: a=b, a==b, a!=b, a, !a, joined by commas."""
    for term in filter(None, (part.strip() for part in selector.split(","))):
        if "!=" in term:
            name, value = term.split("!=")
            fits = labels.get(name) != value
        elif "=" in term:
            name, value = term.replace("==", "=").split("=")
            fits = labels.get(name) == value
        elif term.startswith("!"):
            fits = term[1:] not in labels
        else:
            fits = term in labels
        if not fits:
            return False
    return True


def ref_of(kind: Kind, obj: Json) -> Ref:
    """The reference that names an object."""
    return Ref(kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def _key(obj: Json) -> tuple[str, str, str]:
    try:
        namespace = "" if obj["kind"] in {CLUSTER_HEALTH_POLICY.kind, NAMESPACE.kind} else obj["metadata"]["namespace"]
        return obj["kind"], namespace, obj["metadata"]["name"]
    except KeyError as missing:
        raise Refused(f"the object has no {missing}") from None


def _check_current(current: Json, obj: Json) -> None:
    version = obj["metadata"].get("resourceVersion")
    if version is not None and version != current["metadata"]["resourceVersion"]:
        raise Conflict("the object has been modified; please apply your changes to the latest version and try again")


def _check_immutable(before: Json, after: Json) -> None:
    """What a real server answers with 422: these fields never change once they are written."""
    if before["kind"] == "ControllerRevision" and before.get("data") != after.get("data"):
        raise Refused("ControllerRevision: data: Invalid value: field is immutable")
    if before["kind"] == "Deployment" and before["spec"].get("selector") != after["spec"].get("selector"):
        raise Refused("Deployment: spec.selector: Invalid value: field is immutable")
    if before["kind"] == "Job" and before["spec"].get("template") != after["spec"].get("template"):
        raise Refused("Job: spec.template: Invalid value: field is immutable")


def _unversioned(obj: Json) -> Json:
    return {**obj, "metadata": {name: value for name, value in obj["metadata"].items() if name != "resourceVersion"}}


def _desired(obj: Json) -> Json:
    return {name: value for name, value in obj.items() if name not in {"metadata", "status"}}
