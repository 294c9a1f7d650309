"""What the operator finds out about children reaches people: in the status or as an Event, once."""

from modelramp.api.errors import ApiServerUnavailable
from modelramp.api.kinds import CONTROLLER_REVISION, Ref
from tests.sim.kubelet import Pods
from tests.sim.scenarios import ROLLOUT_AT, manifest
from tests.sim.words import events, messages
from tests.sim.world import World

BLOCKED = "Deployment ml/digits: no answer within 10 s"


def rollout(pods=None):
    world = World(1, pods=pods or {})
    world.at(0.0, lambda it: it.apply(manifest("1.0.0")))
    return world.at(ROLLOUT_AT, lambda it: it.apply(manifest("2.0.0")), when=lambda it: it.status["phase"] == "Healthy")


def silent(until):
    """The API server does not answer writes of Deployments, as when an admission webhook times out."""
    world = World(1)

    def admit(verb, obj, _):
        if obj["kind"] == "Deployment" and verb in {"apply", "create"} and world.loop.time() < until:
            raise ApiServerUnavailable(BLOCKED)

    world.api.admission.append(admit)
    return world.at(0.0, lambda it: it.apply(manifest("1.0.0")))


def ready(world):
    return next(one for one in world.status["conditions"] if one["type"] == "Ready")


def test_writes_of_children_without_an_answer_are_said_with_their_cause_and_pass():
    world = silent(until=120.0).run(minutes=1.5)

    assert (ready(world)["reason"], ready(world)["status"]) == ("ApiServerUnavailable", "False")
    assert "Reconciling" in {one["type"] for one in world.status["conditions"]}
    assert BLOCKED in world.status["message"]
    assert len(events(world, "ApiServerUnavailable")) == 1


def test_that_they_are_answered_again_is_told():
    world = silent(until=120.0).run(minutes=6)

    assert world.status["phase"] == "Healthy"
    assert len([text for _, text in events(world, "ObstacleGone") if text.startswith("ApiServerUnavailable")]) == 1


def test_one_lost_write_is_no_news():
    world = silent(until=0.5).run(minutes=3)

    assert events(world, "ApiServerUnavailable") == []
    assert not any(BLOCKED in text for _, text in messages(world))


def delete_record_of_stable(world):
    revision = world.status["stable"]["revision"]
    for obj in world.api.all("ControllerRevision"):
        if obj["metadata"]["labels"]["modelramp.io/revision"] == revision:
            world.api.delete(
                Ref(CONTROLLER_REVISION, obj["metadata"]["namespace"], obj["metadata"]["name"]), "somebody"
            )


def test_a_version_that_cannot_be_made_again_is_told_once():
    world = rollout()
    world.at(ROLLOUT_AT + 30, delete_record_of_stable, when=lambda it: "candidate" in it.status).run(minutes=4)

    ((_, text),) = events(world, "RevisionLost")
    assert world.status["stable"]["revision"] in text
    assert "Apply the spec of that version" in text


def test_why_the_route_leaves_out_a_version_is_told_once():
    world = rollout({"2.0.0": Pods(crash_after=60.0)}).run(minutes=5)

    ((_, text),) = events(world, "PodsUnavailable")
    assert text.endswith(f"it is left out of the route, and {world.status['stable']['revision']} gets all traffic")
