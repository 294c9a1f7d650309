"""Teams behind one Gateway: whatever a hostile one asks for, the others keep their hosts and roll back in time."""

import random

import pytest

from modelramp.api.kinds import Ref
from modelramp.desired.routers.gateway_api import HTTP_ROUTE
from tests.sim.member import Member
from tests.sim.neighbours import MINUTES, Honest, decisions, honest, outcome, routed
from tests.sim.scenarios import manifest
from tests.sim.world import USER, World

SEED = 5
ROLLOUTS = honest(SEED, 4)
SHARED = {"name": "public", "namespace": "infra"}
HOSTS = [f"{each.key[1]}.example.com" for each in ROLLOUTS]
LONG = "a-very-long-hostname.of-its-own.example.org"


def behind(version, key, hosts, path="/", **parent):
    made = manifest(version, key=key)
    made["spec"]["routing"]["gateway"] = {"parentRefs": [SHARED | parent], "hostnames": hosts, "path": path}
    return made


def asked_for(chance):
    """Something that a hostile team may write into its spec to get at the traffic of others."""
    host = chance.choice(HOSTS)
    return chance.choice(
        (
            {"hosts": [host]},
            {"hosts": HOSTS},
            {"hosts": [host, "evil.example.org"]},
            {"hosts": [host], "sectionName": "web"},
            {"hosts": [host], "port": 80},
            {"hosts": ["*.example.com", LONG]},
            {"hosts": [host], "path": "/v1"},
            {"hosts": []},
        )
    )


def lived(rollouts: tuple[Honest, ...], thieves: int = 0, crash: float | None = None) -> World:
    """A world with these rollouts, and thieves whose objects are older and ask for something else every half minute."""
    world = World(SEED, apart=True)
    world.api.create({"kind": "Gateway", "metadata": {"namespace": "infra", "name": "public"}, "spec": {}}, USER)
    chance = random.Random(f"thieves {SEED}")  # noqa: S311 - a simulation, not a secret
    for number in range(thieves):
        key = ("evil", f"thief-{number}")
        member = world.add(key, checked=False)
        world.later(0.0, lambda m=member: m.apply(behind("1.0.0", m.key, [f"{m.name}.evil.example.org"])))
        for at in range(60, int(MINUTES * 60), 30):
            wish = asked_for(chance)
            world.later(at + number, lambda m=member, w=wish: m.apply(behind("1.0.0", m.key, **w)))
    for each in rollouts:
        member = world.add(each.key, each.story.scripts, each.story.pods)
        host = f"{each.key[1]}.example.com"
        world.later(10.0, lambda m=member, h=host: m.apply(behind("1.0.0", m.key, [h])))
        world.later(each.at, lambda m=member, h=host: m.apply(behind("2.0.0", m.key, [h])))
    if crash is not None:
        world.restart_after = 20.0
        world.at(crash, lambda w: w.processes[-1].crash())
    world.run(MINUTES).check_promises()
    return world


@pytest.fixture(scope="module")
def beside_thieves():
    return lived(ROLLOUTS, thieves=3)


@pytest.mark.parametrize("rollout", ROLLOUTS, ids=lambda rollout: "/".join(rollout.key))
def test_a_rollout_goes_as_it_would_without_the_thieves(beside_thieves, rollout):
    alone, beside = lived((rollout,)).members[rollout.key], beside_thieves.members[rollout.key]
    assert outcome(beside) == ({rollout.story.serves: 100}, rollout.story.phase)
    before, after = routed(alone), routed(beside)
    assert [each.what for each in after] == [each.what for each in before]
    assert all(late.at <= on_time.at + 2.0 for late, on_time in zip(after, before, strict=True))
    # Who shares the host is said in the status, which so shows ticks in between; those that both show are the same.
    shown = iter(each.what for each in decisions(beside))
    assert all(each.what in shown for each in decisions(alone))


def hosts_seen(member: Member) -> set[tuple[str, ...]]:
    """The hostnames that the object's route ever carried."""
    return {
        tuple(change.obj["spec"].get("hostnames", ()))
        for change in member.world.api.log
        if change.kind == "HTTPRoute" and change.obj["metadata"]["namespace"] == member.namespace
        if change.obj["metadata"]["name"] == member.name
    }


def equal_hosts_of_thieves(world: World) -> set[str]:
    """Hosts of honest teams that a thief's route carried for all paths."""
    return {
        host
        for change in world.api.log
        if change.kind == "HTTPRoute" and change.obj["metadata"]["namespace"] == "evil"
        if change.obj["spec"]["rules"][0]["matches"][0]["path"]["value"] == "/"
        for host in change.obj["spec"].get("hostnames", ())
        if host in HOSTS or host == "*.example.com"
    }


@pytest.mark.parametrize("crash", [None, 200.0, 420.0])
def test_no_route_of_a_thief_ever_carries_a_host_of_theirs(beside_thieves, crash):
    world = beside_thieves if crash is None else lived(ROLLOUTS, thieves=3, crash=crash)

    assert equal_hosts_of_thieves(world) == set()
    for rollout, host in zip(ROLLOUTS, HOSTS, strict=True):
        assert hosts_seen(world.members[rollout.key]) == {(host,)}
        assert outcome(world.members[rollout.key]) == ({rollout.story.serves: 100}, rollout.story.phase)


def beside_a_route_by_hand(key):
    """A world in which somebody makes an HTTPRoute right after the operator has listed them, and deletes it later."""
    world = World(SEED)
    world.api.create({"kind": "Gateway", "metadata": {"namespace": "infra", "name": "public"}, "spec": {}}, USER)
    by_hand = {"kind": "HTTPRoute", "metadata": {"namespace": "search", "name": "by-hand"}}
    spec = {"parentRefs": [SHARED], "hostnames": ["late.example.com"], "rules": [{"backendRefs": []}]}
    world.later(66.0, lambda: world.api.create({**by_hand, "spec": spec}, USER))
    world.later(186.0, lambda: world.api.delete(Ref(HTTP_ROUTE, "search", "by-hand"), USER))
    return world, world.add(key)


def test_the_host_of_a_route_that_nobody_here_made_is_given_away_only_when_it_is_gone():
    world, member = beside_a_route_by_hand(("vision", "late"))
    world.later(67.0, lambda: member.apply(behind("1.0.0", member.key, ["late.example.com"])))
    taken = []
    world.later(185.0, lambda: taken.append((dict(member.status), hosts_seen(member))))
    world.run_until(lambda _: member.status.get("phase") == "Healthy", 5).check_promises()

    ((status, hosts),) = taken
    assert (status["reason"], hosts) == ("HostnameTaken", set())
    assert "HTTPRoute search/by-hand" in status["message"]
    assert hosts_seen(member) == {("late.example.com",)}
    assert world.loop.time() < 186.0 + 40.0  # sooner than the next list that is made anyway


def test_who_serves_already_gets_no_host_before_all_routes_were_listed():
    world, member = beside_a_route_by_hand(("vision", "moving"))
    world.later(1.0, lambda: member.apply(behind("1.0.0", member.key, ["moving.example.com"])))
    world.later(67.0, lambda: member.apply(behind("1.0.0", member.key, ["late.example.com"])))
    world.run(3.0).check_promises()

    assert member.status["reason"] == "HostnameTaken"
    assert hosts_seen(member) == {("moving.example.com",)}
