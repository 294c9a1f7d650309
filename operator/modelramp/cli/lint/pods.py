"""Lint of pod templates: dangling names, and ConfigMaps that can change under a running version."""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from modelramp.api.advice import Advice, Level
from modelramp.desired.config import OF_THE_CLUSTER, references

_CONTAINERS: Final = ("containers", "initContainers", "ephemeralContainers")
_PROBES: Final = ("readinessProbe", "livenessProbe", "startupProbe")
_MOUNTS: Final = ("volumeMounts", "volumeDevices")
_BY_CONTENT: Final = re.compile(r"-(?=[a-z]*[0-9])[0-9a-z]{8,}")
"""The end of a name that changes with what is in the object, such as kustomize's: digits and letters, eight or more."""
_REVISION: Final = re.compile("[a-z0-9]{10}")

Pod = Mapping[str, Any]


def of_references(pod: Pod, path: str) -> Iterator[Advice]:
    """Errors about mounts of volumes that are not there and probes of ports that have another name.

    pod: the spec of a pod template as it is written. path: where it stands.
    """
    volumes = [str(volume.get("name")) for volume in pod.get("volumes", ())]
    for place, container in _containers(pod, path):
        for field in _MOUNTS:
            for index, mount in enumerate(container.get(field, ())):
                if mount.get("name") not in volumes:
                    message = f"no volume is named {mount.get('name')}; {_there_are(str(mount.get('name')), volumes)}"
                    yield Advice(Level.ERROR, f"{place}.{field}[{index}].name", message)
        ports = [str(port["name"]) for port in container.get("ports", ()) if port.get("name")]
        for probe in _PROBES:
            for kind in ("httpGet", "tcpSocket"):
                port = container.get(probe, {}).get(kind, {}).get("port")
                if isinstance(port, str) and not port.isdecimal() and port not in ports:
                    message = f"no port of this container is named {port}; {_there_are(port, ports)}"
                    yield Advice(Level.ERROR, f"{place}.{probe}.{kind}.port", message)


def immutable_config_maps(values: Iterable[Any]) -> frozenset[str]:
    """Names of the ConfigMaps among some objects that say immutable: true."""
    maps = (value for value in values if isinstance(value, Mapping) and value.get("kind") == "ConfigMap")
    frozen = (value.get("metadata") for value in maps if value.get("immutable") is True)
    return frozenset(str(metadata.get("name")) for metadata in frozen if isinstance(metadata, Mapping))


def scaled_deployments(values: Iterable[Any]) -> frozenset[str]:
    """Names of the Deployments that autoscalers among some objects target."""
    names = set()
    for value in values:
        spec = value.get("spec") if isinstance(value, Mapping) else None
        target = spec.get("scaleTargetRef") if isinstance(spec, Mapping) else None
        if isinstance(target, Mapping) and target.get("kind", "Deployment") == "Deployment":
            names.add(str(target.get("name")))
    return frozenset(names)


def of_autoscalers(name: str, scaled: Iterable[str]) -> Iterator[Advice]:
    """A warning about each autoscaler of the Deployment of one revision. name: of the ModelDeployment.

    scaled: names of the Deployments that autoscalers target.
    """
    for deployment in sorted(scaled):
        of, _, revision = deployment.rpartition("-")
        if of == name and _REVISION.fullmatch(revision):
            message = (
                f"an autoscaler targets Deployment {deployment}, whose replicas modelramp sets: let its scaleTargetRef "
                f"name ModelDeployment {name} (apiVersion modelramp.io/v1alpha1)"
            )
            yield Advice(Level.WARNING, "spec.replicas", message)


def of_config_maps(pod: Pod, path: str, immutable: Container[str]) -> Iterator[Advice]:
    """A warning about each ConfigMap that may change while a version runs.

    immutable: names of ConfigMaps that are known not to. Secrets are left alone: a credential that is renewed is no
    release, and a rollback should not bring the old one back.
    """
    said = set()
    for found in references(pod):
        name = found.name
        if name in said or name in immutable or name in OF_THE_CLUSTER or _BY_CONTENT.search(name):
            continue
        said.add(name)
        place = path + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found.path)
        message = (
            f"ConfigMap {name} may change while this version runs: that is a release without a rollout, and a rollback "
            "does not undo it; set spec.trackConfig, or set immutable: true in it and give it a new name for a new "
            "content, as kustomize does"
        )
        yield Advice(Level.WARNING, place, message)


def _containers(pod: Pod, path: str) -> Iterator[tuple[str, Pod]]:
    for field in _CONTAINERS:
        for index, container in enumerate(pod.get(field, ())):
            yield f"{path}.{field}[{index}]", container


def _there_are(name: str, known: list[str]) -> str:
    if near := get_close_matches(name, known, n=1, cutoff=0.6):
        return f"did you mean {near[0]}?"
    return f"there are {', '.join(sorted(known))}" if known else "there is none"
