"""Turns an answer of Prometheus into samples, or into the reason why it cannot be used. Pure."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from modelramp.adapters.errors import shortened
from modelramp.adapters.prometheus_words import NOTHING_SENT, Sent, page_words, plain_error, reason_of
from modelramp.analysis.stats.native_histograms import Native
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.engine.ports import Sample

Found = TypeVar("Found")

_WRONG_PATH = "does the address lack a path prefix?"
_BY_CODE = {
    400: f"does not take this as a query; {_WRONG_PATH}",
    404: f"has no /api/v1/query; {_WRONG_PATH}",
    405: "does not take queries by POST",
    408: "gave up",
    429: "says that it is asked too much",
    504: "gave up",
}
_REFUSALS = frozenset({401, 403})
_CHECK_THEM = "check secretRef or MODELRAMP_PROMETHEUS_SECRET, on the command line --token-file"
_GIVE_THEM = "give secretRef if it wants credentials, headers if it wants a tenant"

MOST_WARNINGS = 20
TRUNCATED = "results truncated due to limit"
"""The warning of a server that supports the parameter `limit`."""
_ABOUT_THE_QUERY = ("PromQL warning:", "PromQL info:")


def read_body(code: int, body: bytes, sent: Sent = NOTHING_SENT) -> Mapping[str, Any]:
    """The `data` of a successful answer with its `warnings`; raises PrometheusUnavailable for any other.

    Source of codes and fields: prometheus.io/docs/prometheus/latest/querying/api, "Format overview".
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        payload = None
    if isinstance(payload, dict) and payload.get("status") == "error" and code not in _REFUSALS:
        raise failed(payload.get("errorType"), payload.get("error"), code)
    if code != 200:
        raise _refused(code, body, sent)
    if not isinstance(payload, dict) or not isinstance(payload.get("data"), dict):
        raise no_prometheus()
    if payload.get("isPartial"):
        raise partial("the answer says isPartial")
    return {**payload["data"], "warnings": payload.get("warnings") or ()}


def failed(kind: Any, words: Any, code: int) -> PrometheusUnavailable:
    """The error for an answer with status `error`. kind: its errorType. words: its error."""
    return PrometheusUnavailable(reason_of(kind, code, str(words)), shortened(f"Prometheus: {plain_error(words)}"))


def _refused(code: int, body: bytes, sent: Sent) -> PrometheusUnavailable:
    """The error for an answer that Prometheus did not send, such as one of a proxy."""
    words = page_words(body, sent.secrets) if 400 <= code < 500 else ""
    known, hint = _BY_CODE.get(code, "cannot answer now" if code >= 500 else "does not answer like a Prometheus"), ""
    if code in _REFUSALS:
        known = f"refuses {'the credentials' if sent.credentials else 'to answer'}"
        hint = _CHECK_THEM if sent.credentials else _GIVE_THEM
    reason = Reason.PROMETHEUS_TIMEOUT if code in {408, 504} else Reason.PROMETHEUS_UNREACHABLE
    said = f"the server {known} (HTTP {code})" + (f": {words}" if words else "")
    return PrometheusUnavailable(reason, f"{said}; {hint}" if hint else said)


def no_prometheus() -> PrometheusUnavailable:
    """The error for a success that Prometheus did not send."""
    return PrometheusUnavailable(Reason.PROMETHEUS_UNREACHABLE, "the answer is not that of a Prometheus (no JSON data)")


def partial(words: str) -> PrometheusUnavailable:
    """The error for an answer from a part of the data (decision 0004)."""
    said = f"Prometheus answers from a part of its data: {plain_error(words)}"
    return PrometheusUnavailable(Reason.PARTIAL_DATA, shortened(said))


def too_large(words: str) -> PrometheusUnavailable:
    """The error for an answer above its bounds. words: which one."""
    return PrometheusUnavailable(
        Reason.ANSWER_TOO_LARGE, f"the answer has more than {words}; aggregate in the query, as in sum(...)"
    )


def redirected(code: int) -> PrometheusUnavailable:
    """The error for an answer that names another address."""
    return PrometheusUnavailable(
        Reason.PROMETHEUS_UNREACHABLE,
        f"the server redirects (HTTP {code}); not followed, so give the final address",
    )


def check_warnings(warnings: Any) -> tuple[str, ...]:
    """The warnings about the query itself; raises PrometheusUnavailable when there is one about the data.

    An annotation of PromQL begins with `PromQL warning:` or `PromQL info:`; older servers send both as warnings.
    Anything else, of a remote read or of a store that is down, means that a part of the data is missing; so may what
    was left out of a long list.
    """
    if not isinstance(warnings, list | tuple):
        raise unreadable()
    for warning in warnings[:MOST_WARNINGS]:
        if warning == TRUNCATED:
            raise too_large("the series that were asked for")
        if not isinstance(warning, str) or not warning.startswith(_ABOUT_THE_QUERY):
            raise partial(str(warning))
    if len(warnings) > MOST_WARNINGS:
        raise partial(f"it has more than {MOST_WARNINGS} warnings")
    return tuple(warnings)


