"""History for a real Prometheus: expositions of several scrapes, written with the times they are to have had."""

from collections import defaultdict
from dataclasses import dataclass, field

import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

SCRAPE_SECONDS = 15
NOTHING_RECORDED = 1
"""OTLP's flag of a point without a value, which Prometheus keeps as a marker of staleness."""


@dataclass
class Recording:
    """What Prometheus would have scraped; `play` writes it, without anybody having waited for it."""

    url: str
    points: dict = field(default_factory=lambda: defaultdict(list))
    native: list = field(default_factory=list)

    def scraped(self, exposition, at, **target):
        """One scrape at `at` (epoch seconds) of a text exposition, with the labels that the target gets."""
        for family in text_string_to_metric_families(exposition):
            # The parser calls every counter ..._total; Prometheus keeps the names as they are exposed.
            renamed = family.type == "counter" and f"{family.name}_total" not in exposition
            for sample in family.samples:
                labels = tuple(sorted({**sample.labels, **target}.items()))
                name = sample.name.removesuffix("_total") if renamed else sample.name
                self.points[name, labels].append((at, sample.value))

    def gone(self, at, **target):
        """Marks as stale what a target served before and does not serve at `at`, or could not, as a scrape does."""
        for (name, labels), found in self.points.items():
            if name != "up" and set(target.items()) <= set(labels) and found[-1][0] != at:
                found.append((at, None))

    def exponential(self, name, values, schema, at, **target):
        """One scrape of a native histogram that has observed all these values so far."""
        values = np.asarray(values, dtype=float)
        known = values[~np.isnan(values)]
        point = {"scale": schema, "zeroCount": str((known == 0).sum())}
        for side, sign in (("positive", 1), ("negative", -1)):
            point[side] = _places(known[known * sign > 0] * sign, schema)
        self._observed(name, "exponentialHistogram", point, values, at, target)

    def custom(self, name, values, bounds, at, **target):
        """The same with custom buckets (NHCB), into which Prometheus turns OTLP's histograms here."""
        values = np.asarray(values, dtype=float)
        counts = np.bincount(np.searchsorted(bounds, values), minlength=len(bounds) + 1)
        point = {"explicitBounds": list(bounds), "bucketCounts": [str(count) for count in counts]}
        self._observed(name, "histogram", point, values, at, target)

    def _observed(self, name, kind, point, values, at, target):
        total = values.sum()
        point |= {"timeUnixNano": str(at * 10**9), "count": str(len(values)), "attributes": _attributes(target.items())}
        point["sum"] = "NaN" if np.isnan(total) else float(total)
        self.native.append({"name": name, kind: {"aggregationTemporality": 2, "dataPoints": [point]}})

    def play(self):
        """Write everything by OTLP, whose points carry their own times (names are kept as they are)."""
        metrics = [
            {"name": name, "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": _points(labels, of)}}
            for (name, labels), of in self.points.items()
        ]
        body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics + self.native}]}]}
        answer = httpx.post(f"{self.url}/api/v1/otlp/v1/metrics", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        self.points.clear()
        self.native.clear()


def _attributes(labels):
    return [{"key": key, "value": {"stringValue": value}} for key, value in labels]


def _places(sizes, schema):
    """Counts of exponential buckets, each open at its lower edge; the first begins at offset."""
    if not len(sizes):
        return {"offset": 0, "bucketCounts": []}
    places = np.ceil(np.log2(sizes) * 2**schema).astype(int) - 1
    return {"offset": int(places.min()), "bucketCounts": [str(n) for n in np.bincount(places - places.min())]}


def _points(labels, values):
    attributes = _attributes(labels)
    return [{"timeUnixNano": str(at * 10**9), "attributes": attributes} | _value(value) for at, value in sorted(values)]


def _value(value):
    return {"flags": NOTHING_RECORDED} if value is None else {"asDouble": value}
