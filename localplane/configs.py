"""The configuration files of a plane's components, as plain values. Nothing here touches a file or a clock."""

import base64
from typing import Any

from localplane import addresses as at

# Users of the static token file. The node is a real node identity: the Node authorizer limits it to what its pods name.
NODE_NAME = "process-node"
USERS: dict[str, tuple[str, str]] = {
    "admin": ("localplane:admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "node": (f"system:node:{NODE_NAME}", "system:nodes"),
    "traefik": ("localplane:traefik", "system:masters"),
    "prometheus": ("localplane:prometheus", ""),
}

# Seconds. Traefik's default buckets (0.1, 0.3, 1.2, 5) cannot tell a p95 of 30 ms from one of 90 ms.
LATENCY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]
# Traefik's default of 2 s makes tests wait for each change of a route; 200 ms was measured at 0.1 s (p50).
TRAEFIK_THROTTLE = "200ms"


def token_file(tokens: dict[str, str]) -> str:
    """Return the CSV for `--token-auth-file` from a token for each name in USERS."""
    return "".join(
        f'{tokens[name]},{user},{name},"{group}"\n' if group else f"{tokens[name]},{user},{name}\n"
        for name, (user, group) in USERS.items()
    )


def kubeconfig(server: str, authority: bytes, token: str, name: str = "localplane") -> dict[str, Any]:
    """Return a kubeconfig with one context, for `server` as seen by whoever uses it."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": server,
                    "certificate-authority-data": base64.b64encode(authority).decode(),
                },
            }
        ],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }


def traefik(token: str, authority_path: str) -> dict[str, Any]:
    """Return Traefik's static configuration: Gateway API, its own CRDs and ingress-nginx annotations, one port each."""
    cluster = {"endpoint": at.API_URL, "token": token, "certAuthFilePath": authority_path}
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "INFO"},
        "entryPoints": {
            "web": {"address": f"{at.GATEWAY_HOST}:{at.GATEWAY_PORT}"},
            "crd": {"address": f"{at.GATEWAY_HOST}:{at.TRAEFIK_CRD_PORT}"},
            "nginx": {"address": f"{at.GATEWAY_HOST}:{at.INGRESS_PORT}"},
            "metrics": {"address": f"{at.GATEWAY_HOST}:{at.TRAEFIK_METRICS_PORT}"},
        },
        "ping": {"entryPoint": "metrics"},
        "metrics": {
            "prometheus": {"entryPoint": "metrics", "addServicesLabels": True, "buckets": LATENCY_BUCKETS},
        },
        "providers": {
            "providersThrottleDuration": TRAEFIK_THROTTLE,
            "kubernetesGateway": {**cluster, "statusAddress": {"ip": at.GATEWAY_HOST}},
            "kubernetesCRD": cluster,
            "kubernetesIngressNGINX": {**cluster, "ingressClass": "nginx", "httpEntryPoint": "nginx"},
        },
    }


def prometheus(scrape_interval_s: float, token_path: str, authority_path: str) -> dict[str, Any]:
    """Return the Prometheus configuration: annotated pods, Traefik, and Prometheus itself."""
    interval = f"{round(scrape_interval_s * 1000)}ms"
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "scrape_configs": [
            {
                "job_name": "pods",
                "kubernetes_sd_configs": [
                    {
                        "role": "pod",
                        "api_server": at.API_URL,
                        "authorization": {"credentials_file": token_path},
                        "tls_config": {"ca_file": authority_path},
                    }
                ],
                "relabel_configs": pod_relabelling(),
            },
            _static("traefik", f"{at.GATEWAY_HOST}:{at.TRAEFIK_METRICS_PORT}"),
            _static("prometheus", f"{at.PROMETHEUS_HOST}:{at.PROMETHEUS_PORT}"),
        ],
    }


def pod_relabelling() -> list[dict[str, Any]]:
    """Return the rules that choose pods by the usual `prometheus.io/` annotations and name their revision.

    No label may depend on the container's port: discovery offers one target for each declared port, and only targets
    that agree in every label are merged into one.
    """
    meta = "__meta_kubernetes_pod"
    scrape = f"{meta}_annotation_prometheus_io"
    return [
        {"source_labels": [f"{scrape}_scrape"], "action": "keep", "regex": "true"},
        {"source_labels": [f"{meta}_phase"], "action": "drop", "regex": "Succeeded|Failed"},
        {"source_labels": [f"{meta}_ip"], "action": "keep", "regex": ".+"},
        {"source_labels": [f"{meta}_ip"], "target_label": "__address__", "replacement": "$1:80"},
        {
            "source_labels": [f"{meta}_ip", f"{scrape}_port"],
            "regex": r"(.+);(\d+)",
            "target_label": "__address__",
            "replacement": "$1:$2",
        },
        {"source_labels": [f"{scrape}_path"], "regex": "(.+)", "target_label": "__metrics_path__"},
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": [f"{meta}_name"], "target_label": "pod"},
        {"source_labels": [f"{meta}_label_modelramp_io_deployment"], "target_label": "modeldeployment"},
        {"source_labels": [f"{meta}_label_modelramp_io_revision"], "target_label": "revision"},
    ]


def _static(job: str, target: str) -> dict[str, Any]:
    return {"job_name": job, "static_configs": [{"targets": [target]}]}
