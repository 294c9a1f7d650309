"""Two teams behind one Gateway: neither takes a hostname from the other, and neither stops the other's rollback."""

import json
import time

import httpx
import pytest

from localplane.testing import make_namespace
from tests.e2e.conftest import kill_operator
from tests.e2e.rollout import Rollout
from tests.e2e.stories import serving, wait_for_route
from tests.e2e.traffic import Traffic

REQUESTS = 20
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def teams(operator):
    """A namespace for each team."""
    for name in ("team-evil", "team-shop"):
        make_namespace(operator, name)
    yield operator
    for name in ("team-evil", "team-shop"):
        operator.kubectl("delete", "namespace", name, "--wait=false")


def serving_tag(plane, namespace, name, tag, **options):
    rollout = Rollout(plane, namespace, name, **options)
    rollout.apply(tag)
    rollout.until_serving(tag)
    wait_for_route(plane, rollout)
    return rollout


def answered_by(plane, host, count=REQUESTS):
    """Which versions answer the next requests to a host."""
    with Traffic(plane.gateway_url, host) as traffic:
        while len(traffic.answers) < count:
            time.sleep(0.1)
    return {answer.tag for answer in traffic.answers}


def routing(rollout, *hosts, path="/"):
    parents = [{"name": rollout.gateway, "namespace": "gateway"}]
    return {"routing": {"gateway": {"parentRefs": parents, "hostnames": list(hosts), "path": path}}}


def asking(plane, namespace, name, *hosts, path="/"):
    """A ModelDeployment that asks for other hosts than its own."""
    rollout = Rollout(plane, namespace, name)
    manifest = rollout.manifest("e1")
    manifest["spec"] |= routing(rollout, *hosts, path=path)
    plane.kubectl("apply", "-f", "-", input=json.dumps(manifest))
    return rollout


def turned_down(rollout):
    """What it is told, once its pods are ready and there is no other reason to wait."""
    rollout.until(lambda s: s.get("stable"), 60, "ready to serve")
    return rollout.until(lambda s: s.get("reason") == "HostnameTaken", 30, "told about the hostname")["message"]


def says(rollout, words):
    """Wait until the condition Routed has these words."""
    rollout.until(
        lambda s: any(words in c["message"] for c in s.get("conditions", ()) if c["type"] == "Routed"), 60, words
    )


def answers(plane, host, path="/"):
    answer = httpx.get(f"{plane.gateway_url}{path}", headers={"Host": host}, timeout=10.0)
    return answer.json()["tag"] if answer.status_code == httpx.codes.OK else answer.status_code


def test_an_older_object_takes_no_host_that_has_traffic_and_stops_no_rollback(teams):
    thief = serving_tag(teams, "team-evil", "a", "e1", hostname="evil.example.com")
    time.sleep(1.1)  # creationTimestamps have whole seconds
    victim = serving(teams, "team-shop", "pay", hostname="pay.example.com")

    thief.patch(routing(thief, victim.hostname))
    told = thief.until(lambda s: s.get("reason") == "HostnameTaken", 30, "told about the hostname")
    assert "ModelDeployment team-shop/pay" in told["message"]
    assert answered_by(teams, victim.hostname) == {"v1"}

    kill_operator(teams)
    victim.apply("v2", ERROR_RATIO=1)
    thief.apply("e2", ERROR_RATIO=1)
    with Traffic(teams.gateway_url, victim.hostname) as traffic, Traffic(teams.gateway_url, thief.hostname) as old_host:
        victim.until_phase("RolledBack")
        thief.patch(routing(thief, victim.hostname))  # applying a version has put its own host back
        thief.until_phase("RolledBack")
        back = time.monotonic()
        time.sleep(3)
    assert set(traffic.shares()) == {"v1", "v2"}
    assert set(traffic.shares(back)) == {"v1"}
    assert set(old_host.shares(back)) == {"e1"}
    assert thief.get("httproute")["spec"]["hostnames"] == ["evil.example.com"]
    assert victim.condition("Stalled").get("reason") != "HostnameTaken"

    victim.delete()
    teams.kubectl("wait", "--for=delete", "httproute/pay", "-n", "team-shop", "--timeout=30s")
    thief.until(lambda _: thief.get("httproute")["spec"]["hostnames"] == ["pay.example.com"], 30, "on the freed host")


