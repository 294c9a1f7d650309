"""Everything that the API server would refuse in a manifest, found without one: schema, unknown fields, rules."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from modelramp.api import names
from modelramp.api.crd import models, object_schema
from modelramp.api.errors import InvalidSpec, Problem
from modelramp.api.pod_schema import Schema
from modelramp.api.policy import DNS_NAME, PolicyKind
from modelramp.api.policy_crd import policy_schema
from modelramp.api.spec import OBJECT_RULES, parse_spec
from modelramp.api.structural import Written, problems, without_nulls
from modelramp.cli.lint.known_policies import kind_of_policy
from modelramp.cli.lint.policies import policy_problems

_KNOWN = (names.KIND, *PolicyKind)
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def is_ours(value: Any) -> bool:
    """Whether a document is, or was meant to be, an object of modelramp."""
    return isinstance(value, dict) and (
        value.get("kind") in _KNOWN or str(value.get("apiVersion", "")).startswith(names.GROUP)
    )


def refusals(value: Mapping[str, Any], text_of: Written | None = None) -> tuple[Problem, ...]:
    """Everything for which the API server refuses a document; nothing when it takes it.

    text_of: the number or truth value at a path as it stands in the file, for the words.
    """
    if strange := tuple(_identity(value)):
        return strange
    written, policy = without_nulls(value), kind_of_policy(value)
    schema = _schema() if policy is None else _policy_schema(policy)
    as_written: Written = (lambda path: text_of(path.removeprefix("."))) if text_of is not None else lambda _: None
    found = (*problems(schema, written, "", written=as_written), *_name_problems(written.get("metadata"), policy))
    found = tuple(Problem(problem.field.removeprefix("."), problem.message) for problem in found)
    if not isinstance(written.get("spec"), dict):
        return found
    return (*found, *_broken_rules(written["spec"], found, policy))


def _identity(value: Mapping[str, Any]) -> Iterator[Problem]:
    if value.get("kind") not in _KNOWN:
        yield Problem("kind", f"found {value.get('kind')!r}; {names.GROUP} has only {', '.join(_KNOWN)}")
    if value.get("apiVersion") != names.API_VERSION:
        kind = value.get("kind") if value.get("kind") in _KNOWN else names.KIND
        yield Problem("apiVersion", f"found {value.get('apiVersion')!r}; {kind} is in {names.API_VERSION}")


@cache
def _schema() -> Schema:
    schema = object_schema()
    # Every object has the metadata that a pod template has, whose schema is already there.
    metadata = schema["properties"]["spec"]["properties"]["template"]["properties"]["metadata"]
    known = metadata["properties"] | {"managedFields": {"type": "array"}}
    schema["properties"] |= {"metadata": metadata | {"properties": known}, "status": {"type": "object"}}
    schema["required"] = ["metadata", *schema["required"]]
    return schema


@cache
def _policy_schema(kind: PolicyKind) -> Schema:
    known = _schema()["properties"]
    schema = policy_schema(kind)
    schema["properties"] |= {"metadata": known["metadata"]}
    schema["required"] = ["metadata", *schema["required"]]
    return schema


def _name_problems(metadata: Any, policy: PolicyKind | None) -> Iterator[Problem]:
    if not isinstance(metadata, dict):
        return
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if name is None and "generateName" not in metadata:
        yield Problem("metadata.name", "is missing")
    if isinstance(name, str) and policy is not None:
        if len(name) > 253 or re.fullmatch(DNS_NAME, name) is None:
            yield Problem("metadata.name", f"found {name!r}; a-z, 0-9, '-' and '.' are wanted, as in web-models")
    elif isinstance(name, str):
        yield from (
            Problem("metadata.name", rule.message.removeprefix("metadata.name "))
            for rule in OBJECT_RULES
            if not rule.holds(name)
        )
    if namespace is not None and policy is PolicyKind.CLUSTER:
        yield Problem("metadata.namespace", f"{policy} lives in the cluster, not in a namespace; leave it out")
    elif isinstance(namespace, str) and _NAMESPACE.fullmatch(namespace) is None:
        yield Problem("metadata.namespace", f"found {namespace!r}, which is not a valid namespace name")


def _broken_rules(spec: dict[str, Any], found: tuple[Problem, ...], policy: PolicyKind | None) -> Iterator[Problem]:
    """What only the models see. A field that the schema has spoken of already is not named twice."""
    spoken = tuple(problem.field for problem in found)
    for problem in _of_models(spec) if policy is None else policy_problems(spec):
        known = any(_within(problem.field, field) for field in spoken)
        if not known and problem.message not in _said_by_schema():
            yield problem


def _of_models(spec: dict[str, Any]) -> tuple[Problem, ...]:
    try:
        parse_spec(spec)
    except InvalidSpec as refusal:
        return refusal.problems
    return ()


@cache
def _said_by_schema() -> frozenset[str]:
    return frozenset(rule.message for model in models() for rule in model.RULES if not rule.cel)


def _within(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith((f"{outer}.", f"{outer}["))
