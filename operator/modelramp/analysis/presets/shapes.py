"""Measures that most servers and gateways have, with the same names, limits and units."""

from collections.abc import Callable

from modelramp.analysis.presets.preset import Labels, Preset, by_revision
from modelramp.analysis.query_context import QueryContext
from modelramp.api.check import Dimension

Pick = Callable[[QueryContext], Labels]


def error_rate(maker: str, summary: str, query: str, source: str, pick: Pick = by_revision) -> Preset:
    """Share of requests that failed; at most 1 %."""
    name = f"{maker}-error-rate"
    return Preset(name, summary, Dimension.OPERATIONAL, "ratio", query, pick, source, max=0.01)


def p95_latency(maker: str, summary: str, query: str, source: str, pick: Pick = by_revision) -> Preset:
    """Time within which 95 of 100 requests are answered; at most 5 s."""
    return Preset(f"{maker}-p95-latency", summary, Dimension.TECHNICAL, "s", query, pick, source, max=5)


def mean_latency(maker: str, summary: str, query: str, source: str, pick: Pick = by_revision) -> Preset:
    """Mean time to an answer; at most 5 s."""
    return Preset(f"{maker}-latency-mean", summary, Dimension.TECHNICAL, "s", query, pick, source, max=5)


def per_second(name: str, summary: str, query: str, source: str, pick: Pick = by_revision) -> Preset:
    """A rate per second, without a limit of its own."""
    summary = f"{summary}; no limit of its own"
    return Preset(name, summary, Dimension.OPERATIONAL, "/s", query, pick, source, example="min: 1")


def seconds(name: str, summary: str, query: str, source: str) -> Preset:
    """A time for which the field has no usual limit."""
    summary = f"{summary}; no limit of its own"
    return Preset(name, summary, Dimension.TECHNICAL, "s", query, by_revision, source, example="max: 2")
