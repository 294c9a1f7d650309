"""While the version that worked is ready, nothing that is refused keeps the bad one on the route."""

import itertools
import json
import random
from functools import cache

import pytest

from modelramp.api.errors import Forbidden, Refused
from modelramp.api.names import FIELD_MANAGER
from tests.sim.clock import EPOCH
from tests.sim.gateway import backends
from tests.sim.hooked import HOOKS
from tests.sim.oracle import seconds
from tests.sim.scenarios import ROLLOUT_AT, manifest
from tests.sim.world import World

BACK_SECONDS = 6.0
"""From the evaluation of the third breach to the write of the route."""
SCRAPE_DELAY = 5.0
RETRY_SECONDS = 5.0
SCRIPTS = {"2.0.0": {"errors": "hbbb"}}
BAD = "2.0.0"


def refuse(world, refused, error=Forbidden, since=0.0, until=1.0e9):
    """From the time on, writes of the operator are refused. refused: of the verb and the object."""

    def admit(verb, obj, actor):
        now = world.loop.time()
        if actor == FIELD_MANAGER and since <= now < until and refused(verb, obj):
            raise error("admission webhook says no: exceeded quota")

    world.api.admission.append(admit)


def breaching(world, count=2):
    """Whether so many consecutive breaches are persisted."""
    return world.status.get("breaches", 0) >= count


def told(seed=7, *, at_second_breach=lambda world: None, replicas=3, health=None, **options):
    """The rollout of a version that breaches, with something else to write before the third breach: more replicas.

    at_second_breach: what happens before that.
    """
    world = World(seed, scripts=SCRIPTS, **options)

    def body(version, number):
        wanted = manifest(version, replicas=number)
        wanted["spec"]["health"] |= health or {}
        return wanted

    world.at(0.0, lambda world: world.apply(body("1.0.0", 2)))
    world.at(ROLLOUT_AT, lambda world: world.apply(body(BAD, 2)), when=lambda world: bool(world.status.get("stable")))
    world.at(ROLLOUT_AT, at_second_breach, when=breaching)
    world.at(ROLLOUT_AT, lambda world: world.apply(body(BAD, replicas)))
    return world


def routes(world):
    """Every state of the route: (seconds since the beginning, weight of the bad version)."""
    found = []
    for change in world.api.log:
        if change.kind == "HTTPRoute" and change.obj["metadata"]["name"] == "digits":
            known = {name: world.usual.timelines[of].version for name, of in world.gateway.revisions.items()}
            weights = {known.get(name, name): weight for name, weight in backends(change.obj).items()}
            found.append((change.at - EPOCH, weights.get(BAD, 0)))
    return found


@cache
def third_breach():
    """When the third breach is evaluated in an undisturbed world, seconds since the beginning."""
    world = told(replicas=2).run(minutes=12)
    status = next(
        change.obj["status"]
        for change in world.api.log
        if change.kind == "ModelDeployment" and change.obj.get("status", {}).get("failedRevision")
    )
    return seconds(status["lastTick"]) - EPOCH + SCRAPE_DELAY


def back(world):
    """When the bad version was off the route for good, seconds after the evaluation of the third breach."""
    world.check_promises()
    last = max(at for at, weight in routes(world) if weight)
    off = min((at for at, weight in routes(world) if at > last and not weight), default=1.0e9)
    return off - third_breach()


KINDS = ("ControllerRevision", "Deployment", "Service", "Job")
VERBS = ("create", "apply", "delete")
SINGLE = list(itertools.product(KINDS, VERBS, (Forbidden, Refused)))


@pytest.mark.parametrize(("kind", "verb", "error"), SINGLE, ids=lambda part: getattr(part, "__name__", part))
def test_no_refusal_of_another_child_keeps_the_bad_version_on_the_route(kind, verb, error):
    world = told(health=HOOKS)
    refuse(world, lambda v, obj: (v, obj["kind"]) == (verb, kind), error, since=ROLLOUT_AT + 60)

    assert back(world.run(minutes=10)) < BACK_SECONDS


