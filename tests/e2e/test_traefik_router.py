"""A TraefikService divides real requests: promotion, rollback by a breach, loss of the candidate's pods, deletion."""

import time
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import NAMESPACE, wait_until
from tests.e2e.rollout import Rollout
from tests.e2e.stories import wait_for_route
from tests.e2e.traffic import Traffic

pytestmark = pytest.mark.timeout(400)
SETTLE_S = 2


@dataclass
class ThroughTraefik(Rollout):
    """The same servers, behind a TraefikService and an IngressRoute."""

    def manifest(self, version, **options):
        wanted = super().manifest(version, **options)
        traefik = {"hostnames": [self.hostname], "entryPoints": ["crd"], "settleTime": f"{SETTLE_S}s"}
        wanted["spec"]["routing"] = {"traefik": traefik}
        return wanted

    def routes(self):
        """The objects that the router made, as kind/name."""
        kinds = "traefikservices.traefik.io,ingressroutes.traefik.io,httproutes.gateway.networking.k8s.io"
        label = f"modelramp.io/deployment={self.name}"
        return self.plane.kubectl("get", kinds, "-n", self.namespace, "-l", label, "-o", "name").split()


@pytest.fixture
def serving(operator):
    """Makes a ModelDeployment that serves v1 through Traefik; deleted at the end."""
    made = []

    def make(name, **options):
        made.append(ThroughTraefik(operator, NAMESPACE, name, **options))
        made[-1].apply("v1")
        made[-1].until_serving("v1")
        wait_for_route(operator, made[-1], url=operator.traefik_crd_url)
        return made[-1]

    yield make
    for each in made:
        each.delete("--ignore-not-found", "--wait=false")


def test_no_request_fails_while_a_version_is_promoted(operator, serving):
    rollout = serving("traefik-promotion", replicas=2)
    with Traffic(operator.traefik_crd_url, rollout.hostname) as traffic:
        time.sleep(2)
        rollout.apply("v2")
        rollout.until_serving("v2", timeout_s=150.0)
        promoted = time.monotonic()
        time.sleep(8)  # longer than the old version's scaleDownDelay

    assert not traffic.failures()
    assert set(traffic.shares(since=promoted + 3)) == {"v2"}
    assert len(traffic.answers) > 400


def test_a_breach_brings_all_requests_back(operator, serving):
    rollout = serving("traefik-rollback")
    with Traffic(operator.traefik_crd_url, rollout.hostname) as traffic:
        time.sleep(2)
        rollout.apply("v2")
        rollout.until_step(50, timeout_s=120.0)
        traffic.failing_share = 0.5
        status = rollout.until_phase("RolledBack", timeout_s=120.0)
        traffic.failing_share = 0.0
        back = time.monotonic()
        time.sleep(4)

    assert status["history"][0]["weight"] == 50
    assert not traffic.failures()
    assert set(traffic.shares(since=back + 3)) == {"v1"}


def test_deletion_leaves_nothing_and_orphans_go_on_serving(operator, serving):
    kept, gone = serving("traefik-orphan"), serving("traefik-gone")
    assert sorted(gone.routes()) == [
        "ingressroute.traefik.io/traefik-gone",
        "traefikservice.traefik.io/traefik-gone",
    ]
    with Traffic(operator.traefik_crd_url, kept.hostname) as traffic:
        kept.delete("--cascade=orphan", "--timeout=20s")
        gone.delete("--cascade=foreground", "--timeout=60s")
        time.sleep(6)

    assert not traffic.failures()
    assert set(traffic.shares()) == {"v1"}
    wait_until(lambda: gone.routes() == [])
    assert not gone.children("service")


def test_when_all_pods_of_the_candidate_vanish_everybody_waits_for_one_write(operator, serving):
    """Traefik drops a TraefikService with an empty Service: nobody is answered until the candidate is left out."""
    rollout = serving("traefik-vanish", steps={"stepDuration": "120s"})
    rollout.apply("v2")
    revision = rollout.until_step(10, timeout_s=120.0)["candidate"]["revision"]
    with Traffic(operator.traefik_crd_url, rollout.hostname, rps=50.0) as traffic:
        time.sleep(3)
        selector = f"modelramp.io/deployment={rollout.name},modelramp.io/revision={revision}"
        operator.kubectl("delete", "pods", "-n", NAMESPACE, "-l", selector, "--grace-period=0", "--force")
        time.sleep(12)

    failed = [answer.at for answer in traffic.answers if answer.status != 200]
    assert not failed or max(failed) - min(failed) < 3.0
    assert set(traffic.shares(since=time.monotonic() - 2)) <= {"v1", "v2"}
