"""Which checks count: those of the policies in order, then the ModelDeployment's own; and what is left out, and why."""

import pytest

from modelramp.api.policy import PolicyKind
from modelramp.core.policies import policy_of, resolve
from tests.unit.core.story import spec

ERRORS = {"name": "errors", "preset": "reference-error-rate", "max": "{{params.maxErrorRate}}"}
LATENCY = {
    "name": "latency",
    "query": 'x{team="{{params.team}}",revision="{{revision}}"}',
    "max": 5,
    "minSamples": "{{ params.n }}",
    "samples": "y",
}
PARAMETERS = [{"name": "maxErrorRate", "default": "0.01"}, {"name": "team"}, {"name": "n", "default": 30}]


def policy(name="web", *, checks=(ERRORS,), parameters=PARAMETERS, kind=PolicyKind.NAMESPACED, generation=1, **more):
    raw = {"parameters": parameters, "checks": list(checks), **more}
    return policy_of(kind, {"metadata": {"name": name, "generation": generation}, "spec": raw})


def resolved(*references, policies, own=(), **health):
    """The health of a spec with these references, the policies being known by name."""
    known = {one.name: one for one in policies}
    declared = spec(checks=own, policies=list(references), **health).health
    return resolve(declared, lambda reference: known.get(reference.name, "it does not exist"))


def refer(name="web", **parameters):
    return {"name": name, "parameters": {"team": "a", **parameters}}


def test_checks_of_policies_come_in_order_and_then_the_own():
    found = resolved(
        refer("second"),
        refer(),
        policies=[policy(), policy("second", checks=[LATENCY])],
        own=[{"name": "own", "query": "z", "max": 1}],
    )

    assert [check.name for check in found.health.checks] == ["latency", "errors", "own"]
    assert found.missing == ""
    assert [(one.kind, one.name, one.generation, one.problem) for one in found.policies] == [
        ("HealthPolicy", "second", 1, ""),
        ("HealthPolicy", "web", 1, ""),
    ]


def test_parameters_stand_in_texts_limits_and_numbers():
    found = resolved(refer(maxErrorRate="0.05", n=7), policies=[policy(checks=[ERRORS, LATENCY])])

    errors, latency = found.health.checks
    assert errors.max == 0.05
    assert latency.query == 'x{team="a",revision="{{revision}}"}', "variables of the query itself are left for later"
    assert latency.min_samples == 7


def test_defaults_stand_for_what_is_not_given():
    errors, latency = resolved(refer(), policies=[policy(checks=[ERRORS, LATENCY])]).health.checks

    assert (errors.max, latency.min_samples) == (0.01, 30)


def test_an_own_check_takes_the_place_of_the_policys():
    found = resolved(refer(), policies=[policy(checks=[ERRORS, LATENCY])], own=[{**ERRORS, "max": "0.5"}])

    assert {check.name: check.max for check in found.health.checks} == {"latency": 5, "errors": 0.5}
    assert found.missing == ""


MANY = [{"name": f"check-{number}", "query": "x", "max": 1} for number in range(32)]
LEFT_OUT = {
    "no such policy": (refer("gone"), policy(), "HealthPolicy gone: it does not exist"),
    "an unknown parameter": (
        refer(maxErorRate="1"),
        policy(),
        "HealthPolicy web: it has no parameter maxErorRate (it has maxErrorRate, n, team); correct",
    ),
    "a parameter for a policy without any": (refer(), policy(parameters=[], checks=MANY[:1]), "(it has none)"),
    "a parameter without a value": (
        {"name": "web"},
        policy(),
        "parameter team needs a value in spec.health.policies[].parameters",
    ),
    "a limit that is no number": (
        refer(maxErrorRate="much"),
        policy(),
        "spec.checks[0].max: 'much' is not a decimal number",
    ),
    "a rule of the check that the values break": (
        refer(maxErrorRate=-2),
        policy(checks=[{**ERRORS, "min": -1}]),
        "spec.checks[0]: min must not be above max",
    ),
    "a window that is too long for this interval": (
        refer(),
        policy(checks=[{**ERRORS, "window": "5m"}]),
        "with it spec.health.checks: checks[].window must not be longer than the check's interval",
    ),
    "more checks than are allowed": (refer(), policy(checks=[*MANY, ERRORS][1:]), "at most 32 items"),
    "a check that is none": (refer(), policy(checks=[{"name": "x"}]), "set exactly one of query, preset"),
    "an undeclared parameter": (
        refer(),
        policy(parameters=[{"name": "team"}]),
        "spec.checks[0].max: {{params.maxErrorRate}} is no parameter of this policy; declared are team",
    ),
    "a malformed placeholder": (
        refer(),
        policy(checks=[{**ERRORS, "unit": "{{params.1}}"}]),
        "spec.checks[0].unit: write a parameter as {{params.NAME}}",
    ),
    "a spec that cannot be read": (refer(), policy(checks=()), "HealthPolicy web: spec.checks: Tuple should have"),
}


@pytest.mark.parametrize(("reference", "known", "says"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_policy_that_cannot_be_resolved_is_left_out_as_a_whole(reference, known, says):
    other = policy("other", checks=[{"name": "other", "query": "x", "max": 1}])
    own = {"name": "own", "query": "x", "max": 1}

    found = resolved(reference, {"name": "other", "parameters": {"team": "b"}}, policies=[known, other], own=[own])

    assert [check.name for check in found.health.checks] == ["other", "own"]
    assert says in found.missing
    assert [bool(one.problem) for one in found.policies] == [True, False]


def test_the_same_name_in_two_policies_is_an_error_of_the_second():
    found = resolved(refer(), refer("second"), policies=[policy(), policy("second", checks=[ERRORS, LATENCY])])

    assert [check.name for check in found.health.checks] == ["errors"]
    assert (
        "HealthPolicy second: its check errors is also defined by HealthPolicy web; override it in spec.health.checks"
        in found.missing
    )


def test_an_own_check_settles_the_quarrel_of_two_policies():
    twice = [policy(), policy("second", checks=[ERRORS, LATENCY])]

    found = resolved(refer(), refer("second"), policies=twice, own=[ERRORS | {"max": 1}])

    assert (found.missing, [check.name for check in found.health.checks]) == ("", ["latency", "errors"])


def test_the_revision_is_that_of_the_spec():
    assert policy().revision == policy(generation=2).revision
    assert policy().revision != policy(checks=[LATENCY]).revision
    assert policy().revision != policy(description="for the web").revision


def test_users_with_the_same_parameters_share_the_checks():
    known = policy()
    users = [resolved(refer(), policies=[known]) for _ in range(2)]
    one, other = (user.health.checks[0] for user in users)
    third = resolved(refer(maxErrorRate=1), policies=[known]).health.checks[0]

    assert one is other
    assert third is not one


def test_a_problem_is_short_enough_for_a_status():
    checks = [{"name": f"n{number}", "query": "{{params.unknown}}", "max": 1} for number in range(32)]
    found = resolved(refer(), policies=[policy(checks=checks)])

    assert len(found.policies[0].problem) == 256
