"""A route of somebody else: what is changed in it, what is kept, and how it is given back."""

import copy
import json

import pytest

from modelramp.api.names import LABEL_BORROWED, LABEL_DEPLOYMENT, ORIGINAL_BACKENDS, Reason
from modelramp.api.spec import parse_spec
from modelramp.desired.routers.protocol import Split
from modelramp.desired.routers.route_ref import RouteRef
from tests.unit.desired.world import OWNER, SPEC, STABLE

ROUTER = RouteRef()
LEGACY = [{"group": "", "kind": "Service", "name": "legacy", "port": 80, "weight": 1}]
OURS = [{"group": "", "kind": "Service", "name": f"digits-{STABLE}", "port": 80, "weight": 100}]
SPLIT = Split({STABLE: (100, 80)})


def routing(**reference):
    return parse_spec({**SPEC, "routing": {"gateway": {"routeRef": {"name": "legacy", **reference}}}}).routing


def route(*rules, name="legacy", kind="HTTPRoute", **metadata):
    given = {"namespace": "ml", "name": name, "uid": "u-1", "resourceVersion": "7", "generation": 2, **metadata}
    rules = rules or ({"name": "predict", "timeouts": {"request": "9s"}, "backendRefs": LEGACY},)
    return {"kind": kind, "metadata": given, "spec": {"parentRefs": [{"name": "public"}], "rules": list(rules)}}


def accepted(found):
    conditions = [{"type": kind, "status": "True", "observedGeneration": 2} for kind in ("Accepted", "ResolvedRefs")]
    return {**found, "status": {"parents": [{"parentRef": {"name": "public"}, "conditions": conditions}]}}


def patched(found, write):
    """The route after a JSON patch of `add`, `remove` and `test`."""
    after = copy.deepcopy(found)
    for operation in write.operations:
        *path, last = [part.replace("~1", "/") for part in operation["path"].split("/")[1:]]
        at = after
        for part in path:
            at = at[int(part)] if isinstance(at, list) else at[part]
        if operation["op"] == "test":
            assert at[last] == operation["value"]
        elif operation["op"] == "remove":
            del at[last]
        else:
            at[last] = operation["value"]
    return after


def taken(found, **reference):
    (write,) = ROUTER.desired(OWNER, routing(**reference), SPLIT, (found,))
    return patched(found, write)


def test_only_the_backends_of_the_named_rule_change():
    other = {"name": "admin", "backendRefs": [{"name": "admin", "port": 1}]}
    before = route(other, {"name": "predict", "filters": [{"type": "X"}], "backendRefs": LEGACY})
    after = taken(before, rule="predict")
    assert after["spec"]["rules"] == [other, {"name": "predict", "filters": [{"type": "X"}], "backendRefs": OURS}]
    assert after["spec"]["parentRefs"] == before["spec"]["parentRefs"]
    assert after["metadata"]["labels"] == {LABEL_BORROWED: "digits"}
    assert json.loads(after["metadata"]["annotations"][ORIGINAL_BACKENDS])["backendRefs"] == LEGACY


