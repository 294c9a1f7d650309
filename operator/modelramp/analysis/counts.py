"""Arms from answers: what Prometheus said of one version, as the counts that the statistics work on."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from modelramp.analysis.evidence import Groups, Mean, Proportion, Unusable, counted
from modelramp.analysis.stats.cost import priced
from modelramp.analysis.stats.histograms import Buckets, from_classic
from modelramp.analysis.stats.native_histograms import Native, from_native
from modelramp.api.check import Check
from modelramp.api.checks.drift import Reference
from modelramp.api.names import Reason

VersionCounts = Proportion | Mean | Buckets | Groups
"""The counts of one version."""

CANDIDATE, STABLE, REFERENCE = "candidate", "stable", "reference"
"""Names of arms: of the measured revision, the stable version's, and a stored one."""
USAGE = "usage."
"""Begins the names of parts that a price belongs to."""


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
        """What it holds instead of a value when it is a native histogram."""
        ...


Answers = Mapping[str, Sequence[Series]]
"""Series by the name of the question."""


def parts_of(check: Check) -> dict[str, str]:
    """The queries of one arm by part (bad, total, sum, count, buckets, usage.KIND); none for a query or a preset."""
    measured = check.ratio or check.compare or check.sequential or check.drift or check.fairness or check.cost
    found = {
        part: query
        for part in ("bad", "total", "sum", "count", "buckets")
        if (query := getattr(measured, part, None)) is not None
    }
    if check.cost is not None and check.cost.usage is not None:
        found |= {f"{USAGE}{kind}": query for kind, query in check.cost.usage.items()}
    return found


def other_arm(check: Check) -> str | None:
    """Whom the candidate is held against: STABLE, REFERENCE, or None when it is a limit."""
    if check.drift is not None and check.drift.reference is not None:
        return REFERENCE
    compares = check.compare is not None or check.drift is not None
    return STABLE if compares or (check.sequential is not None and check.max is None) else None


def arm_from(check: Check, answers: Answers, arm: str) -> VersionCounts | Unusable:
    """One version's counts; or, when an answer does not hold them, why."""
    if check.fairness is not None:
        return _groups(answers[f"{arm}.bad"], answers[f"{arm}.total"], check.fairness.group_label)
    if f"{arm}.buckets" in answers:
        return _buckets(answers[f"{arm}.buckets"])
    found: dict[str, float] = {}
    for part in parts_of(check):
        value = single(answers[f"{arm}.{part}"], part)
        if not isinstance(value, float):
            return value
        found[part] = value
    if check.cost is not None and check.cost.usage is not None:
        used = {part.removeprefix(USAGE): value for part, value in found.items() if part.startswith(USAGE)}
        return money(check, used, found["count"])
    return counted(found["bad"], found["total"]) if "bad" in found else Mean(found["sum"], found["count"])


def money(check: Check, used: Mapping[str, float], count: float) -> Mean | Unusable:
    """What was used at the check's prices, and how much that bought."""
    prices = check.cost.prices if check.cost is not None else None
    spent = priced(used, prices or {})
    return Mean(spent, count) if isinstance(spent, float) else spent


def stored(reference: Reference) -> VersionCounts | Unusable:
    """The counts that stand in the spec."""
    if reference.buckets is not None:
        return from_classic(reference.buckets)
    if reference.bad is not None and reference.total is not None:
        return Proportion(reference.bad, reference.total)
    return Mean(reference.sum or 0.0, reference.count or 0.0)


def single(samples: Sequence[Series], part: str) -> float | Unusable:
    """The number in an answer that must hold one; it may be NaN, which the statistics refuse with a reason."""
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


def _buckets(samples: Sequence[Series]) -> Buckets | Unusable:
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


def _groups(bad: Sequence[Series], total: Sequence[Series], label: str) -> Groups | Unusable:
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
