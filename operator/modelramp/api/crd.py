"""The CustomResourceDefinition, made from the models, so that the API server refuses what the operator would refuse.

The schema is structural: references inlined, titles dropped, defaults as people write them, RULES as CEL.
`python -m modelramp.api.crd > crds/modelramp.io_modeldeployments.yaml` writes it; policies have theirs in policy_crd.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from modelramp.api import names
from modelramp.api.job_template import MARK, job_template_schema
from modelramp.api.pod_schema import Schema, pod_template_schema
from modelramp.api.rules import ApiModel
from modelramp.api.spec import OBJECT_RULES, ModelDeploymentSpec
from modelramp.api.status import Status
from modelramp.api.times import format_duration

CRD_NAME = f"{names.PLURAL}.{names.GROUP}"
HEADER = "# Generated from operator/modelramp/api by `python -m modelramp.api.crd`; edit the models, not this file.\n"

NOT_OBSERVED = -1
"""status.observedGeneration of an object that the operator has not written a status for."""

COLUMNS = (
    ("Phase", "string", ".status.phase", "Where the rollout stands.", 0),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "This generation is promoted.", 0),
    ("Model", "string", ".status.stable.modelVersion", "The model version that serves.", 0),
    ("Candidate", "string", ".status.candidate.modelVersion", "The model version that is being brought in.", 0),
    ("Weight", "integer", ".status.candidate.weight", "The candidate's share of the traffic, percent.", 0),
    ("Step", "string", ".status.progress", "Step of the rollout / number of steps.", 0),
    ("Breaches", "integer", ".status.breaches", "Consecutive breached ticks.", 0),
    ("Ticks", "string", ".status.ticks", "The last ten ticks: + healthy, ? no data, - breach.", 0),
    ("Next", "string", ".status.next", "Time of the next check, UTC.", 0),
    ("Reason", "string", ".status.reason", "Short code of what happened last.", 0),
    ("Revision", "string", ".status.stable.revision", "The revision that serves.", 0),
    ("Age", "date", ".metadata.creationTimestamp", "Age of the object.", 0),
    ("Next-Revision", "string", ".status.candidate.revision", "The revision that is being brought in.", 1),
    ("Scores", "string", ".status.scores", "The score of each dimension, 0 to 100.", 1),
    ("Message", "string", ".status.message", "What happens, in one sentence.", 1),
)


def crd() -> Schema:
    """The CustomResourceDefinition as a JSON object."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": CRD_NAME},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.KIND.lower(),
                "shortNames": ["mdep"],
                "categories": ["all"],
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def _version() -> Schema:
    return {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": object_schema()},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, "description": description}
            | ({"priority": priority} if priority else {})
            for name, kind, path, description, priority in COLUMNS
        ],
    }


def object_schema() -> Schema:
    """The schema of a whole ModelDeployment."""
    spec = Inlined(ModelDeploymentSpec.model_json_schema(), defaults=True).root()
    described = {"description": spec["properties"]["template"]["description"]}
    spec["properties"]["template"] = _PodTemplate(pod_template_schema() | described)
    return {
        "description": "Rolls out a model version step by step, and puts the last working version back when its "
        "health checks breach.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "modelramp.io/v1alpha1."},
            "kind": {"type": "string", "description": "ModelDeployment."},
            # The name is mentioned so that a rule may blame it.
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": spec,
            "status": _status_schema(),
        },
        "x-kubernetes-validations": [rule.as_validation() for rule in OBJECT_RULES],
    }


def _status_schema() -> Schema:
    """The schema of the status. An object that the operator has not seen yet is not current for kstatus.

    Without the default, an object without a status counts as current: Flux reported a new object Ready after 0.2 s.
    """
    schema = Inlined(Status.model_json_schema(), defaults=False).root()
    schema["properties"]["observedGeneration"]["default"] = NOT_OBSERVED
    return schema | {"default": {"observedGeneration": NOT_OBSERVED}}


