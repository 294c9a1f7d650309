"""Whether applying an object would change anything: so that only what changed is written, and edits are put back.

The API server adds defaults and writes quantities its own way; other managers add what is not ours. None of that is a
difference. What is: a value of ours that is gone or another, and anything added where we own the whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelramp.api.quantity import AMOUNT_FIELDS, AMOUNT_MAPS, parse_quantity
from modelramp.desired.routers import maker_of

MERGE_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "resourceClaims": ("name",),
    "claims": ("name",),
    "schedulingGates": ("name",),
    "ports": ("port", "containerPort", "protocol"),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "ownerReferences": ("uid",),
}
"""Lists that server-side apply merges by key (x-kubernetes-list-map-keys of Kubernetes 1.36); others are one value."""

_DEFAULT_KEYS = {"protocol": "TCP"}
_OWNED_WHOLE = frozenset({"selector", "nodeSelector", "labelSelector"})
_QUANTITIES = AMOUNT_MAPS | AMOUNT_FIELDS | {"storage"}


def differs(current: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Whether a server-side apply of `wanted` would change `current` (None: it does not exist).

    The whole spec of a router's object is ours: a filter or rule that somebody adds is a difference too.
    """
    if current is None:
        return True
    return any(_differ(old, new, key, whole=whole) for key, old, new, whole in _parts(current, wanted))


def where_differs(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first place at which `differs` finds a difference, as in spec.template.spec.containers[server].image."""
    for key, old, new, whole in _parts(current, wanted):
        if _differ(old, new, key, whole=whole):
            return _place(old, new, key, whole=whole)
    return ""


def _parts(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any, bool]]:
    """The fields that are compared, as they are and as wanted, and whether each is ours as a whole."""
    whole = maker_of(wanted.get("kind", "")) is not None
    for key, value in wanted.items():
        if key not in {"apiVersion", "kind"}:
            yield key, current.get(key), value, whole and key == "spec"


def _place(current: Any, wanted: Any, key: str, *, whole: bool) -> str:
    if isinstance(wanted, Mapping) and isinstance(current, Mapping):
        within = key if key in _QUANTITIES else None
        for name, value in wanted.items():
            inner_whole = whole or key in _OWNED_WHOLE
            if _differ(current.get(name), value, within or name, whole=inner_whole):
                return f"{key}.{_place(current.get(name), value, name, whole=inner_whole)}"
        return key
    if _is_list(wanted) and _is_list(current):
        keys = None if whole else MERGE_KEYS.get(key)
        for number, item in enumerate(wanted):
            label, found = _counterpart(current, item, number, keys)
            if _differ(found, item, key, whole=whole):
                inner = _place(found, item, key, whole=whole)
                return f"{key}[{label}]{inner.removeprefix(key)}"
    return key


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _counterpart(current: Sequence[Any], item: Any, number: int, keys: tuple[str, ...] | None) -> tuple[str, Any]:
    """The item of a list that one is compared with, and how people call it."""
    if keys is None or not isinstance(item, Mapping):
        return str(number), current[number] if number < len(current) else None
    wanted = _identity(item, keys)
    same = (found for found in current if isinstance(found, Mapping) and _identity(found, keys) == wanted)
    return "/".join(str(part) for part in wanted if part is not None), next(same, None)


def _differ(current: Any, wanted: Any, key: str, *, whole: bool) -> bool:
    if wanted is None or current == wanted or (_empty(wanted) and _empty(current)):
        return False
    if isinstance(wanted, Mapping):
        whole = whole or key in _OWNED_WHOLE
        return not isinstance(current, Mapping) or _maps_differ(current, wanted, key, whole=whole)
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return not isinstance(current, Sequence) or _lists_differ(current, wanted, key, whole=whole)
    return bool(current != wanted) and not (key in _QUANTITIES and _same_quantity(current, wanted))


def _maps_differ(current: Mapping[str, Any], wanted: Mapping[str, Any], key: str, *, whole: bool) -> bool:
    if whole and any(not _empty(value) for name, value in current.items() if name not in wanted):
        return True
    inner = key if key in _QUANTITIES else None
    return any(_differ(current.get(name), value, inner or name, whole=whole) for name, value in wanted.items())


def _lists_differ(current: Sequence[Any], wanted: Sequence[Any], key: str, *, whole: bool) -> bool:
    keys = MERGE_KEYS.get(key)
    if keys is None or whole or not all(isinstance(item, Mapping) for item in (*current, *wanted)):
        return len(current) != len(wanted) or any(
            _differ(old, new, key, whole=whole) for old, new in zip(current, wanted, strict=True)
        )
    found = {_identity(item, keys): item for item in current}
    return any(_differ(found.get(_identity(item, keys)), item, key, whole=whole) for item in wanted)


def _identity(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key, _DEFAULT_KEYS.get(key)) for key in keys)


def _empty(value: Any) -> bool:
    """What the API server leaves out, or what means the same as nothing."""
    return value is None or value is False or (not isinstance(value, bool) and value in (0, "", [], {}, ()))


def _same_quantity(current: Any, wanted: Any) -> bool:
    try:
        return parse_quantity(str(current)) == parse_quantity(str(wanted))
    except ValueError:
        return False
