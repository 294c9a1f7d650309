"""Gateways, which also see what never reached a pod. Their labels name a Service, and a revision has one of its own."""

from collections.abc import Callable

from modelramp.analysis.presets.preset import Labels, Preset, by_revision
from modelramp.analysis.presets.series import SERVER_ERROR, Origin, quantile, share
from modelramp.analysis.presets.shapes import error_rate, p95_latency, per_second
from modelramp.analysis.query_context import QueryContext

_SEEN_95 = "Time within which the gateway saw 95 of 100 requests answered; +Inf beyond the largest bucket"
_SEEN_FAILED = "Share of requests that the gateway answered with 5xx, unreachable pods included"
_SEEN = "Requests a second, seen by the gateway"
_MILLISECONDS = " / 1000"

# httproute-<ns>-<route>-gw-<ns>-<gateway>-ep-<entry point>-<rule>-<hash>-svc-<ns>-<service>-<index>@kubernetesgateway
# and, of a TraefikService, <ns>-<service>-<port>@kubernetescrd
TRAEFIK_BACKEND = r"(?:httproute-.+?-[0-9]+-[0-9a-f]{20}-svc-)?(.+)-[0-9]+@kubernetes(?:gateway|crd)"


def by_traefik_backend(subject: QueryContext) -> Labels:
    """Series of Traefik's providers for the Gateway API and for its own resources, whatever the route.

    One label joins route, gateway, rule and Service, or Service and port, by dashes.
    """
    return (("backend", f"{subject.namespace}-{subject.service}"),)


def by_istio_service(subject: QueryContext) -> Labels:
    """Series of Istio's proxies and gateways, by the Service that the request was routed to."""
    return (
        ("destination_service_namespace", subject.namespace),
        ("destination_service_name", subject.service),
    )


def by_envoy_cluster(subject: QueryContext) -> Labels:
    """Series of an Envoy whose clusters are named after a Service; PromQL cuts the names to namespace and Service."""
    return (("backend", f"{subject.namespace}/{subject.service}"),)


def by_nginx_backend(subject: QueryContext) -> Labels:
    """Series of ingress-nginx, whose canary label joins namespace, Service and port by dashes."""
    return (("namespace", subject.namespace), ("backend", f"{subject.namespace}-{subject.service}"))


_SCRAPED = "pod, instance, job"
"""Labels that name a gateway's pod, as far as it is scraped with them."""
_CODE = "[0-9]+"
"""Any code of an answer; 0 and 499 are callers who left."""


def _labelled(label: str, pattern: str) -> Callable[[str], str]:
    """Makes the label `backend` of what `pattern` captures in another label."""
    return lambda vector: f'label_replace({vector}, "backend", "$1/$2", "{label}", "{pattern}")'


_of_traefik = Origin(
    by="backend",
    target=_SCRAPED,
    everywhere='service=~".+@kubernetes(gateway|crd)"',
    relabel=lambda vector: f'label_replace({vector}, "backend", "$1", "service", "{TRAEFIK_BACKEND}")',
)
_of_istio = Origin(
    by="destination_service_namespace, destination_service_name", target=_SCRAPED, everywhere='reporter="source"'
)


def _envoy(cluster: str) -> Origin:
    """An Envoy's clusters whose names match `cluster`, which captures namespace and Service."""
    label = "envoy_cluster_name"
    return Origin(by="backend", target=_SCRAPED, everywhere=f'{label}=~"{cluster}"', relabel=_labelled(label, cluster))


# <namespace>_<service>_<port>: no Kubernetes name contains an underscore.
_contour = _envoy("([^_]+)_([^_]+)_[0-9]+")
# service/<namespace>/<service>/<port>/<protocol>, with mergeBackends. Without it httproute/<namespace>/<route>/rule/<i>
# holds all backends of a rule: not matched, so that a route that was not merged is no data.
_envoy_gateway = _envoy("service/([^/]+)/([^/]+)/[0-9]+/[^/]+")


def _of_envoy(gateway: str, of: Origin, source: str, failed: str, seen_95: str) -> tuple[Preset, Preset]:
    """The presets over an Envoy's cluster statistics."""
    code = "envoy_response_code_class"
    failures = share("envoy_cluster_upstream_rq_xx", f'{code}="5"', f'{code}=~"[1-5]"', of=of)
    latency = quantile(0.95, "envoy_cluster_upstream_rq_time", scale=_MILLISECONDS, of=of)
    return (
        error_rate(gateway, failed, failures, source, by_envoy_cluster),
        p95_latency(gateway, seen_95, latency, source, by_envoy_cluster),
    )


