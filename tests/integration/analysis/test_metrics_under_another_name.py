"""A counter, or the label by which failures are told, that has another name is no data: never healthy."""

import re

import expositions
import pytest
from expositions import Seen
from recorded import SCRAPE_SECONDS, Recording
from test_presets_of_servers import GATEWAYS, PODS, presets_of

from modelramp.analysis.presets import PRESETS
from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict
from modelramp.engine.queries import CheckRequest, outcomes

NAMESPACE = "renamed"
SCRAPES = 5
LABELS = {
    "code": "http_code",
    "status": "result",
    "status_code": "code",
    "response_code": "code",
    "http_response_code": "code",
    "envoy_response_code_class": "code_class",
    "classification": "class",
    "finished_reason": "why",
}
"""Other names for the labels by which failures are told."""
UNACCOUNTED = {"ray-serve-deployment-error-rate", "tgi-error-rate", "torchserve-error-rate"}
"""Presets of a counter that is made at the first failure: without it, what was not done may have failed."""
BY_COUNTER = UNACCOUNTED | {
    "kserve-error-rate",
    "triton-error-rate",
    "mlserver-inference-error-rate",
    "gen-ai-error-rate",
}
"""Presets that tell failures by a counter of their own, or by a label that is there of failures alone."""


def shares():
    return [
        (preset, name)
        for name in (*PODS, *GATEWAYS)
        for preset in presets_of(name)
        if PRESETS[preset].unit == "ratio" and PRESETS[preset].dimension.value == "operational"
    ]


def text_of(name, revision, now):
    if name in PODS:
        return PODS[name](now)
    exposition = getattr(expositions, name.replace("-", "_"))
    service = f"{name}-{revision}"
    if name == "ingress-nginx":
        return exposition(NAMESPACE, f"{name}-good", service, now)
    return exposition(NAMESPACE, service, now)


def changed(text, how, counter):
    """The exposition with another name for a counter of failures, for all that it serves, or for a label."""
    if how == "counter":
        return re.sub(rf"(?<![\w:]){re.escape(counter)}(?![\w:])", f"{counter}_renamed", text)
    if how == "everything":
        return re.sub(r"^(# TYPE )?([\w:]+)", r"\1new_\2", text, flags=re.MULTILINE)
    return re.sub(rf"\b({'|'.join(LABELS)})=", lambda found: f"{LABELS[found[1]]}=", text)


def revisions():
    for preset, name in shares():
        yield name, f"{preset}-counter", "counter", PRESETS[preset].metrics[0]
    for name in dict.fromkeys(name for _, name in shares()):
        yield name, f"{name}-everything", "everything", ""
        yield name, f"{name}-label", "label", ""


@pytest.fixture(scope="module")
def served(prometheus, last_minute):
    """Half of all requests fail, and something has another name; one revision is healthy and has never failed."""
    recording = Recording(prometheus)
    for scrape in range(SCRAPES):
        at = last_minute - SCRAPE_SECONDS * (SCRAPES - 1 - scrape)
        failing, healthy = Seen(5 * scrape, 5 * scrape, 0.2), Seen(20 * scrape, 0, 0.2)
        for name, revision, how, metric in revisions():
            _scraped(recording, changed(text_of(name, revision, failing), how, metric), at, name, revision)
        for name in (*PODS, *GATEWAYS):
            _scraped(recording, text_of(name, "good", healthy), at, name, "good")
    recording.play()


def _scraped(recording, text, at, name, revision):
    if name in PODS:
        target = {"namespace": NAMESPACE, "modeldeployment": name, "revision": revision, "instance": revision}
        recording.scraped(f"# TYPE up gauge\nup 1\n{text}", at, **target)
    else:
        recording.scraped(text, at, job=f"{name}-of-{revision}")


async def outcome(preset, name, revision, endpoint, metrics, telemetry, tick):
    health = Health(checks=({"name": "check", "preset": preset, "max": 0.01},))
    due = CheckRequest("key", endpoint, health, QueryContext(NAMESPACE, name, revision, f"{name}-{revision}"))
    return (await outcomes([due], tick, metrics, telemetry))["key"][0]


@pytest.mark.parametrize(("preset", "name"), shares())
@pytest.mark.usefixtures("served")
async def test_a_counter_of_failures_under_another_name_is_no_data(
    preset, name, endpoint, metrics, telemetry, last_minute
):
    # A missing counter of what has ended is a breach by itself.
    revision = f"{name}-everything" if preset == "kserve-error-rate" else f"{preset}-counter"
    found = await outcome(preset, name, revision, endpoint, metrics, telemetry, last_minute)
    assert found.verdict is Verdict.NO_DATA
    assert found.reason in (Reason.METRIC_UNKNOWN, Reason.EMPTY_RESULT)


@pytest.mark.parametrize(
    ("preset", "name"),
    [
        ("triton-error-rate", "triton"),
        ("mlserver-inference-error-rate", "mlserver"),
        ("ray-serve-deployment-error-rate", "ray-serve"),
        ("tgi-error-rate", "tgi"),
        ("torchserve-error-rate", "torchserve"),
    ],
)
@pytest.mark.usefixtures("served")
async def test_a_counter_of_failures_that_is_missing_is_named(preset, name, endpoint, metrics, telemetry, last_minute):
    found = await outcome(preset, name, f"{preset}-counter", endpoint, metrics, telemetry, last_minute)
    assert found.reason is Reason.METRIC_UNKNOWN
    assert found.detail.startswith(f"{PRESETS[preset].metrics[0]} has no series of this revision")


