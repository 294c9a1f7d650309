"""Presets, asked of a real Prometheus that holds what the servers themselves expose."""

import pytest
from recorded import SCRAPE_SECONDS, Recording

from examples.models import Answers
from examples.server.feedback import Fate, Judgement
from examples.server.telemetry import Telemetry
from examples.server.tokens import Answered
from modelramp.analysis.presets import PRESETS
from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict
from modelramp.engine.queries import CheckRequest, QueryResult, asked, outcomes
from modelramp.engine.questions import divided

NAMESPACE = "presets"
SCRAPES = 5


def due(endpoint, name, revision, presets, namespace=NAMESPACE):
    checks = tuple({"name": preset, "preset": preset} for preset in presets)
    return CheckRequest(
        revision, endpoint, Health(checks=checks), QueryContext(namespace, name, revision, f"{name}-{revision}")
    )


async def found(metrics, telemetry, tick, *due):
    answers = await outcomes(due, tick, metrics, telemetry)
    return {key: {outcome.name: outcome for outcome in outcomes} for key, outcomes in answers.items()}


class Pod:
    """The reference server's own metrics, without its HTTP."""

    def __init__(self, revision):
        self.revision = revision
        self.metrics = Telemetry(revision, "1.0.0")

    def serve(self, requests, *, wrong=0, failing=0, seconds=0.2, judged_by=None):
        for number in range(requests):
            if number < failing:
                self.metrics.failed(seconds)
            else:
                self.metrics.answered(Answers((1,), (0.9,)), seconds)
        answered = Answered(self.revision, 0, b"", "", (1,))
        for number in range(requests):
            (judged_by or self).metrics.judged(Judgement(Fate.COUNTED, answered, (number >= wrong,)))

    def exposition(self):
        return self.metrics.exposition().decode()


@pytest.fixture(scope="module")
def served(prometheus, last_minute):
    """A minute and a quarter of two revisions of `digits` and a neighbour of the same name in another namespace."""
    recording = Recording(prometheus)
    good, bad, idle, neighbour = Pod("good"), Pod("bad"), Pod("idle"), Pod("good")
    for scrape in range(SCRAPES):
        if scrape:
            good.serve(20, wrong=1)
            # Its late labels come in through the other revision's pods, as through one gateway.
            bad.serve(10, wrong=8, failing=2, seconds=20, judged_by=good)
            neighbour.serve(10, failing=10)
        at = last_minute - SCRAPE_SECONDS * (SCRAPES - 1 - scrape)
        for pod, namespace in ((good, NAMESPACE), (bad, NAMESPACE), (idle, NAMESPACE), (neighbour, "other")):
            target = {"namespace": namespace, "modeldeployment": "digits", "revision": pod.revision}
            recording.scraped(pod.exposition(), at, pod=f"{namespace}-{pod.revision}", **target)
    recording.play()


REFERENCE = {
    "reference-error-rate": (0.0, Verdict.HEALTHY, 0.2, Verdict.BREACH),
    "reference-accuracy": (0.95, Verdict.HEALTHY, 0.2, Verdict.BREACH),
    "reference-latency-mean": (0.2, Verdict.HEALTHY, 20.0, Verdict.BREACH),
    "reference-p95-latency": (0.2425, Verdict.HEALTHY, float("inf"), Verdict.BREACH),
    "reference-requests-per-second": (4 / 3, Verdict.HEALTHY, 2 / 3, Verdict.HEALTHY),
}


@pytest.mark.parametrize("preset", REFERENCE)
@pytest.mark.usefixtures("served")
async def test_the_reference_servers_presets_tell_a_good_revision_from_a_bad_one(
    preset, endpoint, metrics, telemetry, last_minute
):
    good, verdict, bad, verdict_on_bad = REFERENCE[preset]
    answers = await found(
        metrics,
        telemetry,
        last_minute,
        due(endpoint, "digits", "good", REFERENCE),
        due(endpoint, "digits", "bad", REFERENCE),
    )
    assert (answers["good"][preset].value, answers["good"][preset].verdict) == (pytest.approx(good, rel=0.02), verdict)
    assert answers["bad"][preset].value == pytest.approx(bad, rel=0.02)
    assert answers["bad"][preset].verdict is verdict_on_bad


@pytest.mark.usefixtures("served")
async def test_a_revision_without_traffic_is_no_data_and_never_healthy(endpoint, metrics, telemetry, last_minute):
    answers = (await found(metrics, telemetry, last_minute, due(endpoint, "digits", "idle", REFERENCE)))["idle"]
    reasons = {preset: answers[preset].reason for preset in REFERENCE}
    assert reasons == {
        "reference-error-rate": Reason.NOT_A_NUMBER,
        "reference-latency-mean": Reason.NOT_A_NUMBER,
        "reference-p95-latency": Reason.NOT_A_NUMBER,
        "reference-accuracy": Reason.NOT_A_NUMBER,
        "reference-requests-per-second": Reason.WITHIN_LIMIT,
    }