@pytest.mark.parametrize("seed", range(6))
def test_no_set_of_refusals_does(seed):
    chance = random.Random(seed)  # noqa: S311 - a simulation, not a secret
    pairs = {(verb, kind) for kind, verb, _ in chance.sample(SINGLE, chance.randint(2, len(SINGLE) - 1))}
    world = told(seed, health=HOOKS, apart=True)
    refuse(world, lambda verb, obj: (verb, obj["kind"]) in pairs, since=ROLLOUT_AT + 60)

    assert back(world.run(minutes=10)) < BACK_SECONDS


@pytest.mark.parametrize("kind", ["ControllerRevision", "Deployment", "Service"])
def test_what_is_refused_keeps_no_other_child_from_being_made(kind):
    world = World(7).at(0.0, lambda world: world.apply(manifest("1.0.0")))
    refuse(world, lambda verb, obj: obj["kind"] == kind, since=ROLLOUT_AT - 1)
    world.at(ROLLOUT_AT, lambda world: world.apply(manifest("2.0.0"))).run(minutes=3)
    made = {each: len(list(world.api.all(each, "ml"))) for each in ("ControllerRevision", "Deployment", "Service")}

    assert made == {each: 1 if each == kind else 2 for each in made}


def foreign(world, kind, version):
    """Somebody deletes a child and puts an object of their own in its place."""
    revision = next(name for name, line in world.usual.timelines.items() if line.version == version)
    found = world.api.find(kind, "ml", f"digits-{revision}")
    world.api.delete(world.ref(found), "kubectl")
    kept = {part: value for part, value in found.items() if part not in {"metadata", "status"}}
    world.api.create({**kept, "metadata": {"namespace": "ml", "name": found["metadata"]["name"]}}, "kubectl")


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("ControllerRevision", "1.0.0"),
        ("ControllerRevision", BAD),
        ("Deployment", BAD),
        ("Service", BAD),
    ],
)
def test_no_foreign_object_of_a_childs_name_does(kind, version):
    world = told(at_second_breach=lambda world: foreign(world, kind, version))

    assert back(world.run(minutes=10)) < BACK_SECONDS


def copies(world):
    """The route and the Deployments are copied, labels and all: one copy is named first, one last."""
    for kind in ("HTTPRoute", "Deployment"):
        for obj in list(world.api.all(kind, "ml")):
            kept = {part: value for part, value in obj.items() if part != "status"}
            if kind == "Deployment":
                kept = {**kept, "spec": {**kept["spec"], "replicas": 0}}
            for name in ("a-copy", "z-copy"):
                metadata = {"namespace": "ml", "name": f"{name}-{obj['metadata']['name']}"}
                labels = obj["metadata"]["labels"]
                world.api.create({**kept, "metadata": {**metadata, "labels": labels}}, "kubectl")


@pytest.mark.parametrize("then", [lambda world: None, lambda world: world.restart()], ids=["", "and a restart"])
def test_no_copy_of_a_child_does(then):
    def happens(world):
        copies(world)
        then(world)

    assert back(told(at_second_breach=happens).run(minutes=10)) < BACK_SECONDS


def test_copies_roll_nothing_back_that_is_healthy():
    world = World(7).at(0.0, lambda world: world.apply(manifest("1.0.0")))
    world.at(ROLLOUT_AT, lambda world: world.apply(manifest("2.0.0")), when=lambda w: bool(w.status.get("stable")))
    world.at(ROLLOUT_AT + 60, copies, when=lambda world: 10 in world.serving().values())
    world.at(ROLLOUT_AT + 60, lambda world: world.restart()).run(minutes=14)
    world.check_promises()

    assert world.serving() == {"2.0.0": 100}


SIZES = [0, 1500, 2500]
"""Bytes from which on a status is refused."""


