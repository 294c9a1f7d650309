"""The pod template of a Job that modelramp starts: an evaluation, or what a hook does.

Its schema is that of a pod, like that of spec.template, so that nothing can nest without end in it: an object that
nests deeper than a program can read would be an object that nobody can be told of. A definition that `kubectl apply`
can carry has no room for four whole pods, so what a Job of this kind has no use for is left out here.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from modelramp.api.pod_schema import Schema, pod_template_schema

MARK = "x-modelramp-job-template"
"""Keyword of a model's schema in whose place the CustomResourceDefinition gets `job_template_schema`."""

_LEFT_OUT: Mapping[tuple[str, ...], frozenset[str]] = {
    # A Job is alone: it spreads over nothing, serves nothing, and belongs to its hook or evaluation.
    ("spec", "affinity"): frozenset({"podAffinity", "podAntiAffinity"}),
    ("spec",): frozenset({"readinessGates", "topologySpreadConstraints", "hostAliases"}),
    ("spec", "containers"): frozenset({"readinessProbe"}),
    ("metadata",): frozenset(
        {
            "deletionGracePeriodSeconds",
            "deletionTimestamp",
            "finalizers",
            "generation",
            "ownerReferences",
            "resourceVersion",
            "selfLink",
            "uid",
        }
    ),
    # Drivers that were moved out of Kubernetes; a PersistentVolumeClaim reaches what they reached.
    ("spec", "volumes"): frozenset(
        {
            "awsElasticBlockStore",
            "azureDisk",
            "azureFile",
            "cephfs",
            "cinder",
            "flexVolume",
            "flocker",
            "gcePersistentDisk",
            "gitRepo",
            "glusterfs",
            "photonPersistentDisk",
            "portworxVolume",
            "quobyte",
            "rbd",
            "scaleIO",
            "storageos",
            "vsphereVolume",
        }
    ),
}


def job_template_schema() -> Schema:
    """The structural schema of a Job's pod template."""
    schema = pod_template_schema()
    for path, names in _LEFT_OUT.items():
        node = schema
        for step in path:
            node = node["properties"][step]
        node = node.get("items", node)
        node["properties"] = {name: field for name, field in node["properties"].items() if name not in names}
    spec = schema["properties"]["spec"]["properties"]
    spec["restartPolicy"]["enum"] = ["Never", "OnFailure"]
    spec["containers"]["items"]["properties"]["image"]["maxLength"] = 1024
    return schema


JobTemplate = Annotated[
    dict[str, Any],
    WithJsonSchema({"type": "object", MARK: True}),
    Field(description="Pod template of the Job; restartPolicy is Never if not set."),
]
"""A PodTemplateSpec as people wrote it; desired.jobs makes the Job from it."""
