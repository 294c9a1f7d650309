"""The rules as the API server evaluates them, over every sample; on a real one: tests/integration/api."""

import cel
import pytest

from modelramp.api.crd import object_schema
from tests.refused.samples import ACCEPTED, REFUSED, expected, load

PROGRAMS = {}


def context(value):
    """What a rule sees; Kubernetes adds these functions to CEL."""
    made = cel.Context()
    made.add_function("isSorted", lambda items: list(items) == sorted(items))
    made.add_function("max", max)
    made.add_function("lowerAscii", str.lower)
    made.add_variable("self", value)
    return made


def with_defaults(value, schema):
    """The value as the server completes it before it asks the rules; null stands for a field that is left out."""
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        value = {name: item for name, item in value.items() if item is not None}
        value = {**{name: field["default"] for name, field in fields.items() if "default" in field}, **value}
        more = schema.get("additionalProperties")
        inner = {name: fields.get(name, more if isinstance(more, dict) else {}) for name in value}
        return {name: with_defaults(item, inner[name]) for name, item in value.items()}
    if isinstance(value, list):
        return [with_defaults(item, schema.get("items", {})) for item in value]
    return value


def broken(value, schema):
    """The messages of all rules that do not hold, at every depth. A rule that cannot be evaluated does not hold."""
    for rule in schema.get("x-kubernetes-validations", ()):
        try:
            program = PROGRAMS.setdefault(rule["rule"], cel.compile(rule["rule"]))
            holds = program.execute(context(value))
        except (RuntimeError, TypeError, ValueError):
            holds = False
        if holds is not True:
            yield rule["message"]
    if isinstance(value, dict):
        fields, more = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in value.items():
            yield from broken(item, fields.get(name, more if isinstance(more, dict) else {}))
    if isinstance(value, list):
        for item in value:
            yield from broken(item, schema.get("items", {}))


def told(path):
    schema = object_schema()
    return list(broken(with_defaults(load(path), schema), schema))


def all_messages(schema):
    yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", ()))
    for inner in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from all_messages(inner)


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_what_is_accepted_breaks_no_rule(path):
    assert told(path) == []


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_what_a_rule_refuses_breaks_that_rule(path):
    rules = {rule for rule in all_messages(object_schema()) if rule in expected(path)}
    assert rules <= set(told(path))
