"""A container's environment variables, as its spec, ConfigMaps, Secrets and the downward API say."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from localplane import addresses as at

Object = dict[str, Any]
# Returns the decoded entries of a ConfigMap or Secret (kind, name), or None when it does not exist.
Source = Callable[[str, str], Awaitable[Mapping[str, bytes] | None]]

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.][A-Za-z0-9_.-]*)\)")
_KEYED = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")


class ConfigError(Exception):
    """The container cannot be configured: kubelet's CreateContainerConfigError."""


async def variables(pod: Object, container: Object, address: str, source: Source) -> dict[str, str]:
    """Return the variables of a container: `envFrom` first, then `env`, which may refer to earlier ones.

    Raises ConfigError when something that is not optional is missing.
    """
    found: dict[str, str] = {}
    for block in container.get("envFrom", []):
        found |= await _from_block(block, source)
    for entry in container.get("env", []):
        value = await _value(entry, pod, address, source, found)
        if value is not None:
            found[entry["name"]] = value
    return found


def standard(pod: Object, address: str, interpreter_folder: str) -> dict[str, str]:
    """Return what every container has without asking, as a runtime and a Linux image would give it.

    POD_IP is the plane's own addition: a container must listen on its pod's address, since all pods share one network.
    """
    return {
        "PATH": f"{interpreter_folder}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/tmp",  # noqa: S108 - private to the container
        "LANG": "C.UTF-8",
        "HOSTNAME": pod["metadata"]["name"],
        "POD_IP": address,
        "PYTHONUNBUFFERED": "1",
        "KUBERNETES_SERVICE_HOST": at.API_HOST,
        "KUBERNETES_SERVICE_PORT": str(at.API_PORT),
        "KUBERNETES_SERVICE_PORT_HTTPS": str(at.API_PORT),
    }


def expand(text: str, known: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by a variable; an unknown one stays as it is, and `$$` is a dollar sign.

    >>> expand("$(HOST):$(PORT) $$(HOST)", {"HOST": "db"})
    'db:$(PORT) $(HOST)'
    """

    def one(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return known.get(found[1], found[0])

    return _REFERENCE.sub(one, text)


def field(pod: Object, path: str, address: str) -> str:
    """Return what a `fieldRef` names; raises ConfigError for a path that pods do not have."""
    keyed = _KEYED.match(path)
    if keyed:
        return str(pod["metadata"].get(keyed[1], {}).get(keyed[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        entries = pod["metadata"].get(path.partition(".")[2], {})
        return "\n".join(f'{key}="{value}"' for key, value in sorted(entries.items()))
    simple = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.hostIP": at.NODE_HOST,
        "status.hostIPs": at.NODE_HOST,
        "status.podIP": address,
        "status.podIPs": address,
    }
    if path not in simple:
        raise ConfigError(f"fieldRef {path!r} is not known; known: {', '.join(sorted(simple))}")
    return str(simple[path])


async def _from_block(block: Object, source: Source) -> dict[str, str]:
    for kind, reference in (("ConfigMap", block.get("configMapRef")), ("Secret", block.get("secretRef"))):
        if reference is None:
            continue
        entries = await source(kind, reference["name"])
        if entries is None:
            if reference.get("optional"):
                return {}
            raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
        return {block.get("prefix", "") + key: value.decode() for key, value in entries.items()}
    return {}


async def _value(entry: Object, pod: Object, address: str, source: Source, known: Mapping[str, str]) -> str | None:
    origin = entry.get("valueFrom")
    if origin is None:
        return expand(entry.get("value", ""), known)
    if "fieldRef" in origin:
        return field(pod, origin["fieldRef"]["fieldPath"], address)
    for kind, part in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
        if part in origin:
            return await _keyed(kind, origin[part], source)
    if "resourceFieldRef" in origin:
        return _resource(pod, origin["resourceFieldRef"])
    raise ConfigError(f"env {entry['name']}: valueFrom {sorted(origin)} is not supported by the process node")


async def _keyed(kind: str, reference: Object, source: Source) -> str | None:
    entries = await source(kind, reference["name"])
    if entries is not None and reference["key"] in entries:
        return entries[reference["key"]].decode()
    if reference.get("optional"):
        return None
    if entries is None:
        raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    raise ConfigError(f"couldn't find key {reference['key']} in {kind} {reference['name']}")


def _resource(pod: Object, reference: Object) -> str:
    """Return a resource as written: the process node limits nothing, so there is no other truth to tell."""
    part, _, name = reference["resource"].partition(".")
    for container in pod["spec"]["containers"]:
        if container["name"] == reference.get("containerName", container["name"]):
            return str(container.get("resources", {}).get(part, {}).get(name, "0"))
    return "0"
