"""What accuracy, errors and latency do not show: drift, and one group served worse. Caught by the check made for it."""

import re

import pytest

pytestmark = pytest.mark.timeout(540)

STORIES = {
    "drift": ("a_version_that_drifts", "4.0.0", "confidence", r"PSI [0-9.]+ .*n = [0-9,]+ against [0-9,]+"),
    "unfair": ("a_version_that_is_unfair", "5.0.0", "fairness", r"errors .* in group phone, .* in desktop; .* p [<=] "),
}


@pytest.mark.parametrize(("story", "version", "culprit", "sentence"), STORIES.values(), ids=STORIES)
def test_a_quiet_failure_is_caught_by_its_check_and_by_nothing_else(stories, story, version, culprit, sentence):
    caught, promoted, counts = stories[story].result()

    checks = {check["name"]: check for check in caught["checks"]}
    assert set(checks) == {"error-rate", "p95-latency", "accuracy", "confidence", "fairness"}
    assert {name for name, check in checks.items() if check["verdict"] == "breach"} == {culprit}
    assert (checks[culprit]["verdict"], checks[culprit]["reason"]) == ("breach", "AboveMaximum")
    assert re.search(sentence, checks[culprit]["message"]), checks[culprit]["message"]
    ended = caught["history"][0]
    assert (ended["modelVersion"], ended["outcome"], ended["reason"]) == (version, "RolledBack", "ThresholdReached")
    assert f"{culprit}: {checks[culprit]['message']}" in ended["message"]
    assert caught["stable"]["modelVersion"] == "2.0.0"

    assert promoted["stable"]["modelVersion"] == version, "without its check nothing holds it back"
    assert promoted["history"][0]["outcome"] == "Promoted"
    assert counts.all_failed == 0, counts.failures
