"""What callers do wrong, and callers who leave, count as no failure where a server tells them apart."""

import expositions
import pytest
from expositions import Seen, counter
from recorded import SCRAPE_SECONDS, Recording
from test_presets_of_servers import PODS

from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import Health
from modelramp.engine.queries import CheckRequest, outcomes

NAMESPACE = "callers"
SCRAPES = 5


def mlserver(refused):
    """InferenceError(400), and names of models that do not exist."""
    rest = 'app_name="mlserver",method="POST",path="/v2/models/{model_name}/infer"'
    return counter("rest_server_requests_total", f'{rest},status_code="400"', refused, lazy=True)


def bentoml(refused):
    """A service whose one API is at the root, of which a fifth fails; and callers' mistakes."""
    at = 'endpoint="/",runner_name="M",service_name="m",service_version="1"'
    name = "bentoml_service_request_total"
    return "".join(
        counter(name, f'{at},http_response_code="{code}"', n, lazy=True)
        for code, n in (("200", 3 * refused), ("400", refused), ("500", refused))
    )


def litellm(refused):
    """A bad input, an unknown model, an exhausted limit, and calls without a key, which have no status."""
    return "".join(
        counter("litellm_proxy_total_requests_metric_total", f'requested_model="m",status_code="{code}"', refused)
        for code in ("400", "404", "429", "None")
    )


def web(name, label, path):
    def more(refused):
        return counter(name, f'{path}="/predict",method="POST",{label}="404"', refused, lazy=True)

    return more


MORE = {
    "mlserver": ("mlserver-error-rate", mlserver, 0),
    "litellm": ("litellm-error-rate", litellm, 0),
    "litellm-limits": ("litellm-rate-limited-rate", litellm, 0.125),
    "litellm-all": ("litellm-unanswered-rate", litellm, 0.5),
    "fastapi": ("fastapi-error-rate", web("http_requests_total", "status", "handler"), 0),
    "starlette": ("starlette-error-rate", web("starlette_requests_total", "status_code", "path"), 0),
    # Three deployments' callers left for each request that was answered.
    "ray-serve-deployment": ("ray-serve-deployment-error-rate", lambda refused: "", 0),
    "ray-serve": ("ray-serve-error-rate", lambda refused: "", 0),
}


@pytest.fixture(scope="module")
def served(prometheus, last_minute):
    recording = Recording(prometheus)
    for scrape in range(SCRAPES):
        at = last_minute - SCRAPE_SECONDS * (SCRAPES - 1 - scrape)
        for name, (preset, more, _) in MORE.items():
            server = next(each for each in PODS if preset.startswith(f"{each}-"))
            text = PODS[server](Seen(20 * scrape, 0, 0.2)) + more(5 * scrape)
            recording.scraped(text, at, namespace=NAMESPACE, modeldeployment=name, revision="r")
        recording.scraped(bentoml(5 * scrape), at, namespace=NAMESPACE, modeldeployment="bentoml", revision="r")
        old = expositions.ray_serve(Seen(10 * scrape, 10 * scrape, 0.2), ending="")
        recording.scraped(old, at, namespace=NAMESPACE, modeldeployment="old-ray", revision="r")
        both = old + expositions.ray_serve(Seen(10 * scrape, 10 * scrape, 0.2))
        recording.scraped(both, at, namespace=NAMESPACE, modeldeployment="ray-of-both-names", revision="r")
    recording.play()


CASES = {
    **{name: (preset, value) for name, (preset, _, value) in MORE.items()},
    "bentoml": ("bentoml-error-rate", 0.2),
    "old-ray": ("ray-serve-error-rate", 0.5),
    "ray-of-both-names": ("ray-serve-error-rate", 0.5),
}


@pytest.mark.parametrize(("name", "preset", "value"), [(name, *case) for name, case in CASES.items()])
@pytest.mark.usefixtures("served")
async def test_failures_are_the_servers_own(name, preset, value, endpoint, metrics, telemetry, last_minute):
    health = Health(checks=({"name": "check", "preset": preset, "max": 0.01},))
    due = CheckRequest("key", endpoint, health, QueryContext(NAMESPACE, name, "r", f"{name}-r"))
    found = (await outcomes([due], last_minute, metrics, telemetry))["key"][0]
    assert found.value == pytest.approx(value, rel=0.02, abs=1e-9)
