import pytest

from modelramp.api.names import Reason
from modelramp.core.hostnames import Parent, Path, Scope
from modelramp.core.traffic import Preview, Traffic
from modelramp.desired.routers import ROUTERS
from modelramp.desired.routers.gateway_api import scope_of_route
from modelramp.desired.routers.protocol import Split
from modelramp.desired.traffic import named_ports, shares_of, split_of
from tests.unit.desired.world import (
    CANDIDATE,
    OLD,
    OWNER,
    STABLE,
    made,
    route_naming,
    route_of,
    seen,
    state,
    target,
    weights,
)

S, C, D = STABLE, CANDIDATE, OLD

# name: (state, revisions with ready endpoints, weights on the current route, weights on the route that should exist)
ROUTES = {
    "nothing has ever been ready": (state(candidate=C), (), None, None),
    "the first revision waits for its pods": (state(candidate=C), (C,), None, None),
    "the first revision serves": (state(stable=C), (C,), None, {C: 100}),
    "the first revision lost its pods before it had a route": (state(stable=C), (), None, None),
    "a candidate without a step has no traffic": (state(S, C), (S, C), {S: 100}, {S: 100}),
    "a step": (state(S, C, 10), (S, C), {S: 100}, {S: 90, C: 10}),
    "the last step leaves stable out": (state(S, C, 100), (S, C), {S: 50, C: 50}, {C: 100}),
    "a candidate without endpoints is left out": (state(S, C, 50), (S,), {S: 50, C: 50}, {S: 100}),
    "a candidate without endpoints at the last step": (state(S, C, 100), (S,), {C: 100}, {S: 100}),
    "it comes back with its declared weight": (state(S, C, 50), (S, C), {S: 100}, {S: 50, C: 50}),
    "stable that died under the route does not stop the candidate's steps": (
        state(S, C, 50), (C,), {S: 90, C: 10}, {S: 50, C: 50},
    ),
    "stable without endpoints gives the candidate nothing that was not decided": (
        state(S, C, 10), (C,), {S: 90, C: 10}, {S: 90, C: 10},
    ),
    "stable without endpoints and no route yet": (state(S, C, 50), (C,), None, None),
    "rollback removes the candidate": (state(S, retiring={C: None}, failed=C), (S, C), {S: 90, C: 10}, {S: 100}),
    "nobody is ready": (state(S, C, 10), (), {S: 90, C: 10}, {S: 90, C: 10}),
    "the restored version has no pods yet": (state(S, retiring={C: None}, failed=C), (C,), {C: 100}, {C: 100}),
    "the restored version has pods": (state(S, retiring={C: None}, failed=C), (S, C), {C: 100}, {S: 100}),
    "the state was lost": (state(), (S, C), {S: 90, C: 10}, {S: 90, C: 10}),
    "a superseded candidate goes": (state(S, C, retiring={D: None}), (S, C, D), {S: 90, D: 10}, {S: 100}),
    "somebody moved the weights": (state(S, C, 10), (S, C), {S: 10, C: 90}, {S: 90, C: 10}),
}  # fmt: skip


@pytest.mark.parametrize(("before", "ready", "current", "wanted"), ROUTES.values(), ids=ROUTES)
def test_the_route_names_who_is_ready_with_the_weight_that_was_decided(before, ready, current, wanted):
    now = route_naming(**current) if current else None
    assert weights(route_of(made(before, seen=seen(*ready), route=now))) == wanted


def test_no_state_and_no_readiness_names_a_new_revision_without_endpoints_or_raises_a_candidate():
    for before, _, current, _ in ROUTES.values():
        for ready in ((), (S,), (C,), (S, C), (D,), (S, D), (C, D), (S, C, D)):
            now = route_naming(**current) if current else None
            found = weights(route_of(made(before, seen=seen(*ready), route=now)))
            for revision, weight in (found or {}).items():
                kept = (current or {}).get(revision) == weight
                decided = before.weights.get(revision) == weight or (revision == S and weight == 100)
                assert kept or (decided and revision in {*ready, *(current or {})}), (before, ready, found)
            assert found is None or sum(found.values()) == 100


def test_a_route_writes_out_what_the_api_server_would_add():
    spec = made(state(stable=C), seen=seen(C)).routes[0]["spec"]
    assert spec["parentRefs"] == [
        {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "ml", "name": "public"}
    ]
    assert spec["hostnames"] == ["digits.example.com"]
    assert spec["rules"] == [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "backendRefs": [{"group": "", "kind": "Service", "name": f"digits-{C}", "port": 80, "weight": 100}],
        }
    ]


def test_a_parent_may_name_a_listener_and_a_port():
    routing = {"gateway": {"parentRefs": [{"name": "a", "namespace": "b", "sectionName": "web", "port": 8080}]}}
    (parent,) = made(state(stable=C), seen=seen(C), target=target(routing=routing)).routes[0]["spec"]["parentRefs"]
    assert parent["sectionName"] == "web"
    assert parent["port"] == 8080
    assert parent["namespace"] == "b"


