"""What the API server's schema says about a value, without an API server: for `modelramp lint`.

Knows the keywords that structural schemas of this project use; the CEL rules stand with the models (api.rules).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from modelramp.api.errors import Problem
from modelramp.api.pod_schema import QUANTITY, Schema

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
}
_WISHED = {"string": "a text", "boolean": "true or false", "integer": "a whole number", "number": "a number"} | {
    "array": "a list (lines that begin with -)",
    "object": "a mapping (lines of key: value)",
}


def without_nulls(value: Any) -> Any:
    """The value as the API server takes it: a field that is null counts as not written."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def with_defaults(schema: Schema, value: Any) -> Any:
    """The value as the API server stores it: with the schema's defaults in the mappings that were written."""
    if isinstance(value, list):
        return [with_defaults(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    known, other = schema.get("properties", {}), schema.get("additionalProperties")
    others = other if isinstance(other, Mapping) else {}
    written = {key: with_defaults(known.get(key, others), item) for key, item in value.items()}
    unwritten = {key: field["default"] for key, field in known.items() if "default" in field and key not in value}
    return written | unwritten


Around = tuple[tuple[str, Schema], ...]
"""The mappings around a value, outermost first: path and known fields of each."""
Written = Callable[[str], str | None]
"""The number or truth value at a path as it stands in the file, such as 1.10; None where that is not known."""


def _unknown(path: str) -> str | None:
    del path
    return None


def problems(
    schema: Schema, value: Any, path: str, around: Around = (), written: Written = _unknown
) -> Iterator[Problem]:
    """Everything in a value (without nulls) that the schema does not allow; `path` names the value in messages."""
    if (wrong := _type_problem(schema, value, written(path))) is not None:
        yield Problem(path, wrong)
        return
    yield from (Problem(path, message) for message in _bounds(schema, value))
    if isinstance(value, dict):
        yield from _of_mapping(schema, value, path, around, written)
    elif isinstance(value, list):
        yield from _of_list(schema, value, path, around, written)


def _type_problem(schema: Schema, value: Any, text: str | None) -> str | None:
    """text: the value as it is written, where that is known."""
    if text is None and isinstance(value, (bool, int, float)):
        text = str(value).lower()
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, float):
            return f"found the decimal number {text}; a whole number or a text in quotes is wanted"
        fits = isinstance(value, (int, str)) and not isinstance(value, bool)
        return None if fits else f"{_found(value, text)}; a whole number or a text in quotes is wanted"
    if _is_open(schema) and not isinstance(value, int | float | str | bool):
        return f"{_found(value, text)}; {_number_wanted(schema)}"
    wanted = schema.get("type")
    if wanted is None or (type(value) in _TYPES[wanted]):
        return None
    if wanted == "integer" and isinstance(value, float) and value.is_integer():
        return None
    if wanted == "string" and isinstance(value, (int, float)):
        return f'found {text} without quotes, which is not text; write "{text}" in quotes, as it was meant'
    return f"{_found(value, text)}; {_WISHED[wanted]} is wanted"


def _found(value: Any, text: str | None) -> str:
    match value:
        case bool():
            return f"found {text}"
        case str():
            return f"found the text {value!r}"
        case int() | float():
            return f"found the number {text}"
        case list():
            return "found a list"
        case dict():
            return "found a mapping"
        case _:
            return "found nothing"


def _bounds(schema: Schema, value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _text_bounds(schema, value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number_bounds(schema, value)
    elif isinstance(value, (list, dict)):
        word, noun = ("Items", "entries") if isinstance(value, list) else ("Properties", "entries")
        if len(value) < schema.get(f"min{word}", 0):
            yield f"found {len(value)} {noun}; at least {schema[f'min{word}']} is wanted"
        if len(value) > schema.get(f"max{word}", len(value)):
            yield f"found {len(value)} {noun}; at most {schema[f'max{word}']} are allowed"
    if "enum" in schema and value not in schema["enum"]:
        yield f"found {value!r}; allowed are {', '.join(str(item) for item in schema['enum'])}"
    if value in schema.get("not", {}).get("enum", ()) and isinstance(value, bool):
        yield f"found {str(value).lower()}; {_number_wanted(schema)}"


def _number_bounds(schema: Schema, value: float) -> Iterator[str]:
    if "minimum" in schema and (value < schema["minimum"] or (value == schema["minimum"] and _open_below(schema))):
        yield f"found {value}; {'more than' if _open_below(schema) else 'at least'} {schema['minimum']} is wanted"
    if "maximum" in schema and (value > schema["maximum"] or (value == schema["maximum"] and _open_above(schema))):
        yield f"found {value}; {'less than' if _open_above(schema) else 'at most'} {schema['maximum']} is allowed"


def _open_below(schema: Schema) -> bool:
    return bool(schema.get("exclusiveMinimum"))


def _open_above(schema: Schema) -> bool:
    return bool(schema.get("exclusiveMaximum"))


def _is_open(schema: Schema) -> bool:
    """Whether a field takes a number or a text, for which a schema has no type."""
    return "type" not in schema and bool(schema.get("x-kubernetes-preserve-unknown-fields"))


def _number_wanted(schema: Schema) -> str:
    pattern = schema.get("pattern", "")
    if pattern == QUANTITY:
        return "a number or a quantity such as 500m or 1Gi is wanted"
    if not pattern:
        return "a number or a text is wanted"
    above = f" {'above' if _open_below(schema) else 'from'} {schema['minimum']}" if "minimum" in schema else ""
    below = f" {'below' if _open_above(schema) else 'to'} {schema['maximum']}" if "maximum" in schema else ""
    parameter = ", or a parameter alone, {{params.NAME}}," if "params" in pattern else ""
    joined = " and".join(filter(None, (above, below)))
    return f"a number{joined}{parameter} is wanted, such as 0.01"


def _text_bounds(schema: Schema, value: str) -> Iterator[str]:
    if len(value) < schema.get("minLength", 0):
        yield "is empty; a text is wanted"
    elif len(value) > schema.get("maxLength", len(value)):
        yield f"has {len(value)} characters; at most {schema['maxLength']} are allowed"
    elif "pattern" in schema and _compiled(schema["pattern"]).search(value) is None:
        if _is_open(schema) and schema["pattern"] != QUANTITY:
            yield f"found {value!r}; {_number_wanted(schema)}"
        elif "x-kubernetes-int-or-string" in schema:
            yield f"found {value!r}; an amount such as 2, 500m or 16Gi is wanted"
        else:
            yield f"found {value!r}, which does not match {schema['pattern']}"


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("$", r"\Z") if pattern.endswith("$") else pattern, re.ASCII)


def _of_mapping(
    schema: Schema, value: dict[str, Any], path: str, around: Around, written: Written
) -> Iterator[Problem]:
    known: Schema = schema.get("properties", {})
    inner = (*around, (path, known))
    for key in schema.get("required", ()):
        if key not in value:
            yield Problem(f"{path}.{key}", "is missing")
    for key, item in value.items():
        if key in known:
            yield from problems(known[key], item, f"{path}.{key}", inner, written)
        elif isinstance(schema.get("additionalProperties"), Mapping):
            yield from problems(schema["additionalProperties"], item, f"{path}.{key}", inner, written)
        elif known and not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield Problem(f"{path}.{key}", f"is an unknown field{_meant(key, known, around)}")


def _meant(key: str, known: Schema, around: Around) -> str:
    from difflib import get_close_matches

    # The innermost mapping decides: `max` written inside `ratio` belongs beside it.
    if (owner := next((path for path, fields in reversed(around) if key in fields), None)) is not None:
        return f" here; move it out to {f'{owner}.{key}'.removeprefix('.')}"
    near = get_close_matches(key, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known))}"


def _of_list(schema: Schema, value: list[Any], path: str, around: Around, written: Written) -> Iterator[Problem]:
    items: Schema = schema.get("items", {})
    seen: dict[tuple[Any, ...], int] = {}
    keys = schema.get("x-kubernetes-list-map-keys", ())
    for index, item in enumerate(value):
        yield from problems(items, item, f"{path}[{index}]", around, written)
        if keys and isinstance(item, dict):
            identity = tuple(str(item.get(key, items["properties"][key].get("default"))) for key in keys)
            if identity in seen:
                named = ", ".join(f"{key} {text}" for key, text in zip(keys, identity, strict=True))
                yield Problem(f"{path}[{index}]", f"{named} stands in [{seen[identity]}] already; it must be unique")
            seen.setdefault(identity, index)
