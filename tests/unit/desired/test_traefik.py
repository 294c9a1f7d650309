"""A TraefikService has the weights, an IngressRoute the hosts; neither says what Traefik has taken."""

import pytest

from modelramp.api.names import Reason
from modelramp.api.spec import parse_spec
from modelramp.core.hostnames import Parent, Path, Scope
from modelramp.desired.routers import ROUTERS, router_of
from modelramp.desired.routers.protocol import Split
from modelramp.desired.routers.traefik import TraefikService
from modelramp.desired.traffic import shares_of
from tests.unit.desired.world import CANDIDATE, OWNER, SPEC, STABLE, made, route_naming, seen, state, target

ROUTER = TraefikService()
HOST = "digits.example.com"
WRITTEN = 1_795_860_000
SPLIT = Split({STABLE: (90, 80), CANDIDATE: (10, 80)})


def routing(**asked):
    return parse_spec({**SPEC, "routing": {"traefik": asked}}).routing


def rendered(split=SPLIT, current=(), **asked):
    return {obj["kind"]: obj["spec"] for obj in ROUTER.desired(OWNER, routing(**asked), split, current)}


def on_the_cluster(**asked):
    """What the router made, with what the API server adds."""
    entry = {"manager": "modelramp", "time": "2026-11-28T10:00:00Z"}
    added = {"creationTimestamp": "2026-11-28T09:00:00Z", "managedFields": [entry]}
    objects = ROUTER.desired(OWNER, routing(**asked), SPLIT, ())
    return tuple({**obj, "metadata": {**obj["metadata"], **added}} for obj in objects)


def test_weights_are_in_the_traefik_service():
    services = rendered()["TraefikService"]["weighted"]["services"]
    assert services == [
        {"kind": "Service", "name": f"digits-{STABLE}", "port": 80, "weight": 90},
        {"kind": "Service", "name": f"digits-{CANDIDATE}", "port": 80, "weight": 10},
    ]
    assert shares_of(ROUTER, OWNER, on_the_cluster(hostnames=[HOST])) == dict(SPLIT.shares)


def test_without_hostnames_there_is_a_traefik_service_for_the_users_own_ingress_route():
    assert set(rendered()) == {"TraefikService"}


MATCHES = {
    "a host": ({"hostnames": [HOST]}, "Host(`digits.example.com`)"),
    "two hosts": ({"hostnames": ["a.example", "b.example"]}, "Host(`a.example`) || Host(`b.example`)"),
    "a path by whole segments": (
        {"hostnames": [HOST], "path": "/v1/"}, "(Host(`digits.example.com`)) && (Path(`/v1`) || PathPrefix(`/v1/`))",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "match"), MATCHES.values(), ids=MATCHES)
def test_the_ingress_route_matches_hosts_and_path_and_claims_the_same(asked, match):
    spec = rendered(entryPoints=["web"], **asked)["IngressRoute"]
    assert spec == {
        "entryPoints": ["web"],
        "routes": [{"kind": "Rule", "match": match, "services": [{"kind": "TraefikService", "name": "digits"}]}],
    }
    (_, ingress) = on_the_cluster(entryPoints=["web"], **asked)
    assert ROUTER.takes(ingress) == ROUTER.asks(routing(entryPoints=["web"], **asked), "ml")


def test_a_cookie_makes_it_sticky():
    weighted = rendered(sticky={"name": "arm", "secure": True})["TraefikService"]["weighted"]
    assert weighted["sticky"] == {"cookie": {"name": "arm", "httpOnly": True, "secure": True}}
    assert ROUTER.sticky(routing(sticky={"name": "arm"}))
    assert not ROUTER.sticky(routing())


@pytest.mark.parametrize(("seconds", "taken"), [(0, None), (5, None), (6, True), (600, True)])
def test_a_change_counts_after_the_settle_time(seconds, taken):
    asked = {"hostnames": [HOST], "settleTime": "5s"}
    status = ROUTER.observed(OWNER, routing(**asked), on_the_cluster(**asked), WRITTEN + seconds)
    assert status.taken is taken
    assert status.again_at == (WRITTEN + 6 if taken is None else float("inf"))
    assert status.finding.reason is (Reason.ROUTE_ACCEPTED if taken else Reason.ROUTE_UNCONFIRMED)


def test_without_the_ingress_route_nothing_is_taken():
    service, _ = on_the_cluster(hostnames=[HOST])
    status = ROUTER.observed(OWNER, routing(hostnames=[HOST]), (service,), WRITTEN + 600)
    assert (status.taken, status.finding.reason) == (None, Reason.ROUTE_PENDING)


def test_rules_of_others_claim_the_hosts_and_paths_that_they_name():
    match = "Host(`A.example`) && PathPrefix(`/v1`) && !Header(`x`, `y`)"
    ingress = {"kind": "IngressRoute", "spec": {"entryPoints": ["web"], "routes": [{"match": match}]}}
    assert ROUTER.takes(ingress) == Scope((Parent("", "traefik", "web"),), ("a.example",), (Path("/v1", plain=False),))


def test_an_entry_point_may_be_of_any_gateway_but_of_no_other_entry_point():
    web, secure, gateway = Parent("", "traefik", "web"), Parent("", "traefik", "websecure"), Parent("infra", "public")
    assert web.meets(gateway)
    assert gateway.meets(web)
    assert not web.meets(secure)
    assert web.meets(Parent("", "traefik"))


def test_a_route_of_the_router_before_follows_the_weights_until_the_new_one_has_taken_them():
    moved = target(routing={"traefik": {"hostnames": [HOST]}})
    old = route_naming(**{STABLE: 90, CANDIDATE: 10})
    old["metadata"]["namespace"] = "ml"
    rolled_back = state(STABLE, retiring={CANDIDATE: None}, failed=CANDIDATE)
    wanted = made(rolled_back, target=moved, seen=seen(STABLE, CANDIDATE), route=old)

    assert router_of(moved.spec.routing) is ROUTERS[1]
    assert [obj["kind"] for obj in wanted.routes] == ["TraefikService", "IngressRoute", "HTTPRoute"]
    (backend,) = wanted.routes[2]["spec"]["rules"][0]["backendRefs"]
    assert backend["name"] == f"digits-{STABLE}"
