"""Models behind a Python web framework, with the exporters that most people add to it.

Their series carry the pod's labels. Probes and scrapes do not count; they are known by their usual paths.
"""

from dataclasses import replace

from modelramp.analysis.presets.preset import Preset
from modelramp.analysis.presets.series import SERVER_ERROR, STATUS, quantile, share
from modelramp.analysis.presets.shapes import error_rate, p95_latency

_PROBES = "/metrics/?|/health.*|/ready.*|/live.*|/ping|/-/.+"
_ANSWERED = "Time within which 95 of 100 requests are answered; +Inf beyond the largest bucket"
_FAILED = "Share of requests that the application answered with 5xx"
_ONE_WORKER = "one worker a pod, as each has counters of its own"

_FASTAPI = "https://github.com/trallnag/prometheus-fastapi-instrumentator"
_FASTAPI_API = f',handler!~"{_PROBES}|none"'
_STARLETTE = "https://github.com/stephenhillier/starlette_exporter"
_STARLETTE_API = f',path!~"{_PROBES}"'
_FLASK = "https://github.com/rycus86/prometheus_flask_exporter"
_FLASK_API = f',path!~"{_PROBES}"'

PRESETS: tuple[Preset, ...] = (
    error_rate(
        "fastapi",
        f"{_FAILED}: FastAPI with prometheus-fastapi-instrumentator, or LitServe with it; {_ONE_WORKER}",
        share("http_requests_total", f'status=~"{SERVER_ERROR}"', f'status=~"{STATUS}"', _FASTAPI_API),
        _FASTAPI,
    ),
    replace(
        p95_latency(
            "fastapi",
            f"{_ANSWERED}, which is 1 s unless you give the instrumentator others",
            quantile(0.95, "http_request_duration_seconds", _FASTAPI_API),
            _FASTAPI,
        ),
        max=1,
    ),
    error_rate(
        "starlette",
        f"{_FAILED}: FastAPI or Starlette with starlette_exporter; {_ONE_WORKER}",
        share("starlette_requests_total", f'status_code=~"{SERVER_ERROR}"', f'status_code=~"{STATUS}"', _STARLETTE_API),
        _STARLETTE,
    ),
    p95_latency(
        "starlette", _ANSWERED, quantile(0.95, "starlette_request_duration_seconds", _STARLETTE_API), _STARLETTE
    ),
    error_rate(
        "flask",
        f"{_FAILED}: Flask with prometheus-flask-exporter, grouped by path; {_ONE_WORKER}",
        share(
            "flask_http_request_duration_seconds_count",
            f'status=~"{SERVER_ERROR}"',
            f'status=~"{STATUS}"',
            _FLASK_API,
        ),
        _FLASK,
    ),
    p95_latency("flask", _ANSWERED, quantile(0.95, "flask_http_request_duration_seconds", _FLASK_API), _FLASK),
)
