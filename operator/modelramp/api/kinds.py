"""Kinds of Kubernetes objects that every part knows; a router's and a workload's own kinds are in its module."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of Kubernetes object and where the API serves it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True


@dataclass(frozen=True, slots=True)
class Ref:
    """Names one object."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.kind} {self.namespace}/{self.name}"


MODEL_DEPLOYMENT = Kind("modelramp.io/v1alpha1", "ModelDeployment", "modeldeployments")
HEALTH_POLICY = Kind("modelramp.io/v1alpha1", "HealthPolicy", "healthpolicies")
CLUSTER_HEALTH_POLICY = Kind("modelramp.io/v1alpha1", "ClusterHealthPolicy", "clusterhealthpolicies", namespaced=False)
CONTROLLER_REVISION = Kind("apps/v1", "ControllerRevision", "controllerrevisions")
SERVICE = Kind("v1", "Service", "services")
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
SECRET = Kind("v1", "Secret", "secrets")
POD = Kind("v1", "Pod", "pods")
JOB = Kind("batch/v1", "Job", "jobs")
NAMESPACE = Kind("v1", "Namespace", "namespaces", namespaced=False)
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
NODE = Kind("v1", "Node", "nodes", namespaced=False)
RESOURCE_QUOTA = Kind("v1", "ResourceQuota", "resourcequotas")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
EVENT = Kind("events.k8s.io/v1", "Event", "events")

POLICIES = (HEALTH_POLICY, CLUSTER_HEALTH_POLICY)
WRITTEN = (*POLICIES, NAMESPACE, MODEL_DEPLOYMENT)
"""Kinds that people write; objects of all other kinds are found by the operator's label."""
