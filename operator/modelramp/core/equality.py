"""What two pod templates have in common when Kubernetes makes the same pods of them: one normal form for all of them.

A Deployment keeps its pods when somebody writes 1 for 1000m or adds `tolerations: []`; so does a rollout. What is left
out here is what the API server leaves out or adds by itself; whatever is not known stays a difference.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION
from modelramp.api.quantity import AMOUNT_FIELDS, AMOUNT_MAPS, parse_quantity
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.core.revisions import dumped, revision_of
from modelramp.core.state import State

_TEXTS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector", "volumeAttributes", "options"})
"""Maps whose keys people choose: nothing in them has a default."""
_EMPTY_MAPS = frozenset({*AMOUNT_MAPS, *_TEXTS, "affinity", "resources", "securityContext", "dnsConfig"})
"""Maps that mean nothing when they are empty; `emptyDir: {}` does."""
_NO = frozenset(
    {
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "optional",
        "readOnly",
        "setHostnameAsFQDN",
        "shareProcessNamespace",
        "stdin",
        "stdinOnce",
        "tty",
    }
)
"""Switches that are off when they are absent."""
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_CONTAINER = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
_FILES = {"defaultMode": 420}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "spec": {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
    },
    "containers": _CONTAINER,
    "initContainers": _CONTAINER,
    "ports": {"protocol": "TCP"},
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "startupProbe": _PROBE,
    "httpGet": {"scheme": "HTTP", "path": "/"},
    "configMap": _FILES,
    "secret": _FILES,
    "projected": _FILES,
    "downwardAPI": _FILES,
    "fieldRef": {"apiVersion": "v1"},
    "resourceFieldRef": {"divisor": "0"},
    "serviceAccountToken": {"expirationSeconds": 3600},
    "tolerations": {"operator": "Equal"},
}
"""What the API server fills in, by the field that holds it."""


def normal_form(template: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """A text that is the same for all templates and models that are equal.

    >>> one = {"spec": {"containers": [{"resources": {"limits": {"cpu": "1000m"}}}]}}
    >>> two = {"spec": {"containers": [{"resources": {"limits": {"cpu": 1}}}], "volumes": []}}
    >>> normal_form(one, {}) == normal_form(two, {})
    True
    """
    given = _mapping(template.get("metadata"))
    labels = {
        name: value
        for name, value in _mapping(given.get("labels")).items()
        if name not in {LABEL_DEPLOYMENT, LABEL_REVISION}
    }
    metadata = {"labels": labels, "annotations": given.get("annotations")}
    parts = {"metadata": metadata, "spec": template.get("spec"), "model": _as_texts(model)}
    return json.dumps(_normal(parts, ""), sort_keys=True, separators=(",", ":"), default=str)


def _normal(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return _normal_map(value, key)
    if isinstance(value, list | tuple):
        return [_normal(item, key) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _normal_map(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    if key in AMOUNT_MAPS:
        return {name: _amount(amount) for name, amount in value.items()}
    if key in _TEXTS:
        return {name: text for name, text in value.items() if text is not None}
    found = {name: _scalar(name, _normal(item, name)) for name, item in value.items()}
    defaults = _DEFAULTS.get(key, {})
    kept = {
        name: item
        for name, item in found.items()
        if not _says_nothing(name, item) and not (name in defaults and item == defaults[name])
    }
    if key in {"containers", "initContainers"}:
        _without_pull_policy(kept)
    if key == "volumes" and kept.keys() == {"name", "emptyDir"} and not kept["emptyDir"]:
        del kept["emptyDir"]
    if key == "spec" and kept.get("serviceAccount") == kept.get("serviceAccountName"):
        kept.pop("serviceAccount", None)
    return kept


def _scalar(name: str, value: Any) -> Any:
    return _amount(value) if name in AMOUNT_FIELDS else value


def _says_nothing(name: str, value: Any) -> bool:
    """Whether a field could as well be absent."""
    if value is None or value == []:
        return True
    if value == {}:
        return name in _EMPTY_MAPS
    if value == "":
        return name != "storageClassName"
    return value is False and name in _NO


def _without_pull_policy(container: dict[str, Any]) -> None:
    image = str(container.get("image", ""))
    tag = image.rpartition("/")[2].partition(":")[2]
    latest = "@" not in image and tag in {"", "latest"}
    if container.get("imagePullPolicy") == ("Always" if latest else "IfNotPresent"):
        del container["imagePullPolicy"]


def _amount(value: Any) -> Any:
    """A quantity in one form: 1000m, "1" and 1 are the same; what is none stays as it is."""
    try:
        found = parse_quantity(str(value))
    except ValueError:
        return value
    return str(found.normalize()) if found else "0"


def _as_texts(value: Any) -> Any:
    """A model's values as texts: "0.962" and 0.962 are the same metric."""
    if isinstance(value, Mapping):
        return {name: _as_texts(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_texts(item) for item in value]
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Known:
    """A revision that exists, and what it is made of, as its ControllerRevision keeps it.

    config: hashes of the configuration that its pods read, by what they are of, as far as they are known.
    """

    revision: str
    template: Mapping[str, Any]
    model: Mapping[str, Any]
    config: Mapping[str, str] = field(default_factory=dict)


def same(one: ModelDeploymentSpec, other: ModelDeploymentSpec) -> bool:
    """Whether two specs say the same of their revision, word by word."""
    return one.template == other.template and one.model == other.model


def equal(one: ModelDeploymentSpec, other: ModelDeploymentSpec) -> bool:
    """Whether two specs want the same pods of the same model version."""
    return same(one, other) or _form_of(one) == _form_of(other)


def roles(state: State) -> tuple[str, ...]:
    """The revisions that a spec is compared with first: what failed, the candidate, and what serves."""
    candidate = state.candidate.version.revision if state.candidate is not None else None
    stable = state.stable.revision if state.stable is not None else None
    return tuple(name for name in (state.failed, candidate, stable) if name is not None)


def named(
    spec: ModelDeploymentSpec,
    state: State,
    known: Callable[[], Iterable[Known]],
    before: str = "",
    config: Mapping[str, str] | None = None,
) -> str:
    """The revision that a spec stands for.

    Neither `1` in the place of `1000m` nor another way of naming revisions starts a rollout, takes one from its step or
    gives a failed revision its traffic back. known: what exists, best first where none has a role. before: what an
    equal spec was called last. config: hashes of tracked configuration; what a revision with a role does not know of
    its own is no difference, so that switching the tracking on or off starts no rollout.
    """
    own, first, config = revision_of(spec, config), roles(state), config or {}
    for name in (own, before):
        if name in first:
            return name
    wanted = _form_of(spec)
    found = [
        one.revision
        for one in known()
        if one.revision == own
        or (normal_form(one.template, one.model) == wanted and _agrees(one, config, lenient=one.revision in first))
    ]
    return next((name for name in (*first, own) if name in found), found[0] if found else own)


def _agrees(one: Known, config: Mapping[str, str], *, lenient: bool) -> bool:
    """Whether the pods of a revision read the wanted configuration. lenient: what it does not know is as wanted."""
    return all(one.config.get(name, content if lenient else "") == content for name, content in config.items())


def _form_of(spec: ModelDeploymentSpec) -> str:
    return normal_form(spec.template, dumped(spec))
