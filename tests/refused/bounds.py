"""Every bound of the schema outside of pod templates, each with an object that breaks this one bound only."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from modelramp.api.crd import object_schema
from tests.refused.samples import AB_TEST, EVERY_FIELD, load

_WRONG_TYPE = {"string": 7, "integer": "seven", "object": "seven", "array": "seven", "boolean": "seven"}
_SAYS = {
    "minimum": "should be greater than or equal to {bound}",
    "maximum": "should be less than or equal to {bound}",
    "exclusiveMinimum": "should be greater than {bound}",
    "exclusiveMaximum": "should be less than {bound}",
    "pattern": "should match",
    "not": "must not validate the schema",
    "minLength": "should be at least {bound} chars long",
    "maxLength": "may not be more than {bound} bytes",
    "minItems": "should have at least {bound} items",
    "maxItems": "must have at most {bound} items",
    "maxProperties": "must have at most {bound} items",
    "enum": "Unsupported value",
    "required": "Required value",
    "type": "must be of type",
}


@dataclass(frozen=True)
class Broken:
    """An object, the path of the bound it breaks, and words that the refusal must hold."""

    name: str
    path: str
    bound: str
    says: str
    manifest: dict[str, Any]


def broken_bounds() -> Iterator[Broken]:
    base, test = load(EVERY_FIELD), load(AB_TEST)
    schema = object_schema()["properties"]["spec"]
    found = [(base, broken) for broken in _violations(schema, base["spec"], ("spec",))]
    # An A/B test takes the place of steps: it stands in an object of its own.
    part = schema["properties"]["rollout"]["properties"]["abTest"]
    inside = _violations(part, test["spec"]["rollout"]["abTest"], ("spec", "rollout", "abTest"))
    found += [(test, broken) for broken in inside]
    for number, (whole, (path, bound, limit, value)) in enumerate(found):
        manifest = copy.deepcopy(whole)
        _put(manifest, path, value)
        manifest["metadata"]["name"] = f"broken-{number:03}"
        says = _SAYS[bound].format(bound=limit)
        yield Broken(manifest["metadata"]["name"], _dotted(path), bound, says, manifest)


class _Absent:
    pass


_BREAK: dict[str, Callable[[Any, Any], Any]] = {
    "minimum": lambda limit, value: limit - 1,
    "maximum": lambda limit, value: limit + 1,
    "minLength": lambda limit, value: "",
    "exclusiveMinimum": lambda limit, value: limit,
    "exclusiveMaximum": lambda limit, value: limit,
    "pattern": lambda limit, value: "bogus",
    "not": lambda limit, value: True,
    "maxLength": lambda limit, value: "1" * (limit + 1),
    "minItems": lambda limit, value: [],
    "maxItems": lambda limit, value: [_renamed(value[0], index) for index in range(limit + 1)],
    "maxProperties": lambda limit, value: {f"key-{index}": "1" for index in range(limit + 1)},
    "enum": lambda limit, value: "bogus",
    "type": lambda limit, value: _WRONG_TYPE[limit],
}
"""Keyword -> a value that breaks it, made from the limit and the value that keeps it."""
_SHUT_OUT = frozenset({"minProperties", "maxProperties", "minItems", "maxItems"})
_NO_BOUNDS = frozenset({"description", "default", "properties", "items", "additionalProperties", "required"})


def _violations(schema: dict, value: Any, path: tuple) -> Iterator[tuple[tuple, str, Any, Any]]:
    for bound, limit in _bounds_of(schema):
        yield path, bound, limit, _BREAK[bound](limit, value)
    for key in schema.get("required", ()):
        yield (*path, key), "required", key, _Absent
    for key, inner in schema.get("properties", {}).items():
        # The kinds of a check exclude one another: each is tried in the check that has it.
        if key != "template" and ("properties" not in inner or key in value):
            yield from _violations(inner, _find(value, key), (*path, key))
    if "items" in schema:
        yield from _violations(schema["items"], value[0], (*path, 0))
        nested = {key: inner for key, inner in schema["items"].get("properties", {}).items() if "properties" in inner}
        for index, item in enumerate(value[1:], start=1):
            yield from _violations({"properties": nested}, item, (*path, index))
    if isinstance(schema.get("additionalProperties"), dict):
        if not isinstance(value, dict):
            return
        key = next(iter(value))
        yield from _violations(schema["additionalProperties"], value[key], (*path, key))


def _bounds_of(schema: dict) -> Iterator[tuple[str, Any]]:
    is_open = "x-kubernetes-preserve-unknown-fields" in schema
    for bound, limit in schema.items():
        if bound in _NO_BOUNDS or bound.startswith("x-kubernetes-"):
            continue
        # Lists and mappings are shut out of a number by two bounds together: refused samples prove that.
        if is_open and bound in _SHUT_OUT:
            continue
        exclusive = f"exclusive{bound[0].upper()}{bound[1:]}"
        if exclusive in schema:
            yield exclusive, limit
        elif not bound.startswith("exclusive"):
            yield bound, limit


def _find(value: Any, key: str) -> Any:
    # A preset excludes a query, so the first check cannot have both; preset's own bounds are tried where it is absent.
    return value.get(key, "absent")


def _renamed(item: Any, index: int) -> Any:
    return item | {"name": f"name-{index}"} if isinstance(item, dict) and "name" in item else copy.deepcopy(item)


def _put(root: dict, path: tuple, value: Any) -> None:
    inner: Any = root
    for key in path[:-1]:
        inner = inner[key]
    if value is _Absent:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value


def _dotted(path: tuple) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
