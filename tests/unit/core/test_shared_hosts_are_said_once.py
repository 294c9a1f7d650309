"""Who else has traffic of a route's hosts stands in the condition Routed, and is told once."""

import pytest

from modelramp.api.names import ConditionType, Reason
from modelramp.core.conditions import conditions, routing_findings
from modelramp.core.state import Observed, State

SHARED = "ModelDeployment evil/a takes pay.example/v1 out of pay.example/"


def routed(seen):
    found = conditions(None, State(), seen, None, generation=1, now=1_800_000_000)
    return next(condition for condition in found if condition.type == ConditionType.ROUTED)


@pytest.mark.parametrize("taken", [True, False, None])
def test_the_condition_names_them_whatever_the_gateway_says(taken):
    assert routed(Observed(routed=taken, shared=SHARED)).message.endswith(f"; {SHARED}")
    assert SHARED not in routed(Observed(routed=taken)).message


def test_it_is_told_when_it_is_new_and_not_again():
    (finding,) = routing_findings((), Observed(shared=SHARED))
    assert (finding.reason, finding.message, finding.warning) == (Reason.HOSTNAME_SHARED, SHARED, False)
    assert routing_findings((routed(Observed(routed=True, shared=SHARED)),), Observed(shared=SHARED)) == ()


def test_other_conditions_do_not_hide_it_and_its_end_is_not_told():
    other = routed(Observed(routed=True, shared=SHARED)).model_copy(update={"type": "Ready"})
    assert routing_findings((other,), Observed(shared=SHARED)) != ()
    assert routing_findings((routed(Observed(routed=True, shared=SHARED)),), Observed()) == ()