@pytest.mark.parametrize(
    ("before", "ready", "current", "reason"),
    [
        (state(S, C, 10), (S, C), {}, Reason.SERVING),
        (state(S, C, 10), (S,), {}, Reason.PODS_UNAVAILABLE),
        (state(S, C, 10), (), {S: 100}, Reason.PODS_UNAVAILABLE),
        (state(candidate=C), (), {}, Reason.ROUTE_PENDING),
    ],
)
def test_the_finding_says_why_the_route_is_as_it_is(before, ready, current, reason):
    assert made(before, seen=seen(*ready), route=route_naming(**current)).finding.reason is reason


def test_only_our_own_services_count_as_named_revisions():
    route = route_naming(**{S: 90})
    route["spec"]["rules"][0]["backendRefs"] += [
        {"kind": "Service", "name": "elsewhere", "port": 80, "weight": 5},
        {"kind": "Service", "name": f"digits-{C}", "namespace": "other", "port": 80, "weight": 5},
        {"kind": "TraefikService", "group": "traefik.io", "name": f"digits-{D}", "port": 80},
        {"kind": "Service", "name": f"digits-{D}", "port": 80, "weight": 0},
    ]
    assert shares_of(ROUTERS[0], OWNER, (route,)) == {S: (90, 80)}


def test_people_read_who_was_left_out_and_who_serves():
    message = made(state(S, C, 10), seen=seen(S)).finding.message
    assert message == f"{C} has no ready endpoint: it is left out of the route, and {S} gets all traffic"


ELSEWHERE = {"gateway": {"parentRefs": [{"name": "other"}], "hostnames": ["taken.example.com"], "path": "/new"}}


def test_without_the_hosts_that_it_asks_for_a_route_keeps_its_own_and_still_moves_its_weights():
    rolled_back = state(S, retiring={C: None}, failed=C)
    before = made(state(S, C, 10), seen=seen(S, C)).routes[0]
    after = made(rolled_back, seen=seen(S, C), route=before, target=target(routing=ELSEWHERE), admitted=False).routes[0]

    assert (weights(before), weights(after)) == ({S: 90, C: 10}, {S: 100})
    for kept in ("parentRefs", "hostnames"):
        assert after["spec"][kept] == before["spec"][kept]
    assert after["spec"]["rules"][0]["matches"] == before["spec"]["rules"][0]["matches"]


def test_without_the_hosts_that_it_asks_for_there_is_no_first_route():
    wanted = made(state(stable=C), seen=seen(C), admitted=False)
    assert (route_of(wanted), wanted.finding.reason) == (None, Reason.HOSTNAME_TAKEN)


def test_a_route_that_somebody_emptied_takes_all_paths():
    emptied = {**route_naming(**{S: 100}), "spec": {"parentRefs": [], "rules": []}}
    (rule,) = made(state(stable=S), seen=seen(S), route=emptied, admitted=False).routes[0]["spec"]["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]


FOREIGN = {
    "defaults": ({}, ("*",), [("/", True)]),
    "an exact path": ({"rules": [{"matches": [{"path": {"type": "Exact", "value": "/a"}}]}]}, ("*",), [("/a", False)]),
    "a pattern": (
        {"rules": [{"matches": [{"path": {"type": "RegularExpression", "value": "/a.*"}}]}]}, ("*",), [("/", False)],
    ),
    "a header": ({"rules": [{"matches": [{"headers": [{"name": "x", "value": "y"}]}]}]}, ("*",), [("/", False)]),
    "several rules": (
        {"hostnames": ["A.example"], "rules": [{"matches": [{"path": {"value": "/a/"}}]}, {"filters": []}]},
        ("a.example",), [("/a", True), ("/", True)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spec", "hosts", "paths"), FOREIGN.values(), ids=FOREIGN)
def test_what_any_route_takes(spec, hosts, paths):
    parents = [{"name": "public", "sectionName": "web"}, {"group": "", "kind": "Service", "name": "mesh"}]
    found = scope_of_route({"metadata": {"namespace": "ml"}, "spec": {"parentRefs": parents, **spec}})
    assert found == Scope((Parent("ml", "public", "web"),), hosts, tuple(Path(*path) for path in paths))


def test_a_preview_is_a_route_of_its_own_to_one_revision_and_is_no_part_of_the_weights():
    routing = target().spec.routing
    split = Split({S: (100, 80)}, Preview(C, ("preview.example.com",)), 80)
    main, preview = objects = ROUTERS[0].desired(OWNER, routing, split, ())

    assert preview["metadata"]["name"] == "digits.preview"
    assert preview["spec"]["hostnames"] == ["preview.example.com"]
    assert preview["spec"]["parentRefs"] == main["spec"]["parentRefs"]
    assert weights(preview) == {C: 1}
    assert shares_of(ROUTERS[0], OWNER, objects) == {S: (100, 80)}
    assert named_ports(OWNER, objects) == {S: {80}, C: {80}}, "its pods and port stay while it is named"
    assert len(ROUTERS[0].desired(OWNER, routing, Split({S: (100, 80)}), objects)) == 1


def test_a_preview_shows_only_a_revision_that_has_ready_endpoints():
    traffic = Traffic({S: 100}, Preview(C, ("preview.example.com",)))
    for ready, previewed in (((S,), False), ((S, C), True)):
        split, _ = split_of(traffic, S, ready, 80, {})
        assert (split.preview is not None) is previewed
