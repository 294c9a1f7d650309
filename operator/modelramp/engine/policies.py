"""The policies as last seen, and who refers to them. Synchronous, in memory; older news never replaces newer."""

from collections.abc import Iterable
from dataclasses import dataclass

from modelramp.api.health import Health
from modelramp.api.kinds import POLICIES, Kind
from modelramp.api.policy import PolicyKind, PolicyReference
from modelramp.core.policies import Policy, Resolved, Shared, policy_of, resolve
from modelramp.desired.reading import version_of
from modelramp.engine.ports import Object

User = tuple[str, str]
"""Namespace and name of a ModelDeployment."""
Name = tuple[Kind, str, str]
"""Kind, namespace ("" in the cluster) and name of a policy."""

_REMEMBERED_DELETIONS = 1024
_KINDS = {PolicyKind(kind.kind): kind for kind in POLICIES}


@dataclass(frozen=True, slots=True)
class _Known:
    policy: Policy
    uid: str
    version: int


class Policies:
    """Finds policies for those who refer to them, and those who refer for policies that change."""

    def __init__(self) -> None:
        self._known: dict[Name, _Known] = {}
        self._users: dict[Name, set[User]] = {}
        self._named: dict[User, tuple[Name, ...]] = {}
        self._shared: dict[User, tuple[Shared, ...]] = {}
        self._unread: dict[Kind, str] = {}
        self._deleted: dict[str, None] = {}

    def observe(self, kind: Kind, event: str, obj: Object) -> frozenset[User]:
        """Take in one policy as a watch or a list reported it; who refers to it, if it has changed.

        Raises ValueError when it says of no namespace where it is.
        """
        metadata = obj["metadata"]
        if kind.namespaced and not metadata.get("namespace"):
            raise ValueError("it has no namespace")
        name = (kind, metadata.get("namespace", ""), metadata["name"])
        known = self._known.get(name)
        version, uid = version_of(obj), str(metadata.get("uid", ""))
        if known is not None and known.uid == uid and known.version > version:
            return frozenset()
        if uid in self._deleted:
            return frozenset()  # a list that was under way when it was deleted
        if event == "DELETED":
            self._remember_deletion(uid)
            return self._forget(name) if known is not None and known.uid == uid else frozenset()
        policy = policy_of(PolicyKind(kind.kind), obj)
        if known is not None and known.policy == policy:
            policy = known.policy  # what was made of its checks is kept
        self._known[name] = _Known(policy, uid, version)
        return self._of(name) if known is None or known.policy != policy else frozenset()

    def names(self, kind: Kind, namespace: str | None) -> frozenset[Name]:
        """Every policy of a kind that is known, in one namespace or in all."""
        return frozenset(name for name in self._known if name[0] == kind and namespace in {None, name[1]})

    def lacking(self, gone: Iterable[Name]) -> frozenset[User]:
        """Forget what a complete list lacks, though no watch said so; who refers to it.

        gone: of the names from before the list was asked for; younger policies may be missing from it.
        """
        return frozenset().union(*(self._forget(name) for name in gone))

    def cannot_read(self, kind: Kind, why: str) -> frozenset[User]:
        """Policies of this kind cannot be read, and why ("" = they can); who refers to one, if that is news."""
        if self._unread.get(kind, "") == why:
            return frozenset()
        self._unread[kind] = why
        return frozenset().union(*(self._of(name) for name in self._users if name[0] == kind))

    def resolve(self, key: User, health: Health) -> Resolved:
        """The health of a ModelDeployment with the checks of its policies; from now on it is one of their users."""
        before = self._shared.get(key)  # kept until the new ones are found: they may be the same
        self.leave(key)
        if not health.policies:
            return Resolved(health)
        self._named[key] = names = tuple(_name(key, reference) for reference in health.policies)
        for name in names:
            self._users.setdefault(name, set()).add(key)
        found = resolve(health, lambda reference: self._find(_name(key, reference)))
        self._shared[key] = found.shared
        del before
        return found

    def leave(self, key: User) -> None:
        """The ModelDeployment refers to no policy any more."""
        self._shared.pop(key, None)
        for name in self._named.pop(key, ()):
            self._users[name].discard(key)
            if not self._users[name]:
                del self._users[name]

    def _remember_deletion(self, uid: str) -> None:
        self._deleted[uid] = None
        if len(self._deleted) > _REMEMBERED_DELETIONS:
            del self._deleted[next(iter(self._deleted))]

    def _find(self, name: Name) -> Policy | str:
        kind, namespace, _ = name
        if self._unread.get(kind):
            return self._unread[kind]
        if name not in self._known:
            where = f" in namespace {namespace}" if kind.namespaced else ""
            return f"it does not exist{where}; create it, or correct spec.health.policies"
        return self._known[name].policy

    def _of(self, name: Name) -> frozenset[User]:
        return frozenset(self._users.get(name, ()))

    def _forget(self, name: Name) -> frozenset[User]:
        return self._of(name) if self._known.pop(name, None) is not None else frozenset()


def _name(key: User, reference: PolicyReference) -> Name:
    kind = _KINDS[reference.kind]
    return kind, key[0] if kind.namespaced else "", reference.name