def _by_canary(vector: str) -> str:
    """Canary requests name the canary in `canary` and the stable Service in `service`.

    Without honorLabels Prometheus has renamed both labels to exported_*, as the controller's pod has them too.
    """
    for label in ("namespace", "service"):
        vector = f'label_replace({vector}, "{label}", "$1", "exported_{label}", "(.+)")'
    stable = f'label_join({vector}, "backend", "-", "namespace", "service")'
    return f'label_replace({stable}, "backend", "$1", "canary", "(.+)-[0-9]+")'


_of_nginx = Origin(by="namespace, backend", target=_SCRAPED, everywhere='ingress!=""', relabel=_by_canary)

_TRAEFIK = "https://doc.traefik.io/traefik/reference/install-configuration/observability/metrics/#service-metrics"
_ISTIO = "https://istio.io/latest/docs/reference/config/metrics/"
_CONTOUR = "https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_stats"
# The clusters' names (irBackendClusterName); what mergeBackends is: api/v1alpha1/envoyproxy_types.go; when it does not
# apply: shouldMergeBackend in internal/gatewayapi/route.go. The series themselves are Envoy's, as with Contour.
_ENVOY_GATEWAY = "https://github.com/envoyproxy/gateway/blob/v1.9.1/internal/gatewayapi/helpers.go"
_MERGED = "Envoy Gateway 1.9 or later with mergeBackends"
_NGINX = "https://github.com/kubernetes/ingress-nginx/blob/main/internal/ingress/metric/collectors/socket.go"
_LINKERD = "https://linkerd.io/2/reference/proxy-metrics/"
# Neither a kubelet's probe nor a call of the proxy's own port is a request of a user.
_LINKERD_IN = ',direction="inbound",route_name!="probe",srv_port!="4191"'

PRESETS: tuple[Preset, ...] = (
    error_rate(
        "traefik",
        _SEEN_FAILED,
        share("traefik_service_requests_total", f'code=~"{SERVER_ERROR}"', f'code=~"{_CODE}"', of=_of_traefik),
        _TRAEFIK,
        by_traefik_backend,
    ),
    p95_latency(
        "traefik",
        _SEEN_95,
        quantile(0.95, "traefik_service_request_duration_seconds", of=_of_traefik),
        _TRAEFIK,
        by_traefik_backend,
    ),
    per_second(
        "traefik-requests-per-second",
        _SEEN,
        _of_traefik.rate("traefik_service_requests_total"),
        _TRAEFIK,
        by_traefik_backend,
    ),
    error_rate(
        "istio",
        "Share of requests to the revision's Service that callers' proxies and gateways saw answered with 5xx",
        share("istio_requests_total", f'response_code=~"{SERVER_ERROR}"', f'response_code=~"{_CODE}"', of=_of_istio),
        _ISTIO,
        by_istio_service,
    ),
    p95_latency(
        "istio",
        "Time within which callers' proxies and gateways saw 95 of 100 requests answered; +Inf beyond the largest "
        "bucket",
        quantile(0.95, "istio_request_duration_milliseconds", scale=_MILLISECONDS, of=_of_istio),
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
        share("nginx_ingress_controller_requests", f'status=~"{SERVER_ERROR}"', f'status=~"{_CODE}"', of=_of_nginx),
        _NGINX,
        by_nginx_backend,
    ),
    p95_latency(
        "ingress-nginx",
        f"{_SEEN_95}; the canary Ingress names the Service's port by number",
        quantile(0.95, "nginx_ingress_controller_request_duration_seconds", of=_of_nginx),
        _NGINX,
        by_nginx_backend,
    ),
    error_rate(
        "linkerd",
        "Share of responses that the pods' Linkerd proxies call failures; what never reached a pod is not seen",
        share("response_total", 'classification="failure"', 'classification=~"success|failure"', _LINKERD_IN),
        _LINKERD,
        by_revision,
    ),
    p95_latency(
        "linkerd",
        "Time to the first byte of 95 of 100 responses at the pods' Linkerd proxies; +Inf beyond the largest bucket",
        quantile(0.95, "response_latency_ms", _LINKERD_IN, _MILLISECONDS),
        _LINKERD,
        by_revision,
    ),
)
