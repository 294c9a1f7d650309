"""Gateways, which also see what never reached a pod. Their labels name a Service, and a revision has one of its own."""

import re

from modelramp.analysis.presets.preset import Labels, Preset, by_revision
from modelramp.analysis.presets.series import OWN, SERVER_ERROR, Rate, quantile, rate, share
from modelramp.analysis.presets.shapes import error_rate, p95_latency, per_second
from modelramp.analysis.subject import Subject

_SEEN_95 = "Time within which the gateway saw 95 of 100 requests answered; +Inf beyond the largest bucket"
_SEEN_FAILED = "Share of requests that the gateway answered with 5xx, unreachable pods included"
_SEEN = "Requests a second, seen by the gateway"
_MILLISECONDS = " / 1000"

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


def by_istio_service(subject: Subject) -> Labels:
    """Series of Istio's proxies and gateways, by the Service that the request was routed to."""
    return (
        ("destination_service_namespace", subject.namespace),
        ("destination_service_name", subject.service),
    )


def by_envoy_cluster(subject: Subject) -> Labels:
    """Series of an Envoy whose clusters are named after a Service; PromQL cuts the names to namespace and Service."""
    return (("backend", f"{subject.namespace}/{subject.service}"),)


def by_nginx_backend(subject: Subject) -> Labels:
    """Series of ingress-nginx, whose canary label joins namespace, Service and port by dashes."""
    return (("namespace", subject.namespace), ("backend", f"{subject.namespace}-{subject.service}"))


def _traefik(metric: str, by: str, matchers: str) -> str:
    series = f'rate({metric}{{service=~"httproute-.+@kubernetesgateway"{matchers}}}[{{{{window}}}}])'
    return f'sum by ({by}) (label_replace({series}, "backend", "$1/$2", "service", "{TRAEFIK_BACKEND}"))'


def _istio(metric: str, by: str, matchers: str) -> str:
    return f'sum by ({by}) (rate({metric}{{reporter="source"{matchers}}}[{{{{window}}}}]))'


def _envoy(cluster: str) -> Rate:
    """Rates of an Envoy's clusters whose names match `cluster`, which captures namespace and Service."""

    def of(metric: str, by: str, matchers: str) -> str:
        series = f'rate({metric}{{envoy_cluster_name=~"{cluster}"{matchers}}}[{{{{window}}}}])'
        return f'sum by ({by}) (label_replace({series}, "backend", "$1/$2", "envoy_cluster_name", "{cluster}"))'

    return of


# <namespace>_<service>_<port>: no Kubernetes name contains an underscore.
_contour = _envoy("([^_]+)_([^_]+)_[0-9]+")
# service/<namespace>/<service>/<port>/<protocol>, with mergeBackends. Without it httproute/<namespace>/<route>/rule/<i>
# holds all backends of a rule: not matched, so that a route that was not merged is no data.
_envoy_gateway = _envoy("service/([^/]+)/([^/]+)/[0-9]+/[^/]+")


def _of_envoy(gateway: str, of: Rate, source: str, failed: str, seen_95: str) -> tuple[Preset, Preset]:
    """The presets over an Envoy's cluster statistics."""
    series = "envoy_cluster_upstream_rq_xx"
    failures = share(of(series, "backend", ',envoy_response_code_class="5"'), of(series, "backend", ""))
    latency = quantile(0.95, "envoy_cluster_upstream_rq_time", "backend", scale=_MILLISECONDS, of=of)
    return (
        error_rate(gateway, failed, failures, source, by_envoy_cluster),
        p95_latency(gateway, seen_95, latency, source, by_envoy_cluster),
    )


def _nginx(metric: str, by: str, matchers: str) -> str:
    """Canary requests name the canary in `canary` and the stable Service in `service`.

    Without honorLabels Prometheus has renamed both labels to exported_*, as the controller's pod has them too.
    """
    series = f'rate({metric}{{ingress!=""{matchers}}}[{{{{window}}}}])'
    for label in ("namespace", "service"):
        series = f'label_replace({series}, "{label}", "$1", "exported_{label}", "(.+)")'
    stable = f'label_join({series}, "backend", "-", "namespace", "service")'
    return f'sum by ({by}) (label_replace({stable}, "backend", "$1", "canary", "(.+)-[0-9]+"))'


