"""One ModelDeployment of a simulated world: what became of it, what its versions are given, its promises."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelramp.api.kinds import MODEL_DEPLOYMENT, Ref
from modelramp.api.spec import parse_spec
from modelramp.api.times import to_text
from modelramp.core.revisions import revision_of
from tests.sim.gateway import Traffic
from tests.sim.kubelet import Pods
from tests.sim.ledger import Told
from tests.sim.prometheus import SHARED_ADDRESS, Scripts, Timeline
from tests.sim.promises import Promises
from tests.sim.streams import DIGITS, Key

if TYPE_CHECKING:
    from tests.sim.apiserver import Change
    from tests.sim.gateway import Served
    from tests.sim.world import World

USER = "kubectl"


class Member:
    """A ModelDeployment that the world follows.

    scripts: what Prometheus says of each model version. pods: how each version's pods behave.
    checked: whether its promises are checked; those of a hostile object are nobody's concern.
    """

    def __init__(
        self,
        world: "World",
        key: Key,
        scripts: Scripts | None = None,
        pods: Mapping[str, Pods] | None = None,
        *,
        checked: bool = True,
    ) -> None:
        self.world = world
        self.key = key
        self.namespace, self.name = key
        self.ref = Ref(MODEL_DEPLOYMENT, *key)
        self.scripts = scripts or {}
        self.pods = pods or {}
        self.address = SHARED_ADDRESS
        self.timelines: dict[str, Timeline] = {}
        self.events: list[tuple[float, str, str, bool]] = []
        self.gateway = Traffic(self)
        self.promises = Promises(self) if checked else None

    # people

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """kubectl apply."""
        spec = parse_spec(manifest["spec"])
        self.address = spec.health.prometheus.address or SHARED_ADDRESS
        self.learn(revision_of(spec), spec.model.version)
        self.world.trace(f"kubectl apply{self._who}: {spec.model.version} ({revision_of(spec)})")
        self.world.api.apply(dict(manifest), USER)

    def delete(self, *, orphan: bool = False) -> None:
        """kubectl delete; orphan: as with --cascade=orphan."""
        self.world.trace(f"kubectl delete{self._who}" + (" --cascade=orphan" if orphan else ""))
        owner, api = self.obj["metadata"]["uid"], self.world.api
        if orphan:  # the API server marks the owner before the garbage collector lets go of its dependants
            marked = {**self.obj["metadata"], "deletionTimestamp": to_text(int(self.world.now()))}
            api.update({**self.obj, "metadata": marked}, USER)
        for obj in list(api.all()) if orphan else ():
            metadata = obj["metadata"]
            if any(reference["uid"] == owner for reference in metadata.get("ownerReferences", ())):
                kept = [reference for reference in metadata["ownerReferences"] if reference["uid"] != owner]
                api.update({**obj, "metadata": {**metadata, "ownerReferences": kept}}, "garbage-collector")
        api.delete(self.ref, USER)

    def request(self, verb: str, to: str = "") -> None:
        """A person's command about the candidate; retry: about what failed, rollback: about what is stable.

        to: where a rollback goes; empty for the version before.
        """
        status = self.status
        about = {"retry": status.get("failedRevision"), "rollback": (status.get("stable") or {}).get("revision")}
        revision = about[verb] if verb in about else (status.get("candidate") or {}).get("revision")
        self.world.trace(f"request{self._who}: {verb} {revision}")
        if self.obj and revision:
            command = {"modelramp.io/request": f"{verb}/{revision}/{self.world.api.version}{to and f'/{to}'}"}
            annotations = self.obj["metadata"].get("annotations", {}) | command
            metadata = {**self.obj["metadata"], "annotations": annotations}
            self.world.api.update({**self.obj, "metadata": metadata}, "modelramp-cli")

    def learn(self, revision: str, version: str) -> None:
        """Which model version a revision stands for."""
        self.timelines.setdefault(revision, Timeline(version))

    # what became of it

    @property
    def obj(self) -> dict[str, Any]:
        """The ModelDeployment as it is now; {} when there is none."""
        return self.world.api.find(MODEL_DEPLOYMENT.kind, self.namespace, self.name) or {}

    @property
    def status(self) -> dict[str, Any]:
        """Its status."""
        return self.obj.get("status", {})

    @property
    def route(self) -> dict[str, Any] | None:
        """Its HTTPRoute."""
        return self.world.api.find("HTTPRoute", self.namespace, self.name)

    def serving(self) -> dict[str, int]:
        """The weight of each model version at the gateway now."""
        return {self.timelines[revision].version: weight for revision, weight in self.gateway.weights.items()}

    def told(self) -> Told:
        """What Prometheus has told the writing process about this object."""
        writer = self.world.writer()
        return writer.ledger.of(self.key) if writer else Told({}, self.key)

    def available(self, revision: str, since: float) -> set[tuple[int, int]]:
        """Every number of available pods of a revision that the writing process may have seen since then."""
        writer = self.world.writer()
        return writer.watch.available_since(self.key, revision, since) if writer else {(0, 0)}

    def lost(self, revision: str, since: float) -> bool:
        """Whether pods of a revision were missing since then by no fault of their own."""
        return self.world.kubelet.lost(self.namespace, revision, since)

    # what happens

    def changed(self, change: "Change") -> None:
        """Something was written that may concern this object."""
        self.gateway.changed(change)
        candidate = self.status.get("candidate") or {}
        tested = candidate.get("revision") if candidate.get("step", -1) >= 0 and not candidate.get("weight") else None
        for revision, timeline in self.timelines.items():
            timeline.previewed(self.world.now(), testers=revision == tested)
        if self.promises is not None:
            self.promises.changed(change)

    def served(self, served: "Served") -> None:
        """The gateway changed what it does for this object."""
        weights = {self.gateway.revisions.get(name, name): weight for name, weight in served.weights.items()}
        empty = f", without endpoints: {served.empty}" if served.empty else ""
        self.world.trace(f"gateway serves{self._who} {weights}{empty}")
        for revision, timeline in self.timelines.items():
            timeline.served(self.world.now(), weights.get(revision, 0))
        if self.promises is not None:
            self.promises.served(served)

    def broke(self, promise: str, how: str) -> None:
        """Note a broken promise."""
        self.world.broke(promise, f"{how}{self._who}")

    @property
    def _who(self) -> str:
        return "" if self.key == DIGITS else f" {self.namespace}/{self.name}"
