"""The ValidatingAdmissionPolicies about numbers, which a CustomResourceDefinition cannot judge.

A number is written 0.01 or, as earlier releases wanted it, "0.01". No type of a structural schema allows both, so these
fields have none (api.quantity), and the rules of a CustomResourceDefinition cannot mention them. An admission policy
sees the object as it was written. `limits` refuses objects that break a rule that reads a number; `quoted-numbers`
warns about numbers in quotes.

`python -m modelramp.api.admission NAME > crds/NAME.yaml` writes one of them: they belong to the
CustomResourceDefinitions, whoever installs those.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import yaml

from modelramp.api import names
from modelramp.api.crd import object_schema
from modelramp.api.pod_schema import Schema
from modelramp.api.policy import HealthPolicySpec, PolicyKind
from modelramp.api.policy_crd import plural
from modelramp.api.rules import ApiModel, Rule
from modelramp.api.spec import ModelDeploymentSpec

LIMITS = "limits"
QUOTED_NUMBERS = "quoted-numbers"
_HEADS = {
    LIMITS: "Refuses objects that break a rule about numbers. Without it, the operator says so in their status.",
    QUOTED_NUMBERS: "Warns about numbers in quotes, which a later release will refuse.",
}
DEPRECATED = "write the number without quotes, as in 0.01; numbers in quotes are deprecated and will be refused later"
_SELF = re.compile(r"\bself\b")
_CHECKS = ("health", "checks[]")
_TEMPLATE = "template"
# The value of a field, or a mapping of such values, is a text and no placeholder of a health policy.
_IS_QUOTED = "(type({0}) == string && !{0}.startsWith('{{{{'))"
_HAS_QUOTED = f"({_IS_QUOTED.format('m[k]')} || (type(m[k]) == map && m[k].exists(e, {_IS_QUOTED.format('m[k][e]')})))"

Path = tuple[str, ...]
"""Fields from the spec on; "checks[]" is a list."""


def places(model: type[ApiModel], path: Path = ()) -> Iterator[tuple[Path, type[ApiModel]]]:
    """Every model of a spec, and where it stands."""
    yield path, model
    for field in model.model_fields.values():
        inner = _model_in(field.annotation)
        if inner is not None:
            step = f"{field.alias}[]" if field.annotation is not inner and _is_list(field.annotation) else field.alias
            yield from places(inner, (*path, str(step)))


def _model_in(annotation: Any) -> type[ApiModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _is_list(annotation: Any) -> bool:
    return Ellipsis in get_args(annotation) or any(_is_list(inner) for inner in get_args(annotation))


def rules() -> list[tuple[Path, Rule]]:
    """The rules that read a number, and where the model of each stands; the innermost first, like a schema's."""
    everywhere = (*places(ModelDeploymentSpec), *places(HealthPolicySpec))
    found = [(path, rule) for path, model in everywhere for rule in model.RULES if rule.reads_numbers]
    return sorted(found, key=lambda one: len(one[0]), reverse=True)


def numbers(schema: Mapping[str, Any] | None = None, path: Path = ()) -> Iterator[Path]:
    """Every field of a spec that holds a number, or a mapping of numbers, outside of pod templates."""
    schema = object_schema()["properties"]["spec"] if schema is None else schema
    for name, field in schema.get("properties", {}).items():
        inner = field.get("additionalProperties", field)
        if isinstance(inner, Mapping) and _is_number(inner):
            yield (*path, name)
        elif name != _TEMPLATE:
            step = f"{name}[]" if "items" in field else name
            yield from numbers(field.get("items", field), (*path, step))


def _is_number(schema: Mapping[str, Any]) -> bool:
    return "x-kubernetes-preserve-unknown-fields" in schema and "pattern" in schema


def quoted_numbers(spec: Mapping[str, Any], is_policy: bool) -> Iterator[str]:
    """The paths of all numbers in quotes in a spec as it was written; placeholders of a policy are none."""
    for path in numbers():
        if not is_policy:
            yield from _quoted(spec, path, "spec")
        elif path[:2] == _CHECKS:
            yield from _quoted(spec, path[1:], "spec")


