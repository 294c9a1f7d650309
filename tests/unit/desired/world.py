"""Short ways to write down a state and what was seen, so that a table fits on the page."""

from modelramp.api.names import LABEL_DEPLOYMENT
from modelramp.api.spec import parse_spec
from modelramp.core.state import Candidate, Observed, Pods, Retiring, RolloutInput, State, Version
from modelramp.desired.objects import desired
from modelramp.desired.ownership import Owner
from modelramp.desired.revision import Snapshot

OWNER = Owner("ml", "digits", "uid-1")
NOW = 1_000
PORT = 80

STABLE, CANDIDATE, OLD = "bbbbbbbbbb", "cccccccccc", "dddddddddd"
SPEC = {
    "replicas": 3,
    "model": {"name": "digits", "version": "2.0.0"},
    "template": {"spec": {"containers": [{"name": "model", "image": "digits:2"}]}},
    "routing": {"gateway": {"parentRefs": [{"name": "public"}], "hostnames": ["digits.example.com"]}},
}


def target(revision=CANDIDATE, **changes):
    return RolloutInput(parse_spec({**SPEC, **changes}), revision)


def state(stable=None, candidate=None, weight=0, previous=None, retiring=(), failed=None):
    return State(
        stable=Version(stable, "1") if stable else None,
        candidate=Candidate(Version(candidate, "2"), weight=weight, step=0 if weight else -1) if candidate else None,
        previous=Version(previous, "0") if previous else None,
        retiring=tuple(Retiring(revision, at) for revision, at in dict(retiring).items()),
        failed=failed,
    )


def seen(*ready):
    return Observed(pods={revision: Pods(wanted=3, available=3, endpoints=3) for revision in ready})


def snapshot(number, image="digits:1", **more):
    template = {"spec": {"containers": [{"name": "model", "image": image}]}}
    return Snapshot(template, {"name": "digits", "version": "1"}, number, **more)


def made(state, *, target=None, seen=None, snapshots=None, route=None, now=NOW, owner=OWNER, admitted=True):
    known = {STABLE: snapshot(1), OLD: snapshot(0)} if snapshots is None else snapshots
    return desired(
        owner,
        target or default_target(),
        state,
        seen or Observed(),
        snapshots=known,
        current_routes=(route,) if route else (),
        now=now,
        admitted=admitted,
    )


def route_of(wanted):
    """The route that should exist; None while there should be none."""
    return next(iter(wanted.routes), None)


def default_target():
    return target()


def of_kind(wanted, kind):
    return {obj["metadata"]["name"]: obj for obj in wanted.apply if obj["kind"] == kind}


def replicas(wanted):
    return {name.rpartition("-")[2]: obj["spec"]["replicas"] for name, obj in of_kind(wanted, "Deployment").items()}


def weights(route):
    if route is None:
        return None
    (rule,) = route["spec"]["rules"]
    return {backend["name"].rpartition("-")[2]: backend["weight"] for backend in rule["backendRefs"]}


def route_naming(**shares):
    """A route as the cluster shows it."""
    backends = [{"kind": "Service", "name": f"digits-{name}", "port": PORT, "weight": w} for name, w in shares.items()]
    metadata = {"name": "digits", "labels": {LABEL_DEPLOYMENT: "digits"}}
    return {"kind": "HTTPRoute", "metadata": metadata, "spec": {"rules": [{"backendRefs": backends}]}}
