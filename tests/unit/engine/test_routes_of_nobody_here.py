"""HTTPRoutes of no ModelDeployment are listed before a host is given away, and nobody waits for the list."""

import asyncio

import pytest

from modelramp.api.errors import ApiServerUnavailable, Gone, Refused
from modelramp.core.hostnames import Claimant, Standing
from modelramp.engine.foreign_routes import POLL_SECONDS, ForeignRoutes
from modelramp.engine.hosts import Hosts

KEY = ("shop", "pay")


def route(namespace, name, label=None):
    labels = {"modelramp.io/deployment": label} if label else {}
    return {
        "kind": "HTTPRoute",
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {"parentRefs": [{"name": "public"}], "hostnames": ["pay.example"]},
    }


class Cluster:
    """Lists what it has, as far as it may be read; the API server's own part is not what is tested here."""

    def __init__(self, *routes, readable=lambda namespace: True):
        self.routes, self.readable, self.lists = routes, readable, 0
        self.error = None

    async def list(self, kind, namespace=None, selector=""):
        self.lists += kind.kind == "HTTPRoute"
        if self.error is not None:
            raise self.error
        if not self.readable(namespace):
            raise Refused(f"list httproutes in {namespace}: forbidden")
        routes = [each for each in self.routes if each["kind"] == kind.kind]
        found = [each for each in routes if namespace in {None, each["metadata"]["namespace"]}]
        return tuple(each for each in found if not (selector and each["metadata"]["labels"]))


class Telemetry:
    def __init__(self):
        self.warned, self.gauges = [], {}

    def warn(self, event, **fields):
        self.warned.append((event, fields))

    def log(self, event, **fields):
        self.warned.append((event, fields))

    def gauge(self, metric, value, **labels):
        self.gauges[metric] = value


class Clock:
    """Time that only passes when somebody sleeps."""

    def __init__(self):
        self.time, self.sleepers = 1000.0, []

    def now(self):
        return self.time

    async def sleep(self, seconds):
        waiting = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.time + seconds, waiting))
        await waiting

    async def pass_by(self, seconds):
        self.time += seconds
        for until, waiting in [each for each in self.sleepers if each[0] <= self.time]:
            self.sleepers.remove((until, waiting))
            waiting.set_result(None)
        await settle()


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


class World:
    def __init__(self, cluster, namespaces=()):
        self.hosts, self.telemetry, self.clock, self.marked = Hosts(), Telemetry(), Clock(), []
        self.cluster = cluster
        mark = self.marked.append
        self.foreign = ForeignRoutes(self.hosts, cluster, self.telemetry, self.clock, mark, namespaces)

    async def __aenter__(self):
        self.task = asyncio.create_task(self.foreign.run())
        await settle()
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def known(self, namespace, name):
        return self.hosts.of(Claimant("HTTPRoute", namespace, name), Standing.ROUTED) is not None


async def test_who_asks_gets_a_new_list_without_waiting_for_it():
    async with World(Cluster(route("a", "x"))) as world:
        assert world.foreign.listed_for(KEY)
        await world.clock.pass_by(20)
        world.cluster.routes = (route("b", "y"),)
        assert not world.foreign.listed_for(KEY)
        await settle()

        assert world.marked == [KEY]
        assert (world.known("a", "x"), world.known("b", "y")) == (False, True)
        await world.clock.pass_by(30)  # a busy operator comes back late
        assert world.foreign.listed_for(KEY)
        assert not world.foreign.listed_for(KEY)


async def test_many_who_ask_share_one_list():
    async with World(Cluster()) as world:
        await world.clock.pass_by(20)
        assert not any(world.foreign.listed_for(("ml", f"m{number}")) for number in range(50))
        await settle()

        assert (world.cluster.lists, len(world.marked)) == (2, 50)


async def test_they_are_listed_every_minute_though_nobody_asks():
    async with World(Cluster()) as world:
        await world.clock.pass_by(POLL_SECONDS)

        assert world.cluster.lists == 2


async def test_while_the_api_server_is_silent_nothing_is_forgotten_or_given_away():
    async with World(Cluster(route("a", "x"))) as world:
        await world.clock.pass_by(20)
        world.cluster.error = ApiServerUnavailable("no answer")
        assert not world.foreign.listed_for(KEY)
        await settle()
        assert (world.known("a", "x"), world.marked) == (True, [])

        world.cluster.error = None
        await world.clock.pass_by(5)
        assert world.marked == [KEY]
        assert world.foreign.listed_for(KEY)


async def test_without_the_right_to_list_them_they_do_not_count_and_that_is_said_once():
    async with World(Cluster(route("a", "x"), readable=lambda namespace: False)) as world:
        await world.clock.pass_by(POLL_SECONDS)
        await world.clock.pass_by(POLL_SECONDS)

        assert world.foreign.listed_for(KEY)
        assert [event for event, _ in world.telemetry.warned] == ["routes of others do not all count"]
        assert world.telemetry.gauges == {"modelramp_foreign_routes_readable": 0}
        world.cluster.readable = lambda namespace: True
        await world.clock.pass_by(POLL_SECONDS)
        assert world.telemetry.gauges == {"modelramp_foreign_routes_readable": 1}
        assert len(world.telemetry.warned) == 2


async def test_in_given_namespaces_those_count_that_may_be_read():
    routes = (route("ml", "x"), route("other", "y"), route("other", "theirs", "theirs"), route("ml", "ours", "ours"))
    async with World(Cluster(*routes), ("ml",)) as world:
        assert [world.known(*name) for name in (("ml", "x"), ("other", "y"), ("other", "theirs"))] == [True] * 3
        assert not world.known("ml", "ours")  # the store knows it, by its watch
    async with World(Cluster(*routes, readable=lambda namespace: namespace == "ml"), ("ml",)) as world:
        assert (world.known("ml", "x"), world.known("other", "y")) == (True, False)
        assert world.telemetry.gauges == {"modelramp_foreign_routes_readable": 0}


async def test_without_the_gateway_api_there_are_none():
    cluster = Cluster()
    cluster.error = Gone("no such kind")
    async with World(cluster) as world:
        assert world.foreign.listed_for(KEY)
        assert world.telemetry.warned == []


@pytest.mark.parametrize("broken", [{"parentRefs": [{}]}, {"rules": [1]}, {"hostnames": 7}])
async def test_one_that_cannot_be_read_hides_no_other(broken):
    bad = {**route("a", "bad"), "spec": {**route("a", "bad")["spec"], **broken}}
    async with World(Cluster(bad, route("b", "y"))) as world:
        assert world.known("b", "y")
        assert [fields["name"] for _, fields in world.telemetry.warned] == ["a/bad"]


async def test_who_is_turned_down_has_them_listed_more_rarely():
    async with World(Cluster()) as world:
        await world.clock.pass_by(19)
        assert world.foreign.listed_for(KEY, 20.0)
        await world.clock.pass_by(2)
        assert not world.foreign.listed_for(KEY, 20.0)
