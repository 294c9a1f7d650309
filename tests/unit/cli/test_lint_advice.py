"""What lint knows beyond the API server."""

import copy
import json

import pytest

from modelramp.cli.commands.lint import lint_text
from tests.refused.samples import EVERY_FIELD, load

OURS = '{namespace="{{namespace}}",revision="{{revision}}"}'
RATE = 'sum(rate(model_errors_total{namespace="{{namespace}}",revision="{{revision}}"}[{{window}}]))'


def findings_of(**spec):
    """Findings for the sample with other parts of the spec, as (level, path, message)."""
    manifest = load(EVERY_FIELD)
    manifest["spec"]["health"].pop("policies", None)  # they stand in files of their own
    manifest["spec"] |= spec
    _, findings = lint_text("digits.json", json.dumps(manifest).encode())
    return [(finding.level.value, finding.path, finding.message) for finding in findings]


def check(**fields):
    return {"checks": [{"name": "a"} | fields]}


def template(**container):
    changed = copy.deepcopy(load(EVERY_FIELD)["spec"]["template"])
    changed["spec"]["containers"][0] |= container
    return changed


def test_a_sample_with_every_field_is_clean():
    assert findings_of() == []


# what the spec says                                                       level    path                 words
QUERIES = {
    "an unknown variable": (
        {"query": 'sum(x{r="{{revison}}"})', "max": 1},
        *("error", "query", "unknown variable {{revison}}"),
    ),
    "a variable outside quotes": (
        {"query": "sum(x{r={{revision}}})", "max": 1},
        *("error", "query", "stands outside quotes"),
    ),
    "no PromQL": ({"query": "sum(", "max": 1}, "error", "query", "not PromQL"),
    "a range as the answer": (
        {"query": 'x{namespace="{{namespace}}",revision="{{revision}}"}[5m]', "max": 1},
        *("error", "query", "gives a range of values"),
    ),
    "an unknown preset": ({"preset": "eror-rate"}, "error", "preset", "did you mean reference-error-rate?"),
    "a preset without a limit of its own": (
        {"preset": "reference-requests-per-second"},
        *("error", "", "can never breach: it has no limit"),
    ),
    "a ratio that may be 1": ({"preset": "reference-error-rate", "max": 1}, "error", "max", "lies between 0 and 1"),
    "a rating outside its scale": ({"preset": "csat", "min": 1}, "error", "min", "lies between 1 and 5"),
    "a rating that is always too low": ({"preset": "csat", "min": 6}, "error", "min", "always breaches"),
    "a ratio below 0": ({"preset": "reference-accuracy", "min": 0}, "error", "min", "can never breach"),
    "a rate below 0": ({"query": RATE, "min": 0}, "error", "min", "is never below 0"),
    "a rate that is always above": ({"query": RATE, "max": -1}, "error", "max", "always breaches"),
    "several series": (
        {"query": 'rate(x{namespace="{{namespace}}",revision="{{revision}}"}[{{window}}])', "max": 1},
        *("warning", "query", "may give several series"),
    ),
    "several series by a label": (
        {"query": 'sum by (code) (rate(x{namespace="{{namespace}}",revision="{{revision}}"}[{{window}}]))', "max": 1},
        *("warning", "query", "one for each code"),
    ),
    "a query about all versions": ({"query": "sum(x)", "max": 1}, "warning", "query", "measures all versions together"),
    "a comparison": (
        {"query": 'sum(x{namespace="{{namespace}}",revision="{{revision}}"}) > 5', "max": 1},
        *("warning", "query", "gives nothing when it is false"),
    ),
    "a range longer than the interval": (
        {"query": RATE.replace("{{window}}", "10m"), "max": 1},
        *("warning", "query", "one burst is counted several times"),
    ),
    "a window without use": (
        {"query": RATE.replace("{{window}}", "30s"), "max": 1, "window": "60s"},
        *("warning", "query", "does not use {{window}}"),
    ),
}


@pytest.mark.parametrize(("fields", "level", "field", "words"), QUERIES.values(), ids=QUERIES)
def test_a_check_that_cannot_do_what_was_meant_is_found(fields, level, field, words):
    found = findings_of(health=check(**fields))
    path = f"spec.health.checks[0].{field}".rstrip(".")
    assert any(one[:2] == (level, path) and words in one[2] for one in found), found