_TRAEFIK = "https://doc.traefik.io/traefik/reference/install-configuration/observability/metrics/#service-metrics"
_ISTIO = "https://istio.io/latest/docs/reference/config/metrics/"
_ISTIO_BY = "destination_service_namespace, destination_service_name"
_CONTOUR = "https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_stats"
# The clusters' names (irBackendClusterName); what mergeBackends is: api/v1alpha1/envoyproxy_types.go; when it does not
# apply: shouldMergeBackend in internal/gatewayapi/route.go. The series themselves are Envoy's, as with Contour.
_ENVOY_GATEWAY = "https://github.com/envoyproxy/gateway/blob/v1.9.1/internal/gatewayapi/helpers.go"
_MERGED = "Envoy Gateway 1.9 or later with mergeBackends"
_NGINX = "https://github.com/kubernetes/ingress-nginx/blob/main/internal/ingress/metric/collectors/socket.go"
_NGINX_BY = "namespace, backend"
_LINKERD = "https://linkerd.io/2/reference/proxy-metrics/"
# Neither a kubelet's probe nor a call of the proxy's own port is a request of a user.
_LINKERD_IN = ',direction="inbound",route_name!="probe",srv_port!="4191"'

PRESETS: tuple[Preset, ...] = (
    error_rate(
        "traefik",
        _SEEN_FAILED,
        share(
            _traefik("traefik_service_requests_total", "backend", f',code=~"{SERVER_ERROR}"'),
            _traefik("traefik_service_requests_total", "backend", ""),
        ),
        _TRAEFIK,
        by_traefik_backend,
    ),
    p95_latency(
        "traefik",
        _SEEN_95,
        quantile(0.95, "traefik_service_request_duration_seconds", "backend", of=_traefik),
        _TRAEFIK,
        by_traefik_backend,
    ),
    per_second(
        "traefik-requests-per-second",
        _SEEN,
        _traefik("traefik_service_requests_total", "backend", ""),
        _TRAEFIK,
        by_traefik_backend,
    ),
    error_rate(
        "istio",
        "Share of requests to the revision's Service that callers' proxies and gateways saw answered with 5xx",
        share(
            _istio("istio_requests_total", _ISTIO_BY, f',response_code=~"{SERVER_ERROR}"'),
            _istio("istio_requests_total", _ISTIO_BY, ""),
        ),
        _ISTIO,
        by_istio_service,
    ),
    p95_latency(
        "istio",
        "Time within which callers' proxies and gateways saw 95 of 100 requests answered; +Inf beyond the largest "
        "bucket",
        quantile(0.95, "istio_request_duration_milliseconds", _ISTIO_BY, scale=_MILLISECONDS, of=_istio),
        _ISTIO,
        by_istio_service,
    ),
    *_of_envoy("contour", _contour, _CONTOUR, _SEEN_FAILED, _SEEN_95),
    *_of_envoy(
        "envoy-gateway",
        _envoy_gateway,
        _ENVOY_GATEWAY,
        f"{_SEEN_FAILED} as long as one is ready; {_MERGED}",
        f"{_SEEN_95}; {_MERGED}",
    ),
    error_rate(
        "ingress-nginx",
        f"{_SEEN_FAILED}; the canary Ingress names the Service's port by number",
        share(
            _nginx("nginx_ingress_controller_requests", _NGINX_BY, f',status=~"{SERVER_ERROR}"'),
            _nginx("nginx_ingress_controller_requests", _NGINX_BY, ""),
        ),
        _NGINX,
        by_nginx_backend,
    ),
    p95_latency(
        "ingress-nginx",
        f"{_SEEN_95}; the canary Ingress names the Service's port by number",
        quantile(0.95, "nginx_ingress_controller_request_duration_seconds", _NGINX_BY, of=_nginx),
        _NGINX,
        by_nginx_backend,
    ),
    error_rate(
        "linkerd",
        "Share of responses that the pods' Linkerd proxies call failures; what never reached a pod is not seen",
        share(
            rate("response_total", OWN, f'{_LINKERD_IN},classification="failure"'),
            rate("response_total", OWN, _LINKERD_IN),
        ),
        _LINKERD,
        by_revision,
    ),
    p95_latency(
        "linkerd",
        "Time to the first byte of 95 of 100 responses at the pods' Linkerd proxies; +Inf beyond the largest bucket",
        quantile(0.95, "response_latency_ms", OWN, _LINKERD_IN, _MILLISECONDS),
        _LINKERD,
        by_revision,
    ),
)
