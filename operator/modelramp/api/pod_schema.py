"""The schema of spec.template: Kubernetes' own PodTemplateSpec, without descriptions, as a structural schema.

`pod_template.json` beside this module is derived from the OpenAPI document of Kubernetes 1.36.3
(`api/openapi-spec/v3/apis__apps__v1_openapi.json` of the Go module k8s.io/kubernetes, also served by every API server
under /openapi/v3/apis/apps/v1). To derive it again:
`python -m modelramp.api.pod_schema <that document> > operator/modelramp/api/pod_template.json`
"""

import json
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

ROOT = "io.k8s.api.core.v1.PodTemplateSpec"
_CORE = "io.k8s.api.core.v1."
_KEPT = ("type", "format", "enum", "required", "x-kubernetes-list-type", "x-kubernetes-list-map-keys")
QUANTITY = r"^[+-]?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|[eE][+-]?[0-9]+)?$"
_LABEL = {"pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}
_LABEL_VALUE = {"pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$", "maxLength": 63}
_PORT = {"minimum": 1, "maximum": 65535}

_LEAVES: Mapping[str, Schema] = {
    # A Deployment takes `cpu: 0.5`, `cpu: 1` and `cpu: "500m"`. A structural schema knows no type for that, so the
    # value is left open, and what is neither a number nor a quantity is shut out keyword by keyword.
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {
        "x-kubernetes-preserve-unknown-fields": True,
        "pattern": QUANTITY,
        "not": {"enum": [True, False]},
        "minProperties": 1,
        "maxProperties": 0,
        "minItems": 1,
        "maxItems": 0,
    },
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"x-kubernetes-int-or-string": True},
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
# What the API server demands of a Deployment's template by code rather than by schema, where it is cheap to say here.
_DEMANDS: Mapping[tuple[str, str], Schema] = {
    ("PodSpec", "containers"): {"minItems": 1},
    ("PodSpec", "restartPolicy"): {"enum": ["Always"]},
    ("PodSpec", "dnsPolicy"): {"enum": ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]},
    ("Container", "name"): _LABEL,
    ("Container", "image"): {"minLength": 1},
    ("Container", "imagePullPolicy"): {"enum": ["Always", "IfNotPresent", "Never"]},
    ("ContainerPort", "containerPort"): _PORT,
    ("ContainerPort", "name"): {"maxLength": 15},
    ("ContainerPort", "protocol"): {"enum": ["TCP", "UDP", "SCTP"]},
    ("EnvVar", "name"): {"minLength": 1},
    ("Volume", "name"): _LABEL,
    ("VolumeMount", "mountPath"): {"minLength": 1},
    ("Toleration", "operator"): {"enum": ["Equal", "Exists", "Lt", "Gt"]},
}
_REQUIRED: Mapping[str, tuple[str, ...]] = {"PodTemplateSpec": ("spec",), "Container": ("name", "image")}
# Not for templates: the API server refuses them in a Deployment, and they would cost a tenth of the size.
_LEFT_OUT = frozenset({("PodSpec", "ephemeralContainers"), ("ObjectMeta", "managedFields")})
_KEY_DEFAULTS = {"protocol": "TCP", "name": ""}


def pod_template_schema() -> Schema:
    """The structural schema of a pod template, as committed."""
    text = (resources.files(__package__) / "pod_template.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


def derive(openapi: Mapping[str, Any]) -> Schema:
    """The structural schema of a pod template from an OpenAPI v3 document of Kubernetes.

    Raises KeyError when the document has no PodTemplateSpec.
    """
    return _Derivation(openapi["components"]["schemas"]).named(ROOT)


class _Derivation:
    """References resolved, descriptions, defaults and patch strategies dropped."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas

    def named(self, name: str) -> Schema:
        if name in _LEAVES:
            return dict(_LEAVES[name])
        return self._schema(self._schemas[name], name.rpartition(".")[2])

    def _schema(self, source: Mapping[str, Any], owner: str = "") -> Schema:
        reference = source.get("$ref") or next((part["$ref"] for part in source.get("allOf", ())), None)
        if reference is not None:
            return self.named(reference.rpartition("/")[2])
        schema: Schema = {key: source[key] for key in _KEPT if key in source}
        if "x-kubernetes-map-type" in source:
            schema["x-kubernetes-map-type"] = source["x-kubernetes-map-type"]
        if "properties" in source:
            schema["properties"] = self._properties(source, owner)
        if "additionalProperties" in source:
            schema["additionalProperties"] = self._schema(source["additionalProperties"])
        if "items" in source:
            schema["items"] = self._items(source)
        if owner in _REQUIRED:
            schema["required"] = list(_REQUIRED[owner])
        return schema

    def _properties(self, source: Mapping[str, Any], owner: str) -> Schema:
        properties: Schema = {}
        for key, value in source["properties"].items():
            if (owner, key) in _LEFT_OUT:
                continue
            schema = self._schema(value) | dict(_DEMANDS.get((owner, key), {}))
            if (owner, key) == ("ObjectMeta", "labels"):
                schema["additionalProperties"] |= _LABEL_VALUE
            properties[key] = schema
        return properties

    def _items(self, source: Mapping[str, Any]) -> Schema:
        items = self._schema(source["items"])
        for key in source.get("x-kubernetes-list-map-keys", ()):
            if key not in items.get("required", ()):
                # The key of a list-map must be required or have a default.
                items["properties"][key] |= {"default": _KEY_DEFAULTS[key]}
        return items


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps(derive(document), separators=(",", ":"), sort_keys=True))  # noqa: T201 - its output is the file
