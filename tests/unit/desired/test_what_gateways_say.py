"""A Gateway's answer counts for exactly the parent that is asked for and the route as it is now."""

import pytest

from modelramp.api.names import Reason
from modelramp.api.spec import parse_spec
from modelramp.desired.routers.gateway_api import has_new_parents, parents_of, route_answer
from tests.unit.desired.world import CANDIDATE, SPEC, made, route_naming, seen, state, target

GENERATION = 4
GROUP = "gateway.networking.k8s.io"
PUBLIC = {"name": "public"}


def condition(kind="Accepted", status="True", observed=GENERATION, reason="Accepted", message="x"):
    found = {"type": kind, "status": status, "reason": reason, "message": message}
    return found if observed is None else {**found, "observedGeneration": observed}


def resolved(status="True", observed=GENERATION):
    return condition("ResolvedRefs", status, observed, "ResolvedRefs" if status == "True" else "BackendNotFound", "y")


def said(*conditions, by="example.com/one", **parent):
    return {"controllerName": by, "parentRef": {**PUBLIC, **parent}, "conditions": list(conditions)}


def route(*parents, **shares):
    found = route_naming(**(shares or {CANDIDATE: 100}))
    found["metadata"] |= {"namespace": "ml", "generation": GENERATION}
    return {**found, "status": {"parents": list(parents)}}


def gateway(*parents):
    return parse_spec({**SPEC, "routing": {"gateway": {"parentRefs": list(parents or (PUBLIC,))}}}).routing.gateway


def asked(found, *parents):
    answer = route_answer(found, parents_of(gateway(*parents), "ml"))
    return answer.taken, answer.finding.reason


ACCEPTED = said(condition(), resolved())
NOT_YET = (None, Reason.ROUTE_PENDING)
STALE = (None, Reason.ROUTE_UNCONFIRMED)
TAKEN = (True, Reason.ROUTE_ACCEPTED)
REFUSED = (False, Reason.ROUTE_NOT_ACCEPTED)
UNRESOLVED = (False, Reason.BACKENDS_UNRESOLVED)

# name: (what the status of the route says, what that is worth)
ANSWERS = {
    "nothing": ([], NOT_YET),
    "no condition": ([said()], NOT_YET),
    "taken": ([ACCEPTED], TAKEN),
    "taken, written out": ([said(condition(), kind="Gateway", namespace="ml", group=GROUP)], TAKEN),
    "only its backends": ([said(resolved())], NOT_YET),
    "of an older generation": ([said(condition(observed=1), resolved(observed=1))], STALE),
    "its backends of an older generation": ([said(condition(), resolved(observed=3))], STALE),
    "refused": ([said(condition(status="False"))], REFUSED),
    "refused in an older generation": ([said(condition(status="False", observed=3))], STALE),
    "not known": ([said(condition(status="Unknown"))], NOT_YET),
    "backends not found": ([said(condition(), resolved("False"))], UNRESOLVED),
    "backends not known": ([said(condition(), resolved("Unknown"))], NOT_YET),
    "without a generation": ([said(condition(observed=None), resolved(observed=None))], TAKEN),
    "refused without a generation": ([said(condition(status="False", observed=None))], REFUSED),
    "of another namespace": ([said(condition(), namespace="gateway")], NOT_YET),
    "of another listener": ([said(condition(), sectionName="web")], NOT_YET),
    "of another port": ([said(condition(), port=8080)], NOT_YET),
    "of another kind": ([said(condition(), kind="Service", group="")], NOT_YET),
    "by a controller that has gone": ([said(condition(observed=1), by="example.com/gone"), ACCEPTED], TAKEN),
    "refused by one of two controllers": ([ACCEPTED, said(condition(status="False"), by="example.com/two")], REFUSED),
    "strange": ([{"parentRef": None}, {"conditions": "x"}, "y", said(condition(), None)], TAKEN),
}


