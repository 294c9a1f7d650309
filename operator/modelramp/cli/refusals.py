"""What the API server would say about a manifest, said without one: schema, unknown fields, rules."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from modelramp.api import names
from modelramp.api.crd import models, object_schema
from modelramp.api.errors import InvalidSpec, Problem
from modelramp.api.pod_schema import Schema
from modelramp.api.spec import OBJECT_RULES, parse_spec
from modelramp.api.structural import problems, without_nulls

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def is_ours(value: Any) -> bool:
    """Whether a document is, or was meant to be, an object of modelramp."""
    return isinstance(value, dict) and (
        value.get("kind") == names.KIND or str(value.get("apiVersion", "")).startswith(names.GROUP)
    )


def refusals(value: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Everything for which the API server refuses a document; nothing when it takes it."""
    if strange := tuple(_identity(value)):
        return strange
    written = without_nulls(value)
    found = (*problems(_schema(), written, ""), *_name_problems(written.get("metadata")))
    found = tuple(Problem(problem.field.removeprefix("."), problem.message) for problem in found)
    if not isinstance(written.get("spec"), dict):
        return found
    return (*found, *_broken_rules(written["spec"], found))


def _identity(value: Mapping[str, Any]) -> Iterator[Problem]:
    if value.get("kind") != names.KIND:
        yield Problem("kind", f"found {value.get('kind')!r}; {names.GROUP} has only {names.KIND}")
    if value.get("apiVersion") != names.API_VERSION:
        yield Problem("apiVersion", f"found {value.get('apiVersion')!r}; {names.KIND} is in {names.API_VERSION}")


@cache
def _schema() -> Schema:
    schema = object_schema()
    # Every object has the metadata that a pod template has, whose schema is already there.
    metadata = schema["properties"]["spec"]["properties"]["template"]["properties"]["metadata"]
    known = metadata["properties"] | {"managedFields": {"type": "array"}}
    schema["properties"] |= {"metadata": metadata | {"properties": known}, "status": {"type": "object"}}
    schema["required"] = ["metadata", *schema["required"]]
    return schema


def _name_problems(metadata: Any) -> Iterator[Problem]:
    if not isinstance(metadata, dict):
        return
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if name is None and "generateName" not in metadata:
        yield Problem("metadata.name", "is missing")
    if isinstance(name, str):
        yield from (
            Problem("metadata.name", rule.message.removeprefix("metadata.name "))
            for rule in OBJECT_RULES
            if not rule.holds(name)
        )
    if isinstance(namespace, str) and _NAMESPACE.fullmatch(namespace) is None:
        yield Problem("metadata.namespace", f"found {namespace!r}, which is no name of a namespace")


def _broken_rules(spec: dict[str, Any], found: tuple[Problem, ...]) -> Iterator[Problem]:
    """What only the models see. A field that the schema has spoken of already is not named twice."""
    try:
        parse_spec(spec)
    except InvalidSpec as refusal:
        spoken = tuple(problem.field for problem in found)
        for problem in refusal.problems:
            known = any(_within(problem.field, field) for field in spoken)
            if not known and problem.message not in _said_by_schema():
                yield problem


@cache
def _said_by_schema() -> frozenset[str]:
    return frozenset(rule.message for model in models() for rule in model.RULES if not rule.cel)


def _within(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith((f"{outer}.", f"{outer}["))
