"""What Prometheus answered -> samples, or the reason why it cannot be used. Pure."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from modelramp.adapters.errors import shortened
from modelramp.analysis.native import Native
from modelramp.api.errors import PrometheusSilent
from modelramp.api.names import Reason
from modelramp.engine.ports import Sample

_BY_ERROR_TYPE = {
    "bad_data": Reason.QUERY_INVALID,
    "execution": Reason.QUERY_FAILED,
    "internal": Reason.QUERY_FAILED,
    "timeout": Reason.PROMETHEUS_TIMEOUT,
    "canceled": Reason.PROMETHEUS_TIMEOUT,
}
"""errorType of the HTTP API -> reason; others, such as `unavailable`, mean that nobody answered."""

_CHECK_THEM = "check secretRef or MODELRAMP_PROMETHEUS_SECRET, on the command line --token-file"
_BY_CODE = {
    401: f"refuses the credentials; {_CHECK_THEM}",
    403: f"refuses access; {_CHECK_THEM}",
    404: "has no /api/v1/query; does the address lack a path prefix?",
    405: "does not take queries by POST",
    429: "says that it is asked too much",
}


def read_body(code: int, body: bytes) -> Mapping[str, Any]:
    """The `data` of a successful answer with its `warnings`; raises PrometheusSilent for any other.

    Source of codes and fields: prometheus.io/docs/prometheus/latest/querying/api, "Format overview".
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        payload = None
    if isinstance(payload, dict) and payload.get("status") == "error":
        reason = _BY_ERROR_TYPE.get(str(payload.get("errorType")), Reason.PROMETHEUS_UNREACHABLE)
        raise PrometheusSilent(reason, shortened(f"Prometheus: {payload.get('error')}"))
    if code != 200:
        # The text of a stranger's page is not repeated: the address may name something that is no Prometheus.
        known = _BY_CODE.get(code, "cannot answer now" if code >= 500 else "does not answer like a Prometheus")
        raise PrometheusSilent(Reason.PROMETHEUS_UNREACHABLE, f"the server {known} (HTTP {code})")
    if not isinstance(payload, dict) or not isinstance(payload.get("data"), dict):
        raise PrometheusSilent(Reason.PROMETHEUS_UNREACHABLE, "the answer is not that of a Prometheus (no JSON data)")
    return {**payload["data"], "warnings": payload.get("warnings") or ()}


def instant_samples(kind: str, result: Any) -> tuple[Sample, ...]:
    """The samples of an instant query. kind: the answer's resultType."""
    match kind:
        case "scalar":
            return (Sample({}, _number(result)),)
        case "vector":
            return tuple(_sample(series) for series in _rows(result))
        case "string":
            raise PrometheusSilent(Reason.QUERY_INVALID, "the query gives a text; it must give a number")
        case "matrix":
            raise PrometheusSilent(
                Reason.QUERY_INVALID, "the query gives a time range; wrap it, as in avg_over_time(...[{{window}}])"
            )
        case _:
            raise _unreadable()


def range_samples(kind: str, result: Any) -> Mapping[int, tuple[Sample, ...]]:
    """The samples of a range query by instant; instants without any are missing."""
    if kind != "matrix":
        raise _unreadable()
    found: dict[int, list[Sample]] = {}
    for series in _rows(result):
        labels = _labels(series)
        for point in _points(series, "values"):
            found.setdefault(_instant(point), []).append(Sample(labels, _number(point)))
        for point in _points(series, "histograms"):
            found.setdefault(_instant(point), []).append(Sample(labels, math.nan, _histogram(point)))
    return {at: tuple(samples) for at, samples in sorted(found.items())}


def _rows(result: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(result, list) or not all(isinstance(row, dict) for row in result):
        raise _unreadable()
    return result


def _labels(series: Mapping[str, Any]) -> Mapping[str, str]:
    labels = series.get("metric")
    if not isinstance(labels, dict):
        raise _unreadable()
    return labels


def _sample(series: Mapping[str, Any]) -> Sample:
    if "histogram" in series:
        return Sample(_labels(series), math.nan, _histogram(series["histogram"]))
    return Sample(_labels(series), _number(series.get("value")))


def _histogram(point: Any) -> Native:
    """A native histogram; each of its buckets is [rule of the edges, lower edge, upper edge, count]."""
    try:
        rows = point[1].get("buckets") or ()
        buckets = tuple((float(left), float(right), float(count)) for _, left, right, count in rows)
        return Native(buckets, float(point[1]["count"]))
    except (TypeError, ValueError, IndexError, KeyError, AttributeError):
        raise _unreadable() from None


def _points(series: Mapping[str, Any], key: str) -> Sequence[Any]:
    if "values" not in series and "histograms" not in series:
        raise _unreadable()
    points = series.get(key, [])
    if not isinstance(points, list):
        raise _unreadable()
    return points


def _instant(point: Any) -> int:
    try:
        return round(float(point[0]))
    except (TypeError, ValueError, IndexError, KeyError, OverflowError):
        raise _unreadable() from None


def _number(point: Any) -> float:
    # Values come as text, since JSON has no NaN and no infinity: "0.25", "NaN", "+Inf".
    try:
        return float(point[1])
    except (TypeError, ValueError, IndexError, KeyError):
        raise _unreadable() from None


def _unreadable() -> PrometheusSilent:
    return PrometheusSilent(Reason.QUERY_FAILED, "the answer is not in the form of the Prometheus HTTP API")