@pytest.mark.parametrize("preset", PRESETS)
async def test_a_revision_that_nobody_scrapes_is_no_data(preset, endpoint, metrics, telemetry, last_minute):
    answers = (await found(metrics, telemetry, last_minute, due(endpoint, "digits", "nobody", [preset])))["nobody"]
    assert answers[preset].reason is Reason.EMPTY_RESULT


def traefik(service, requests, errors, slow):
    """Traefik 3.7's own text for one service: its default buckets, and one counter for each code."""
    label = f'code="200",method="GET",protocol="http",service="{service}@kubernetesgateway"'
    fast = requests - slow
    lines = [
        "# TYPE traefik_service_requests_total counter",
        f"traefik_service_requests_total{{{label}}} {requests - errors}",
        "# TYPE traefik_service_request_duration_seconds histogram",
        *(f'traefik_service_request_duration_seconds_bucket{{{label},le="{le}"}} {fast}' for le in (0.1, 0.3, 1.2, 5)),
        f'traefik_service_request_duration_seconds_bucket{{{label},le="+Inf"}} {requests}',
        f"traefik_service_request_duration_seconds_sum{{{label}}} {requests}",
        f"traefik_service_request_duration_seconds_count{{{label}}} {requests}",
    ]
    if errors:
        lines.insert(2, f"traefik_service_requests_total{{{label.replace('200', '502')}}} {errors}")
    return "\n".join(lines) + "\n"


def route(namespace, name, gateway, service, rule=0, index=0):
    """The service label, put together as pkg/provider/kubernetes/gateway/httproute.go does."""
    key = f"httproute-{namespace}-{name}-gw-infra-{gateway}-ep-web-{rule}-af329269dd38031b03e3"
    return f"{key}-svc-{namespace}-{service}-{index}"


@pytest.fixture(scope="module")
def routed(prometheus, last_minute):
    """Two revisions behind two gateways; the bad one answers 502 and beyond the largest bucket."""
    recording = Recording(prometheus)
    for scrape in range(SCRAPES):
        at = last_minute - SCRAPE_SECONDS * (SCRAPES - 1 - scrape)
        text = ""
        for name in ("digits", "my-gw-x-svc-y"):
            for gateway in ("public", "inner-gw-1"):
                text += traefik(route("ml", name, gateway, f"{name}-good"), 20 * scrape, 0, 0)
                text += traefik(route("ml", name, gateway, f"{name}-bad", index=1), 10 * scrape, scrape, scrape)
        text += traefik(route("other", "digits", "public", "digits-good"), 10 * scrape, 10 * scrape, 0)
        recording.scraped(text, at, job="traefik")
    recording.play()


TRAEFIK = {
    "traefik-error-rate": (0.0, Verdict.HEALTHY, 0.1, Verdict.BREACH),
    "traefik-p95-latency": (0.095, Verdict.HEALTHY, float("inf"), Verdict.BREACH),
    "traefik-requests-per-second": (8 / 3, Verdict.HEALTHY, 4 / 3, Verdict.HEALTHY),
}


@pytest.mark.parametrize("name", ["digits", "my-gw-x-svc-y"])
@pytest.mark.parametrize("preset", TRAEFIK)
@pytest.mark.usefixtures("routed")
async def test_traefiks_presets_tell_the_arms_apart_over_all_gateways(
    preset, name, endpoint, metrics, telemetry, last_minute
):
    good, verdict, bad, verdict_on_bad = TRAEFIK[preset]
    both = [due(endpoint, name, revision, TRAEFIK, namespace="ml") for revision in ("good", "bad")]
    answers = await found(metrics, telemetry, last_minute, *both)
    assert (answers["good"][preset].value, answers["good"][preset].verdict) == (pytest.approx(good, rel=0.02), verdict)
    assert answers["bad"][preset].value == pytest.approx(bad, rel=0.02)
    assert answers["bad"][preset].verdict is verdict_on_bad


@pytest.mark.parametrize(
    ("preset", "namespace", "name"),
    [
        ("reference-error-rate", NAMESPACE, "digits"),
        ("reference-p95-latency", NAMESPACE, "digits"),
        ("traefik-error-rate", "ml", "digits"),
        ("traefik-p95-latency", "ml", "my-gw-x-svc-y"),
    ],
)
@pytest.mark.usefixtures("served", "routed")
async def test_a_shared_query_that_is_asked_for_one_namespace_alone_says_the_same_of_it(
    preset, namespace, name, endpoint, metrics, last_minute
):
    ((query, own),) = asked(due(endpoint, name, "bad", [preset], namespace), (last_minute,)).questions(last_minute)
    parts = divided(query, {namespace: [(own,)], "elsewhere": [(own,)]})
    whole, part = [await metrics.instant(endpoint, text, last_minute) for text in (query.text, parts[namespace].text)]
    assert len(part) < len(whole)
    (expected,), (found,) = QueryResult(whole).pick(own), QueryResult(part).pick(own)
    assert (found.labels, found.value) == (expected.labels, expected.value)
