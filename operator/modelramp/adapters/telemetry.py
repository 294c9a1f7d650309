"""Log lines and metrics of the operator: JSON on stderr through structlog, and a Prometheus registry of its own."""

import logging
import math
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from modelramp import __version__
from modelramp.adapters.catalogue import CATALOGUE, Metric, Type

_SHARED: tuple[Any, ...] = (
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)
_TALKATIVE = ("httpx", "httpcore")
"""Log whole URLs of every request, and its headers when they debug: a token may stand in either."""


class OperatorTelemetry:
    """Fulfils engine.ports.Telemetry; a metric or label that the catalogue does not name is logged as an error."""

    def __init__(self, level: str = "INFO", stream: TextIO | None = None) -> None:
        """level: least severe lines that are written (DEBUG, INFO, WARNING, ERROR). stream: stderr if not given."""
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(stream if stream is not None else sys.stderr),
            processors=[*_SHARED, structlog.processors.JSONRenderer()],
            wrapper_class=structlog.make_filtering_bound_logger(level),
        )
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._metrics = {metric.name: _made(metric, self._registry) for metric in CATALOGUE.values()}
        self.gauge("modelramp_build_info", 1, version=__version__)

    def log(self, event: str, **fields: Any) -> None:
        """One structured line."""
        with suppress(Exception):
            self._log.info(event, **fields)

    def warn(self, event: str, **fields: Any) -> None:
        """One structured line that an SRE should see."""
        with suppress(Exception):
            self._log.warning(event, **fields)

    def count(self, metric: str, **labels: str) -> None:
        """Add one to a counter."""
        series = self._series(metric, Type.COUNTER, labels)
        if series is not None:
            series.inc()

    def observe(self, metric: str, value: float, **labels: str) -> None:
        """Put a value into a histogram."""
        series = self._series(metric, Type.HISTOGRAM, labels)
        if series is not None:
            series.observe(value)

    def gauge(self, metric: str, value: float | None, **labels: str) -> None:
        """Set a gauge; None removes the series. The only series of a gauge without labels stays, without a value."""
        if value is not None or not labels:
            series = self._series(metric, Type.GAUGE, labels)
            if series is not None:
                series.set(math.nan if value is None else value)
        elif self._known(metric, Type.GAUGE, labels):
            with suppress(KeyError):
                self._metrics[metric].remove(*(str(labels[name]) for name in CATALOGUE[metric].labels))

    def render(self) -> tuple[bytes, str]:
        """What /metrics answers: body and content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def _series(self, metric: str, wanted: Type, labels: Mapping[str, str]) -> Any:
        if not self._known(metric, wanted, labels):
            return None
        found = self._metrics[metric]
        return found.labels(**labels) if labels else found

    def _known(self, metric: str, wanted: Type, labels: Mapping[str, str]) -> bool:
        # Measuring must never stop the engine; tests/unit/adapters finds such calls before anybody runs them.
        entry = CATALOGUE.get(metric)
        known = entry is not None and entry.type is wanted and set(entry.labels) == set(labels)
        if not known:
            with suppress(Exception):
                self._log.error(
                    "metric is not in the catalogue", metric=metric, type=wanted.value, labels=sorted(labels)
                )
        return known


def log_libraries(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send the log lines of libraries (Kopf, aiohttp, asyncio) the same way, in the same form.

    Changes the root logger, so only the front door calls it.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _made(metric: Metric, registry: CollectorRegistry) -> Any:
    made = _empty(metric, registry)
    for values in metric.born:
        made.labels(*values)
    return made


def _empty(metric: Metric, registry: CollectorRegistry) -> Any:
    match metric.type:
        case Type.COUNTER:
            return Counter(metric.name, metric.help, metric.labels, registry=registry)
        case Type.GAUGE:
            return Gauge(metric.name, metric.help, metric.labels, registry=registry)
        case Type.HISTOGRAM:
            return Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets)