def test_a_deeper_path_and_a_narrower_host_are_allowed_and_said_on_both(teams):
    wide = serving(teams, "team-shop", "wide", hostname="wide.example.com")
    star = asking(teams, "team-shop", "star", "*.star.example.com")
    deep = asking(teams, "team-evil", "deep", "wide.example.com", path="/v1")
    narrow = asking(teams, "team-evil", "narrow", "eu.star.example.com")

    says(wide, "ModelDeployment team-evil/deep takes wide.example.com/v1 out of wide.example.com/")
    says(deep, "it takes wide.example.com/v1 out of wide.example.com/ of ModelDeployment team-shop/wide")
    says(star, "ModelDeployment team-evil/narrow takes eu.star.example.com out of *.star.example.com")
    says(narrow, "it takes eu.star.example.com out of *.star.example.com of ModelDeployment team-shop/star")
    for rollout in (wide, star, deep, narrow):
        rollout.until(lambda s: s.get("phase") == "Healthy", 60, "serving")
        events = teams.kubectl("get", "events.events.k8s.io", "-n", rollout.namespace, "-o", "json")
        told = [e["regarding"]["name"] for e in json.loads(events)["items"] if e["reason"] == "HostnameShared"]
        assert rollout.name in told
    assert answers(teams, "wide.example.com") == "v1"
    for rollout in (star, deep, narrow):
        rollout.delete()


def test_a_wildcard_beside_a_long_hostname_takes_nothing(teams):
    victim = serving(teams, "team-shop", "short", hostname="short.example.com")
    thief = asking(teams, "team-evil", "star", "*.example.com", "a-very-long-hostname.of-its-own.example.org")

    assert "a hostname under a wildcard of this one" in turned_down(thief)
    assert answered_by(teams, victim.hostname) == {"v1"}
    thief.delete()


def test_the_host_of_an_httproute_that_was_there_first_is_not_given_away(teams):
    rule = {"backendRefs": [{"name": "nowhere", "port": 80}]}
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "by-hand", "namespace": "team-shop"},
        "spec": {
            "parentRefs": [{"name": "public", "namespace": "gateway"}],
            "hostnames": ["by-hand.example.com"],
            "rules": [rule],
        },
    }
    teams.kubectl("apply", "-f", "-", input=json.dumps(route))
    late = asking(teams, "team-evil", "late", "by-hand.example.com")
    assert "HTTPRoute team-shop/by-hand" in turned_down(late)
    with pytest.raises(httpx.HTTPError):
        late.get("httproute")

    teams.kubectl("delete", "httproute", "by-hand", "-n", "team-shop")
    late.until_serving("e1", timeout_s=90)
    late.delete()


def test_a_host_that_is_bound_to_another_team_is_turned_down(teams):
    binding = "MODELRAMP_HOST_BINDINGS=*.bound.example.com=team-shop"
    teams.kubectl("set", "env", "deployment/modelramp", "-n", "modelramp-system", binding)
    try:
        teams.kubectl("rollout", "status", "deployment/modelramp", "-n", "modelramp-system", "--timeout=60s")
        thief = asking(teams, "team-evil", "bound", "eu.bound.example.com")
        wide = asking(teams, "team-evil", "all", path="/v1")
        owner = serving(teams, "team-shop", "bound", hostname="eu.bound.example.com")
        for other in (thief, wide):
            message = turned_down(other)
            assert "MODELRAMP_HOST_BINDINGS" in message
            assert "team-shop" not in message
        assert answered_by(teams, owner.hostname) == {"v1"}
        assert answers(teams, owner.hostname, "/v1") == "v1"
    finally:
        teams.kubectl("set", "env", "deployment/modelramp", "-n", "modelramp-system", "MODELRAMP_HOST_BINDINGS-")
