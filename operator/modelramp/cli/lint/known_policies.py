"""The health policies in the given files, for the ModelDeployments in the same files."""

from collections.abc import Iterable, Mapping
from typing import Any

from modelramp.api.names import API_VERSION
from modelramp.api.policy import PolicyKind, PolicyReference
from modelramp.api.structural import without_nulls
from modelramp.core.policies import Lookup, Policy, policy_of

NOT_AT_HAND = "is in none of these files"


def kind_of_policy(value: Any) -> PolicyKind | None:
    """Which kind of policy a document is; None when it is none."""
    kinds = {kind.value: kind for kind in PolicyKind}
    return kinds.get(str(value.get("kind"))) if isinstance(value, Mapping) else None


def name_of(value: Mapping[str, Any], key: str = "name") -> str:
    """metadata.name (or another text of the metadata) of a document; "" when it has none."""
    metadata = value.get("metadata")
    return str(metadata.get(key) or "") if isinstance(metadata, Mapping) else ""


class KnownPolicies:
    """Policies by kind, namespace and name. One without a written namespace is taken for that of its users."""

    def __init__(self, values: Iterable[Any]) -> None:
        self._known: dict[tuple[PolicyKind, str, str], Policy] = {}
        for value in values:
            kind = kind_of_policy(value)
            if kind is not None and value.get("apiVersion") == API_VERSION and name_of(value):
                namespace = "" if kind is PolicyKind.CLUSTER else name_of(value, "namespace")
                written = without_nulls(value)
                self._known[kind, namespace, name_of(value)] = policy_of(kind, {"metadata": {}, **written})

    def for_namespace(self, namespace: str) -> Lookup:
        """How a ModelDeployment of a namespace ("" = not written) finds its policies."""

        def find(reference: PolicyReference) -> Policy | str:
            return self._find(reference, namespace) or NOT_AT_HAND

        return find

    def _find(self, reference: PolicyReference, namespace: str) -> Policy | None:
        if reference.kind is PolicyKind.CLUSTER:
            return self._known.get((reference.kind, "", reference.name))
        found = {of: policy for (kind, of, name), policy in self._known.items() if (kind, name) == _named(reference)}
        if namespace:
            return found.get(namespace) or found.get("")
        return found.get("") or (next(iter(found.values())) if len(found) == 1 else None)


def _named(reference: PolicyReference) -> tuple[PolicyKind, str]:
    return reference.kind, reference.name
