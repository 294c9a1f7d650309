"""The Service of one revision."""

from collections.abc import Collection
from typing import Any

from modelramp.desired.names import child_name
from modelramp.desired.ownership import Owner, metadata, selector

PORT_NAME = "http"


def service(
    owner: Owner, revision: str, port: int, target_port: int | str, routed_ports: Collection[int] = ()
) -> dict[str, Any]:
    """The Service that reaches exactly one revision.

    routed_ports: ports under which the current route still names it. They stay until the route has followed a change
    of spec.service.port, so that no request meets a port that is gone already.
    """
    ports = [{"name": PORT_NAME, "protocol": "TCP", "port": port, "targetPort": target_port}]
    ports += [
        {"name": f"{PORT_NAME}-{old}", "protocol": "TCP", "port": old, "targetPort": target_port}
        for old in sorted(set(routed_ports) - {port})
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(owner, child_name(owner.name, revision), revision),
        "spec": {"type": "ClusterIP", "selector": selector(owner, revision), "ports": ports},
    }
