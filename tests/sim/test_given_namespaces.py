"""An operator that may work in given namespaces only, and a cluster without the CRDs of a router."""

import pytest

from modelramp.api.errors import Forbidden, Gone
from modelramp.desired.routers import hosting_kinds
from modelramp.desired.routers.gateway_api import HTTP_ROUTE
from tests.sim.faults import Fault
from tests.sim.ports import SimCluster
from tests.sim.scenarios import ROLLOUT_AT, manifest
from tests.sim.world import World

OURS, THEIRS = ("ml", "digits"), ("web", "digits")
FOREIGN = {kind.kind for kind in hosting_kinds()}
"""Asked for in all namespaces, since a hostname may be claimed anywhere; where that is refused, only here."""


@pytest.fixture
def limited(monkeypatch):
    """Rights in the namespace ml only, as a Role gives them: whatever else is asked for is refused, and noted."""
    refused = []

    def only_ours(method):
        called = getattr(SimCluster, method)

        async def call(self, kind, namespace=None, *args, **options):
            if namespace != "ml":
                refused.append((method, kind.kind, namespace))
                raise Forbidden(f"{kind.plural} is forbidden at the cluster scope")
            return await called(self, kind, namespace, *args, **options)

        monkeypatch.setattr(SimCluster, method, call)

    only_ours("list")
    return refused


def two_teams(**options):
    """A rollout in each of two namespaces; the operator works in ml."""
    world = World(5, options={"namespaces": ("ml",)}, **options)
    world.add(THEIRS, checked=False)
    for key in (OURS, THEIRS):
        world.at(0.0, lambda world, key=key: world.apply(manifest("1.0.0", key=key)))
    for key in (OURS, THEIRS):
        world.at(ROLLOUT_AT, lambda world, key=key: world.apply(manifest("2.0.0", key=key)))
    world.run(minutes=15)
    world.check_promises()
    return world


def untouched(world):
    """Whether nobody has said or made anything for the other team."""
    kinds = [obj["kind"] for obj in world.api.all(namespace="web")]
    return not world.members[THEIRS].status and sorted(kinds) == ["Gateway", "ModelDeployment"]


def test_what_is_in_the_namespace_is_rolled_out_and_nothing_is_asked_beyond_it(limited):
    world = two_teams()

    assert world.members[OURS].serving() == {"2.0.0": 100}
    assert untouched(world)
    assert {kind for _, kind, _ in limited} == FOREIGN


@pytest.mark.parametrize("fault", [Fault.WATCH_GAP, Fault.CRASH_AFTER, Fault.OUTAGE])
def test_faults_widen_nothing(limited, fault):
    for at_call in (20, 60, 100):
        world = two_teams(fault=fault, at_call=at_call)
        assert untouched(world)
    assert {kind for _, kind, _ in limited} == FOREIGN


def test_without_the_crds_of_the_gateway_api_the_status_says_so_and_nothing_else_stops(monkeypatch):
    listed, written = SimCluster.list, SimCluster._write

    async def no_such_kind(self, kind, namespace=None, selector="", **options):
        if kind == HTTP_ROUTE:
            raise Gone("the server could not find the requested resource")
        return await listed(self, kind, namespace, selector, **options)

    async def no_such_object(self, method, obj, write):
        if obj["kind"] == HTTP_ROUTE.kind:
            raise Gone("the server could not find the requested resource")
        return await written(self, method, obj, write)

    monkeypatch.setattr(SimCluster, "list", no_such_kind)
    monkeypatch.setattr(SimCluster, "_write", no_such_object)
    world = World(5)
    world.at(0.0, lambda world: world.apply(manifest("1.0.0")))
    world.run(minutes=5)

    ready = next(one for one in world.status["conditions"] if one["type"] == "Ready")
    assert ready["status"] == "False"
    assert "HTTPRoute" in world.status["message"] or "HTTPRoute" in ready["message"]
    assert {obj["kind"] for obj in world.api.all()} >= {"Deployment", "Service", "ControllerRevision"}
