"""Objects as the API server reads them from an apply: it takes the body for YAML, which is a little less than JSON."""

import json
from collections.abc import Mapping
from typing import Any

APPLY = "application/apply-patch+yaml; charset=utf-8"
"""With its parameter, so that the client library sends a text as it is: it would write an emoji as two surrogates."""
_ESCAPED = (*range(0x7F, 0xA0), 0x2028, 0x2029, *range(0xD800, 0xE000), 0xFEFF, 0xFFFE, 0xFFFF)
_AS_ESCAPES = {code: f"\\u{code:04x}" for code in _ESCAPED}
"""Characters that YAML does not allow, or takes for line breaks."""


def as_yaml(obj: Mapping[str, Any]) -> str:
    r"""The object as JSON that is YAML too: characters beyond U+FFFF stand for themselves.

    >>> as_yaml({"a": "\U0001f600\u2028\n"})
    '{"a": "😀\\u2028\\n"}'
    """
    return json.dumps(dict(obj), ensure_ascii=False).translate(_AS_ESCAPES)