def test_a_write_holds_for_the_version_that_was_read_and_names_its_rule():
    (write,) = ROUTER.desired(OWNER, routing(rule="predict"), SPLIT, (route(),))
    assert {"op": "test", "path": "/metadata/uid", "value": "u-1"} in write.fenced
    assert {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"} in write.fenced
    assert {"op": "test", "path": "/spec/rules/0/name", "value": "predict"} in write.fenced
    assert write.told is not None
    assert write.told.reason is Reason.ROUTE_TAKEN_OVER


def test_a_route_that_is_as_wanted_is_not_written():
    assert ROUTER.desired(OWNER, routing(rule="predict"), SPLIT, (taken(route(), rule="predict"),)) == ()


@pytest.mark.parametrize("reference", [{"rule": "predict"}, {}])
def test_what_was_taken_is_given_back_byte_for_byte(reference):
    before = route(labels={"team": "ml"})
    (write,) = ROUTER.released(OWNER, (taken(before, **reference),))
    after = patched(taken(before, **reference), write)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["labels"] == {"team": "ml"}
    assert write.needs == {("legacy", 80)}


def test_backends_that_the_owner_writes_later_are_the_original_ones():
    newer = [{"group": "", "kind": "Service", "name": "legacy-2", "port": 81, "weight": 1}]
    after = taken(route(), rule="predict")
    after["spec"]["rules"][0]["backendRefs"] = newer
    after = taken(after, rule="predict")
    (write,) = ROUTER.released(OWNER, (after,))
    assert patched(after, write)["spec"]["rules"][0]["backendRefs"] == newer


def test_another_rule_gives_the_first_one_back():
    first = {"name": "predict", "backendRefs": LEGACY}
    before = route(first, {"name": "batch", "backendRefs": LEGACY})
    moved = taken(taken(before, rule="predict"), rule="batch")
    assert moved["spec"]["rules"] == before["spec"]["rules"]
    assert taken(moved, rule="batch")["spec"]["rules"][0] == first


def test_another_route_gives_the_first_one_back_once_it_has_the_traffic():
    old, new = taken(route(), rule="predict"), route(name="new")
    wanted = routing(name="new", rule="predict")
    writes = ROUTER.desired(OWNER, wanted, SPLIT, (old, new))
    assert [write.ref.name for write in writes] == ["new"], "the old route keeps the traffic"
    has = accepted(patched(new, writes[0]))
    (back,) = ROUTER.desired(OWNER, wanted, SPLIT, (old, has))
    assert (back.ref.name, patched(old, back)["spec"]) == ("legacy", route()["spec"])


@pytest.mark.parametrize(
    ("found", "reference", "reason", "words"),
    [
        ((), {}, "RouteNotFound", "does not exist"),
        ((route(kind="GRPCRoute"),), {}, "RouteNotFound", "does not exist"),
        ((route(),), {"rule": "other"}, "RouteRuleNotFound", "has no rule other"),
        ((route({}, {}),), {}, "RouteRuleNotFound", "has 2 rules"),
        ((route({"name": "a"}, {"name": "a"}),), {"rule": "a"}, "RouteRuleNotFound", "has no rule a"),
        ((route(labels={LABEL_BORROWED: "rival"}),), {}, "NameTaken", "is divided by ModelDeployment rival"),
    ],
)
def test_what_cannot_be_divided_is_said_and_not_written(found, reference, reason, words):
    status = ROUTER.observed(OWNER, routing(**reference), found, 0)
    assert (status.taken, status.finding.reason) == (False, reason)
    assert words in status.finding.message
    assert ROUTER.desired(OWNER, routing(**reference), SPLIT, found) == ()


def test_a_route_with_the_label_of_our_own_is_never_changed():
    found = (route(labels={LABEL_DEPLOYMENT: "digits"}),)
    assert ROUTER.desired(OWNER, routing(), SPLIT, found) == ()
    assert ROUTER.released(OWNER, found) == ()


def test_a_route_is_confirmed_by_its_gateways_once_it_names_a_version():
    assert ROUTER.observed(OWNER, routing(), (accepted(route()),), 0).taken is None
    assert ROUTER.observed(OWNER, routing(), (accepted(taken(route())),), 0).taken is True


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", '{"backendRefs": 1}', '{"rule": 5}'])
def test_an_annotation_that_somebody_has_spoiled_harms_nobody(text):
    found = taken(route())
    found["metadata"]["annotations"][ORIGINAL_BACKENDS] = text
    ROUTER.desired(OWNER, routing(), SPLIT, (found,))
    ROUTER.observed(OWNER, routing(), (found,), 0)
    for write in ROUTER.released(OWNER, (found,)):
        assert patched(found, write)["spec"]["rules"][0]["backendRefs"] == OURS


def test_a_grpc_route_is_divided_the_same_way():
    found = route(kind="GRPCRoute")
    (write,) = ROUTER.desired(OWNER, routing(kind="GRPCRoute"), SPLIT, (found,))
    assert write.ref.kind.plural == "grpcroutes"
    assert patched(found, write)["spec"]["rules"][0]["backendRefs"] == OURS
