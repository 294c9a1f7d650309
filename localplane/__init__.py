"""A real Kubernetes control plane on one machine, without containers: see docs/how-to/local-plane.md."""

from localplane.errors import (
    BuildError,
    KubectlError,
    NamespaceForbiddenError,
    NotRunningError,
    PlaneError,
    StartError,
)
from localplane.plane import Plane

__all__ = [
    "BuildError",
    "KubectlError",
    "NamespaceForbiddenError",
    "NotRunningError",
    "Plane",
    "PlaneError",
    "StartError",
]