def models(root: type[ApiModel] = ApiModel) -> Iterator[type[ApiModel]]:
    """Every model of the spec: the subclasses of ApiModel that are defined in this package."""
    for model in root.__subclasses__():
        yield model
        yield from models(model)


class Inlined:
    """A JSON schema of pydantic, as the structural schema that a CustomResourceDefinition wants.

    No field is nullable: the API server drops a null there, as if the field had not been written.
    defaults: whether the server shall fill them in. Not in the status: the operator writes there what it means.
    """

    def __init__(self, source: Mapping[str, Any], defaults: bool) -> None:
        self._source = source
        self._defaults = defaults
        self._rules = {model.__name__: model.RULES for model in models()}

    def root(self) -> Schema:
        """The whole schema."""
        return self._schema(self._source)

    def _schema(self, node: Mapping[str, Any]) -> Schema:
        if "$ref" in node:
            target = self._source["$defs"][node["$ref"].rpartition("/")[2]]
            return self._schema(target | {key: value for key, value in node.items() if key != "$ref"})
        if MARK in node:
            return _PodTemplate(job_template_schema() | {"description": node["description"]})
        if "x-kubernetes-int-or-string" in node:
            return {key: value for key, value in node.items() if key not in ("anyOf", "title")}
        if "anyOf" in node:
            given = next(branch for branch in node["anyOf"] if branch.get("type") != "null")
            rest = {key: value for key, value in node.items() if key != "anyOf"}
            return self._schema(given | rest)
        schema = {k: v for k, v in node.items() if k not in ("$defs", "title", "default", "properties", "items")}
        if "const" in schema:
            schema["enum"] = [schema.pop("const")]  # structural schemas know no const
        if schema.get("additionalProperties") is False:
            # Structural schemas refuse unknown fields by themselves; only maps have additionalProperties.
            del schema["additionalProperties"]
        elif isinstance(schema.get("additionalProperties"), Mapping):
            schema["additionalProperties"] = self._schema(schema["additionalProperties"])
        if "items" in node:
            schema["items"] = self._schema(node["items"])
        if "properties" in node:
            schema["properties"] = {name: self._property(value) for name, value in node["properties"].items()}
        rules = self._rules.get(node.get("title", ""), ()) if "properties" in node else ()
        told = [rule.as_validation() for rule in rules if rule.cel and not rule.reads_numbers]
        return schema | ({"x-kubernetes-validations": told} if told else {})

    def _property(self, node: Mapping[str, Any]) -> Schema:
        schema = self._schema(node)
        schema.pop("default", None)
        default = _written(node.get("default"), schema)
        return {"default": default} | schema if self._defaults and default not in (None, "", [], {}) else schema


def _written(default: Any, schema: Schema) -> Any:
    """A default as a person would write it, or None when there is none worth writing."""
    if "properties" in schema:
        # Written out, because the server holds a default against the rules before it fills in the inner defaults.
        inner = {name: field["default"] for name, field in schema["properties"].items() if "default" in field}
        return inner if default is not None else None
    if isinstance(default, list):
        return [{key: value for key, value in item.items() if value is not None} for item in default]
    if isinstance(default, int) and schema.get("type") == "string":
        return f"{default}s" if default < 120 else format_duration(default)
    return default or None


class _PodTemplate(dict[str, Any]):
    """The schema of a whole pod, which nobody reads line by line."""


class _Flow(dict[str, Any]):
    pass


class _Dumper(yaml.SafeDumper):
    """Block style for what people read; one flow for pod templates."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


_Dumper.add_representer(
    _Flow, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
)
_Dumper.add_representer(
    _PodTemplate, lambda dumper, data: dumper.represent_dict(data | {"properties": _Flow(data["properties"])})
)


def crd_yaml() -> str:
    """The text of the CRD file."""
    return HEADER + yaml.dump(crd(), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write(crd_yaml())