@pytest.mark.parametrize(("preset", "name"), [each for each in shares() if each[0] not in BY_COUNTER])
@pytest.mark.usefixtures("served")
async def test_a_label_under_another_name_is_no_data(preset, name, endpoint, metrics, telemetry, last_minute):
    found = await outcome(preset, name, f"{name}-label", endpoint, metrics, telemetry, last_minute)
    assert (found.verdict, found.reason) == (Verdict.NO_DATA, Reason.EMPTY_RESULT)


@pytest.mark.parametrize(("preset", "name"), shares())
@pytest.mark.usefixtures("served")
async def test_a_version_that_has_never_failed_is_healthy(preset, name, endpoint, metrics, telemetry, last_minute):
    found = await outcome(preset, name, "good", endpoint, metrics, telemetry, last_minute)
    assert (found.verdict, found.value) == (Verdict.HEALTHY, 0)


def old_ray(good, bad):
    """Ray 2.52 in the case that was reported: counters without _total, as gauges; of HTTP nothing."""
    where = 'application="default",deployment="LLM",replica="a1",route="/v1/chat/completions"'
    lines = [
        "# TYPE ray_serve_deployment_request_counter gauge",
        f"ray_serve_deployment_request_counter{{{where}}} {good}",
    ]
    if bad:
        lines += [
            "# TYPE ray_serve_deployment_error_counter gauge",
            f"ray_serve_deployment_error_counter{{{where}}} {bad}",
        ]
    latency = expositions.histogram("ray_serve_deployment_processing_latency_ms", where, (10, 1000), 5, good + bad)
    return "\n".join(lines) + "\n" + latency


@pytest.mark.parametrize(
    ("preset", "verdict"),
    [("ray-serve-error-rate", Verdict.NO_DATA), ("ray-serve-deployment-error-rate", Verdict.BREACH)],
)
async def test_ray_serve_is_known_under_both_names_or_not_at_all(
    preset, verdict, prometheus, endpoint, metrics, telemetry, last_minute
):
    recording = Recording(prometheus)
    for scrape in range(SCRAPES):
        at = last_minute - SCRAPE_SECONDS * (SCRAPES - 1 - scrape)
        target = {"namespace": NAMESPACE, "modeldeployment": "old-ray", "revision": "r"}
        recording.scraped(old_ray(5 * scrape, 5 * scrape), at, **target)
    recording.play()
    assert (await outcome(preset, "old-ray", "r", endpoint, metrics, telemetry, last_minute)).verdict is verdict


def without(text, metric):
    return "\n".join(line for line in text.split("\n") if not line.startswith(f"{metric}{{")) + "\n"


def ray_without_failures(scrape):
    """No deployment ever raised, and no caller left."""
    return without(expositions.ray_serve(Seen(20 * scrape, 0, 0.2)), "ray_serve_deployment_error_counter_total")


def busy_tgi(scrape, *, failed=0):
    """More and more requests are under way, as when long streams begin; nothing was refused."""
    text = expositions.tgi(Seen(20 * scrape, failed * scrape, 8.0), waiting=10 * scrape)
    return without(text, "tgi_request_failure")


def probed_torchserve(scrape, *, failed=0, code="Requests5XX_renamed"):
    """Probes and scrapes are counted as answers beside 100 requests a scrape."""
    text = expositions.torchserve(Seen(100 * scrape, failed * scrape, 0.2)).replace("Requests5XX", code)
    return re.sub(r"(Requests2XX\{.*\}) (\d+)", lambda found: f"{found[1]} {int(found[2]) + 4 * scrape}", text)


QUIET = {
    "Ray without any failure": ("ray-serve-deployment-error-rate", ray_without_failures, 0),
    "TGI with long streams": ("tgi-error-rate", busy_tgi, 0),
    "TGI with long streams and failures of another name": (
        "tgi-error-rate",
        lambda scrape: busy_tgi(scrape, failed=5),
        None,
    ),
    "TorchServe with probes": ("torchserve-error-rate", probed_torchserve, 0),
    "TorchServe with probes and failures of another name": (
        "torchserve-error-rate",
        lambda scrape: probed_torchserve(scrape, failed=20),
        None,
    ),
    "TorchServe with probes and refused input": (
        "torchserve-error-rate",
        lambda scrape: probed_torchserve(scrape, failed=20, code="Requests4XX"),
        0,
    ),
}
"""Servers that have counted no failure: the share, or None where requests are missing among those that were done."""


@pytest.mark.parametrize(("preset", "serve", "share"), QUIET.values(), ids=QUIET)
async def test_a_server_without_a_counter_of_failures_is_healthy_if_all_that_began_was_done(
    preset, serve, share, prometheus, endpoint, metrics, telemetry, last_minute, request
):
    name, recording = request.node.callspec.id.lower().replace(" ", "-"), Recording(prometheus)
    for scrape in range(SCRAPES):
        at = last_minute - SCRAPE_SECONDS * (SCRAPES - 1 - scrape)
        target = {"namespace": NAMESPACE, "modeldeployment": name, "revision": "r", "instance": name}
        recording.scraped(f"# TYPE up gauge\nup 1\n{serve(scrape)}", at, **target)
    recording.play()
    found = await outcome(preset, name, "r", endpoint, metrics, telemetry, last_minute)
    assert found.value == (share if share is None else pytest.approx(share, abs=1e-9))
    assert found.reason is (Reason.METRIC_UNKNOWN if share is None else Reason.WITHIN_LIMIT)
