"""An edit that makes the same pods, and an operator that names revisions in another way, move nothing."""

import copy

import pytest

from modelramp.api.spec import parse_spec
from modelramp.core import equality
from modelramp.core.revisions import revision_of, short_hash
from tests.sim.scenarios import ROLLOUT_AT, TEST_OPEN, manifest
from tests.sim.words import writes
from tests.sim.world import World

SPEC = ("spec", "template", "spec")


def plain(version, **rollout):
    """As a person writes it."""
    found = manifest(version, replicas=1, **rollout)
    container(found)["resources"] = {"requests": {"cpu": "1000m", "memory": "1024Mi"}}
    return found


def container(found):
    return found["spec"]["template"]["spec"]["containers"][0]


def edited(found):
    """As a formatter writes the same."""
    found = copy.deepcopy(found)
    container(found).update(
        resources={"requests": {"cpu": 1, "memory": "1Gi"}}, envFrom=[], imagePullPolicy="IfNotPresent"
    )
    found["spec"]["template"]["spec"] |= {"tolerations": [], "nodeSelector": {}, "restartPolicy": "Always"}
    return found


def revisions(world):
    return {obj["metadata"]["labels"]["modelramp.io/revision"] for obj in world.api.all("ControllerRevision")}


def roles(status):
    """Who has which part, and where it stands."""
    candidate = status.get("candidate") or {}
    return {
        "stable": (status.get("stable") or {}).get("revision"),
        "previous": (status.get("previous") or {}).get("revision"),
        "candidate": (candidate.get("revision"), candidate.get("step"), candidate.get("stepEntered")),
        "failed": status.get("failedRevision"),
        "paused": status.get("paused", False),
        "phase": status.get("phase"),
        "history": [entry["revision"] for entry in status.get("history", ())],
    }


def test_an_equal_template_keeps_the_revision_that_serves():
    world = World(1).at(0.0, lambda world: world.apply(plain("1.0.0")))
    world.at(200.0, lambda world: world.apply(edited(plain("1.0.0")))).run(minutes=15)
    world.check_promises()

    assert world.serving() == {"1.0.0": 100}
    assert len(revisions(world)) == 1
    assert len(world.status["history"]) == 1
    assert [at for at in writes(world, "Deployment") if at > 200] == []


@pytest.mark.parametrize("restart", [None, 300.0])
def test_an_equal_template_does_not_take_the_candidate_from_its_step(restart):
    world = World(1).at(0.0, lambda world: world.apply(plain("1.0.0")))
    world.at(ROLLOUT_AT, lambda world: world.apply(plain("2.0.0")))
    world.at(240.0, lambda world: world.apply(edited(plain("2.0.0"))))
    if restart is not None:
        world.at(restart, lambda world: world.restart())
    world.run(minutes=15)
    world.check_promises()

    assert [entry["outcome"] for entry in world.status["history"]] == ["Promoted", "Promoted"]
    assert world.serving() == {"2.0.0": 100}
    assert len(revisions(world)) == 2


@pytest.mark.parametrize("restart", [None, 1000.0])
def test_a_failed_revision_gets_no_traffic_back_by_an_equal_template(restart):
    world = World(1, scripts={"2.0.0": {"errors": "b"}}).at(0.0, lambda world: world.apply(plain("1.0.0")))
    world.at(ROLLOUT_AT, lambda world: world.apply(plain("2.0.0")))
    world.at(900.0, lambda world: world.apply(edited(plain("2.0.0"))))
    if restart is not None:
        world.at(restart, lambda world: world.restart())
    world.run(minutes=25)
    world.check_promises()

    assert (world.status["phase"], world.serving()) == ("RolledBack", {"1.0.0": 100})
    assert len(revisions(world)) == 2


def test_going_back_in_other_words_is_going_back():
    world = World(1).at(0.0, lambda world: world.apply(plain("1.0.0")))
    world.at(ROLLOUT_AT, lambda world: world.apply(plain("2.0.0")))
    world.at(240.0, lambda world: world.apply(edited(plain("1.0.0")))).run(minutes=10)
    world.check_promises()

    assert [entry["outcome"] for entry in world.status["history"]] == ["Withdrawn", "Promoted"]
    assert (world.status["phase"], world.serving()) == ("Healthy", {"1.0.0": 100})


RELEASED = "phn86nmzks"
"""What release 0.1.0 calls the plain first version."""
STATES = {
    "healthy": (lambda: World(1), 12.0, None),
    "in flight": (lambda: World(1), 5.0, None),
    "paused": (lambda: World(1), 8.0, "pause"),
    "failed": (lambda: World(1, scripts={"2.0.0": {"errors": "b"}}), 15.0, None),
    "rolled back after promotion": (lambda: World(1, scripts={"2.0.0": {"errors": "h|hhbbb"}}), 25.0, None),
    "aborted": (lambda: World(1), 10.0, "abort"),
}


def other_names(spec):
    """Names as another version of the operator gave them."""
    return short_hash(f"other {revision_of(spec)}")


@pytest.mark.parametrize(("make", "minutes", "request_"), STATES.values(), ids=STATES)
def test_an_operator_that_names_revisions_otherwise_moves_nothing(make, minutes, request_, monkeypatch):
    world = make().at(0.0, lambda world: world.apply(plain("1.0.0")))
    world.at(ROLLOUT_AT, lambda world: world.apply(plain("2.0.0")))
    if request_:
        world.at(240.0, lambda world: world.request(request_))
    told = {}

    def upgrade(world):
        told.update(roles(world.status), at=world.loop.time(), names=revisions(world))
        monkeypatch.setattr(equality, "revision_of", other_names)
        world.restart()

    world.at(minutes * 60, upgrade)
    world.run(minutes=minutes + 2)
    after = roles(world.status)

    assert world.broken == []
    assert revisions(world) == told["names"]
    unmoved = ("stable", "previous", "failed", "paused") if told["phase"] != "Progressing" else ("failed", "paused")
    assert {name: after[name] for name in unmoved} == {name: told[name] for name in unmoved}
    assert len(after["history"]) - len(told["history"]) in ({0, 1} if told["phase"] == "Progressing" else {0})
    if told["phase"] == "Progressing" and after["candidate"][0]:
        assert after["candidate"][0] == told["candidate"][0]


def test_an_ab_test_goes_on_under_an_operator_that_names_revisions_otherwise(monkeypatch):
    world = TEST_OPEN.world(seed=1)
    told = {}

    def upgrade(world):
        told.update(world.status["experiment"], roles=roles(world.status))
        monkeypatch.setattr(equality, "revision_of", other_names)
        world.restart()

    world.at(300.0, upgrade).run(minutes=7)

    assert world.broken == []
    assert world.status["experiment"]["revision"] == told["revision"]
    assert roles(world.status)["candidate"] == told["roles"]["candidate"]


def test_the_names_are_those_of_the_first_release():
    spec = parse_spec(plain("1.0.0")["spec"])

    assert revision_of(spec) == RELEASED
