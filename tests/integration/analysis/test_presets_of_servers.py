"""Presets for servers and gateways of others, asked of a real Prometheus that holds what those expose."""

import expositions
import pytest
from expositions import Seen
from recorded import SCRAPE_SECONDS, Recording

from modelramp.analysis.presets import PRESETS
from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict
from modelramp.engine.queries import CheckRequest, outcomes

NAMESPACE = "servers"
SCRAPES = 5
REPLACED = 2
PODS = {
    "vllm": expositions.vllm,
    "tgi": expositions.tgi,
    "litellm": expositions.litellm,
    "gen-ai": expositions.gen_ai,
    "llama-cpp": expositions.llama_cpp,
    "fastapi": expositions.fastapi,
    "starlette": expositions.starlette,
    "flask": expositions.flask,
    "triton": expositions.triton,
    "kserve": expositions.kserve,
    "ray-serve": expositions.ray_serve,
    "seldon": expositions.seldon,
    "mlserver": expositions.mlserver,
    "torchserve": expositions.torchserve,
    "tf-serving": expositions.tf_serving,
    "bentoml": expositions.bentoml,
    "linkerd": expositions.linkerd,
}
GATEWAYS = ("istio", "contour", "envoy-gateway", "ingress-nginx")
TESTED_ELSEWHERE = {preset for preset in PRESETS if preset.startswith("reference-")}


def seen(revision, scrape):
    """Good answers in 0.2 s; bad needs 8 s and fails half of its requests; dead fails all of them."""
    return {
        "good": Seen(20 * scrape, 0, 0.2),
        "bad": Seen(5 * scrape, 5 * scrape, 8.0),
        "dead": Seen(0, 10 * scrape, 8.0),
        "idle": Seen(0, 0, 0.2),
    }[revision]


REVISIONS = ("good", "bad", "dead", "idle")


@pytest.fixture(scope="module")
def served(prometheus, last_minute):
    """A minute of four revisions of one model in each server, and behind each gateway."""
    recording = Recording(prometheus)
    for scrape in range(SCRAPES):
        at = last_minute - SCRAPE_SECONDS * (SCRAPES - 1 - scrape)
        for revision in REVISIONS:
            now = seen(revision, scrape)
            for server, exposition in PODS.items():
                target = {"namespace": NAMESPACE, "modeldeployment": server, "revision": revision}
                recording.scraped(exposition(now), at, pod=f"{server}-{revision}", **target)
            target = {"namespace": NAMESPACE, "modeldeployment": "own", "revision": revision}
            recording.scraped(expositions.counter("prediction_requests_total", "", now.all), at, **target)
            recording.scraped(expositions.counter("model_refusals_total", "", now.failed), at, **target)
            up = 0 if revision == "dead" or (revision == "bad" and scrape % 2) else 1
            recording.scraped(f"# TYPE up gauge\nup {up}\n", at, pod="a", **target)
            recording.scraped(f"# TYPE up gauge\nup {0 if revision != 'good' else scrape % 2}\n", at, pod="b", **target)
            # Late truth comes in through the stable version's pods.
            recording.scraped(expositions.judged(revision, now), at, **{**target, "revision": "good"})
            recording.scraped(expositions.istio(NAMESPACE, f"istio-{revision}", now), at, job="mesh")
            recording.scraped(expositions.contour(NAMESPACE, f"contour-{revision}", now), at, job="envoy")
            # Two Envoys share the traffic of a Gateway; one of them is replaced and the new one counts from 0.
            for envoy, born in (("a", 0), ("b", 0) if scrape < REPLACED else ("c", REPLACED)):
                so_far = seen(revision, scrape - born)
                text = expositions.envoy_gateway(NAMESPACE, f"envoy-gateway-{revision}", so_far)
                recording.scraped(text, at, pod=envoy)
            text = expositions.envoy_gateway(NAMESPACE, f"unmerged-{revision}", now, merged=False)
            recording.scraped(text, at, pod="a")
            for name, honor in (("ingress-nginx", True), ("renamed", False)):
                services = (f"{name}-good", f"{name}-{revision}")
                text = expositions.ingress_nginx(NAMESPACE, *services, now, honor=honor)
                recording.scraped(text, at, job="nginx")
    recording.play()


async def outcome(preset, name, revision, endpoint, metrics, telemetry, tick):
    health = Health(checks=({"name": "check", "preset": preset},))
    due = CheckRequest("key", endpoint, health, QueryContext(NAMESPACE, name, revision, f"{name}-{revision}"))
    return (await outcomes([due], tick, metrics, telemetry))["key"][0]


def presets_of(name):
    return [preset for preset in PRESETS if preset.startswith(f"{name}-")]


def measures(ending):
    return [(preset, name) for name in (*PODS, *GATEWAYS) for preset in presets_of(name) if preset.endswith(ending)]


@pytest.mark.parametrize(("preset", "name"), [*measures("-error-rate"), ("ingress-nginx-error-rate", "renamed")])
@pytest.mark.usefixtures("served")
async def test_error_rates_find_no_error_half_and_all(preset, name, endpoint, metrics, telemetry, last_minute):
    found = [
        await outcome(preset, name, revision, endpoint, metrics, telemetry, last_minute)
        for revision in ("good", "bad", "dead")
    ]
    assert [each.value for each in found] == pytest.approx([0, 0.5, 1], rel=0.02, abs=1e-9)
    assert [each.verdict for each in found] == [Verdict.HEALTHY, Verdict.BREACH, Verdict.BREACH]


