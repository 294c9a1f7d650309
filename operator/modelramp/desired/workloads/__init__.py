"""Workloads: what runs the pods of a revision, one module for each, and the list of them."""

from modelramp.api.kinds import Kind
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.desired.workloads.deployment import Deployments
from modelramp.desired.workloads.protocol import Workload

WORKLOADS: list[Workload] = [Deployments()]
"""The first that runs a spec makes its pods."""


def workload_of(spec: ModelDeploymentSpec) -> Workload:
    """The workload that runs the pods of a spec."""
    return next(workload for workload in WORKLOADS if workload.runs(spec))


def workload_kinds() -> tuple[Kind, ...]:
    """Kinds of the objects that workloads make."""
    return tuple(kind for workload in WORKLOADS for kind in workload.kinds)
