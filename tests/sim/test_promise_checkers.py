"""Each checker of a promise can fail: a wrong operator, played by hand, is caught by the one that is meant for it."""

import pytest

from modelramp.api.kinds import SERVICE, Ref
from modelramp.api.names import FIELD_MANAGER, LABEL_DEPLOYMENT, LABEL_REVISION
from modelramp.desired.workloads.deployment import DEPLOYMENT
from tests.sim.counting import Counts, Minute
from tests.sim.scenarios import manifest
from tests.sim.world import World


def status(*, stable="good", candidate=None, step=-1, weight=0, entered="2025-11-20T12:00:00Z", **rest):
    found = {"phase": "Progressing", "stable": {"revision": stable, "since": "2025-11-20T12:00:00Z"}, **rest}
    if candidate:
        found["candidate"] = {"revision": candidate, "step": step, "weight": weight, "stepEntered": entered}
    return found


def child(kind, revision, spec):
    labels = {LABEL_DEPLOYMENT: "digits", LABEL_REVISION: revision}
    return {"kind": kind, "metadata": {"namespace": "ml", "name": f"digits-{revision}", "labels": labels}, "spec": spec}


class Villain:
    """Writes what it likes, as the operator's field manager. Version `good` serves, `new` is at its first step."""

    def __init__(self, world):
        self.world = world
        world.apply(manifest("1.0.0"))
        for revision in ("good", "new"):
            template = {"metadata": {"labels": {LABEL_REVISION: revision}}, "spec": {"containers": [{"image": "m:1"}]}}
            selector = {LABEL_REVISION: revision}
            self.write(child("Service", revision, {"selector": selector, "ports": [{"port": 80}]}))
            self.write(
                child(
                    "Deployment", revision, {"replicas": 2, "selector": {"matchLabels": selector}, "template": template}
                )
            )
            world.usual.learn(revision, revision)

    def begin(self):
        """The honest part, once the pods are there."""
        self.status(status())
        self.route(good=100)
        self.status(status(candidate="new"))
        self.status(status(candidate="new", step=0, weight=10))
        self.route(good=90, new=10)

    def write(self, obj):
        self.world.api.apply(obj, FIELD_MANAGER)

    def status(self, wanted):
        self.world.api.update_status({**self.world.digits, "status": wanted}, FIELD_MANAGER)

    def route(self, **weights):
        backends = [{"name": f"digits-{name}", "port": 80, "weight": weight} for name, weight in weights.items()]
        spec = {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": backends}]}
        self.write({"kind": "HTTPRoute", "metadata": {"namespace": "ml", "name": "digits"}, "spec": spec})

    def scale(self, revision, replicas):
        found = self.world.api.find("Deployment", "ml", f"digits-{revision}")
        self.write(child("Deployment", revision, {**found["spec"], "replicas": replicas}))

    def delete(self, kind, name):
        self.world.api.delete(Ref(kind, "ml", name), FIELD_MANAGER)


def later(**rest):
    return status(candidate="new", entered="2025-11-20T12:02:00Z", **rest)


CRIMES = {
    "nothing": ("", lambda _: None),
    "skips a step in the status": ("step went from 0 to 2", lambda it: it.status(later(step=2, weight=100))),
    "invents a weight": ("does not belong to step", lambda it: it.status(status(candidate="new", step=0, weight=20))),
    "ends a step early": (
        "ended after 60 s",
        lambda it: it.status(status(candidate="new", step=1, weight=50, entered="2025-11-20T12:01:00Z")),
    ),
    "promotes from the first step": ("was promoted from step 0", lambda it: it.status(status(stable="new"))),
    "makes a stranger stable": ("without a rollout", lambda it: it.status(status(stable="else"))),
    "gives more than the status says": ("the persisted status says", lambda it: it.route(good=50, new=50)),
    "loses a part of the traffic": ("do not add up", lambda it: it.route(good=90)),
    "rolls back without breaches": (
        "rolled back without 3",
        lambda it: it.status(
            status(
                failedRevision="new",
                history=[{"revision": "new", "outcome": "RolledBack", "reason": "ThresholdReached"}],
            )
        ),
    ),
    "sets lastTick back": (
        "lastTick went back",
        lambda it: [
            it.status(status(candidate="new", step=0, weight=10, lastTick=f"2025-11-20T12:0{minute}:00Z"))
            for minute in (1, 0)
        ],
    ),
    "tries again what failed": (
        "is a candidate again",
        lambda it: [it.status(status(failedRevision="new")), it.status(status(failedRevision="new", candidate="new"))],
    ),
    "gives traffic to what failed": (
        "failed and gets 10 % again",
        lambda it: [it.status(status(failedRevision="new")), it.route(good=100), it.route(good=90, new=10)],
    ),
    "scales stable down": ("stable good was scaled from 2 to 1", lambda it: it.scale("good", 1)),
    "deletes what has traffic": (
        "while the gateway gave it traffic",
        lambda it: it.delete(DEPLOYMENT, "digits-new"),
    ),
    "deletes a Service in use": ("was deleted while the gateway used it", lambda it: it.delete(SERVICE, "digits-new")),
    "names an empty Service": (
        "which has no ready endpoint",
        lambda it: [
            it.write(child("Service", "none", {"selector": {LABEL_REVISION: "none"}, "ports": [{"port": 80}]})),
            it.route(good=90, none=10),
        ],
    ),
    "leaves a finalizer": (
        "has finalizers",
        lambda it: it.world.api.update(
            {**it.world.digits, "metadata": {**it.world.digits["metadata"], "finalizers": ["x"]}}, FIELD_MANAGER
        ),
    ),
}


@pytest.mark.parametrize(("finding", "crime"), CRIMES.values(), ids=CRIMES)
def test_a_wrong_operator_is_caught(finding, crime):
    world = World(3, operators=0)
    world.at(0, lambda world: setattr(world, "villain", Villain(world)))
    world.at(30, lambda world: world.villain.begin())
    world.at(40, lambda world: crime(world.villain))
    world.run(1)

    assert bool(world.broken) is bool(finding), world.story()
    assert any(finding in broken for broken in world.broken) or not finding, world.broken


HISTORIES = {"": 0, "bb": 2, "bbh": 0, "b?b": 2, "hb?b?b": 3, "??": 0, "bbbh?b": 1}
THREE = {"failureThreshold": 3}


def counted(health, *minutes, declared=None):
    """The counts after minutes of (check, letter) pairs."""
    found = Counts()
    for letters in minutes:
        found = found.after(health, declared or [check for check, _ in letters], Minute(letters, short=False))
    return found


@pytest.mark.parametrize(("minutes", "count"), HISTORIES.items())
def test_the_oracle_counts_breaches_in_a_row(minutes, count):
    found = counted(THREE, *([({"name": "errors"}, letter)] for letter in minutes))

    assert (found.every, found.common, found.tripped) == (count, count, count == 3)


SLOW, FAST = {"name": "labels", "failureThreshold": 2}, {"name": "errors"}
WEIGHTS = [{"name": "one", "weight": 3}, {"name": "two"}]


def test_the_oracle_keeps_the_count_of_a_check_that_is_not_asked():
    ticks = [[(FAST, "h"), (SLOW, "b")], [(FAST, "h")], [(FAST, "b")], [(FAST, "?"), (SLOW, "b")]]
    found = [counted(THREE, *ticks[:length], declared=[FAST, SLOW]) for length in range(1, 5)]

    assert [dict(one.own)["labels"] for one in found] == [1, 1, 1, 2]
    assert [one.common for one in found] == [0, 0, 1, 1]
    assert [one.every for one in found] == [1, 1, 2, 3]
    assert [one.tripped for one in found] == [False, False, False, True]


@pytest.mark.parametrize(
    ("letters", "critical", "letter"),
    [("hb", (), "h"), ("bh", (), "b"), ("hb", ("two",), "b"), ("?b", (), "b"), ("h?", (), "?")],
)
def test_the_oracle_knows_scores(letters, critical, letter):
    checks = [{**check, "critical": check["name"] in critical} for check in WEIGHTS]
    found = counted({**THREE, "minScore": 75}, list(zip(checks, letters, strict=True)))

    assert found.last == letter
