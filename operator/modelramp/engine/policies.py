"""The policies as last seen, and who refers to them. Synchronous, in memory; older news never replaces newer."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from modelramp.api.health import Health
from modelramp.api.policy import PolicyKind, PolicyReference
from modelramp.core.policies import Policy, Resolved, policy_of, resolve
from modelramp.engine.ports import POLICIES, Kind, Object

User = tuple[str, str]
"""Namespace and name of a ModelDeployment."""
Name = tuple[Kind, str, str]
"""Kind, namespace ("" in the cluster) and name of a policy."""

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
        self._unread: dict[Kind, str] = {}

    def observe(self, kind: Kind, event: str, obj: Object) -> frozenset[User]:
        """Take in one policy as a watch or a list reported it; who refers to it, if it has changed."""
        metadata = obj["metadata"]
        name = (kind, metadata.get("namespace", ""), metadata["name"])
        known = self._known.get(name)
        text, uid = metadata.get("resourceVersion", "0"), str(metadata.get("uid", ""))
        version = int(text) if text.isdigit() else 0
        if known is not None and known.uid == uid and known.version > version:
            return frozenset()
        if event == "DELETED":
            return self._forget(name) if known is not None and known.uid == uid else frozenset()
        policy = policy_of(PolicyKind(kind.kind), obj)
        if known is not None and known.policy == policy:
            policy = known.policy  # what was made of its checks is kept
        self._known[name] = _Known(policy, uid, version)
        return self._of(name) if known is None or known.policy != policy else frozenset()

    def names(self) -> frozenset[Name]:
        """Every policy that is known."""
        return frozenset(self._known)

    def sweep(
        self, kind: Kind, alive: Iterable[Object], namespace: str | None, before: Collection[Name]
    ) -> frozenset[User]:
        """Take in a complete list of a kind (in one namespace, or in all); who refers to what it changes.

        before: the policies from before the list was asked for; younger ones may be missing from it.
        """
        found = tuple(alive)
        listed = {(kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]) for obj in found}
        gone = [name for name in before if name[0] == kind and namespace in {None, name[1]} and name not in listed]
        users = [self._forget(name) for name in gone] + [self.observe(kind, "MODIFIED", obj) for obj in found]
        return frozenset().union(*users)

    def cannot_read(self, kind: Kind, why: str) -> frozenset[User]:
        """Policies of this kind cannot be read, and why ("" = they can); who refers to one, if that is news."""
        if self._unread.get(kind, "") == why:
            return frozenset()
        self._unread[kind] = why
        return frozenset().union(*(self._of(name) for name in self._users if name[0] == kind))

    def resolve(self, key: User, health: Health) -> Resolved:
        """The health of a ModelDeployment with the checks of its policies; from now on it is one of their users."""
        self.leave(key)
        self._named[key] = names = tuple(_name(key, reference) for reference in health.policies)
        for name in names:
            self._users.setdefault(name, set()).add(key)
        return resolve(health, lambda reference: self._find(_name(key, reference)))

    def leave(self, key: User) -> None:
        """The ModelDeployment refers to no policy any more."""
        for name in self._named.pop(key, ()):
            self._users[name].discard(key)
            if not self._users[name]:
                del self._users[name]

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
