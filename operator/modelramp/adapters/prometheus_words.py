"""Turns a server's error into text for a status: the cause first, and the same words at every tick. Pure."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from modelramp.adapters.errors import shortened
from modelramp.api.names import Reason

_EXECUTING: Final = re.compile(
    r'error when executing query="(?:[^"\\]|\\.)*" (?:for|on the time range) \([a-z0-9=, ]*\): ', re.DOTALL
)
_EVALUATING: Final = re.compile(r'cannot evaluate "(?:[^"\\]|\\.)*": ', re.DOTALL)
_INSTANT: Final = re.compile(r"\b(time|start|end|ts|timestamp|mint|maxt)([=:] ?)[0-9]{10,19}(?:\.[0-9]{1,9})?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z?")
_REQUEST: Final = re.compile(r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})\b")
_OWN_PORT: Final = re.compile(r"\b(tcp|udp) [][0-9a-f.:]{1,60}->")
_ELAPSED: Final = re.compile(r" \(elapsed [0-9.]{1,12} seconds\)")
_LONGEST: Final = 2048
_LONGEST_PAGE: Final = 128
_FRAGMENT: Final = 4
"""Characters: a text that has so many in a row of a secret may be the secret, cut or wrapped."""

_BY_ERROR_TYPE: Final = {
    "bad_data": Reason.QUERY_INVALID,
    "execution": Reason.QUERY_FAILED,
    "internal": Reason.QUERY_FAILED,
    "timeout": Reason.PROMETHEUS_TIMEOUT,
    "canceled": Reason.PROMETHEUS_TIMEOUT,
    "unavailable": Reason.PROMETHEUS_UNREACHABLE,
}
_BY_CODE: Final = {
    400: Reason.QUERY_INVALID,
    408: Reason.PROMETHEUS_TIMEOUT,
    422: Reason.QUERY_FAILED,
    500: Reason.QUERY_FAILED,
    504: Reason.PROMETHEUS_TIMEOUT,
}
"""HTTP code -> reason when the errorType is not one of Prometheus'; other codes mean no answer."""
_MAY_MEAN_MORE: Final = frozenset({400, 422, 500, 503})
_TOO_SLOW: Final = ("timeout exceeded", "deadline exceeded", "timed out")
_NO_QUERY: Final = (
    "cannot expand WITH",
    "cannot parse",
    "invalid regexp",
    "parse error",
    "unexpected number of args",
    "unexpected token",
    "unparsed data",
    "unsupported function",
)
"""VictoriaMetrics says of every failure that it could not be executed; these are of its parser."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a question was sent with, for telling why it is refused.

    secrets: texts that a server may repeat and people may not see. credentials: whether there were any.
    """

    secrets: tuple[str, ...] = field(default=(), repr=False)
    credentials: bool = False


NOTHING_SENT: Final = Sent()


def reason_of(kind: Any, code: int, words: str) -> Reason:
    """Why an answer with status `error` is none.

    kind: its errorType; VictoriaMetrics repeats the HTTP code there, and others have words of their own. words: its
    error.
    """
    if kind in _BY_ERROR_TYPE:
        return _BY_ERROR_TYPE[kind]
    if code in _MAY_MEAN_MORE and any(known in words for known in _TOO_SLOW):
        return Reason.PROMETHEUS_TIMEOUT
    if code in _MAY_MEAN_MORE and any(known in words for known in _NO_QUERY):
        return Reason.QUERY_INVALID
    return _BY_CODE.get(code, Reason.PROMETHEUS_UNREACHABLE)


def plain_error(words: Any) -> str:
    """The `error` of an answer without the query and the time, which are known or change at every tick."""
    text = str(words)
    if found := _EXECUTING.match(text):
        text = text[found.end() :]
    while found := _EVALUATING.match(text):
        text = text[found.end() :]
    return shortened(steady(text[:_LONGEST]))


def steady(text: str) -> str:
    """The text without what is another at every tick: with it, the status would be written at every tick."""
    text = _ELAPSED.sub("", _DATE.sub("…", _INSTANT.sub(r"\1\2…", text)))
    return _OWN_PORT.sub(r"\1 …->", _REQUEST.sub("…", text))


def page_words(body: bytes, secrets: Sequence[str]) -> str:
    """A refusal by something other than Prometheus, in a few words; "" when it should not be repeated.

    A page of HTML is that of a proxy, or of something else altogether. secrets: what was sent; a server may repeat it.
    """
    text = body[: 8 * _LONGEST_PAGE].decode("utf-8-sig", errors="replace").rstrip("\ufffd").strip()
    if text.startswith("{"):
        text = _field(body)
    if text.startswith("<") or "\ufffd" in text:
        return ""
    words = shortened(steady(text), _LONGEST_PAGE)
    return "" if any(_has_part(words, secret) for secret in secrets) else words


def without(text: str, secrets: Sequence[str]) -> str:
    """The text with secrets that it repeats taken out."""
    for secret in secrets:
        if secret and secret in text:
            text = text.replace(secret, "***")
    return text


def _field(body: bytes) -> str:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    inner = payload.get("error") if isinstance(payload, dict) else None
    found = [each.get(name) for each in (inner, payload) if isinstance(each, dict) for name in ("error", "message")]
    return next((words for words in found if isinstance(words, str)), "")


def _has_part(text: str, secret: str) -> bool:
    told, hidden = text.lower(), secret.lower()
    size = min(_FRAGMENT, len(hidden))
    return size > 0 and any(hidden[at : at + size] in told for at in range(len(hidden) - size + 1))
