"""Children that somebody edits, and children that the API server changes: what is written, and what people are told."""

import pytest

from tests.sim.apiserver import copied
from tests.sim.kubelet import Pods
from tests.sim.scenarios import ROLLOUT_AT, manifest
from tests.sim.words import events, writes
from tests.sim.world import World


def serving(seed=1, **options):
    return World(seed, **options).at(0.0, lambda world: world.apply(manifest("1.0.0", replicas=1)))


def child(world, kind):
    return copied(next(iter(world.api.all(kind, "ml"))))


def edit_image(world):
    found = child(world, "Deployment")
    found["spec"]["template"]["spec"]["containers"][0]["image"] = "digits:wrong"
    world.meddle(lambda world: world.api.update(found, "kubectl-edit"))


def edit_replicas(world):
    found = child(world, "Deployment")
    found["spec"]["replicas"] = 7
    world.meddle(lambda world: world.api.update(found, "kubectl-scale"))


def edit_route(world):
    found = child(world, "HTTPRoute")
    found["spec"]["rules"][0]["timeouts"] = {"request": "300s"}
    world.meddle(lambda world: world.api.update(found, "kubectl-patch"))


def delete(kind):
    def of(world):
        found = child(world, kind)
        world.meddle(lambda world: world.api.delete(world.ref(found), "kubectl", found["metadata"]["uid"]))

    return of


EDITS = {
    "image": (edit_image, "changed by another client; spec.template.spec.containers[model].image is put back"),
    "replicas": (edit_replicas, "changed by another client; spec.replicas is put back"),
    "route": (edit_route, "changed by another client; spec.rules[0] is put back"),
    "Deployment": (delete("Deployment"), "was deleted by another client; it is created again"),
    "Service": (delete("Service"), "was deleted by another client; it is created again"),
    "HTTPRoute": (delete("HTTPRoute"), "was deleted by another client; it is created again"),
}


@pytest.mark.parametrize("restart", [None, 150.0])
@pytest.mark.parametrize(("edit", "words"), EDITS.values(), ids=EDITS)
def test_what_somebody_edits_is_put_back_and_told_once(edit, words, restart):
    world = serving()
    if restart is not None:
        world.at(restart, lambda world: world.restart())
    world.at(200.0, edit).run(minutes=8)
    world.check_promises()

    ((at, told),) = events(world, "DriftCorrected")
    assert words in told
    assert 200 <= at < 210
    assert world.serving() == {"1.0.0": 100}


def test_a_rollout_and_a_scaling_are_no_drift():
    world = serving()
    world.at(ROLLOUT_AT, lambda world: world.apply(manifest("2.0.0", replicas=1)))
    world.at(900.0, lambda world: world.apply(manifest("2.0.0", replicas=3)))
    world.at(1000.0, lambda world: world.restart()).run(minutes=20)
    world.check_promises()

    assert events(world, "DriftCorrected") == []
    assert events(world, "ChildRewritten") == []


def test_somebody_who_edits_all_the_time_is_told_of_now_and_then():
    world = serving()
    for number in range(60):
        world.at(200.0 + 10 * number, edit_replicas)
    world.run(minutes=14)

    assert child(world, "Deployment")["spec"]["replicas"] == 1
    assert len(events(world, "DriftCorrected")) <= 2


class Admission:
    """A mutating admission, as GKE Autopilot is one: every Deployment gets other resources."""

    def __init__(self, world, *, restless=False):
        self.restless, self.number = restless, 0
        world.api.mutation.append(self)

    def __call__(self, obj):
        if obj["kind"] == "Deployment":
            self.number += self.restless
            (container,) = obj["spec"]["template"]["spec"]["containers"]
            container["resources"] = {"requests": {"cpu": f"{50 + self.number}m"}, "limits": {"cpu": "1"}}


def asking():
    found = manifest("1.0.0", replicas=1)
    found["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "10m"}}
    return found


def applies(world):
    return [float(line.split()[0]) for line in world.history if "apply Deployment ml/digits" in line]


@pytest.mark.parametrize("restart", [None, 300.0])
def test_an_apply_that_admission_changes_is_not_repeated_and_said_once(restart):
    world = World(1)
    admission = Admission(world)
    world.at(0.0, lambda world: world.apply(asking()))
    if restart is not None:
        world.at(restart, lambda world: world.restart())
    world.run(minutes=20)
    world.check_promises()

    assert world.serving() == {"1.0.0": 100}
    assert len(applies(world)) <= (2 if restart is None else 3)
    ((_, told),) = events(world, "ChildRewritten")
    assert "changes spec.template.spec.containers[model].resources.requests.cpu" in told
    assert told in world.status["message"]
    assert admission.number == 0


def test_what_admission_changes_is_still_put_back_when_somebody_edits_it():
    world = World(1)
    Admission(world)
    world.at(0.0, lambda world: world.apply(asking()))
    world.at(200.0, edit_image).run(minutes=6)
    world.check_promises()

    assert child(world, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"] == "digits:1.0.0"
    assert len(applies(world)) <= 4


def test_an_admission_that_never_says_the_same_twice_is_not_fought():
    world = World(1)
    Admission(world, restless=True)
    world.at(0.0, lambda world: world.apply(asking())).run(minutes=30)

    assert world.serving() == {"1.0.0": 100}
    assert len(applies(world)) < 20
    assert len(events(world, "ChildRewritten")) <= 1
    assert events(world, "DriftCorrected") == []


def test_a_rollout_goes_through_beside_an_admission_that_rewrites():
    world = World(1, pods={"2.0.0": Pods(start=(2.0, 12.0))})
    Admission(world)
    world.at(0.0, lambda world: world.apply(asking()))
    second = asking()
    second["spec"]["model"]["version"] = "2.0.0"
    second["spec"]["template"]["spec"]["containers"][0]["image"] = "digits:2.0.0"
    world.at(ROLLOUT_AT, lambda world: world.apply(second)).run(minutes=20)
    world.check_promises()

    assert world.serving() == {"2.0.0": 100}
    assert len(writes(world, "Deployment")) < 12
