"""Decodes JSON of the API server and survives hostile objects in it. Pure.

The API server keeps objects that nest 10,000 levels deep. Python's parsers and everything that walks through an object
end in a RecursionError long before, and it takes the whole list or watch along. So nesting is measured on the bytes,
and what nests deeper than any object should is never decoded: a sentence takes its place, which the engine shows
as what is wrong with that one object.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from modelramp.engine.ports import TOO_DEEP

LEVELS = 100
"""Levels of nesting that an object may have; a pod template has 15."""
_AROUND = 2
"""Levels of a list or of a watch's line around its objects."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)')
_TO_BRACKET = re.compile(rb'[^]["{}]*(?:"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)[^]["{}]*)*([][{}]|\Z)')
_TO_END = re.compile(rb'[^]["{},]*(?:"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)[^]["{},]*)*([][{},]|\Z)')
_AS_LISTS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def nests(raw: bytes, levels: int) -> bool:
    """Whether mappings and lists nest more than `levels` deep; the bytes must be valid JSON."""
    if raw.count(b"{") + raw.count(b"[") <= levels:
        return False
    brackets = _STRING.sub(b"", raw).translate(_AS_LISTS, _NO_BRACKETS)
    for _ in range(levels):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")  # the innermost go, so each pass takes one level off
    return bool(brackets)


def decoded_object(raw: bytes) -> dict[str, Any]:
    """One object; a member that nests too deeply is TOO_DEEP instead. Raises ValueError if it is not a JSON object."""
    return _mapping(_object_within(raw, LEVELS))


def decoded_list(raw: bytes) -> dict[str, Any]:
    """A list of objects, or another answer of the API server.

    An item that cannot be decoded at all is an object without a name. Raises ValueError when the whole is not JSON.
    """
    if not nests(raw, LEVELS + _AROUND):
        try:
            return _whole(raw)
        except ValueError:
            if not raw.rstrip().endswith(b"}"):
                raise  # cut off
    return {
        name: [_item(item) for item in _parts(value)] if name == "items" else _value(value, LEVELS)
        for name, value in _members(raw)
    }


def decoded_line(raw: bytes) -> bytes:
    """A line of a watch that json.loads can parse; empty when nothing of it can be read."""
    if not nests(raw, LEVELS + _AROUND) and _is_json(raw):
        return raw
    try:
        line = {name: _item(value) if name == "object" else _value(value, LEVELS) for name, value in _members(raw)}
    except ValueError:
        return b""
    metadata = (line.get("object") or {}).get("metadata")
    named = isinstance(metadata, dict) and metadata.get("name")
    return json.dumps(line, separators=(",", ":")).encode() if named else b""


def _whole(raw: bytes) -> dict[str, Any]:
    found = _mapping(json.loads(raw))
    for item in found.get("items") or ():
        _mapping(item)
    return found


def _mapping(found: Any) -> dict[str, Any]:
    if isinstance(found, dict):
        return found
    raise ValueError("the answer is not an object")


def _is_json(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except ValueError:
        return False
    return True


def _item(raw: bytes) -> dict[str, Any]:
    try:
        return decoded_object(raw)
    except ValueError:
        return {"metadata": {}}


def _object_within(raw: bytes, levels: int) -> Any:
    if not nests(raw, levels):
        return json.loads(raw)
    return {
        # managedFields mirrors all fields, so it nests wherever anything does.
        name: {key: _value(inner, levels - 2) for key, inner in _members(value) if key != "managedFields"}
        if name == "metadata"
        else _value(value, levels - 1)
        for name, value in _members(raw)
    }


def _value(raw: bytes, levels: int) -> Any:
    return TOO_DEEP if nests(raw, levels) else json.loads(raw)


def _members(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Each key of a mapping with the bytes of its value; nothing for what is no mapping."""
    at = raw.find(b"{") + 1
    while (opening := raw.find(b'"', at)) >= 0 and not raw[at:opening].strip():
        key = _STRING.match(raw, opening)
        start = raw.find(b":", key.end() if key is not None else opening) + 1
        at = _end(raw, start)
        yield json.loads(raw[opening:start].rstrip(b": \t\r\n")), raw[start:at]
        at += 1


def _parts(raw: bytes) -> Iterator[bytes]:
    """The bytes of each item of a list."""
    at = raw.find(b"[") + 1
    while (end := _end(raw, at)) > at:
        yield raw[at:end]
        at = end + 1


def _end(raw: bytes, start: int) -> int:
    """Where the value that begins at `start` ends: at the comma or bracket after it."""
    depth, at = 0, start
    while (found := (_TO_BRACKET if depth else _TO_END).match(raw, at)) is not None and found.group(1):
        at = found.end()
        if found.group(1) in b"{[":
            depth += 1
        elif depth == 0:
            return at - 1
        else:
            depth -= 1
    return len(raw)
