"""Queries that modelramp brings. None names an object: one answer serves every ModelDeployment that uses the preset."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from modelramp.analysis.subject import Subject
from modelramp.api.health import Dimension

Labels = tuple[tuple[str, str], ...]
"""Labels and their exact values, by which one object's series is found in a grouped answer."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One measure that can be used with a single line.

    unit: of the value; "ratio" is 0 to 1 and shown to people as a percentage.
    min, max: the limits when the check gives none. query: grouped PromQL; only {{window}} may stand in it.
    pick: the labels of the subject's own series in the answer. source: where the metric is documented.
    """

    name: str
    summary: str
    dimension: Dimension
    unit: str
    query: str
    pick: Callable[[Subject], Labels]
    source: str
    min: float | None = None
    max: float | None = None


def by_revision(subject: Subject) -> Labels:
    """Series of the model's own metrics: Prometheus has put the pod's labels on them."""
    return (("namespace", subject.namespace), ("modeldeployment", subject.name), ("revision", subject.revision))


def by_answering_revision(subject: Subject) -> Labels:
    """Late truth, which any pod may have received: counted for the revision that gave the answer."""
    return (("namespace", subject.namespace), ("modeldeployment", subject.name), ("answered_by", subject.revision))


# httproute-<ns>-<route>-gw-<ns>-<gateway>-ep-<entry point>-<rule>-<hash>-svc-<ns>-<service>-<index>@kubernetesgateway
TRAEFIK_BACKEND = r"httproute-(.+?)-gw-.+-svc-(.+)-[0-9]+@kubernetesgateway"


def by_traefik_backend(subject: Subject) -> Labels:
    """Series of Traefik's Gateway API provider, whose one label joins route, gateway, rule and Service by dashes.

    The same pattern that groups in PromQL cuts the subject's own name here, so a name that contains "-gw-" or "-svc-"
    is cut at the same place on both sides.
    """
    route, service = f"{subject.namespace}-{subject.name}", f"{subject.namespace}-{subject.service}"
    cut = re.fullmatch(TRAEFIK_BACKEND, f"httproute-{route}-gw-g-ep-e-0-svc-{service}-0@kubernetesgateway")
    assert cut is not None  # noqa: S101 - the text is built to match
    return (("backend", "/".join(cut.groups())),)


_OWN = "namespace, modeldeployment, revision"
_TRUTH = "namespace, modeldeployment, answered_by"


def _rate(metric: str, by: str, matchers: str = "") -> str:
    return f'sum by ({by}) (rate({metric}{{modeldeployment!=""{matchers}}}[{{{{window}}}}]))'


def _traefik(metric: str, by: str, matchers: str = "") -> str:
    series = f'rate({metric}{{service=~"httproute-.+@kubernetesgateway"{matchers}}}[{{{{window}}}}])'
    return f'sum by ({by}) (label_replace({series}, "backend", "$1/$2", "service", "{TRAEFIK_BACKEND}"))'


def _quantile(q: float, buckets: str, finite_buckets: str, count: str, by: str) -> str:
    """A quantile that says +Inf when it lies beyond the last finite bucket.

    histogram_quantile() answers with that bucket's bound then, so that a limit at the bound could never be breached:
    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile.
    """
    return f"(({count} * {q} > max by ({by}) ({finite_buckets})) * Inf) or histogram_quantile({q}, {buckets})"


_SERVER_ERRORS = ',code=~"5.."'
_FINITE = ',le!="+Inf"'
_REFERENCE = "the reference model server, examples/server/telemetry.py"
_TRAEFIK = "https://doc.traefik.io/traefik/reference/install-configuration/observability/metrics/#service-metrics"

_ALL = (
    Preset(
        name="error-rate",
        summary="Share of valid requests that the model failed to answer",
        dimension=Dimension.OPERATIONAL,
        unit="ratio",
        max=0.01,
        query=f"({_rate('model_errors_total', _OWN)} or {_rate('prediction_requests_total', _OWN)} * 0) / "
        f"{_rate('prediction_requests_total', _OWN)}",
        pick=by_revision,
        source=_REFERENCE,
    ),
    Preset(
        name="p95-latency",
        summary="Time within which 95 of 100 requests are answered; +Inf beyond the largest bucket",
        dimension=Dimension.TECHNICAL,
        unit="s",
        max=5,
        query=_quantile(
            0.95,
            _rate("prediction_latency_seconds_bucket", f"{_OWN}, le"),
            _rate("prediction_latency_seconds_bucket", f"{_OWN}, le", _FINITE),
            _rate("prediction_latency_seconds_count", _OWN),
            _OWN,
        ),
        pick=by_revision,
        source=_REFERENCE,
    ),
    Preset(
        name="latency-mean",
        summary="Mean time to an answer",
        dimension=Dimension.TECHNICAL,
        unit="s",
        max=5,
        query=f"{_rate('prediction_latency_seconds_sum', _OWN)} / {_rate('prediction_latency_seconds_count', _OWN)}",
        pick=by_revision,
        source=_REFERENCE,
    ),
    Preset(
        name="requests-per-second",
        summary="Valid requests a second; no limit of its own",
        dimension=Dimension.OPERATIONAL,
        unit="/s",
        query=_rate("prediction_requests_total", _OWN),
        pick=by_revision,
        source=_REFERENCE,
    ),
    Preset(
        name="accuracy",
        summary="Share of answers that the true label confirmed when it arrived; use a long window and role: hold",
        dimension=Dimension.TECHNICAL,
        unit="ratio",
        min=0.85,
        query=f"{_rate('model_feedback_correct_total', _TRUTH)} / {_rate('model_feedback_total', _TRUTH)}",
        pick=by_answering_revision,
        source=_REFERENCE,
    ),
    Preset(
        name="traefik-error-rate",
        summary="Share of requests that the gateway answered with 5xx, unreachable pods included",
        dimension=Dimension.OPERATIONAL,
        unit="ratio",
        max=0.01,
        query=f"({_traefik('traefik_service_requests_total', 'backend', _SERVER_ERRORS)} or "
        f"{_traefik('traefik_service_requests_total', 'backend')} * 0) / "
        f"{_traefik('traefik_service_requests_total', 'backend')}",
        pick=by_traefik_backend,
        source=_TRAEFIK,
    ),
    Preset(
        name="traefik-p95-latency",
        summary="Time within which the gateway saw 95 of 100 requests answered; +Inf beyond the largest bucket",
        dimension=Dimension.TECHNICAL,
        unit="s",
        max=5,
        query=_quantile(
            0.95,
            _traefik("traefik_service_request_duration_seconds_bucket", "backend, le"),
            _traefik("traefik_service_request_duration_seconds_bucket", "backend, le", _FINITE),
            _traefik("traefik_service_request_duration_seconds_count", "backend"),
            "backend",
        ),
        pick=by_traefik_backend,
        source=_TRAEFIK,
    ),
    Preset(
        name="traefik-requests-per-second",
        summary="Requests a second, seen by the gateway; no limit of its own",
        dimension=Dimension.OPERATIONAL,
        unit="/s",
        query=_traefik("traefik_service_requests_total", "backend"),
        pick=by_traefik_backend,
        source=_TRAEFIK,
    ),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _ALL})
"""All presets by name."""