@pytest.mark.parametrize("error", [Refused, Forbidden], ids=lambda error: error.__name__)
@pytest.mark.parametrize("size", SIZES)
def test_no_refusal_of_the_status_does(size, error):
    large = lambda verb, obj: verb == "update_status" and len(json.dumps(obj.get("status"))) > size  # noqa: E731
    world = told(replicas=2)
    refuse(world, large, error, since=third_breach() - 2, until=third_breach() + 200)
    world.run(minutes=14)

    assert back(world) < BACK_SECONDS
    assert world.status["phase"] == "RolledBack", "it is said as soon as it may be"
    assert world.serving() == {"1.0.0": 100}


def test_a_status_that_is_refused_for_its_size_is_written_in_its_smallest_form():
    world = told(replicas=2)
    since, said = third_breach() - 2, []

    def admit(verb, obj, actor):
        if actor == FIELD_MANAGER and verb == "update_status" and world.loop.time() > since:
            if len(json.dumps(obj["status"])) > 2500:
                raise Refused("Request entity too large: limit is 2500")
            said.append((world.loop.time() - third_breach(), obj["status"]))

    world.api.admission.append(admit)
    world.run(minutes=10)
    world.check_promises()

    assert [at for at, status in said if status.get("failedRevision") and at < BACK_SECONDS]


@pytest.mark.parametrize("after", [100.0, 102.0, 104.0])
def test_a_refused_route_is_said_at_once_tried_every_five_seconds_and_back_as_soon_as_it_may(after):
    allowed = third_breach() + after
    world, tries = told(replicas=2), []

    def admit(verb, obj, actor):
        if obj["kind"] == "HTTPRoute" and actor == FIELD_MANAGER and third_breach() - 2 <= world.loop.time() < allowed:
            tries.append(world.loop.time())
            raise Forbidden("admission webhook says no")

    world.api.admission.append(admit)
    world.run(minutes=9)
    pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
    warned = [at - EPOCH for at, _, message, warning in world.events if warning and "admission webhook" in message]

    assert back(world) < after + BACK_SECONDS + 0.1
    assert max(pauses) < BACK_SECONDS + 0.1
    assert len(tries) < after / 4, "it is tried, not hammered"
    assert warned
    assert min(warned) < third_breach() + BACK_SECONDS


SLOW = dict.fromkeys(("Deployment", "Service", "ControllerRevision"), 9.0)


@pytest.mark.parametrize("before", [0.5, 4.0, 20.0])
def test_a_rollback_waits_for_no_child_that_is_not_being_written_already(before):
    """Each write of another child takes nine seconds; two changes of them come shortly before the third breach."""
    world = told(replicas=2)
    world.later(third_breach() - 25, lambda: world.slow_writes.update(SLOW))
    world.later(third_breach() - before, lambda: world.apply(manifest(BAD, replicas=4)))
    world.later(third_breach() - before / 2, lambda: world.apply(manifest(BAD, replicas=5)))

    assert back(world.run(minutes=9)) < BACK_SECONDS + 9.0


@pytest.mark.parametrize("burst", [1.0, 3.0])
def test_the_write_limiter_delays_no_rollback(burst):
    world = told(replicas=2, options={"writes_per_second": 0.05, "write_burst": burst})
    world.run(minutes=14)

    assert BAD not in {version for version, weight in world.serving().items() if weight}
    if max(weight for _, weight in routes(world)):
        assert back_after_its_tick(world) < BACK_SECONDS


def back_after_its_tick(world):
    """As `back`, where the third breach came at another tick: counted from that."""
    status = next(
        change.obj["status"]
        for change in world.api.log
        if change.kind == "ModelDeployment" and change.obj.get("status", {}).get("failedRevision")
    )
    return back(world) + third_breach() - (seconds(status["lastTick"]) - EPOCH + SCRAPE_DELAY)