def instant_samples(kind: str, result: Any) -> tuple[Sample, ...]:
    """The samples of an instant query. kind: the answer's resultType."""
    expect_instant(kind)
    if kind == "scalar":
        return (Sample({}, _number(result)),)
    known: dict[str, str] = {}
    return tuple(sample_of(series, known) for series in _rows(result))


def expect_instant(kind: str) -> None:
    """Raise PrometheusUnavailable unless an answer of that resultType gives a number at one instant."""
    match kind:
        case "vector" | "scalar":
            return
        case "string":
            raise PrometheusUnavailable(Reason.QUERY_INVALID, "the query gives a text; it must give a number")
        case "matrix":
            raise PrometheusUnavailable(
                Reason.QUERY_INVALID, "the query gives a time range; wrap it, as in avg_over_time(...[{{window}}])"
            )
        case _:
            raise unreadable()


def range_samples(kind: str, result: Any) -> Mapping[int, tuple[Sample, ...]]:
    """The samples of a range query by instant; instants without any are missing."""
    if kind != "matrix":
        raise unreadable()
    found: dict[int, list[Sample]] = {}
    known: dict[str, str] = {}
    for series in _rows(result):
        add_samples(found, series, known)
    return by_instant(found)


def by_instant(found: Mapping[int, Sequence[Sample]]) -> Mapping[int, tuple[Sample, ...]]:
    """The same, rising."""
    return {at: tuple(samples) for at, samples in sorted(found.items())}


def on_grid(found: Mapping[int, Found], grid: range) -> Mapping[int, Found]:
    """The same; raises PrometheusUnavailable when there are instants that were not asked for.

    Caches before Prometheus may move a range to multiples of its step: the values then belong to other instants.
    """
    if not found.keys() <= set(grid):
        raise PrometheusUnavailable(
            Reason.QUERY_FAILED,
            "the answer is for other instants than were asked for; does a cache before Prometheus align ranges?",
        )
    return found


def sample_of(series: Any, known: dict[str, str]) -> Sample:
    """A series of a vector. known: texts of other series, so that equal ones are kept once."""
    if not isinstance(series, dict):
        raise unreadable()
    if "histogram" in series:
        return Sample(_labels(series, known), math.nan, _histogram(series["histogram"]))
    return Sample(_labels(series, known), _number(series.get("value")))


def add_samples(found: dict[int, list[Sample]], series: Any, known: dict[str, str]) -> None:
    """Add a series of a matrix to its instants."""
    if not isinstance(series, dict) or ("values" not in series and "histograms" not in series):
        raise unreadable()
    labels = _labels(series, known)
    for point in _points(series, "values"):
        found.setdefault(_instant(point), []).append(Sample(labels, _number(point)))
    for point in _points(series, "histograms"):
        found.setdefault(_instant(point), []).append(Sample(labels, math.nan, _histogram(point)))


def scalar_of(point: Any) -> tuple[Sample, ...]:
    """The one sample of a scalar."""
    return (Sample({}, _number(point)),)


def _rows(result: Any) -> Sequence[Any]:
    if not isinstance(result, list):
        raise unreadable()
    return result


def _labels(series: Mapping[str, Any], known: dict[str, str]) -> Mapping[str, str]:
    labels = series.get("metric")
    if not isinstance(labels, dict) or not set(map(type, labels.values())) <= {str}:
        raise unreadable()
    return {known.setdefault(name, name): known.setdefault(value, value) for name, value in labels.items()}


def _histogram(point: Any) -> Native:
    """A native histogram; each of its buckets is [rule of the edges, lower edge, upper edge, count]."""
    try:
        rows = point[1].get("buckets") or ()
        buckets = tuple((number(left), number(right), number(count)) for _, left, right, count in rows)
        return Native(buckets, number(point[1]["count"]))
    except (TypeError, ValueError, IndexError, KeyError, AttributeError):
        raise unreadable() from None


def _points(series: Mapping[str, Any], key: str) -> Sequence[Any]:
    points = series.get(key, [])
    if not isinstance(points, list):
        raise unreadable()
    return points


def _instant(point: Any) -> int:
    try:
        at, _ = point
        if isinstance(at, bool) or not isinstance(at, int | float):
            raise unreadable()
        return round(at)
    except (TypeError, ValueError, OverflowError):
        raise unreadable() from None


def _number(point: Any) -> float:
    try:
        _, text = point
        return number(text)
    except (TypeError, ValueError):
        raise unreadable() from None


def number(text: Any) -> float:
    """A number as the API writes it; raises ValueError for others.

    Values come as text, since JSON has no NaN and no infinity: "0.25", "NaN", "+Inf". Python reads more than that.
    """
    if not isinstance(text, str) or not text.isascii() or "_" in text or text != text.strip():
        raise ValueError("no number")
    return float(text)


def unreadable() -> PrometheusUnavailable:
    """The error for an answer that does not have the form of the API."""
    return PrometheusUnavailable(Reason.QUERY_FAILED, "the answer is not in the form of the Prometheus HTTP API")
