"""Counts of one version, read from the answers of Prometheus."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Protocol

from modelramp.analysis.evidence import Groups, Mean, Proportion, Unusable, counted
from modelramp.analysis.stats.histograms import Buckets, from_classic
from modelramp.analysis.stats.native_histograms import Native, from_native
from modelramp.api.names import Reason

VersionCounts = Proportion | Mean | Buckets | Groups
"""The counts of one version."""

CANDIDATE, STABLE, REFERENCE = "candidate", "stable", "reference"
"""Versions that have counts: the measured revision, the stable version, and a stored baseline."""


class Shape(Enum):
    """JSON forms of the counts of one version, each with an example."""

    PROPORTION = '{"bad": 12, "total": 1204}'
    MEAN = '{"sum": 12.5, "count": 300}'
    BUCKETS = '{"buckets": {"0.1": 3, "0.5": 10, "+Inf": 12}}'
    GROUPS = '{"groups": {"a": {"bad": 3, "total": 100}, "b": {"bad": 9, "total": 100}}}'
    USAGE = '{"usage": {"tokens": 5000}, "count": 300}'


_NO_FAILURES = (
    "bad returned nothing; while nothing has gone wrong its series may be missing: add `or vector(0)`, or in a grouped "
    "query `or total * 0`"
)


class Series(Protocol):
    """One series of an answer at one instant."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        ...

    @property
    def value(self) -> float:
        """Its value; may be NaN or infinite."""
        ...

    @property
    def histogram(self) -> Native | None:
        """The native histogram that it has instead of a value, if any."""
        ...


Answers = Mapping[str, Sequence[Series]]
"""Series by the name of the question."""


def number_of(samples: Sequence[Series], part: str) -> float | Unusable:
    """The number of an answer that must have exactly one; it may be NaN, which the statistics refuse."""
    if len(samples) > 1:
        return Unusable(
            Reason.SEVERAL_SERIES, f"{part} returned {len(samples)} series; aggregate it to one, as in sum(...)"
        )
    if samples:
        return no_number(part) if samples[0].histogram is not None else float(samples[0].value)
    if part == "bad":
        return Unusable(Reason.EMPTY_RESULT, _NO_FAILURES)
    return Unusable(
        Reason.EMPTY_RESULT, f"{part} returned nothing; is it scraped, with the right labels, and is there traffic?"
    )


def no_number(what: str) -> Unusable:
    """The problem of a native histogram where a number is wanted. what: the query that gave it."""
    wrapped = "wrap it, as in histogram_quantile(0.95, ...), histogram_count(...) or histogram_sum(...)"
    return Unusable(Reason.QUERY_INVALID, f"{what} gives a native histogram, not a number; {wrapped}")


def _by_label(samples: Sequence[Series], label: str, part: str) -> dict[str, float] | Unusable:
    found: dict[str, float] = {}
    for series in samples:
        if series.histogram is not None:
            return no_number(part)
        value = series.labels.get(label)
        if not isinstance(value, str):
            return Unusable(
                Reason.EMPTY_RESULT, f"the series of {part} have no label {label}; keep it: sum by ({label}) (...)"
            )
        if value in found:
            return Unusable(
                Reason.SEVERAL_SERIES, f"{part} returned several series for {label}={value}; use sum by ({label})"
            )
        found[value] = series.value
    return found


def buckets_of(samples: Sequence[Series]) -> Buckets | Unusable:
    """The histogram in an answer, classic or native."""
    if any(series.histogram is not None for series in samples):
        return _native(samples)
    found = _by_label(samples, "le", "buckets")
    return from_classic(found) if isinstance(found, dict) else found


def _native(samples: Sequence[Series]) -> Buckets | Unusable:
    if len(samples) > 1:
        sentence = f"buckets returned {len(samples)} series, native histograms among them; add them up: sum(...)"
        return Unusable(Reason.SEVERAL_SERIES, sentence)
    found = samples[0].histogram
    return from_native(found.buckets, found.count) if found is not None else no_number("buckets")


def groups_of(bad: Sequence[Series], total: Sequence[Series], label: str) -> Groups | Unusable:
    """The proportions by group in two answers, whose series have the label that names the group."""
    failed, everything = _by_label(bad, label, "bad"), _by_label(total, label, "total")
    if not isinstance(failed, dict):
        return failed
    if not isinstance(everything, dict):
        return everything
    if everything and not failed:
        return Unusable(Reason.EMPTY_RESULT, _NO_FAILURES)
    # A group in which nothing went wrong has no series of its own when the metric counts only failures.
    found = {name: counted(failed.get(name, 0.0), value) for name, value in everything.items()}
    # One that only bad knows stays in, so that it is refused instead of overlooked.
    return Groups(found | {name: Proportion(value, 0.0) for name, value in failed.items() if name not in everything})
