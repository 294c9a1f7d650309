"""Which namespaces are frozen, by an annotation of the Namespace, and why. Synchronous, in memory."""

from collections.abc import Iterable
from dataclasses import dataclass

from modelramp.api.names import FREEZE_ANNOTATION
from modelramp.api.text import cut, visible
from modelramp.desired.reading import version_of
from modelramp.engine.ports import Object

_WORDS = 200
"""Bytes of a reason that people get to read."""
_YES, _NO = frozenset({"", "true"}), frozenset({"false"})


@dataclass(frozen=True, slots=True)
class _Known:
    uid: str
    version: int
    why: str


class Freezes:
    """Says why no version in a namespace may get more traffic; older news never replaces newer."""

    def __init__(self, everywhere: str = "") -> None:
        """everywhere: why the whole operator is frozen; empty when it is not."""
        self._everywhere = f"the operator is frozen: {visible(everywhere)}" if everywhere else ""
        self._known: dict[str, _Known] = {}

    def of(self, namespace: str) -> str:
        """Why a namespace is frozen, for people; empty when it is not."""
        known = self._known.get(namespace)
        return self._everywhere or (known.why if known is not None else "")

    def names(self) -> frozenset[str]:
        """The namespaces that are frozen, or were."""
        return frozenset(self._known)

    def observe(self, event: str, obj: Object) -> tuple[str, ...]:
        """Take in a Namespace as a watch or a list reported it; its name if it was frozen or thawed by that."""
        metadata = obj["metadata"]
        name, uid, version = metadata["name"], str(metadata.get("uid", "")), version_of(obj)
        known = self._known.get(name)
        if known is not None and known.uid == uid and known.version > version:
            return ()
        why = "" if event == "DELETED" else _why(name, (metadata.get("annotations") or {}).get(FREEZE_ANNOTATION))
        if event == "DELETED" or (known is None and not why):
            return self.lacking((name,))
        self._known[name] = _Known(uid, version, why)  # kept when it thaws, so that older news cannot freeze it again
        return () if known is not None and known.why == why else (name,)

    def lacking(self, gone: Iterable[str]) -> tuple[str, ...]:
        """Forget what a complete list lacks; what was thawed by that."""
        found = {name: self._known.pop(name, None) for name in gone}
        return tuple(name for name, known in found.items() if known is not None and known.why)


def _why(namespace: str, reason: object) -> str:
    """What people read of a freeze; empty without one."""
    if not isinstance(reason, str) or reason.strip().lower() in _NO:
        return ""
    words = "" if reason.strip().lower() in _YES else f": {cut(visible(reason), _WORDS)}"
    return f"namespace {namespace} is frozen{words} (annotation {FREEZE_ANNOTATION})"
