"""Two teams behind one Gateway: neither takes a hostname from the other, and neither stops the other's rollback."""

import time

import pytest

from tests.e2e.conftest import kill_operator
from tests.e2e.rollout import Rollout
from tests.e2e.stories import serving, wait_for_route
from tests.e2e.traffic import Traffic

REQUESTS = 20


@pytest.fixture(scope="module")
def teams(operator):
    """A namespace for each team."""
    for name in ("team-evil", "team-shop"):
        operator.kubectl("create", "namespace", name)
        operator.kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={name}", "--timeout=30s")
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


def routing(rollout, host, path="/"):
    parents = [{"name": rollout.gateway, "namespace": "gateway"}]
    return {"routing": {"gateway": {"parentRefs": parents, "hostnames": [host], "path": path}}}


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