@pytest.mark.parametrize(
    ("preset", "name"),
    [*measures("-p95-latency"), *measures("-latency-mean"), ("ingress-nginx-p95-latency", "renamed")],
)
@pytest.mark.usefixtures("served")
async def test_latencies_are_seconds_whatever_the_server_counts_in(
    preset, name, endpoint, metrics, telemetry, last_minute
):
    good = await outcome(preset, name, "good", endpoint, metrics, telemetry, last_minute)
    bad = await outcome(preset, name, "bad", endpoint, metrics, telemetry, last_minute)
    # A quantile is as exact as the server's buckets; a mean is exact.
    low, high = (0.5, 2.5) if "p95" in preset else (0.98, 1.02)
    assert low <= good.value / 0.2 <= high
    assert low <= bad.value / 8 <= high
    assert (good.verdict, bad.verdict) == (Verdict.HEALTHY, Verdict.BREACH)


WITHOUT_LIMITS = {
    "vllm-p95-time-to-first-token": (0.05, 2, 0.3),
    "vllm-tokens-per-second": (40, 20, 0.02),
    "vllm-cut-off-rate": (0, 0.5, 0.02),
    "tgi-mean-time-to-first-token": (0.075, 3, 0.02),
    "tgi-tokens-per-second": (40, 20, 0.02),
    "litellm-p95-time-to-first-token": (0.05, 2, 0.3),
    "litellm-tokens-per-second": (40, 20, 0.02),
    "litellm-cost-per-request": (0.002, 0.002, 0.02),
    "litellm-rate-limited-rate": (0, 0, 0.02),
    "litellm-unanswered-rate": (0, 0.5, 0.02),
    "llama-cpp-tokens-per-second": (40, 20, 0.02),
    "llama-cpp-time-per-token": (0.2 / 30, 8 / 30, 0.02),
    "gen-ai-p95-time-to-first-token": (0.05, 2, 0.6),
    "gen-ai-tokens-per-second": (40, 20, 0.02),
}


@pytest.mark.parametrize("preset", WITHOUT_LIMITS)
@pytest.mark.usefixtures("served")
async def test_tokens_costs_and_first_tokens_are_measured(preset, endpoint, metrics, telemetry, last_minute):
    good, bad, width = WITHOUT_LIMITS[preset]
    name = next(name for name in PODS if preset in presets_of(name))
    values = [
        (await outcome(preset, name, revision, endpoint, metrics, telemetry, last_minute)).value
        for revision in ("good", "bad")
    ]
    assert values == pytest.approx([good, bad], rel=width, abs=1e-9)


OWN = {
    "uptime": (1.0, 0.6, Verdict.BREACH),
    "hallucination-rate": (0.0, 0.5, Verdict.HEALTHY),
    "refusal-rate": (0.0, 0.5, Verdict.HEALTHY),
    "mape": (0.05, 0.3, Verdict.HEALTHY),
    "mean-error": (1.0, 4.0, Verdict.HEALTHY),
    "mean-absolute-error": (3.0, 6.0, Verdict.HEALTHY),
    "resolution-rate": (0.8, 0.6, Verdict.BREACH),
    "deflection-rate": (0.5, 0.5, Verdict.HEALTHY),
    "cost-per-conversation": (0.005, 0.02, Verdict.BREACH),
    "csat": (5.0, 3.0, Verdict.BREACH),
    "conversation-length": (4.0, 40.0, Verdict.HEALTHY),
    "abandonment-rate": (0.0, 0.2, Verdict.BREACH),
}


@pytest.mark.parametrize("preset", OWN)
@pytest.mark.usefixtures("served")
async def test_the_four_dimensions_keep_the_limits_of_the_field(preset, endpoint, metrics, telemetry, last_minute):
    good, bad, verdict_on_bad = OWN[preset]
    found = [
        await outcome(preset, "own", revision, endpoint, metrics, telemetry, last_minute)
        for revision in ("good", "bad")
    ]
    width = 0.3 if preset == "uptime" else 0.02
    assert [each.value for each in found] == pytest.approx([good, bad], rel=width, abs=1e-9)
    assert [each.verdict for each in found] == [Verdict.HEALTHY, verdict_on_bad]


@pytest.mark.parametrize(("preset", "name"), measures("-error-rate"))
@pytest.mark.usefixtures("served")
async def test_a_server_without_traffic_is_no_data(preset, name, endpoint, metrics, telemetry, last_minute):
    found = await outcome(preset, name, "idle", endpoint, metrics, telemetry, last_minute)
    assert (found.verdict, found.reason in (Reason.NOT_A_NUMBER, Reason.EMPTY_RESULT)) == (Verdict.NO_DATA, True)


@pytest.mark.parametrize("preset", ["envoy-gateway-error-rate", "envoy-gateway-p95-latency"])
@pytest.mark.usefixtures("served")
async def test_backends_that_share_an_envoy_cluster_are_no_data(preset, endpoint, metrics, telemetry, last_minute):
    found = await outcome(preset, "unmerged", "bad", endpoint, metrics, telemetry, last_minute)
    assert (found.verdict, found.reason) == (Verdict.NO_DATA, Reason.EMPTY_RESULT)


def test_every_preset_is_measured_somewhere():
    latencies = {
        preset for ending in ("-error-rate", "-p95-latency", "-latency-mean") for preset, _ in measures(ending)
    }
    traefik = set(presets_of("traefik"))
    assert set(PRESETS) == latencies | set(WITHOUT_LIMITS) | set(OWN) | traefik | TESTED_ELSEWHERE
