"""History for a real Prometheus: expositions of several scrapes, written with the times they are to have had."""

from collections import defaultdict
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

SCRAPE_SECONDS = 15


@dataclass
class Recording:
    """What Prometheus would have scraped; `play` writes it, without anybody having waited for it."""

    url: str
    points: dict = field(default_factory=lambda: defaultdict(list))

    def scraped(self, exposition, at, **target):
        """One scrape at `at` (epoch seconds) of a text exposition, with the labels that the target gets."""
        for family in text_string_to_metric_families(exposition):
            # The parser calls every counter ..._total; Prometheus keeps the names as they are exposed.
            renamed = family.type == "counter" and f"{family.name}_total" not in exposition
            for sample in family.samples:
                labels = tuple(sorted({**sample.labels, **target}.items()))
                name = sample.name.removesuffix("_total") if renamed else sample.name
                self.points[name, labels].append((at, sample.value))

    def play(self):
        """Write everything by OTLP, whose points carry their own times (names are kept as they are)."""
        metrics = [
            {"name": name, "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": _points(labels, of)}}
            for (name, labels), of in self.points.items()
        ]
        body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
        answer = httpx.post(f"{self.url}/api/v1/otlp/v1/metrics", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        self.points.clear()


def _points(labels, values):
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in labels]
    return [
        {"timeUnixNano": str(at * 10**9), "asDouble": value, "attributes": attributes} for at, value in sorted(values)
    ]
