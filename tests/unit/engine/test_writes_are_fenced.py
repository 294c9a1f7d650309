"""A child is changed and deleted as it was seen: a write that comes after somebody else's has no effect."""

import pytest

from modelramp.api.errors import Conflict, Gone
from modelramp.api.kinds import MODEL_DEPLOYMENT
from modelramp.api.names import LABEL_DEPLOYMENT
from modelramp.core.state import Decision, Observed, State
from modelramp.desired.objects import Deletion
from modelramp.desired.ownership import Owner
from modelramp.engine.limiter import Priority, WriteLimiter
from modelramp.engine.reconciler import Plan, Reconciler
from modelramp.engine.store import Record, Store
from modelramp.engine.writes import Writer
from tests.sim.clock import EPOCH

OWNER = Owner("ml", "digits", "uid-1")
KEY = ("ml", "digits")


class Server:
    """Has one Deployment; each of `moves` changes it before a write arrives."""

    def __init__(self, *moves):
        self.obj = deployment(replicas=3)
        self.moves = list(moves)
        self.seen = []

    async def get(self, ref):
        if self.obj is None:
            raise Gone(str(ref))
        return self.obj

    async def apply(self, obj):
        self._arrives(obj["metadata"].get("uid"), obj["metadata"].get("resourceVersion"))
        self.obj = {**self.obj, "spec": obj["spec"]}
        return self.obj

    async def delete(self, ref, uid, resource_version=None):
        self._arrives(uid, resource_version)
        self.obj = None

    def _arrives(self, uid, version):
        if self.moves:
            self.moves.pop(0)(self)
        if self.obj is None:
            raise Gone("it was deleted")
        found = self.obj["metadata"]
        self.seen.append(version)
        if (uid, version) != (found["uid"], found["resourceVersion"]):
            raise Conflict("the object has been modified")


def deployment(*, replicas, version=7, uid="u"):
    owners = [{"uid": OWNER.uid, "controller": True}]
    metadata = {"name": "digits-a", "namespace": "ml", "uid": uid, "resourceVersion": str(version)}
    labels = {LABEL_DEPLOYMENT: "digits"}
    spec = {"replicas": replicas}
    return {"kind": "Deployment", "metadata": {**metadata, "labels": labels, "ownerReferences": owners}, "spec": spec}


def pods_come(server):
    """The Deployment's controller writes its status."""
    version = int(server.obj["metadata"]["resourceVersion"]) + 1
    metadata = {**server.obj["metadata"], "resourceVersion": str(version)}
    server.obj = {**server.obj, "metadata": metadata, "status": {"readyReplicas": version}}


def restored(server):
    """Another process scales it up again."""
    version = int(server.obj["metadata"]["resourceVersion"]) + 1
    server.obj = deployment(replicas=4, version=version)


def made_again(server):
    server.obj = deployment(replicas=3, version=20, uid="other")


class Clock:
    def now(self):
        return float(EPOCH)


class Deaf:
    def __getattr__(self, _):
        return lambda *_, **__: None


def writer_of(server):
    return Writer(Store(), server, Deaf(), WriteLimiter(Clock(), 50.0, 100.0))


async def scale_down(server):
    known = server.obj
    wanted = {**deployment(replicas=0), "metadata": {"name": "digits-a", "namespace": "ml"}}
    await writer_of(server)._apply(OWNER, wanted, {"digits-a": known}, Priority.REPORT)


async def delete(server):
    known = server.obj
    doomed = Deletion("Deployment", "ml", "digits-a", "u", "7")
    await writer_of(server)._delete(KEY, doomed, {"digits-a": known})


async def test_a_scale_down_carries_the_version_that_it_was_decided_on():
    server = Server()
    await scale_down(server)

    assert (server.obj["spec"], server.seen) == ({"replicas": 0}, ["7"])


@pytest.mark.parametrize("write", [scale_down, delete])
async def test_a_status_that_moves_holds_up_no_write(write):
    server = Server(pods_come, pods_come)
    await write(server)

    assert server.obj is None or server.obj["spec"] == {"replicas": 0}
    assert server.seen == ["7", "8", "9"]


@pytest.mark.parametrize("write", [scale_down, delete])
@pytest.mark.parametrize("change", [restored, made_again])
async def test_what_somebody_changed_meanwhile_is_decided_again(write, change):
    server = Server(change)

    with pytest.raises(Conflict):
        await write(server)

    assert server.obj["spec"]["replicas"] >= 3
    assert server.seen == ["7"]


async def test_a_status_that_moves_all_the_time_is_given_up():
    server = Server(*[pods_come] * 20)

    with pytest.raises(Conflict):
        await scale_down(server)

    assert len(server.seen) < 10


async def test_what_is_gone_already_needs_no_delete():
    server = Server(lambda server: setattr(server, "obj", None))
    await delete(server)

    assert server.seen == []


class AlwaysFirst(Reconciler):
    """Somebody else writes before each of its writes."""

    async def _write(self, plan, record):
        self.telemetry.tries.append(plan)
        raise Conflict("the object has been modified")

    async def _reread(self, key):
        return True

    def prepare(self, key):
        return self.telemetry.tries[0]


async def test_an_object_that_somebody_writes_all_the_time_is_tried_again_later():
    telemetry = Deaf()
    telemetry.tries = []
    obj = {"kind": MODEL_DEPLOYMENT.kind, "metadata": {"namespace": "ml", "name": "digits", "uid": "uid-1"}}
    store, record = Store(), Record(obj, State())
    store.records[KEY] = record
    names = ("cluster", "writer", "hooks", "inspector", "references", "foreign", "notifier", "reporter", "reporting")
    parts = dict.fromkeys(names)
    reconciler = AlwaysFirst(store=store, telemetry=telemetry, clock=Clock(), scrape_delay=0.0, **parts)
    plan = Plan(KEY, obj, Decision(State()), Observed(), None, (), (), Priority.REPORT, EPOCH)

    assert await reconciler.carry_out(plan) is False
    assert record.wake_at == EPOCH + 1
    assert len(telemetry.tries) == 5
