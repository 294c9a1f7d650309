"""The CustomResourceDefinitions of HealthPolicy and ClusterHealthPolicy.

Their checks have the schema of a ModelDeployment's checks, but what is a number, a duration or one of some words there
may be a placeholder here, and rules that look at values are left out: they are held when a ModelDeployment refers to
the policy (core.policies), and by `modelramp lint`.

`python -m modelramp.api.policy_crd KIND > crds/modelramp.io_PLURAL.yaml` writes one.
"""

import sys
from functools import cache
from typing import Any

import yaml

from modelramp.api import names
from modelramp.api.check import Check
from modelramp.api.crd import HEADER, Inlined, models
from modelramp.api.pod_schema import Schema
from modelramp.api.policy import LONGEST_PLACEHOLDER, PLACEHOLDER, HealthPolicySpec, PolicyKind

_SHORT_NAMES = {PolicyKind.NAMESPACED: "hpol", PolicyKind.CLUSTER: "chpol"}
_IS_PLACEHOLDER = f"self.matches(r'^{PLACEHOLDER}$')"
_OR = "; or a parameter alone, {{params.NAME}}"

COLUMNS = (
    ("Description", "string", ".spec.description", "Whom the policy is for."),
    ("Age", "date", ".metadata.creationTimestamp", "Age of the object."),
)


def plural(kind: PolicyKind) -> str:
    """The kind's name in URLs and in kubectl: healthpolicies."""
    return f"{kind.lower().removesuffix('y')}ies"


def policy_crd(kind: PolicyKind) -> Schema:
    """The CustomResourceDefinition of one of the two kinds as a JSON object."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural(kind)}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": kind.value,
                "listKind": f"{kind}List",
                "plural": plural(kind),
                "singular": kind.lower(),
                "shortNames": [_SHORT_NAMES[kind]],
            },
            "scope": "Cluster" if kind is PolicyKind.CLUSTER else "Namespaced",
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": policy_schema(kind)},
                    "additionalPrinterColumns": [
                        {"name": name, "type": type_, "jsonPath": path, "description": description}
                        for name, type_, path, description in COLUMNS
                    ],
                }
            ],
        },
    }


def policy_schema(kind: PolicyKind) -> Schema:
    """The schema of a whole policy."""
    spec = Inlined(HealthPolicySpec.model_json_schema(), defaults=True).root()
    spec["properties"]["checks"]["items"] = check_template()
    return {
        "description": "Health checks that ModelDeployments "
        + ("of all namespaces" if kind is PolicyKind.CLUSTER else "of the same namespace")
        + " refer to by name.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{names.API_VERSION}."},
            "kind": {"type": "string", "description": f"{kind}."},
            "metadata": {"type": "object"},
            "spec": spec,
        },
    }


def check_template() -> Schema:
    """The schema of a check in which placeholders may stand."""
    schema = Inlined(Check.model_json_schema(), defaults=False).root()
    name = schema["properties"]["name"]
    return _template(schema) | {"properties": _template(schema)["properties"] | {"name": name}}


def _template(schema: Schema) -> Schema:
    if "enum" in schema:
        return _word(schema)
    if schema.get("type") == "integer":
        # No rule about the text: older API servers estimate its cost as if the text could fill the whole object.
        kept = {key: value for key, value in schema.items() if key != "type"}
        text = {"pattern": f"^{PLACEHOLDER}$", "maxLength": LONGEST_PLACEHOLDER}
        return kept | text | {"x-kubernetes-int-or-string": True}
    if "x-kubernetes-preserve-unknown-fields" in schema:
        quoted = schema["pattern"].removeprefix("^(").removesuffix(")$")
        return schema | {"pattern": f"^({quoted}|{PLACEHOLDER})$", "maxLength": LONGEST_PLACEHOLDER}
    rules = schema.get("x-kubernetes-validations", ())
    kept = {key: value for key, value in schema.items() if key != "x-kubernetes-validations"}
    if "properties" in schema:
        kept["properties"] = {name: _template(inner) for name, inner in schema["properties"].items()}
        told = [rule for rule in rules if rule["message"] in _of_presence()]
        return kept | ({"x-kubernetes-validations": told} if told else {})
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            kept[key] = _template(schema[key])
    if "maxLength" in schema:
        kept["maxLength"] = max(schema["maxLength"], LONGEST_PLACEHOLDER)
    return kept | (_leaf([_or_placeholder(rule) for rule in rules]) if rules else {})


@cache
def _of_presence() -> frozenset[str]:
    return frozenset(rule.message for model in models() for rule in model.RULES if rule.looks_at_presence_only)


def _word(schema: Schema) -> Schema:
    words = ", ".join(schema["enum"])
    listed = ", ".join(f"'{word}'" for word in schema["enum"])
    rule = {"rule": f"self in [{listed}] || {_IS_PLACEHOLDER}", "message": f"must be one of {words}{_OR}"}
    return {key: value for key, value in schema.items() if key != "enum"} | _leaf([rule])


def _or_placeholder(rule: dict[str, Any]) -> dict[str, Any]:
    return rule | {"rule": f"{_IS_PLACEHOLDER} || ({rule['rule']})", "message": rule["message"] + _OR}


def _leaf(rules: list[dict[str, Any]]) -> Schema:
    return {"maxLength": LONGEST_PLACEHOLDER, "x-kubernetes-validations": rules}


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def policy_crd_yaml(kind: PolicyKind) -> str:
    """The text of the CRD file."""
    return HEADER + yaml.dump(policy_crd(kind), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write(policy_crd_yaml(PolicyKind(sys.argv[1])))
