"""The rules as the API server evaluates them, over every sample; on a real one: tests/integration/api."""

import cel
import pytest

from modelramp.api import admission
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


def holds(expression, value):
    """Whether a rule holds; one that cannot be evaluated does not."""
    try:
        return PROGRAMS.setdefault(expression, cel.compile(expression)).execute(context(value)) is True
    except (RuntimeError, TypeError, ValueError):
        return False


def standing(value, path):
    """What stands at a path of the admission policies; nothing where it is not written."""
    if not path:
        yield value
    elif value.get(path[0].removesuffix("[]")) is not None:
        inner = value[path[0].removesuffix("[]")]
        for one in inner if path[0].endswith("[]") else [inner]:
            yield from standing(one, path[1:])


def broken(value, schema):
    """The messages of all rules that do not hold, at every depth. A rule that cannot be evaluated does not hold."""
    for rule in schema.get("x-kubernetes-validations", ()):
        if not holds(rule["rule"], value):
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
    value = with_defaults(load(path), schema)
    refused = [
        rule.message
        for place, rule in admission.rules()
        if not all(holds(rule.cel, one) for one in standing(value["spec"], place))
    ]
    return [*broken(value, schema), *refused]


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
    known = (*all_messages(object_schema()), *(rule.message for _, rule in admission.rules()))
    rules = {rule for rule in known if rule in expected(path)}
    assert rules <= set(told(path))
