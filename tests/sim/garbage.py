"""The garbage collector: what belongs only to objects that are gone goes as well, a little later."""

from typing import TYPE_CHECKING

from modelramp.api.errors import Gone
from modelramp.api.kinds import Kind, Ref
from tests.sim.apiserver import Change
from tests.sim.streams import Streams, key_of

if TYPE_CHECKING:
    from tests.sim.world import World

ACTOR = "garbage-collector"


class GarbageCollector:
    """Background deletion by ownerReferences, also of objects that were made for an owner that was gone already."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._streams = Streams(f"{world.seed} garbage", world.random)
        world.api.listeners.append(self._changed)

    def _changed(self, change: Change) -> None:
        if change.type == "DELETED" or (change.type == "ADDED" and change.obj["metadata"].get("ownerReferences")):
            self._world.later(self._streams.of(key_of(change.obj)).uniform(0.2, 3.0), self._collect)

    def _collect(self) -> None:
        for obj in list(self._world.api.all()):
            metadata = obj["metadata"]
            owners = metadata.get("ownerReferences", ())
            if owners and not any(self._world.api.uid_exists(owner["uid"]) for owner in owners):
                kind = Kind("", obj["kind"], obj["kind"])
                try:
                    self._world.api.delete(Ref(kind, metadata["namespace"], metadata["name"]), ACTOR, metadata["uid"])
                except Gone:
                    continue
