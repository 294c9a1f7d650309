"""What lint knows of hooks, beyond the API server."""

import json

import pytest

from modelramp.cli.commands.lint import lint_text
from tests.refused.samples import EVERY_FIELD, load

HOOK = {"name": "tell", "webhook": {"url": "https://pipelines.example.com/"}}
QUERY = {"name": "errors", "query": 'x{namespace="{{namespace}}",revision="{{revision}}"}', "max": 1}
DRIFT = {
    "name": "inputs",
    "drift": {
        "buckets": 'sum by (le) (increase(b_bucket{namespace="{{namespace}}",revision="{{revision}}"}[{{window}}]))',
        "reference": {"buckets": {"1": 1, "+Inf": 2}},
    },
}


def job(**spec):
    return {"name": "train", "job": {"template": {"spec": {"containers": [{"name": "c", "image": "i:1"}], **spec}}}}


def findings_of(**health):
    manifest = load(EVERY_FIELD)
    manifest["spec"]["health"] = {"checks": [QUERY], **health}
    _, findings = lint_text("digits.json", json.dumps(manifest).encode())
    told = [(finding.level.value, finding.path.removeprefix("spec.health."), finding.message) for finding in findings]
    return [found for found in told if found[1].startswith("on")]


@pytest.mark.parametrize(
    ("health", "wanted"),
    [
        (
            {"onBreach": [HOOK | {"checks": ["latency"]}]},
            ("error", "onBreach[0].checks[0]", "no check is named latency; declared are errors"),
        ),
        ({"onDrift": [HOOK]}, ("error", "onDrift[0]", "no check is of kind drift")),
        (
            {"onBreach": [HOOK | {"after": 4}]},
            ("warning", "onBreach[0].after", "4 is above failureThreshold (3)"),
        ),
        (
            {"onBreach": [job(restartPolicy="Always")]},
            ("error", "onBreach[0].job.template.spec.restartPolicy", "allowed are Never, OnFailure"),
        ),
        (
            {"onBreach": [job(initContainers="none")]},
            ("error", "onBreach[0].job.template.spec.initContainers", "a list"),
        ),
        (
            {"onBreach": [{"name": "tell", "webhook": {"url": "http://a.b/", "secretRef": {"name": "s"}}}]},
            ("warning", "onBreach[0].webhook.url", "without encryption"),
        ),
    ],
)
def test_what_would_not_do_what_was_meant_is_said(health, wanted):
    level, path, words = wanted
    assert [(found[0], found[1]) for found in findings_of(**health)] == [(level, path)]
    assert words in findings_of(**health)[0][2]


@pytest.mark.parametrize(
    "health",
    [
        {"onBreach": [HOOK]},
        {"onBreach": [HOOK | {"after": 3}]},
        {"onBreach": [HOOK | {"after": 5, "checks": ["errors"]}]},
        {"onBreach": [job(restartPolicy="OnFailure")]},
        {"checks": [DRIFT], "onDrift": [HOOK | {"after": 60}]},
        {"onDrift": [HOOK | {"checks": ["errors"]}]},
        {"policies": [{"name": "elsewhere"}], "onBreach": [HOOK | {"checks": ["from-a-policy"]}]},
    ],
)
def test_what_is_well_is_left_alone(health):
    assert findings_of(**health) == []
