"""The command line of each component, and how to see that it is ready."""

from dataclasses import dataclass
from pathlib import Path

from localplane import addresses as at
from localplane.binaries import Binaries

# Everything that pods, Deployments, Jobs, Services, RBAC and deletion need; none of clouds, volumes and certificates.
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "disruption-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "horizontal-pod-autoscaler-controller",
    "job-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "statefulset-controller",
    "taint-eviction-controller",
    "ttl-after-finished-controller",
    "validatingadmissionpolicy-status-controller",
)


@dataclass(frozen=True, slots=True)
class Component:
    """One process of the plane.

    ready_url: answers 200 once the component does its work.
    """

    name: str
    command: tuple[str, ...]
    ready_url: str
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a plane, all below its folder."""

    folder: Path

    @property
    def secrets(self) -> Path:
        """Certificates, keys, tokens and the components' kubeconfigs."""
        return self.folder / "secrets"

    @property
    def authority(self) -> Path:
        """What clients check the API server's certificate with."""
        return self.secrets / "serving.crt"

    @property
    def logs(self) -> Path:
        """One file per component."""
        return self.folder / "logs"

    @property
    def pods(self) -> Path:
        """Logs and volumes of pods."""
        return self.folder / "pods"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for use outside the namespace."""
        return self.folder / "kubeconfig"

    def kubeconfig_of(self, component: str) -> Path:
        """The kubeconfig of a component, for use inside the namespace."""
        return self.secrets / f"{component}.kubeconfig"

    def token_of(self, component: str) -> Path:
        """The bearer token of a component."""
        return self.secrets / f"{component}.token"


def etcd(programs: Binaries, files: Files) -> Component:
    """Without fsync: a plane's data need not survive the machine, and syncing is most of its start."""
    command = (
        *(str(programs.controlplane), "etcd", "--unsafe-no-fsync", "--log-level=warn"),
        f"--data-dir={files.folder / 'etcd'}",
        *(f"--listen-client-urls={at.ETCD_URL}", f"--advertise-client-urls={at.ETCD_URL}"),
        *(f"--listen-peer-urls={at.ETCD_PEER_URL}", f"--initial-advertise-peer-urls={at.ETCD_PEER_URL}"),
        f"--initial-cluster=default={at.ETCD_PEER_URL}",
    )
    return Component("etcd", command, f"{at.ETCD_URL}/health")


def apiserver(program: tuple[str, ...], files: Files) -> Component:
    """Build the API server's command: RBAC and node authorization are real.

    program: the words that start it, and further flags; admission plugins that they enable are added to those that are
        enabled here.
    """
    signer = files.secrets / "service-account.key"
    command = (
        *program,
        f"--etcd-servers={at.ETCD_URL}",
        *(f"--bind-address={at.API_HOST}", f"--advertise-address={at.API_HOST}", f"--secure-port={at.API_PORT}"),
        *(f"--tls-cert-file={files.authority}", f"--tls-private-key-file={files.secrets / 'serving.key'}"),
        "--service-account-issuer=https://kubernetes.default.svc",
        *(f"--service-account-key-file={signer}", f"--service-account-signing-key-file={signer}"),
        f"--token-auth-file={files.secrets / 'tokens.csv'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--service-cluster-ip-range={at.SERVICE_NETWORK}",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged",
    )
    return Component("apiserver", command, f"{at.API_URL}/readyz")


def controller_manager(programs: Binaries, files: Files, flags: tuple[str, ...] = ()) -> Component:
    """Build the controller manager's command."""
    config = files.kubeconfig_of("controller-manager")
    command = (
        *(str(programs.controlplane), "controller-manager", "--leader-elect=false"),
        *(f"--kubeconfig={config}", f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}"),
        *("--bind-address=127.0.0.1", f"--secure-port={at.CONTROLLER_MANAGER_PORT}"),
        f"--service-account-private-key-file={files.secrets / 'service-account.key'}",
        f"--root-ca-file={files.authority}",
        f"--controllers={','.join(CONTROLLERS)}",
        # Every controller gets a ServiceAccount with just its own rights, as in clusters made by kubeadm.
        "--use-service-account-credentials=true",
        # Fifteen seconds is long for a test.
        "--horizontal-pod-autoscaler-sync-period=5s",
        *("--kube-api-qps=200", "--kube-api-burst=400"),
        # The only node is this machine: when it is slow, or was asleep, its pods run all the same.
        "--node-monitor-grace-period=10m",
        *flags,
    )
    return Component("controller-manager", command, f"https://127.0.0.1:{at.CONTROLLER_MANAGER_PORT}/healthz")


def scheduler(programs: Binaries, files: Files, flags: tuple[str, ...] = ()) -> Component:
    """Build the scheduler's command."""
    config = files.kubeconfig_of("scheduler")
    command = (
        *(str(programs.controlplane), "scheduler", "--leader-elect=false"),
        *(f"--kubeconfig={config}", f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}"),
        *("--bind-address=127.0.0.1", f"--secure-port={at.SCHEDULER_PORT}"),
        *flags,
    )
    return Component("scheduler", command, f"https://127.0.0.1:{at.SCHEDULER_PORT}/healthz")


def traefik(program: str, files: Files) -> Component:
    """Build the gateway's command."""
    command = (program, f"--configFile={files.secrets / 'traefik.yaml'}")
    return Component("traefik", command, f"http://{at.GATEWAY_HOST}:{at.TRAEFIK_METRICS_PORT}/ping")


def prometheus(programs: Binaries, files: Files) -> Component:
    """Build Prometheus's command; its data outlives a stop of the component, not the plane."""
    command = (
        str(programs.prometheus),
        f"--config.file={files.secrets / 'prometheus.yaml'}",
        f"--storage.tsdb.path={files.folder / 'prometheus'}",
        "--storage.tsdb.retention.time=24h",
        "--storage.tsdb.no-lockfile",
        "--web.enable-remote-write-receiver",
        f"--web.listen-address={at.PROMETHEUS_HOST}:{at.PROMETHEUS_PORT}",
    )
    return Component("prometheus", command, f"{at.PROMETHEUS_URL}/-/ready")


def node(python: str, files: Files, images: tuple[str, ...]) -> Component:
    """Build the process node's command.

    images: further catalogue files, which win over the plane's own.
    """
    command = (
        *(python, "-m", "localplane.node", f"--folder={files.pods}", f"--token-file={files.token_of('node')}"),
        *(f"--authority={files.authority}", f"--certificate={files.authority}"),
        f"--key={files.secrets / 'serving.key'}",
        *(f"--images={path}" for path in images),
    )
    return Component("node", command, f"https://{at.NODE_HOST}:{at.NODE_PORT}/healthz")
