"""What lint says of a blue/green rollout."""

import pytest

from modelramp.cli.lint.advice import advice
from tests.unit.core.story import ERRORS, spec

HOST = {"previewHostnames": ["preview.example.com"]}


def found(blue_green, *, checks=(ERRORS,), **rollout):
    """(level, path, message) of everything about the rollout."""
    wanted = spec(checks=checks, rollout={"strategy": "BlueGreen", "blueGreen": blue_green, **rollout})
    told = advice(wanted, {"spec": {"containers": []}}, {}.get)
    return [(each.level.value, each.path, each.message) for each in told if each.path.startswith("spec.rollout")]


@pytest.mark.parametrize("blue_green", [HOST, {"previewChecks": []}, {**HOST, "previewChecks": ["errors"]}])
def test_a_preview_that_somebody_can_reach_or_nobody_has_to_is_fine(blue_green):
    assert found(blue_green) == []


def test_a_preview_that_waits_for_data_and_has_no_hostname_is_warned_about():
    ((level, path, message),) = found({})
    assert (level, path) == ("warning", "spec.rollout.blueGreen.previewHostnames")
    assert "the switch waits until every check has data" in message
    assert found({}, checks=()) == []


@pytest.mark.parametrize("name", ["eror", "later"])
def test_a_check_that_cannot_judge_a_preview_is_an_error(name):
    later = {"name": "later", "query": "y", "max": "1", "when": "after-promotion"}
    ((level, path, message),) = found({**HOST, "previewChecks": ["errors", name]}, checks=(ERRORS, later))
    assert (level, path) == ("error", "spec.rollout.blueGreen.previewChecks[1]")
    assert message == f"no check named {name} runs during a rollout"


@pytest.mark.parametrize(
    ("blue_green", "rollout", "path"),
    [
        ({**HOST, "previewDuration": "2m"}, {}, "spec.rollout.blueGreen.previewDuration"),
        ({**HOST, "previewDuration": "5m"}, {"stepDuration": "1m"}, "spec.rollout.stepDuration"),
    ],
)
def test_a_stage_that_is_too_short_for_a_rollback_is_warned_about(blue_green, rollout, path):
    ((level, where, message),) = found(blue_green, **rollout)
    assert (level, where) == ("warning", path)
    assert "a rollback takes 3 breaches" in message
