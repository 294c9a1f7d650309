"""Lint of what a ModelDeployment may hold and the Deployment or Job made of it may not: its pods would never start.

The rules are those of Kubernetes 1.30 (pkg/apis/core/validation); what newer servers allow is no error here.
tests/integration/kubernetes asks a real API server about a sample of each.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import chain
from typing import Any, Final

from modelramp.api.advice import Advice, Level
from modelramp.api.quantity import parse_quantity

_OFTEN: Final = ("containers", "initContainers")
_PROBES: Final = ("readinessProbe", "livenessProbe", "startupProbe")
_HANDLERS: Final = frozenset({"exec", "grpc", "httpGet", "sleep", "tcpSocket"})
_STANDARD: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_HUGE: Final = "hugepages-"
_FIELD: Final = re.compile(
    r"metadata\.(name|namespace|uid|annotations|labels)|metadata\.(annotations|labels)\['.+'\]"
    r"|spec\.(nodeName|serviceAccountName)|status\.(hostIP|hostIPs|podIP|podIPs)"
)
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY: Final = re.compile(r"([a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_REGISTRY: Final = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?")
_COMPONENT: Final = re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_HOST_PATHS: Final = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_UNSATISFIABLE: Final = ("DoNotSchedule", "ScheduleAnyway")
_MODES: Final = 0o777
_PORTS: Final = range(1, 65536)

Part = Mapping[str, Any]
Found = Iterator[tuple[str, str]]  # a path below the pod's, and what is wrong there


def of_refused(pod: Part, path: str) -> Iterator[Advice]:
    """Errors about the spec of a pod template, as it is written; path: where it stands."""
    for place, message in chain(
        _of_containers(pod), _of_volumes(pod), _of_placement(pod), _of_tolerations(pod), _of_names(pod)
    ):
        yield Advice(Level.ERROR, f"{path}.{place}", message)
    for place, container in _containers(pod):
        for index, port in enumerate(container.get("ports", ())):
            if port.get("hostPort") and not pod.get("hostNetwork"):
                text = "no node can have a pod of two versions then; remove it, the Service needs only containerPort"
                yield Advice(Level.WARNING, f"{path}.{place}.ports[{index}].hostPort", text)


def _containers(pod: Part) -> Iterator[tuple[str, Part]]:
    for field in _OFTEN:
        for index, container in enumerate(pod.get(field, ())):
            yield f"{field}[{index}]", container


def _of_containers(pod: Part) -> Found:
    names = set()
    for place, container in _containers(pod):
        if container.get("name") in names:
            yield f"{place}.name", f"another container is named {container['name']} already"
        names.add(container.get("name"))
        every = (_of_image, _of_ports, _of_resources, _of_environment, _of_mounts, _of_security)
        for rule in every:
            yield from ((f"{place}.{field}", message) for field, message in rule(container))
        lasting = place.startswith("containers") or container.get("restartPolicy") == "Always"
        for probe in (name for name in _PROBES if name in container):
            if not lasting:
                yield f"{place}.{probe}", "an init container has one only with restartPolicy: Always"
            else:
                yield from _of_probe(container[probe], f"{place}.{probe}", once=probe != "readinessProbe")
        for hook, handler in container.get("lifecycle", {}).items():
            if isinstance(handler, Mapping) and len(_HANDLERS & handler.keys()) != 1:
                yield f"{place}.lifecycle.{hook}", "needs one of exec, httpGet, sleep and tcpSocket, and only one"
        for index, port in enumerate(container.get("ports", ())):
            if pod.get("hostNetwork") and port.get("hostPort", port["containerPort"]) != port["containerPort"]:
                yield f"{place}.ports[{index}].hostPort", "must be the containerPort, since hostNetwork is true"


def _of_image(container: Part) -> Found:
    image = str(container.get("image", ""))
    if image != image.strip():
        yield "image", "begins or ends with a space, and no pod would be made"
    elif not _is_image(image):
        text = "a registry, a path in small letters, a tag, and a whole digest if there is one"
        yield "image", f"is no name of an image, and no node would pull it: {text}"


def _is_image(image: str) -> bool:
    """Whether it has the form of https://github.com/distribution/reference."""
    name, at, digest = image.partition("@")
    first, *rest = name.split("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        path = rest if _REGISTRY.fullmatch(first) else []
    else:
        path = [first, *rest]
    last, colon, tag = path[-1].partition(":") if path else ("", "", "")
    tagged = not colon or _TAG.fullmatch(tag)
    return bool(tagged and (not at or _DIGEST.fullmatch(digest)) and all(map(_COMPONENT.fullmatch, [*path[:-1], last])))


def _of_ports(container: Part) -> Found:
    names = set()
    for index, port in enumerate(container.get("ports", ())):
        name = port.get("name")
        if name and name in names:
            yield f"ports[{index}].name", f"another port of this container is named {name} already"
        names.add(name)


def _of_resources(container: Part) -> Found:
    written = container.get("resources", {})
    amounts: dict[str, dict[str, Decimal]] = {}
    for field in ("limits", "requests"):
        amounts[field] = {name: parse_quantity(str(each)) for name, each in written.get(field, {}).items()}
        for name, amount in amounts[field].items():
            place = f"resources.{field}.{name}"
            if amount < 0:
                yield place, "must not be below 0"
            elif "/" not in name and name not in _STANDARD and not name.startswith(_HUGE):
                yield place, "is no resource: cpu, memory, ephemeral-storage, or with a domain as in nvidia.com/gpu"
            elif "/" in name and amount % 1:
                yield place, "must be a whole number: a part of a device cannot be had"
    limits, requests = amounts["limits"], amounts["requests"]
    for name, amount in requests.items():
        whole = "/" in name or name.startswith(_HUGE)
        if whole and limits.get(name) != amount:
            yield f"resources.requests.{name}", "must be equal to the limit of the same name, which must be there"
        elif name in limits and amount > limits[name]:
            yield f"resources.requests.{name}", "is above the limit of the same name"
    known = limits.keys() | requests.keys()
    if any(name.startswith(_HUGE) for name in known) and not known & {"cpu", "memory"}:
        yield "resources", "needs cpu or memory beside huge pages"


def _of_environment(container: Part) -> Found:
    for index, variable in enumerate(container.get("env", ())):
        place, source = f"env[{index}]", variable.get("valueFrom") or {}
        if "=" in variable.get("name", ""):
            yield f"{place}.name", "must not have a '='"
        if variable.get("value") and source:
            yield f"{place}.valueFrom", "stands beside a value; write one of the two"
        field = source.get("fieldRef", {}).get("fieldPath", "metadata.name")
        if not _FIELD.fullmatch(field):
            text = "is no field that a variable can have; such are metadata.name, metadata.labels['...'], status.podIP"
            yield f"{place}.valueFrom.fieldRef.fieldPath", text
        resource = source.get("resourceFieldRef", {}).get("resource", "limits.cpu")
        kind, _, name = resource.partition(".")
        if kind not in ("limits", "requests") or not (name in _STANDARD or name.startswith(_HUGE)):
            text = "must be limits or requests of cpu, memory or ephemeral-storage, as in limits.memory"
            yield f"{place}.valueFrom.resourceFieldRef.resource", text


def _of_mounts(container: Part) -> Found:
    for index, mount in enumerate(container.get("volumeMounts", ())):
        for field in ("subPath", "subPathExpr"):
            if not _inside(mount.get(field, "")):
                yield f"volumeMounts[{index}].{field}", "must be a path within the volume: without .. and no / first"


def _of_security(container: Part) -> Found:
    found = container.get("securityContext", {})
    if found.get("privileged") and found.get("allowPrivilegeEscalation") is False:
        yield "securityContext", "privileged: true and allowPrivilegeEscalation: false exclude each other"


def _of_probe(probe: Part, path: str, *, once: bool) -> Found:
    handlers = sorted(_HANDLERS & probe.keys())
    if len(handlers) != 1:
        found = f"; found {' and '.join(handlers)}" if handlers else ""
        yield path, f"needs one of exec, grpc, httpGet and tcpSocket, and only one{found}"
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if probe.get(field, 0) < 0:
            yield f"{path}.{field}", "must not be below 0"
    if once and probe.get("successThreshold", 1) > 1:
        yield f"{path}.successThreshold", "must be 1 here; only a readinessProbe may have more"
    if probe.get("httpGet", {}).get("scheme", "HTTP") not in ("HTTP", "HTTPS"):
        yield f"{path}.httpGet.scheme", "must be HTTP or HTTPS, in capital letters"
    for kind in ("httpGet", "tcpSocket", "grpc"):
        port = probe.get(kind, {}).get("port", 1)
        if isinstance(port, int) and port not in _PORTS:
            yield f"{path}.{kind}.port", "must be from 1 to 65535"


def _of_volumes(pod: Part) -> Found:
    for index, volume in enumerate(pod.get("volumes", ())):
        place = f"volumes[{index}]"
        kinds = sorted(volume.keys() - {"name"})
        if len(kinds) > 1:
            yield place, f"may be of one kind; found {' and '.join(kinds)}"
        medium, size = (volume.get("emptyDir", {}).get(field, "") for field in ("medium", "sizeLimit"))
        if medium not in ("", "Memory", "HugePages") and not medium.startswith("HugePages-"):
            yield f"{place}.emptyDir.medium", "must be Memory or HugePages, or be left out; no node could mount it"
        if size and parse_quantity(str(size)) < 0:
            yield f"{place}.emptyDir.sizeLimit", "must not be below 0"
        if volume.get("hostPath", {}).get("type", "") not in _HOST_PATHS:
            yield f"{place}.hostPath.type", f"must be one of {', '.join(_HOST_PATHS[1:])}"
        for kind in ("configMap", "secret", "downwardAPI", "projected"):
            source = volume.get(kind, {})
            yield from _of_files(source, f"{place}.{kind}", "defaultMode")
            for number, item in enumerate(source.get("items", ())):
                yield from _of_files(item, f"{place}.{kind}.items[{number}]", "mode")


def _of_files(source: Part, path: str, mode: str) -> Found:
    if not 0 <= source.get(mode, 0) <= _MODES:
        yield f"{path}.{mode}", "must be from 0 to 511; in YAML write it with a 0 first, as in 0644"
    if source.get("path", "").startswith("..") or not _inside(source.get("path", "")):
        yield f"{path}.path", "must be a path within the volume: without .. and no / first"


def _inside(path: str) -> bool:
    return not path.startswith("/") and ".." not in path.split("/")


def _of_placement(pod: Part) -> Found:
    for key, label in pod.get("nodeSelector", {}).items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL.fullmatch(label):
            yield f"nodeSelector.{key}", "no node has such a label: letters, digits, '-', '_' and '.', at most 63"
    for index, one in enumerate(pod.get("topologySpreadConstraints", ())):
        place = f"topologySpreadConstraints[{index}]"
        if one["maxSkew"] < 1:
            yield f"{place}.maxSkew", "must be above 0"
        if one["whenUnsatisfiable"] not in _UNSATISFIABLE:
            yield f"{place}.whenUnsatisfiable", f"must be one of {', '.join(_UNSATISFIABLE)}"
    yield from _of_affinity(pod.get("affinity", {}), "affinity")


def _of_tolerations(pod: Part) -> Found:
    for index, one in enumerate(pod.get("tolerations", ())):
        place, operator, effect = f"tolerations[{index}]", one.get("operator", "Equal"), one.get("effect", "")
        if operator == "Exists" and one.get("value"):
            yield f"{place}.value", "must be left out with operator: Exists"
        if not one.get("key") and operator != "Exists":
            yield f"{place}.operator", "must be Exists where there is no key"
        if effect and effect not in _EFFECTS:
            yield f"{place}.effect", f"must be one of {', '.join(_EFFECTS)}"
        elif "tolerationSeconds" in one and effect != "NoExecute":
            yield f"{place}.effect", "must be NoExecute where tolerationSeconds is set"


def _of_affinity(node: Any, path: str) -> Found:
    """Every requirement and every topologyKey, wherever it stands."""
    if isinstance(node, list):
        for index, each in enumerate(node):
            yield from _of_affinity(each, f"{path}[{index}]")
    if not isinstance(node, Mapping):
        return
    operator, values = node.get("operator"), node.get("values")
    if isinstance(operator, str) and "key" in node:
        if operator not in _OPERATORS:
            yield f"{path}.operator", f"must be one of {', '.join(_OPERATORS)}"
        elif operator in ("In", "NotIn") and not values:
            yield f"{path}.values", f"must be there with operator: {operator}"
        elif operator in ("Exists", "DoesNotExist") and values:
            yield f"{path}.values", f"must be left out with operator: {operator}"
    if node.get("topologyKey") == "":
        yield (
            f"{path}.topologyKey",
            "must not be empty; it is the label that tells nodes apart, as in kubernetes.io/hostname",
        )
    for field, each in node.items():
        yield from _of_affinity(each, f"{path}.{field}")


def _of_names(pod: Part) -> Found:
    for field in ("serviceAccountName", "priorityClassName", "runtimeClassName"):
        name = pod.get(field, "")
        if name and not _SUBDOMAIN.fullmatch(name):
            yield field, "nothing can have this name: a-z, 0-9, '-' and '.', with a letter or digit first and last"
    if pod.get("dnsPolicy") == "None" and not pod.get("dnsConfig", {}).get("nameservers"):
        yield "dnsConfig.nameservers", "must be there with dnsPolicy: None"
