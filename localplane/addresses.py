"""Where everything of a plane listens, inside its own network namespace.

Every plane has a namespace of its own, so these never clash: neither between two planes nor with the machine's own
networks. `10.244.0.0/24` belongs to the plane's components, the rest of `10.244.0.0/16` to pods.
"""

POD_NETWORK = "10.244.0.0/16"
POD_NETMASK = "255.255.0.0"
SERVICE_NETWORK = "10.96.0.0/16"

API_HOST = "10.244.0.1"
API_PORT = 6443
API_URL = f"https://{API_HOST}:{API_PORT}"

PROMETHEUS_HOST = "10.244.0.1"
PROMETHEUS_PORT = 9090
PROMETHEUS_URL = f"http://{PROMETHEUS_HOST}:{PROMETHEUS_PORT}"

GATEWAY_HOST = "10.244.0.2"
GATEWAY_PORT = 80
INGRESS_PORT = 8081
TRAEFIK_CRD_PORT = 8082
TRAEFIK_METRICS_PORT = 9100

NODE_HOST = "10.244.0.3"
NODE_PORT = 10250

ETCD_URL = "http://127.0.0.1:2379"
ETCD_PEER_URL = "http://127.0.0.1:2380"
CONTROLLER_MANAGER_PORT = 10257
SCHEDULER_PORT = 10259

FORWARDED: dict[str, tuple[str, int]] = {
    "api": (API_HOST, API_PORT),
    "gateway": (GATEWAY_HOST, GATEWAY_PORT),
    "ingress": (GATEWAY_HOST, INGRESS_PORT),
    "traefik-crd": (GATEWAY_HOST, TRAEFIK_CRD_PORT),
    "prometheus": (PROMETHEUS_HOST, PROMETHEUS_PORT),
}
"""Name of each loopback port that is open outside the namespace, and what it leads to inside."""