SOUND = {
    "a sum": {"query": RATE, "max": 0.1},
    "a quantile of buckets": {
        "query": f"histogram_quantile(0.95, sum by (le) (rate(x_bucket{OURS}[{{{{window}}}}])))",
        "max": 5,
    },
    "a ratio of sums": {"query": f"{RATE} / {RATE}", "max": 0.01},
    "one minus a ratio": {"query": f"1 - {RATE} / {RATE}", "min": 0.9},
    "a sum by labels that are fixed": {
        "query": 'sum by (revision) (rate(x{namespace="{{namespace}}",revision="{{revision}}"}[{{window}}]))',
        "max": 1,
    },
    "a fallback": {"query": f"{RATE} or vector(0)", "max": 1},
    "a comparison that gives 0 or 1": {"query": f"{RATE} > bool 5", "max": 0},
    "a difference, which may be negative": {"query": f"{RATE} - 5", "min": 0},
    "a long window that only holds": {"query": RATE, "window": "1h", "role": "hold", "max": 1},
    "a long fixed range that only holds": {"query": RATE.replace("{{window}}", "1h"), "role": "hold", "max": 1},
    "a preset": {"preset": "reference-error-rate"},
    "a preset with another limit": {"preset": "reference-p95-latency", "max": 2},
    "an error of more than all": {"preset": "mape", "max": 2},
    "a quantile of what may be negative": {
        "query": f"histogram_quantile(0.05, sum by (le) (rate(score_bucket{OURS}[{{{{window}}}}])))",
        "min": 0,
    },
    "a service as the version": {
        "query": 'sum(rate(x{namespace="{{namespace}}",service="{{service}}"}[{{window}}]))',
        "max": 1,
    },
}


@pytest.mark.parametrize("fields", SOUND.values(), ids=SOUND)
def test_a_sound_check_is_left_alone(fields):
    quiet = [one for one in findings_of(health=check(**fields)) if one[1] != "spec.health.checks"]
    assert quiet == []


SPECS = {
    "no checks": ({"health": {}}, "warning", "spec.health.checks", "only pods that are not available"),
    "no check that rolls back": (
        {"health": check(preset="reference-error-rate", role="hold")},
        *("warning", "spec.health.checks", "none has role: rollback"),
    ),
    "a step shorter than a tick": (
        {"rollout": {"steps": [{"weight": 10, "duration": "30s"}, {"weight": 100}]}},
        *("warning", "spec.rollout.steps[0].duration", "shorter than health.interval (1m)"),
    ),
    "steps shorter than a tick": (
        {"rollout": {"stepDuration": "30s"}},
        *("warning", "spec.rollout.stepDuration", "would end at its first check"),
    ),
    "a step shorter than a rollback": (
        {"rollout": {"stepDuration": "2m"}},
        *("warning", "spec.rollout.stepDuration", "has only 2 checks, and a rollback takes 3 breaches"),
    ),
    "nobody beside it to compare with": (
        {
            "rollout": {"steps": [{"weight": 100}]},
            "health": check(
                name="drift", drift={"buckets": 'x_bucket{namespace="{{namespace}}",revision="{{revision}}"}'}
            ),
        },
        *("warning", "spec.rollout.steps", "so drift compares with a stable version that has no traffic any more"),
    ),
    "a port nobody names": (
        {"service": {"targetPort": "grpc"}},
        *("error", "spec.service.targetPort", "no container's port is named 'grpc'; there are http"),
    ),
    "a port number nobody names": (
        {"service": {"targetPort": 9}},
        *("warning", "spec.service.targetPort", "they name 8080"),
    ),
    "an image without a tag": (
        {"template": template(image="registry:5000/digits")},
        *("warning", "spec.template.spec.containers[0].image", "may be another image tomorrow"),
    ),
    "the image of today": (
        {"template": template(image="digits:latest")},
        *("warning", "spec.template.spec.containers[0].image", "use a version or a digest"),
    ),
    "no readiness probe": (
        {"template": template(readinessProbe=None)},
        *("warning", "spec.template.spec.containers[0].readinessProbe", "before the model is loaded"),
    ),
    "a deadline before the first probe": (
        {"template": template(readinessProbe={"tcpSocket": {"port": 1}, "initialDelaySeconds": 600})},
        *("error", "spec.rollout.progressDeadline", "every rollout would fail"),
    ),
    "a deadline before the start-up probe gives up": (
        {"template": template(startupProbe={"tcpSocket": {"port": 1}, "failureThreshold": 100})},
        *("warning", "spec.rollout.progressDeadline", "startupProbe gives up (16m40s)"),
    ),
}


@pytest.mark.parametrize(("spec", "level", "path", "words"), SPECS.values(), ids=SPECS)
def test_a_spec_that_cannot_do_what_was_meant_is_found(spec, level, path, words):
    found = findings_of(**spec)
    assert any(one[:2] == (level, path) and words in one[2] for one in found), found


@pytest.mark.parametrize(
    "image", ["digits:1", "registry:5000/digits:1", f"digits@sha256:{64 * '0'}", f"digits:latest@sha256:{64 * '0'}"]
)
def test_an_image_with_a_version_or_digest_is_left_alone(image):
    assert findings_of(template=template(image=image)) == []


def test_advice_on_checks_comes_even_when_another_field_is_refused():
    paths = [path for _, path, _ in findings_of(health=check(preset="nope", weight="2"))]
    assert paths == ["spec.health.checks[0].preset", "spec.health.checks[0].weight"]
