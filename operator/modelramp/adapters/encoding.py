"""Encodes objects for server-side apply: the API server parses the body as YAML, which accepts less than JSON."""

import json
from collections.abc import Mapping
from typing import Any

APPLY = "application/apply-patch+yaml; charset=utf-8"
"""With its parameter, so that the client library sends text unchanged: it would encode an emoji as two surrogates."""
_ESCAPED = (*range(0x7F, 0xA0), 0x2028, 0x2029, *range(0xD800, 0xE000), 0xFEFF, 0xFFFE, 0xFFFF)
_AS_ESCAPES = {code: f"\\u{code:04x}" for code in _ESCAPED}
"""Characters that YAML forbids or treats as line breaks."""


def as_yaml(obj: Mapping[str, Any]) -> str:
    r"""The object as JSON that is YAML too: characters beyond U+FFFF stand for themselves.

    >>> as_yaml({"a": "\U0001f600\u2028\n"})
    '{"a": "😀\\u2028\\n"}'
    """
    return json.dumps(dict(obj), ensure_ascii=False).translate(_AS_ESCAPES)
