"""Whose writes come next: by priority, then in turns by namespace, and never all places for one namespace."""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from modelramp.engine.limiter import Priority
from modelramp.engine.store import Key


@dataclass(frozen=True, slots=True)
class Places:
    """How many objects may be written at the same time: all in all, and of one namespace."""

    total: int
    share: int


ROLLBACKS = Places(total=160, share=16)
"""Places of their own, so that no other write keeps a rollback waiting."""
OTHERS = Places(total=64, share=6)


@dataclass(slots=True)
class _Lane:
    """Objects that wait or are being written under one pair of bounds. waiting: by priority, then by namespace."""

    places: Places
    waiting: dict[Priority, OrderedDict[str, OrderedDict[Key, None]]] = field(default_factory=dict)
    busy: Counter[str] = field(default_factory=Counter)

    def take(self) -> Key | None:
        if self.busy.total() >= self.places.total:
            return None
        for priority in sorted(self.waiting):
            for namespace, keys in self.waiting[priority].items():
                if self.busy[namespace] < self.places.share:
                    key, _ = keys.popitem(last=False)
                    self._turn(priority, namespace)
                    self.busy[namespace] += 1
                    return key
        return None

    def _turn(self, priority: Priority, namespace: str) -> None:
        """The namespace had its turn: it goes to the end, or leaves when nothing of it waits."""
        self.waiting[priority].move_to_end(namespace)
        self.tidy(priority, namespace)

    def tidy(self, priority: Priority, namespace: str) -> None:
        if not self.waiting[priority][namespace]:
            del self.waiting[priority][namespace]
        if not self.waiting[priority]:
            del self.waiting[priority]


class WriteQueue:
    """Objects that have something to be written. Synchronous; each object is in it at most once."""

    def __init__(self, rollbacks: Places = ROLLBACKS, others: Places = OTHERS) -> None:
        self._urgent = _Lane(rollbacks)
        self._normal = _Lane(others)
        self._waiting: dict[Key, Priority] = {}
        self._busy: dict[Key, _Lane] = {}

    def put(self, key: Key, priority: Priority) -> None:
        """Let an object wait for its turn; one that waits already keeps its place unless its priority changed."""
        known = self._waiting.get(key)
        if known is priority:
            return
        self.drop(key)
        lane = self._lane(priority)
        lane.waiting.setdefault(priority, OrderedDict()).setdefault(key[0], OrderedDict())[key] = None
        self._waiting[key] = priority

    def drop(self, key: Key) -> None:
        """The object has nothing to be written any more."""
        priority = self._waiting.pop(key, None)
        if priority is not None:
            lane = self._lane(priority)
            del lane.waiting[priority][key[0]][key]
            lane.tidy(priority, key[0])

    def take(self) -> Key | None:
        """The object whose turn it is, which now holds a place until `done`; None when none may begin."""
        for lane in (self._urgent, self._normal):
            key = lane.take()
            if key is not None:
                del self._waiting[key]
                self._busy[key] = lane
                return key
        return None

    def done(self, key: Key) -> None:
        """The object's writes have ended: its place is free."""
        lane = self._busy.pop(key)
        lane.busy[key[0]] -= 1
        if not lane.busy[key[0]]:
            del lane.busy[key[0]]

    def depth(self, priority: Priority) -> int:
        """How many objects wait with this priority."""
        return sum(len(keys) for keys in self._lane(priority).waiting.get(priority, {}).values())

    def _lane(self, priority: Priority) -> _Lane:
        return self._urgent if priority is Priority.ROLLBACK else self._normal
