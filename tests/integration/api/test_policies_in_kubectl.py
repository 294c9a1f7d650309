"""Health policies on the real API server: what it refuses and in which words, what it takes, how kubectl shows them."""

import json

import pytest

from tests.refused.samples import ACCEPTED_POLICIES, REFUSED_POLICIES, expected


@pytest.mark.parametrize("path", REFUSED_POLICIES, ids=lambda path: path.stem)
def test_the_policy_is_refused_with_the_message_that_it_names(path, refusal):
    said = refusal(str(path))
    assert said is not None, f"{path.name} was accepted"
    assert expected(path) in said
    assert "evaluating rule" not in said, "a rule failed on input that another rule or bound speaks of"


@pytest.mark.parametrize("path", ACCEPTED_POLICIES, ids=lambda path: path.stem)
def test_the_policy_is_accepted_and_nothing_is_added(path, resource):
    stored = json.loads(resource.kubectl("apply", "--dry-run=server", "-o", "json", "-f", str(path)))
    written = json.loads(resource.kubectl("apply", "--dry-run=client", "-o", "json", "-f", str(path)))
    assert stored["spec"] == written["spec"]


def test_kubectl_shows_whom_a_policy_is_for(resource):
    path = next(path for path in ACCEPTED_POLICIES if path.stem == "every-placeholder")
    resource.kubectl("apply", "-f", str(path))
    try:
        heading, row = resource.kubectl("get", "hpol").splitlines()
    finally:
        resource.kubectl("delete", "-f", str(path))
    assert heading.split() == ["NAME", "DESCRIPTION", "AGE"]
    assert "A parameter in every place that takes one." in row
