"""What a real API server adds to the objects that the operator makes (taken from a real one, the part that matters).

A writer that compares its wish with the stored object without knowing these would write again and again.
"""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]


def with_defaults(obj: Json) -> Json:
    """The object with the server's defaults filled in, in place."""
    fill = _BY_KIND.get(obj.get("kind", ""))
    if fill is not None and isinstance(obj.get("spec"), dict):
        fill(obj["spec"])
    return obj


def _deployment(spec: Json) -> None:
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")
    spec["template"].setdefault("metadata", {}).setdefault("creationTimestamp", None)
    pod = spec["template"].setdefault("spec", {})
    for name, value in (
        ("restartPolicy", "Always"),
        ("terminationGracePeriodSeconds", 30),
        ("dnsPolicy", "ClusterFirst"),
        ("securityContext", {}),
        ("schedulerName", "default-scheduler"),
    ):
        pod.setdefault(name, value)
    for container in pod.get("containers", ()):
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        container.setdefault("imagePullPolicy", "IfNotPresent")
        container.setdefault("resources", {})
        for port in container.get("ports", ()):
            port.setdefault("protocol", "TCP")


def _service(spec: Json) -> None:
    for name, value in (
        ("type", "ClusterIP"),
        ("clusterIP", "10.0.0.7"),
        ("clusterIPs", ["10.0.0.7"]),
        ("sessionAffinity", "None"),
        ("internalTrafficPolicy", "Cluster"),
        ("ipFamilies", ["IPv4"]),
        ("ipFamilyPolicy", "SingleStack"),
    ):
        spec.setdefault(name, value)
    for port in spec.get("ports", ()):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])


def _route(spec: Json) -> None:
    for parent in spec.get("parentRefs", ()):
        parent.setdefault("group", "gateway.networking.k8s.io")
        parent.setdefault("kind", "Gateway")
    for rule in spec.setdefault("rules", [{}]):
        for match in rule.setdefault("matches", [{}]):
            match.setdefault("path", {"type": "PathPrefix", "value": "/"})
        for backend in rule.get("backendRefs", ()):
            backend.setdefault("group", "")
            backend.setdefault("kind", "Service")
            backend.setdefault("weight", 1)


_BY_KIND: dict[str, Callable[[Json], None]] = {
    "Deployment": _deployment,
    "Service": _service,
    "HTTPRoute": _route,
}
