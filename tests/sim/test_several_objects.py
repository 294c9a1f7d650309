"""Several ModelDeployments in several namespaces: each goes its own way, as if it were alone."""

import pytest

from modelramp.analysis.checks import ask, judge
from modelramp.core.decide import decide
from modelramp.core.status.read import state_of
from modelramp.core.status.write import status_of
from modelramp.desired.objects import desired, prune
from modelramp.engine.observe import observe
from tests.sim.neighbours import MINUTES, Honest, differences, honest, outcome, settle_in
from tests.sim.sabotage import everywhere
from tests.sim.scenarios import manifest
from tests.sim.streams import DIGITS
from tests.sim.world import World

SEED = 3
ROLLOUTS = honest(SEED, 6)
APART = {"apart": True, "version": 94}


def lived(rollouts, **options):
    world = World(SEED, **options)
    settle_in(world, rollouts)
    world.run(MINUTES).check_promises()
    return world


@pytest.fixture(scope="module")
def together():
    return lived(ROLLOUTS, **APART)


@pytest.mark.parametrize("rollout", ROLLOUTS, ids=lambda rollout: "/".join(rollout.key))
def test_each_ends_as_its_own_script_says(together, rollout):
    assert outcome(together.members[rollout.key]) == ({rollout.story.serves: 100}, rollout.story.phase)


def test_what_is_decided_of_one_depends_on_no_other(together):
    for rollout in ROLLOUTS:
        alone = lived([rollout], **APART)
        assert differences(alone.members[rollout.key], together.members[rollout.key], late=2.0) == []


def test_objects_of_one_name_in_two_namespaces_are_two():
    same = [ROLLOUTS[0], ROLLOUTS[1]]
    same = [type(one)((namespace, "digits"), one.story, one.at) for one, namespace in zip(same, "ab", strict=True)]
    world = lived(same)

    assert [outcome(world.members[one.key]) for one in same] == [
        ({"2.0.0": 100}, "Healthy"),
        ({"1.0.0": 100}, "RolledBack"),
    ]
    assert not world.members[DIGITS].obj


def test_the_operators_own_metrics_name_each_object_and_what_became_of_it():
    world, wrong = World(SEED), []
    settle_in(world, ROLLOUTS)

    def look():
        shown = gauges(world, "modelramp_weight_percent")
        wanted = {
            (*member.key, revision, weight)
            for member in world.members.values()
            if member.status.get("candidate")
            for revision, weight in weights(member.status).items()
        }
        if not wanted <= shown:
            wrong.append((world.loop.time(), wanted - shown))
        breaches = {(namespace, name): count for namespace, name, count in gauges(world, "modelramp_breaches")}
        counted = {m.key: m.status.get("breaches", 0) for m in world.members.values() if m.status.get("candidate")}
        if not counted.items() <= breaches.items():
            wrong.append((world.loop.time(), counted, breaches))

    for minute in range(2, int(MINUTES)):
        world.later(minute * 60 + 40.0, look)
    world.run(MINUTES)
    history = [entry for member in world.members.values() for entry in member.status.get("history", ())]
    outcomes = [entry["outcome"] for entry in history]

    assert wrong == []
    assert gauges(world, "modelramp_weight_percent") == set(), "what has ended is shown no more"
    assert counter(world, "modelramp_promotions_total") == outcomes.count("Promoted") > 6
    assert counter(world, "modelramp_rollbacks_total") == outcomes.count("RolledBack") == 4
    assert counter(world, "modelramp_rollbacks_total", reason="ThresholdReached") == 4
    assert counter(world, "modelramp_rollout_seconds_count") == len(outcomes)
    assert counter(world, "modelramp_ticks_total", verdict="breach") > 10


def test_the_metrics_of_an_object_go_with_it():
    world = World(SEED)
    settle_in(world, ROLLOUTS)
    seen = []
    world.at(240.0, lambda world: seen.extend(gauges(world, "modelramp_weight_percent")))
    world.at(240.0, lambda world: [member.delete() for member in world.members.values() if member.obj]).run(6)

    assert seen
    assert gauges(world, "modelramp_weight_percent") == set()
    assert gauges(world, "modelramp_breaches") == set()


def weights(status):
    """The weight of each version of a rollout, as the status has it."""
    candidate, stable = status["candidate"], status.get("stable") or {}
    found = {candidate["revision"]: candidate["weight"], stable.get("revision"): 100 - candidate["weight"]}
    return {revision: weight for revision, weight in found.items() if revision and weight}


def gauges(world, metric):
    """The series of a gauge: namespace, name, whatever else it names, and the value."""
    return {
        (labels.pop("namespace"), labels.pop("name"), *labels.values(), value)
        for (name, pairs), value in world.processes[-1].telemetry.gauges.items()
        if name == metric and (labels := dict(pairs))
    }


def counter(world, metric, **wanted):
    """The sum of a counter over all series with these labels."""
    counters = world.processes[-1].telemetry.counters
    return sum(
        value for (name, labels), value in counters.items() if name == metric and wanted.items() <= dict(labels).items()
    )


def claiming(key, hostname="shop.example.com", path="/"):
    body = manifest("1.0.0", key=key)
    body["spec"]["routing"]["gateway"] |= {
        "parentRefs": [{"name": "public", "namespace": "ml"}],
        "hostnames": [hostname],
        "path": path,
    }
    return body


def test_of_two_that_want_one_hostname_the_later_gets_no_route_until_it_is_free():
    world = World(SEED, apart=True)
    elder, younger = world.add(("search", "elder")), world.add(("fraud", "younger"))
    world.at(0.0, lambda world: world.apply(claiming(elder.key)))
    world.at(60.0, lambda world: world.apply(claiming(younger.key)), when=lambda world: bool(elder.route))
    world.at(300.0, lambda world: seen.append((younger.route, told(younger))))
    world.at(310.0, lambda world: elder.apply({**claiming(elder.key), "spec": again(elder)}))
    world.at(340.0, lambda world: seen.append((younger.route, told(younger))))
    seen = []
    world.at(360.0, lambda world: elder.delete()).run(minutes=9)
    world.check_promises()

    assert seen == [(None, "HostnameTaken")] * 2
    assert younger.serving() == {"1.0.0": 100}


def again(member):
    """Its spec, with another number of replicas: its objects are written once more."""
    return {**member.obj["spec"], "replicas": 3}


def told(member):
    return {one["type"]: one["reason"] for one in member.status.get("conditions", ())}.get("Ready")


FAULTY = Honest(("evil", "faulty"), ROLLOUTS[1].story, 90.0)
PLACES = (decide, judge, ask, desired, status_of, observe, state_of, prune)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_an_object_on_which_the_operator_fails_stops_no_other(together, monkeypatch, place):
    def fails(*arguments, **named):
        if any("faulty" in repr(argument) for argument in (*arguments, *named.values())):
            raise ZeroDivisionError("as nobody foresaw")
        return place(*arguments, **named)

    everywhere(monkeypatch, place, fails)
    world = World(SEED, **APART)
    settle_in(world, ROLLOUTS)
    member = world.add(FAULTY.key, checked=False)
    for at, version in ((0.0, "1.0.0-faulty"), (90.0, "2.0.0-faulty")):
        body = manifest(version, key=FAULTY.key)
        body["spec"]["health"]["checks"][1]["name"] = "faulty"
        world.later(at, lambda body=body: member.apply(body))
    world.run(MINUTES).check_promises()

    for rollout in ROLLOUTS:
        assert differences(together.members[rollout.key], world.members[rollout.key], late=2.0) == []