def _quoted(value: Any, path: Path, spoken: str) -> Iterator[str]:
    if isinstance(value, str) and not path and not value.startswith("{{"):
        yield spoken
    elif isinstance(value, Mapping) and path:
        yield from _quoted(value.get(path[0].removesuffix("[]")), path[1:], f"{spoken}.{path[0].removesuffix('[]')}")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _quoted(inner, (), f"{spoken}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _quoted(inner, path, f"{spoken}[{index}]")


class _Owner:
    """The innermost list around a field, or the field's own place where there is none, as a variable of the policy."""

    def __init__(self, path: Path) -> None:
        lists = [index for index, step in enumerate(path) if step.endswith("[]")]
        end = lists[-1] + 1 if lists else len(path)
        self.path, self.inside = path[:end], path[end:]
        self.name = "each" + "".join(step[0].upper() + step.removesuffix("[]")[1:] for step in self.path)

    @property
    def variable(self) -> Schema:
        found = "variables.spec" + "".join(f".?{step.removesuffix('[]')}" for step in self.path)
        if not self.path[-1].endswith("[]"):
            expression = f"[{found}].filter(at, at.hasValue()).map(at, at.value())"
        else:
            expression = f"{found}.orValue([])" + (
                " + variables.spec.?checks.orValue([])" if self.path == _CHECKS else ""
            )
        return {"name": self.name, "expression": expression}

    def spoken(self, index: str) -> str:
        """CEL for the path of an entry in messages."""
        path = json.dumps(f"spec.{'.'.join(self.path).removesuffix('[]')}")
        if self.path == _CHECKS:
            path = "variables.checksPath"
        return f'{path} + "[" + string({index}) + "]"' if self.path[-1].endswith("[]") else path


def _limits() -> Schema:
    variables: dict[str, Schema] = {}
    validations: list[Schema] = []
    for number, (path, rule) in enumerate(rules(), start=1):
        owner = _Owner(path)
        variables.setdefault(owner.name, owner.variable)
        # From the entry of the list to the model inside it, which need not be written.
        there = ".".join(("at", *owner.inside))
        written = "at" + "".join(f".?{step}" for step in owner.inside) + ".hasValue() && " if owner.inside else ""
        broken = f"broken{number}"
        expression = f"variables.{owner.name}.filter(at, {written}!({_SELF.sub(there, rule.cel)}))"
        variables[broken] = {"name": broken, "expression": expression}
        holds = f"size(variables.{broken}) == 0"
        if owner.path == _CHECKS and not rule.looks_at_presence_only:
            # A policy's values may be placeholders; they are judged where the policy is used.
            holds = f"variables.isPolicy || {holds}"
        index = f"variables.{owner.name}.indexOf(variables.{broken}[0])"
        message = "".join(f".{step}" for step in owner.inside) + f"{rule.field}: {rule.message}"
        validations.append({"expression": holds, "messageExpression": f"{owner.spoken(index)} + {json.dumps(message)}"})
    return _policy(LIMITS, list(variables.values()), validations)


def _quoted_numbers() -> Schema:
    owned: dict[str, tuple[_Owner, list[Path]]] = {}
    for path in numbers():
        owner = _Owner(path[:-1])
        owned.setdefault(owner.name, (owner, []))[1].append((*owner.inside, path[-1]))
    variables, validations = [], []
    for owner, fields in owned.values():
        written = ", ".join(f"?'{'.'.join(path)}': at.?{'.?'.join(path)}" for path in fields)
        quoted = owner.name.replace("each", "quoted")
        expression = f"variables.{owner.name}.map(at, {{{written}}}).map(m, m.filter(k, {_HAS_QUOTED}))"
        variables += [owner.variable, {"name": quoted, "expression": expression}]
        first = f"variables.{quoted}.filter(fields, size(fields) > 0)[0]"
        spoken = owner.spoken(f"variables.{quoted}.indexOf({first})")
        validations.append(
            {
                "expression": f"variables.{quoted}.all(fields, size(fields) == 0)",
                "messageExpression": f'{spoken} + "." + {first}[0] + {json.dumps(f": {DEPRECATED}")}',
            }
        )
    return _policy(QUOTED_NUMBERS, variables, validations)


def _policy(name: str, variables: list[Schema], validations: list[Schema]) -> Schema:
    resources = [names.PLURAL, *(plural(kind) for kind in PolicyKind)]
    rule = {
        "apiGroups": [names.GROUP],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": resources,
        "scope": "*",
    }
    # With the server's own defaults written out: the field is owned whole, and what differs from it is a conflict.
    constraints = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}, "resourceRules": [rule]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": f"modelramp-{name}"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": constraints,
            "matchConditions": [
                {
                    "name": "the-spec-changes",
                    "expression": "request.operation == 'CREATE' || object.spec != oldObject.spec",
                }
            ],
            "variables": [
                {"name": "spec", "expression": "dyn(object.spec)"},
                {"name": "isPolicy", "expression": f"object.kind != '{names.KIND}'"},
                {"name": "checksPath", "expression": "variables.isPolicy ? 'spec.checks' : 'spec.health.checks'"},
                *variables,
            ],
            "validations": validations,
        },
    }


def admission_yaml(name: str) -> str:
    """The text of the file of one policy and its binding, LIMITS or QUOTED_NUMBERS."""
    policy = _limits() if name == LIMITS else _quoted_numbers()
    binding = {
        "apiVersion": policy["apiVersion"],
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": policy["metadata"],
        "spec": {
            "policyName": policy["metadata"]["name"],
            "validationActions": ["Deny" if name == LIMITS else "Warn"],
        },
    }
    head = f"# {_HEADS[name]}\n"
    made = f"# Generated from operator/modelramp/api by `python -m modelramp.api.admission {name}`; edit the models.\n"
    texts = [yaml.safe_dump(one, sort_keys=False, width=120, allow_unicode=True) for one in (policy, binding)]
    return head + made + "---\n".join(texts)


if __name__ == "__main__":
    sys.stdout.write(admission_yaml(sys.argv[1]))
