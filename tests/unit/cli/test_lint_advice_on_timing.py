import pytest

from modelramp.cli.lint.advice import advice
from tests.unit.core.story import spec

LATE = {"name": "accuracy", "preset": "reference-accuracy", "role": "hold"}


def found(check, **health):
    told = advice(spec(checks=(check,), **health), {"spec": {"containers": []}}, {}.get)
    return [
        (each.path.removeprefix("spec.health.checks[0]."), each.message)
        for each in told
        if each.path.startswith("spec.health.checks[0]")
    ]


@pytest.mark.parametrize(
    ("check", "field", "says"),
    [
        (
            {**LATE, "delay": "1h", "window": "10m"},
            *("delay", "ends 1h10m after traffic, and it is asked then or up to 1m later: the first step (5m) waits"),
        ),
        ({**LATE, "interval": "1h"}, *("interval", "the first step (5m) waits for it, up to 2h")),
        (
            {**LATE, "role": "rollback", "interval": "10m", "failureThreshold": 1},
            *("interval", "ends 10m after the step's beginning"),
        ),
        (
            {"name": "errors", "preset": "reference-error-rate", "critical": True},
            *("critical", "without spec.health.minScore every breach breaches the tick"),
        ),
    ],
)
def test_what_makes_steps_wait_or_has_no_effect_is_said(check, field, says):
    ((where, message),) = found(check)
    assert where == field
    assert says in message


@pytest.mark.parametrize(
    "check",
    [
        {**LATE, "delay": "2m", "window": "3m"},
        {**LATE, "role": "inform", "delay": "1h"},
        {**LATE, "role": "rollback", "interval": "1h", "failureThreshold": 1, "when": "after-promotion"},
    ],
)
def test_what_makes_nobody_wait_is_left_alone(check):
    assert found(check) == []


def test_critical_on_a_check_that_only_holds_is_said_to_show_only():
    ((where, message),) = found({**LATE, "critical": True}, minScore=50)
    assert where == "critical"
    assert "role hold never breaches a tick" in message
