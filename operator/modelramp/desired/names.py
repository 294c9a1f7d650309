"""Names of the objects made for a ModelDeployment."""

import hashlib

LIMIT = 63
"""Characters in a DNS-1035 label, which a Service's name must be."""

_MARK = 5


def child_name(name: str, revision: str) -> str:
    """Name of the Deployment, Service and ControllerRevision of one revision: a DNS-1035 label.

    It never has more than 63 characters: a name that is too long is cut and marked with a hash of the whole, so that
    two long names with one beginning never share a child.
    >>> child_name("digits", "7c9fxwq2kd")
    'digits-7c9fxwq2kd'
    """
    whole = f"{name}-{revision}"
    if len(whole) <= LIMIT:
        return whole
    mark = hashlib.sha256(name.encode()).hexdigest()[:_MARK]
    room = LIMIT - len(revision) - _MARK - 2
    return f"{name[:room].rstrip('-')}-{mark}-{revision}"


def revision_in(child: str, name: str) -> str | None:
    """The revision that a child's name stands for; None when `child` is no child of the ModelDeployment `name`."""
    revision = child.rpartition("-")[2]
    return revision if revision and child_name(name, revision) == child else None


def route_name(name: str) -> str:
    """Name of the object that splits the traffic."""
    return name


def preview_name(name: str) -> str:
    """Name of the object that carries the hostnames of a preview; no ModelDeployment's name has a dot."""
    return f"{name}.preview"