@pytest.mark.parametrize(("parents", "worth"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_counts_for_this_parent_and_this_generation(parents, worth):
    assert asked(route(*parents)) == worth


def test_every_listener_that_is_wanted_must_have_taken_the_route():
    web, api = {**PUBLIC, "sectionName": "web"}, {**PUBLIC, "sectionName": "api"}
    one = said(condition(), sectionName="web")

    assert asked(route(one), web, api) == NOT_YET
    assert asked(route(one, said(condition(), sectionName="api")), web, api) == TAKEN


def test_the_sentence_names_the_gateway_and_both_generations():
    (wanted,) = parents_of(gateway({**PUBLIC, "sectionName": "web"}), "ml")
    answer = route_answer(route(said(condition(observed=1), sectionName="web")), [wanted])

    assert answer.finding.message == (
        "Gateway ml/public, listener web has not confirmed the route as it is now: it reports generation 1 of 4"
    )


def test_an_answer_without_a_generation_is_warned_of():
    answer = route_answer(route(said(condition(observed=None))), parents_of(gateway(), "ml"))

    assert answer.undated.startswith("Gateway ml/public does not report which generation")
    assert not route_answer(route(ACCEPTED), parents_of(gateway(), "ml")).undated


OTHER = {"group": GROUP, "kind": "Gateway", "namespace": "ml", "name": "other"}
SAID_BY_OTHER = {"parentRef": OTHER, "conditions": [condition()]}


def parents_after(*wanted, named, answers):
    """The parents of the route that should exist, as name or name/listener."""
    now = route(*answers)
    now["spec"] = {**now["spec"], "parentRefs": named, "hostnames": ["digits.example.com"]}
    spec = target(routing={"gateway": {"parentRefs": list(wanted), "hostnames": ["digits.example.com"]}})
    found = made(state(stable=CANDIDATE), seen=seen(CANDIDATE), route=now, target=spec).routes[0]["spec"]["parentRefs"]
    return ["/".join(parent[part] for part in ("name", "sectionName") if part in parent) for parent in found]


WEB, API = {**PUBLIC, "sectionName": "web"}, {**PUBLIC, "sectionName": "api"}
SAID_BY_WEB = said(condition(), sectionName="web")

# name: (parents that are wanted, parents that the route names, what Gateways say, parents that it should name)
KEPT = {
    "a Gateway that has not accepted the route yet": ([PUBLIC], [OTHER], [SAID_BY_OTHER], ["public", "other"]),
    "a Gateway that took an older route": (
        [PUBLIC], [PUBLIC, OTHER], [SAID_BY_OTHER, said(condition(observed=3))], ["public", "other"],
    ),
    "a Gateway that has taken it": ([PUBLIC], [PUBLIC, OTHER], [SAID_BY_OTHER, ACCEPTED], ["public"]),
    "an old one that never took it": ([PUBLIC], [OTHER], [], ["public"]),
    "an old one that refuses it": (
        [PUBLIC], [OTHER], [{**SAID_BY_OTHER, "conditions": [condition(status="False")]}], ["public"],
    ),
    "another listener": ([API], [WEB], [SAID_BY_WEB], ["public/api", "public/web"]),
    "a listener instead of all": ([WEB], [PUBLIC], [ACCEPTED], ["public/web"]),
    "all listeners instead of one": ([PUBLIC], [WEB], [SAID_BY_WEB], ["public"]),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "named", "answers", "after"), KEPT.values(), ids=KEPT)
def test_a_parent_that_carries_the_traffic_is_kept_until_the_new_ones_have_taken_the_route(
    wanted, named, answers, after
):
    assert parents_after(*wanted, named=named, answers=answers) == after


def test_only_a_gateway_or_listener_that_the_route_does_not_name_is_new():
    now = route()
    now["spec"]["parentRefs"] = [PUBLIC, {**OTHER, "sectionName": "web"}]

    assert not has_new_parents(now, gateway(PUBLIC))
    assert not has_new_parents(now, gateway({"name": "other", "sectionName": "web"}))
    assert has_new_parents(now, gateway(PUBLIC, {"name": "other"}))
