"""A router and a workload of a few dozen lines each, and the controllers that such things have in a cluster.

`registered` puts both where the operator finds them; nothing else knows of them.
"""

from contextlib import contextmanager
from dataclasses import replace
from itertools import product

from modelramp.adapters.catalogue import CATALOGUE
from modelramp.api.kinds import Kind
from modelramp.api.names import LABEL_REVISION, Reason
from modelramp.core.events import RolloutEvent
from modelramp.core.hostnames import Parent, Path, Scope
from modelramp.desired.names import child_name, revision_in, route_name
from modelramp.desired.ownership import metadata
from modelramp.desired.routers import ROUTERS
from modelramp.desired.routers.protocol import Backend, Features, RouteStatus
from modelramp.desired.workloads import WORKLOADS
from modelramp.desired.workloads.deployment import deployment
from modelramp.desired.workloads.protocol import Running
from tests.sim import apiserver

PIPE = Kind("toys.example/v1", "Pipe", "pipes")
SQUAD = Kind("toys.example/v1", "Squad", "squads")
WRITTEN, HEARD = ("ok",), ("ADDED", "MODIFIED", "DELETED", "LISTED")
"""Results and events that the operator counts for each kind, from 0 on."""


class Pipes:
    """A router: one Pipe lists Services with weights, and its status says which generation is in force."""

    field = "gateway"
    kinds = (PIPE,)
    hosting = kinds
    features = Features(confirms=True)

    def asked(self, routing):
        return True

    def sticky(self, routing):
        return False

    def desired(self, owner, routing, split, current):
        weights = {child_name(owner.name, revision): weight for revision, (weight, _) in split.shares.items()}
        ports = {port for _, port in split.shares.values()}
        spec = {"host": routing.gateway.hostnames[0] if routing else current[0]["spec"]["host"], "port": min(ports)}
        about = {"apiVersion": PIPE.api_version, "kind": PIPE.kind, "metadata": metadata(owner, route_name(owner.name))}
        return ({**about, "spec": {**spec, "weights": weights}},)

    def refers(self, routing, namespace):
        return ()

    def released(self, owner, current):
        return ()

    def observed(self, owner, routing, current, now):
        taken = [obj.get("status", {}).get("inForce") == obj["metadata"]["generation"] for obj in current]
        if taken == [True]:
            return RouteStatus(True, RolloutEvent(Reason.ROUTE_ACCEPTED, ""))
        return RouteStatus(None, RolloutEvent(Reason.ROUTE_PENDING, "the pipe is not open yet"))

    def backends(self, owner, obj):
        for name, weight in obj["spec"]["weights"].items():
            yield Backend(name, weight, obj["spec"]["port"], revision_in(name, owner.name))

    def asks(self, routing, namespace):
        return Scope((Parent("toys", "pipes"),), routing.gateway.hostnames, (Path(),))

    def takes(self, obj, *, refused_too=True):
        return Scope((Parent("toys", "pipes"),), (obj["spec"]["host"],), (Path(),))

    def moves(self, routing, current):
        return False

    def needs(self, routing, namespace):
        return ()

    def lacks(self, routing, namespace, found):
        return None

    def absent(self, kind):
        return "there are no pipes here"


class Squads:
    """A workload: one Squad runs the pods of a revision and counts those that stand ready."""

    kinds = (SQUAD,)

    def runs(self, spec):
        return True

    def desired(self, owner, revision, template, replicas, progress_deadline):
        about = {"apiVersion": SQUAD.api_version, "kind": SQUAD.kind}
        named = metadata(owner, child_name(owner.name, revision), revision)
        pods = deployment(owner, revision, template, replicas, progress_deadline)["spec"]
        return ({**about, "metadata": named, "spec": {"heads": replicas, "pods": pods}},)

    def observed(self, objects):
        return {
            squad["metadata"]["labels"][LABEL_REVISION]: Running(
                squad["spec"]["heads"], squad.get("status", {}).get("standing", 0)
            )
            for squad in objects
        }


@contextmanager
def registered():
    """Let the operator find the toys, and the simulated API server keep their status."""
    status = {PIPE.kind, SQUAD.kind}
    catalogue = dict(CATALOGUE)
    for name, values in (("modelramp_writes_total", WRITTEN), ("modelramp_watch_events_total", HEARD)):
        CATALOGUE[name] = replace(CATALOGUE[name], born=(*CATALOGUE[name].born, *product(status, values)))
    ROUTERS.insert(0, Pipes())
    WORKLOADS.insert(0, Squads())
    apiserver.KINDS_WITH_STATUS |= status
    try:
        yield
    finally:
        del ROUTERS[0], WORKLOADS[0]
        CATALOGUE.update(catalogue)
        apiserver.KINDS_WITH_STATUS -= status


class Controllers:
    """What opens pipes and runs squads in a simulated world: half a second late."""

    def __init__(self, world):
        self.world = world
        world.api.listeners.append(self.changed)

    def changed(self, change):
        name = change.obj["metadata"].get("namespace", ""), change.obj["metadata"]["name"]
        if change.kind == PIPE.kind and change.actor != "pipes":
            self.world.later(0.5, lambda: self.open(*name))
        if change.kind == SQUAD.kind and change.actor != "squads":
            self.world.later(0.1, lambda: self.muster(*name))
        if change.kind == "Deployment" and change.actor != "squads":
            self.world.later(0.1, lambda: self.count(*name))

    def open(self, namespace, name):
        pipe = self.world.api.find(PIPE.kind, namespace, name)
        if pipe is None:
            self.world.usual.gateway.take({})
            return
        self.world.usual.gateway.take(dict(pipe["spec"]["weights"]))
        self.world.api.update_status({**pipe, "status": {"inForce": pipe["metadata"]["generation"]}}, "pipes")

    def muster(self, namespace, name):
        squad = self.world.api.find(SQUAD.kind, namespace, name)
        if squad is not None:
            kept = {key: squad["metadata"][key] for key in ("namespace", "name", "labels")}
            owner = {"kind": SQUAD.kind, "name": name, "uid": squad["metadata"]["uid"], "controller": True}
            about = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {**kept, "ownerReferences": [owner]}}
            self.world.api.apply({**about, "spec": squad["spec"]["pods"]}, "squads")

    def count(self, namespace, name):
        found = self.world.api.find("Deployment", namespace, name)
        squad = self.world.api.find(SQUAD.kind, namespace, name)
        if found is not None and squad is not None:
            standing = found.get("status", {}).get("availableReplicas", 0)
            self.world.api.update_status({**squad, "status": {"standing": standing}}, "squads")
