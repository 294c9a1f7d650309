"""What is there instead of a preset's series, asked of a real Prometheus."""

from dataclasses import replace

import pytest
from expositions import Seen, fastapi
from own_prometheus import HISTORY, serving
from recorded import Recording
from test_presets_on_prometheus import route, traefik

from modelramp.analysis.missing import lookup, told
from modelramp.analysis.presets import PRESETS
from modelramp.analysis.query_context import QueryContext

NAMESPACE = "why"
UP = "# TYPE up gauge\nup 1\n"
REFERENCE = "# TYPE prediction_requests_total counter\nprediction_requests_total 5\n"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """One that knows nothing of other tests: what is missing must be missing."""
    with serving(tmp_path_factory.mktemp("prometheus"), HISTORY) as url:
        yield url


@pytest.fixture(scope="module")
def recorded(prometheus, last_minute):
    recording = Recording(prometheus)

    def pod(name, revision, text):
        target = {"namespace": NAMESPACE, "modeldeployment": name, "revision": revision, "instance": name}
        recording.scraped(UP + text, last_minute, **target)

    pod("fast", "new", fastapi(Seen(5, 0, 0.1)))
    pod("silent", "new", "# TYPE other_total counter\nother_total 1\n")
    pod("digits", "old", REFERENCE)
    recording.scraped(
        "# TYPE vllm:generation_tokens_total counter\nvllm:generation_tokens_total 5\n", last_minute, job="v"
    )
    recording.scraped(traefik(route(NAMESPACE, "fast", "public", "fast-old"), 5, 0, 0), last_minute, job="traefik")
    recording.play()


LIKELY = "fastapi-error-rate or vllm-error-rate"
CASES = {
    "another server": ("reference-error-rate", "fast", f"prediction_requests_total, but what {LIKELY} reads"),
    "another revision": ("reference-error-rate", "digits", "has series of old, not of new: is it scraped"),
    "no label": ("vllm-tokens-per-second", "silent", "vllm:generation_tokens_total has series, but without the labels"),
    "no such metric": ("reference-error-rate", "silent", "these pods are scraped and do not serve model_errors_total"),
    "not scraped": ("triton-error-rate", "nobody", "knows no series of nv_inference_request_failure or"),
    "no traffic through the gateway": ("traefik-error-rate", "fast", "has series, but none of Service fast-new"),
    "no gateway": ("istio-error-rate", "nobody", "no series of istio_requests_total: is the gateway scraped?"),
    "a gateway's, on pods of a server": ("istio-error-rate", "fast", f"serve what {LIKELY} reads"),
}


@pytest.mark.parametrize(("preset", "name", "words"), CASES.values(), ids=CASES)
@pytest.mark.usefixtures("recorded")
async def test_an_empty_result_says_which_half_is_missing(preset, name, words, endpoint, metrics, last_minute):
    subject = QueryContext(NAMESPACE, name, "new", f"{name}-new")
    found = await metrics.instant(endpoint, lookup(PRESETS[preset], subject), last_minute)
    assert words in told(PRESETS[preset], subject, found)
    assert len(found) <= 12


@pytest.mark.usefixtures("recorded")
async def test_an_object_that_is_limited_to_its_namespace_hears_of_nothing_beyond(endpoint, metrics, last_minute):
    subject = replace(QueryContext(NAMESPACE, "silent", "new", "silent-new"), limited=True)
    found = await metrics.instant(endpoint, lookup(PRESETS["vllm-tokens-per-second"], subject), last_minute)
    assert "these pods are scraped and do not serve" in told(PRESETS["vllm-tokens-per-second"], subject, found)
